"""A small number of the requests of `served_requests.py`; 2,000 of them:

python tests/faults/served_requests.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXTRA = "comes with the extra [test], and is not here"
pytest.importorskip("fastapi", reason=f"fastapi {EXTRA}")
PROGRAM = Path(__file__).with_name("served_requests.py")


@pytest.mark.slow
def test_a_server_gives_the_answers_of_the_api_and_refuses_what_is_malformed():
    asked = ["--requests", "60", "--settled", "50", "--at-once", "8", "--seed", "2", "--most", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "malformed 6" in done.stdout
    assert "0 of 60 wrong; alive at the end" in done.stdout
