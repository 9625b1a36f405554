import dataclasses

import numpy as np
import pytest
import torch

from unictoken.data.source import check_learnable
from unictoken.toy import concepts as benchmark
from unictoken.toy.judge import Judge
from unictoken.toy.world import descriptions, subjects
from unictoken.toy.world.attributes import SCENE_ATTRIBUTES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.subjects import kind_of
from unictoken.toy.world.things import held_out


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge().eval()


def test_a_seed_and_a_number_give_the_same_concept(toy):
    again, other = benchmark.toy_concept(0, 0), benchmark.toy_concept(0, 1)
    assert again == toy
    assert [p.tobytes() for p in again.pictures] == [p.tobytes() for p in toy.pictures]
    assert (other.truth.subject, other.name) != (toy.truth.subject, toy.name)


def test_concepts_are_of_combinations_that_the_base_never_saw():
    assert all(held_out(benchmark.toy_concept(1, i).truth.subject) for i in range(4))


def test_a_concept_has_five_pictures_its_facts_and_their_questions(toy):
    assert len(toy.pictures) == 5
    assert dict(toy.questions)["what does <tom> like to eat?"] == toy.truth.facts.food
    assert all("<tom>" in fact for fact in toy.facts)


def test_test_pictures_are_not_the_training_pictures(toy):
    test = benchmark.held_out_of(toy, (0, 0))
    own = {p.tobytes() for grade in (toy.pictures, *toy.negatives.values()) for p in grade}
    assert len(test.positives) == len(test.scenes) == 12
    assert {g: len(found) for g, found in test.negatives.items()} == {
        "easy": 12,
        "hard": 12,
        "near_duplicate": 12,
    }
    assert not own & {
        p.tobytes() for part in (test.positives, *test.negatives.values()) for p in part
    }
    assert all(
        draw(toy.truth.subject, scene).tobytes() == p.tobytes()
        for scene, p in zip(test.scenes, test.positives, strict=True)
    )


def test_a_test_picture_that_was_learned_from_is_drawn_anew(toy):
    first = benchmark.held_out_of(toy, (0, 0))
    learned = dataclasses.replace(toy, pictures=tuple(first.positives[:1]))
    assert first.positives[0].tobytes() not in {
        p.tobytes() for p in benchmark.held_out_of(learned, (0, 0)).positives
    }


def test_the_judge_reads_every_attribute(judge, toy):
    readings = judge.read(toy.pictures)
    names = {*toy.truth.subject.nameable, *SCENE_ATTRIBUTES}
    assert len(readings) == 5 and all(names <= set(r.values) for r in readings)
    assert all(len(r.fur_rgb) == 3 and np.isfinite(r.fur_rgb).all() for r in readings)


def test_the_same_concept_can_have_more_or_fewer_pictures():
    one, five, ten = (benchmark.toy_concept(1, 0, references=n) for n in (1, 5, 10))
    assert [len(concept.pictures) for concept in (one, five, ten)] == [1, 5, 10]
    assert one.pictures == five.pictures[:1] and ten.pictures[:5] == five.pictures
    assert (
        one.negatives == five.negatives == ten.negatives
        and one.truth == ten.truth
        and one.facts == ten.facts
    )


KINDS = ("animal", "object", "person")


def test_a_pet_is_what_a_concept_is_when_nobody_says_its_kind(toy):
    assert benchmark.toy_concept(0, 0, kind="animal") == toy


@pytest.mark.parametrize("kind", KINDS)
def test_a_concept_of_any_kind_was_held_out_and_is_learned_from_its_own_pictures(kind):
    concept = benchmark.toy_concept(3, 1, kind=kind)
    subject = concept.truth.subject
    assert (concept.kind, kind_of(subject)) == (kind, kind) and subjects.held_out(subject)
    assert concept.class_noun == descriptions.noun(subject)
    assert len({picture.tobytes() for picture in concept.pictures}) == 5
    assert {grade: len(found) for grade, found in concept.negatives.items()} == dict.fromkeys(
        benchmark.NEGATIVES, benchmark.TRAINING_NEGATIVES
    )


def test_the_pictures_of_a_thing_differ_however_many_are_asked_for():
    pictures = benchmark.toy_concept(3, 1, kind="object", references=40).pictures
    assert len({picture.tobytes() for picture in pictures}) == 40
    assert len(benchmark.toy_concept(3, 1, kind="object", references=80).pictures) == 80


def test_a_thing_has_no_hat_and_eats_nothing():
    thing, person = (benchmark.toy_concept(3, 1, kind=kind) for kind in KINDS[1:])
    assert [question for question, _ in thing.questions] == [f"where does {thing.marker} live?"]
    assert thing.truth.facts is None and len(thing.facts) == 1
    assert any("hat" in question for question, _ in person.questions) and len(person.facts) == 4


def test_drawings_of_a_thing_are_asked_for_by_side_and_of_others_by_hat():
    for kind in KINDS:
        wishes = benchmark.held_out_of(benchmark.toy_concept(3, 1, kind=kind), (3, 1)).wishes
        wanted = {"position"} if kind == "object" else {"accessory", "accessory_colour"}
        assert all(set(wish) == {"place", *wanted} for wish in wishes)


def test_nobody_has_to_be_asked_for_a_person_who_is_drawn():
    assert check_learnable(benchmark.toy_concept(3, 1, kind="person")).consent
    assert not benchmark.toy_concept(3, 1).consent
