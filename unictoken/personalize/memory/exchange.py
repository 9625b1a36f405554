"""What comes into a memory from elsewhere, and goes out: folders of a concept, concept files,
databases of RAP, RePIC and R2P.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unictoken.core.disk import is_folder, is_there
from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.data.kinds import Kind
from unictoken.data.rap import read_memory, write_memory
from unictoken.data.readers import read
from unictoken.data.source import check_learnable
from unictoken.personalize.memory.entry import Entry
from unictoken.personalize.memory.store import Memory
from unictoken.tokens import file as concept_file

DATABASE = "database.json"
Form = Literal["rap", "r2p"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where concepts lie that are read."""

    path: Path
    """A `database.json`, its folder, a folder of concepts, or a concept file."""
    pictures: str | None = None
    """The folder of a database's pictures, if not its own."""
    consent: bool = False
    """The people among them agreed."""
    kind: Kind | None = None
    """What those are whose class noun is no known word."""


def concepts_in(place: Place) -> list[Concept]:
    """The concepts of a `database.json`, or of a dataset or a concept's folder."""
    path = place.path
    database = path / DATABASE
    if not is_folder(path) or is_there(database):
        return read_memory(
            database if is_folder(path) else path,
            pictures=place.pictures,
            consent=place.consent,
            kind=place.kind,
        )
    if place.pictures:
        raise UserError(
            f"--pictures {place.pictures}: {path} is no memory; its pictures lie in it."
        )
    return [
        check_learnable(replace(concept, consent=place.consent, kind=concept.kind or place.kind))
        for concept in read(path).concepts.values()
    ]


def import_into(memory: Memory, place: Place) -> Sequence[Entry]:
    """Remember what lies at a place: all of it, or nothing. A concept file gives a remembered
    concept its tokens, or begins a new one.
    """
    if place.path.suffix == ".safetensors":
        return [_import_tokens(memory, place)]
    return memory.add_all(concepts_in(place), source=place.path.name)


def _import_tokens(memory: Memory, place: Place) -> Entry:
    header = concept_file.read_header(place.path)
    if header["name"] in memory.names:
        return memory.update(header["name"], tokens=place.path)
    consent = place.consent or header.get("consent", False)
    concept = Concept(
        name=header["name"], class_noun=header["class_noun"], kind=place.kind, consent=consent
    )
    return memory.add(concept, tokens=place.path, source=place.path.name)


def concept_of(memory: Memory, name: str) -> Concept:
    """A remembered concept with its pictures and with all facts that were said of it."""
    entry = memory.show(name)
    return Concept(
        name=entry.name,
        class_noun=entry.class_noun,
        kind=entry.kind,
        consent=entry.consent,
        pictures=memory.pictures(name),
        facts=tuple(one.item.text for one in entry.facts),
    )


def export(
    memory: Memory, folder: str | Path, *, names: Sequence[str] = (), form: Form = "rap"
) -> Path:
    """Write remembered concepts as a database of RAP (which RePIC reads, too) or of R2P.

    Tokens, the user's items, times and sources have no place in it: a copy of the memory's own file
    keeps those (`Memory.save`).

    Args:
        memory: Whose concepts.
        folder: A new one; it is there whole or not at all.
        names: Which of them; (): all that have pictures.
        form: Whose layout.
    """
    # RAP shows a picture of every concept: what has none has no place in its database.
    chosen = names or [entry.name for entry in memory.list() if entry.pictures]
    return write_memory([concept_of(memory, name) for name in chosen], folder, form=form)
