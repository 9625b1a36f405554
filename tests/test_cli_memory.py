"""unictoken memory: a file of its own, and databases of RAP, RePIC and R2P."""

import io
import json
from pathlib import Path

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
    cli.main(["memory", "export", str(photos), "--out", str(tmp_path / "rap")])
    assert capsys.readouterr().out == f"{tmp_path / 'rap' / 'database.json'}\n"
    cli.main(["memory", "show", str(tmp_path / "rap")])
    assert capsys.readouterr().out == "<bo> dog, 2 pictures: <bo> has a hat. <bo> sings.\n"


def test_a_memory_goes_from_one_layout_to_the_other(photos, tmp_path):
    cli.main(["memory", "export", str(photos), "--out", str(tmp_path / "rap")])
    cli.main(
        [
            "memory",
            "export",
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
        cli.main(["memory", "show", str(database)])
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
            cli.main(["memory", "export", str(photos), "--out", str(place)])
    assert sorted(photos.parent.rglob("*")) == before


def test_people_of_a_memory_are_read_with_consent_only(photos, capsys):
    (photos / "info.json").write_text(json.dumps({"class": "policewoman"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="is a person"):
        cli.main(["memory", "show", str(photos)])
    cli.main(["memory", "show", str(photos), "--consent"])
    assert capsys.readouterr().out == "<bo> policewoman, 2 pictures: nothing is said\n"


# ---- a memory's own file -------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder, and gives its lines."""
    monkeypatch.chdir(tmp_path)

    def lines(*words: str) -> list[str]:
        cli.main(list(words))
        return capsys.readouterr().out.splitlines()

    return lines


def test_what_is_said_is_shown_first_kept_found_and_forgotten(run, photos):
    assert run("memory", "import", str(photos)) == [
        "<bo>: dog, 2 pictures. <bo> has a hat. <bo> sings."
    ]
    said = run("memory", "remember", "remember that bo has a blue hat now")
    assert said == ["about <bo>, has hat: <bo> has a blue hat now. (no longer: <bo> has a hat.)"]
    assert run("memory", "remember", "i like xylophones") == ["about you, like: i like xylophones."]
    listed = run("memory", "list")
    assert listed[0] == "<bo>: dog, 2 pictures. <bo> has a blue hat now. <bo> sings."
    assert listed[1].startswith("you: 4 ") and listed[1].endswith("user i like xylophones.")
    shown = run("memory", "show", "<bo>")
    assert [line.split()[0] for line in shown[1:]] == ["1", "2", "3"]
    assert "xylophones" in run("memory", "search", "xylophone")[0]
    (entry,) = map(json.loads, run("memory", "show", "bo", "--json"))
    assert entry["facts"][2]["text"] == "<bo> has a blue hat now."
    run("memory", "forget", "--item", "3")
    assert run("memory", "list")[0] == listed[0].replace("a blue hat now", "a hat")
    run("memory", "forget", "bo")
    run("memory", "forget", "--item", "4")
    assert run("memory", "list") == []
    assert b"xylophone" not in Path("me.memory").read_bytes()


def test_a_memory_is_exported_and_imported_again(run, photos, tmp_path):
    run("memory", "import", str(photos))
    assert run("memory", "export", "--out", "rap") == [str(tmp_path / "rap" / "database.json")]
    again = run("memory", "import", "rap", "--memory", "again.memory")
    assert again == ["<bo>: dog, 2 pictures. <bo> has a hat. <bo> sings."]
    assert run("memory", "export", "--out", "copy", "--form", "memory") == ["copy"]
    assert run("memory", "list", "--memory", "copy") == run("memory", "list")


def test_a_concept_file_gives_a_remembered_concept_its_tokens(run, bo, photos, tmp_path):
    run("memory", "import", str(photos))
    path = bo.save(tmp_path / "bo.safetensors")
    assert "2 pictures, learned." in run("memory", "import", str(path))[0]
    assert ", learned." in run("memory", "import", str(path), "--memory", "other.memory")[0]


def test_nothing_is_kept_without_consent_to_it(run, photos, monkeypatch):
    run("memory", "import", str(photos))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("memory", "remember", "bo naps", "--ask")[1] == "not kept"
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert len(run("memory", "remember", "bo naps", "--ask")) == 1
    assert run("memory", "list")[0].endswith("<bo> naps.")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["forget"], "give the name of a concept, --item NUMBER, or --all"),
        (["forget", "rex"], "me.memory: no such file"),
        (["list"], "me.memory: no such file. Expected a memory"),
        (["import", "nowhere"], "nowhere"),
        (["remember", "<rex> naps"], "'<rex>' is not a concept that is loaded"),
        (["search"], "give words, or a picture"),
        (["search", "who", "--image", "0.png"], "give words, or a picture"),
        (["search", "who", "--sharpen", "nowhere"], "--sharpen: compares pictures"),
        (["search", "who", "--encoder", "nowhere"], "--encoder: compares pictures"),
        (["sharpen", "--out", "it.safetensors", "--drawn", "-1"], "--drawn: found -1"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, words, match):
    with pytest.raises(SystemExit, match=match):
        run("memory", *words)


@pytest.mark.slow
def test_questions_are_asked_with_a_memory(run, photos):
    """With the base that ships: of pictures that it cannot know, only words are asked."""
    run("memory", "import", str(photos))
    run("memory", "remember", "bo lives in the snow")
    asked = ("ask", "where does <bo> live?", "--memory", "me.memory")
    assert run(*asked) == ["in the snow"]
    before = Path("me.memory").read_bytes()
    with pytest.raises(SystemExit, match="'<bo>' is not a concept that is loaded"):
        run(*asked, "--temporary")
    assert Path("me.memory").read_bytes() == before
