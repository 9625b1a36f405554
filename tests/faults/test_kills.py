"""A small schedule of `kills.py`; `make faults N=100` runs more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kills.py")
KILLS, PAIRS, SEED = (
    int(os.environ.get(f"FAULTS_{name}", n)) for name, n in (("N", 2), ("PAIRS", 1), ("SEED", 15))
)


@pytest.mark.slow
def test_a_run_that_was_killed_and_one_that_another_disturbed_leave_the_files_of_one_that_was_not():
    asked = ["--kills", str(KILLS), "--pairs", str(PAIRS), "--seed", str(SEED)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"killed: {KILLS} of {KILLS} with equal files" in done.stdout
    assert f"two at once: {PAIRS} of {PAIRS} with equal files" in done.stdout
