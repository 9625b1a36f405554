from pathlib import Path

import pytest

from unictoken.data.concept import Concept
from unictoken.data.readers.examples import Place
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record


def record(task: str = "vqa", **fields) -> Record:
    given = {
        "split": "test",
        "concepts": ("bo",),
        "where": "vqa.json[3]",
        "question": "what is <bo>?",
        "answer": "a dog",
    }
    return Record(
        task=task, **given | {"pictures": () if task == "text_qa" else (Path("0.png"),)} | fields
    )


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"task": "recognize"}, "task 'recognize', expected one of recognise, vqa"),
        ({"question": " "}, "no question"),
        ({"pictures": ()}, "no picture for a vqa row"),
        ({"answer": ""}, "no answer for a vqa row"),
        ({"task": "recognise", "answer": "maybe"}, "the answer 'maybe', expected 'yes' or 'no'"),
        ({"task": "choice", "options": ("a cat", "a cup")}, "the answer among them"),
        ({"task": "choice", "options": ("a dog", "a dog")}, "two or more different options"),
        ({"task": "choice", "options": ("a dog",)}, "two or more different options"),
    ],
)
def test_a_record_that_cannot_be_asked_is_refused_where_it_stands(wrong, match):
    with pytest.raises(DataError, match=match) as refused:
        record(**wrong)
    assert str(refused.value).startswith("vqa.json[3]: found ") and "\n" not in str(refused.value)


def test_a_prompt_needs_no_answer():
    assert record("generate", pictures=(), answer="").answer == ""


def test_records_are_selected_by_task_split_and_kind():
    dataset = Dataset(
        layout="x",
        root=Path(),
        concepts={"bo": Concept(name="bo")},
        records={"bo": (record("text_qa", split="train"), record())},
    )
    assert [r.question for r in dataset.select("bo", "vqa", split="test")] == ["what is <bo>?"]
    assert (
        dataset.select("bo", "vqa", split="train")
        == ()
        == dataset.select("bo", "vqa", split="test", kind="plain")
    )


def test_what_training_records_ask_about_a_concept_alone_is_learned():
    files = (Path("0.png"), Path("1.png"))
    both = record("text_qa", split="train", concepts=("bo", "mia"), question="is <mia> <bo>?")
    asked = (
        record("text_qa", split="train", question="what has <bo>?", answer="a hat"),
        record("vqa", split="train", pictures=files[1:]),
        record("vqa", split="train", pictures=(Path("2.png"),)),
        record("vqa", split="test", pictures=files[:1]),
        both,
    )
    place = Place(root=Path(), folder="bo", names=Names.of(["bo", "mia"], Path()), own=())
    bo = place.concept(asked, pictures=files, class_noun="dog")
    assert (bo.name, bo.class_noun, bo.pictures) == ("bo", "dog", files)
    assert bo.questions == (("what has <bo>?", "a hat"),)
    assert bo.about_pictures == ((1, "what is <bo>?", "a dog"),)
