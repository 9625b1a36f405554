import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unictoken.core.pictures import read_image
from unictoken.core.text import ConceptError
from unictoken.data.concept import Concept
from unictoken.data.rap import MAX_BYTES, read_memory, write_memory
from unictoken.data.source import SourceError

pytestmark = pytest.mark.real

FACTS = (
    "<bo> is a brown dog. He barks.",
    "distinct features: a white ear",
    "distinct features: a red hat",
    "brand/text: none",
)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8))


@pytest.fixture
def concepts():
    bo = Concept(name="bo", class_noun="dog", pictures=(picture(0), picture(1)), facts=FACTS)
    return [
        bo,
        Concept(
            name="blue-mug",
            class_noun="mug",
            pictures=(picture(2),),
            facts=("<blue-mug> is a blue mug.",),
        ),
    ]


def entry(**changes) -> dict:
    return {
        "name": "bo",
        "image": "memory/bo.png",
        "info": "<bo> is a brown dog.",
        "category": "dog",
        **changes,
    }


def memory(**changes) -> dict:
    """RAP's own layout; `changes` are to <bo>'s entry."""
    return {
        "concept_dict": {"<bo>": entry(**changes)},
        "path_to_concept": {"memory/bo.png": "<bo>"},
    }


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    picture(0).save(folder / "bo.png")
    picture(3).save(tmp_path / "outside.png")
    return folder


def write(folder: Path, found) -> Path:
    path = folder / "database.json"
    path.write_bytes(
        found
        if isinstance(found, bytes)
        else (found if isinstance(found, str) else json.dumps(found)).encode()
    )
    return path


def same_pictures(a, b) -> bool:
    """Whether both hold the same pixels, as files or in memory."""
    pairs = zip(map(read_image, a), map(read_image, b), strict=True)
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in pairs)


def test_a_memory_of_rap_is_read(folder):
    (bo,) = read_memory(write(folder, memory()))
    assert (bo.name, bo.class_noun, bo.facts) == ("bo", "dog", ("<bo> is a brown dog.",))
    assert same_pictures(bo.pictures, [picture(0)])


def test_a_memory_of_r2p_is_read(folder):
    info = {
        "category": "Dog",
        "general": "<bo> is a dog.",
        "distinct features": ["a white ear", "a hat"],
        "color": "brown",
        "state": None,
    }
    picture(1).save(folder / "1.png")
    (bo,) = read_memory(write(folder, memory(image=["memory/bo.png", "memory/1.png"], info=info)))
    assert bo.facts == (
        "<bo> is a dog.",
        "distinct features: a white ear",
        "distinct features: a hat",
        "color: brown",
    )
    assert same_pictures(bo.pictures, [picture(0), picture(1)])


@pytest.mark.parametrize(
    "where",
    [
        "bo.png",
        "memory/bo.png",
        "{parent}/memory/bo.png",
        "{grandparent}/memory/bo.png",
        "../memory/bo.png",
    ],
)
def test_a_picture_is_found_from_any_folder_above_the_memory(where, folder):
    where = where.format(
        parent=folder.parent, grandparent=folder.parent.relative_to(folder.parents[1])
    )
    found = memory(image=where) | {"path_to_concept": {where: "<bo>"}}
    assert same_pictures(read_memory(write(folder, found))[0].pictures, [picture(0)])


def test_pictures_may_lie_in_a_folder_that_is_named(folder):
    found = memory(image="outside.png") | {"path_to_concept": {"outside.png": "<bo>"}}
    path = write(folder, found)
    assert same_pictures(read_memory(path, pictures=folder.parent)[0].pictures, [picture(3)])


def test_pictures_that_only_the_paths_name_belong_to_the_concept_too(folder):
    picture(1).save(folder / "more.png")
    found = memory()
    found["path_to_concept"]["memory/more.png"] = "<bo>"
    assert same_pictures(read_memory(write(folder, found))[0].pictures, [picture(0), picture(1)])


def test_a_concept_about_which_nothing_is_said_has_no_facts(folder):
    assert read_memory(write(folder, memory(info="")))[0].facts == ()
    assert read_memory(write(folder, memory(info={})))[0].facts == ()


def test_people_are_read_when_they_agreed(folder):
    path = write(folder, memory(category="woman"))
    with pytest.raises(SourceError, match="consent"):
        read_memory(path)
    assert read_memory(path, consent=True)[0].consent


def test_concepts_go_out_as_r2p_and_come_back(concepts, tmp_path):
    again = read_memory(write_memory(concepts, tmp_path / "memory", form="r2p"))
    assert [(s.name, s.class_noun, s.facts) for s in again] == [
        (s.name, s.class_noun, s.facts) for s in concepts
    ]
    assert all(same_pictures(a.pictures, b.pictures) for a, b in zip(again, concepts, strict=True))


def test_concepts_go_out_as_rap_and_come_back_with_their_facts_in_one(concepts, tmp_path):
    again = read_memory(write_memory(concepts, tmp_path / "memory"))
    assert [(s.name, s.class_noun, s.facts) for s in again] == [
        (s.name, s.class_noun, (" ".join(s.facts),)) for s in concepts
    ]
    assert all(same_pictures(a.pictures, b.pictures) for a, b in zip(again, concepts, strict=True))


@pytest.mark.parametrize("form", ["rap", "r2p"])
def test_a_memory_goes_in_and_out_unchanged(form, concepts, tmp_path):
    first = write_memory(concepts, tmp_path / "a" / "memory", form=form)
    second = write_memory(read_memory(first), tmp_path / "b" / "memory", form=form)
    assert json.loads(first.read_text(encoding="utf-8")) == json.loads(
        second.read_text(encoding="utf-8")
    )
    files = [p.relative_to(first.parent) for p in sorted(first.parent.rglob("*.png"))]
    assert len(files) == 3 and all(
        (first.parent / f).read_bytes() == (second.parent / f).read_bytes() for f in files
    )


def test_what_is_written_has_raps_own_layout(concepts, tmp_path):
    found = json.loads(write_memory(concepts, tmp_path / "memory").read_text(encoding="utf-8"))
    assert found["concept_dict"]["<blue-mug>"] == {
        "name": "blue-mug",
        "image": "memory/blue-mug/0.png",
        "info": "<blue-mug> is a blue mug.",
        "category": "mug",
    }
    assert found["path_to_concept"] == {
        "memory/bo/0.png": "<bo>",
        "memory/bo/1.png": "<bo>",
        "memory/blue-mug/0.png": "<blue-mug>",
    }
    # as RAP opens them, from the folder above
    assert all((tmp_path / file).is_file() for file in found["path_to_concept"])


def test_what_is_written_for_r2p_has_its_attributes(concepts, tmp_path):
    found = json.loads(
        write_memory(concepts, tmp_path / "memory", form="r2p").read_text(encoding="utf-8")
    )["concept_dict"]["<bo>"]
    assert found["image"] == ["memory/bo/0.png", "memory/bo/1.png"]
    assert found["info"] == {
        "category": "dog",
        "general": ["<bo> is a brown dog. He barks."],
        "distinct features": ["a white ear", "a red hat"],
        "brand/text": ["none"],
    }


TWICE = '{"concept_dict": {"<bo>": %s, "<bo>": %s}, "path_to_concept": {}}' % (
    (json.dumps(entry()),) * 2
)
BROKEN = {
    "empty": ("", "cannot be read"),
    "cut": (json.dumps(memory())[:-20], "cannot be read"),
    "wrong brackets": (json.dumps(memory())[:-1] + "]", "cannot be read"),
    "brackets without end": ("[" * 200_000, "cannot be read"),
    "no text": (b"\xff\xfe\x00", "cannot be read"),
    "a number too long": ('{"a": ' + "9" * 5000 + "}", "cannot be read"),
    "a concept twice": (TWICE, "'<bo>' is given twice"),
    "a list": ([memory()], "found a list, expected a mapping"),
    "no concepts": ({"path_to_concept": {}}, "'concept_dict' is None, expected dict"),
    "no paths": ({"concept_dict": {}}, "'path_to_concept' is None, expected dict"),
    "an empty memory": ({"concept_dict": {}, "path_to_concept": {}}, "its concept_dict is empty"),
    "a concept without a picture": (
        memory(image=[]) | {"path_to_concept": {}},
        "'<bo>': no picture",
    ),
    "half a marker in its words": (memory(info="<bo is a dog."), "'<bo' has one bracket"),
    "a category of two lines": (memory(category="dog\ncat"), "class noun"),
    "concepts in a list": ({"concept_dict": [entry()], "path_to_concept": {}}, "expected dict"),
    "an unknown part": (memory() | {"index": {}}, "unknown key 'index'"),
    "a concept that is text": (
        {"concept_dict": {"<bo>": "a dog"}, "path_to_concept": {}},
        "'<bo>': found a str",
    ),
    "no name": (memory(name=None), "'name' is None, expected str"),
    "no picture": (memory(image=None), "'image' is None, expected str or list"),
    "an unknown key": (memory(colour="brown"), "unknown key 'colour'"),
    "a number for words": (memory(info=7), "'info' is 7, expected str or dict"),
    "nan for words": (memory(info=float("nan")), "NaN is no number of JSON"),
    "no category": (memory(category=" "), "class noun ' '"),
    "a number among attributes": (
        memory(info={"general": [7]}),
        "'info: general' holds 7, expected text",
    ),
    "a number among pictures": (memory(image=[7]), "'image' holds 7, expected text"),
    "another name than its key": (
        memory(name="mia"),
        "its name is 'mia', expected the key '<mia>'",
    ),
    "a name that climbs": (memory(name="../bo"), "database.json: '<bo>': concept name '../bo'"),
    "another concept in its words": (
        memory(info="<bo> and <mia> play."),
        "'<mia>' is not a concept that is loaded",
    ),
    "a picture that climbs": (memory(image="../outside.png"), "picture '../outside.png' is not in"),
    "a picture elsewhere": (memory(image="/etc/passwd"), "picture '/etc/passwd' is not in"),
    "a picture that is not there": (
        memory(image="memory/none.png"),
        "picture 'memory/none.png' is not in",
    ),
    "a picture on the net": (memory(image="https://a.org/bo.png"), "is not in"),
    "a picture that is a folder": (memory(image="memory"), "picture 'memory' is not in"),
    "a picture no file can be": (memory(image="a\0b"), "is not in"),
    "a picture with a name too long": (memory(image="a" * 5000), "is not in"),
    "a picture that is none": (memory(image="memory/database.json"), "not a readable picture"),
    "a path to nobody": (
        memory() | {"path_to_concept": {"memory/bo.png": "<mia>"}},
        "path_to_concept names '<mia>'",
    ),
    "a path to a list": (
        memory() | {"path_to_concept": {"memory/bo.png": ["<bo>"]}},
        "path_to_concept names",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_memory_is_refused_in_one_line(what, folder):
    found, match = BROKEN[what]
    with pytest.raises(ValueError, match=match) as error:
        read_memory(write(folder, found))
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_a_picture_of_two_concepts_is_refused(folder):
    found = memory()
    found["concept_dict"]["<mia>"] = entry(name="mia", info="")
    with pytest.raises(
        SourceError, match="'<mia>': path_to_concept gives its picture 'memory/bo.png' to '<bo>'"
    ):
        read_memory(write(folder, found))


def test_a_link_that_leads_out_is_refused(folder):
    (folder / "bo.png").unlink()
    (folder / "bo.png").symlink_to(folder.parent / "outside.png")
    with pytest.raises(SourceError, match="'memory/bo.png' is not in"):
        read_memory(write(folder, memory()))


def test_a_file_that_is_not_there_or_a_folder_or_too_large_is_refused(folder):
    with pytest.raises(SourceError, match="no such file"):
        read_memory(folder / "database.json")
    with pytest.raises(SourceError, match="a folder"):
        read_memory(folder)
    with open(folder / "database.json", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SourceError, match="expected at most"):
        read_memory(folder / "database.json")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda concepts: [], "no concepts to write"),
        (lambda concepts: concepts * 2, "two concepts are named 'bo'"),
        (
            lambda concepts: [*concepts, Concept(name="mia", class_noun="cat", pictures=())],
            "'mia': no pictures",
        ),
        (
            lambda concepts: [
                *concepts,
                Concept(name="../mia", class_noun="cat", pictures=(picture(0),)),
            ],
            "concept name '../mia'",
        ),
    ],
)
def test_concepts_that_make_no_memory_are_refused_and_nothing_is_written(
    spoil, match, concepts, tmp_path
):
    with pytest.raises(ValueError, match=match):
        write_memory(spoil(concepts), tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


def test_a_memory_is_not_written_over(concepts, tmp_path):
    path = write_memory(concepts, tmp_path / "memory")
    before = path.read_bytes()
    (tmp_path / "photos").mkdir()
    picture(0).save(tmp_path / "photos" / "0.png")
    for taken in ("memory", "photos"):
        with pytest.raises(ConceptError, match=f"{taken}: is there already"):
            write_memory(concepts[:1], tmp_path / taken)
    assert path.read_bytes() == before and [
        file.name for file in (tmp_path / "photos").iterdir()
    ] == ["0.png"]


def test_an_empty_folder_takes_a_memory(concepts, tmp_path):
    (tmp_path / "memory").mkdir()
    assert write_memory(concepts, tmp_path / "memory") == tmp_path / "memory" / "database.json"


def test_writing_that_fails_leaves_nothing(concepts, tmp_path, monkeypatch):
    def full(file, form):
        raise OSError("no space left on device")

    monkeypatch.setattr(concepts[1].pictures[0], "save", full)
    with pytest.raises(OSError, match="no space left"):
        write_memory(concepts, tmp_path / "memory")
    assert list(tmp_path.iterdir()) == []


def test_a_fifo_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "database.json")
    with pytest.raises(SourceError, match="found no plain file, expected a JSON file"):
        read_memory(folder / "database.json")
