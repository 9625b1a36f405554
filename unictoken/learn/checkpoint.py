"""What resumes a run of learning: rows, their two moments, the step. One safetensors file, written aside and renamed.

DeepSpeed's own checkpoints are written in place and tie a run to its number of processes; what we resume is 1 MB,
and the order of the data is a pure function of (seed, step), so that nothing else is needed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from unictoken.disk import write_aside

KEPT = 2  # newest checkpoints of a run


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed: where, what was found, what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """`tensors`: rows, held, exp_avg, exp_avg_sq, each [2, P, D], and moves [P]; `step`: steps done; `run`: digest of what decides the rows."""

    step: int
    run: str
    tensors: dict[str, torch.Tensor]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write `step-000100.safetensors` into the folder and drop all but the newest ones."""
    tensors = {name: t.detach().float().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    header = json.dumps({"step": checkpoint.step, "run": checkpoint.run})
    path = folder / f"step-{checkpoint.step:06d}.safetensors"
    write_aside(path, to_bytes(tensors, metadata={"unictoken_checkpoint": header}))
    for old in sorted(folder.glob("step-*.safetensors"))[:-KEPT]:
        old.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """The latest checkpoint of a folder, or None."""
    return max(folder.glob("step-*.safetensors"), default=None)


def load(path: Path, run: str) -> Checkpoint:
    """A checkpoint of the same run; another config's is refused."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["unictoken_checkpoint"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error}). Remove it to go on from the one before.") from None
    if header["run"] != run:
        raise CheckpointError(f"{path}: belongs to another config, base or pictures. Choose another `out:`, or begin anew with `--set resume=never`.")
    return Checkpoint(header["step"], run, tensors)


def clear(folder: Path) -> None:
    """Drop every checkpoint of a run that begins anew; otherwise the newest of the old run would be resumed."""
    for old in folder.glob("step-*.safetensors"):
        old.unlink()
