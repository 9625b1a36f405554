"""A tree of a concept's attributes: class noun -> question -> answer, as the base itself reads them
in the reference pictures (Concept-as-Tree, 2503.12999, section 3.1).

There a large model writes the tree. Here the base answers the questions of its interview, and how
likely it finds each answer is the branch's confidence. What is drawn from a tree, `from_tree.py`
says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from unictoken.data.interviews import Interview, TreeForm
from unictoken.data.prompts import noun_prompt
from unictoken.learn.observe import asked, interview_of, interviewed
from unictoken.model.draw import Draw
from unictoken.model.likelihood import likelihoods
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_pictures

OF_THE_NOUN = (
    16  # drawings of the class noun that are asked for other answers, where none are known
)
SURE = 0.5  # the confidence from which on a branch may be altered
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One attribute of the concept."""

    question: str
    """With {it} where the concept is named."""
    answer: str
    """What the base says of the reference pictures."""
    confidence: float
    """Its probability among all answers that are known here, the mean over the pictures."""
    others: tuple[str, ...] = ()
    """The other answers, which a picture of somebody else may have."""


@dataclass(frozen=True, kw_only=True)
class AttributeTree:
    """What a concept looks like, one branch for each attribute."""

    class_noun: str
    branches: tuple[Branch, ...]
    form: TreeForm = field(repr=False)
    """How it is said in prompts."""

    @property
    def answers(self) -> tuple[str, ...]:
        return tuple(branch.answer for branch in self.branches)

    def subject(self, altered: Mapping[int, str] | None = None) -> str:
        """What stands in a prompt for the concept, or for one that is altered.

        Args:
            altered: Other answers by the number of their branch; None: the concept's own.
        """
        changed = altered or {}
        said = [changed.get(i, answer) for i, answer in enumerate(self.answers)]
        return self.form.subject(said, self.class_noun)

    @property
    def class_branch(self) -> int | None:
        """The number of the branch that says the class; None: none does."""
        asked_for = [branch.question for branch in self.branches]
        question = self.form.class_question
        return asked_for.index(question) if question in asked_for else None

    def alterable(self) -> list[int]:
        """Numbers of the branches that may be altered: those that have other answers, and whose
        own one is sure. Where the base does not know an attribute, an altered one may be the
        concept's. Where it is sure of none, all that have others.
        """
        own = [i for i, b in enumerate(self.branches) if b.others and i != self.class_branch]
        return [i for i in own if self.branches[i].confidence >= SURE] or own

    def few_altered(self, rng: np.random.Generator) -> dict[int, str]:
        """One attribute altered, the class never: as hard to tell apart as words can say."""
        return self._altered(1, rng)

    def many_altered(self, rng: np.random.Generator) -> dict[int, str]:
        """More than half of the attributes altered, and the class where it is among them."""
        altered = self._altered(len(self.alterable()) // 2 + 1, rng)
        class_branch = self.class_branch
        if class_branch is not None and (others := self.branches[class_branch].others):
            altered[class_branch] = others[int(rng.integers(len(others)))]
        return altered

    def _altered(self, count: int, rng: np.random.Generator) -> dict[int, str]:
        alterable = self.alterable()
        chosen = rng.permutation(len(alterable))[:count]
        return {
            i: self.branches[i].others[int(rng.integers(len(self.branches[i].others)))]
            for i in (alterable[k] for k in sorted(chosen))
        }

    def plain(self) -> dict[str, Any]:
        """As JSON keeps it for people: the class noun, and each branch."""
        return {
            "format": FORMAT,
            "class_noun": self.class_noun,
            "subject": self.subject(),
            "branches": [asdict(branch) for branch in self.branches],
            "contexts": list(self.form.contexts),
        }


def grow(base: Base, pictures_NK: torch.Tensor, class_noun: str, *, seed: int) -> AttributeTree:
    """The tree of a concept, read off its reference pictures.

    Args:
        base: Is asked the questions of its interview.
        pictures_NK: Image ids of the reference pictures.
        class_noun: The concept's.
        seed: Of the drawings of the class noun that show other answers, where an interview does not
            list these.
    """
    interview = interview_of(base, class_noun)
    form = interview.tree
    own = interviewed(base, pictures_NK, interview, class_noun, form.questions)
    unknown = [question for question in form.questions if question not in form.answers]
    others = _answers_elsewhere(base, interview, class_noun, unknown, seed) if unknown else {}
    it = interview.it.format(noun=class_noun)
    branches = []
    for question in form.questions:
        known = form.answers.get(question) or others[question]
        candidates = tuple(dict.fromkeys([*(row[question] for row in own), *known]))
        likely = _confidences(base, pictures_NK, question, candidates, it=it)
        best = int(np.argmax(likely))
        branches.append(
            Branch(
                question=question,
                answer=candidates[best],
                confidence=round(float(likely[best]), 4),
                # Only what somebody else may be: the base's second thoughts about it are not.
                others=tuple(c for c in known if c != candidates[best]),
            )
        )
    return AttributeTree(class_noun=class_noun, branches=tuple(branches), form=form)


def _answers_elsewhere(
    base: Base, interview: Interview, class_noun: str, questions: Sequence[str], seed: int
) -> dict[str, list[str]]:
    """What the base answers about its own drawings of the class noun, the most frequent first.

    Args:
        base: Draws and is asked.
        interview: Says how.
        class_noun: What is drawn.
        questions: What is asked.
        seed: Of the drawings.
    """
    prompts = [noun_prompt(base.vocab, class_noun)] * OF_THE_NOUN
    drawn_NK = sample_pictures(base, prompts, base.codes_per_picture, Draw(seed=seed))
    rows = interviewed(base, drawn_NK, interview, class_noun, questions)
    return {q: [a for a, _ in Counter(row[q] for row in rows).most_common()] for q in questions}


def _confidences(
    base: Base, pictures_NK: torch.Tensor, question: str, candidates: Sequence[str], *, it: str
) -> np.ndarray:
    """The probability of each answer among all of them, the mean over the pictures.

    Args:
        base: Is asked.
        pictures_NK: Image ids of the pictures.
        question: With {it} where the concept is named.
        candidates: The answers; {name} in them is the concept.
        it: What the base hears in its place.
    """
    said = [base.vocab.encode(answer.replace("{name}", it)) for answer in candidates]
    prompts = [asked(base, ids, question, it=it) for ids in pictures_NK.tolist()]
    found = likelihoods(base, [(prompt, answer) for prompt in prompts for answer in said])
    logs_NA = torch.tensor([f.total for f in found]).view(len(prompts), len(said))
    likely: np.ndarray = logs_NA.softmax(-1).mean(0).numpy()
    return likely
