"""A disk that is full ends a run in one line, and the run goes on when there is room again."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import subprocess

import pytest

from unictoken.core.program import run_program
from unictoken.learn.folder import held
from unictoken.learn.methods import Distractors
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.measure import report

SEED = int(os.environ.get("FAULTS_SEED", 7))


@pytest.fixture
def settings(toy_folder, short_method, tmp_path) -> RunConfig:
    return RunConfig(
        concept=ConceptConfig(name="tom", pictures=(str(toy_folder),)),
        method=short_method,
        out=str(tmp_path / "disk" / "run"),
        concepts=str(tmp_path / "disk" / "concepts"),
        prompts=(),
        questions=(),
        judge=None,
        distractors=Distractors(world=6),
        save_every=2,
    )


def learn(base, settings: RunConfig) -> None:
    source = concept_of(settings)
    with held(settings, source):
        report.learn_and_report(base, settings, source)


def files_of(settings: RunConfig) -> dict[str, bytes]:
    """What a run leaves, but for the times in its log."""
    found = {}
    for file in sorted(settings.folder.parent.rglob("*")):
        name = file.relative_to(settings.folder.parent).as_posix()
        if file.is_file() and "tensorboard" not in name and not name.endswith("config.yaml"):
            found[name] = file.read_bytes()
    lines = [json.loads(line) for line in found.pop("run/log.jsonl").splitlines()]
    return found | {"log": [(line["step"], line["loss"]) for line in lines]}


@pytest.fixture
def expected(base, settings, tmp_path) -> dict[str, bytes]:
    """The files of a run that always had room."""
    places = {name: str(tmp_path / "roomy" / name) for name in ("run", "concepts")}
    roomy = dataclasses.replace(settings, out=places["run"], concepts=places["concepts"])
    learn(base, roomy)
    return files_of(roomy)


def refused(base, settings: RunConfig, capsys) -> str:
    """The one line in which a run ends that has no room."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_program("unictoken learn", lambda _: learn(base, settings), [])
    lines = [line for line in capsys.readouterr().err.splitlines() if "unictoken learn: " in line]
    assert ended.value.code == 2 and len(lines) == 1
    return lines[0]


@pytest.mark.slow
def test_a_write_that_finds_no_room_ends_the_run_in_one_line_and_costs_nothing(
    base, settings, expected, monkeypatch, capsys
):
    write, left, done = os.write, [10**9], []

    def full(descriptor: int, data: bytes) -> int:
        done.append(1)
        left[0] -= 1
        if not left[0]:
            write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    learn(base, dataclasses.replace(settings, out=f"{settings.out}-counted"))
    writes = random.Random(SEED).sample(range(1, len(done) + 1), 3)
    for number in writes:
        left[0] = number
        line = refused(base, settings, capsys)
        assert "disk" in line and "No space left on device" in line and ".aside" not in line
    left[0] = 10**9
    learn(base, settings)
    (settings.folder.parent / "run-counted").rename(settings.folder.parents[1] / "away")
    assert files_of(settings) == expected


@pytest.mark.slow
def test_a_small_disk_that_is_really_full_is_said_in_one_line(base, settings, expected, capsys):
    disk = settings.folder.parent
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "none", str(disk)], capture_output=True
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        line = refused(base, settings, capsys)
        assert "No space left on device" in line and str(disk) in line
        subprocess.run(["mount", "-o", "remount,size=48m", str(disk)], check=True)
        learn(base, settings)
        assert files_of(settings) == expected
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
