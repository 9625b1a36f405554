import dataclasses

import numpy as np
import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.data.sequence import IGNORE
from unictoken.data.source import SourceError
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.objective import batch_of
from unictoken.learn.prepare import prepare, reinit_of_stages
from unictoken.learn.stages import learn
from unictoken.learn.transition import drawn_rows
from unictoken.model.likelihood import picture_scores
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.tokens import Prompts, role_slices

UNICTOKENS = Method(
    tokens=Tokens(shared=2, generation=2, understanding=3),
    prompts=Prompts(
        understanding="{name} is {shared}{understanding}.",
        generation="",
        subject="{shared}{generation} {name}",
    ),
    stages=(
        Stage(
            name="understanding",
            steps=1,
            batch=4,
            trainable=("name", "shared"),
            tasks={"text_qa": 1},
        ),
        Stage(
            name="drawing",
            steps=1,
            batch=4,
            trainable=("name", "shared", "generation"),
            tasks={"generate": 1, "text_qa": 1},
        ),
        Stage(
            name="deepening",
            steps=1,
            batch=4,
            trainable=("name", "understanding"),
            tasks={"text_qa": 1},
            reinit={"understanding": "drawn"},
        ),
    ),
)
PART = role_slices(UNICTOKENS.tokens.counts)


@pytest.fixture(scope="module")
def prepared(base, toy):
    return prepare(base, toy, UNICTOKENS, seed=0)


@pytest.fixture
def concept(make_concept):
    return dataclasses.replace(
        make_concept("bo", shared=2, generation=2, understanding=3), prompts=UNICTOKENS.prompts
    )


def test_a_role_is_said_from_the_stage_on_that_teaches_it(prepared):
    for stage, said in zip(
        UNICTOKENS.stages,
        ({"shared"}, {"shared", "generation"}, {"shared", "understanding"}),
        strict=True,
    ):
        batch = batch_of(prepared.examples.in_stage(stage), stage, 0, 1, slice(None))
        seen = {
            role
            for role in ("shared", "generation", "understanding")
            for i in prepared.examples.slots["{" + role + "}"]
            if i in batch.ids_BT
        }
        assert seen == said


def test_drawings_have_no_introduction_where_the_tokens_stand_in_the_prompt(prepared):
    example = prepared.examples.in_stage(UNICTOKENS.stages[1]).make(
        "generate", np.random.default_rng(0)
    )
    prompt = example.ids[: example.labels.index(next(i for i in example.labels if i != IGNORE))]
    assert not set(prompt) & set(prepared.examples.vocab.encode("is"))


def test_a_picture_scores_as_its_ids_do_one_after_another(base, prepared):
    prompt, picture = (
        [base.vocab.bos, *base.vocab.encode("a photo of a dog.")],
        prepared.material.pictures_NK[:1],
    )
    scores = picture_scores(base, prompt, picture)
    ids = torch.tensor([[*prompt, base.vocab.begin_image, *picture[0].tolist()]])
    logits = base.logits(base.hidden(base.embed(ids)))[0][:, base.vocab.image_ids].log_softmax(-1)
    by_hand = [
        logits[len(prompt) + k, base.vocab.code_of_id[i]].item() for k, i in enumerate(picture[0])
    ]
    assert scores[0].tolist() == pytest.approx(by_hand, abs=1e-5)


def test_the_tokens_change_what_a_picture_scores(base, prepared, concept):
    speaker, picture = Speaker(base, [concept]), prepared.material.pictures_NK[:1]
    with_tokens, without = (
        [base.vocab.bos, *ids] for ids in (speaker.ids["bo"], base.vocab.encode("dog"))
    )
    assert not torch.allclose(
        picture_scores(speaker, with_tokens, picture), picture_scores(base, without, picture)
    )


@pytest.mark.slow
def test_drawn_rows_are_a_function_of_the_seed_and_as_long_as_words(base, concept):
    said = frozenset({"name", "shared", "generation"})
    first, again, other = (drawn_rows(base, concept, said, 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    words = base.embed(torch.tensor(base.vocab.words)).norm(dim=1).mean()
    assert first.shape == (3, base.width) and first.norm(dim=1).tolist() == pytest.approx(
        [words.item()] * 3, rel=1e-4
    )


def test_a_stage_starts_its_rows_anew_and_no_others(base, toy):
    prepared = prepare(base, toy, UNICTOKENS, seed=0)
    begin, seen = reinit_of_stages(base, toy, UNICTOKENS, seed=0), {}

    def watch(stage, learner):
        before = learner.frozen.clone()
        begin(stage, learner)
        seen[stage.name] = (before, learner.frozen.clone())

    steps = list(learn(prepared.learner, UNICTOKENS, prepared.objective, on_stage=watch))
    assert [step.stage for step in steps] == ["understanding", "drawing", "deepening"]
    assert all(torch.equal(*seen[stage]) for stage in ("understanding", "drawing"))
    before, after = seen["deepening"]
    changed = (before != after).any(-1)
    assert changed[0].tolist() == [False] * 5 + [True] * 3 and not changed[1].any()
    last = prepared.learner.current()
    assert not torch.equal(last[:, PART["understanding"]], after[:, PART["understanding"]])
    assert torch.equal(last[:, PART["generation"]], after[:, PART["generation"]])


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ((Stage(reinit={"understanding": "drawn"}),), "no stage before it learned to draw"),
        ((Stage(trainable=("name", "shared", "generation")),), "no stage trains 'understanding'"),
        (
            (Stage(trainable=("name", "shared", "generation")), Stage(steps=0)),
            "no stage trains 'understanding'",
        ),
        (
            (Stage(steps=0), Stage(reinit={"understanding": "drawn"})),
            "no stage before it learned to draw",
        ),
        ((Stage(steps=0),), "every stage has 0 steps"),
    ],
)
def test_stages_that_do_not_fit_each_other_are_refused(stages, said):
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(UNICTOKENS, stages=stages)


def test_a_stage_without_steps_is_left_out(base, toy):
    first, *others = UNICTOKENS.stages
    method = dataclasses.replace(UNICTOKENS, stages=(dataclasses.replace(first, steps=0), *others))
    prepared = prepare(base, toy, method, seed=0)
    assert [step.stage for step in learn(prepared.learner, method, prepared.objective)] == [
        "drawing",
        "deepening",
    ]
    shorter = Method(
        tokens=Tokens(shared=2),
        stages=(
            Stage(name="one", steps=1, batch=2),
            Stage(steps=0),
            Stage(name="two", steps=1, batch=2),
        ),
    )
    prepared = prepare(base, toy, shorter, seed=0)
    assert [step.stage for step in learn(prepared.learner, shorter, prepared.objective)] == [
        "one",
        "two",
    ]


def test_a_stage_can_draw_crops_and_generation_tokens_begin_from_them(base, toy):
    crops = tuple(picture.crop((8, 8, 28, 28)) for picture in toy.pictures)
    stages = tuple(
        dataclasses.replace(stage, targets="crops") if stage.name == "drawing" else stage
        for stage in UNICTOKENS.stages
    )
    method = dataclasses.replace(UNICTOKENS, stages=stages, start="frequent")
    with pytest.raises(SourceError, match="'tom': stage 'drawing' draws crops, and there are none"):
        prepare(base, toy, method, seed=0)
    prepared = prepare(base, dataclasses.replace(toy, crops=crops), method, seed=0)
    example = prepared.examples.in_stage(stages[1]).make("generate", np.random.default_rng(0))
    assert [i for i in example.labels if i != IGNORE][1:65] in base.encode(crops).tolist()
    whole = prepare(
        base, toy, dataclasses.replace(UNICTOKENS, start="frequent"), seed=0
    ).learner.rows
    differ = (prepared.learner.rows != whole).any(-1)[0]
    assert differ[PART["generation"]].any() and not differ[PART["shared"]].any()
