"""Rankings, compared with trec_eval's own code where it is installed."""

import numpy as np
import pytest

from unictoken.scoring.metrics import MetricError
from unictoken.scoring.ranking import (
    average_precision,
    hits_at,
    ndcg,
    ranked,
    recall_at,
    reciprocal_rank,
)


def test_of_equal_scores_the_irrelevant_one_comes_first():
    assert ranked([0.5, 0.5, 0.5], [1, 0, 0]) == [0, 0, 1]
    assert ranked([0.1, 0.9], [0, 1]) == [1, 0]


def test_a_perfect_ranking_scores_one():
    gains = [1, 1, 0, 0]
    assert (ndcg(gains, 3), reciprocal_rank(gains), recall_at(gains, 2), hits_at(gains, 1)) == (
        1,
        1,
        1,
        1,
    )


def test_what_stands_behind_k_does_not_count():
    gains = [0, 0, 1]
    assert (ndcg(gains, 2), recall_at(gains, 2), hits_at(gains, 2)) == (0, 0, 0)
    assert reciprocal_rank(gains) == 1 / 3


def test_average_precision_is_the_mean_of_precisions_where_something_relevant_stands():
    # By hand: places 2, 3 and 6 are relevant, with precisions 1/2, 2/3 and 3/6.
    gains = [0, 1, 1, 0, 0, 1]
    assert average_precision(gains) == pytest.approx((1 / 2 + 2 / 3 + 3 / 6) / 3)
    # Of the first three places both that are relevant, of three that could be.
    assert average_precision(gains, 3) == pytest.approx((1 / 2 + 2 / 3) / 3)
    # Of the first two places one, of two that could be there.
    assert average_precision(gains, 2) == pytest.approx((1 / 2) / 2)


@pytest.mark.parametrize(
    "measure", [reciprocal_rank, average_precision, lambda g: ndcg(g, 2), lambda g: recall_at(g, 2)]
)
def test_a_ranking_without_anything_relevant_has_no_score(measure):
    with pytest.raises(MetricError, match="nothing in it is relevant"):
        measure([0, 0])


def test_scores_are_those_of_trec_eval():
    measures = pytest.importorskip("ir_measures", reason="the oracle is not installed")
    from ir_measures import AP, RR, R, Success, nDCG

    rng = np.random.default_rng(0)
    for _ in range(20):
        gains = [int(g) for g in rng.permutation([1, 1, 2, 0, 0, 0, 0])]
        scores = [float(s) for s in rng.permutation(len(gains))]
        qrels = [measures.Qrel("q", f"d{i}", g) for i, g in enumerate(gains)]
        run = [measures.ScoredDoc("q", f"d{i}", s) for i, s in enumerate(scores)]
        theirs = measures.calc_aggregate([nDCG @ 5, AP, RR, R @ 3, Success @ 1], qrels, run)
        own = ranked(scores, gains)
        ours = {
            nDCG @ 5: ndcg(own, 5),
            AP: average_precision(own),
            RR: reciprocal_rank(own),
            R @ 3: recall_at(own, 3),
            Success @ 1: hits_at(own, 1),
        }
        assert ours == pytest.approx(theirs)
