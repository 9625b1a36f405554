"""Rows that answer by themselves learn from what that is worth; nothing but the rows moves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from unictoken import tasks
from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.shipped import find_method
from unictoken.data.sequence import IGNORE
from unictoken.learn import grpo
from unictoken.learn.grpo import ADVANTAGES, BEFORE, SAMPLED, Grpo
from unictoken.learn.method import Run
from unictoken.learn.methods import MethodFile, RewardMethod, Stage, Tokens
from unictoken.learn.objective import REWARDS
from unictoken.learn.prepare import prepare
from unictoken.learn.run import method_of
from unictoken.learn.settings import ConceptConfig, RunConfig, going_on
from unictoken.model.sampling import next_logits
from unictoken.tasks.task import NAMED, Taught
from unictoken.tokens import file as concept_file
from unictoken.tokens.speaker import Speaker


class LongAnswers(Taught):
    """Any answer is worth the more the more of it there is."""

    name = "long_answers"

    def teach(self, teaching, rng):
        return teaching.phrasing.ask("what is {name}?", "a dog")

    def reward(self, expected, given):
        return min(len(given.split()) / 4, 1.0)


@pytest.fixture
def long_answers(monkeypatch):
    monkeypatch.setitem(tasks.TASKS, LongAnswers.name, LongAnswers())
    return LongAnswers.name


def rewarded(tasks_, *, steps=1, batch=8, **more) -> RewardMethod:
    stage = Stage(name="reward", steps=steps, batch=batch, lr=0.05, tasks=tasks_)
    settings = {"group": 4, "longest": 6, "tokens": Tokens(shared=2)} | more
    return RewardMethod(name="mine", stages=(stage,), **settings)


def made_ready(base, concept, method):
    """A learner at the beginning of the rewarded stage, and its objective."""
    prepared = prepare(base, concept, method, seed=0, objective=Grpo, fast=False)
    prepared.learner.begin_stage([True] * prepared.learner.rows.shape[1])
    return prepared.learner, prepared.objective


def test_answers_are_measured_by_their_group():
    found = grpo.advantages(torch.tensor([0.0, 1.0, 3.0, 3.0]), 2)
    # The standard deviation of (0, 1) is the square root of 1/2.
    assert found.tolist() == pytest.approx(
        [-0.5 / (0.5**0.5 + 1e-4), 0.5 / (0.5**0.5 + 1e-4), 0, 0]
    )


def by_hand(now, sampled, before, advantage, clip, kl):
    """Equations 3 and 4 of DeepSeekMath (2402.03300) for one id, as they are printed there."""
    ratio = math.exp(now) / math.exp(sampled)
    clipped = min(max(ratio, 1 - clip), 1 + clip)
    surrogate = min(ratio * advantage, clipped * advantage)
    odds = math.exp(before) / math.exp(now)
    return -(surrogate - kl * (odds - math.log(odds) - 1))


@pytest.mark.parametrize("advantage", [2.0, -2.0])
@pytest.mark.parametrize("now", [-2.0, -1.0, -0.1])
def test_the_loss_is_that_of_the_paper(now, advantage):
    given = now, -1.0, -1.5, advantage
    (found,) = grpo.losses(*(torch.tensor([value]) for value in given), clip=0.2, kl=0.04)
    assert found.item() == pytest.approx(by_hand(*given, 0.2, 0.04), rel=1e-5)


def test_a_clipped_answer_is_not_made_likelier():
    now = torch.tensor([-0.1, -1.9], requires_grad=True)
    sampled = torch.full((2,), -1.0)
    better_and_worse = torch.tensor([1.0, -1.0])
    grpo.losses(now, sampled, now.detach(), better_and_worse, clip=0.2, kl=0.0).sum().backward()
    assert now.grad.tolist() == [0.0, 0.0]


def test_probabilities_are_those_that_are_sampled_with(base):
    """Image ids share 1 among themselves, and what an answer may hold does."""
    vocab = base.vocab
    torch.manual_seed(0)
    logits = torch.randn(1, base.vocabulary_size)

    def total(ids):
        of_all = logits.expand(len(ids), -1)
        return grpo.log_probabilities(of_all, torch.tensor(ids), vocab).exp().sum().item()

    images = vocab.image_ids.tolist()
    never = {*images, *vocab.no_text}
    assert total(images) == pytest.approx(1)
    assert total([i for i in range(base.vocabulary_size) if i not in never]) == pytest.approx(1)


def test_a_batch_is_groups_of_answers_with_what_they_are_worth(base, toy, long_answers):
    method = rewarded({long_answers: 0.5, "generate": 0.5})
    learner, objective = made_ready(base, toy, method)
    batch = objective.batch(method.stages[0], 0, policy=learner, share=slice(None))
    assert len(batch) == 8 and batch.more[REWARDS].shape == (8,)
    labels_BT = batch.labels_BT
    drawn = [bool(torch.isin(row, base.vocab.image_ids).any()) for row in labels_BT]
    assert drawn in ([True] * 4 + [False] * 4, [False] * 4 + [True] * 4)
    # Of a picture its image ids alone were sampled.
    for row in labels_BT[drawn]:
        assert torch.isin(row[row != IGNORE], base.vocab.image_ids).all()
        assert (row != IGNORE).sum() == base.codes_per_picture
    # Equal rows: nothing has moved since the stage began, and what is learned is what was sampled.
    counted_BT = labels_BT[:, 1:] != IGNORE
    assert torch.equal(batch.more[SAMPLED], batch.more[BEFORE])
    assert (batch.more[SAMPLED][counted_BT] < 0).all()
    assert (batch.more[SAMPLED][~counted_BT] == 0).all()
    assert batch.more[ADVANTAGES].view(2, 4).sum(1).abs().max() < 1e-4


def test_log_probabilities_are_those_of_the_rows_that_speak(base, toy, long_answers):
    """Learning and sampling go different ways through the layers, to the same numbers."""
    method = rewarded({long_answers: 1.0})
    learner, objective = made_ready(base, toy, method)
    batch = objective.batch(method.stages[0], 0, policy=learner, share=slice(None))
    first = (batch.labels_BT[0] != IGNORE).nonzero()[0].item()
    prompt, said = batch.ids_BT[0, :first].tolist(), batch.ids_BT[0, first].item()
    (logits_V,) = next_logits(Speaker(base, bank=learner), [prompt])
    logits_V[[*base.vocab.image_ids.tolist(), *base.vocab.no_text]] = -torch.inf
    expected = logits_V.log_softmax(-1)[said].item()
    assert batch.more[SAMPLED][0, first - 1].item() == pytest.approx(expected, abs=1e-4)


def test_the_rows_before_the_stage_are_the_reference(base, toy, long_answers):
    method = rewarded({long_answers: 1.0})
    learner, objective = made_ready(base, toy, method)
    first = objective.batch(method.stages[0], 0, policy=learner, share=slice(None))
    with torch.no_grad():
        learner.rows.add_(0.5)
    later = objective.batch(method.stages[0], 1, policy=learner, share=slice(None))
    assert not torch.equal(later.more[SAMPLED], later.more[BEFORE])
    assert torch.equal(first.more[SAMPLED], first.more[BEFORE])
    assert learner.trainable.all()


def test_answers_are_sampled_once_for_several_updates(base, toy, long_answers):
    method = rewarded({long_answers: 1.0}, steps=4, updates=2)
    learner, objective = made_ready(base, toy, method)
    stage = method.stages[0]
    rounds = [objective.batch(stage, s, policy=learner, share=slice(None)).ids_BT for s in range(3)]
    assert torch.equal(rounds[0], rounds[1]) and not torch.equal(rounds[1], rounds[2])


def test_each_process_takes_its_share_of_one_batch(base, toy, long_answers):
    method = rewarded({long_answers: 1.0})
    learner, objective = made_ready(base, toy, method)
    whole, odd = (
        objective.batch(method.stages[0], 0, policy=learner, share=share)
        for share in (slice(None), slice(1, None, 2))
    )
    assert torch.equal(whole.more[ADVANTAGES][1::2], odd.more[ADVANTAGES])
    assert torch.equal(whole.ids_BT[1::2], odd.ids_BT)


@pytest.mark.slow
def test_a_name_that_is_rewarded_comes_to_be_said(
    base, toy, long_answers, make_concept, tmp_path, monkeypatch
):
    """And the base stays as it is, bit for bit."""
    monkeypatch.setattr(LongAnswers, "reward", lambda self, expected, given: given.count(NAMED) / 6)
    start = concept_file.save(make_concept("tom", shared=2), tmp_path / "start.safetensors")
    before = {name: t.clone() for name, t in base.model.state_dict().items()}
    rewards = []
    run = Run(show=lambda progress: rewards.append(progress.reward), fast=False)
    method = rewarded({long_answers: 1.0}, steps=12, batch=16, group=8, kl=0.0, start=str(start))
    learned = method_of(method).fit(base, [toy], run=run)
    assert sum(rewards[-3:]) > 1.4 * sum(rewards[:3])
    after = base.model.state_dict()
    assert all(torch.equal(after[name], t) for name, t in before.items())
    assert learned.names == ("tom",)


def test_equal_rewards_teach_nothing(base, toy, long_answers, monkeypatch):
    monkeypatch.setattr(LongAnswers, "reward", lambda self, expected, given: 0.5)
    method = rewarded({long_answers: 1.0}, steps=2)
    learner, objective = made_ready(base, toy, method)
    before = learner.rows.detach().clone()
    batch = objective.batch(method.stages[0], 0, policy=learner, share=slice(None))
    assert batch.more[ADVANTAGES].abs().max() == 0
    learner(batch.ids_BT, batch.labels_BT, batch.weights_B, **batch.more).backward()
    assert learner.rows.grad.abs().max() < 1e-6
    assert torch.equal(learner.rows, before)


def test_other_stages_learn_from_examples(base, toy, long_answers):
    method = rewarded({long_answers: 1.0})
    warm = Stage(name="joint", steps=2, batch=4)
    method = replace(method, stages=(warm, *method.stages))
    learner, objective = made_ready(base, toy, method)
    batch = objective.batch(warm, 0, policy=learner, share=slice(None))
    assert batch.more == {} and len(batch) == 4
    # Counted from the stage's own beginning.
    assert len(objective.batch(method.stages[1], 2, policy=learner, share=slice(None))) == 8


def test_a_concept_file_takes_the_place_of_the_first_stage(bo, tmp_path):
    file = concept_file.save(bo, tmp_path / "bo.safetensors")
    preset = config.load(MethodFile, find_method("repic")).method
    assert [stage.name for stage in preset.stages] == ["joint", "reward"]
    method = going_on(preset, file)
    assert [stage.name for stage in method.stages] == ["reward"]
    assert method.start_file == file and method.tokens == Tokens(shared=4)
    joint = going_on(config.load(MethodFile, find_method("joint")).method, file)
    assert [stage.name for stage in joint.stages] == ["joint"]


def test_the_second_preset_rewards_drawings_too():
    method = config.load(MethodFile, find_method("sync_r1")).method
    assert {"knowledge", "generate"} <= set(method.stages[1].tasks) and method.kl == 0.04


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": 3}, "stage 'reward': a batch of 8 and groups of 3. Use a multiple"),
        ({"group": 1}, "group"),
        ({"rewarded": ("prize",)}, "rewarded: found 'prize', expected the name of one stage of"),
        ({"kl": -1.0}, "kl"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        rewarded({"caption": 1.0}, **wrong)


def test_a_sharded_base_cannot_sample():
    method = rewarded({"caption": 1.0})
    concept = ConceptConfig(name="tom", pictures=("data/bo",))
    with pytest.raises(ConfigError, match="'reward' learns from what the base answers or draws"):
        RunConfig(concept=concept, method=method, zero_stage=3)
