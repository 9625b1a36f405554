"""What a task makes examples of: a concept's material, and how a method says and uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from unictoken.core.config import MOST_PICTURES, within
from unictoken.data.prompts import drawing_prompt
from unictoken.data.sequence import Turn
from unictoken.tasks.material import Material
from unictoken.tokens.tokens import Prompts

if TYPE_CHECKING:
    import numpy as np
    import torch

    from unictoken.model.vocab import Vocab

Targets = Literal["pictures", "crops"]
T = TypeVar("T")
# Drawn pictures are many, and of one photo only a copy: the owner's own must not be lost in them.
DRAWN_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class SoftPositives:
    """Look-alikes that are drawn with a prefix of the tokens (Yo'Chameleon, section 3.3); `groups:
    0` uses none.

    Look-alikes are sorted by likeness and cut into groups; the k-th most alike (k from 1) is
    described with all but the last k.
    """

    groups: int = 0
    share: float = 0.8
    """Of the drawings in a batch."""

    def __post_init__(self) -> None:
        within("soft_positives: groups", self.groups, 0, MOST_PICTURES)
        within("soft_positives: share", self.share, 0, 1)


class Phrasing:
    """How a method says its concept: questions, answers and prompts as turns of ids."""

    def __init__(self, vocab: Vocab, prompts: Prompts, slots: Mapping[str, list[int]]):
        self.vocab, self.prompts, self.slots = vocab, prompts, dict(slots)

    def say(self, text: str) -> list[int]:
        """Ids of a text with the concept's slots filled in."""
        return self.vocab.encode(text, self.slots)

    def ask(self, question: str, answer: str, picture: Sequence[int] | None = None) -> list[Turn]:
        """A question about the concept and its answer, after a picture if there is one."""
        seen = self.vocab.picture(picture) if picture is not None else []
        asked = self.say(f"{self.prompts.understanding} {question}".replace("{it}", "{name}"))
        first = self.say(self.prompts.understanding_answer)
        return [Turn(seen + asked), _after(first, self.say(answer))]

    def draw(self, prompt: str, picture: Sequence[int]) -> list[Turn]:
        """A prompt for a picture of the concept, and the picture."""
        asked = drawing_prompt(self.vocab, self.prompts, self.slots, prompt)
        first = self.say(self.prompts.generation_answer)
        return [Turn(asked), _after(first, self.vocab.picture(picture))]


def _after(first: list[int], answer: list[int]) -> Turn:
    """An answer after ids that it is given when the concept is used (self-prompting). These are no
    targets: beside sixteen of them, the one word 'yes' would hardly count.
    """
    if not first:
        return Turn(answer, learned=True)
    # The end_turn after the answer, too.
    return Turn(first + answer, learned_part=range(len(first), len(first) + len(answer) + 1))


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """One concept under one method, in one stage."""

    material: Material
    phrasing: Phrasing
    negatives: Mapping[str, float] = field(default_factory=dict)
    """Share of each grade among the negatives of recognition."""
    soft_positives: SoftPositives = SoftPositives()
    targets: Targets = "pictures"
    """What drawings are learned from: the reference pictures, or the same cut to the concept."""


def drawn_positive(material: Material, rng: np.random.Generator) -> tuple[str, list[int]] | None:
    """A caption and the image ids of a picture of it that the base drew; None, and then one of the
    owner's own is taken: in half of all cases, and always where nothing was drawn.
    """
    if not material.drawn_positives or rng.random() >= DRAWN_SHARE:
        return None
    said, picture_K = one_of(material.drawn_positives, rng)
    return said, picture_K.tolist()


def one_of(choices: Sequence[T], rng: np.random.Generator) -> T:
    """One of several, each as likely."""
    return choices[int(rng.integers(len(choices)))]


def a_picture(pictures_NK: torch.Tensor, rng: np.random.Generator) -> list[int]:
    """The image ids of one of the pictures, each as likely."""
    ids: list[int] = pictures_NK[int(rng.integers(len(pictures_NK)))].tolist()
    return ids
