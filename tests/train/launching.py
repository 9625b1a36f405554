"""Launches of train/run.py on the tiny base. Each takes seconds: tests share them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IN_TWO = ("-m", "deepspeed.launcher.runner", "--num_accelerators", "2")
BY_TORCH = ("-m", "torch.distributed.launch", "--nproc_per_node", "2", "--standalone")
STEPS = 30
LIMIT = 120  # seconds that one launch may take
CONFIG = """
concept: {{name: tom, pictures: {pictures}}}
base: {base}
method:
  tokens: {{shared: 4}}
  stages: [{{name: first, steps: {half}, batch: 4}}, {{name: second, steps: {half}, batch: 4, trainable: [shared]}}]
prompts: ["<{{name}}> wearing a hat"]
questions: ["what is <{{name}}>?"]
distractors: {{world: 10}}
judge: null
save_every: 10
"""


class Launches:
    """Runs of one config in one folder, each with a run folder of its own."""

    def __init__(self, folder: Path, config: str):
        self.folder, self.compiled = folder, folder / "compiled"
        (folder / "toy.yaml").write_text(config, encoding="utf-8")
        own = {
            "PYTHONPATH": str(ROOT),
            "DS_ACCELERATOR": "cpu",
            "OMP_NUM_THREADS": "1",
            "TORCH_EXTENSIONS_DIR": str(self.compiled),
        }
        self.environment = {**os.environ, **own}

    def start(
        self,
        name: str,
        *launcher: str,
        more: tuple[str, ...] = (),
        program: tuple[str, ...] = (str(ROOT / "train" / "run.py"),),
        **environment: str,
    ) -> subprocess.Popen:
        """Start the program with a run folder and a folder of concepts of this name.

        Args:
            name: Of the two folders.
            launcher: The launcher's words before the program.
            more: Settings of the config beside its own.
            program: What Python starts; usually train/run.py.
            environment: Variables beside this process's.
        """
        settings = [f"out={self.folder / name}", f"concepts={self.folder / name}", *more]
        command = [sys.executable, *launcher, *program, "--config", "toy.yaml"]
        command += [word for setting in settings for word in ("--set", setting)]
        return self.call(command, **environment)

    def call(self, command: list[str], **more: str) -> subprocess.Popen:
        """Start a command with `more` in its environment."""
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment | more, **out)

    def finish(self, running: subprocess.Popen, status: int = 0) -> str:
        """What it printed; a launch that fails, or takes too long, shows it all."""
        try:
            printed, _ = running.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            running.kill()
            printed, _ = running.communicate()
        assert running.returncode == status, printed
        return printed

    def log(self, name: str) -> list[dict]:
        return [
            json.loads(line)
            for line in (self.folder / name / "log.jsonl").read_text(encoding="utf-8").splitlines()
        ]

    def losses(self, name: str) -> list[float]:
        assert [line["step"] for line in self.log(name)] == list(range(1, STEPS + 1))
        return [line["loss"] for line in self.log(name)]

    def concept(self, name: str) -> Path:
        return self.folder / name / "tom.safetensors"


def wait_for_steps(launches: Launches, name: str, running: subprocess.Popen) -> None:
    """Until a few steps are logged."""
    log = launches.folder / name / "log.jsonl"
    until = time.monotonic() + LIMIT
    while not log.is_file() or len(log.read_text(encoding="utf-8").splitlines()) < 3:
        if time.monotonic() > until or running.poll() is not None:
            running.kill()
            pytest.fail(running.communicate()[0])
        time.sleep(0.01)


def said_by_us(printed: str) -> list[str]:
    """What the program says, without its launcher's words."""
    return [line for line in printed.splitlines() if line.startswith("train/run.py: ")]
