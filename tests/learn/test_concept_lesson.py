import dataclasses

import pytest
import torch

from unictoken.concept.tokens import ConceptError
from unictoken.data.source import SourceError
from unictoken.learn.concept import keep, prepare
from unictoken.learn.methods import Method, Tokens
from unictoken.learn.observe import observe


def test_a_lesson_holds_what_its_owner_gave(base, toy, short_method):
    material = prepare(base, toy.source, short_method, seed=0).material
    assert material.pictures_NK.tolist() == base.encode(toy.source.pictures).tolist()
    assert {grade: len(ids) for grade, ids in material.negatives.items()} == {"easy": 24, "hard": 24, "twin": 24}
    assert (material.facts, material.questions, material.look_alikes_MK) == (toy.source.facts, toy.source.questions, None)


def test_the_bases_answers_are_kept_and_put_to_a_vote(base, toy):
    pictures = base.encode(toy.source.pictures[:1] * 2 + toy.source.pictures[1:2])
    observed = observe(base, pictures)
    assert len(observed.scenes) == len(observed.phrases) == 3
    assert observed.scenes[0] == observed.scenes[1]
    assert observed.concept == observe(base, pictures[:1]).concept
    assert len(observed.concept) == 7 and len(observed.scenes[0]) == 5


def test_what_is_kept_knows_where_it_comes_from(base, toy, short_method):
    learner = prepare(base, toy.source, short_method, seed=4).learner
    kept = keep(base, toy.source, short_method, learner, seed=4)
    assert (kept.name, kept.class_noun, kept.method, kept.seed, kept.base_fingerprint) == ("toy0", toy.pet.species, "joint", 4, base.fingerprint)
    assert kept.rows_in.shape == (5, 32)
    assert torch.equal(torch.stack([kept.rows_in, kept.rows_out]), learner.current())
    assert not kept.rows_in.requires_grad


def test_pictures_are_needed(base, toy, short_method):
    with pytest.raises(SourceError, match="'toy0': no pictures"):
        prepare(base, dataclasses.replace(toy.source, pictures=()), short_method, seed=0)


def test_more_tokens_than_the_vocabulary_has_free_are_refused(base, toy):
    with pytest.raises(ConceptError, match="reserved ids are needed"):
        prepare(base, toy.source, Method(tokens=Tokens(shared=1000)), seed=0)
