"""eval/run.py with the toy benchmark made small: one picture of each kind, one drawing. Used by
test_benchmark.py in its own process, and started by it in several.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path

from unictoken.toy import concepts, dataset

SMALL = (
    (concepts, "TEST_PICTURES", 1),
    (concepts, "DRAWINGS", 1),
    (concepts, "TRAINING_NEGATIVES", 2),
    (dataset, "RANDOM_IMAGES", 3),
)


def die_in_the_middle(rank: str) -> None:
    """The process of this rank is killed after the first predictions that it kept."""
    from unictoken.measure.predictions import Predictions

    add = Predictions.add

    def add_and_die(kept: Predictions, made: list) -> None:
        add(kept, made)
        if os.environ.get("RANK") == rank:
            os.kill(os.getpid(), signal.SIGKILL)

    Predictions.add = add_and_die


if __name__ == "__main__":
    for module, name, value in SMALL:
        setattr(module, name, value)
    if rank := os.environ.get("DIES"):
        die_in_the_middle(rank)
    program = Path(__file__).parents[2] / "eval" / "run.py"
    sys.argv[0] = str(program)
    runpy.run_path(str(program), run_name="__main__")
