"""eval/sharpen.py: a memory's encoder with and without its projection."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from unictoken.toy import concepts

PROGRAM = Path(__file__).parents[2] / "eval" / "sharpen.py"


@pytest.fixture
def program(monkeypatch, base):
    spec = importlib.util.spec_from_file_location("sharpen_program", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "load_base", lambda place: base)
    monkeypatch.setattr(concepts, "TEST_PICTURES", 2)
    return module


@pytest.mark.slow
def test_every_encoder_is_measured_as_it_is_and_sharpened(program, tmp_path, capsys):
    out = tmp_path / "it.md"
    program.main(["--concepts", "1", "--drawn", "2", "--out", str(out)])
    assert capsys.readouterr().out == f"{out}\n"
    rows = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert [row["way"] for row in rows] == ["asked", "asked, sharpened", "base", "base, sharpened"]
    for row in rows:
        assert all(0 <= row[grade] <= 1 for grade in ("near_duplicate", "hard", "easy"))


def test_no_concept_is_refused_in_one_line(program):
    with pytest.raises(SystemExit, match="--concepts: found 0"):
        program.main(["--concepts", "0"])
