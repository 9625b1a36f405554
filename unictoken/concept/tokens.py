"""The state that is learned: rows that stand in a sequence, and rows of the head that can say them.

A concept takes reserved ids that the vocabulary already has. Rows are kept by role; ids are given out when a concept is put
on a base, so that several concepts can be used together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from unictoken.model.base import Base
from unictoken.model.vocab import Vocab

_MARKER = re.compile(r"<[A-Za-z0-9_-]+>")
_HALF_MARKER = re.compile(r"(?<!\w)<[A-Za-z][\w-]*|[A-Za-z][\w-]*(?<!-)>(?!\w)")  # not '5>3', 'a<b' or 'left->right'
ROLES = ("name", "shared", "generation", "understanding")
_ROWS = re.compile("{(?:" + "|".join(ROLES[1:]) + ")}")
UNKNOWN = "not known"  # the base of rows that came from elsewhere


class ConceptError(ValueError):
    """A concept that cannot be used: where, what was found, what was expected."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """How a method says its tokens. Slots: {name}, {shared}, {generation}, {understanding}."""

    understanding: str = "{name} is {shared}."
    """Stands before every question about the concept."""
    generation: str | None = "{name} is {shared}."
    """Stands before a prompt for a picture; null: this method does not learn to draw."""
    subject: str = "{name}"
    """What stands for the concept inside a prompt for a picture (UniCTokens: '{shared}{generation}{name}')."""
    understanding_answer: str = ""
    """What the model says first when it answers (Yo'Chameleon's self-prompting: '{understanding}')."""
    generation_answer: str = ""
    """What the model says first when it draws (Yo'Chameleon: '{generation}')."""


@dataclass(frozen=True, kw_only=True)
class ConceptTokens:
    """A learned concept: name, rows by role, and where they come from.

    `rows_in` and `rows_out` are [P, D], in the order of ROLES; `counts` gives the rows of each role. A base that is UNKNOWN
    cannot be spoken with: see `exchange.adopt`.
    """

    name: str
    class_noun: str
    counts: Mapping[str, int]
    rows_in: torch.Tensor
    rows_out: torch.Tensor
    bias_out: torch.Tensor | None = None
    """[P], of rows learned under a head that has a bias. Kept to be given back; no base here has one, so no logit ever sees it."""
    prompts: Prompts = field(default_factory=Prompts)
    method: str = "joint"
    base_name: str = ""
    base_fingerprint: str = ""
    seed: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    origin: str = ""
    """Of imported rows: the format and the files that they came from."""
    consent: bool = False
    """Of a person: whether whoever learned it declared that the person agreed."""

    @property
    def marker(self) -> str:
        """How people write the concept in a prompt: '<bo>'."""
        return f"<{self.name}>"


def mark(text: str, name: str, *, where: str) -> str:
    """A user's text with '{name}' where '<name>' stands; any other marker, half a one, or a slot for rows is a mistake.

    '{name}' may stand in it already: what was marked once can be marked again.
    """
    text = text.replace(f"<{name}>", "{name}")
    if stray := _MARKER.search(text):
        raise ConceptError(f"{where}: '{stray[0]}' is not a concept that is loaded. Loaded: '<{name}>'.")
    if wrong := misspelt(text, [name]):
        raise ConceptError(f"{where}: {wrong}. Expected '<{name}>'.")
    return text


def unmark(text: str, name: str) -> str:
    """A marked text as people read it: '<name>' where '{name}' stands."""
    return text.replace("{name}", f"<{name}>")


def misspelt(text: str, names: Iterable[str] = ()) -> str | None:
    """What in a text without markers would be taken for one or for rows: half a marker, or a slot of a method's prompts.

    A strange word with one bracket may be arithmetic or an arrow; one of `names` is not, whatever it stands beside.
    """
    own = "|".join(map(re.escape, names))
    known = own and re.search(rf"<(?:{own})(?![\w-])|(?<![\w-])(?:{own})>", text, re.IGNORECASE)
    if half := known or _HALF_MARKER.search(text):
        return f"'{half[0]}' has one bracket"
    slot = _ROWS.search(text)
    return f"'{slot[0]}' is a slot of a method's prompts" if slot else None


def role_slices(counts: Mapping[str, int]) -> dict[str, slice]:
    """Where each role's rows lie, in the order of ROLES.

    >>> role_slices({"name": 1, "shared": 16})["shared"]
    slice(1, 17, None)
    """
    slices, start = {}, 0
    for role in ROLES:
        slices[role] = slice(start, start := start + counts.get(role, 0))
    return slices


def give_ids(vocab: Vocab, count: int, *, taken: int = 0) -> list[int]:
    """`count` reserved ids, after the first `taken` ones."""
    if taken + count > len(vocab.reserved):
        raise ConceptError(
            f"vocabulary: {taken + count} reserved ids are needed, {len(vocab.reserved)} are there. Use fewer tokens or concepts."
        )
    return vocab.reserved[taken : taken + count]


def slots(ids: Sequence[int], counts: Mapping[str, int]) -> dict[str, list[int]]:
    """The ids of each role by its slot in a prompt: {'{name}': [...], '{shared}': [...], ...}."""
    return {"{" + role + "}": list(ids[part]) for role, part in role_slices(counts).items()}


def inject(embeds_BTD: torch.Tensor, ids_BT: torch.Tensor, concept_ids_P: torch.Tensor, rows_PD: torch.Tensor) -> torch.Tensor:
    """Input rows with the concept's own rows where its ids stand; every other row is the base's, bit for bit."""
    matches_BTP = ids_BT[..., None] == concept_ids_P
    here_BT = matches_BTP.any(-1)
    # Not `rows_PD[...]`: the gradients of an indexed row are added up in whatever order several threads come along.
    rows = torch.nn.functional.embedding(matches_BTP.int().argmax(-1), rows_PD.to(embeds_BTD.dtype))
    return torch.where(here_BT[..., None], rows, embeds_BTD)


def extend_logits(logits: torch.Tensor, hidden: torch.Tensor, concept_ids_P: torch.Tensor, rows_PD: torch.Tensor) -> torch.Tensor:
    """Logits [..., V] in which the concept's ids are scored by its own head rows."""
    own = hidden @ rows_PD.to(hidden.dtype).T
    return logits.index_copy(-1, concept_ids_P, own.to(logits.dtype))


class Speaker:
    """A base with concepts put on it: the same `embed`, `hidden` and `logits`, with the concepts' rows laid over.

    A sequence that names none of the concepts gets the base's own logits, bit for bit.
    """

    def __init__(self, base: Base, concepts: Sequence[ConceptTokens] = ()):
        self.base, self.vocab, self.concepts = base, base.vocab, tuple(concepts)
        self.ids: dict[str, list[int]] = {}
        for concept in concepts:
            if concept.name in self.ids:
                raise ConceptError(f"two concepts are named '{concept.name}'. Give each its own name.")
            count = len(concept.rows_in)
            self.ids[concept.name] = give_ids(base.vocab, count, taken=sum(map(len, self.ids.values())))
        if concepts:
            self.concept_ids = torch.tensor([i for ids in self.ids.values() for i in ids], device=base.device)
            self.rows_in, self.rows_out = (
                torch.cat([getattr(c, kind) for c in concepts]).to(base.device) for kind in ("rows_in", "rows_out")
            )

    @property
    def device(self) -> torch.device:
        return self.base.device

    @property
    def longest(self) -> int:
        return self.base.longest

    def cache_bytes(self, ids: int) -> int:
        return self.base.cache_bytes(ids)

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        embeds = self.base.embed(ids_BT)
        return inject(embeds, ids_BT, self.concept_ids, self.rows_in) if self.concepts else embeds

    def hidden(self, embeds_BTD, cache=None, mask_BT=None) -> torch.Tensor:
        return self.base.hidden(embeds_BTD, cache, mask_BT)

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [B, ..., V]; `ids_BT` is the text so far, which decides whether the concept may be said."""
        logits = self.base.logits(hidden)
        if not self.concepts or ids_BT is None:
            return logits
        named_B = torch.isin(ids_BT, self.concept_ids).any(-1)
        extended = extend_logits(logits, hidden, self.concept_ids, self.rows_out)
        return torch.where(named_B.view(-1, *[1] * (logits.ndim - 1)), extended, logits)

    def slots(self, concept: ConceptTokens) -> dict[str, list[int]]:
        return slots(self.ids[concept.name], concept.counts)
