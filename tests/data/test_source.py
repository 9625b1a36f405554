import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from unictoken.core.pictures import PictureError
from unictoken.core.text import ConceptError
from unictoken.data.source import SourceError, picture_files, read_concept
from unictoken.learn.method import Run
from unictoken.learn.optimize import OptimizeRows

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"


@pytest.fixture
def folder(tmp_path):
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (16, 16), colour).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / ".hidden.png").write_text("not a picture", encoding="utf-8")
    return tmp_path


def write_info(folder, info) -> None:
    (folder / "info.json").write_text(
        info if isinstance(info, str) else json.dumps(info), encoding="utf-8"
    )


def test_a_toy_folder_is_read_as_it_was_written(toy, toy_folder):
    concept, wrote = read_concept(toy_folder, name="tom"), toy
    assert (concept.name, concept.class_noun, concept.facts, concept.questions) == (
        "tom",
        wrote.class_noun,
        wrote.facts,
        wrote.questions,
    )
    assert (concept.truth.subject, concept.truth.facts) == (wrote.truth.subject, None)
    assert all(np.array_equal(a, b) for a, b in zip(concept.pictures, wrote.pictures, strict=True))
    assert {grade: len(found) for grade, found in concept.negatives.items()} == {
        "easy": 24,
        "hard": 24,
        "near_duplicate": 24,
    }


def test_pictures_of_a_folder_come_in_order_and_nothing_else_does(folder):
    concept = read_concept(folder, name="bo", class_noun="dog")
    assert [p.getpixel((0, 0)) for p in concept.pictures] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    assert (concept.negatives, concept.facts, concept.truth) == ({}, (), None)


def test_single_files_can_be_given(folder):
    assert (
        len(
            read_concept([folder / "0.png", folder / "2.png"], name="bo", class_noun="dog").pictures
        )
        == 2
    )


def test_texts_keep_the_concepts_marker(folder):
    write_info(
        folder,
        {
            "class": "dog",
            "extra_info": ["<bo> has a hat."],
            "questions": [{"question": "who is <bo>?", "answer": "<bo> is <bo>"}],
        },
    )
    concept = read_concept(folder, name="bo", facts=["<bo> sings."])
    assert concept.class_noun == "dog"
    assert concept.facts == ("<bo> has a hat.", "<bo> sings.")
    assert concept.questions == (("who is <bo>?", "<bo> is <bo>"),)


def test_what_is_said_wins_over_the_folder(folder):
    write_info(folder, {"class": "dog"})
    assert read_concept(folder, name="bo", class_noun="wolf").class_noun == "wolf"


def test_negatives_are_graded_by_their_names(folder):
    (folder / "negative_example").mkdir()
    for name in ("easy_0.png", "near_duplicate-3.jpg", "somebody.png"):
        Image.new("RGB", (16, 16)).save(folder / "negative_example" / name)
    negatives = read_concept(folder, name="bo", class_noun="dog").negatives
    assert {grade: len(found) for grade, found in negatives.items()} == {
        "easy": 1,
        "hard": 1,
        "near_duplicate": 1,
    }


def test_a_class_noun_is_needed(folder):
    with pytest.raises(SourceError, match="no class noun.*--class dog"):
        read_concept(folder, name="bo")


@pytest.mark.parametrize(
    ("info", "match"),
    [
        ("{", "cannot be read"),
        ([1], r"found \[1\], expected a mapping"),
        ({"class": "dog", "questions": ["what?"]}, r"questions\[0\]: found 'what\?'"),
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
        read_concept(folder, name="bo")
    assert "info.json" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("info", "match"),
    [
        ({"facts": ["<bo> sings."]}, "unknown key 'facts'; did you mean 'extra_info'"),
        ({"class_noun": "dog"}, "unknown key 'class_noun'; did you mean 'class'"),
        ({"Class": "dog"}, "unknown key 'Class'; did you mean 'class'"),
        ({"extra-info": []}, "unknown key 'extra-info'; did you mean 'extra_info'"),
        ({"extrainfo": []}, "unknown key 'extrainfo'; did you mean 'extra_info'"),
        ({"question": []}, "unknown key 'question'; did you mean 'questions'"),
        (
            {"colour": "red"},
            "unknown key 'colour'; known keys: class, extra_info, questions, world",
        ),
        ({"world": {"furr": "brown"}}, "'world': unknown key 'furr'; did you mean 'fur'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(folder, info, match):
    write_info(folder, info)
    with pytest.raises(SourceError, match=rf"info\.json: {match}"):
        read_concept(folder, name="bo", class_noun="dog")


@pytest.mark.parametrize(
    ("question", "match"),
    [
        ({"question": "who?", "anwser": "<bo>"}, "unknown key 'anwser'; did you mean 'answer'"),
        ({"q": "who?", "a": "<bo>"}, "unknown key 'q'; did you mean 'question'"),
        (
            {"question": "who?", "answer": "<bo>", "image": "0.png"},
            "unknown key 'image'; known keys: question, answer",
        ),
    ],
)
def test_an_unknown_key_of_a_question_is_refused(folder, question, match):
    write_info(folder, {"class": "dog", "questions": [question]})
    with pytest.raises(SourceError, match=rf"info\.json: questions\[0\]: {match}"):
        read_concept(folder, name="bo")


def test_the_keys_of_unifybench_pass(folder):
    others = {"info": "<bo> is small.", "conversation_type": "animal", "generation_type": "object"}
    write_info(folder, {"class": "dog", **others})
    assert read_concept(folder, name="bo").class_noun == "dog"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1" + "0" * 30])
def test_a_toy_pet_whose_numbers_cannot_be_drawn_is_refused(folder, toy, number):
    pet = asdict(toy.truth.subject) | {"girth": "GIRTH"}
    write_info(folder, json.dumps({"class": "dog", "world": pet}).replace('"GIRTH"', number))
    with pytest.raises(
        SourceError, match=r"info\.json: .*(no number of JSON|too large a number|expected a number)"
    ):
        read_concept(folder, name="bo")


@pytest.mark.parametrize("place", ["folder", "fifo", "dangling"])
def test_an_info_file_that_is_none_is_refused_and_not_passed_over(folder, place):
    info = folder / "info.json"
    {
        "folder": info.mkdir,
        "fifo": lambda: os.mkfifo(info),
        "dangling": lambda: info.symlink_to("nowhere.json"),
    }[place]()
    with pytest.raises(SourceError, match=r"info\.json: found .*, expected a JSON file"):
        read_concept(folder, name="bo", class_noun="dog")


@pytest.mark.parametrize("noun", ["", " ", "dog\n", "dog\x1b[2J", "dog\u2028cat"])
def test_a_class_noun_is_one_line_with_something_in_it(folder, noun):
    write_info(folder, {"class": "dog"})
    with pytest.raises(
        ValueError, match="'bo': class noun .* Expected an ordinary word"
    ) as refused:
        read_concept(folder, name="bo", class_noun=noun)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("fact", "match"),
    [("<bo is small.", "'<bo' has one bracket"), ("<bo> is {shared}.", "'{shared}' is a slot")],
)
def test_a_fact_with_half_a_marker_or_a_slot_is_refused(folder, fact, match):
    with pytest.raises(ConceptError, match=f"concept.facts: {match}"):
        read_concept(folder, name="bo", class_noun="dog", facts=[fact])


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no pictures in it"):
        picture_files(tmp_path)
    with pytest.raises(SourceError, match="no such file or folder"):
        picture_files(tmp_path / "nowhere")


MORE = [".jfif", ".jpe", ".JPG", ".pjpeg", "", ".png", ".1", ".jpg.bak", ".txt"]


@pytest.mark.parametrize("ending", MORE)
def test_what_is_a_picture_in_a_folder_is_told_by_content(folder, ending, caplog):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    noise.save(folder / f"1_more{ending}", format="JPEG")
    names = ["0.png", "1.png", f"1_more{ending}", "2.png"]
    assert [p.name for p in picture_files(folder)] == names
    assert len(read_concept(folder, name="bo", class_noun="dog").pictures) == 4
    assert not caplog.records


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "TIFF", "PNG"])
def test_pictures_without_an_ending_are_found(kind, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "photo", format=kind)
    assert picture_files(tmp_path) == [tmp_path / "photo"]


def test_what_is_no_picture_passes_without_a_word(folder, caplog):
    for name in (".DS_Store", "._0.jpg", "Thumbs.db", "scores.json", "bo.safetensors", "BMX.md"):
        (folder / name).write_bytes(b"BMX is my bike.")
    (folder / "song.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(20))
    (folder / "page.html").write_text("<html><svg></svg></html>", encoding="utf-8")
    (folder / "empty").touch()
    (folder / "deeper.mp4").mkdir()
    os.mkfifo(folder / "pipe")
    assert [p.name for p in picture_files(folder)] == ["0.png", "1.png", "2.png"]
    assert not caplog.records


UNREAD = {
    "clip.mp4": b"\0\0\0\x18ftypisom" + bytes(20),
    "clip": b"\0\0\0\x18ftypqt  " + bytes(20),
    "movie.webm": b"\x1aE\xdf\xa3",
    "logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "logo": b"<?xml version='1.0'?>\n<svg/>",
    "scan.pdf": b"%PDF-1.7",
    "scan": b"%PDF-1.7",
    "draft.psd": b"8BPS\0\1",
    "new.jxl": b"\xff\x0a",
    "raw.dng": b"II*\0\x08\0\0\0",
    "raw.CR2": b"II*\0\x10\0\0\0CR",
    "raw.cr3": b"\0\0\0\x18ftypcrx " + bytes(20),
    "old.tga": b"\0\0\2",
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_looks_like_a_picture_and_is_not_read_is_named(folder, name, caplog):
    (folder / name).write_bytes(UNREAD[name])
    assert len(picture_files(folder)) == 3
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: left out, in a format that is not read here: {name}. "
        "Save them as JPEG or PNG to use them."
    ]


def test_of_many_files_that_are_left_out_a_few_are_named(folder, caplog):
    for i in range(9):
        (folder / f"{i}.mov").write_bytes(b"\0\0\0\x08moov")
    read_concept(folder, name="bo", class_noun="dog")
    assert "0.mov, 1.mov, 2.mov, 3.mov, 4.mov and 4 more." in caplog.text
    assert len(caplog.records) == 1


def test_a_name_with_a_line_break_is_said_in_one_line(folder, caplog):
    for copy in ("two\nlines.png", "0.png"):
        Image.new("RGB", (16, 16), "red").save(folder / copy)
    (folder / "two\nlines.mov").write_bytes(b"\0\0\0\x08moov")
    read_concept(folder, name="bo", class_noun="dog")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and not any("\n" in line for line in said)


def test_negatives_that_are_left_out_are_named(folder, caplog):
    (folder / "negative_example").mkdir()
    Image.new("RGB", (16, 16)).save(folder / "negative_example" / "easy_0.jpe")
    (folder / "negative_example" / "easy_1.svg").write_text("<svg/>", encoding="utf-8")
    assert len(read_concept(folder, name="bo", class_noun="dog").negatives["easy"]) == 1
    assert "negative_example: left out" in caplog.text and "easy_1.svg" in caplog.text


def test_a_folder_of_what_cannot_be_read_says_so(tmp_path):
    (tmp_path / "clip.mov").write_bytes(b"\0\0\0\x08moov")
    with pytest.raises(SourceError, match=r"no pictures in it\. .*: left out, .*: clip\.mov\."):
        picture_files(tmp_path)


@pytest.mark.parametrize("name", ["3.jpeg", "3.heic", "3.jfif"])
def test_a_file_that_promises_a_picture_and_holds_none_is_an_error(folder, name):
    (folder / name).write_bytes(b"%PDF-1.7")
    with pytest.raises(PictureError, match=f"{name}: not a readable picture"):
        read_concept(folder, name="bo", class_noun="dog")


def test_the_same_picture_three_times_is_learned_from_once_and_said_so(folder, caplog):
    Image.open(folder / "0.png").save(folder / "3.bmp")
    os.link(folder / "0.png", folder / "4.png")
    concept = read_concept(folder, name="bo", class_noun="dog")
    assert [p.getpixel((0, 0)) for p in concept.pictures] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    same = " = ".join(str(folder / name) for name in ("0.png", "3.bmp", "4.png"))
    assert [record.getMessage() for record in caplog.records] == [
        f"The same picture more than once, learned from once: {same}."
    ]


def test_one_picture_given_three_times_is_one_picture(folder, caplog):
    concept = read_concept([folder / "0.png"] * 3, name="bo", class_noun="dog")
    assert len(concept.pictures) == 1 and len(caplog.records) == 1


def test_a_copy_that_its_exif_turns_back_is_the_same_picture(folder, caplog):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 3  # stored upside down
    Image.fromarray(pixels).save(folder / "4.png")
    Image.fromarray(pixels).rotate(180).save(folder / "5.png", exif=exif)
    assert len(read_concept(folder, name="bo", class_noun="dog").pictures) == 4
    assert "5.png" in caplog.text


def test_pictures_of_one_colour_and_other_sizes_are_not_the_same(folder, caplog):
    Image.new("RGB", (32, 16), "red").save(folder / "3.png")
    Image.new("RGB", (16, 32), "red").save(folder / "4.png")
    assert len(read_concept(folder, name="bo", class_noun="dog").pictures) == 5
    assert not caplog.records


@pytest.mark.parametrize("own", ["1.png", "cropped/1.png"])
def test_a_picture_that_is_a_negative_too_is_refused(folder, own):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for part in ("cropped", "negative_example"):
        (folder / part).mkdir()
    Image.new("RGB", (16, 16), "pink").save(folder / "cropped" / "0.png")
    for file in (own, "negative_example/hard_7.bmp"):
        Image.fromarray(pixels).save(folder / file)
    said = rf"{own}: the same picture as .*hard_7\.bmp, .* not show <bo>"
    with pytest.raises(SourceError, match=said) as refused:
        read_concept(folder, name="bo", class_noun="dog")
    assert "\n" not in str(refused.value)


def test_a_broken_picture_is_named(folder):
    (folder / "3.png").write_text("hello", encoding="utf-8")
    with pytest.raises(PictureError, match=r"3\.png"):
        read_concept(folder, name="bo", class_noun="dog")


def test_a_name_that_climbs_out_is_refused(folder):
    with pytest.raises(ConceptError):
        read_concept(folder, name="../bo", class_noun="dog")


@pytest.mark.real
@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photos at {PHOTOS}")
def test_real_photos_are_read(base):
    concept = read_concept(PHOTOS / "dog6", name="dog6", class_noun="dog")
    assert len(concept.pictures) == 5 and all(
        p.mode == "RGB" and min(p.size) > 100 for p in concept.pictures
    )
    assert base.encode(concept.pictures).shape == (5, 64)


def test_a_marker_of_somebody_else_is_a_mistake(folder):
    write_info(folder, {"class": "dog", "extra_info": ["<rex> has a hat."]})
    with pytest.raises(
        ConceptError, match="info.json: '<rex>' is not a concept that is loaded. Loaded: '<bo>'"
    ):
        read_concept(folder, name="bo")


@pytest.mark.parametrize("noun", ["person", "man", "Woman", "old man", "baby", "girl with a hat", "film actor", "my sister",
    "me", "myself", "policewoman", "firemen", "grandson", "step-daughter", "stepmothers", "great-grandmother", "granny",
    "fianc\u00e9e", "fiance\u0301",
    "two humans", "three persons", "bosses", "ladies", "chef", "spokesperson", "old_man", "king", "tennis player", "german man",
])  # fmt: skip
def test_people_are_learned_with_their_consent_only(folder, noun):
    with pytest.raises(
        SourceError, match=rf"'{noun}' is a person.*`consent: true`.*`--consent`"
    ) as refused:
        read_concept(folder, name="bo", class_noun=noun)
    assert "\n" not in str(refused.value)
    assert read_concept(folder, name="bo", class_noun=noun, consent=True).consent


@pytest.mark.parametrize("noun", ["dog", "manatee", "boyish doll", "snowman", "neighbour's dog",
    "two snowmen", "gingerbread man", "superman", "german shepherd", "doberman", "ottoman", "ramen", "stepladder", "grandstand",
    "record player", "king penguin", "king charles spaniel", "adult dog", "women's shoes", "human's hat", "medal", "bus", "glass",
])  # fmt: skip
def test_words_that_only_hold_a_persons_need_no_consent(folder, noun):
    assert not read_concept(folder, name="bo", class_noun=noun).consent


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("a dog", "dog"),
        ("An apple", "apple"),
        ("pink_sunglasses", "pink sunglasses"),
        (" my dog ", "dog"),
    ],
)
def test_a_class_noun_is_kept_without_its_article(folder, noun, said):
    write_info(folder, {"class": noun})
    assert (
        read_concept(folder, name="bo").class_noun
        == read_concept(folder, name="bo", class_noun=noun).class_noun
        == said
    )


@pytest.mark.parametrize("noun", ["a", "the", "_", "An "])
def test_an_article_alone_is_no_class_noun(folder, noun):
    with pytest.raises(ConceptError, match="'bo': class noun .* Expected an ordinary word"):
        read_concept(folder, name="bo", class_noun=noun)


@pytest.mark.slow
def test_no_picture_is_in_the_concept_file(base, short_method, tmp_path):
    """Neither a file's bytes, nor a row of pixels as numbers of any width, nor image ids."""
    rng = np.random.default_rng(0)
    (tmp_path / "negative_example").mkdir()
    for name in ("0.png", "1.png", "negative_example/easy_0.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    concept = read_concept(tmp_path, name="bo", class_noun="dog")
    learned = OptimizeRows(short_method).fit(base, [concept], run=Run())
    path = learned.save(tmp_path / "bo.safetensors")
    data = path.read_bytes()
    assert not any(
        start in data for start in (b"\x89PNG", b"\xff\xd8\xff", b"IDAT", b"JFIF", b"Exif")
    )
    for picture, ids in zip(concept.pictures, base.encode(concept.pictures).numpy(), strict=True):
        pixels = np.asarray(picture)
        for kind in (np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32):
            assert not any(
                row.astype(kind).tobytes() in data
                for row in (pixels[0], pixels[0] / 127.5 - 1, pixels[:, 0], ids[:8])
            )
    assert {key.split(".")[0] for key in load_file(path)} == {"in", "out"}
