"""Several tables of eval/run.py as one: means over the concepts of all seeds, the worst concepts, and
the differences between methods.

    python eval/pool.py runs/1.json runs/2.json runs/3.json --out results/methods.md
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from unictoken.core import config
from unictoken.core.disk import write_aside
from unictoken.core.errors import UserError
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/pool.py")  # in the seconds of the imports below

from unictoken.core.registry import Registry
from unictoken.core.text import code_line
from unictoken.measure.pooled import of_methods, pool, text_of
from unictoken.measure.results import check_page

PROGRAM = "eval/pool.py"
COLUMNS = (
    *("recognition", "recognition_hard", "recognition_near_duplicates", "vqa", "text_qa", "facts"),
    *("name_recall", "name_precision", "identity", "shade", "palette", "prompt", "knowledge"),
    *("knowledge_recaption", "unchanged", "copied"),
)


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, write, arguments)


def write(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", type=Path, metavar="TABLE.json")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--title", default="Methods", metavar="TEXT")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="these alone, in this order")
    parser.add_argument("--first", metavar="METHOD", help="the one that others are compared with")
    parser.add_argument("--columns", nargs="+", default=COLUMNS, metavar="NAME")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    out = check_page(options.out)
    pooled = pool(options.tables)
    known = Registry("--methods", {row["method"]: row["method"] for row in pooled.rows})
    methods = [known.find(name) for name in options.methods or known]
    first = Registry("--first", {name: name for name in methods}).find(options.first or methods[0])
    pooled = of_methods(pooled, methods)
    measured = {column for row in pooled.rows for column in row}
    if not any(column in measured for column in options.columns):
        raise UserError(
            f"--columns: found none of {', '.join(options.columns)} in the tables. Choose of"
            f" {', '.join(sorted(measured - {'concept', 'method'}))}."
        )
    text = text_of(pooled, options.title, options.columns, first)
    made = code_line(shlex.join(["python", PROGRAM, *arguments]))
    write_aside(out, f"{text}Put together by\n\n{made}\n".encode())
    say(str(out))


if __name__ == "__main__":
    main()
