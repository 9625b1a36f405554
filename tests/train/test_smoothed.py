"""An objective of a user's own has settings of its own, said in a YAML file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from smoothed import Smoothed, SmoothedSettings  # registers itself

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.learn import methods
from unictoken.learn import run as runs
from unictoken.learn.method import Run
from unictoken.learn.methods import MethodFile, MethodSettings

METHOD = """
method:
  {kind}
  name: soft
  tokens: {{shared: 2}}
  stages: [{{steps: 3, batch: 2, tasks: {{recognise: 1.0}}}}]
"""
OURS = (runs.METHODS, methods.KINDS, methods.OBJECTIVES)
for registry in OURS:  # each test says whether it is known
    del registry["smoothed"]


@pytest.fixture
def registered(monkeypatch):
    for registry, thing in zip(OURS, (runs.OptimizeRows, SmoothedSettings, Smoothed), strict=True):
        monkeypatch.setitem(registry, "smoothed", thing)


def method_in(folder: Path, kind: str) -> MethodSettings:
    (folder / "soft.yaml").write_text(METHOD.format(kind=kind), encoding="utf-8")
    return config.load(MethodFile, folder / "soft.yaml").method


def losses_of(base, concept, method) -> list[float]:
    seen = []
    run = Run(show=lambda progress: seen.append(progress.loss))
    runs.method_of(method).fit(base, [concept], run=run)
    return seen


def test_the_setting_of_a_file_reaches_the_loss_and_the_digest(registered, base, toy, tmp_path):
    usual = method_in(tmp_path, "kind: optimize")
    sharp = method_in(tmp_path, "kind: smoothed\n  smoothing: 0")
    soft = method_in(tmp_path, "kind: smoothed\n  smoothing: 0.5")
    assert isinstance(soft, SmoothedSettings) and soft.objective == "smoothed"
    found = [losses_of(base, toy, method) for method in (usual, sharp, soft)]
    assert found[1] == pytest.approx(found[0]) and found[2] != pytest.approx(found[0])
    assert [method.decisive()["smoothing"] for method in (sharp, soft)] == [0.0, 0.5]


def test_a_setting_that_cannot_be_or_of_another_kind_is_refused(registered, tmp_path):
    with pytest.raises(ConfigError, match="smoothing: found 2.0, expected 0 to 1"):
        method_in(tmp_path, "kind: smoothed\n  smoothing: 2")
    with pytest.raises(ConfigError, match="unknown key 'smoothing'"):
        method_in(tmp_path, "kind: optimize\n  smoothing: 0.5")


@pytest.mark.slow
def test_train_run_learns_with_it(base_folder, toy_folder, tmp_path):
    """A kind, an objective and a setting that only the user's own file knows."""
    run = f"concept: {{name: tom, pictures: {toy_folder}}}\nbase: {base_folder}\njudge: null\nout: run\n"
    method = METHOD.format(kind="kind: smoothed\n  smoothing: 0.3")
    (tmp_path / "mine.yaml").write_text(f"{run}concepts: concepts\n{method}", encoding="utf-8")
    root = Path(__file__).parents[2]
    more = {"PYTHONPATH": str(root), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    program = [sys.executable, str(root / "train" / "run.py"), "--config", "mine.yaml"]
    for own, status, said in (
        ([], 2, "method: kind: found 'smoothed', expected one of optimize"),
        (["--import", str(Path(__file__).with_name("smoothed.py"))], 0, "smoothing: 0.3"),
    ):
        ended = subprocess.run(
            [*program, *own],
            cwd=tmp_path,
            env=os.environ | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=240,
        )
        assert ended.returncode == status and said in ended.stdout, ended.stdout
    assert (tmp_path / "concepts" / "tom.safetensors").is_file()
