"""memory: RAP's, RePIC's and R2P's concepts in words, shown and written."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from unictoken.cli.command import Commands, add_kind, command
from unictoken.core.disk import real_path
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line, say
from unictoken.data.concept import Concept
from unictoken.data.rap import read_memory, write_memory
from unictoken.data.readers import read
from unictoken.data.source import check_learnable


def memory(options: argparse.Namespace) -> None:
    concepts = _concepts(Path(options.place), options)
    if options.out:
        if real_path(options.out).is_relative_to(real_path(options.place)):
            raise UserError(
                f"--out {options.out}: lies in {options.place}, which is read. Choose another"
                " folder."
            )
        say(write_memory(concepts, options.out, form=options.form))
        return
    # A concept is one line, whatever line breaks its facts hold.
    for concept in concepts:
        said = "; ".join(concept.facts) or "nothing is said"
        line = f"{concept.marker} {concept.class_noun}, {len(concept.pictures)} pictures: {said}"
        say(one_line(line))


def _concepts(place: Path, options: argparse.Namespace) -> list[Concept]:
    """The concepts of a `database.json`, or of a dataset or a concept's folder."""
    database = place / "database.json"
    if not place.is_dir() or database.exists():
        return read_memory(
            database if place.is_dir() else place,
            pictures=options.pictures,
            consent=options.consent,
            kind=options.kind,
        )
    if options.pictures:
        raise UserError(
            f"--pictures {options.pictures}: {place} is no memory; its pictures lie in it."
        )
    return [
        check_learnable(
            replace(concept, consent=options.consent, kind=concept.kind or options.kind)
        )
        for concept in read(place).concepts.values()
    ]


def add(commands: Commands) -> None:
    made = command(
        commands,
        "memory",
        memory,
        "a memory of RAP, RePIC or R2P: its concepts, one a line; with --out, write one",
    )
    made.add_argument(
        "place",
        metavar="PLACE",
        help="a database.json, its folder, or a folder of concepts such as data/bo",
    )
    made.add_argument(
        "--pictures",
        metavar="DIR",
        help="the folder that a database.json's pictures lie in, if not its own",
    )
    made.add_argument("--consent", action="store_true", help="the people among them agreed")
    add_kind(made)
    made.add_argument("--out", metavar="DIR", help="a new folder to write the memory into")
    made.add_argument(
        "--form", choices=("rap", "r2p"), default="rap", help="whose layout is written"
    )
