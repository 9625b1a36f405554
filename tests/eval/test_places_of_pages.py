"""Where the programs of `eval/` write: what could not be written is said before a base is read."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

EVAL = Path(__file__).parents[2] / "eval"


@pytest.mark.parametrize(
    "name", ["clips", "find", "memory", "pool", "profiles", "several", "sharpen"]
)
def test_a_page_in_the_place_of_a_folder_is_refused_before_a_base_is_read(
    name, tmp_path, monkeypatch
):
    spec = importlib.util.spec_from_file_location(f"{name}_program", EVAL / f"{name}.py")
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, program)  # dataclasses look their module up
    spec.loader.exec_module(program)
    monkeypatch.setattr(program, "load_base", lambda *given, **more: 1 / 0, raising=False)
    (tmp_path / "it.md").mkdir()
    given = {
        "profiles": [
            "--config",
            "configs/eval/profiles-toy.yaml",
            "--set",
            f"out={tmp_path}/it.md",
        ],
        "pool": ["a.json", "--out", f"{tmp_path}/it.md"],
    }
    monkeypatch.chdir(EVAL.parent)
    with pytest.raises(SystemExit, match="out:? .*it.md: expected a file of text"):
        program.main(given.get(name, ["--out", f"{tmp_path}/it.md"]))
