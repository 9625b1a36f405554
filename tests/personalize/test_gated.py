"""Behind a closed gate the base answers as it is; behind an open one the tokens do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unictoken.core.text import ConceptError
from unictoken.model.sampling import next_logits
from unictoken.personalize.condition import answer_each
from unictoken.personalize.gated import GATE, PictureGate, learn_gate, read_gate
from unictoken.personalize.query import queries_of
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file


@pytest.fixture
def pictures(base):
    """Image ids of two kinds of pictures: of low codes and of high ones."""
    ids, half = base.vocab.image_ids, len(base.vocab.image_ids) // 2
    chosen = torch.Generator().manual_seed(0)
    codes = torch.randint(0, half, (12, base.codes_per_picture), generator=chosen)
    return ids[codes], ids[codes + half]


@pytest.fixture
def gate(base, pictures):
    own, others = pictures
    return learn_gate(base, own[:5], others[:7], threshold=0.5)


def gated(bo, gate):
    return replace(bo, sections={GATE: gate.section()})


def test_a_gate_tells_pictures_apart_that_it_never_saw(base, pictures, gate):
    own, others = pictures
    assert min(gate.probabilities(base, own[5:])) > 0.5
    assert max(gate.probabilities(base, others[7:])) < 0.5


def test_before_others_the_logits_are_the_bases_own_bit_for_bit(base, bo, pictures, gate):
    own, others = pictures
    concept = with_tokens(base, gated(bo, gate))
    question = "describe the photo."
    shut, opened = concept.conditions(queries_of([question] * 2, torch.stack([others[9], own[9]])))
    prompt = shut.question(question, others[9].tolist())
    alone = [base.vocab.bos, *base.vocab.picture(others[9]), *base.vocab.encode(question)]
    assert prompt == [*alone, base.vocab.end_turn]
    assert torch.equal(next_logits(shut.speaker, [prompt]), next_logits(base, [prompt]))
    assert opened is concept and not shut.names


def test_before_its_own_pictures_the_answers_are_those_of_the_tokens(base, bo, pictures, gate):
    own, _ = pictures
    queries = queries_of(["what colour is <bo>?"] * 3, own[:3])
    behind, plain = with_tokens(base, gated(bo, gate)), with_tokens(base, bo)
    answers = [
        answer_each(list(zip(queries, way.conditions(queries), strict=True)), max_ids=4)
        for way in (behind, plain)
    ]
    assert answers[0] == answers[1]


def test_a_question_that_names_it_is_answered_with_the_gate_closed_too(base, bo, pictures, gate):
    _, others = pictures
    queries = queries_of(["where is <bo>?"], others[:1])
    (shut,) = with_tokens(base, gated(bo, gate)).conditions(queries)
    assert not shut.concepts and len(answer_each([(queries[0], shut)], max_ids=2)) == 1


def test_without_a_picture_the_tokens_answer(base, bo, gate):
    concept = with_tokens(base, gated(bo, gate))
    assert concept.conditions(queries_of(["what colour is <bo>?"])) == [concept]


def test_the_gate_says_whether_a_picture_shows_it(base, bo, pictures, gate):
    own, others = pictures
    both = torch.cat([own[5:7], others[7:9]])
    concept = with_tokens(base, gated(bo, gate))
    queries = queries_of(["<bo>"] * 4, both, "probability")
    assert concept.conditions(queries) == [concept] * 4
    assert concept.recognise(both) == gate.probabilities(base, both)
    # Who is in the photo is answered by it, too.
    names = concept.conditions(queries_of(["who is in the photo?"] * 4, both, "names"))
    assert [condition.names for condition in names] == [("bo",), ("bo",), (), ()]


def test_of_several_each_has_its_own_gate(base, make_concept, bo, pictures, gate):
    own, others = pictures
    shut = PictureGate(weights_F=gate.weights_F * 0, bias=-9.0)
    mia = replace(make_concept("mia"), sections={GATE: shut.section()})
    members = [with_tokens(base, concept) for concept in (gated(bo, gate), mia)]
    asked = queries_of(["describe the photo."] * 2, torch.stack([own[6], others[8]]))
    found = Several(base, members).conditions(asked)
    assert [condition.names for condition in found] == [("bo",), ()]


def test_a_concept_file_keeps_the_gate(base, bo, gate, pictures, tmp_path):
    file = concept_file.save(gated(bo, gate), tmp_path / "bo.safetensors")
    kept = with_tokens(base, concept_file.load(file, base))
    assert np.array_equal(kept.gate.weights_F, gate.weights_F)
    assert kept.recognise(pictures[0]) == gate.probabilities(base, pictures[0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": "AAAA"}, "found no 96 finite numbers under 'weights'"),
        ({"weights": "?"}, "found no 96 finite numbers"),
        ({"weights": "AADAfw==" * 96}, "found no 96 finite numbers"),
        ({"bias": "much"}, "bias: found 'much', expected a number"),
        ({"threshold": 2}, "threshold: found 2, expected a number from 0 to 1"),
        ({"more": 1}, "more"),
    ],
)
def test_a_gate_that_is_none_is_refused(base, gate, wrong, message):
    with pytest.raises(ConceptError, match=message):
        read_gate(gate.section() | wrong, "'bo': gate", base)
