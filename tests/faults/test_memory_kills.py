"""A small schedule of `memory_kills.py`; FAULTS_N=20 runs more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("memory_kills.py")
KILLS = int(os.environ.get("FAULTS_N", 4))


@pytest.mark.slow
def test_a_memory_whose_writer_was_killed_is_whole():
    asked = ["--kills", str(KILLS), "--writes", "1000", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{KILLS} of {KILLS} files whole" in done.stdout
