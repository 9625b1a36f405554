"""A user whose tokens were learned from their labels (`data/opinions.py`): whether they would like a
picture, and so in which order they would like several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from unictoken.core.shapes import Fields, Line, ListOf, MapOf, check
from unictoken.core.text import ConceptError
from unictoken.data import templates
from unictoken.personalize.condition import Condition, together, yes_probability
from unictoken.personalize.query import Query

USER = "user"  # the section of a concept file
_SHAPE = Fields({"says": MapOf(ListOf(Line(1000), 1000), 10)}, said="a user")


def read_answers(section: object, where: str) -> tuple[str, ...]:
    """The questions that a user's labels answer, with {name}, of a concept file's section.

    Args:
        section: Parsed JSON, of whoever made the file.
        where: Its place, for the message.
    """
    said = check(section, _SHAPE, where, ConceptError, advice="Learn the user again.")
    return tuple(said["says"])


@dataclass(frozen=True)
class UserTokens(Condition):
    """A user's tokens: put only before questions that name the user. Nobody is looked for in a
    picture, which shows what the user may like.
    """

    answered: tuple[str, ...] = field(default=(templates.WOULD_LIKE,), kw_only=True)
    """The questions that the user's labels answer."""

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        nobody = together(self.base, ())
        return [
            self if query.wanted != "names" and query.named(self.names) else nobody
            for query in queries
        ]

    def need_prompt(self) -> None:
        """Refused: a user is not drawn, nor looked for."""
        raise ConceptError(
            f"'{self.name}': is a user, of whom nothing is drawn and no picture found. Ask what they"
            f" like: `likes`, `unictoken rank`, or 'would <{self.name}> like this?'."
        )

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        """Refused: a user is in no picture."""
        raise ConceptError(
            f"'{self.name}': is a user, whom no picture shows. Ask whether they like it:"
            f" `likes`, `unictoken rank`, or 'would <{self.name}> like this?'."
        )

    def likes(self, images_NK: torch.Tensor) -> list[float]:
        """For each picture, P(yes) against P(no) as the answer to 'would <name> like this?'."""
        if templates.WOULD_LIKE not in self.answered:
            raise ConceptError(
                f"'{self.name}': was learned from other labels than 'likes' and 'dislikes'. Ask"
                f" 'what does <{self.name}> say of this?'."
            )
        question = templates.WOULD_LIKE.replace("{name}", f"<{self.name}>")
        prompts = [self.question(question, ids) for ids in images_NK.tolist()]
        return yes_probability(self.speaker, prompts).tolist() if prompts else []


def likes(condition: Condition, images_NK: torch.Tensor) -> list[float]:
    """`UserTokens.likes` of whatever is loaded. Raises `ConceptError` where it is no user."""
    if not isinstance(condition, UserTokens):
        raise ConceptError(
            f"likes: '{condition.name}' is no user who was learned from labels. Learn one:"
            " `unictoken learn FOLDER --kind user`."
        )
    return condition.likes(images_NK)
