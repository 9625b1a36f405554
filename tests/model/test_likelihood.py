"""The likelihood of given answers."""

import math

import pytest
import torch

from unictoken.core.errors import UserError
from unictoken.model.likelihood import Likelihood, likelihoods, perplexity
from unictoken.model.sampling import next_logits
from unictoken.personalize.tokens import with_tokens


def one_by_one(speaker, prompt, answer) -> float:
    """The same, from a forward pass for each id."""
    whole = [*answer, speaker.vocab.end_turn]
    logits = next_logits(speaker, [[*prompt, *whole[:i]] for i in range(len(whole))])
    logits = logits.index_fill(-1, speaker.vocab.image_ids, -torch.inf)
    return float(logits.log_softmax(-1)[range(len(whole)), whole].sum())


def test_answers_of_any_length_to_shared_prompts_have_their_own_likelihood(base):
    a, b, c = base.vocab.words[:3]
    first, second = [*base.vocab.begin, a, b, c], [*base.vocab.begin, c]
    pairs = [(first, [b]), (second, [a, a, b]), (first, []), (second, [c]), (first, [b])]
    found = likelihoods(base, pairs)
    assert [answer.ids for answer in found] == [2, 4, 1, 2, 2]
    for answer, (prompt, ids) in zip(found, pairs, strict=True):
        assert answer.total == pytest.approx(one_by_one(base, prompt, ids), abs=1e-4)
    assert found[0] == found[4]


def test_a_concepts_rows_count_where_the_prompt_names_it(base, bo):
    speaker = with_tokens(base, bo).speaker
    name = speaker.slots(bo)["{name}"]
    prompt, answer = [*base.vocab.begin, *name], [base.vocab.words[0]]
    (found,) = likelihoods(speaker, [(prompt, answer)])
    assert found.total == pytest.approx(one_by_one(speaker, prompt, answer), abs=1e-4)


def test_perplexity_is_over_all_ids_together():
    eight, two = Likelihood(-math.log(8), 1), Likelihood(-math.log(2), 1)
    assert perplexity([eight, two]) == 4.0
    with pytest.raises(UserError, match="no answers"):
        perplexity([])


def test_what_is_too_long_for_the_base_is_refused(base):
    prompt = [base.vocab.words[0]] * base.longest
    with pytest.raises(UserError, match=r"this base reads at most .* Say less"):
        likelihoods(base, [(prompt, [])])
    assert likelihoods(base, []) == []
