import dataclasses
import re
from collections import Counter

import numpy as np
import pytest

from unictoken.core.config import ConfigError
from unictoken.data.prompts import said_slots
from unictoken.data.sequence import IGNORE
from unictoken.data.source import SourceError
from unictoken.learn.concept import CAPTIONED, prepare
from unictoken.learn.examples import Examples, named_rows, tasks_of_batch
from unictoken.learn.methods import TASKS, Distractors, Method, SoftPositives, Stage, Tokens
from unictoken.tokens.tokens import Prompts


@pytest.fixture(scope="module")
def method(short_method) -> Method:
    """Every task."""
    return dataclasses.replace(
        short_method, stages=(Stage(steps=6, batch=4, tasks=dict.fromkeys(TASKS, 1.0)),)
    )


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


def test_of_others_is_said_what_the_base_says_without_the_concept(base, prepared, rng):
    others = {
        tuple(row) for ids_NK in prepared.material.negatives.values() for row in ids_NK.tolist()
    }
    said = {tuple(picture.tolist()): text for text, picture in prepared.material.captions_of_others}
    assert len(said) == 3 * CAPTIONED and set(said) <= others
    name = prepared.examples.slots["{name}"][0]
    for _ in range(10):
        example = prepared.examples.make("caption_others", rng)
        picture = next(p for p in said if ",".join(map(str, p)) in ",".join(map(str, example.ids)))
        assert answered(example) == [
            *base.vocab.encode(said[picture]),
            base.vocab.end_turn,
        ] and name not in answered(example)


def test_captions_of_others_need_others(base, toy, short_method):
    alone = dataclasses.replace(toy, negatives={})
    method = dataclasses.replace(short_method, stages=(Stage(tasks={"caption_others": 1.0}),))
    with pytest.raises(
        SourceError, match="'caption_others' needs pictures of others, and there are none"
    ):
        prepare(base, alone, method, seed=0, distractors=Distractors(world=0, drawn=0))


@pytest.mark.parametrize("task", TASKS)
def test_an_example_is_a_function_of_its_seed(prepared, task):
    first, again = (prepared.examples.make(task, np.random.default_rng(3)) for _ in range(2))
    assert first == again and len(first.ids) == len(first.labels)
    assert all(label in (IGNORE, i) for i, label in zip(first.ids, first.labels, strict=True))


def test_recognition_asks_about_the_concepts_pictures_and_others_alike(base, prepared, rng):
    own = {tuple(row) for row in prepared.material.pictures_NK.tolist()}
    seen = Counter()
    for _ in range(60):
        example = prepared.examples.make("recognise", rng)
        shown = tuple(example.ids[2:66]) in own
        assert answered(example) == [
            *base.vocab.encode("yes" if shown else "no"),
            base.vocab.end_turn,
        ]
        seen[shown] += 1
    assert min(seen.values()) > 15


def test_without_negatives_the_answer_is_always_yes(base, prepared, short_method, rng):
    alone = Examples(
        base.vocab,
        short_method,
        dataclasses.replace(prepared.material, negatives={}),
        prepared.examples.slots,
    )
    assert {base.vocab.decode(answered(alone.make("recognise", rng))) for _ in range(30)} == {"yes"}


def test_negatives_come_in_the_shares_of_their_grades(base, prepared, rng):
    only_near_duplicates = dataclasses.replace(
        prepared.examples.method, negatives={"near_duplicate": 1.0}
    )
    examples = Examples(
        base.vocab, only_near_duplicates, prepared.material, prepared.examples.slots
    )
    assert {examples._grade(rng) for _ in range(50)} == {"near_duplicate"}


def test_a_drawing_is_asked_for_and_learned_whole(base, prepared, rng):
    example = prepared.examples.make("generate", rng)
    own = prepared.material.pictures_NK.tolist()
    assert answered(example) in [[*base.vocab.picture(ids), base.vocab.end_turn] for ids in own]
    assert prepared.examples.slots["{name}"][0] in example.ids


def test_questions_and_captions_are_answered_as_the_base_answered(base, prepared, rng):
    observed = prepared.material.observations
    true = {
        *observed.concept.values(),
        *(answer for scene in observed.scenes for answer in scene.values()),
    }
    for _ in range(20):
        assert base.vocab.decode(answered(prepared.examples.make("vqa", rng))) in {
            base.vocab.decode(base.vocab.encode(t)) for t in true
        }


def test_text_questions_hold_no_picture_and_use_the_owners_answers(base, prepared, toy, rng):
    made = [prepared.examples.make("text_qa", rng) for _ in range(60)]
    assert not any(base.vocab.begin_image in example.ids for example in made)
    said = {base.vocab.decode(answered(example)) for example in made}
    assert {answer for _, answer in toy.questions} <= said
    assert (
        sum(
            all(
                base.vocab.decode(base.vocab.encode(fact, prepared.examples.slots)) in answer
                for fact in toy.facts
            )
            for answer in said
        )
        == 1
    )


def test_the_owners_answers_about_a_picture_are_learned_beside_that_picture(base, prepared, rng):
    own = dataclasses.replace(
        prepared.material, about_pictures=((1, "what is {name} doing?", "sitting"),)
    )
    examples = Examples(base.vocab, prepared.examples.method, own, prepared.examples.slots)
    made = [examples.make("vqa", rng) for _ in range(60)]
    picture = base.vocab.picture(own.pictures_NK[1])
    owners = [
        e
        for e in made
        if e.ids[1 : 1 + len(picture)] == picture and base.vocab.decode(answered(e)) == "sitting"
    ]
    assert 10 < len(owners) < 40
    assert all(base.vocab.decode(e.ids).count("doing") == 1 for e in owners)


def test_the_marker_in_the_owners_texts_is_the_concept_in_every_stage(prepared):
    by_marker, by_slot = map(
        prepared.examples.say, ("<tom> sings to <tom>.", "{name} sings to {name}.")
    )
    slots = prepared.examples.slots
    assert by_marker == by_slot and by_marker.count(slots["{name}"][0]) == 2
    said = said_slots(slots, frozenset({"name"}))
    assert said["<tom>"] == said["{name}"] == slots["{name}"] and said["{shared}"] == []


def test_every_question_begins_with_the_introduction(prepared, rng):
    introduction = prepared.examples.say("{name} is {shared}.")
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
    assert (
        answered(prepared.examples.make("vqa", rng))[:3]
        == prepared.examples.slots["{understanding}"]
    )
    assert answered(prepared.examples.make("generate", rng))[:3] == [
        *prepared.examples.slots["{generation}"],
        base.vocab.begin_image,
    ]


def test_look_alikes_are_drawn_with_fewer_tokens_the_less_alike_they_are(base, toy, rng):
    method = Method(
        tokens=Tokens(shared=0, generation=4),
        prompts=Prompts(understanding="{name}", generation="{name} is {generation}."),
        soft_positives=SoftPositives(groups=3, share=1.0),
    )
    prepared = prepare(
        base,
        dataclasses.replace(toy, negatives={}),
        method,
        seed=0,
        distractors=Distractors(world=40),
    )
    alike = prepared.material.look_alikes_MK.tolist()
    assert len(alike) == 30
    tokens = set(prepared.examples.slots["{generation}"])
    for _ in range(30):
        example = prepared.examples.make("generate", rng)
        group = alike.index(answered(example)[1:65]) // 10
        assert sum(i in tokens for i in example.ids) == 3 - group


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
        ({"steps": -1}, "expected 0 or more"),
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
