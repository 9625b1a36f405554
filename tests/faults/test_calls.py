"""A small number of the calls of `calls.py`; 10,000 of them: python tests/faults/calls.py"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("calls.py")
CALLS, SETTLED = (int(os.environ.get(f"CALLS_{n}", v)) for n, v in (("N", 160), ("SETTLED", 60)))


@pytest.mark.slow
def test_memory_stays_flat_and_threads_that_share_a_session_get_the_answers_of_one():
    asked = ["--calls", str(CALLS), "--settled", str(SETTLED), "--threads", "8", "--seed", "7"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"8 threads on one session: 0 of {CALLS} differ" in done.stdout
