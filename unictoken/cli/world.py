"""pet, benchmark: what the toy world gives."""

from __future__ import annotations

import argparse
from pathlib import Path

from unictoken.cli.command import Commands, command
from unictoken.core.config import check_seed
from unictoken.core.disk import folder_aside
from unictoken.core.printing import say
from unictoken.tokens import file as concept_file
from unictoken.toy import concepts
from unictoken.toy.dataset import write_dataset
from unictoken.toy.world import descriptions
from unictoken.toy.world.subjects import KINDS


def pet(options: argparse.Namespace) -> None:
    concept_file.check_free([Path(options.out)])
    concept = concepts.toy_concept(
        check_seed(options.seed, "--seed"),
        0,
        name=concept_file.check_name(options.name),
        kind=options.kind,
    )
    with folder_aside(Path(options.out)) as aside:
        concepts.write_toy_folder(concept, aside)
    say(f"{options.out}: {descriptions.describe(concepts.truth_of(concept).subject)}")


def benchmark(options: argparse.Namespace) -> None:
    write_dataset(
        Path(options.out),
        seed=check_seed(options.seed, "--seed"),
        num_concepts=options.num_concepts,
        kinds=options.kinds,
        pairs=options.pairs,
    )
    say(options.out)


def add(commands: Commands) -> None:
    one = command(
        commands,
        "pet",
        pet,
        "draw a toy pet that the tiny base never saw, as a folder to learn from",
    )
    one.add_argument("--name", required=True)
    one.add_argument("--kind", choices=KINDS, help="draw a thing or a person (usual: animal)")
    many = command(
        commands, "benchmark", benchmark, "draw the toy benchmark, in UnifyBench's layout"
    )
    many.add_argument("--num-concepts", type=int, default=20)
    many.add_argument(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=(),
        help="kinds of the concepts, in turn (usual: animal)",
    )
    many.add_argument(
        "--pairs",
        type=int,
        default=0,
        metavar="N",
        help="also draw pictures of two concepts at once, for the first N pairs of neighbours",
    )
    for made in (one, many):
        made.add_argument("--seed", type=int, required=True)
        made.add_argument("--out", required=True, metavar="DIR")
