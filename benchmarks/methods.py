"""What each method costs: <bo> is learned with each, from the same five pictures.
Steps, seconds on the clock and of all cores, and the bytes that are kept.

    python benchmarks/methods.py --out results/methods-cost.md
    python benchmarks/methods.py --methods joint plvm

A learning is timed whole: pictures of others are drawn and encoded, the base is asked what it sees,
and the file is written.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unictoken.core import config, shipped
from unictoken.core.disk import write_aside
from unictoken.core.program import interruptible, run_program
from unictoken.core.progress import bars

if __name__ == "__main__":
    interruptible("benchmarks/methods.py")  # in the seconds of the imports below

from machine import seconds

from unictoken.api import load
from unictoken.data.concept import Concept
from unictoken.learn.method import Run
from unictoken.learn.methods import MethodFile
from unictoken.learn.run import method_of
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.protocol import Base

PROGRAM = "benchmarks/methods.py"
BO = Path(__file__).resolve().parents[1] / "configs" / "bo.yaml"
METHODS = (
    *(
        "joint",
        "knowing",
        "unictokens",
        "yochameleon",
        "yollava",
        "myvlm",
        "lora",
        "plvm",
        "palavra",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one concept."""

    steps: int
    on_the_clock: float
    """Seconds."""
    of_all_cores: float
    """Seconds: what a busy machine hardly changes."""
    kept: int
    """Bytes of the concept file, or of the folder that stands in its place."""


def cost_of(base: Base, concept: Concept, name: str, changes: Sequence[str] = ()) -> Cost:
    """What one method takes and keeps.

    Args:
        base: Frozen.
        concept: To learn.
        name: A method that ships.
        changes: KEY=VALUE, as for `--set`.
    """
    method = config.load(MethodFile, shipped.find_method(name), changes).method
    with tempfile.TemporaryDirectory(prefix="unictoken-methods-") as folder:
        place, began = Path(folder, "concept.safetensors"), time.process_time()

        def learn() -> None:
            method_of(method).fit(base, [concept], run=Run(seed=1)).save(place)

        on_the_clock = seconds(learn)
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        return Cost(
            steps=method.total_steps,
            on_the_clock=on_the_clock,
            of_all_cores=time.process_time() - began,
            kept=sum(file.stat().st_size for file in files),
        )


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, _main, arguments)


def _main(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of every method"
    )
    parser.add_argument("--out", metavar="FILE", help="also write the table there")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    for name in options.methods:  # refused before any is learned
        config.load(MethodFile, shipped.find_method(name), options.set)
    keep_freed_memory()
    base, concept = load("tiny", device="cpu"), concept_of(config.load(RunConfig, BO))
    lines = [
        "# What each method costs",
        "",
        f"    {shlex.join(['python', PROGRAM, *arguments])}",
        "",
        "`<bo>`, five pictures, on a CPU. *clock*, *cores*: seconds on the clock, and of"
        " all cores together.",
        "",
        "| method | steps | clock, s | cores, s | kept, kB |",
        "|---|---|---|---|---|",
    ]
    with bars(shown=False):
        # Once before it is timed: the first learning sets things up.
        cost_of(base, concept, "plvm")
        for name in options.methods:
            cost = cost_of(base, concept, name, options.set)
            lines.append(
                f"| {name} | {cost.steps} | {cost.on_the_clock:.1f} | {cost.of_all_cores:.1f} |"
                f" {cost.kept / 1000:.0f} |"
            )
            print(lines[-1], flush=True)
    if options.out:
        write_aside(Path(options.out), ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
