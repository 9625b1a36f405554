"""MyVLM's method: rows, and a gate from the same pictures."""

from dataclasses import replace

import pytest

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.shipped import find_method
from unictoken.data.source import SourceError
from unictoken.learn.method import Run
from unictoken.learn.methods import Distractors, GatedMethod, MethodFile
from unictoken.learn.run import method_of
from unictoken.personalize.gated import GATE
from unictoken.personalize.tokens import with_tokens


@pytest.fixture
def myvlm() -> GatedMethod:
    return config.load(MethodFile, find_method("myvlm"), ["method.stages.0.steps=1"]).method


def test_it_gives_one_row_beside_the_name_and_a_gate(base, toy, myvlm, tmp_path):
    learned = method_of(myvlm).fit(base, [toy], run=Run())
    assert dict(learned.tokens.counts) == {
        "name": 1,
        "shared": 1,
        "generation": 0,
        "understanding": 0,
    }
    assert set(learned.tokens.sections) == {GATE}
    own, others = learned.prepared.material.pictures_NK, learned.prepared.material.negatives
    concept = with_tokens(base, learned.tokens)
    told = [concept.recognise(ids_NK) for ids_NK in (own, *others.values())]
    means = [sum(found) / len(found) for found in told]
    assert means[0] > max(means[1:])
    assert not concept.can_draw


def test_without_pictures_of_others_it_is_refused_before_anything_is_learned(base, toy, myvlm):
    alone = replace(toy, negatives={})
    run = Run(distractors=Distractors(world=0), show=lambda progress: pytest.fail("it learned"))
    with pytest.raises(SourceError, match="'myvlm' learns a gate from pictures of others"):
        method_of(myvlm).fit(base, [alone], run=run)


def test_a_threshold_is_a_probability(myvlm):
    with pytest.raises(ConfigError, match="threshold"):
        replace(myvlm, threshold=1.5)
