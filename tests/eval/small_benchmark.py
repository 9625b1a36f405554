"""eval/run.py with the toy benchmark made small: one picture of each kind, one drawing. Used by
test_benchmark.py and test_several_program.py in their own process, and started by the former in
several.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from unictoken.toy import concepts, dataset
from unictoken.toy.judge import Judge

SMALL = (
    (concepts, "TEST_PICTURES", 1),
    (concepts, "DRAWINGS", 1),
    (concepts, "TRAINING_NEGATIVES", 2),
    (dataset, "RANDOM_IMAGES", 3),
)


METHOD = "method:\n  tokens: {shared: 2}\n  stages: [{steps: 1, batch: 2}]\n"


def write_config(folder: Path, base: Path, **more: object) -> Path:
    """The config of a benchmark of two concepts, with a method of one step and a judge of random
    weights beside it.

    Args:
        folder: Where they are written.
        base: The folder of the base.
        **more: What else the config says.
    """
    torch.manual_seed(0)
    save_file(Judge().state_dict(), folder / "judge.safetensors")
    (folder / "method.yaml").write_text(METHOD, encoding="utf-8")
    lines = {
        "base": base,
        "judge": folder / "judge.safetensors",
        "methods": folder / "method.yaml",
        "num_concepts": 2,
        "work": folder / "work",
        "out": folder / "toy.json",
        **more,
    }
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (folder / "toy.yaml").write_text(text, encoding="utf-8")
    return folder / "toy.yaml"


def die_in_the_middle(rank: str) -> None:
    """The process of this rank is killed after the first predictions that it kept."""
    from unictoken.measure.predictions import Predictions

    add = Predictions.add

    def add_and_die(kept: Predictions, made: list) -> None:
        add(kept, made)
        if os.environ.get("RANK") == rank:
            os.kill(os.getpid(), signal.SIGKILL)

    Predictions.add = add_and_die


if __name__ == "__main__":
    for module, name, value in SMALL:
        setattr(module, name, value)
    if rank := os.environ.get("DIES"):
        die_in_the_middle(rank)
    program = Path(__file__).parents[2] / "eval" / "run.py"
    sys.argv[0] = str(program)
    runpy.run_path(str(program), run_name="__main__")
