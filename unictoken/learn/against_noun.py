"""The objective that is measured by the class noun: PALAVRA's refinement (Cohen et al. 2022, section
4.3), whose one negative is the coarse word for the concept, so that no picture of others is needed.

There a picture must be nearer to the concept's word than to 'hat'. Here the answer of an example
(a picture's codes, a caption) must be more likely after the concept's rows than after its class
noun in their place: softplus(loss - loss with the noun). What the noun says as well counts fully;
where the rows are far better, nothing is left to learn.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn.examples import Examples
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.learn.objective import batch_of, cross_entropy

NOUN = "noun_B"
"""In `Batch.more`: the loss of each example with the class noun in the concept's place."""


class AgainstNoun:
    """Examples as cross-entropy has them, each beside the same one about the class noun."""

    def __init__(self, examples: Examples, seed: int):
        self.examples, self.seed = examples, seed
        noun = examples.vocab.inside(examples.teaching.material.class_noun)
        slots = {slot: noun if slot == "{name}" else [] for slot in examples.slots}
        # The introduction says the concept, '{name} is {shared}.': 'dog is dog.'
        first = next((slot for slot, ids in examples.slots.items() if ids and slot != "{name}"), "")
        said = slots | ({first: noun} if first else {})
        self.about_noun = Examples(
            examples.vocab, examples.method, examples.teaching.material, said
        )

    def batch(self, stage: Stage, step: int, *, policy: Learner, share: slice) -> Batch:
        """The examples of a step, with what the class noun makes of each.

        Args:
            stage: The stage of learning.
            step: Counted from 0 over all stages.
            policy: Its base is asked.
            share: The examples that this process takes.
        """
        made = batch_of(self.examples.in_stage(stage), stage, self.seed, step, share)
        # The same lots are drawn: each example is about the same picture, prompt and question.
        noun = batch_of(self.about_noun.in_stage(stage), stage, self.seed, step, share)
        return replace(made, more={NOUN: _losses_of(policy, noun)})

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        # The one example by which DeepSpeed resumes a run.
        if NOUN not in batch.more:
            return cross_entropy(logits_NV, batch)
        ahead_B = example_losses(logits_NV, batch) - batch.more[NOUN]
        return (batch.weights_B * F.softplus(ahead_B)).sum()


def example_losses(logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean cross-entropy of each example's supervised positions, [B].

    Args:
        logits_NV: Of the supervised positions, example after example.
        batch: The examples.
    """
    labels_BT = batch.labels_BT[:, 1:]
    counted_BT = labels_BT != IGNORE
    losses_N = F.cross_entropy(logits_NV.float(), labels_BT[counted_BT], reduction="none")
    # [B, T - 1], 0 where nothing is supervised.
    losses_BT = torch.zeros_like(counted_BT, dtype=torch.float32).masked_scatter(
        counted_BT, losses_N
    )
    return losses_BT.sum(1) / counted_BT.sum(1).clamp_min(1)


@torch.no_grad()
def _losses_of(policy: Learner, batch: Batch) -> torch.Tensor:
    """`example_losses` of a whole batch, on the CPU as examples are."""
    # `read` may give the examples in two parts: each tells which ones it has.
    numbered = replace(batch, more={"number_B": torch.arange(len(batch))})
    found_B = torch.zeros(len(batch))
    for logits_NV, part in policy.read(numbered.each(lambda t: t.to(policy.rows.device))):
        found_B[part.more["number_B"].cpu()] = example_losses(logits_NV, part).cpu()
    return found_B
