"""What the owner told, drawn by the base that is told it in words."""

import dataclasses

import numpy as np
import pytest
import torch

from unictoken.data import templates
from unictoken.data.source import SourceError
from unictoken.learn import told
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.prepare import prepare
from unictoken.model.base import load_base
from unictoken.tasks import TASKS
from unictoken.tokens.start import TOLD_SHARE, start_rows
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.judge import load_judge

pytestmark = pytest.mark.slow

KNOWING = Method(
    name="knowing",
    tokens=Tokens(shared=4),
    stages=(Stage(steps=2, batch=2, tasks={"generate": 0.5, "knowledge": 0.5}),),
)


def test_only_what_can_stand_in_a_prompt_is_drawn():
    asked = (
        ("what hat does <bo> have?", "a red party hat"),
        ("what hat does <bo> have?", "cheese"),
        ("what does <bo> like to eat?", "cheese"),
        ("where does <bo> live?", "in the snow"),
        ("what scarf does <bo> have?", "It is a blue scarf."),
    )
    found = told._told(asked, "<bo>")
    assert found == [("hat", "a red party hat"), ("scarf", "a blue scarf")]


def test_the_teacher_draws_the_hat_that_only_a_fact_tells():
    base, concept = load_base("tiny"), toy_concept(1, 0)
    drawn = told.told_drawings(base, concept, base.encode(concept.pictures), seed=0)
    prompts = [prompt for prompt, _ in drawn]
    assert prompts[:2] == ["{name} wearing his hat", "{name} wearing his hat in the snow"]
    assert len(prompts) == len(told.POSSESSIVES) * len(told.SCENES)
    assert not any("its" in prompt for prompt in prompts)
    pictures = base.decode(torch.stack([ids for _, ids in drawn]))
    hat = truth_of(concept).facts.hat
    seen = [reading.values["accessory"] for reading in load_judge("toy").read(pictures)]
    assert seen.count(hat) >= 10


def test_the_task_teaches_prompts_that_point_at_a_fact(base, toy):
    prepared = prepare(base, toy, KNOWING, seed=0)
    told_of = prepared.material.told_drawings
    assert told_of and all(len(ids) == base.codes_per_picture for _, ids in told_of)
    for seed in range(5):
        asked, drawn = TASKS["knowledge"].teach(
            prepared.examples.teaching, np.random.default_rng(seed)
        )
        said = base.vocab.decode(asked.ids)
        assert " hat" in said and ("his" in said or "her" in said) and drawn.learned
        assert list(drawn.ids[1:-1]) in [ids.tolist() for _, ids in told_of]


def test_a_concept_of_which_nothing_was_told_is_refused(base, toy):
    silent = dataclasses.replace(toy, questions=())
    with pytest.raises(SourceError, match="task 'knowledge' needs a question such as 'what hat"):
        prepare(base, silent, KNOWING, seed=0)


def test_the_last_rows_begin_as_the_words_of_the_first_facts(base):
    counts, pictures = {"name": 1, "shared": 30}, torch.tensor([[4, 4, 9, 7], [4, 9, 9, 8]])
    facts = ("{name} has a red cap.", "{name} likes soup.", "{name} lives " + "in the snow " * 9)
    rows_in, _ = start_rows(
        base, "dog", pictures, counts, start="told", seed=0, description="a dog", facts=facts
    )
    words = base.vocab.encode(". {x} has a red cap . {x} likes soup", {"{x}": [-1]})
    if len(words) > 30 // TOLD_SHARE:
        words = base.vocab.encode(". {x} has a red cap", {"{x}": [-1]})
    own = base.embed(torch.tensor([max(i, 0) for i in words])).float()
    own[[i for i, word in enumerate(words) if word == -1]] = rows_in[0]
    assert torch.equal(rows_in[-len(words) :], own)
    plain, _ = start_rows(
        base, "dog", pictures, counts, start="described", seed=0, description="a dog"
    )
    kept = 31 - len(words)
    assert torch.equal(rows_in[:4], plain[:4]) and kept > 20


def test_a_fact_that_does_not_fit_is_left_out(base):
    counts, pictures = {"name": 1, "shared": 6}, torch.tensor([[4, 4, 9, 7]])
    told_rows, plain = (
        start_rows(base, "dog", pictures, counts, start=start, seed=0, description="a", facts=f)[0]
        for start, f in (("told", (templates.UNSURE * 20,)), ("described", ()))
    )
    assert torch.equal(told_rows, plain)
