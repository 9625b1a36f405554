"""What resumes a run of learning: rows, their two moments, the step. One safetensors file, written
aside and renamed.

DeepSpeed's own checkpoints are written in place and tie a run to its number of processes; what we
resume is 1 MB, and the order of the data is a pure function of (seed, step), so that nothing else
is needed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from unictoken.core.disk import write_aside
from unictoken.core.errors import UserError
from unictoken.tokens import file as concept_file

KEPT = 2  # newest checkpoints of a run


class CheckpointError(UserError):
    """A checkpoint that cannot be resumed: where, what was found, what to do."""


class OtherRun(CheckpointError):
    """A whole checkpoint, but of another config, base or pictures. `finished`: that run has nothing
    left to learn.
    """

    def __init__(self, message: str, *, finished: bool):
        super().__init__(message)
        self.finished = finished


@dataclass(frozen=True)
class Checkpoint:
    """`tensors`: rows, frozen, exp_avg, exp_avg_sq, each [2, P, D], and trainable [P]; `step`: steps done
    of `total`; `run`: digest of what decides the rows."""

    step: int
    total: int
    run: str
    tensors: dict[str, torch.Tensor]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write `step-000100.safetensors` into the folder and drop all but it and the one before; later
    steps are of a run that began earlier.
    """
    tensors = {
        name: t.detach().float().cpu().contiguous() for name, t in checkpoint.tensors.items()
    }
    header = {
        "step": checkpoint.step,
        "total": checkpoint.total,
        "run": checkpoint.run,
        "sha256": concept_file.digest(tensors),
    }
    path = folder / f"step-{checkpoint.step:06d}.safetensors"
    write_aside(path, to_bytes(tensors, metadata={"unictoken_checkpoint": json.dumps(header)}))
    there = sorted(folder.glob("step-*.safetensors"))
    for dropped in set(there) - set([p for p in there if p <= path][-KEPT:]):
        dropped.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """The latest checkpoint of a folder, or None."""
    # Six digits: names are ordered as steps are.
    return max(folder.glob("step-*.safetensors"), default=None)


def load(path: Path, run: str) -> Checkpoint:
    """A checkpoint of the same run; raises `OtherRun` for another one's, `CheckpointError` for one
    that is not whole.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("unictoken_checkpoint", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        found = Checkpoint(header["step"], header["total"], header["run"], tensors)
        if concept_file.digest(tensors) != header["sha256"]:
            raise ValueError("its tensors do not match its sha256")
    except KeyError as error:
        raise CheckpointError(
            f"{path}: no checkpoint of ours (its header has no {error}). Remove it."
        ) from None
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        before = any(other < path for other in path.parent.glob("step-*.safetensors"))
        advice = "to go on from the one before" if before else "to begin anew"
        raise CheckpointError(
            f"{path}: not a whole checkpoint ({error}). Remove it {advice}."
        ) from None
    if found.run != run:
        advice = "Choose another `out:`, or begin anew with `--set resume=never`."
        raise OtherRun(
            f"{path}: belongs to another config, base or pictures. {advice}",
            finished=found.step == found.total,
        )
    return found
