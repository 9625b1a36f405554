"""How fast a memory finds and remembers: who is nearest among 10,000 concepts, and one more concept
with the tiny base.

    python benchmarks/memory.py --out results/memory-speed.md
    python benchmarks/memory.py --entries 1000 --repeats 5

Seconds are medians. Features are random numbers of the length of the tiny base's own.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from unictoken.core import config
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("benchmarks/memory.py")  # in the seconds of the imports below

import numpy as np
from machine import seconds
from PIL import Image

from unictoken.api import load
from unictoken.core.disk import write_aside
from unictoken.data.concept import Concept
from unictoken.model.encoders import AskedEncoder
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.protocol import Base
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.sight import Sight
from unictoken.personalize.memory.vectors import Vectors

PROGRAM = "benchmarks/memory.py"
ROOT = Path(__file__).resolve().parents[1]
PICTURES = 5  # of one concept, where they are counted
WANTED = {"search": 0.005, "add": 0.1}  # seconds


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, _main, arguments)


def _main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    keep_freed_memory()
    base = load("tiny", device="cpu")
    width = base.width * len(AskedEncoder(base).questions)
    rows = [
        *_searching(options, width),
        *_remembering(base, options.repeats),
    ]
    lines = [
        "# Speed of a memory",
        "",
        f"    {shlex.join(['python', PROGRAM, *arguments])}",
        "",
        "| what | ms | wanted, ms |",
        "|---|---|---|",
        *(f"| {what} | {1000 * taken:.2f} | {wanted} |" for what, taken, wanted in rows),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        write_aside(Path(options.out), text.encode())


def _searching(options: argparse.Namespace, width: int) -> list[tuple[str, float, str]]:
    """Finding the nearest of so many concepts, of one feature that is at hand; and one by words."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(options.entries)]
    owners = np.repeat(np.arange(options.entries), 1)
    features = rng.normal(size=(options.entries, width)).astype(np.float32)
    vectors, query = Vectors(names, owners, features), features[7]
    # Once before it is timed: the first product sets things up.
    vectors.nearest(query, 20)
    memory = Memory()
    picture = Image.new("RGB", (16, 16))
    memory.add_all(
        [
            Concept(
                name=name, class_noun="dog", pictures=(picture,), facts=(f"<{name}> likes {name}.",)
            )
            for name in names
        ]
    )
    said = f"{options.entries:,} concepts"
    limit = f"{1000 * WANTED['search']:.0f}"
    timed: dict[str, Callable[[], object]] = {
        f"the nearest 20 of {said}, {width} numbers each": lambda: vectors.nearest(query, 20),
        f"20 by a word of one fact, of {said}": lambda: memory.search("c77"),
        f"20 by a word of every fact, of {said}": lambda: memory.search("who likes c77?"),
        f"whether the file changed ({said})": lambda: memory.version,
    }
    return [(what, _median(call, options.repeats), limit) for what, call in timed.items()]


def _remembering(base: Base, repeats: int) -> list[tuple[str, float, str]]:
    """One more concept in a file: its pictures, facts and the features that find it again."""
    with tempfile.TemporaryDirectory(prefix="unictoken-memory-") as folder:
        return [_adding(base, Path(folder), count, repeats) for count in (1, PICTURES)]


def _adding(base: Base, folder: Path, count: int, repeats: int) -> tuple[str, float, str]:
    """The same of so many pictures a concept."""
    pictures = tuple(sorted((ROOT / "data" / "bo").glob("[0-9].png")))[:count]
    number = iter(range(10**9))
    with Memory.open(folder / f"{count}.memory") as memory:
        sight = Sight(base, memory)

        def add() -> None:
            name = f"c{next(number)}"
            memory.add(Concept(name=name, class_noun="dog", pictures=pictures, facts=("it naps.",)))
            sight.vectors(), sight.codes()

        add()  # what is done once: the tables, the first product
        what = f"one more concept of {count} picture{'s' * (count > 1)}, encoded, on disk"
        return what, _median(add, repeats), f"{1000 * WANTED['add']:.0f}"


def _median(call: Callable[[], object], repeats: int) -> float:
    return median(seconds(call) for _ in range(repeats))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=10_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=21, metavar="N")
    parser.add_argument("--out", metavar="FILE", help="also write the table there")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.within("--entries", options.entries, 100, 1_000_000)
    config.within("--repeats", options.repeats, 1, 10_000)
    return options


if __name__ == "__main__":
    main()
