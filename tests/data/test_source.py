import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from unictoken.concept import file as concept_file
from unictoken.core.pictures import PictureError
from unictoken.core.text import ConceptError
from unictoken.data.source import SourceError, picture_files, read_source
from unictoken.learn.concept import learn_concept

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"


@pytest.fixture
def folder(tmp_path):
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (16, 16), colour).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / ".hidden.png").write_text("not a picture", encoding="utf-8")
    return tmp_path


def write_info(folder, info) -> None:
    (folder / "info.json").write_text(info if isinstance(info, str) else json.dumps(info), encoding="utf-8")


def test_a_toy_folder_is_read_as_it_was_written(toy, toy_folder):
    source, wrote = read_source(toy_folder, name="tom"), toy.source
    assert (source.name, source.class_noun, source.facts, source.questions, source.pet) == (
        "tom", wrote.class_noun, wrote.facts, wrote.questions, wrote.pet,
    )
    assert all(np.array_equal(a, b) for a, b in zip(source.pictures, wrote.pictures, strict=True))
    assert {grade: len(found) for grade, found in source.negatives.items()} == {"easy": 24, "hard": 24, "twin": 24}


def test_pictures_of_a_folder_come_in_order_and_nothing_else_does(folder):
    source = read_source(folder, name="bo", class_noun="dog")
    assert [p.getpixel((0, 0)) for p in source.pictures] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    assert (source.negatives, source.facts, source.pet) == ({}, (), None)


def test_single_files_can_be_given(folder):
    assert len(read_source([folder / "0.png", folder / "2.png"], name="bo", class_noun="dog").pictures) == 2


def test_the_concepts_marker_becomes_its_slot(folder):
    write_info(folder, {"class": "dog", "extra_info": ["<bo> has a hat."], "questions": [{"question": "who is <bo>?", "answer": "<bo> is <bo>"}]})
    source = read_source(folder, name="bo", facts=["<bo> sings."])
    assert source.class_noun == "dog"
    assert source.facts == ("{name} has a hat.", "{name} sings.")
    assert source.questions == (("who is {name}?", "{name} is {name}"),)


def test_what_is_said_wins_over_the_folder(folder):
    write_info(folder, {"class": "dog"})
    assert read_source(folder, name="bo", class_noun="wolf").class_noun == "wolf"


def test_negatives_are_graded_by_their_names(folder):
    (folder / "negative_example").mkdir()
    for name in ("easy_0.png", "twin-3.jpg", "somebody.png"):
        Image.new("RGB", (16, 16)).save(folder / "negative_example" / name)
    negatives = read_source(folder, name="bo", class_noun="dog").negatives
    assert {grade: len(found) for grade, found in negatives.items()} == {"easy": 1, "hard": 1, "twin": 1}


def test_a_class_noun_is_needed(folder):
    with pytest.raises(SourceError, match="no class noun"):
        read_source(folder, name="bo")


@pytest.mark.parametrize(
    ("info", "match"),
    [
        ("{", "cannot be read"),
        ([1], "found a list"),
        ({"class": "dog", "questions": ["what?"]}, r"questions\[0\] is 'what\?'"),
        ({"class": "dog", "questions": [{"question": "what?"}]}, r"questions\[0\]"),
        ({"class": "dog", "questions": [{"question": "what?", "answer": 3}]}, r"questions\[0\]"),
        ({"class": "dog", "questions": 3}, "questions"),
        ({"class": "dog", "extra_info": "<bo> sings."}, "extra_info"),
        ({"class": "dog", "extra_info": [3]}, "extra_info"),
        ({"class": 3}, "class"),
        ({"class": ""}, "class noun ''"),
        ({"class": "dog\ncat"}, "class noun 'dog"),
        ("[" * 200_000, "cannot be read"),
        ('{"class": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"class": "dog", "class": "cat"}', "'class' is given twice"),
        ({"class": "dog", "world": {"species": "dog"}}, "world"),
    ],
)
def test_an_info_file_that_cannot_be_used_is_refused(folder, info, match):
    write_info(folder, info)
    with pytest.raises(ValueError, match=match) as refused:
        read_source(folder, name="bo")
    assert "info.json" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1" + "0" * 30])
def test_a_toy_pet_whose_numbers_cannot_be_drawn_is_refused(folder, toy, number):
    pet = asdict(toy.pet) | {"girth": "GIRTH"}
    write_info(folder, json.dumps({"class": "dog", "world": pet}).replace('"GIRTH"', number))
    with pytest.raises(SourceError, match=r"info\.json: 'girth' of 'world' is .*, expected a number"):
        read_source(folder, name="bo")


@pytest.mark.parametrize("place", ["folder", "fifo", "dangling"])
def test_an_info_file_that_is_none_is_refused_and_not_passed_over(folder, place):
    info = folder / "info.json"
    {"folder": info.mkdir, "fifo": lambda: os.mkfifo(info), "dangling": lambda: info.symlink_to("nowhere.json")}[place]()
    with pytest.raises(SourceError, match=r"info\.json: found .*, expected a JSON file"):
        read_source(folder, name="bo", class_noun="dog")


@pytest.mark.parametrize("noun", ["", " ", "dog\n", "dog\x1b[2J", "dog\u2028cat"])
def test_a_class_noun_is_one_line_with_something_in_it(folder, noun):
    write_info(folder, {"class": "dog"})
    with pytest.raises(ValueError, match="'bo': class noun .* Expected an ordinary word") as refused:
        read_source(folder, name="bo", class_noun=noun)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(("fact", "match"), [("<bo is small.", "'<bo' has one bracket"), ("<bo> is {shared}.", "'{shared}' is a slot")])
def test_a_fact_with_half_a_marker_or_a_slot_is_refused(folder, fact, match):
    with pytest.raises(ConceptError, match=f"concept.facts: {match}"):
        read_source(folder, name="bo", class_noun="dog", facts=[fact])


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no pictures in it"):
        picture_files(tmp_path)
    with pytest.raises(SourceError, match="no such file or folder"):
        picture_files(tmp_path / "nowhere")


def test_a_broken_picture_is_named(folder):
    (folder / "3.png").write_text("hello", encoding="utf-8")
    with pytest.raises(PictureError, match=r"3\.png"):
        read_source(folder, name="bo", class_noun="dog")


def test_a_name_that_climbs_out_is_refused(folder):
    with pytest.raises(ConceptError):
        read_source(folder, name="../bo", class_noun="dog")


@pytest.mark.real
@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photos at {PHOTOS}")
def test_real_photos_are_read(base):
    source = read_source(PHOTOS / "dog6", name="dog6", class_noun="dog")
    assert len(source.pictures) == 5 and all(p.mode == "RGB" and min(p.size) > 100 for p in source.pictures)
    assert base.encode(source.pictures).shape == (5, 64)


def test_a_marker_of_somebody_else_is_a_mistake(folder):
    write_info(folder, {"class": "dog", "extra_info": ["<rex> has a hat."]})
    with pytest.raises(ConceptError, match="info.json: '<rex>' is not a concept that is loaded. Loaded: '<bo>'"):
        read_source(folder, name="bo")


@pytest.mark.parametrize("noun", ["person", "man", "Woman", "old man", "baby", "girl with a hat", "film actor", "my sister",
    "me", "myself", "policewoman", "firemen", "grandson", "step-daughter", "stepmothers", "great-grandmother", "granny",
    "fianc\u00e9e", "fiance\u0301",
    "two humans", "three persons", "bosses", "ladies", "chef", "spokesperson", "old_man", "king", "tennis player", "german man",
])  # fmt: skip
def test_people_are_learned_with_their_consent_only(folder, noun):
    with pytest.raises(SourceError, match=rf"'{noun}' is a person.*`consent: true`.*`--consent`") as refused:
        read_source(folder, name="bo", class_noun=noun)
    assert "\n" not in str(refused.value)
    assert read_source(folder, name="bo", class_noun=noun, consent=True).consent


@pytest.mark.parametrize("noun", ["dog", "manatee", "boyish doll", "snowman", "womanizer", "neighbour's dog", "garfield",
    "two snowmen", "gingerbread man", "superman", "german shepherd", "doberman", "ottoman", "ramen", "stepladder", "grandstand", "goddess",
    "record player", "king penguin", "king charles spaniel", "adult dog", "women's shoes", "human's hat", "medal", "bus", "glass",
])  # fmt: skip
def test_words_that_only_hold_a_persons_need_no_consent(folder, noun):
    assert not read_source(folder, name="bo", class_noun=noun).consent


def test_no_picture_is_in_the_concept_file(base, short_method, tmp_path):
    """Neither a file's bytes, nor a row of pixels as numbers of any width, nor image ids."""
    rng = np.random.default_rng(0)
    (tmp_path / "negative_example").mkdir()
    for name in ("0.png", "1.png", "negative_example/easy_0.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    source = read_source(tmp_path, name="bo", class_noun="dog")
    path = concept_file.save(learn_concept(base, source, short_method), tmp_path / "bo.safetensors")
    data = path.read_bytes()
    assert not any(start in data for start in (b"\x89PNG", b"\xff\xd8\xff", b"IDAT", b"JFIF", b"Exif"))
    for picture, ids in zip(source.pictures, base.encode(source.pictures).numpy(), strict=True):
        pixels = np.asarray(picture)
        for kind in (np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32):
            assert not any(row.astype(kind).tobytes() in data for row in (pixels[0], pixels[0] / 127.5 - 1, pixels[:, 0], ids[:8]))
    assert {key.split(".")[0] for key in load_file(path)} == {"in", "out"}
