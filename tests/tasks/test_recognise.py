import dataclasses
from collections import Counter

from unictoken.learn.examples import Examples
from unictoken.measure.scores import scores
from unictoken.personalize.words import in_words
from unictoken.tasks.recognise import Recognise, grade_of_negative


def test_recognition_asks_about_the_concepts_pictures_and_others_alike(
    base, prepared, rng, answered
):
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


def test_without_negatives_the_answer_is_always_yes(base, prepared, short_method, rng, answered):
    alone = Examples(
        base.vocab,
        short_method,
        dataclasses.replace(prepared.material, negatives={}),
        prepared.examples.slots,
    )
    assert {base.vocab.decode(answered(alone.make("recognise", rng))) for _ in range(30)} == {"yes"}


def test_negatives_come_in_the_shares_of_their_grades(prepared, rng):
    negatives = prepared.material.negatives
    grades = {grade_of_negative(negatives, {"near_duplicate": 1.0}, rng) for _ in range(50)}
    assert grades == {"near_duplicate"}
    assert {grade_of_negative(negatives, {}, rng) for _ in range(50)} == set(negatives)


def test_recognition_weighs_positives_and_each_kind_of_negatives(prediction):
    """By hand: positives 1 of 2; easy 1 of 1 and hard 0 of 1 right, so 1 of 2; near-duplicates 0 of 1."""
    said = [
        ("positive", "yes (0.9)", 1),
        ("positive", "no (0.4)", 0),
        ("negative_easy", "no (0.1)", 1),
        ("negative_hard", "yes (0.6)", 0),
    ]
    numbers = scores(
        [*(prediction(*row) for row in said), prediction("negative_near_duplicate", "yes (0.9)", 0)]
    )
    assert (
        numbers["recognition"],
        numbers["recognition_hard"],
        numbers["recognition_near_duplicates"],
    ) == (
        0.5,
        0.25,
        0.25,
    )


def test_always_yes_is_half_right_whatever_the_counts(prediction):
    always = [prediction("positive", "yes (1.0)", 1)] + [
        prediction("negative_easy", "yes (1.0)", 0)
    ] * 9
    assert scores(always)["recognition"] == 0.5


def test_recognition_is_told_by_shift_where_records_carry_one(prediction):
    """By hand: in pose 1 of 2 positives and 1 of 1 negative, in distractors 1 of 1 and 0 of 1."""
    said = [
        ("positive, pose", "yes (0.9)", 1),
        ("positive, pose", "no (0.4)", 0),
        ("negative_hard, pose", "no (0.1)", 1),
        ("positive, distractors", "yes (0.9)", 1),
        ("negative_hard, distractors", "yes (0.6)", 0),
    ]
    numbers = scores([prediction(*row) for row in said])
    assert numbers["recognition (pose)"] == (1 / 2 + 1) / 2
    assert numbers["recognition (distractors)"] == (1 + 0) / 2
    assert numbers["recognition"] == numbers["recognition_hard"] == (2 / 3 + 1 / 2) / 2
    assert numbers["positive"] == 2 / 3


def test_a_shift_stands_in_what_is_scored(make_trial, base):
    trial = make_trial(in_words(base, "tom", ""))
    (first, *_) = (r for r in trial.subject.records if r.task == "recognise" and r.split == "test")
    shifted = dataclasses.replace(first, shift="pose")
    subject = dataclasses.replace(trial.subject, records=(shifted,))
    (made,) = Recognise().ask(dataclasses.replace(trial, subject=subject))
    kind = "positive" if first.answer == "yes" else f"negative_{first.grade}"
    assert made.task == f"{kind}, pose"
