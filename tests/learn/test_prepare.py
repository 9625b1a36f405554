import dataclasses

import pytest
import torch

from unictoken.data.interviews import GENERAL
from unictoken.data.source import SourceError
from unictoken.learn import observe as observing
from unictoken.learn.method import Run
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.observe import observe
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.prepare import keep, prepare
from unictoken.model.profile import Profile
from unictoken.personalize.tokens import with_tokens
from unictoken.toy.interview import TOY


def test_a_prepared_concept_holds_what_its_owner_gave(base, toy, short_method):
    material = prepare(base, toy, short_method, seed=0).material
    assert material.pictures_NK.tolist() == base.encode(toy.pictures).tolist()
    assert {grade: len(ids) for grade, ids in material.negatives.items()} == {
        "easy": 24,
        "hard": 24,
        "near_duplicate": 24,
    }
    assert material.questions == (
        *toy.questions,
        ("what do you know about {name}?", " ".join(toy.facts)),
    )
    assert material.look_alikes_MK is None


def test_the_bases_answers_are_kept_and_put_to_a_vote(base, toy):
    pictures = base.encode(toy.pictures[:1] * 2 + toy.pictures[1:2])
    observed = observe(base, pictures, "dog")
    assert len(observed.scenes) == len(observed.phrases) == 3
    assert observed.scenes[0] == observed.scenes[1]
    assert observed.concept == observe(base, pictures[:1], "dog").concept
    assert (
        tuple(observed.concept) == TOY.about_concept
        and tuple(observed.scenes[0]) == TOY.about_scene
    )


def test_a_base_of_another_world_is_asked_what_any_picture_answers(base, toy, monkeypatch):
    heard = []

    def answers(base, ids_NK, questions, *, it, max_ids):
        heard.append(it)
        return [f"The dog is {it}"] * len(questions) * len(ids_NK)

    monkeypatch.setattr(observing, "_answers", answers)
    monkeypatch.setattr(base, "profile", Profile())
    observed = observe(base, base.encode(toy.pictures[:2]), "dog")
    assert heard == ["the dog"]
    assert (
        tuple(observed.concept) == GENERAL.about_concept
        and tuple(observed.scenes[1]) == GENERAL.about_scene
    )
    assert set(observed.concept.values()) == set(observed.captions) == {"{name} is {name}"}
    assert observed.phrases == ["", ""]


def test_what_was_cut_off_in_the_middle_ends_with_its_last_whole_sentence():
    assert observing.whole_sentences("It is red. It has a ha") == "It is red."
    assert observing.whole_sentences("a red mug with a han") == "a red mug with a han"


def test_what_is_kept_knows_where_it_comes_from(base, toy, short_method):
    learner = prepare(base, toy, short_method, seed=4).learner
    kept = keep(base, toy, short_method, learner, seed=4)
    assert (kept.name, kept.class_noun, kept.method, kept.seed, kept.base_fingerprint) == (
        "tom",
        toy.truth.subject.species,
        "joint",
        4,
        base.fingerprint,
    )
    assert kept.rows_in.shape == (5, 32)
    assert torch.equal(torch.stack([kept.rows_in, kept.rows_out]), learner.current())
    assert not kept.rows_in.requires_grad


def test_pictures_are_needed(base, toy, short_method):
    with pytest.raises(SourceError, match="'tom': no pictures"):
        prepare(base, dataclasses.replace(toy, pictures=()), short_method, seed=0)


def test_more_tokens_than_the_base_reads_are_refused(base, toy):
    with pytest.raises(SourceError, match=r"reads at most 1,024. Use fewer tokens"):
        prepare(base, toy, Method(tokens=Tokens(shared=1000)), seed=0)


def test_more_tokens_than_the_vocabulary_has_free_are_learned_and_used(base, toy):
    count = len(base.vocab.reserved) + 4
    stage = Stage(steps=2, batch=2, tasks={"text_qa": 1, "generate": 1})
    method = Method(tokens=Tokens(shared=count), stages=(stage,))
    start = prepare(base, toy, method, seed=0).learner.current().detach()
    concept = OptimizeRows(method).fit(base, [toy], run=Run()).tokens
    learned = torch.stack([concept.rows_in, concept.rows_out])
    assert learned.shape[1] == count + 1
    assert (learned != start).any(-1).all()  # those with virtual ids, too
    asked = with_tokens(base, concept)
    assert len(asked.ask(["what animal is <tom>?"], max_ids=2)) == 1
