"""Profiles in words: how well a base uses what is known of a user, beside its controls.

    python eval/profiles.py --config configs/eval/profiles-toy.yaml
    python eval/profiles.py --config configs/eval/profiles-toy.yaml --set data=LaMP_3 \\
        --set base=FOLDER --set users=200

Questions with the items that BM25, features or time choose, and with none, all, random ones, those
of another user; which items an answer is grounded in; facts read off what a user said; pictures ranked
by taste; MMPB's three scores. A table of each in `out`, and the same as JSON beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from unictoken.core import config
from unictoken.core.own import add_import, import_files
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/profiles.py")  # in the seconds of the imports below

from unictoken.measure.results import check_page, commit
from unictoken.measure.users import ProfilesConfig, write_page
from unictoken.measure.users import measure as measure_parts
from unictoken.model.base import load_base
from unictoken.model.malloc import keep_freed_memory

PROGRAM = "eval/profiles.py"


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    import_files(options.own_files)
    settings = config.load(ProfilesConfig, options.config, options.set)
    check_page(settings.out, where="out:")
    keep_freed_memory()
    base = load_base(settings.base)
    # The commit is asked once, at the start: files may change meanwhile.
    made_at = commit()
    sections = measure_parts(base, settings)
    command = shlex.join(["python", PROGRAM, *arguments])
    write_page(sections, settings, command=command, commit=made_at)
    say(settings.out)


if __name__ == "__main__":
    main()
