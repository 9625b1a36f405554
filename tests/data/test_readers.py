"""Other people's layouts, read into the same records. UnifyBench has a file of its own."""

import json
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import layouts
import pytest
from layouts import draw, turns, write

from unictoken.data.readers import LAYOUTS, read
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError
from unictoken.data.source import check_learnable

pytestmark = pytest.mark.real

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"


def names(files) -> list[str]:
    return ["/".join(file.parts[-2:]) for file in files]


def made(layout: str, tmp_path: Path) -> Path:
    return getattr(layouts, layout)(tmp_path / "bo")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_told_from_the_others(layout, tmp_path):
    root = made(layout, tmp_path)
    assert read(root).layout == read(root, layout).layout == layout


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".webp", ".PNG", ""])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_told_whatever_its_pictures_end_in(layout, ending, tmp_path):
    root = made(layout, tmp_path)
    for file in [f for f in root.rglob("*") if f.suffix in (".png", ".jpg")]:
        file.rename(file.with_suffix(ending))
    assert next(name for name, reader in LAYOUTS.items() if reader.fits(root)) == layout


def test_a_row_may_name_a_picture_of_any_ending(tmp_path):
    layouts.yollava(tmp_path)
    for file in (tmp_path / "test" / "bo").glob("*.png"):
        file.rename(file.with_suffix(".jfif"))
    asked = tmp_path / "yollava-visual-qa.json"
    asked.write_text(asked.read_text(encoding="utf-8").replace("1.png", "1.jfif"), encoding="utf-8")
    assert names(read(tmp_path).select("bo", "choice", split="test")[0].pictures) == ["bo/1.jfif"]


def test_what_a_dataset_leaves_out_is_named(tmp_path, caplog):
    root = layouts.folder(tmp_path / "bo")
    (root / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    read(root)
    assert f"{root}: left out, in a format that is not read here: clip.mp4." in caplog.text


@pytest.mark.parametrize(
    "said", ["is this<sks wearing a hat?", "what is sks>wearing?", "photo of<Bo", "5>sks>4"]
)
def test_a_name_with_one_bracket_is_a_mistake_wherever_it_stands(said):
    with pytest.raises(DataError, match="has one bracket"):
        Names.of(["bo"], Path("here")).mark(said, "bo", "row 1")


@pytest.mark.parametrize(
    "said", ["is 5>3, <sks>?", "is a<b, <sks>?", "<sks> looks left->right", "<3 <sks>"]
)
def test_one_bracket_is_a_mistake_only_where_it_is_a_names(said):
    assert "<bo>" in Names.of(["bo"], Path("here")).mark(said, "bo", "row 1")


def test_a_folder_of_no_layout_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError) as refused:
        read(tmp_path)
    assert all(name in str(refused.value) for name in LAYOUTS) and "\n" not in str(refused.value)


def test_a_layout_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(DataError, match="layout 'yolava': expected one of unifybench"):
        read(tmp_path, "yolava")


# Yo'LLaVA


def test_yollava_without_negatives(tmp_path):
    dataset = read(layouts.yollava(tmp_path))
    bo = dataset.concepts["bo"]
    assert (list(dataset.concepts), bo.class_noun, bo.negatives) == (["bo", "shiba-gray"], "", {})
    assert names(bo.pictures) == ["bo/0.png", "bo/1.png", "bo/2.png"]
    assert check_learnable(replace(bo, class_noun="a dog")).class_noun == "dog"
    with pytest.raises(ValueError, match="'bo': its dataset does not say what it is"):
        check_learnable(bo)


def test_yollava_with_negatives_and_training_texts(tmp_path):
    layouts.yollava_negatives(layouts.yollava(tmp_path))
    dataset = read(tmp_path)
    bo = dataset.concepts["bo"]
    assert names(bo.negatives["hard"]) == ["negative_example/10.png", "negative_example/11.png"]
    no, yes = dataset.select("bo", "recognise", split="train")  # in the order of the files
    assert (yes.answer, names(yes.pictures), no.answer, names(no.pictures), no.grade) == (
        "yes", ["bo/2.png"], "no", ["negative_example/11.png"], "hard",
    )  # fmt: skip
    assert bo.questions == (("What color is <bo>?", "<bo> is red."),)


def test_yollavas_placeholder_becomes_the_name_and_only_as_a_word(tmp_path):
    dataset = read(layouts.yollava(tmp_path))
    (seen,) = dataset.select("bo", "choice", split="test")
    assert (seen.question, seen.options, seen.answer, names(seen.pictures)) == (
        "What is <bo> wearing?", ("<bo>'s hat", "tasks"), "tasks", ["bo/1.png"],
    )  # fmt: skip
    (told,) = dataset.select("bo", "text_qa", split="test")
    assert (told.question, told.options, told.answer, told.pictures) == (
        "Does <bo> like tasks?",
        ("Yes", "No"),
        "Yes",
        (),
    )


def test_yollavas_flat_questions_are_given_to_the_concept_of_their_folder(tmp_path):
    layouts.yollava(tmp_path)
    nested = json.loads((tmp_path / "yollava-visual-qa.json").read_text(encoding="utf-8"))
    before = read(tmp_path).select("bo", "choice", split="test")
    write(tmp_path / "yollava-visual-qa.json", nested["bo"])
    (flat,) = read(tmp_path).select("bo", "choice", split="test")
    assert (flat.question, flat.options, flat.pictures) == (
        before[0].question,
        before[0].options,
        before[0].pictures,
    )


def test_yollavas_recognition_is_its_own_pictures_against_all_others(tmp_path):
    asked = read(layouts.yollava(tmp_path)).select("shiba-gray", "recognise", split="test")
    assert [(names(r.pictures)[0], r.answer) for r in asked] == [
        ("bo/0.png", "no"), ("bo/1.png", "no"), ("shiba-gray/0.png", "yes"), ("shiba-gray/1.png", "yes"),
    ]  # fmt: skip
    assert asked[0].question == "is <shiba-gray> in the photo?"


def test_questions_about_concepts_without_a_folder_are_counted(tmp_path):
    layouts.yollava(tmp_path)
    write(tmp_path / "yollava-text-qa.json", {"nobody": {"0": {}, "1": {}}})
    assert [
        note.endswith("about 'nobody', which has no folder in train/: 2 rows left out.")
        for note in read(tmp_path).notes
    ] == [True]


# MC-LLaVA


def test_mcllavas_single_concepts(tmp_path):
    dataset = read(layouts.mcllava(tmp_path))
    bo = dataset.concepts["bo"]
    assert list(dataset.concepts) == ["mia", "bo"]
    assert names(bo.pictures) == ["Bo/0.png", "Bo/1.png"], "masks are no pictures of it"
    assert names(bo.negatives["easy"]) == ["random-images/1.png", "random-images/2.png"]
    (choice,), (seen,), (told,) = (
        dataset.select("bo", task, split="test") for task in ("choice", "vqa", "text_qa")
    )
    assert (choice.question, choice.options, choice.answer, names(choice.pictures)) == (
        "What is <bo> doing?", ("sitting", "running", "sleeping"), "sleeping", ["Bo/0.png"],
    )  # fmt: skip
    assert (seen.question, seen.answer) == ("Where is <bo>?", "<bo> is at home.")
    assert (told.question, told.options, told.answer, told.pictures) == (
        "Is <bo> tall?",
        ("Yes", "No"),
        "Yes",
        (),
    )
    assert bo.questions == (("Who is <bo>?", "<bo> is a dog."),)


def test_a_question_may_name_another_concept_of_the_dataset(tmp_path):
    layouts.mcllava(tmp_path)
    write(
        tmp_path / "two_concept/concept/test/Bo/vqa.json",
        {"0.png": {"Human": "Is <mia> beside <Bo>?", "AI": "No."}},
    )
    (seen,) = read(tmp_path).select("bo", "vqa", split="test")
    assert (seen.question, seen.concepts) == ("Is <mia> beside <bo>?", ("bo", "mia"))


# MyVLM


def test_myvlms_captions_and_questions(tmp_path):
    dataset, name = read(layouts.myvlm(tmp_path)), "billy_dog"
    billy = dataset.concepts[name]
    assert names(billy.pictures) == [f"billy_dog/IMG_{i}.jpg" for i in range(4)]
    train, test = (dataset.select(name, "caption", split=split) for split in ("train", "test"))
    assert [r.answer for r in train] == ["<billy_dog> in a room 0", "<billy_dog> again"]
    assert [names(r.pictures)[0] for r in test] == ["billy_dog/IMG_5.jpg"] * 2
    (asked,) = dataset.select(name, "vqa", split="train")
    assert (asked.question, asked.answer) == (
        "Where is <billy_dog>?",
        "<billy_dog> is on the smug table.",
    )
    assert [r.answer for r in dataset.select(name, "recognise", split="test")] == ["yes"] * 2 + [
        "no"
    ] * 2


def test_myvlms_names_are_replaced_as_whole_words(tmp_path):
    dataset = read(layouts.myvlm(tmp_path))
    assert dataset.select("mug", "vqa", split="train")[0].answer == "<mug> is on the smug table."


def test_myvlms_augmented_captions_come_first(tmp_path):
    layouts.myvlm(tmp_path)
    write(tmp_path / "mug/captions_augmented.json", {"IMG_0.jpg": ["A mug."]})
    assert [r.answer for r in read(tmp_path).select("mug", "caption", split="train")] == [
        "A <mug>."
    ]


# DreamBench


def test_dreambenchs_prompts_are_for_objects_or_for_live_subjects(tmp_path):
    dataset = read(layouts.dreambench(tmp_path))
    dog, teapot = dataset.concepts["dog6"], dataset.concepts["teapot"]
    assert (dog.class_noun, dog.kind, teapot.kind, len(dog.pictures)) == (
        "dog",
        "animal",
        "object",
        3,
    )
    assert [r.question for r in dataset.records["dog6"]] == ["a <dog6> wearing a red hat"]
    assert [r.question for r in dataset.records["teapot"]] == [
        "a <teapot> on a mirror",
        "a red <teapot>",
    ]
    assert dataset.notes == (f"{tmp_path / 'prompts_and_classes.txt'}: 1 subjects have no folder.",)


def test_a_line_of_dreambenchs_list_is_bounded_before_anything_is_looked_for_in_it(tmp_path):
    folder = layouts.dreambench(tmp_path)
    (listed,) = folder.glob("*.txt")
    listed.write_text(listed.read_text(encoding="utf-8") + "'" * 200_000 + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a line: .*letters"):
        read(folder)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photos at {PHOTOS}")
def test_the_real_dreambench_is_read(base):
    dataset = read(PHOTOS)
    assert dataset.layout == "dreambench" and len(dataset.concepts) >= 5
    for name, concept in dataset.concepts.items():
        assert len(dataset.records[name]) == 25 and len(concept.pictures) in (4, 5, 6)
    asked = [record.question for record in dataset.records["dog6"]]
    assert (asked[0], asked[10]) == ("a <dog6> in the jungle", "a <dog6> wearing a red hat")
    assert base.encode(dataset.concepts["dog6"].read().pictures).shape == (5, 64)


# A folder


def test_a_bare_folder_is_a_concept_named_like_it(tmp_path):
    bo = read(layouts.folder(tmp_path / "bo")).concepts["bo"]
    assert (bo.name, bo.class_noun, bo.facts) == ("bo", "dog", ("<bo> has a hat.",))
    assert bo.questions == (("what has <bo>?", "a hat"),)
    assert {grade: names(files) for grade, files in bo.negatives.items()} == {
        "easy": ["negative_example/easy_0.png"]
    }
    assert names(bo.pictures) == ["bo/0.png", "bo/1.png"]


# Malformed: one line that names the file, and nothing written


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def bomb(path: Path) -> None:
    """A PNG whose header promises 10 gigapixels."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(b""),
        b"IEND": b"",
    }
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(written))


def instead(path: Path, make) -> None:
    """Something else where the file was."""
    path.unlink()
    make(path)


def again(path: Path, *keys: str, value) -> None:
    """The JSON file with another value under the keys; `...` takes the key away."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    part = whole
    for key in keys[:-1]:
        part = part[key]
    if value is ...:
        del part[keys[-1]]
    else:
        part[keys[-1]] = value
    path.write_text(json.dumps(whole), encoding="utf-8")


def twice(path: Path) -> None:
    """The JSON mapping with its first key given twice."""
    first, value = next(iter(json.loads(path.read_text(encoding="utf-8")).items()))
    path.write_text(
        "{"
        + f"{json.dumps(first)}: {json.dumps(value)}, "
        + path.read_text(encoding="utf-8").lstrip()[1:],
        encoding="utf-8",
    )


def bad_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\xfa")


def say(path: Path, old: str, new: str) -> None:
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


TRAIN, TEST = "concept/train/bo", "concept/test/bo"
TWO = "two_concept/concept/test/Bo"
VQA, TOLD, LIST = "yollava-visual-qa.json", "yollava-text-qa.json", "prompts_and_classes.txt"
SHELL = "concept_obj/backpack_1"
CHI = "data"
CHI_TEST, YTVOS = "data/annotations/test.json", "annotations/ytvos/cleaned_captions_ytvos_test.csv"
SEEN = ("bo", "./yollava-data/test/bo/1.png")
MALFORMED = {
    "unifybench": {
        "cut picture": (lambda r: cut(r / TRAIN / "1.png"), r"1\.png: not a readable picture"),
        "huge picture": (lambda r: bomb(r / TEST / "1.png"), r"1\.png: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / TEST / "vqa.json"), r"vqa\.json: cannot be read"),
        "wrong type": (lambda r: write(r / "concepts_list.json", {"bo": 1}), "expected a list of concept names"),
        "missing key": (lambda r: again(r / TRAIN / "info.json", "class", value=...), r"info\.json: found no 'class'"),
        "extra type": (lambda r: again(r / TEST / "text_only.json", 0, "type", value="vqqa"), "found type 'vqqa', expected one of rec, vqa"),
        "wrong brackets": (lambda r: say(r / TEST / "t2i_conditions.json", "<bo> eating", "<bo eating"), "'<bo' has one bracket"),
        "a method's slot": (lambda r: say(r / TEST / "t2i_conditions.json", "<bo> eating", "{shared} eating"), "'{shared}' is a slot of a method"),
        "somebody else": (lambda r: say(r / TEST / "t2i_conditions.json", "<bo> eating", "<rex> eating"), "'<rex>' is no concept"),
        "duplicate name": (lambda r: write(r / "concepts_list.json", ["bo", "mia", "bo"]), "'bo' is listed twice"),
        "name without a folder": (lambda r: write(r / "concepts_list.json", ["bo", "rex"]), "no folder concept/train/rex"),
        "unreadable file": (lambda r: bad_bytes(r / TRAIN / "conversations.json"), r"conversations\.json: cannot be read"),
        "climbs out": (lambda r: again(r / TEST / "vqa.json", 0, "image", value="../../../../outside.png"), "no picture .* inside"),
        "climbs out later": (lambda r: again(r / TEST / "vqa.json", 0, "image", value="1/../../../../../outside.png"), "no picture .* inside"),
        "no name on the list": (lambda r: write(r / "concepts_list.json", []), r"concepts_list\.json: names no concept"),
        "kind that is no text": (lambda r: again(r / TRAIN / "info.json", "generation_type", value=["x"]), "'generation_type': found list"),
        "deep JSON": (lambda r: write(r / TEST / "vqa.json", "[" * 200_000), r"vqa\.json: cannot be read"),
        "long number": (lambda r: write(r / TEST / "vqa.json", "9" * 5000), r"vqa\.json: cannot be read"),
        "blank class": (lambda r: again(r / TRAIN / "info.json", "class", value=" "), r"info\.json: class noun ' '"),
        "class of two lines": (lambda r: again(r / TRAIN / "info.json", "class", value="dog\ncat"), r"info\.json: class noun"),
        "swapped roles": (lambda r: again(r / TEST / "text_only.json", 0, "conversations", value=turns("a", "b")[::-1]), "found it from 'gpt'"),
        "one role twice": (lambda r: again(r / TEST / "text_only.json", 0, "conversations", 1, "from", value="human"), "expected an answer there"),
        "odd turns": (lambda r: again(r / TEST / "vqa.json", 0, "conversations", value=[{"value": "?"}]), "found 1 turns"),
    },
    "yollava": {
        "cut picture": (lambda r: cut(r / "train/bo/1.png"), r"1\.png: not a readable picture"),
        "text for a picture": (lambda r: write(r / "test/bo/1.png", "hello"), r"1\.png: not a readable picture"),
        "huge picture": (lambda r: bomb(r / "train/bo/1.png"), r"1\.png: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / VQA), r"visual-qa\.json: cannot be read"),
        "wrong type": (lambda r: write(r / VQA, [1]), "expected questions by concept"),
        "missing key": (lambda r: again(r / VQA, *SEEN, "question", value=...), "expected one of query, question, Human"),
        "answer that is no option": (lambda r: again(r / VQA, *SEEN, "correct_answer", value="D"), "found the answer 'D', expected one of A, B"),
        "one option": (lambda r: again(r / TOLD, "bo", "0", "option", value={"A": "Yes"}), "two or more different options"),
        "wrong brackets": (lambda r: say(r / VQA, "<sks> wearing", "sks> wearing"), "'sks>' has one bracket"),
        "duplicate name": (lambda r: twice(r / VQA), "'bo' is given twice"),
        "names that differ by case": (lambda r: draw(r / "train/BO/0.png"), "two concepts are named 'bo'"),
        "unreadable file": (lambda r: bad_bytes(r / TOLD), r"text-qa\.json: cannot be read"),
        "no test": (lambda r: [*map(Path.unlink, (r / "test/shiba-gray").glob("*.png"))], "shiba-gray: no pictures in it"),
        "climbs out": (lambda r: again(r / VQA, "bo", value={"../../outside.png": {"question": "?", "answer": "!"}}), "no picture .* inside"),
    },
    "mcllava": {
        "cut picture": (lambda r: cut(r / "two_concept/concept/train/Bo/0.png"), r"0\.png: not a readable picture"),
        "huge picture": (lambda r: bomb(r / TWO / "1.png"), r"1\.png: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / TWO / "qa.json"), r"qa\.json: cannot be read"),
        "wrong type": (lambda r: write(r / TWO / "vqa.json", '"none"'), "expected a list of rows"),
        "missing key": (lambda r: again(r / TWO / "qa.json", 0, "answer", value=...), "expected one of answer, AI, correct_answer"),
        "no options": (lambda r: write(r / TWO / "choice.json", {"0.png": {"Human": "What?", "AI": "C"}}), "found no options in 'What"),
        "wrong brackets": (lambda r: say(r / TWO / "qa.json", "<Bo>", "<Bo"), "'<Bo' has one bracket"),
        "duplicate name": (lambda r: draw(r / "two_concept/concept/train/mia/0.png"), "two concepts are named 'mia'"),
        "unreadable file": (lambda r: bad_bytes(r / TWO / "vqa.json"), r"vqa\.json: cannot be read"),
        "climbs out": (lambda r: write(r / TWO / "vqa.json", {"/etc/../outside.png": {"Human": "?", "AI": "!"}}), "no picture .* inside"),
        "masks alone": (lambda r: [(r / "two_concept/concept/train/Bo" / f"{i}.png").unlink() for i in (0, 1)], "found masks only"),
        "no test": (lambda r: [f.unlink() for f in (r / TWO).glob("*.png")], "no pictures in it"),
    },
    "myvlm": {
        "cut picture": (lambda r: cut(r / "mug/IMG_1.jpg"), r"IMG_1\.jpg: not a readable picture"),
        "text for a picture": (lambda r: write(r / "mug/IMG_5.jpg", "hello"), r"IMG_5\.jpg: not a readable picture"),
        "huge picture": (lambda r: bomb(r / "mug/IMG_1.jpg"), r"IMG_1\.jpg: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / "mug/captions.json"), r"captions\.json: cannot be read"),
        "wrong type": (lambda r: write(r / "mug/captions.json", ["a mug"]), "expected captions by picture"),
        "caption that is no text": (lambda r: write(r / "mug/captions.json", {"IMG_0.jpg": [3]}), "found int 3, expected a caption"),
        "half a pair": (lambda r: write(r / "mug/additional_llava_vqa_data.json", {"IMG_0.jpg": [["?"]]}), "expected a question and its answer"),
        "wrong brackets": (lambda r: write(r / "mug/captions.json", {"IMG_0.jpg": ["<mug here"]}), "'<mug' has one bracket"),
        "duplicate key": (lambda r: twice(r / "mug/captions.json"), "'IMG_0.jpg' is given twice"),
        "unreadable file": (lambda r: bad_bytes(r / "mug/captions.json"), r"captions\.json: cannot be read"),
        "climbs out": (lambda r: write(r / "mug/captions.json", {"../../outside.png": ["a mug"]}), "no picture .* inside"),
        "too few": (lambda r: [(r / "mug" / f"IMG_{i}.jpg").unlink() for i in (2, 3)], "found 4 pictures, expected more than 4"),
    },
    "dreambench": {
        "cut picture": (lambda r: cut(r / "dog6/00.jpg"), r"00\.jpg: not a readable picture"),
        "text for a picture": (lambda r: write(r / "dog6/00.jpg", "hello"), r"00\.jpg: not a readable picture"),
        "huge picture": (lambda r: bomb(r / "dog6/00.jpg"), r"00\.jpg: .*(pixels|exceeds limit)"),
        "cut list": (lambda r: cut(r / LIST), "found no 'Live Subject Prompts'"),
        "wrong row": (lambda r: say(r / LIST, "dog6,dog", "dog6;dog"), "found 'dog6;dog', expected 'subject,class'"),
        "missing class": (lambda r: say(r / LIST, "dog6,dog", "dog7,dog"), "says no class for the folder 'dog6'"),
        "no prompts": (lambda r: say(r / LIST, "wearing a red hat'.format", "'.fmt"), "found no prompts under 'Live Subject Prompts'"),
        "wrong brackets": (lambda r: say(r / LIST, "red {0} {1}", "red {0 {1}"), r"does not say '\{0\} \{1\}' once"),
        "extra slot": (lambda r: say(r / LIST, "red {0} {1}", "{2} {0} {1}"), r"does not say '\{0\} \{1\}' once"),
        "duplicate name": (lambda r: say(r / LIST, "dog6,dog", "dog6,dog\ndog6,dog"), "'dog6' is listed twice"),
        "unreadable file": (lambda r: bad_bytes(r / LIST), "cannot be read"),
        "empty folder": (lambda r: (r / "vase").mkdir(), "no pictures in it"),
        "two commas": (lambda r: say(r / LIST, "dog6,dog", "dog6,dog,x"), "found 'dog6,dog,x', expected 'subject,class'"),
        "a section twice": (lambda r: say(r / LIST, "Object Prompts", "Classes\n\nObject Prompts"), "the title 'Classes' is given twice"),
        "half a marker": (lambda r: say(r / LIST, "wearing a red hat", "wearing <hat"), "'<hat' has one bracket"),
        "blank class": (lambda r: say(r / LIST, "dog6,dog", "dog6, "), "expected 'subject,class'"),
    },
    "folder": {
        "cut picture": (lambda r: cut(r / "1.png"), r"1\.png: not a readable picture"),
        "text for a picture": (lambda r: write(r / "1.png", "hello"), r"1\.png: not a readable picture"),
        "huge picture": (lambda r: bomb(r / "negative_example/easy_0.png"), r"easy_0\.png: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / "info.json"), r"info\.json: cannot be read"),
        "wrong type": (lambda r: write(r / "info.json", [1]), r"found \[1\], expected a mapping"),
        "missing key": (lambda r: write(r / "info.json", {"extra_info": []}), "does not say what it is"),
        "fact that is no text": (lambda r: write(r / "info.json", {"class": "dog", "extra_info": [3]}), r"extra_info\[0\]: found 3"),
        "half a world": (lambda r: write(r / "info.json", {"class": "dog", "world": {"species": "dog"}}), "'world' is"),
        "wrong brackets": (lambda r: say(r / "info.json", "<bo> has", "<bo has"), "'<bo' has one bracket"),
        "somebody else": (lambda r: say(r / "info.json", "<bo> has", "<rex> has"), "'<rex>' is no concept"),
        "unreadable file": (lambda r: bad_bytes(r / "info.json"), r"info\.json"),
        "heic": (lambda r: write(r / "2.heic", "x"), r"2\.heic: "),
    },
    "lamp": {
        "cut JSON": (lambda r: cut(r / "dev_questions.json"), r"dev_questions\.json: cannot be read"),
        "wrong type": (lambda r: write(r / "dev_questions.json", {"id": 1}), "expected a list of questions"),
        "missing key": (lambda r: again(r / "dev_questions.json", 0, "input", value=...), r"\[0\]\.input: found nothing"),
        "entry without its score": (lambda r: again(r / "dev_questions.json", 0, "profile", 0, "score", value=...), r"profile\[0\]: found no text under 'score'"),
        "unknown task": (lambda r: again(r / "dev_outputs.json", "task", value="LaMP_9"), "expected one of LaMP_1"),
        "output that is no label": (lambda r: again(r / "dev_outputs.json", "golds", 0, "output", value="7"), "found the output '7', expected one of 1, 2"),
        "id that is no name": (lambda r: again(r / "dev_questions.json", 0, "user_id", value="!?"), "found the id '!\\?'"),
        "unreadable file": (lambda r: bad_bytes(r / "dev_outputs.json"), r"dev_outputs\.json: cannot be read"),
        "nothing to ask": (lambda r: write(r / "dev_questions.json", []), "no concept in it"),
    },
    "personachat": {
        "no number": (lambda r: say(r / "valid_self_original.txt", "2 your", "two your"), "found 'two your persona: i live in a city.', expected a number"),
        "no beginning": (lambda r: say(r / "valid_self_original.txt", "1 your persona: i like dogs.\n", ""), "expected a number that counts"),
        "no reply": (lambda r: say(r / "valid_self_original.txt", "?\tin a city .", "? in a city ."), ":4: found 'and where"),
        "empty reply": (lambda r: say(r / "valid_self_original.txt", "\tin a city .\t", "\t \t"), "and the reply to it"),
        "reply that is no candidate": (lambda r: say(r / "valid_self_original.txt", "|in a city .", "|at home ."), "the reply 'in a city .' is not among its candidates"),
        "another dialogue": (lambda r: say(r / "valid_self_revised.txt", "in a city .", "in a town ."), "found another dialogue than at"),
        "empty file": (lambda r: write(r / "valid_self_original.txt", "\n"), "found no dialogue"),
        "unreadable file": (lambda r: bad_bytes(r / "valid_self_revised.txt"), "cannot be read"),
        "wrong JSON": (lambda r: write(r / "personachat_self_original.json", {"dev": []}), "expected one of train, valid, test"),
    },
    "focus": {
        "cut JSON": (lambda r: cut(r / "valid_focus.json"), "cannot be read"),
        "wrong type": (lambda r: write(r / "valid_focus.json", []), "expected FoCus's dialogues under 'data'"),
        "missing key": (lambda r: again(r / "valid_focus.json", "data", 0, "persona", value=...), "persona: found nothing"),
        "grounding that is no flag": (lambda r: again(r / "valid_focus.json", "data", 0, "utterance", 0, "persona_grounding", value=[1]), "expected true or false"),
        "index beyond the end": (lambda r: again(r / "valid_focus.json", "data", 0, "utterance", 0, "knowledge_answer_index", value=3), "found knowledge_answer_index 3, expected one below 3"),
        "half a turn": (lambda r: again(r / "valid_focus.json", "data", 0, "utterance", 0, "dialogue1", value=["Hm?"]), "found 1 texts, expected a question and a reply"),
        "no turn": (lambda r: again(r / "valid_focus.json", "data", 0, "utterance", 0, "dialogue1", value=...), "dialogue1: found nothing, expected a list"),
        "duplicate id": (lambda r: (lambda d: write(r / "valid_focus.json", {"data": d["data"] * 2}))(json.loads((r / "valid_focus.json").read_text(encoding="utf-8"))), "is there twice"),
        "unreadable file": (lambda r: bad_bytes(r / "valid_focus.json"), "cannot be read"),
    },
    "lcmp": {
        "no YAML": (lambda r: write(r / SHELL / "history.yaml", "- turn: [1"), r"history\.yaml.*not valid YAML"),
        "wrong type": (lambda r: write(r / SHELL / "history.yaml", "turn: 1"), "expected a list of rows"),
        "missing key": (lambda r: say(r / SHELL / "history.yaml", "  user_input: The", "  said: The"), r"\[1\]\.user_input: found nothing"),
        "answer that is no option": (lambda r: say(r / SHELL / "easy_question.yaml", "answer: a gift", "answer: a loan"), "the answer among them"),
        "one option": (lambda r: say(r / SHELL / "easy_question.yaml", "  - a find\n", ""), "two or more different options"),
        "alias": (lambda r: say(r / SHELL / "easy_question.yaml", "answer: a gift", "answer: *gift"), "the alias"),
        "cut picture": (lambda r: cut(r / SHELL / "img/sq_1.png"), r"sq_1\.png: not a readable picture"),
        "unreadable file": (lambda r: bad_bytes(r / SHELL / "profile.yaml"), r"profile\.yaml: cannot be read"),
        "one name twice": (lambda r: write(r / "concept_pet/backpack_1/history.yaml", "[]"), "two concepts are in folders of one name"),
    },
    "mmpb": {
        "cut picture": (lambda r: cut(r / "animal/train/Rex/1.png"), r"1\.png: not a readable picture"),
        "missing column": (lambda r: say(r / "dataset.csv", ",name,", ",who,"), "found no column 'name'"),
        "missing cell": (lambda r: say(r / "dataset.csv", "Rex,<sks> likes soup.,", "Rex\n"), "more or fewer cells"),
        "no rows": (lambda r: write(r / "dataset.csv", (r / "dataset.csv").read_text(encoding="utf-8").split("\n")[0]), "found no rows"),
        "open quote": (lambda r: say(r / "dataset.csv", "Is <sks> here", '"Is <sks> here'), "(cannot be read|cells)"),
        "unknown kind": (lambda r: say(r / "dataset.csv", "overconcept", "overkill"), "found l2-category 'overkill', expected one of awareness"),
        "neither yes nor no": (lambda r: say(r / "dataset.csv", ",Yes,", ",Maybe,"), "found the answer 'Maybe', expected Yes or No"),
        "letter that is no option": (lambda r: say(r / "dataset.csv", "inconsistent0.png,A,", "inconsistent0.png,D,"), "found the answer 'D', expected one of A, B, C"),
        "no picture": (lambda r: (r / "animal/test/Rex/recognition/0.png").unlink(), "no picture .* inside"),
        "climbs out": (lambda r: say(r / "dataset.csv", "animal/test/Rex/recognition/0.png", "../outside.png"), "no picture .* inside"),
        "wrong brackets": (lambda r: say(r / "dataset.csv", "Is <sks> here", "Is <sks here"), "'<sks' has one bracket"),
        "unreadable file": (lambda r: bad_bytes(r / "dataset.csv"), r"dataset\.csv: cannot be read"),
    },
    "pbench": {
        "cut line": (lambda r: cut(r / "p-bench-qa.jsonl"), r"p-bench-qa\.jsonl:1: cannot be read"),
        "wrong type": (lambda r: write(r / "p-bench-qa.jsonl", "3"), "expected a mapping"),
        "missing key": (lambda r: say(r / "p-bench-qa.jsonl", '"value": "A"', '"said": "A"'), "value: found nothing"),
        "a marker too many": (lambda r: say(r / "p-bench-qa.jsonl", "<image>\\nThis photo", "<image><image>\\nThis photo"), "found 3 <image> markers and 2 pictures"),
        "nobody named": (lambda r: say(r / "p-bench-qa.jsonl", "This photo shows Ann.", "A photo."), "found no name in 'A photo.'"),
        "answer that is no option": (lambda r: say(r / "p-bench-qa.jsonl", '"value": "A"', '"value": "D"'), "found the answer 'D', expected one of A, B"),
        "climbs out": (lambda r: say(r / "p-bench-qa.jsonl", "images/scene.png", "../outside.png"), "no picture .* inside"),
        "cut picture": (lambda r: cut(r / "images/ann.png"), r"ann\.png: not a readable picture"),
        "unreadable file": (lambda r: bad_bytes(r / "p-bench-qa.jsonl"), "cannot be read"),
    },
    "conconchi": {
        "cut picture": (lambda r: cut(r / CHI / "images/a.jpg"), r"a\.jpg: not a readable picture"),
        "huge picture": (lambda r: bomb(r / CHI / "images/bear_0.jpg"), r"bear_0\.jpg: .*(pixels|exceeds limit)"),
        "cut JSON": (lambda r: cut(r / CHI_TEST), r"test\.json: cannot be read"),
        "wrong type": (lambda r: write(r / CHI_TEST, [1]), "expected a mapping"),
        "missing key": (lambda r: again(r / CHI_TEST, "data", 0, "LABEL", value=...), r"data\[0\]\.LABEL: found nothing"),
        "no table": (lambda r: again(r / CHI / "annotations/train.json", "concepts", value="bear"), "found no table"),
        "unknown concept": (lambda r: again(r / CHI_TEST, "data", 0, "CONCEPTS", value=[7]), r"found CONCEPTS \[7\], expected numbers from 0 to 1"),
        "no concept": (lambda r: again(r / CHI_TEST, "data", 0, "CONCEPTS", value=[]), r"found CONCEPTS \[\]"),
        "nothing to learn from": (lambda r: again(r / CHI / "annotations/train.json", "data", 1, "CONCEPTS", value=[0]), "no picture of concept 1 alone"),
        "wrong brackets": (lambda r: say(r / CHI_TEST, "* on a chair", "* on <c1 here"), "has one bracket"),
        "somebody else": (lambda r: say(r / CHI_TEST, "* on a chair", "* on <rex>"), "'<rex>' is no concept"),
        "climbs out": (lambda r: again(r / CHI_TEST, "data", 0, "GTS", value=["../../../outside.png"]), "no picture .* inside"),
        "unreadable file": (lambda r: bad_bytes(r / CHI_TEST), r"test\.json: cannot be read"),
    },
    "pervl": {
        "cut picture": (lambda r: cut(r / "data/youtube_vos/retrival_sets/test/eval/test/dog_1.jpg"), r"dog_1\.jpg: not a readable picture"),
        "missing column": (lambda r: say(r / YTVOS, "class_id", "class"), "found no column 'class_id'"),
        "missing cell": (lambda r: say(r / YTVOS, ",giant_panda_8e_1\n", "\n"), "more or fewer cells"),
        "open quote": (lambda r: say(r / YTVOS, 'sitting."', "sitting."), "cannot be read"),
        "no picture": (lambda r: say(r / "annotations/deep_fashion/test_captions.csv", "043380", "043399"), "no picture '043399.jpg' in"),
        "no name": (lambda r: say(r / "annotations/deep_fashion/test_captions.csv", "3430", "../x"), "concept name"),
        "wrong brackets": (lambda r: say(r / YTVOS, "an *", "an *<b"), "has one bracket"),
        "no references": (lambda r: [f.unlink() for f in (r / "data/deep_fashion2/personalized_test/codes_infer/3430").iterdir()], "3430: no pictures in it"),
        "unreadable file": (lambda r: bad_bytes(r / YTVOS), "cannot be read"),
    },
    "pods": {
        "cut picture": (lambda r: cut(r / "train/mug_1/1.jpg"), r"1\.jpg: not a readable picture"),
        "cut JSON": (lambda r: cut(r / "pods_image_annos.json"), r"pods_image_annos\.json: cannot be read"),
        "wrong type": (lambda r: again(r / "pods_info.json", "classes", value="mug_1"), "classes: found 'mug_1', expected a list"),
        "missing key": (lambda r: again(r / "pods_image_annos.json", "mug_2/0", "split", value=...), "split: found nothing"),
        "no folder": (lambda r: again(r / "pods_info.json", "classes", value=["mug_9"]), "mug_9: no such file or folder"),
        "climbs out": (lambda r: again(r / "pods_info.json", "classes", value=["../bo"]), "concept name"),
        "unreadable file": (lambda r: bad_bytes(r / "pods_info.json"), r"pods_info\.json: cannot be read"),
    },
    "perva": {
        "cut picture": (lambda r: cut(r / "test/mug/new/1.jpg"), r"1\.jpg: not a readable picture"),
        "no test": (lambda r: [f.unlink() for f in (r / "test/mug/new").iterdir()], "new: no pictures in it"),
        "names that differ by case": (lambda r: [draw(r / part / "mug/NEW/0.png") for part in ("train", "test")], "two concepts are named 'new'"),
    },
    "pvchat": {
        "cut picture": (lambda r: cut(r / "videos/b_2/1.jpg"), r"1\.jpg: not a readable picture"),
        "cut JSON": (lambda r: cut(r / "test_all_video.json"), r"test_all_video\.json: cannot be read"),
        "wrong type": (lambda r: again(r / "test_all_video.json", "videos", 0, "is_positive", value="yes"), "expected true or false"),
        "missing key": (lambda r: again(r / "test_all_video.json", "videos", 0, "qa_pairs", 0, "answer", value=...), "answer: found nothing"),
        "wrong brackets": (lambda r: say(r / "test_all_video.json", "Where is <sks>", "Where is <sks"), "'<sks' has one bracket"),
        "somebody else": (lambda r: say(r / "test_all_video.json", "Where is <sks>", "Where is <rex>"), "'<rex>' is no concept"),
        "climbs out": (lambda r: again(r / "test_all_video.json", "videos", 0, "video_path", value="../outside.png"), "no video .* inside"),
        "no video": (lambda r: (again(r / "test_all_video.json", "videos", 0, "video_path", value="c.mp4"), write(r / "c.mp4", "x"), again(r / "train_all_video.json", "data", 0, "video_path", value="c.mp4")), "(not a readable video|library 'av')"),
    },
    "repic": {
        "cut picture": (lambda r: cut(r / "shown/0.png"), r"0\.png: not a readable picture"),
        "cut JSON": (lambda r: cut(r / "queries.json"), r"queries\.json: cannot be read"),
        "wrong type": (lambda r: write(r / "queries.json", ["bo"]), "expected names by picture"),
        "name that is no text": (lambda r: write(r / "queries.json", {"shown/0.png": [3]}), "found int 3, expected a name"),
        "climbs out": (lambda r: write(r / "queries.json", {"../outside.png": ["bo"]}), "no picture .* inside"),
        "unreadable file": (lambda r: bad_bytes(r / "database.json"), "cannot be read"),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "what"), [(layout, what) for layout, cases in MALFORMED.items() for what in cases]
)
def test_what_is_malformed_is_refused_in_one_line(layout, what, tmp_path):
    draw(tmp_path / "outside.png")
    root = made(layout, tmp_path)
    spoil, match = MALFORMED[layout][what]
    spoil(root)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=match) as refused:
        for concept in read(root, layout).concepts.values():
            if layout not in ("unifybench", "folder"):  # these say it themselves
                concept = replace(concept, class_noun="dog")
            check_learnable(replace(concept, consent=True)).read()
    assert "\n" not in str(refused.value)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


PLACES = {
    "a folder": Path.mkdir,
    "a fifo": os.mkfifo,
    "a link that leads nowhere": lambda file: file.symlink_to("nowhere.json"),
}
EXPECTED = [
    ("unifybench", "concepts_list.json"), ("unifybench", f"{TRAIN}/info.json"), ("unifybench", f"{TRAIN}/conversations.json"),
    ("unifybench", f"{TEST}/vqa.json"), ("unifybench", f"{TEST}/t2i_conditions.json"),
    ("yollava", VQA), ("mcllava", f"{TWO}/qa.json"), ("myvlm", "mug/captions.json"), ("myvlm", "mug/additional_llava_vqa_data.json"),
    ("dreambench", LIST), ("folder", "info.json"),
    ("lamp", "dev_questions.json"), ("lamp", "dev_outputs.json"), ("lcmp", f"{SHELL}/easy_question.yaml"),
    ("conconchi", CHI_TEST), ("pervl", YTVOS), ("pods", "pods_info.json"), ("pods", "pods_image_annos.json"),
    ("repic", "queries.json"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "file"), EXPECTED)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_there_and_no_file_is_refused_and_not_passed_over(layout, file, place, tmp_path):
    root = made(layout, tmp_path)
    instead(root / file, PLACES[place])
    with pytest.raises(
        ValueError, match=rf"{Path(file).name}: found .*, expected a (JSON|text|YAML) "
    ) as refused:
        read(root, layout)
    assert "\n" not in str(refused.value)


LINKED = [
    ("unifybench", f"{TEST}/vqa.json"),
    ("unifybench", f"{TRAIN}/1.png"),
    ("yollava", "train/bo"),
    ("dreambench", LIST),
    ("folder", "0.png"),
]


@pytest.mark.parametrize(("layout", "file"), LINKED)
def test_a_link_that_leads_out_of_the_dataset_is_refused(layout, file, tmp_path):
    root = made(layout, tmp_path)
    (root / file).rename(tmp_path / "outside")
    (root / file).symlink_to(tmp_path / "outside")
    with pytest.raises(
        DataError,
        match=(
            rf"{file}: a link that leads to .*outside, outside .* Copy what it means, or remove it"
        ),
    ) as refused:
        read(root, layout)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("layout", "file"), LINKED)
def test_links_inside_a_dataset_and_to_a_dataset_are_followed(layout, file, tmp_path):
    root = made(layout, tmp_path / "real")
    plain = read(root, layout)
    (root / ".kept").mkdir()
    (root / file).rename(root / ".kept" / "moved")
    (root / file).symlink_to(root / ".kept" / "moved")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "bo").symlink_to(root)
    linked = read(tmp_path / "linked" / "bo", layout)
    assert [len(c.pictures) for c in linked.concepts.values()] == [
        len(c.pictures) for c in plain.concepts.values()
    ]
    asked, before = (
        [r.question for records in dataset.records.values() for r in records]
        for dataset in (linked, plain)
    )
    assert asked == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_without_a_concept_is_refused_in_one_line(layout, tmp_path):
    (tmp_path / "bo").mkdir()
    with pytest.raises(ValueError) as refused:
        read(tmp_path / "bo", layout)
    assert str(tmp_path / "bo") in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("layout", [None, *LAYOUTS])
def test_an_archive_is_to_be_unpacked_first(layout, tmp_path):
    for name in ("data.zip", "data.tar.gz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
        with pytest.raises(DataError, match=f"{name}: an archive. Unpack it"):
            read(tmp_path / name, layout)
    with pytest.raises(
        DataError, match=r"no layout that is known. It holds data.tar.gz: unpack it"
    ):
        read(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_that_is_not_there_is_refused(layout, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read(tmp_path / "nowhere", layout)
