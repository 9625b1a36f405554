"""The loss of rewards beside that of trl, whose own code reads what the rows of a base sampled.

Nothing is downloaded: trl's trainer is made without a model, and is given log probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from unictoken.data.sequence import IGNORE
from unictoken.learn.grpo import ADVANTAGES, BEFORE, SAMPLED, Grpo, advantages
from unictoken.learn.methods import RewardMethod, Stage, Tokens
from unictoken.learn.prepare import prepare

pytestmark = pytest.mark.real
CLIP, KL, GROUP = 0.2, 0.04, 4
MOVED = 2.0  # standard deviation of what is added to the rows after sampling


@pytest.fixture(scope="module")
def trainer():
    """trl's trainer with what its loss reads of itself, and no model."""
    trl = pytest.importorskip("trl", reason="trl is not installed: make test-real")

    class Trainer(trl.GRPOTrainer):
        def __init__(self):
            self.loss_type, self.importance_sampling_level = "grpo", "token"
            self.epsilon_low = self.epsilon_high = CLIP
            self.beta = KL
            self.args = SimpleNamespace(delta=None, use_bias_correction_kl=False)
            self.aux_loss_enabled = self._entropy_bonus_enabled = self.use_vllm = False
            self.top_entropy_quantile, self.off_policy_mask_threshold = 1.0, None
            self.model = SimpleNamespace(training=True)
            self.current_gradient_accumulation_steps = 1
            self.accelerator = SimpleNamespace(
                gather=lambda found: found, reduce=lambda found, reduction: found
            )
            self._metrics = {"train": defaultdict(list)}

        def _get_per_token_logps_and_entropies(self, model, *given, **more):
            found_BT = model()
            return found_BT, torch.zeros_like(found_BT), None

    return Trainer()


@pytest.fixture
def sampled(base, toy):
    """A learner whose rows have moved since they sampled, its objective, and what was sampled: two
    groups of answers, in words and in pictures.
    """
    stage = Stage(name="reward", steps=1, batch=2 * GROUP, tasks={"caption": 0.5, "generate": 0.5})
    settings = {"group": GROUP, "clip": CLIP, "kl": KL, "longest": 6}
    method = RewardMethod(name="mine", stages=(stage,), tokens=Tokens(shared=2), **settings)
    prepared = prepare(base, toy, method, seed=0, objective=Grpo, fast=False)
    learner, objective = prepared.learner, prepared.objective
    learner.begin_stage([True] * learner.rows.shape[1])
    batch = objective.batch(stage, 0, policy=learner, share=slice(None))
    generator = torch.Generator().manual_seed(0)
    # What a random base says earns nothing, and equal rewards would leave the divergence alone.
    worth = advantages(torch.rand(len(batch), generator=generator), GROUP)
    with torch.no_grad():
        learner.rows += MOVED * torch.randn(learner.rows.shape, generator=generator)
    return learner, objective, replace(batch, more=batch.more | {ADVANTAGES: worth})


def test_the_loss_and_its_gradient_are_those_of_trl(trainer, sampled):
    learner, objective, batch = sampled
    mask_BT = (batch.labels_BT[:, 1:] != IGNORE).long()
    ours = learner(batch.ids_BT, batch.labels_BT, batch.weights_B, **batch.more)
    (our_gradient,) = torch.autograd.grad(ours, learner.rows)

    given = {
        "prompt_ids": batch.ids_BT[:, :1],
        "prompt_mask": torch.ones_like(batch.ids_BT[:, :1]),
        "completion_ids": batch.ids_BT[:, 1:],
        "completion_mask": mask_BT,
        "advantages": batch.more[ADVANTAGES],
        "old_per_token_logps": batch.more[SAMPLED],
        "ref_per_token_logps": batch.more[BEFORE],
    }
    theirs = trainer._compute_loss(lambda: objective._log_probabilities(learner, batch), given)
    (their_gradient,) = torch.autograd.grad(theirs, learner.rows)

    # So that every part of the loss counts: answers of several lengths, some ids clipped.
    assert len(set(mask_BT.sum(1).tolist())) > 1
    assert 0 < trainer._metrics["train"]["clip_ratio/region_mean"][-1] < 1
    assert trainer._metrics["train"]["kl"][-1] > 0
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert our_gradient.abs().max() > 0
    assert torch.allclose(our_gradient, their_gradient, rtol=1e-4, atol=1e-7)
