import dataclasses

import pytest

from unictoken.learn.methods import Distractors, Method, Tokens
from unictoken.learn.prepare import prepare
from unictoken.measure.scores import scores
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.scoring.verdict import Verdict
from unictoken.tasks import predictions
from unictoken.tasks.teaching import SoftPositives
from unictoken.tokens.tokens import Prompts
from unictoken.toy import concepts


@pytest.mark.slow
def test_a_drawing_is_asked_for_and_learned_whole(base, prepared, rng, answered):
    example = prepared.examples.make("generate", rng)
    own = prepared.material.pictures_NK.tolist()
    assert answered(example) in [[*base.vocab.picture(ids), base.vocab.end_turn] for ids in own]
    assert prepared.examples.slots["{name}"][0] in example.ids


def test_look_alikes_are_drawn_with_fewer_tokens_the_less_alike_they_are(base, toy, rng, answered):
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


def test_a_drawing_is_judged_by_what_its_prompt_and_the_facts_say(base, make_trial, tmp_path):
    claimed = []

    class Agreeing:
        name = "agreeing"

        def check(self, pictures, claims):
            claimed.extend(claims)
            return [Verdict(1.0, "so it is")] * len(claims)

    trial = make_trial(in_words(base, "tom", "{name} is a dog."), judge=Agreeing())
    made = predictions(trial, ["generate"])
    assert [p.task for p in made] == [
        "drawn",
        "identity",
        "drawn",
        "identity",
        "prompt",
        "drawn",
        "knowledge",
        "knowledge_recaption",
    ]
    own = concepts.toy_concept(1, 0)
    assert claimed[0].attributes == {
        name: getattr(own.truth.subject, name)
        for name in ("species", "fur", "second", "pattern", "collar")
    }
    assert claimed[3].attributes == {
        "accessory": own.truth.facts.hat,
        "accessory_colour": own.truth.facts.hat_colour,
    }
    assert all((tmp_path / p.picture).is_file() for p in made if p.picture)


@pytest.mark.slow
def test_of_several_drawings_the_one_that_is_recognised_best_is_judged_beside_a_single_one(
    base, make_trial, make_concept, tmp_path, monkeypatch
):
    class Counting:
        name = "counting"

        def check(self, pictures, claims):
            return [Verdict(1.0, "so it is")] * len(claims)

    tokens = with_tokens(base, make_concept("tom"))
    asked = make_trial(tokens, judge=Counting(), best_of=2)
    recognised = []
    monkeypatch.setattr(
        Condition,
        "recognise",
        lambda self, ids_NK: recognised.append(len(ids_NK)) or [0.5] * len(ids_NK),
    )
    drawn = predictions(asked, ["generate"])
    made = [p.task for p in drawn]
    assert recognised == [6]  # three prompts, two drawings of each
    assert [task for task in made if task.endswith("_best_of")] == [
        "identity_best_of",
        "identity_best_of",
        "prompt_best_of",
        "knowledge_best_of",
    ]
    assert all((tmp_path / p.picture).is_file() for p in drawn if p.task.endswith("_best_of"))
    in_words_alone = dataclasses.replace(
        asked, personalization=in_words(base, "tom", "{name} is a dog.")
    )
    drawn = predictions(in_words_alone, ["generate"])
    assert not any(p.task.endswith("_best_of") for p in drawn)


def test_words_are_told_the_facts_before_knowledge_driven_drawing_only(
    base, make_trial, monkeypatch
):
    told = []
    picture = concepts.toy_concept(1, 0).pictures[0]
    monkeypatch.setattr(
        Condition,
        "draw",
        lambda self, prompts, how, **more: (
            told.append(self.prompts.generation) or [picture] * len(prompts)
        ),
    )
    words = in_words(base, "tom", "{name} is a dog.", facts="{name} has a red cap.")
    predictions(make_trial(words), ["generate"])
    assert told == ["{name} is a dog.", "{name} is a dog. {name} has a red cap."]


def test_knowledge_counts_whole_hats_only(prediction):
    assert (
        scores([prediction("knowledge", "", s) for s in (1.0, 0.5, 0.5, 0.0)])["knowledge"] == 0.25
    )


def test_a_drawing_has_the_exact_shade_where_no_other_is_nearer(prediction):
    drawn = [
        ("palette", "[118, 75, 40]"),
        ("palette", "[150, 96, 56]"),
        ("palette_best_of", "[121, 70, 45]"),
    ]
    made = [prediction(kind, given, 1.0, expected="[120, 72, 41]") for kind, given in drawn]
    numbers = scores(made)
    assert (numbers["shade"], numbers["shade_best_of"]) == (0.5, 1.0)
