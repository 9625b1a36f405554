"""benchmarks/memory.py runs; how fast anything is, no test says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_small_memory_is_timed(tmp_path):
    out = tmp_path / "speed.md"
    asked = ["--entries", "100", "--repeats", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "benchmarks/memory.py", *asked],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert "the nearest 20 of 100 concepts" in text and "one more concept of 5 pictures" in text
