"""What a base is asked, and what says how it is asked: the seam of every way to personalize one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch

from unictoken.core.text import markers

if TYPE_CHECKING:
    from unictoken.personalize.condition import Condition

Wanted = Literal["answer", "names", "probability", "picture"]
"""An answer to a question; the names of the concepts that a picture shows; the probability that it
shows one; a drawing.
"""


@dataclass(frozen=True)
class Query:
    """What a base is asked: a text, maybe about a picture."""

    text: str
    """A question, a prompt for a drawing, or the marker of the concept that is looked for."""
    image_ids: tuple[int, ...] | None = None
    """Of the picture that it is about; None: about none."""
    wanted: Wanted = "answer"

    def named(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the names that the text says, in the order of `names`."""
        said = set(markers(self.text))
        return tuple(name for name in names if name in said)


@runtime_checkable
class Personalization(Protocol):
    """Makes a base know concepts: by their tokens, words or pictures, by several of these, by a
    memory.

    A `Session` asks it for the condition of each query, and asks the base under it. A query for
    names is answered by the names of its condition.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts. People write them as markers: '<bo>'."""

    def conditions(self, queries: Sequence[Query]) -> Sequence[Condition]:
        """What stands before each query; `condition.together(base, [])` where it is nothing.

        All at once, so that pictures are looked at in batches, and questions are answered in one:
        the tokens of a concept must be one object in all of them.
        """


def queries_of(
    texts: Sequence[str], images_NK: torch.Tensor | None = None, wanted: Wanted = "answer"
) -> list[Query]:
    """A query for each text, about its own picture (image ids [N, K]) or about none."""
    pictures = [None] * len(texts) if images_NK is None else map(tuple, images_NK.tolist())
    return [Query(text, ids, wanted) for text, ids in zip(texts, pictures, strict=True)]
