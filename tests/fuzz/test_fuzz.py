"""A small number of hostile inputs; `make fuzz N=5000 SEED=1` tries more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("fuzz.py")
NUMBER, SEED = (int(os.environ.get(f"FUZZ_{name}", n)) for name, n in (("N", 40), ("SEED", 7)))


def test_every_hostile_input_is_refused_in_one_line_or_taken_and_does_no_harm():
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--number", str(NUMBER), "--seed", str(SEED)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    whole = done.stdout.splitlines()[-1].split("|")
    assert whole[1].strip() == "all" and int(whole[2]) > NUMBER // 2 and int(whole[5]) == 0
