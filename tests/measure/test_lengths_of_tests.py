"""A test that the base could not read is refused before anything is learned for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.data.concept import Concept
from unictoken.data.records import Record
from unictoken.learn.methods import Method, Tokens
from unictoken.measure.lengths import any_picture, check_test, stand_in
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tasks import USUAL

LONG = "is <bo> " + "very " * 900 + "good?"
ROOT = Path("data")


def row(task: str, question: str, **more) -> Record:
    pictures = () if task in ("text_qa", "generate") else (ROOT / "0.png",)
    given = {"split": "test", "concepts": ("bo",), "where": "vqa.json[3]", "pictures": pictures}
    answer = "" if task == "generate" else "yes"
    return Record(task=task, question=question, answer=answer, **given | more)


def check(condition, *records: Record, name: str = "text_prompt", tasks=USUAL, **more) -> None:
    check_test(condition, records, ROOT, name=name, tasks=tasks, **more)


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
    few, many = (torch.tensor([any_picture(base)] * count) for count in (4, 16))
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


def test_what_is_not_asked_may_be_long(base):
    told = in_words(base, "bo", "")
    for asked in (
        row("text_qa", LONG, split="train"),
        row("text_qa", LONG, concepts=("bo", "mia")),
    ):
        check(told, asked)
    check(told, row("text_qa", LONG), tasks=("recognise", "vqa"))
    check(replace(told, prompts=replace(told.prompts, generation=None)), row("generate", LONG))
