"""What the rows are optimised for is one class: another one needs no other file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.registry import Registry
from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn import methods, optimize
from unictoken.learn.examples import Examples
from unictoken.learn.learner import Learner
from unictoken.learn.method import Run
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.objective import batch_of, cross_entropy
from unictoken.learn.prepare import keep, prepare
from unictoken.learn.run import method_of
from unictoken.model.sampling import next_logits, sample_text
from unictoken.tokens.speaker import Speaker


@dataclass(frozen=True)
class Distillation:
    """Next ids as a teacher would say them: here the learner as it was at the first step."""

    examples: Examples
    seed: int

    def batch(self, stage: Stage, step: int, *, policy: Learner, share: slice) -> Batch:
        batch = batch_of(self.examples.in_stage(stage), stage, self.seed, step, share)
        with torch.no_grad():
            base = policy.base
            teacher_BTV = base.logits(base.hidden(base.embed(batch.ids_BT)))
        return replace(batch, more={"teacher_BTV": teacher_BTV})

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        counted_BT = batch.labels_BT[:, 1:] != IGNORE
        teacher_NV = batch.more["teacher_BTV"][:, : counted_BT.shape[1]][counted_BT]
        said = torch.nn.functional.kl_div(
            logits_NV.float().log_softmax(-1),
            teacher_NV.log_softmax(-1),
            reduction="none",
            log_target=True,
        ).sum(-1)
        examples_N = counted_BT.nonzero()[:, 0]
        sums_B = torch.zeros(len(batch)).index_add(0, examples_N, said)
        return (batch.weights_B * sums_B / counted_BT.sum(1)).sum()


@pytest.fixture
def distillation(monkeypatch):
    monkeypatch.setattr(methods, "OBJECTIVES", Registry("method: objective", methods.OBJECTIVES))
    monkeypatch.setattr(optimize, "OBJECTIVES", methods.OBJECTIVES)
    methods.OBJECTIVES.register("distillation", Distillation)


def test_another_objective_is_one_class(base, toy, distillation):
    """What the concept's tokens change in the base's answers is unlearned."""
    stage = Stage(steps=12, batch=4, lr=0.05, tasks={"recognise": 0.5, "generate": 0.5})
    method = Method(tokens=Tokens(shared=2), stages=(stage,), objective="distillation")
    losses = []
    run = Run(show=lambda progress: losses.append(progress.loss))
    learned = method_of(method).fit(base, [toy], run=run)
    assert learned.names == ("tom",) and len(losses) == 12
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_what_the_rows_say_while_they_are_learned_can_be_sampled(base, toy, short_method):
    """A reward samples from the policy: as the concept that is kept would speak, at that moment."""
    learner = prepare(base, toy, short_method, seed=0).learner
    learner.begin_stage([True] * 5)
    with torch.no_grad():
        learner.rows.add_(1.0)
    kept = keep(base, toy, short_method, learner, seed=0)
    policy, speaker = Speaker(learner.base, bank=learner), Speaker(base, [kept])
    asked = [[base.vocab.bos, *learner.id_of_row.tolist(), *base.vocab.encode("is it a dog?")]]
    assert asked[0][1:6] == speaker.ids[toy.name]
    assert torch.equal(next_logits(policy, asked), next_logits(speaker, asked))
    assert sample_text(policy, asked, max_ids=4) == sample_text(speaker, asked, max_ids=4)


def test_an_objective_stands_in_digests_and_the_usual_one_does_not(distillation):
    """What was learned before there were others keeps its digest."""
    assert "objective" not in Method().decisive() and "kind" not in Method().decisive()
    assert Method(objective="distillation").decisive()["objective"] == "distillation"


def test_an_objective_that_nobody_knows_is_refused_before_anything_is_read():
    with pytest.raises(ConfigError, match="method: objective: found 'ppo', expected one of cross"):
        config.build(Method, {"objective": "ppo"}, "method")


def test_cross_entropy_is_the_weighted_mean_of_each_example():
    """Two examples of two and one supervised positions; a uniform guess among four costs log 4."""
    labels = torch.tensor([[IGNORE, 1, 2], [IGNORE, 3, IGNORE]])
    batch = Batch(labels.clamp_min(0), labels, torch.tensor([1.0, 0.5]))
    uniform = torch.zeros(3, 4)
    log_4 = torch.tensor(4.0).log().item()
    assert cross_entropy(uniform, batch).item() == pytest.approx(1.5 * log_4)
    sure = uniform.clone()
    sure[0, 1] = 100.0  # the first of the first example's two
    assert cross_entropy(sure, batch).item() == pytest.approx(1.0 * log_4)
