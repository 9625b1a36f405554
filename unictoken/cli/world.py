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
from unictoken.toy.world import language


def pet(options: argparse.Namespace) -> None:
    concept_file.check_free([Path(options.out)])
    concept = concepts.toy_concept(
        check_seed(options.seed, "--seed"), 0, name=concept_file.check_name(options.name)
    )
    with folder_aside(Path(options.out)) as aside:
        concepts.write_toy_folder(concept, aside)
    say(f"{options.out}: {language.describe(concepts.truth_of(concept).pet)}")


def benchmark(options: argparse.Namespace) -> None:
    write_dataset(
        Path(options.out),
        seed=check_seed(options.seed, "--seed"),
        num_concepts=options.num_concepts,
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
    many = command(
        commands, "benchmark", benchmark, "draw the toy benchmark, in UnifyBench's layout"
    )
    many.add_argument("--num-concepts", type=int, default=20)
    for made in (one, many):
        made.add_argument("--seed", type=int, required=True)
        made.add_argument("--out", required=True, metavar="DIR")
