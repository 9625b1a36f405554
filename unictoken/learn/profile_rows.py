"""A profile in words as a few learned tokens: after them the base answers as if the items stood there.

Context distillation (Askell et al. 2021, section 2.2; Snell et al. 2022) into soft tokens (Mu et al.
2023, "gist tokens"). The teacher is the base with the items that the profile finds for a question;
the student is the same base with the tokens alone. A question then costs as many ids however much
is known of the user, and nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from unictoken.core.config import check_seed, within
from unictoken.core.errors import UserError
from unictoken.data.kinds import USER
from unictoken.data.sequence import IGNORE, Batch, Example, pad
from unictoken.data.source import check_consent
from unictoken.learn.learner import Learner
from unictoken.learn.methods import MOST_STEPS, Stage
from unictoken.learn.objective import sum_of_means
from unictoken.learn.stages import Progress, learn_rows
from unictoken.model.sampling import ANSWER_IDS, sample_text
from unictoken.personalize.condition import Condition
from unictoken.personalize.profile import PROFILE, Profile, ProfileTokens, sentence
from unictoken.personalize.query import Query
from unictoken.tokens.file import MOST_ROWS
from unictoken.tokens.tokens import ConceptTokens, Prompts

ROWS = 16
STEPS = 80
BATCH = 16
LR = 5e-3
METHOD = "profile"
NOUN = "person"
_PROMPTS = Prompts(understanding="{shared}", generation="")
WHICH = "which_B"
"""In `Batch.more`: the number of each example's question."""


def as_row(
    profile: Profile,
    questions: Sequence[str],
    *,
    name: str = "me",
    consent: bool = False,
    rows: int = ROWS,
    steps: int = STEPS,
    seed: int = 0,
    fast: bool = True,
    show: Callable[[Progress], None] = lambda progress: None,
) -> ConceptTokens:
    """The profile as tokens, which stand before questions in the place of its items.

    Args:
        profile: What is known; its base teaches and learns.
        questions: What will be asked, such as 'where do i live?'; the base's answers to them, with
            the items in words, are what is learned.
        name: Of the file that keeps them. No question says it.
        consent: The user agreed.
        rows: Tokens.
        steps: Of learning, of at most 16 questions each.
        seed: Of the order of the questions.
        fast: Whether it may be learned in bf16, where this CPU is faster with it.
        show: Called after each step.
    """
    within("rows", rows, 1, MOST_ROWS - 1)
    within("steps", steps, 1, MOST_STEPS)
    check_seed(seed)
    asked = tuple(dict.fromkeys(question.strip() for question in questions if question.strip()))
    if not asked or not profile.items:
        raise UserError(
            f"as_row: found {len(asked)} questions and {len(profile.items)} items, expected 1 or more"
            " of each. Give what will be asked, and what is known."
        )
    check_consent(NOUN, consent, where=f"'{name}'", kind=USER)
    base = profile.base
    tokens = replace(_start(profile, name, rows, seed), consent=consent)
    student = ProfileTokens(base, name, tokens.prompts, tokens)
    ids = student.speaker.ids[name]
    objective = _Distillation(profile, student, asked)
    learner = Learner(base, ids, tokens.rows_in, tokens.rows_out, loss=objective.loss, fast=fast)
    objective.hear_teacher(learner)
    stage = Stage(name=METHOD, steps=steps, batch=min(BATCH, len(asked)), lr=LR)
    rng = np.random.default_rng(seed)

    def batch(step: int) -> Batch:
        return objective.batch(rng.permutation(len(asked))[: stage.batch])

    # No prompt says the name's row, the first one.
    for progress in learn_rows(learner, stage, slice(1, rows + 1), batch):
        show(progress)
    rows_in, rows_out = learner.current().detach().float().cpu()
    return replace(tokens, rows_in=rows_in.clone(), rows_out=rows_out.clone())


def _start(profile: Profile, name: str, rows: int, seed: int) -> ConceptTokens:
    """Tokens that begin as means of the items' words, in the order of time: each of as many words
    that stand beside each other.
    """
    base = profile.base
    in_time = sorted(profile.items, key=lambda item: item.time)
    words = [i for item in in_time for i in base.vocab.inside(sentence(item))]
    with torch.no_grad():
        said_ND = base.embed(torch.tensor(words, device=base.device)).float().cpu()
        # Soft tokens are never said, so that any head row will do.
        common = torch.tensor(base.vocab.words, device=base.device)
        head_D = base.head_rows(common).float().mean(0).cpu()
    # A short profile: words again and again, until each token has one.
    said_ND = said_ND.repeat(-(-rows // len(said_ND)), 1)
    soft_PD = torch.stack([part.mean(0) for part in torch.tensor_split(said_ND, rows)])
    return ConceptTokens(
        name=name,
        class_noun=NOUN,
        counts={"name": 1, "shared": rows},
        rows_in=torch.cat([soft_PD.mean(0, keepdim=True), soft_PD]),
        rows_out=head_D.repeat(rows + 1, 1),
        prompts=_PROMPTS,
        method=METHOD,
        base_name=base.name,
        base_fingerprint=base.fingerprint,
        seed=seed,
        sections={PROFILE: {"items": len(profile.items)}},
    )


class _Distillation:
    """Kullback-Leibler divergence from the teacher's next ids to the student's, over the answers that
    the teacher gives.

    Args:
        profile: Of the teacher.
        student: What the tokens stand in.
        questions: About the user.
    """

    def __init__(self, profile: Profile, student: Condition, questions: Sequence[str]):
        base = profile.base
        queries = [Query(text=question) for question in questions]
        teachers = zip(profile.conditions(queries), questions, strict=True)
        told = [teacher.question(question) for teacher, question in teachers]
        # The likeliest words: the teacher's own.
        answers = sample_text(base, told, max_ids=ANSWER_IDS)
        self.vocab = base.vocab
        self.told = [self._answered(*pair) for pair in zip(told, answers, strict=True)]
        asked = [student.question(question) for question in questions]
        self.asked = [self._answered(*pair) for pair in zip(asked, answers, strict=True)]
        self.teacher: list[torch.Tensor] = []
        """Of each question the log-probabilities [ids of the answer, V]."""

    def _answered(self, prompt: Sequence[int], answer: Sequence[int]) -> Example:
        """A whole prompt with its answer, which is supervised."""
        said = self.vocab.turn(answer)
        return Example([*prompt, *said], [*[IGNORE] * len(prompt), *said])

    @torch.no_grad()
    def hear_teacher(self, learner: Learner) -> None:
        """Keep what the teacher says, as the layers compute it that learn."""
        for example in self.told:
            batch = pad([example], self.vocab)
            ((logits_NV, _),) = learner.read(batch.each(lambda t: t.to(learner.rows.device)))
            self.teacher.append(logits_NV.float().log_softmax(-1))

    def batch(self, which: np.ndarray) -> Batch:
        """The examples of these questions."""
        batch = pad([self.asked[i] for i in which], self.vocab)
        return replace(batch, more={WHICH: torch.from_numpy(which)})

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Sum over the examples of the mean divergence of an answer's ids.

        Args:
            logits_NV: The student's, of the N supervised positions.
            batch: The examples.
        """
        wanted_NV = torch.cat([self.teacher[i] for i in batch.more[WHICH].tolist()])
        said_NV = logits_NV.float().log_softmax(-1)
        apart_N = F.kl_div(said_NV, wanted_NV, log_target=True, reduction="none").sum(-1)
        return sum_of_means(apart_N, batch)
