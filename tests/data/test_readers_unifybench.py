import dataclasses
from pathlib import Path

import pytest
from layouts import draw, turns, unifybench, write

from unictoken.data.readers import read
from unictoken.data.records import ROWS, DataError, Rows
from unictoken.data.source import SourceError, check_learnable

pytestmark = pytest.mark.real


@pytest.fixture
def root(tmp_path):
    return unifybench(tmp_path / "UnifyBench")


def names(files) -> list[str]:
    return ["/".join(file.parts[-2:]) for file in files]


def test_the_layout_is_told_by_its_folders(root):
    dataset = read(root)
    assert (dataset.layout, list(dataset.concepts), dataset.notes) == (
        "unifybench",
        ["bo", "mia", "tom"],
        (),
    )


def test_rows_of_another_kind_are_read_after_one_call(root, monkeypatch):
    asked = turns("how many is <bo>?", "one")
    row = {"image": "0.png", "type": "count", "conversations": asked}
    write(root / "concept" / "test" / "bo" / "count.json", [row])
    assert {record.task for record in read(root).records["bo"]}.isdisjoint({"count"})
    monkeypatch.setitem(ROWS, "count", None)
    del ROWS["count"]
    ROWS.register("count", Rows(type="count"))
    (record,) = read(root).select("bo", "count", split="test")
    assert (record.question, record.answer) == ("how many is <bo>?", "one")
    assert names(record.pictures) == ["bo/0.png"]
    write(root / "concept" / "test" / "bo" / "count.json", [row | {"type": "counts"}])
    with pytest.raises(DataError, match="found type 'counts', expected one of rec, .*, count"):
        read(root)


def test_a_concept_has_what_a_learner_needs(root):
    bo = read(root).concepts["bo"]
    assert (bo.class_noun, bo.kind, bo.description, bo.facts) == (
        "dog",
        "animal",
        "<bo> is small.",
        ("<bo> has a red hat.",),
    )
    assert names(bo.pictures) == ["bo/0.png", "bo/1.png", "bo/2.png"] and names(bo.crops) == [
        "cropped/0.png"
    ]
    assert names(bo.negatives["hard"]) == ["negative_example/7.png", "negative_example/8.png"]
    assert names(bo.negatives["easy"]) == [
        "random_images/0.png",
        "random_images/1.png",
        "random_images/2.png",
    ]


def test_its_pictures_are_files_until_they_are_read(root):
    bo = check_learnable(read(root).concepts["bo"])
    assert all(isinstance(picture, Path) for picture in bo.pictures)
    held = bo.read()
    assert [p.getpixel((0, 0)) for p in held.pictures] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    assert [p.size for p in held.crops] == [(16, 16)]
    assert {grade: len(found) for grade, found in held.negatives.items()} == {"hard": 2, "easy": 3}
    assert held.read() == held


def test_questions_that_no_picture_answers_are_learned_as_such(root):
    info = {"class": "dog", "questions": [{"question": "what has <bo>?", "answer": "a red hat"}]}
    write(root / "concept/train/bo/info.json", info)
    assert read(root).concepts["bo"].questions == (("what has <bo>?", "a red hat"),)


def test_questions_about_a_reference_picture_are_learned_beside_it(root):
    assert read(root).concepts["bo"].about_pictures == ((0, "What is <bo>?", "<bo> is a dog."),)


def test_questions_about_a_picture_that_is_not_learned_from_are_left_out(root):
    path = root / "concept/train/bo/conversations.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.png", "2.png"), encoding="utf-8")
    bo = read(root).concepts["bo"]
    assert [number for number, *_ in bo.about_pictures] == [2]
    first = bo.with_first(2)
    assert (names(first.pictures), first.about_pictures) == (["bo/0.png", "bo/1.png"], ())
    assert bo.with_first(None) == bo.with_first(3) == bo


def test_training_rows_keep_their_pictures_and_say_sks_as_the_name(root):
    dataset = read(root)
    (talk,) = dataset.select("bo", "vqa", split="train")
    assert (talk.question, talk.answer, names(talk.pictures)) == (
        "What is <bo>?",
        "<bo> is a dog.",
        ["bo/0.png"],
    )
    yes, no = dataset.select("bo", "recognise", split="train")
    assert (yes.question, yes.answer, names(yes.pictures), yes.grade) == (
        "Is <bo> here?",
        "yes",
        ["bo/1.png"],
        None,
    )
    assert (no.question, no.answer, names(no.pictures), no.grade) == (
        "Is <bo> here?",
        "no",
        ["random_images/2.png"],
        "easy",
    )


def test_test_rows_become_records(root):
    dataset = read(root)
    (text,) = dataset.select("bo", "text_qa", split="test")
    assert (text.question, text.answer, text.pictures) == ("What has <bo>?", "A red hat.", ())
    (seen,) = dataset.select("bo", "vqa", split="test")
    assert (seen.question, seen.answer, names(seen.pictures)) == (
        "What does <bo> do?",
        "It sits.",
        ["bo/1.png"],
    )
    (choice,) = dataset.select("bo", "choice", split="test")
    assert (choice.question, choice.options, choice.answer) == (
        "What is <bo> wearing?",
        ("a hat", "a scarf", "nothing"),
        "a scarf",
    )
    assert choice.where.endswith("concept/test/bo/vqa.json[1]")


def test_knowledge_driven_prompts_are_told_from_the_plain_one(root):
    dataset = read(root)
    assert [r.question for r in dataset.select("bo", "generate", split="test", kind="plain")] == [
        "A photo of <bo>."
    ]
    assert [
        r.question for r in dataset.select("bo", "generate", split="test", kind="knowledge")
    ] == [
        "A photo of <bo> wearing her hat.",
        "<bo> eating its meal.",
    ]


def test_prompts_by_kind_keep_their_kinds_and_knowledge_is_called_so(root):
    kinds = {
        "personalized_driven_generation": ["<bo> in its hat."],
        "dense_prompt_generation": ["<bo> here.", "<bo> there."],
    }
    write(root / "concept/test/bo/t2i_conditions.json", kinds)
    assert [(r.kind, r.question) for r in read(root).select("bo", "generate", split="test")] == [
        ("knowledge", "<bo> in its hat."),
        ("dense_prompt_generation", "<bo> here."),
        ("dense_prompt_generation", "<bo> there."),
    ]


def test_recognition_is_asked_of_every_concepts_test_pictures(root):
    asked = read(root).select("bo", "recognise", split="test")
    assert [(names(r.pictures)[0], r.answer, r.grade) for r in asked] == [
        ("bo/0.png", "yes", None), ("bo/1.png", "yes", None),
        ("mia/0.png", "no", "hard"), ("mia/1.png", "no", "hard"),
        ("tom/0.png", "no", "easy"), ("tom/1.png", "no", "easy"),
    ]  # fmt: skip


def test_a_recognition_list_is_taken_instead_where_there_is_one(root):
    draw(root / "concept/test/bo/negative_example/near_duplicate_3.png")
    rows = [
        {"image": "0.png", "type": "rec", "conversations": turns("Is <bo> here?", "Yes")},
        {
            "image": "negative_example/near_duplicate_3.png",
            "type": "rec",
            "conversations": turns("Is <bo> here?", "No."),
        },
    ]
    write(root / "concept/test/bo/rec.json", rows)
    asked = read(root).select("bo", "recognise", split="test")
    assert [(names(r.pictures)[0], r.answer, r.grade) for r in asked] == [
        ("bo/0.png", "yes", None),
        ("negative_example/near_duplicate_3.png", "no", "near_duplicate"),
    ]


def test_a_no_about_an_own_picture_is_left_out_and_counted(root):
    rows = [{"image": f"{i}.png", "conversations": turns("Is <bo> here?", "No.")} for i in range(2)]
    write(root / "concept/train/bo/random_recognitions.json", rows)
    dataset = read(root)
    assert [r.answer for r in dataset.select("bo", "recognise", split="train")] == ["yes"]
    assert len(dataset.notes) == 1 and dataset.notes[0].endswith(
        "random_recognitions.json: says 'no' of <bo>'s own pictures: 2 rows left out."
    )


@pytest.mark.parametrize("distractor", ["negative_example/7.png", "random_images/0.png"])
def test_a_yes_about_a_stranger_is_left_out_and_counted(root, distractor):
    write(
        root / "concept/train/bo/positive_recognitions.json",
        [{"image": distractor, "conversations": turns("Is <bo> here?", "Yes.")}],
    )
    dataset = read(root)
    assert [r.answer for r in dataset.select("bo", "recognise", split="train")] == ["no"]
    folder = distractor.split("/")[0]
    assert len(dataset.notes) == 1 and dataset.notes[0].endswith(
        f"says 'yes' of pictures in {folder}/: 1 rows left out."
    )


def test_authors_own_paths_are_found_inside(root):
    for path in (
        "/data/their/UniCTokens/concept/train/bo/2.png",
        "../../data/concept/train/bo/2.png",
        "./concept/train/bo/2.png",
    ):
        write(
            root / "concept/train/bo/conversations.json",
            {path: [{"query": "Where is <bo>?", "answer": "Here."}]},
        )
        (talk,) = read(root).select("bo", "vqa", split="train")
        assert talk.pictures == (root / "concept/train/bo/2.png",)


def test_a_person_needs_consent(root):
    tom = read(root).concepts["tom"]
    assert tom.kind == "person"
    with pytest.raises(SourceError, match="'tom': 'person' is a person"):
        check_learnable(tom)
    assert check_learnable(dataclasses.replace(tom, consent=True)).consent


def test_a_toy_pet_keeps_its_truth(root, toy, toy_folder):
    write(
        root / "concept/train/bo/info.json",
        (toy_folder / "info.json").read_text(encoding="utf-8").replace("tom", "bo"),
    )
    assert read(root).concepts["bo"].truth.subject == toy.truth.subject


def test_folders_are_taken_without_a_list(root):
    (root / "concepts_list.json").unlink()
    assert list(read(root).concepts) == ["bo", "mia", "tom"]


def test_a_choice_without_options_is_refused(root):
    write(
        root / "concept/test/bo/choice.json",
        [{"image": "0.png", "conversations": turns("What is <bo> wearing?", "B")}],
    )
    with pytest.raises(DataError, match=r"choice\.json\[0\]: found no options"):
        read(root)
