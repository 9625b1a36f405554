"""A kind of method that did not exist before: named in a config, run by train/run.py, reported and
kept as any other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from one_pass import OnePass, OnePassSettings  # registers itself

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.learn import methods
from unictoken.learn import run as runs
from unictoken.learn.methods import Method, MethodFile
from unictoken.learn.settings import RunConfig
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig
from unictoken.measure.report import learn_and_report
from unictoken.model.base import load_base
from unictoken.tokens import file as concept_file

CONFIG = """
concept: {{name: tom, pictures: {pictures}}}
base: {base}
method: {{kind: one_pass, name: quick, tokens: {{shared: 3}}, scale: 2}}
prompts: ["<{{name}}> wearing a hat"]
questions: ["what is <{{name}}>?"]
judge: null
out: run
concepts: concepts
"""
MINE = "method: {kind: one_pass, name: quick, tokens: {shared: 3}}"

for registry in (runs.METHODS, methods.KINDS):  # each test says whether it is known
    del registry["one_pass"]


@pytest.fixture
def registered(monkeypatch):
    for registry in (runs.METHODS, methods.KINDS):
        monkeypatch.setitem(registry, "one_pass", None)
        del registry["one_pass"]
    runs.register("one_pass", OnePass, OnePassSettings)


@pytest.fixture
def folder(base_folder, toy_folder, tmp_path) -> Path:
    config = CONFIG.format(pictures=toy_folder, base=base_folder)
    (tmp_path / "mine.yaml").write_text(config, encoding="utf-8")
    return tmp_path


def settings_of(folder: Path, monkeypatch, *more: str) -> RunConfig:
    monkeypatch.chdir(folder)
    return config.load(RunConfig, "mine.yaml", more)


def test_a_config_names_the_kind_and_has_its_settings_and_no_others(
    registered, folder, monkeypatch
):
    settings = settings_of(folder, monkeypatch, "method.scale=3", "method.tokens.shared=4")
    made = settings.method
    assert isinstance(made, OnePassSettings) and (made.scale, made.total_steps) == (3.0, 0)
    assert config.build(RunConfig, config.plain(settings), "again") == settings
    with pytest.raises(ConfigError, match="unknown key 'stages'"):
        settings_of(folder, monkeypatch, "method.stages=[]")
    with pytest.raises(ConfigError, match="scale: found 0"):
        settings_of(folder, monkeypatch, "method.scale=0")


def test_a_kind_that_nobody_registered_is_refused(folder, monkeypatch):
    with pytest.raises(ConfigError, match="kind: found 'one_pass', expected one of optimize"):
        settings_of(folder, monkeypatch)


def test_places_are_read_beside_the_file_that_says_them_also_where_another_one_says_the_kind(
    registered, tmp_path, monkeypatch
):
    above, below = tmp_path / "above", tmp_path / "below"
    for folder, text in (
        (above, MINE),
        (below, "extends: ../above/mine.yaml\nmethod: {weights: w.bin}"),
    ):
        folder.mkdir()
        (folder / "mine.yaml").write_text(text, encoding="utf-8")
    (below / "w.bin").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    assert config.load(MethodFile, "below/mine.yaml").method.weights == "below/w.bin"


def test_the_digest_is_of_what_a_file_holds_and_not_of_its_path(registered, tmp_path):
    said = []
    for name, held in (("a", b"1"), ("b", b"1"), ("b", b"2")):
        (tmp_path / name).write_bytes(held)
        said.append(OnePassSettings(kind="one_pass", weights=str(tmp_path / name)).decisive())
    assert said[0] == said[1] != said[2] and said[0]["scale"] == 1.0
    assert OnePassSettings(kind="one_pass").decisive()["weights"] is None


@pytest.mark.slow
def test_its_report_and_its_concept_file_are_ordinary(registered, base, folder, monkeypatch):
    settings = settings_of(folder, monkeypatch)
    concept = runs.concept_of(settings)
    printed = learn_and_report(base, settings, concept)
    assert "what is <tom>?" in printed and "| quick |" in printed
    files = {
        "report.md",
        "answers.json",
        "references.png",
        "drawn-0.png",
        "grid.png",
        "config.yaml",
    }
    assert files <= {file.name for file in settings.folder.iterdir()}
    kept = concept_file.load(folder / "concepts" / "tom.safetensors", base)
    assert kept.counts["shared"] == 3 and {"positive", "negatives", "psnr"} == set(kept.scores)
    pictures_NK = base.encode(concept.read().pictures)
    first = base.embed(pictures_NK.flatten()).chunk(4)[0].mean(0)
    assert torch.allclose(kept.rows_in[0], 2 * first)
    runs.run(base, settings, concept=concept)  # again: nothing is in its way


def test_a_benchmark_learns_it_beside_another_method(
    registered, base, small_world, short_method, tmp_path
):
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    quick = config.load(MethodFile, tmp_path / "mine.yaml").method
    settings = BenchmarkConfig(
        controls=("none",),
        judge=None,
        num_concepts=1,
        tasks=("recognise", "unchanged"),
        work=str(tmp_path / "work"),
        out=str(tmp_path / "table.json"),
    )
    benchmark = Benchmark(settings, base, {"joint": short_method, "quick": quick})
    benchmark.learn()
    benchmark.measure()
    rows = {row["method"]: row for row in benchmark.rows()}
    assert list(rows) == ["joint", "quick", "none"] and rows["quick"]["unchanged"] == 1.0


def test_what_a_run_cannot_keep_is_said(registered, base, folder, monkeypatch):
    settings = settings_of(folder, monkeypatch)
    monkeypatch.setattr(OnePass, "fit", lambda self, base, concepts, *, run: object())
    with pytest.raises(ConfigError, match="method 'quick': gives a object, and a run keeps"):
        runs.run(base, settings)


def test_a_usual_method_has_the_settings_of_its_kind():
    assert type(config.build(MethodFile, {"method": {}}, "file").method) is Method


@pytest.mark.slow
def test_train_run_runs_it(folder, base_folder):
    own = {"PYTHONPATH": str(Path(__file__).parents[2]), "DS_ACCELERATOR": "cpu"}
    program = str(Path(__file__).parents[2] / "train" / "run.py")
    file = str(Path(__file__).with_name("one_pass.py"))
    command = [sys.executable, program, "--import", file, "--config", "mine.yaml"]
    ended = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | own | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=240,
    )
    assert ended.returncode == 0, ended.stdout
    assert "kind: one_pass" in ended.stdout and "| quick |" in ended.stdout
    kept = folder / "concepts" / "tom.safetensors"
    assert concept_file.load(kept, load_base(base_folder, device="cpu")).method == "quick"
