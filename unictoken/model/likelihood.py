"""How likely a base finds what is given, without sampling anything: answers, for ranking and
perplexity, and pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unictoken.core.errors import UserError
from unictoken.model.protocol import LanguageModel

LIKELIHOOD_IDS = 16_384  # that are read at once
AT_ONCE = 4  # pictures that are scored together: a 7B scores 65,536 ids at 1,024 places of each
Pair = tuple[Sequence[int], Sequence[int]]
"""Ids of a prompt, and of an answer to it."""


@dataclass(frozen=True)
class Likelihood:
    """The log probability of an answer and of its end, in nats, over so many ids."""

    total: float
    ids: int

    @property
    def mean(self) -> float:
        """Per id, so that long answers and short ones compare."""
        return self.total / self.ids


def perplexity(answers: Sequence[Likelihood]) -> float:
    """exp of the mean negative log probability per id, over all answers together.

    >>> perplexity([Likelihood(-math.log(8.0), 2), Likelihood(-math.log(2.0), 2)])
    2.0
    """
    ids = sum(answer.ids for answer in answers)
    if not ids:
        raise UserError("perplexity: no answers. Expected one or more.")
    return round(math.exp(-sum(answer.total for answer in answers) / ids), 9)


@torch.no_grad()
def likelihoods(speaker: LanguageModel, pairs: Sequence[Pair]) -> list[Likelihood]:
    """The likelihood of each answer after its prompt, among all texts: image ids are left out.

    The end of the turn counts as an id, as it does where answers are learned.

    Args:
        speaker: What reads them.
        pairs: Prompts and answers, of any lengths.
    """
    end = speaker.vocab.end_turn
    whole = [(tuple(prompt), (*answer, end)) for prompt, answer in pairs]
    longest = max((len(prompt) + len(answer) for prompt, answer in whole), default=0)
    if longest > speaker.longest:
        raise UserError(
            f"likelihood: a prompt with its answer has {longest:,} ids; this base reads at most"
            f" {speaker.longest:,}. Say less."
        )
    # Answers to one prompt stand together, which is then read once; prompts of about one length,
    # so that little is padded.
    order = sorted(range(len(whole)), key=lambda i: (len(whole[i][0]), whole[i][0]))
    size = max(1, LIKELIHOOD_IDS // max(1, longest))
    found: dict[int, Likelihood] = {}
    for start in range(0, len(order), size):
        part = order[start : start + size]
        found |= zip(part, _read(speaker, [whole[i] for i in part]), strict=True)
    return [found[i] for i in range(len(whole))]


Ids = tuple[int, ...]


def _read(speaker: LanguageModel, pairs: Sequence[tuple[Ids, Ids]]) -> list[Likelihood]:
    """Likelihoods of one batch."""
    device, pad = speaker.device, speaker.vocab.pad
    prompts = list(dict.fromkeys(prompt for prompt, _ in pairs))
    answers = [answer for _, answer in pairs]
    columns, said = max(map(len, prompts)), max(map(len, answers))
    # Prompts end in one column, answers begin in one.
    prompts_PT = torch.tensor([[pad] * (columns - len(p)) + list(p) for p in prompts]).to(device)
    seen_PT = torch.tensor([[False] * (columns - len(p)) + [True] * len(p) for p in prompts])
    answers_BA = torch.tensor([list(a) + [pad] * (said - len(a)) for a in answers]).to(device)
    reading = speaker.reading(len(prompts), columns + said)
    seen = None if bool(seen_PT.all()) else seen_PT.to(device)
    last_PD = reading.read(speaker.embed(prompts_PT), seen)[:, -1]
    # Each prompt is copied for its answers, where it was read once.
    rows = [prompts.index(prompt) for prompt, _ in pairs]
    reading.select(rows)
    hidden_BAD = last_PD[rows][:, None]
    if said > 1:
        # What stands behind the end of a shorter answer is seen by nothing that counts.
        more_BAD = reading.read(speaker.embed(answers_BA[:, :-1]))
        hidden_BAD = torch.cat([hidden_BAD, more_BAD], 1)
    ids_BT = torch.cat([prompts_PT[rows], answers_BA], 1)
    logits_BAV = speaker.text_logits(hidden_BAD, ids_BT).float()
    # Not log_softmax, which would write all of V a second time.
    chosen_BA = logits_BAV.gather(-1, answers_BA[..., None])[..., 0] - logits_BAV.logsumexp(-1)
    counts_BA = torch.tensor([[k < len(a) for k in range(said)] for a in answers], device=device)
    # In fp64: the sum of a long answer would lose the last digits.
    totals = chosen_BA.where(counts_BA, 0.0).double().sum(1).tolist()
    return [Likelihood(t, len(answer)) for t, answer in zip(totals, answers, strict=True)]


# ---- pictures -----------------------------------------------------------------------------------


@torch.no_grad()
def picture_scores(
    speaker: LanguageModel, prompt: Sequence[int], image_ids_NK: torch.Tensor
) -> torch.Tensor:
    """Log-likelihood of each image id after the prompt and the ids before it, [N, K], among image
    ids only.
    """
    parts = image_ids_NK.split(AT_ONCE)
    return torch.cat([_scores(speaker, prompt, part) for part in parts])


def _scores(
    speaker: LanguageModel, prompt: Sequence[int], image_ids_NK: torch.Tensor
) -> torch.Tensor:
    vocab, device = speaker.vocab, speaker.device
    # [N, T + 1]; with the image ids [N, T + 1 + K].
    first = torch.tensor(vocab.to_draw(prompt)).repeat(len(image_ids_NK), 1)
    ids = torch.cat([first, image_ids_NK], 1).to(device)
    # An id is scored by the state before it: from begin_image on, and without the last id's.
    hidden = speaker.hidden(speaker.embed(ids))[:, first.shape[1] - 1 : -1]
    # Among image ids only, as `sample_pictures` draws.
    scores = speaker.logits(hidden, ids).float()[..., vocab.image_ids.to(device)].log_softmax(-1)
    # [N, K, C] to [N, K]: at each position the score of the code that was drawn.
    return scores.gather(-1, vocab.code_of_id[image_ids_NK].to(device)[..., None]).squeeze(-1).cpu()
