"""Training a concept encoder: what it is trained on, and that it goes on where it was left."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.personalize.encode import EncoderShape
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.pretrain import encoder as training
from unictoken.toy.pretrain.encoder import EncodedLearner, EncoderSettings, make_lessons
from unictoken.toy.pretrain.encoder_data import SHOTS, make_crowd
from unictoken.toy.world.subjects import held_out

SHAPE = EncoderShape(
    width=16, layers=1, heads=2, counts={"name": 1, "shared": 4}, questions=("what is it?",)
)
SETTINGS = EncoderSettings(
    shape=SHAPE,
    families=6,
    imitate_steps=2,
    imitate_concepts=3,
    steps=2,
    concepts=2,
    examples=2,
    save_every=1,
)


@pytest.fixture(scope="module")
def lessons(base, tmp_path_factory):
    return make_lessons(base, SETTINGS, seed=0, cache=tmp_path_factory.mktemp("cache"))


def test_no_combination_of_a_benchmark_is_trained_on(lessons):
    assert not any(map(held_out, lessons.crowd.subjects))
    assert all(held_out(truth_of(toy_concept(seed, 0)).subject) for seed in range(3))


def test_what_it_reads_is_kept_in_files_and_read_again(base, lessons, tmp_path, monkeypatch):
    first = make_lessons(base, SETTINGS, seed=1, cache=tmp_path)
    monkeypatch.setattr(training, "asked_of", lambda *_: pytest.fail("asked again"))
    again = make_lessons(base, SETTINGS, seed=1, cache=tmp_path)
    assert torch.equal(first.asked_NQD, again.asked_NQD)
    assert torch.equal(first.crowd.ids_NK, again.crowd.ids_NK)
    assert not torch.equal(first.crowd.ids_NK, lessons.crowd.ids_NK)


def test_pictures_that_introduce_a_concept_are_not_asked_about(lessons):
    rng = np.random.default_rng(0)
    introduced = lessons.introduced(40, rng)
    assert {len(pictures) for _, pictures in introduced} == set(range(1, SHOTS))
    for concept, pictures in introduced:
        assert set(pictures) < set(lessons.crowd.pictures(concept))
    concept, pictures = introduced[0]
    left = sorted(set(lessons.crowd.pictures(concept)) - set(pictures))
    material = lessons.crowd.material(concept, left)
    assert torch.equal(material.pictures_NK, lessons.crowd.ids_NK[left])


def test_each_of_a_family_has_the_others_as_look_alikes(lessons):
    crowd = lessons.crowd
    first, near, hard = (crowd.negatives(3 + which) for which in range(3))
    assert first["near_duplicate"] == [*crowd.pictures(4)]
    assert near["near_duplicate"] == [*crowd.pictures(3)]
    assert first["hard"] == near["hard"] == [*crowd.pictures(5)]
    assert "near_duplicate" not in hard
    assert hard["hard"] == [*crowd.pictures(3), *crowd.pictures(4)]
    for grades, concept in ((first, 3), (hard, 5)):
        assert {crowd.noun(n // SHOTS) for n in grades["easy"]}.isdisjoint({crowd.noun(concept)})


def test_examples_say_what_is_true_and_no_fact(lessons):
    crowd = lessons.crowd
    pet = next(i for i, s in enumerate(crowd.subjects) if hasattr(s, "species"))
    material = crowd.material(pet, [*crowd.pictures(pet)][:2])
    said = material.observations
    assert said.concept["what pattern does {it} have?"] == crowd.subjects[pet].pattern
    assert said.description == crowd.description(pet)
    assert len(said.captions) == len(said.phrases) == len(material.pictures_NK) == 2
    assert material.questions == ()


def test_a_crowd_is_a_function_of_its_seed(base):
    one, other = (make_crowd(base, 4, seed=3) for _ in range(2))
    assert torch.equal(one.ids_NK, other.ids_NK)
    assert one.subjects == other.subjects


def trained(lessons, progress, **how):
    encoder = training.build(lessons.base, lessons.settings, seed=0)
    log = []
    training.train(
        encoder,
        lessons,
        seed=0,
        progress=progress,
        log=lambda step, **numbers: log.append((step, numbers["loss"])),
        **how,
    )
    return encoder.state_dict(), log


def test_a_stopped_training_goes_on_bit_for_bit(lessons, tmp_path):
    whole, log = trained(lessons, tmp_path / "whole")
    for after in (1, 3):
        progress, asked = tmp_path / f"stopped-{after}", iter([False] * (after - 1) + [True])
        with pytest.raises(Stopped):
            trained(lessons, progress, stop_asked=lambda asked=asked: next(asked))
        resumed, rest = trained(lessons, progress)
        assert rest == log[after:]
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_it_learns_and_the_base_stays(lessons, tmp_path):
    before = {k: v.clone() for k, v in lessons.base.model.state_dict().items()}
    again = replace(lessons, settings=replace(SETTINGS, imitate_steps=60, steps=1, save_every=20))
    _, log = trained(again, tmp_path / "progress")
    assert log[2][1] < log[0][1]
    after = lessons.base.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_each_concept_is_read_with_its_own_rows(lessons):
    learner = EncodedLearner(lessons.base, SHAPE.rows, 2)
    learner.made = torch.randn(2, 2 * SHAPE.rows, lessons.base.width)
    rng = np.random.default_rng(0)
    introduced = lessons.introduced(2, rng)
    batch = lessons.batch(introduced, learner.id_of_row.tolist(), rng)
    before = learner(batch.ids_BT, batch.labels_BT, batch.weights_B)
    named = torch.isin(batch.ids_BT, learner.id_of_row[: SHAPE.rows]).any(1)
    assert named.tolist().count(True) == SETTINGS.examples
    learner.made = learner.made.clone()
    learner.made[:, SHAPE.rows :] += 1
    only = batch.each(lambda tensor: tensor[named])
    rest = batch.each(lambda tensor: tensor[~named])
    first = learner(only.ids_BT, only.labels_BT, only.weights_B)
    other = learner(rest.ids_BT, rest.labels_BT, rest.weights_B)
    assert not torch.allclose((first + other) / 2, before)
    learner.made[:, SHAPE.rows :] -= 1
    assert torch.allclose(learner(only.ids_BT, only.labels_BT, only.weights_B), first, atol=1e-5)


def test_settings_that_mean_nothing_are_refused():
    for changes in ({"families": 1}, {"concepts": 0}, {"steps": -1}):
        with pytest.raises(ConfigError, match=next(iter(changes))):
            replace(SETTINGS, **changes)
