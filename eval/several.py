"""Two concepts on one base: do they answer, recognise and draw together what each does alone?

    python eval/several.py --config configs/eval/toy.yaml --pairs 10

The concepts are those of the benchmark, learned one by one, each from its own pictures; what the
benchmark has learned already is used. Beside them the same two described in words; with
`--cross-negatives` also learned again, each with the other's pictures among its hard negatives
(MC-LLaVA; `unictoken learn A B --each --cross-negatives`). A table in `--out`, and the same as JSON
beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/several.py")  # in the seconds of the imports below

from tqdm import tqdm

from unictoken.core.disk import is_there
from unictoken.core.errors import UserError
from unictoken.core.own import add_import, import_files
from unictoken.data.concept import Concept
from unictoken.learn.methods import MethodSettings
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, method_named
from unictoken.measure.results import check_page, commit, write_means
from unictoken.model.base import load_base
from unictoken.model.malloc import keep_freed_memory
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.query import Personalization
from unictoken.personalize.tokens import learned, with_tokens
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import truth_of
from unictoken.toy.judge import load_judge
from unictoken.toy.pair_scores import score_pair
from unictoken.toy.together import pairs_of, read_together, write_together
from unictoken.toy.world.descriptions import describe

PROGRAM = "eval/several.py"
PutOn = Callable[[Concept, Concept], Personalization]
"""Puts a concept on the base, the first; the other one of its pair is the second."""


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/eval/toy.yaml")
    parser.add_argument("--method", default="joint", help="one of the config's methods")
    parser.add_argument("--pairs", type=int, default=10, metavar="N")
    parser.add_argument(
        "--cross-negatives",
        action="store_true",
        help="also learn each of a pair with the other's pictures among its hard negatives",
    )
    parser.add_argument("--out", default="results/several.md", metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    import_files(options.own_files)
    settings = config.load(BenchmarkConfig, options.config, options.set)
    method = method_named(options.method, settings.methods)
    if settings.data or not settings.judge:
        raise UserError(f"{options.config}: needs `data: null` and a `judge:`. Change it.")
    out = check_page(options.out)
    keep_freed_memory()
    base = load_base(settings.base, kind=PersonalBase)
    benchmark = Benchmark(settings, base, {options.method: method}, commit=commit())
    if not 1 <= options.pairs <= len(benchmark.concepts) or len(benchmark.concepts) < 2:
        raise UserError(
            f"--pairs: found {options.pairs}, expected 1 to {len(benchmark.concepts)}, and two"
            " concepts or more. Change it, or `num_concepts`."
        )
    root = benchmark.folder / "pairs"
    with benchmark.held():
        benchmark.learn()
        write_together(benchmark.concepts, root, seed=settings.seed, pairs=options.pairs)
    ways: dict[str, PutOn] = {
        options.method: lambda own, other: with_tokens(base, benchmark.tokens(own, method)),
        "text_prompt": lambda own, other: in_words(base, own.name, _told(own)),
    }
    crossed = ""
    if options.cross_negatives:
        ways[f"{options.method}, cross negatives"] = partial(_beside, benchmark, method)
        crossed = "; *cross negatives*: again, with the other's pictures among its hard negatives"
    rows = _scores(base, benchmark, ways, root, options.pairs)
    about = (
        f"{len(rows) // len(ways)} pairs of toy concepts, each learned by itself (seed"
        f" {settings.seed}){crossed}; commit {commit()}. ±: half-width of the 95 % t interval over"
        " pairs."
    )
    write_means(
        out,
        "Two concepts on one base",
        about,
        rows,
        way="method",
        command=shlex.join(["python", PROGRAM, *arguments]),
    )
    say(str(out))


def _beside(
    benchmark: Benchmark, method: MethodSettings, own: Concept, other: Concept
) -> Personalization:
    """A concept that was learned with the other's pictures among its hard negatives; kept in a file.

    Args:
        benchmark: Says how concepts are learned, and where files are.
        method: What learns it.
        own: The concept.
        other: The other one of its pair.
    """
    hard = (*own.negatives.get("hard", ()), *other.pictures)
    beside = replace(own, negatives={**own.negatives, "hard": hard})
    file = benchmark.file(own, method, beside=other.name)
    if not is_there(file):
        benchmark.fit(beside, method).save(file)
    return learned(benchmark.base, file)


def _told(concept: Concept) -> str:
    return f"{{name}} is {describe(truth_of(concept).subject)}."


def _scores(
    base: PersonalBase,
    benchmark: Benchmark,
    ways: Mapping[str, PutOn],
    root: Path,
    pairs: int,
) -> list[dict]:
    """One row of numbers for each pair and way.

    Args:
        base: With nothing on it.
        benchmark: Has the concepts.
        ways: By name, what puts a concept on the base.
        root: Of the pairs' tests.
        pairs: How many.
    """
    judge = load_judge(benchmark.settings.judge)
    tests = {frozenset(test.names): test for test in read_together(root)}
    rows = []
    for pair in tqdm(pairs_of(benchmark.concepts, pairs), desc="pairs"):
        concepts = {concept.name: concept for concept in pair}
        for way, put_on in ways.items():
            put = {own.name: put_on(own, other) for own, other in (pair, pair[::-1])}
            numbers = score_pair(
                base.with_concepts(*put.values()),
                {name: base.with_concepts(one) for name, one in put.items()},
                tests[frozenset(concepts)],
                concepts,
                judge,
                seed=benchmark.settings.seed,
            )
            rows.append({"pair": "+".join(concepts), "method": way, **numbers})
    return rows


if __name__ == "__main__":
    main()
