"""A task that came as one file and one line in the registry."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from unictoken import tasks
from unictoken.learn.examples import Examples
from unictoken.learn.methods import Stage
from unictoken.measure.scores import scores
from unictoken.personalize.words import in_words
from unictoken.scoring.metrics import balanced_accuracy
from unictoken.tasks.trial import Trial
from unictoken.tasks.verify import VerifyError


def example_of(base, prepared, **material) -> Examples:
    """Examples of the prepared concept, with other material."""
    teaching = prepared.examples.teaching
    changed = dataclasses.replace(teaching.material, **material)
    return Examples(base.vocab, prepared.examples.method, changed, prepared.examples.slots)


def test_a_stage_may_learn_it_and_a_benchmark_measures_it_only_when_asked():
    assert Stage(tasks={"verify": 0.1, "generate": 0.9}).tasks["verify"] == 0.1
    assert "verify" not in Stage().tasks and "verify" not in tasks.USUAL


def test_right_and_wrong_answers_are_shown_beside_the_pictures_equally_often(
    base, prepared, rng, answered
):
    scenes = [{"where is {it}?": place} for place in ("beach", "snow", "snow", "city", "room")]
    observed = dataclasses.replace(prepared.material.observations, scenes=scenes)
    examples = example_of(base, prepared, observations=observed)
    pictures = [base.vocab.picture(ids) for ids in prepared.material.pictures_NK.tolist()]
    seen = Counter()
    for _ in range(100):
        example = examples.make("verify", rng)
        i = next(i for i, ids in enumerate(pictures) if example.ids[1 : 1 + len(ids)] == ids)
        text = base.vocab.decode(example.ids[1 + len(pictures[i]) :])
        shown = text.partition(" is it ")[2].partition("?")[0]
        said = base.vocab.decode(answered(example)[:-1])
        assert said == ("yes" if shown == scenes[i]["where is {it}?"] else "no")
        seen[said] += 1
    assert min(seen.values()) > 35


def test_the_owners_answers_about_pictures_are_verified_too(base, prepared, rng):
    observed = dataclasses.replace(prepared.material.observations, scenes=[{}] * 5)
    own = ((0, "who is with {name}?", "a cat"), (3, "who is with {name}?", "a dog"))
    examples = example_of(base, prepared, observations=observed, about_pictures=own)
    text = base.vocab.decode(examples.make("verify", rng).ids)
    assert "is it a cat?" in text or "is it a dog?" in text


def test_pictures_that_are_all_the_same_teach_no_wrong_answer(base, prepared, rng):
    observed = dataclasses.replace(
        prepared.material.observations, scenes=[{"where is {it}?": "at home"}] * 5
    )
    with pytest.raises(VerifyError, match="every question has one answer"):
        example_of(base, prepared, observations=observed).make("verify", rng)


def asked(trial, said: float, monkeypatch):
    """Its predictions where the base says yes with this probability."""
    monkeypatch.setattr(Trial, "agreed", lambda trial, texts, records: [said] * len(texts))
    return tasks.predictions(trial, ["verify"])


def test_each_question_is_asked_with_its_answer_and_with_another_one(base, make_trial, monkeypatch):
    trial = make_trial(in_words(base, "tom", ""))
    made = asked(trial, 0.9, monkeypatch)
    assert made == asked(trial, 0.9, monkeypatch)  # the same wrong answers every time
    known = {}
    for record in (*trial.records("vqa"), *trial.records("choice")):
        known.setdefault(record.question, set()).update(record.options or [record.answer])
    right = {(r.question, str(r.pictures[0].relative_to(trial.subject.root))): r.answer for r in trial.records("vqa")}  # fmt: skip
    assert made and len({p.question for p in made}) > 4
    for true, false in zip(made[::2], made[1::2], strict=True):
        question, _, shown = (part.strip(" ?") for part in true.question.rpartition(" is it "))
        wrong = false.question.rpartition(" is it ")[2].strip("?")
        assert (true.expected, false.expected) == ("yes", "no")
        assert shown == right[question + "?", true.picture] != wrong
        assert {shown, wrong} <= known[question + "?"]


def test_who_says_yes_to_everything_is_half_right(base, make_trial, monkeypatch):
    made = asked(make_trial(in_words(base, "tom", "")), 0.9, monkeypatch)
    assert scores(made)["verify"] == 0.5


def test_it_is_asked_by_the_probability_of_yes(base, make_trial):
    made = tasks.predictions(make_trial(in_words(base, "tom", "")), ["verify"])
    assert all(p.given.startswith("yes" if float(p.given[-6:-1]) > 0.5 else "no") for p in made)
    assert 0 <= scores(made)["verify"] <= 1


def test_balanced_accuracy_is_the_mean_over_both_kinds_of_questions():
    """By hand: 1 of 1 where yes is right, 1 of 2 where no is."""
    assert balanced_accuracy([True, True, False], [True, False, False]) == 0.75
    assert balanced_accuracy([True] * 10, [True] * 9 + [False]) == 0.5
    assert balanced_accuracy([True, False], [True, True]) == 0.5
