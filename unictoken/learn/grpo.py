"""Rewards: the rows answer and draw themselves, and learn from what that is worth.

Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, section 4.1) in the place of
cross-entropy. RePIC (2506.18369) rewards a model so for naming who is in a photo, Sync-R1 one for
drawing what it was told; both train the model. Here the policy is a concept's rows: the base stays
as it is, and so does every other concept.

Prompts are the tasks' own examples, and their own `reward` says what an answer is worth. A drawing
is read by the base, which knows no concept, and recognised by the rows before the stage: rows that
learn cannot make themselves easier to please.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from unictoken.data import templates
from unictoken.data.sequence import IGNORE, Batch, Example, join_turns, pad
from unictoken.learn.examples import Examples, tasks_of_batch
from unictoken.learn.learner import Learner
from unictoken.learn.methods import RewardMethod, Stage
from unictoken.learn.objective import REWARDS, batch_of, cross_entropy, sum_of_means
from unictoken.learn.observe import readings
from unictoken.model.draw import Draw
from unictoken.model.sampling import sample_pictures, sample_text
from unictoken.model.vocab import Vocab
from unictoken.personalize.condition import yes_probability
from unictoken.tasks import taught
from unictoken.tasks.task import NAMED, Taught
from unictoken.tokens.speaker import Speaker

ADVANTAGES, SAMPLED, BEFORE = "advantages_B", "sampled_BT", "before_BT"
"""In `Batch.more`: how much better an answer is than its group, and the log probability of each of
its ids when it was sampled and under the rows before the stage."""
LEAST_SPREAD = 1e-4  # added to a group's standard deviation: equal rewards teach nothing


@dataclass(frozen=True)
class Prompt:
    """An example that is answered anew: the ids before its answer, and the answer's own."""

    task: Taught
    ids: list[int]
    answer: list[int]


def advantages(rewards_B: torch.Tensor, group: int) -> torch.Tensor:
    """Rewards of whole groups, one after the other, each measured by its group's mean and standard
    deviation (section 4.1.2).

    >>> advantages(torch.tensor([0.0, 1.0, 0.5, 0.5]), 2)
    tensor([-0.7070,  0.7070,  0.0000,  0.0000])
    """
    rewards_GN = rewards_B.view(-1, group)
    apart_GN = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return (apart_GN / (rewards_GN.std(1, keepdim=True) + LEAST_SPREAD)).flatten()


def losses(
    now_N: torch.Tensor,
    sampled_N: torch.Tensor,
    before_N: torch.Tensor,
    advantages_N: torch.Tensor,
    *,
    clip: float,
    kl: float,
) -> torch.Tensor:
    """What is minimised at each sampled id, [N] (equations 3 and 4, negated).

    Args:
        now_N: Log probabilities under the rows as they are.
        sampled_N: The same when the ids were sampled.
        before_N: The same under the rows before the stage.
        advantages_N: Of each id's answer.
        clip: How far the ratio of the first two counts.
        kl: Weight of the divergence from the third.
    """
    ratio_N = (now_N - sampled_N).exp()
    kept_N = ratio_N.clamp(1 - clip, 1 + clip)
    gain_N = torch.minimum(ratio_N * advantages_N, kept_N * advantages_N)
    # Equation 4: never negative, and without bias (Schulman's k3).
    to_before_N = before_N - now_N
    divergence_N = to_before_N.exp() - to_before_N - 1
    return kl * divergence_N - gain_N


def log_probabilities(
    logits_NV: torch.Tensor, labels_N: torch.Tensor, vocab: Vocab
) -> torch.Tensor:
    """Of ids as they are sampled: image ids among image ids, words among what an answer may hold."""
    image_ids_C = vocab.image_ids.to(labels_N.device)
    is_image_N = torch.isin(labels_N, image_ids_C)
    found_N = logits_NV.new_zeros(len(labels_N), dtype=torch.float32)
    code_of_id = vocab.code_of_id.to(labels_N.device)
    # Apart, so that no head of a large vocabulary is copied for a picture's ids.
    found_N[is_image_N] = _chosen(
        logits_NV[is_image_N][:, image_ids_C], code_of_id[labels_N[is_image_N]]
    )
    # What `sample_text` never says.
    never = torch.cat([image_ids_C, torch.tensor(vocab.no_text).to(image_ids_C)])
    words_NV = logits_NV[~is_image_N].index_fill(1, never, -torch.inf)
    found_N[~is_image_N] = _chosen(words_NV, labels_N[~is_image_N])
    return found_N


def _chosen(scores_NC: torch.Tensor, which_N: torch.Tensor) -> torch.Tensor:
    """The log probability of one column of each row, [N]."""
    return scores_NC.float().log_softmax(-1).gather(1, which_N[:, None])[:, 0]


class Grpo:
    """GRPO in the stages that the method rewards, cross-entropy in the others.

    Every process samples the whole batch, since an answer is measured by its group, and learns from
    its share.
    """

    def __init__(self, examples: Examples, seed: int):
        assert isinstance(examples.method, RewardMethod)
        self.examples, self.settings, self.seed = examples, examples.method, seed
        self.vocab = examples.vocab
        self._round: tuple[int, Batch] = (-1, Batch(*[torch.empty(0)] * 3))
        self._read: dict[tuple[int, ...], str] = {}

    def batch(self, stage: Stage, step: int, *, policy: Learner, share: slice) -> Batch:
        """What the rows answer to the prompts of a step, with what it is worth.

        Args:
            stage: The stage of learning.
            step: Counted from 0 over all stages.
            policy: Whose rows answer.
            share: The examples that this process takes.
        """
        if stage.name not in self.settings.rewarded:
            return batch_of(self.examples.in_stage(stage), stage, self.seed, step, share)
        # A round begins with its stage, wherever that begins.
        within = step - self._steps_before(stage)
        first = step - within % self.settings.updates
        if self._round[0] != first:
            self._round = (first, self._sampled(stage, step, policy))
        return self._round[1].each(lambda tensor: tensor[share])

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        # Of another stage; or the one example by which DeepSpeed resumes a run.
        if ADVANTAGES not in batch.more:
            return cross_entropy(logits_NV, batch)
        labels_BT = batch.labels_BT[:, 1:]
        counted_BT = labels_BT != IGNORE

        def own(name: str) -> torch.Tensor:
            # A part of a batch is as long as its longest example, and what was added is not.
            return batch.more[name][:, : counted_BT.shape[1]][counted_BT]

        losses_N = losses(
            log_probabilities(logits_NV, labels_BT[counted_BT], self.vocab),
            own(SAMPLED),
            own(BEFORE),
            batch.more[ADVANTAGES][:, None].expand_as(counted_BT)[counted_BT],
            clip=self.settings.clip,
            kl=self.settings.kl,
        )
        return sum_of_means(losses_N, batch)

    def _steps_before(self, stage: Stage) -> int:
        stages = self.settings.stages
        # By identity: two stages may be equal.
        place = next(i for i, other in enumerate(stages) if other is stage)
        return sum(earlier.steps for earlier in stages[:place])

    # ---- a round -----------------------------------------------------------------------------------

    def _sampled(self, stage: Stage, step: int, policy: Learner) -> Batch:
        """Groups of answers, weighted and rewarded."""
        examples, group = self.examples.in_stage(stage), self.settings.group
        rng = np.random.default_rng([self.seed, step])
        tasks = tasks_of_batch(stage.tasks, stage.batch // group, rng)
        prompts = [self._prompt(taught()[task], examples, rng) for task in tasks]
        # Each as often as its group asks; those of one group stand together.
        prompts = [prompt for prompt in prompts for _ in range(group)]
        with torch.no_grad():
            answers = self._answers(policy, prompts, int(rng.integers(2**31)))
            rewards_B = torch.tensor(self._rewards(policy, prompts, answers))
            made = pad(list(map(self._example, prompts, answers)), self.vocab)
            weights = [
                stage.generation_weight if prompt.task.draws else stage.understanding_weight
                for prompt in prompts
            ]
            batch = replace(made, weights_B=torch.tensor(weights))
            sampled_BT = self._log_probabilities(policy, batch)
            with _before(policy):
                before_BT = self._log_probabilities(policy, batch)
        more = {ADVANTAGES: advantages(rewards_B, group), REWARDS: rewards_B}
        return replace(batch, more={**more, SAMPLED: sampled_BT, BEFORE: before_BT})

    def _prompt(self, task: Taught, examples: Examples, rng: np.random.Generator) -> Prompt:
        example = join_turns(task.teach(examples.teaching, rng), self.vocab)
        # What an answer is given to begin with (self-prompting) belongs to the prompt.
        start = next(t for t, label in enumerate(example.labels) if label != IGNORE)
        ends = (*self.vocab.ends, self.vocab.end_turn)
        answer = [i for i in example.labels[start:] if i != IGNORE and i not in ends]
        return Prompt(task, example.ids[:start], answer)

    def _answers(self, policy: Learner, prompts: Sequence[Prompt], seed: int) -> list[list[int]]:
        """Ids that the rows answer to each prompt: words, or the image ids of a picture. As likely
        as they are, without guidance: what is learned from must be what is sampled from.
        """
        speaker = Speaker(policy.base, bank=policy)
        drawn = [prompt.ids for prompt in prompts if prompt.task.draws]
        said = [prompt.ids for prompt in prompts if not prompt.task.draws]
        codes = policy.base.codes_per_picture
        # One seed for both: pictures and words have generators of their own.
        how = Draw(seed=seed, temperature=1.0, top_p=1.0, guidance=1.0)
        pictures = iter(sample_pictures(speaker, drawn, codes, how).tolist())
        longest = self.settings.longest
        words = iter(sample_text(speaker, said, max_ids=longest, temperature=1.0, seed=seed))
        return [next(pictures if prompt.task.draws else words) for prompt in prompts]

    def _example(self, prompt: Prompt, answer: list[int]) -> Example:
        """A prompt with its sampled answer. What was sampled is learned from, and nothing else: not
        the frame of a picture, and no end that an answer was cut off at.
        """
        vocab = self.vocab
        if prompt.task.draws:
            ids = vocab.turn(vocab.picture(answer))
            image_ids = set(answer)
            labels = [i if i in image_ids else IGNORE for i in ids]
        else:
            ids = vocab.turn(answer)
            labels = list(ids)
            if len(answer) >= self.settings.longest:
                labels[-1] = IGNORE
        return Example([*prompt.ids, *ids], [IGNORE] * len(prompt.ids) + labels)

    def _log_probabilities(self, policy: Learner, batch: Batch) -> torch.Tensor:
        """Of each supervised id under the policy's rows as they are, at its place before it."""
        numbers = torch.arange(len(batch))
        # `read` may give the examples in two parts: each tells which ones it has.
        asked = replace(batch, more={"number_B": numbers}).each(lambda t: t.to(policy.rows.device))
        found_BT = torch.zeros(batch.ids_BT.shape[0], batch.ids_BT.shape[1] - 1)
        for logits_NV, part in policy.read(asked):
            labels_BT = part.labels_BT[:, 1:]
            places = (labels_BT != IGNORE).nonzero()
            chosen_N = log_probabilities(logits_NV, labels_BT[tuple(places.T)], self.vocab)
            found_BT[part.more["number_B"][places[:, 0]].cpu(), places[:, 1].cpu()] = chosen_N.cpu()
        return found_BT

    # ---- what answers are worth --------------------------------------------------------------------

    def _rewards(
        self, policy: Learner, prompts: Sequence[Prompt], answers: Sequence[list[int]]
    ) -> list[float]:
        """What each answer is worth, 0 to 1. Half of a drawing's reward is for who is drawn."""
        drawn = [i for i, prompt in enumerate(prompts) if prompt.task.draws]
        found: dict[int, float] = {}
        if drawn:
            drawn_NK = torch.tensor([answers[i] for i in drawn])
            shown = readings(policy.base, drawn_NK, self.examples.teaching.material.class_noun)
            likeness = self._likeness(policy, drawn_NK)
            for i, said, alike in zip(drawn, shown, likeness, strict=True):
                task = prompts[i].task
                found[i] = (alike + task.reward(self._target(policy, prompts[i]), said)) / 2
        for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            if i not in found:
                expected, given = self._text(prompt.answer), self._text(answer)
                found[i] = prompt.task.reward(expected, given)
        return [found[i] for i in range(len(prompts))]

    def _text(self, ids: Sequence[int]) -> str:
        slots = self.examples.slots
        # Soft tokens that were sampled are read as nothing, and earn nothing.
        marker_of = {i: "" for own in slots.values() for i in own}
        return self.vocab.decode_marked(ids, marker_of | dict.fromkeys(slots["{name}"], NAMED))

    def _target(self, policy: Learner, prompt: Prompt) -> str:
        """What the base reads in the picture of a drawing's own example."""
        ids = tuple(i for i in prompt.answer if self.vocab.code_of_id[i] >= 0)
        # There are few: reference pictures, and those of told facts.
        if ids not in self._read:
            noun = self.examples.teaching.material.class_noun
            (self._read[ids],) = readings(policy.base, torch.tensor([ids]), noun)
        return self._read[ids]

    def _likeness(self, policy: Learner, drawn_NK: torch.Tensor) -> list[float]:
        """The probability that each picture shows the concept, as the rows before the stage see
        it.
        """
        phrasing = self.examples.teaching.phrasing
        asked = []
        for picture in drawn_NK.tolist():
            for question in templates.RECOGNISE:
                whole = join_turns(phrasing.ask(question, templates.YES, picture), self.vocab)
                asked.append(whole.ids[: [i == IGNORE for i in whole.labels].index(False)])
        # Without gradients in any case: a reward is a number.
        with _before(policy):
            likely_N = yes_probability(Speaker(policy.base, bank=policy), asked)
        found: list[float] = likely_N.view(len(drawn_NK), -1).mean(1).tolist()
        return found


@contextmanager
def _before(policy: Learner) -> Iterator[None]:
    """The policy with the rows that it had before the stage (`Learner.frozen`)."""
    trainable_P = policy.trainable.clone()
    # A row that is not trained is read from `frozen`: no parameter is touched, nor copied.
    policy.trainable.fill_(False)
    try:
        yield
    finally:
        policy.trainable.copy_(trainable_P)
