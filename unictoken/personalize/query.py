"""What a base is asked, and what says how it is asked: the seam of every way to personalize one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch
from PIL import Image

from unictoken.core.pictures import ImageSource, read_image
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
    """Of the picture that it is about, or of the frames of a clip, one after the other; None: about
    none."""
    wanted: Wanted = "answer"
    picture: ImageSource | None = field(default=None, compare=False)
    """The same picture before it was encoded, for who compares pixels or has an encoder of its own;
    None: only its ids are known.
    """

    def look(self) -> Image.Image | None:
        """The picture, read where it is a file; None where only its ids are known."""
        # Read each time: a hundred queries about large photos would fill the memory.
        return None if self.picture is None else read_image(self.picture)

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


@dataclass(frozen=True)
class Seen:
    """Pictures that are encoded already."""

    ids_NK: torch.Tensor
    pictures: tuple[ImageSource, ...] = ()
    """The same as pictures; (): only their ids are known."""

    def __len__(self) -> int:
        return len(self.ids_NK)

    def repeated(self, times: int) -> Seen:
        """The one picture that it has, so many times."""
        # A view: one picture beside a hundred questions takes no memory.
        return Seen(self.ids_NK.expand(times, -1), self.pictures * times)


def queries_of(
    texts: Sequence[str],
    seen: Seen | torch.Tensor | None = None,
    wanted: Wanted = "answer",
) -> list[Query]:
    """A query for each text, about its own picture (image ids [N, K] are enough) or about none."""
    if seen is None:
        return [Query(text, None, wanted) for text in texts]
    seen = seen if isinstance(seen, Seen) else Seen(seen)
    # Image ids alone are enough for who never looks at pixels.
    shown = seen.pictures or [None] * len(seen)
    return [
        Query(text, tuple(ids), wanted, picture)
        for text, ids, picture in zip(texts, seen.ids_NK.tolist(), shown, strict=True)
    ]
