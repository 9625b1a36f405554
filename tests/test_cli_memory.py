"""unictoken memory: memories of RAP, RePIC and R2P."""

import json

import pytest
from PIL import Image

from unictoken import cli
from unictoken.data.rap import read_memory

pytestmark = pytest.mark.real

BO = {"name": "bo", "image": "0.png", "info": "<bo> is small.", "category": "dog"}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "bo"
    folder.mkdir()
    for name in ("0.png", "1.png"):
        Image.new("RGB", (16, 16), "red").save(folder / name)
    (folder / "info.json").write_text(
        json.dumps({"class": "dog", "extra_info": ["<bo> has a hat.", "<bo> sings."]}),
        encoding="utf-8",
    )
    return folder


def test_a_folder_becomes_a_memory_and_a_memory_is_shown_one_line_each(photos, tmp_path, capsys):
    cli.main(["memory", str(photos), "--out", str(tmp_path / "rap")])
    assert capsys.readouterr().out == f"{tmp_path / 'rap' / 'database.json'}\n"
    cli.main(["memory", str(tmp_path / "rap")])
    assert capsys.readouterr().out == "<bo> dog, 2 pictures: <bo> has a hat. <bo> sings.\n"


def test_a_memory_goes_from_one_layout_to_the_other(photos, tmp_path):
    cli.main(["memory", str(photos), "--out", str(tmp_path / "rap")])
    cli.main(
        [
            "memory",
            str(tmp_path / "rap" / "database.json"),
            "--out",
            str(tmp_path / "r2p"),
            "--form",
            "r2p",
        ]
    )
    (bo,) = read_memory(tmp_path / "r2p" / "database.json")
    assert (bo.name, bo.class_noun, len(bo.pictures)) == ("bo", "dog", 2)


@pytest.mark.parametrize(
    ("found", "match"),
    [
        ("[", "cannot be read"),
        ({"concept_dict": {}, "path_to_concept": {}}, "concept_dict is empty"),
        (
            {"concept_dict": {"<bo>": BO | {"info": "<bo is small"}}, "path_to_concept": {}},
            "one bracket",
        ),
    ],
)
def test_a_memory_that_is_malformed_is_refused_in_one_line(found, match, photos, capsys):
    database = photos / "database.json"
    database.write_text(found if isinstance(found, str) else json.dumps(found), encoding="utf-8")
    with pytest.raises(SystemExit, match=match) as refused:
        cli.main(["memory", str(database)])
    said = capsys.readouterr()
    assert (refused.value.code, said.out, len(said.err.splitlines())) == (2, "", 1) and str(
        database
    ) in said.err


def test_a_memory_is_not_written_over_what_is_there(photos):
    (taken := photos.parent / "taken").mkdir()
    (taken / "letter").touch()
    before = sorted(photos.parent.rglob("*"))
    for place, said in (
        (taken, "is there already"),
        (photos, "which is read"),
        (photos / "inside", "which is read"),
    ):
        with pytest.raises(SystemExit, match=said):
            cli.main(["memory", str(photos), "--out", str(place)])
    assert sorted(photos.parent.rglob("*")) == before


def test_people_of_a_memory_are_read_with_consent_only(photos, capsys):
    (photos / "info.json").write_text(json.dumps({"class": "policewoman"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="is a person"):
        cli.main(["memory", str(photos)])
    cli.main(["memory", str(photos), "--consent"])
    assert capsys.readouterr().out == "<bo> policewoman, 2 pictures: nothing is said\n"
