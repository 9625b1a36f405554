from pathlib import Path

import pytest
from layouts import draw

from unictoken.core.text import ConceptError
from unictoken.data.records import Concept, DataError, Dataset, Record
from unictoken.data.source import SourceError
from unictoken.learn.method import Run
from unictoken.learn.optimize import OptimizeRows


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


@pytest.fixture
def concept(tmp_path):
    files = tuple(tmp_path / f"{i}.png" for i in range(3))
    draw(*files)
    told = record("text_qa", split="train", question="what has <bo>?", answer="a hat")
    return Concept(
        name="bo",
        class_noun="dog",
        pictures=files,
        facts=("<bo> sings.",),
        negatives={"easy": files[:1]},
        records=(told, record()),
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


def test_records_are_selected_by_task_split_and_kind(concept):
    assert [r.question for r in concept.select("vqa", split="test")] == ["what is <bo>?"]
    assert (
        concept.select("vqa", split="train")
        == ()
        == concept.select("vqa", split="test", kind="plain")
    )
    assert len(list(Dataset(layout="x", root=Path(), concepts={"bo": concept}).records())) == 2


def test_a_concept_becomes_a_source(concept):
    source = concept.source()
    assert (source.name, source.class_noun, source.facts) == ("bo", "dog", ("{name} sings.",))
    assert source.questions == (("what has {name}?", "a hat"),)
    assert (len(source.pictures), len(source.negatives["easy"]), source.truth) == (3, 1, None)


def test_what_is_said_wins_over_the_dataset(concept):
    assert concept.source(class_noun="wolf").class_noun == "wolf"


def test_questions_about_others_are_not_learned(concept):
    both = record(
        "text_qa",
        split="train",
        concepts=("bo", "mia"),
        question="is <mia> <bo>'s friend?",
        answer="yes",
    )
    more = Concept(
        name="bo", class_noun="dog", pictures=concept.pictures, records=(*concept.records, both)
    )
    assert len(more.source().questions) == 1


def test_a_person_of_a_dataset_needs_consent_whatever_the_class_noun(concept):
    person = Concept(name="bo", class_noun="dog", kind="person", pictures=concept.pictures)
    with pytest.raises(SourceError, match="'bo': 'person' is a person"):
        person.source()
    assert person.source(consent=True).class_noun == "dog"


def test_a_stranger_in_a_fact_is_refused(concept):
    with pytest.raises(ConceptError, match="'<rex>' is not a concept that is loaded"):
        Concept(
            name="bo", class_noun="dog", pictures=concept.pictures, facts=("<rex> sings.",)
        ).source()


def test_a_source_of_a_dataset_can_be_learned(concept, base, short_method):
    learned = OptimizeRows(short_method).fit(base, [concept.source()], run=Run()).concept
    assert (learned.name, learned.class_noun) == ("bo", "dog") and learned.rows_in.isfinite().all()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "Bo", "x" * 65])
def test_a_concept_is_not_named_so_that_its_files_would_lie_elsewhere(name):
    with pytest.raises(ConceptError, match="expected 1 to 64 of a-z"):
        Concept(name=name, pictures=())
