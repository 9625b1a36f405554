"""The file names of other projects, the order of rows in their files, and the prompts of their
methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.core.disk import is_folder
from unictoken.core.text import ROLES, ConceptError
from unictoken.tokens.exchange import peft
from unictoken.tokens.tokens import ConceptTokens, Prompts

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base


@dataclass(frozen=True, kw_only=True)
class Packing:
    """The files of a project that keeps all rows in one, and has others beside it."""

    read: Callable[[Path], Mapping[str, torch.Tensor]]
    """Rows [R, D] by what they are (in, out) in a file."""
    write: Callable[[ConceptTokens, Base | None, Path], Mapping[str, bytes]]
    """The files of a concept on its base by their names, for a folder."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A project's files of tokens, and the prompts of its method."""

    name: str
    endings: Mapping[str, str]
    """What the names of its files end in, by what they hold: in, out, bias."""
    stem: str
    """What the names of files that we write begin with."""
    roles: tuple[str, ...]
    """Roles that it knows beside the name, in the order of its rows."""
    layouts: tuple[Mapping[str, int], ...] = ()
    """Rows by role that the project's own numbers of rows mean; (): all rows after the name are of
    the first role.
    """
    prompts: Prompts
    packing: Packing | None = None
    """How it keeps rows, if not each kind in a file of its own."""

    def places(self, files: Sequence[str | Path]) -> dict[str, Path]:
        """Which file holds what, by the endings of their names; all of one epoch. Only a bias may
        be left out.
        """
        wanted = ", ".join(f"'*{ending}'" for ending in self.endings.values())
        places: dict[str, Path] = {}
        for path in map(Path, files):
            if self.packing and is_folder(path):
                path = path / self.endings["in"]
            kind = next(
                (kind for kind, ending in self.endings.items() if path.name.endswith(ending)), None
            )
            if kind is None or kind in places:
                raise ConceptError(
                    f"{path}: {'a second one' if kind else 'no file'} of '{self.name}'. Expected"
                    f" one of each of {wanted}."
                )
            places[kind] = path
        if missing := [
            ending for kind, ending in self.endings.items() if kind not in places and kind != "bias"
        ]:
            raise ConceptError(
                f"'{self.name}': no file '*{missing[0]}' is given. Expected {wanted}."
            )
        if len({path.name.removesuffix(self.endings[kind]) for kind, path in places.items()}) > 1:
            raise ConceptError(
                f"'{self.name}': {', '.join(path.name for path in places.values())} are of"
                " different epochs. Give files of one."
            )
        return {kind: places[kind] for kind in self.endings if kind in places}

    def counts(self, total: int, said: Mapping[str, int] | None, *, where: str) -> dict[str, int]:
        """Rows by role: as the caller says, or as the project lays so many out."""
        known = self.layouts or ({self.roles[0]: total - 1},)
        said = said or next((layout for layout in known if 1 + sum(layout.values()) == total), None)
        if said is None:
            sizes = " or ".join(
                f"{1 + sum(layout.values())} (name, {_listed(layout)})" for layout in known
            )
            raise ConceptError(
                f"{where}: found {total} rows, '{self.name}' has {sizes}. Say how many each role"
                " has (`--counts`)."
            )
        if strays := sorted(set(said) - {"name", *self.roles}):
            raise ConceptError(
                f"counts: '{self.name}' has no role '{strays[0]}'. Its roles:"
                f" {', '.join(self.roles)}. Name one of them."
            )
        # A caller may give name=1 too, and no other number.
        counts = {"name": 1, **said}
        if (
            not all(type(n) is int and n >= 0 for n in counts.values())
            or counts["name"] != 1
            or sum(counts.values()) != total
        ):
            raise ConceptError(
                f"{where}: found {total} rows, the counts are {_listed(counts)}. Expected whole"
                f" numbers that give {total}."
            )
        return {role: counts.get(role, 0) for role in ROLES}

    def prompts_for(self, counts: Mapping[str, int]) -> Prompts:
        """The method's prompts; before it has rows to draw with, only those of understanding."""
        can_draw = not self.layouts or counts.get("generation", 0)
        return (
            self.prompts
            if can_draw
            else replace(self.prompts, generation=None, subject="{name}", generation_answer="")
        )


def said_counts(texts: Sequence[str]) -> dict[str, int]:
    """Rows by role as a command says them.

    >>> said_counts(["shared=16", "generation=8"])
    {'shared': 16, 'generation': 8}
    """
    counts: dict[str, int] = {}
    for text in texts:
        role, _, number = text.partition("=")
        if role not in ROLES or role in counts or not number.isdecimal():
            raise ConceptError(
                f"--counts {text!r}: expected role=number, each role once, such as shared=16."
                f" Roles: {', '.join(ROLES)}."
            )
        counts[role] = int(number)
    return counts


def _listed(counts: Mapping[str, int]) -> str:
    return " ".join(f"{role}={n}" for role, n in counts.items())


_PAIR = {"in": "-token.pt", "out": "-lmhead.pt"}
_BLOCK = "{name}{shared}{generation}{understanding}"
FORMS = {
    form.name: form
    for form in (
        Form(
            name="yollava",
            endings=_PAIR,
            stem="best",
            roles=("shared",),
            layouts=({"shared": 16},),
            prompts=Prompts(understanding="{name} is {shared}.", generation=None),
        ),
        Form(
            name="yochameleon",
            endings=_PAIR,
            stem="best",
            roles=("generation", "understanding"),
            layouts=({"generation": 16, "understanding": 16},),
            prompts=Prompts(
                understanding="{name} is {generation}{understanding}.",
                generation="{name} is {generation}{understanding}.",
                understanding_answer="{understanding}",
                generation_answer="{generation}",
            ),
        ),
        Form(  # its stages add rows one after another
            name="unictokens",
            endings={"in": "_embed.pt", "out": "_lm_head_weight.pt", "bias": "_lm_head_bias.pt"},
            stem="epoch_0",
            roles=("shared", "generation", "understanding"),
            # With the name: 17, 25 or 33 rows.
            layouts=(
                {"shared": 16},
                {"shared": 16, "generation": 8},
                {"shared": 16, "generation": 8, "understanding": 8},
            ),
            prompts=Prompts(
                understanding="{name} is {shared}{understanding}.",
                # No introduction: the tokens stand inside the prompt.
                generation="",
                subject="{shared}{generation} {name}",
            ),
        ),
        # diffusers puts all vectors where the token stands; it asks no questions, so here they get
        # the same block
        Form(
            name="textual_inversion",
            endings={"in": ".safetensors"},
            stem="learned_embeds",
            roles=("shared", "generation", "understanding"),
            prompts=Prompts(understanding=f"{_BLOCK}.", generation="", subject=_BLOCK),
        ),
        # peft knows no roles and no prompts: the first id is the name's.
        Form(
            name="peft",
            endings={"in": peft.WEIGHTS},
            stem="",
            roles=("shared", "generation", "understanding"),
            prompts=Prompts(),
            packing=Packing(read=peft.read, write=peft.write),
        ),
    )
}


def form_of(name: str) -> Form:
    if name not in FORMS:
        raise ConceptError(f"format '{name}': not known. Expected one of {', '.join(FORMS)}.")
    return FORMS[name]
