"""The page's program is killed in the middle of a learning; it is started again, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

import torch
from app_parts import ended

import unictoken
from unictoken.app.runs import Runs, Wanted
from unictoken.app.turn import Turn
from unictoken.tokens import file as concept_file

STEPS, SAVED = 60, 50
METHOD = f"""
method:
  name: short
  tokens: {{shared: 2}}
  stages: [{{steps: {STEPS}, batch: 2}}]
"""
# What the program does while its page is open, without the page.
PROGRAM = """
import json, sys, threading
from pathlib import Path
import unictoken
from unictoken.app.runs import Runs, Wanted
from unictoken.app.turn import Turn

base, folder, pictures, others, method = json.loads(sys.argv[1])
runs = Runs(unictoken.load(base, device="cpu"), Path(folder) / "shelf", Path(folder) / "runs", Turn())
runs.start()
runs.begin(Wanted(
    name="rex", class_noun="dog", facts=("<rex> likes fish.",), method=method,
    pictures=tuple(map(Path, pictures)), others=tuple(map(Path, others)),
))
threading.Event().wait()
"""


@pytest.fixture
def asked(toy_folder, tmp_path):
    """What is learned, as `Wanted` takes it."""
    method = tmp_path / "short.yaml"
    method.write_text(METHOD, encoding="utf-8")
    return {
        "pictures": sorted(toy_folder.glob("*.png"))[:3],
        "others": sorted((toy_folder / "negative_example").iterdir())[::9],
        "method": str(method),
    }


def killed_after(steps: int, base_folder: Path, folder: Path, asked: dict) -> None:
    """Begin in a process of its own, and kill it once so many steps are noted."""
    said = [asked["pictures"], asked["others"]]
    given = [str(base_folder), str(folder), *([str(f) for f in s] for s in said), asked["method"]]
    running = subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(given)])
    log, until = folder / "runs" / "rex" / "log.jsonl", time.monotonic() + 600
    try:
        while not log.is_file() or len(log.read_bytes().splitlines()) < steps:
            assert running.poll() is None and time.monotonic() < until
            time.sleep(0.005)
    finally:
        running.kill()
        running.wait(20)


@pytest.mark.slow
def test_killing_the_program_loses_nothing_that_was_saved(base_folder, asked, tmp_path):
    killed_after(SAVED + 1, base_folder, tmp_path, asked)
    base = unictoken.load(base_folder, device="cpu")
    # What was dropped on the page, the checkpoint and the log are there; no half of a concept is.
    runs = Runs(base, tmp_path / "shelf", tmp_path / "runs", Turn())
    state = runs.state("rex")
    assert runs.names() == ("rex",) and state.phase == "stopped" and state.step > SAVED
    given = runs.given("rex")
    assert len(given.pictures) == 3 and given.facts == ("<rex> likes fish.",)
    assert not list((tmp_path / "shelf").glob("rex*"))

    whole = Runs(base, tmp_path / "whole", tmp_path / "whole-runs", Turn())
    pictures, others = tuple(asked["pictures"]), tuple(asked["others"])
    wanted = Wanted(
        name="rex", class_noun="dog", facts=("<rex> likes fish.",), method=asked["method"],
        pictures=pictures, others=others,
    )  # fmt: skip
    try:
        for each, go in ((runs, lambda: runs.go_on("rex")), (whole, lambda: whole.begin(wanted))):
            each.start()
            go()
            state = ended(each, "rex", 600)
            assert state.phase == "done", state.line
    finally:
        runs.close(20)
        whole.close(20)
    assert [step for step, _ in runs.state("rex").losses] == list(range(1, STEPS + 1))
    # Close and not equal: two processes with several threads each add up in other orders.
    losses = [[loss for _, loss in each.state("rex").losses] for each in (runs, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    again, once = (
        concept_file.load(tmp_path / folder / "rex.safetensors", base)
        for folder in ("shelf", "whole")
    )
    torch.testing.assert_close(again.rows_in, once.rows_in, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(again.rows_out, once.rows_out, rtol=1e-3, atol=1e-4)
