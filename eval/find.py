"""Search by a concept's name: "<tom> on the beach" in an album of 168 pictures, where two are right.

    python eval/find.py --config configs/eval/unifybench-toy.yaml

The concepts are those of the benchmark; what it has learned already is used. Beside their tokens:
the same concept as one picture, in words, as its class noun, and orders by lot. A table in `--out`,
and the same as JSON beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/find.py")  # in the seconds of the imports below

from tqdm import tqdm

from unictoken.core.errors import UserError
from unictoken.core.own import add_import, import_files
from unictoken.core.text import a
from unictoken.data.concept import Concept
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, method_named
from unictoken.measure.results import commit, write_means
from unictoken.model.base import load_base
from unictoken.model.malloc import keep_freed_memory
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.pictures import pictured
from unictoken.personalize.query import Personalization
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import truth_of
from unictoken.toy.search import album_of, score_chance, score_search
from unictoken.toy.world.descriptions import describe

PROGRAM = "eval/find.py"
CHANCE = "by lot"


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/eval/toy.yaml")
    parser.add_argument("--method", default="joint", help="one of the config's methods")
    parser.add_argument("--concepts", type=int, metavar="N", help="the first N; all by default")
    parser.add_argument("--out", default="results/find.md", metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    import_files(options.own_files)
    settings = config.load(BenchmarkConfig, options.config, options.set)
    method = method_named(options.method, settings.methods)
    if settings.data:
        raise UserError(f"{options.config}: needs `data: null`, the toy world. Change it.")
    keep_freed_memory()
    base = load_base(settings.base, kind=PersonalBase)
    benchmark = Benchmark(settings, base, {options.method: method}, commit=commit())
    most = len(benchmark.concepts)
    config.within("--concepts", most if options.concepts is None else options.concepts, 1, most)
    with benchmark.held():
        benchmark.learn()
    ways: dict[str, Callable[[Concept], Personalization]] = {
        options.method: lambda c: with_tokens(base, benchmark.tokens(c, method)),
        "image_prompt_1": lambda c: pictured(base, c.name, list(c.pictures[:1])),
        "text_prompt": lambda c: in_words(base, c.name, f"{{name}} is {_told(c)}."),
        "class_noun": lambda c: in_words(base, c.name, f"{{name}} is {a(c.class_noun)}."),
    }
    rows = []
    concepts = benchmark.concepts[: options.concepts]
    for concept in tqdm(concepts, desc="albums"):
        album = album_of(concept, settings.seed)
        for name, put_on in ways.items():
            numbers = score_search(base, put_on(concept), concept.name, album)
            rows.append({"concept": concept.name, "way": name, **numbers})
        chance = score_chance(album, settings.seed)
        rows.append({"concept": concept.name, "way": CHANCE, **chance})
    about = (
        f"    {shlex.join(['python', PROGRAM, *arguments])}",
        f'"<tom> on the beach", and every other place, in an album of {len(album)} pictures:'
        f" {len(concepts)} toy concepts (seed {settings.seed}), in each place two pictures of"
        " the concept, three near-duplicates, three that differ in one attribute, twenty others."
        " Right are the two of the concept in that place. *first is it*, *first is there*: whether"
        f" the first picture shows the concept, and the place; commit {commit()}. ±: half-width of"
        " the 95 % t interval over concepts.",
    )
    write_means(Path(options.out), "Search by a concept's name", about, rows, way="way")
    say(options.out)


def _told(concept: Concept) -> str:
    return describe(truth_of(concept).subject)


if __name__ == "__main__":
    main()
