"""What is known of a user in words: items, of which those that fit a question stand before it.

    profile = Profile(items, base)
    profile.as_text("where do i live?", k=2)     ->  'i live in the snow. i live in the city now.'
    base.with_concepts(profile).ask("where do i live?")
    base.with_concepts(profile, "mia")           a profile beside concepts

`learn.profile_rows.as_row(profile, questions)` is the same as a few learned tokens.
Items are never changed here; a memory keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from unictoken.core.config import check_count
from unictoken.core.text import check_markers
from unictoken.data.item import Item
from unictoken.model.encoders import BaseEncoder
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.query import Query
from unictoken.personalize.retrieval import RETRIEVERS, Index, Texts, best
from unictoken.tokens.tokens import Prompts

K = 4  # items that stand before a question
BUDGET = 256  # ids that they may take together
PROFILE = "profile"  # the section of a concept file


def sentence(item: Item) -> str:
    """An item as a sentence.

    >>> sentence(Item(text=" i like soup"))
    'i like soup.'
    """
    said = item.text.strip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


@dataclass(frozen=True)
class Told(Condition):
    """Words that stand before a question and are about nobody by name. As ids in `shown`, and not
    in a prompt: no slot is looked for in what a user said.
    """

    prompts: Prompts = field(default_factory=lambda: Prompts(understanding="", generation=""))

    @property
    def names(self) -> tuple[str, ...]:
        """Nobody's."""
        return ()

    def marked(self, text: str) -> str:
        """The text; a marker in it is a mistake."""
        check_markers(text, (), where="prompt")
        return text

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        """1 for each picture: there is nobody who could be missing in it."""
        return [1.0] * len(images_NK)

    def recaption(self, prompt: str) -> str:
        """The prompt: nobody's hat is meant."""
        return prompt


@dataclass(frozen=True)
class ProfileTokens(Told):
    """A profile that was learned as tokens (`learn/profile_rows.py`): they stand before questions, in
    the place of its items.
    """

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        """Itself before each question; before anything else nothing, as of a profile."""
        nobody = together(self.base, [])
        return [self if query.wanted == "answer" else nobody for query in queries]


# eq=False: a profile is itself, and its index is made once.
@dataclass(frozen=True, eq=False)
class Profile:
    """Items about a user, and how those that fit are found. It is a `Personalization`: each
    question gets its own items.

    Args:
        items: What is known, in any order; `Item.time` says what is newest.
        base: What reads them, and whose features 'dense' uses by default.
        by: A name of `RETRIEVERS`: bm25, dense, recency.
        k: How many items stand before a question.
        budget: Ids that they may take together.
        encoder: Another one for 'dense', such as CLIP's text half.
        document: What an item is looked up by; its text by default.
    """

    items: Sequence[Item]
    base: Base
    by: str = "bm25"
    k: int = K
    budget: int = BUDGET
    encoder: Texts | None = None
    document: Callable[[Item], str] = field(default=lambda item: item.text, repr=False)

    def __post_init__(self) -> None:
        # Frozen, and a list would still be changed by who gave it.
        object.__setattr__(self, "items", tuple(self.items))
        RETRIEVERS.find(self.by)
        check_count("k", self.k)
        check_count("budget", self.budget)

    @property
    def names(self) -> tuple[str, ...]:
        """Nobody's: a profile is about the user, whom no marker names."""
        return ()

    @cached_property
    def index(self) -> Index:
        """The items, ready to be looked through; made at the first question."""
        make = RETRIEVERS.find(self.by)(self.encoder or BaseEncoder(self.base))
        return make(self.items, [self.document(item) for item in self.items])

    def numbers(self, query: str, k: int | None = None) -> list[int]:
        """The numbers of the items that fit best, the best first."""
        return best(self.index.scores(query), self.items, self.k if k is None else k)

    def find(self, query: str, k: int | None = None) -> tuple[Item, ...]:
        """The items that fit best, the best first."""
        return tuple(self.items[i] for i in self.numbers(query, k))

    def as_text(self, query: str, k: int | None = None, budget: int | None = None) -> str:
        """The items that fit best as sentences, in the order of time, so that what holds now is said
        last.

        Args:
            query: What is asked.
            k: How many items; None: the profile's own number.
            budget: Ids that they may take together; None: the profile's own. An item that does
                not fit any more is left out, and a smaller one after it may still fit.
        """
        found = self.find(query, k)
        return told_in_order(found, self.budget if budget is None else budget, self.base)

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        """Before each question the items that fit it; before a drawing, or where a concept is
        looked for, nothing.
        """
        # The tiny base was never taught to draw, or to recognise, after somebody's facts.
        answered = [query.wanted == "answer" and bool(self.items) for query in queries]
        return [
            self._told(self.as_text(query.text)) if asked else together(self.base, [])
            for query, asked in zip(queries, answered, strict=True)
        ]

    def _told(self, text: str) -> Condition:
        return Told(self.base, "", shown=tuple(self.base.vocab.encode(text)))


def told_in_order(items: Sequence[Item], budget: int, base: Base) -> str:
    """Sentences of items in the order of time; those that do not fit are left out.

    Args:
        items: The best first.
        budget: Ids that they may take together.
        base: Whose ids.
    """
    # Counted as in the middle of a text: the space before a sentence belongs to it.
    kept, left = [], budget
    for item in items:
        cost = len(base.vocab.inside(sentence(item)))
        if cost <= left:
            kept.append(item)
            left -= cost
    # Of one time in the reverse order: what fits best stands nearest to the question.
    last_first = sorted(kept, key=lambda item: -item.time)
    return " ".join(sentence(item) for item in last_first[::-1])
