"""benchmarks/startup.py: that it times what it says. How long things take is never tested."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def program():
    path = Path(__file__).parents[2] / "benchmarks" / "startup.py"
    spec = importlib.util.spec_from_file_location("startup", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["startup"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_one_command_is_timed_beside_a_reference(program, monkeypatch, capsys):
    monkeypatch.setattr(program, "REFERENCES", {"pass": program.REFERENCES["pass"]})
    program.main(["--runs", "1", "--only", "no-such-file"])
    head, _, *rows = capsys.readouterr().out.split("\n\n")[0].split("\n")
    assert head == "| command | min s | median s | / pass |"
    assert re.fullmatch(r"\| `python -c pass` \| [\d.]+ \| [\d.]+ \| 1\.00 \|", rows[0])
    assert rows[1].startswith("| `unictoken show nowhere.safetensors` | ") and len(rows) == 2


def test_the_ratios_are_of_the_least_times(program):
    commands = {name: program.REFERENCES[name] for name in ("pass", "numpy")}
    made = program.table(commands, {"pass": [0.5, 0.2, 0.4], "numpy": [1.0, 0.3, 0.8]})
    assert made.split("\n")[2:] == [
        "| `python -c pass` | 0.20 | 0.40 | 1.00 | 0.67 |",
        '| `python -c "import numpy"` | 0.30 | 0.80 | 1.50 | 1.00 |',
    ]


def test_a_command_that_ends_otherwise_is_not_timed(program, tmp_path):
    failing = program.Command(("-c", "import sys; sys.exit('no such thing')"))
    with pytest.raises(program.StartupError, match="status 1 .*no such thing.*, expected 0"):
        program.seconds(failing, tmp_path)


def test_a_number_of_runs_below_one_is_refused(program):
    with pytest.raises(SystemExit, match="--runs: found 0, expected 1 or more"):
        program.main(["--runs", "0"])
