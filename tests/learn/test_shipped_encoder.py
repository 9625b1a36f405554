"""The encoder that ships: concepts of one pass, beside the class noun."""

import pytest

from unictoken.core import config, shipped
from unictoken.learn.method import Run
from unictoken.learn.methods import MethodFile
from unictoken.learn.run import method_of
from unictoken.model.base import load_base
from unictoken.personalize import encoder_file
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import held_out_of, toy_concept

MB = 2**20


@pytest.mark.slow
def test_it_is_of_the_base_that_ships_and_small():
    file = shipped.find_encoder("tiny")
    assert file.stat().st_size < 6 * MB
    assert encoder_file.load(file, load_base(shipped.USUAL_BASE)).shape.counts["shared"] == 32


@pytest.mark.slow
def test_pets_that_nobody_has_seen_are_recognised_better_than_by_their_class_noun():
    base = load_base(shipped.USUAL_BASE)
    method = config.load(MethodFile, shipped.find_method("plvm")).method
    right = {"encoded": [], "noun": []}
    for index in range(4):
        concept = toy_concept(11, index)
        learned = method_of(method).fit(base, [concept], run=Run())
        test = held_out_of(concept, [11, index])
        others = [*test.negatives["hard"], *test.negatives["easy"]]
        conditions = {
            "encoded": with_tokens(base, learned.tokens),
            "noun": in_words(base, concept.name, f"{concept.name} is a {concept.class_noun}."),
        }
        for name, condition in conditions.items():
            own, other = (
                condition.recognise(base.encode(pictures)) for pictures in (test.positives, others)
            )
            right[name] += [p > 0.5 for p in own] * 2 + [p <= 0.5 for p in other]
    encoded, noun = (sum(found) / len(found) for found in right.values())
    assert encoded > 0.85
    assert encoded > noun + 0.1
