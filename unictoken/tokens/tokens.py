"""The state that is learned: input rows of the concept's tokens, and their rows in the output head.

Rows are stored by role. Ids are given out when a concept is put on a base (tokens/bank.py), so that
several concepts can be used together.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unictoken.core.disk import is_folder
from unictoken.core.text import ROLES

if TYPE_CHECKING:
    import torch

UNKNOWN = "not known"  # the base of rows that came from elsewhere
Start = Literal["described", "told", "frequent", "k_means", "noun"]
"""Where the soft tokens of a concept begin (tokens/start.py)."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Where a method's prompts hold its tokens. Slots: {name}, {shared}, {generation},
    {understanding}.
    """

    understanding: str = "{name} is {shared}."
    """Stands before every question about the concept."""
    generation: str | None = "{name} is {shared}."
    """Stands before a prompt for a picture; null: this method does not learn to draw."""
    subject: str = "{name}"
    """What stands for the concept inside a prompt for a picture (UniCTokens:
    '{shared}{generation}{name}').
    """
    understanding_answer: str = ""
    """What an answer begins with (Yo'Chameleon's self-prompting: '{understanding}')."""
    generation_answer: str = ""
    """What the model's output begins with when it draws (Yo'Chameleon: '{generation}')."""


# eq=False: tensors have no one answer to `==`. A concept equals itself.
@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ConceptTokens:
    """A learned concept: name, rows by role, and where they come from.

    `rows_in` and `rows_out` are [P, D], in the order of ROLES; `counts` gives the rows of each
    role. Rows of an UNKNOWN base cannot be used before `exchange.adopt` names their base.
    """

    name: str
    class_noun: str
    counts: Mapping[str, int]
    rows_in: torch.Tensor
    rows_out: torch.Tensor
    bias_out: torch.Tensor | None = None
    """[P], of rows learned under a head that has a bias. Stored for exports only: no base here has
    one, so it enters no logit.
    """
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
    notes: tuple[str, ...] = ()
    """Warnings for whoever uses it, each a line: that its base cannot show the pictures, for
    example.
    """
    run: str = ""
    """A digest of the run that learned it: base, pictures, method, steps, seed."""
    source: str = ""
    """A digest of what it was learned from: reference pictures, name, class noun."""
    sections: Mapping[str, object] = field(default_factory=dict)
    """JSON of methods that keep more than rows; files keep it as it is."""

    @property
    def marker(self) -> str:
        """How people write the concept in a prompt: '<bo>'."""
        return f"<{self.name}>"

    def __repr__(self) -> str:
        rows = ", ".join(f"{count} {role}" for role, count in self.counts.items() if count)
        learned = f"learned by '{self.method}'" if not self.origin else f"from {self.origin}"
        return (
            f"<ConceptTokens {self.marker} ({self.class_noun}): {rows};"
            f" {learned} on '{self.base_name}'>"
        )

    def _repr_html_(self) -> str:
        """For notebooks: what it is, as a table. All of it may come from a file, and is escaped."""
        rows = {
            "learned by": self.method if not self.origin else f"{self.method}, {self.origin}",
            "base": f"{self.base_name} ({self.base_fingerprint[:12]})",
            "tokens": ", ".join(f"{n} {role}" for role, n in self.counts.items() if n),
            "scores": ", ".join(f"{key} {value:.2f}" for key, value in self.scores.items()),
            "notes": " ".join(self.notes),
        }
        shown = "".join(
            f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
            for key, value in rows.items()
            if value
        )
        title = html.escape(f"{self.marker}: {self.class_noun}")
        return f"<table><caption>{title}</caption>{shown}</table>"

    def save(self, path: str | Path) -> Path:
        """Write the concept file; in a folder it is called after the concept."""
        from unictoken.tokens import file  # which imports this module

        place = Path(os.path.expanduser(path))
        return file.save(self, file.path_of(self.name, place) if is_folder(place) else place)


def role_slices(counts: Mapping[str, int]) -> dict[str, slice]:
    """Where each role's rows lie, in the order of ROLES.

    >>> role_slices({"name": 1, "shared": 16})["shared"]
    slice(1, 17, None)
    """
    slices, start = {}, 0
    for role in ROLES:
        # slice(old start, new start): arguments are evaluated from left to right.
        slices[role] = slice(start, start := start + counts.get(role, 0))
    return slices


def slots(ids: Sequence[int], counts: Mapping[str, int]) -> dict[str, list[int]]:
    """The ids of each role by its slot in a prompt: {'{name}': [...], '{shared}': [...], ...}."""
    return {"{" + role + "}": list(ids[part]) for role, part in role_slices(counts).items()}
