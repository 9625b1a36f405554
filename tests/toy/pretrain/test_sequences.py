from collections import Counter

import numpy as np
import pytest

from unictoken.data.sequence import IGNORE
from unictoken.toy.pretrain.language import encode_pictures
from unictoken.toy.pretrain.sequences import (
    MIXTURE,
    TrainingSequences,
    codes_on_pet,
    draw_families,
    families,
    sample_families,
)
from unictoken.toy.world import language
from unictoken.toy.world.things import held_out, sample_pet_where

LENGTH = 208


@pytest.fixture(scope="module")
def drawn():
    pets, scenes = sample_families(3, seed=0)
    return pets, scenes, draw_families(pets, scenes)


@pytest.fixture(scope="module")
def sequences(base, drawn) -> TrainingSequences:
    pets, scenes, pictures = drawn
    ids = encode_pictures(base.model.model.vqmodel, pictures, base.vocab.image_ids, "cpu")
    return TrainingSequences(base.vocab, families(pets, scenes, ids), length=LENGTH)


def test_a_family_is_a_pet_its_near_duplicate_and_a_hard_negative(drawn):
    pets, scenes, pictures = drawn
    assert pictures.shape == (27, 3, 32, 32) and len(pets) == len(scenes) == 3
    for pet, near_duplicate, hard in pets:
        assert not held_out(pet) and near_duplicate.nameable == pet.nameable
        assert (
            sum(a != b for a, b in zip(pet.nameable.values(), hard.nameable.values(), strict=True))
            == 1
        )


def test_every_shot_has_the_ids_of_its_own_picture(base, drawn, sequences):
    _, scenes, pictures = drawn
    ids = encode_pictures(base.model.model.vqmodel, pictures[13:14], base.vocab.image_ids, "cpu")
    shot = sequences.families[1].shots[1][1]
    assert shot.scene == scenes[1][1][1] and np.array_equal(shot.ids, ids[0])


@pytest.mark.parametrize("kind", MIXTURE)
def test_every_kind_of_sequence_has_something_to_learn_and_fits(sequences, kind):
    for seed in range(20):
        turns = getattr(sequences, kind)(np.random.default_rng(seed))
        assert any(turn.learned for turn in turns)
    example, again = (sequences.example(np.random.default_rng(5)) for _ in range(2))
    assert example == again and len(example.ids) <= LENGTH
    assert all(label in (IGNORE, i) for i, label in zip(example.ids, example.labels, strict=True))


def test_kinds_of_sequences_sum_to_one():
    assert sum(MIXTURE.values()) == pytest.approx(1.0)


def test_questions_are_answered_truly(base, sequences):
    family = sequences.families[0]
    scene = family.shots[0][0].scene
    for attribute in (*language.PET_QUESTIONS, *language.SCENE_QUESTIONS):
        _, answer = sequences.question(
            family.pets[0], scene, base.vocab.encode("it"), np.random.default_rng(0), attribute
        )
        assert base.vocab.decode(answer.ids) == language.answer(attribute, family.pets[0], scene)


def test_recognition_says_yes_and_no_alike(base, sequences):
    said = Counter()
    for seed in range(80):
        turns = sequences.recognise(
            sequences.families[0], 0, 0, np.random.default_rng(seed), "codes"
        )
        said[base.vocab.decode(turns[1].ids)] += 1
    assert (
        {"yes", "no"} <= set(said)
        and min(said["yes"], said["no"]) > 20
        and abs(said["yes"] - said["no"]) < 20
    )


def test_whoever_was_introduced_and_is_shown_is_asked_about_by_name(base, sequences):
    family, asked = sequences.families[0], set()
    scene = family.shots[0][0].scene
    right = {
        language.answer(attribute, family.pets[0], scene): attribute
        for attribute in language.SCENE_QUESTIONS
    }
    for seed in range(300):
        turns = sequences.recognise(family, 0, 0, np.random.default_rng(seed), "words")
        name = base.vocab.decode(turns[0].ids[:1])
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            text = base.vocab.decode(question.ids)
            if (said := base.vocab.decode(answer.ids)) in right:
                asked.add(right[said])
                assert right[said] == "time" or name in text and " it" not in text
    assert asked == set(language.SCENE_QUESTIONS)


def test_a_caption_says_the_name_only_of_whom_the_picture_shows(base, sequences):
    family = sequences.families[0]
    scene, seen = family.shots[0][1].scene, set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        asked, said = sequences.named_caption(family, 0, 1, rng, "words" if seed % 2 else "codes")
        text, named = (
            base.vocab.decode(said.ids).replace(" ,", ","),
            language.named_caption(scene).partition("}")[2],
        )
        name = base.vocab.decode(asked.ids[:1])
        assert text in (f"{name}{named}", language.caption(family.pets[0], scene))
        seen.add(text.startswith(name))
    assert seen == {True, False}


def test_codes_of_a_pet_come_from_where_it_stands(sequences):
    shot = sequences.families[0].shots[0][0]
    codes = codes_on_pet(shot, np.random.default_rng(0))
    assert len(codes) == 28 and set(codes) <= set(shot.ids.tolist())


def test_names_are_words_or_reserved_ids(base, sequences):
    assert {tuple(sequences.name(np.random.default_rng(seed))) for seed in range(40)} <= {
        tuple(ids) for ids in sequences.names
    }
    assert all(len(ids) == 1 for ids in sequences.names) and sequences.ordinary >= 8


def test_a_wrong_description_is_never_true(sequences):
    rng = np.random.default_rng(0)
    for i in range(200):
        pet = sample_pet_where(np.random.default_rng(i), unseen=False)
        said = sequences.wrong_description(pet, rng)
        true = {
            *(language.describe_briefly(pet, np.random.default_rng(j)) for j in range(300)),
            language.describe(pet),
        }
        assert said not in true
