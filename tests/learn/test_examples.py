import dataclasses
import re
from collections import Counter

import numpy as np
import pytest

from unictoken.core.config import ConfigError
from unictoken.data.prompts import said_slots
from unictoken.data.sequence import IGNORE
from unictoken.learn.examples import named_rows, tasks_of_batch
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.prepare import prepare
from unictoken.tasks import taught
from unictoken.tokens.tokens import Prompts

TASKS = [name for name, task in taught().items() if "opinions" not in task.needs]


@pytest.fixture(scope="module")
def method(short_method) -> Method:
    """Every task but that of users."""
    every = dict.fromkeys(TASKS, 1.0)
    return dataclasses.replace(short_method, stages=(Stage(steps=6, batch=4, tasks=every),))


@pytest.fixture(scope="module")
def prepared(base, toy, method):
    return prepare(base, toy, method, seed=0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def answered(example) -> list[int]:
    return [i for i in example.labels if i != IGNORE]


def test_a_batch_holds_its_tasks_in_their_shares(rng):
    tasks = tasks_of_batch({"recognise": 0.5, "vqa": 0.25, "generate": 0.25}, 8, rng)
    assert Counter(tasks) == {"recognise": 4, "vqa": 2, "generate": 2}


def test_shares_need_not_sum_to_one(rng):
    assert Counter(tasks_of_batch({"recognise": 6, "generate": 2}, 4, rng)) == {
        "recognise": 3,
        "generate": 1,
    }


def test_what_is_left_over_goes_by_lot_in_the_long_run(rng):
    counts = Counter(
        task
        for _ in range(2000)
        for task in tasks_of_batch({"recognise": 0.7, "caption": 0.2, "generate": 0.1}, 3, rng)
    )
    assert [round(counts[task] / 6000, 1) for task in ("recognise", "caption", "generate")] == [
        0.7,
        0.2,
        0.1,
    ]


def test_a_task_without_a_share_is_never_asked(rng):
    assert set(tasks_of_batch({"recognise": 1, "generate": 0}, 50, rng)) == {"recognise"}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_an_example_is_a_function_of_its_seed(prepared, task):
    first, again = (prepared.examples.make(task, np.random.default_rng(3)) for _ in range(2))
    assert first == again and len(first.ids) == len(first.labels)
    assert all(label in (IGNORE, i) for i, label in zip(first.ids, first.labels, strict=True))


@pytest.mark.slow
def test_the_marker_in_the_owners_texts_is_the_concept_in_every_stage(prepared):
    by_marker, by_slot = map(
        prepared.examples.teaching.phrasing.say,
        ("<tom> sings to <tom>.", "{name} sings to {name}."),
    )
    slots = prepared.examples.slots
    assert by_marker == by_slot and by_marker.count(slots["{name}"][0]) == 2
    said = said_slots(slots, frozenset({"name"}))
    assert said["<tom>"] == said["{name}"] == slots["{name}"] and said["{shared}"] == []


def test_every_question_begins_with_the_introduction(prepared, rng):
    introduction = prepared.examples.teaching.phrasing.say("{name} is {shared}.")
    assert prepared.examples.make("text_qa", rng).ids[1 : 1 + len(introduction)] == introduction


def test_answers_can_begin_with_the_tokens_of_their_task(base, toy, rng):
    method = Method(
        tokens=Tokens(shared=0, generation=2, understanding=3),
        prompts=Prompts(
            understanding="{name}",
            generation="{name}",
            understanding_answer="{understanding}",
            generation_answer="{generation}",
        ),
    )
    prepared = prepare(base, toy, method, seed=0)
    end = base.vocab.turn([])
    for task, role in (("vqa", "{understanding}"), ("generate", "{generation}")):
        example, block = prepared.examples.make(task, rng), prepared.examples.slots[role]
        targets = answered(example)
        # The block stands before the answer, and is no target: it is given when the concept is used.
        answer_at = len(example.ids) - len(targets)
        assert example.ids[answer_at - len(block) : answer_at] == block
        assert not set(block) & set(targets) and targets[-len(end) :] == end


def test_rows_know_their_roles():
    assert named_rows({"name": 1, "shared": 2, "generation": 0, "understanding": 1}) == [
        "name",
        "shared",
        "shared",
        "understanding",
    ]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"tasks": {"sing": 1.0}}, "unknown task 'sing'"),
        ({"tasks": {"vqa": -1.0}}, "the weight of 'vqa': found -1.0, expected 0 or more"),
        ({"tasks": {"vqa": 0.0}}, "every task's weight is 0"),
        ({"trainable": ("head",)}, "unknown role 'head'"),
        ({"steps": -1}, "found -1, expected 0 to"),
        ({"batch": 0}, "batch: found 0, expected 1 to"),
        ({"lr": 0.0}, "lr: found 0.0, expected above 0"),
        ({"generation_weight": float("nan")}, "generation_weight: found nan"),
    ],
)
def test_a_stage_that_cannot_be_learned_is_refused(wrong, match):
    with pytest.raises(ConfigError, match=match):
        Stage(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"tokens": Tokens(shared=0, understanding=4)},
            "0 shared tokens, and its prompts say '{shared}'",
        ),
        (
            {"tokens": Tokens(shared=4, generation=4)},
            "4 generation tokens, and its prompts never say '{generation}'",
        ),
        ({"negatives": {"eazy": 1.0}}, "unknown grade of negatives 'eazy'"),
        ({"prompts": Prompts(generation=None)}, "a stage draws, and 'prompts.generation' is null"),
    ],
)
def test_a_method_that_would_learn_nothing_is_refused(wrong, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        Method(**wrong)
