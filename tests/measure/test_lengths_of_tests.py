"""A test that the base could not read is refused before anything is learned for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unictoken import tasks
from unictoken.core.config import ConfigError
from unictoken.data.concept import Concept
from unictoken.data.records import Dataset, Record
from unictoken.learn.methods import Method, Tokens
from unictoken.measure.lengths import check_test, stand_in
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tasks import USUAL
from unictoken.tasks.task import Asked

LONG = "is <bo> " + "very " * 900 + "good?"
ROOT = Path("data")


def row(task: str, question: str, **more) -> Record:
    pictures = () if task in ("text_qa", "generate") else (ROOT / "0.png",)
    given = {"split": "test", "concepts": ("bo",), "where": "vqa.json[3]", "pictures": pictures}
    answer = "" if task == "generate" else "yes"
    return Record(task=task, question=question, answer=answer, **given | more)


def check(condition, *records: Record, name: str = "text_prompt", tasks=USUAL, **more) -> None:
    concepts = {"bo": Concept(name="bo", class_noun="dog")}
    dataset = Dataset(layout="rows", root=ROOT, concepts=concepts, records={"bo": records})
    base = condition.base
    check_test(base, condition, dataset, "bo", method=name, tasks=tasks, **more)


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("vqa", {}),
        ("text_qa", {}),
        ("generate", {}),
        ("choice", {"options": ("yes", "no " * 1100)}),
        ("text_qa", {"options": ("yes", "no " * 1100)}),
    ],
)
def test_a_record_that_is_too_long_is_named(base, task, more):
    question = "what is <bo>?" if more else LONG
    told = in_words(base, "bo", "{name} is a dog.")
    with pytest.raises(ConfigError) as refused:
        check(told, row(task, question, **more))
    line = str(refused.value)
    assert line.startswith("vqa.json[3]: with 'text_prompt' it takes ") and "\n" not in line
    assert f"reads at most {base.longest:,}" in line
    check(told, row(task, "what is <bo>?"))
    if more:
        check(told, row(task, question, **more), list_options=False)


def test_reference_pictures_in_context_count_too(base):
    few, many = (base.any_picture.repeat(count, 1) for count in (4, 16))
    asked = row("recognise", "is <bo> in the photo?")
    check(in_pictures(base, "bo", few), asked, name="image_prompt_4")
    with pytest.raises(ConfigError, match="with 'image_prompt_16' it takes 1,"):
        check(in_pictures(base, "bo", many), asked, name="image_prompt_16")


def test_a_method_is_as_long_before_it_has_learned_as_after(base, make_concept):
    concept = Concept(name="bo", class_noun="dog")
    before = stand_in(base, concept, Method(tokens=Tokens(shared=5)))
    after = with_tokens(base, make_concept("bo", shared=5))
    for text in ("what is <bo>?", "a photo of <bo>."):
        assert len(before.question(text)) == len(after.question(text))
        assert len(before.drawing(text)) == len(after.drawing(text))


def test_what_a_task_asks_is_asked_of_the_task(base):
    """verify asks more than its record says: the question, and an answer to it."""
    told = in_words(base, "bo", "{name} is a dog.")
    rows = [row("vqa", "what is <bo>?", options=("yes", "no " * 1100))]
    check(told, *rows, list_options=False)
    with pytest.raises(ConfigError, match=r"vqa.json\[3\]: with 'text_prompt' it takes 1,"):
        check(told, *rows, tasks=("verify",), list_options=False)


def test_a_task_of_ones_own_is_checked_too(base, monkeypatch):
    class Poem(Asked):
        name = "poem"

        def ask(self, trial):
            asked = trial.records("text_qa")
            said = trial.answers([LONG] * len(asked), asked)
            return [
                trial.prediction(self.name, record, given=given, score=1.0)
                for record, given in zip(asked, said, strict=True)
            ]

    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    tasks.register(Poem())
    told, short = in_words(base, "bo", ""), row("text_qa", "what is <bo>?")
    check(told, short)
    with pytest.raises(ConfigError, match=r"takes 3,\d+ ids with what is answered"):
        check(told, short, tasks=("poem",))


def test_what_is_not_asked_may_be_long(base):
    told = in_words(base, "bo", "")
    for asked in (
        row("text_qa", LONG, split="train"),
        row("text_qa", LONG, concepts=("bo", "mia")),
    ):
        check(told, asked)
    check(told, row("text_qa", LONG), tasks=("recognise", "vqa"))
    check(replace(told, prompts=replace(told.prompts, generation=None)), row("generate", LONG))
