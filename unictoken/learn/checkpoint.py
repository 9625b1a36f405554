"""What resumes a run of learning: rows, their two moments, the step. One safetensors file, written
aside and renamed.

DeepSpeed's own checkpoints are written in place and tie a run to its number of processes; what we
resume is 1 MB, and the order of the data is a pure function of (seed, step), so that nothing else
is needed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from unictoken.core.disk import is_file, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import check_file, parse_json
from unictoken.tokens import file as concept_file

KEPT = 2  # newest checkpoints of a run
FORMAT = 2
KEY = "unictoken_checkpoint"  # of the header in a file's metadata
ROWS, TRAINABLE = ("rows", "frozen", "exp_avg", "exp_avg_sq"), "trainable"
_NAME = re.compile(r"step-(\d{6,9})\.safetensors")


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

    def check(self) -> None:
        """`ValueError` where these are no rows with their moments."""
        # The symmetric difference: what is missing and what nobody asked for.
        if strange := self.tensors.keys() ^ {*ROWS, TRAINABLE}:
            raise ValueError(f"'{min(strange)}' is one tensor too few or too many")
        shapes = {tuple(self.tensors[name].shape) for name in ROWS}
        trainable = tuple(self.tensors[TRAINABLE].shape)
        if len(shapes) > 1 or len(shape := shapes.pop()) != 3 or shape[:2] != (2, *trainable):
            raise ValueError("its tensors are not of one shape")
        if not 0 < self.step <= self.total:
            raise ValueError(f"step {self.step} of {self.total}")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write `step-000100.safetensors` into the folder and drop all but it and the one before; later
    steps are of a run that began earlier. What is no checkpoint of ours stays.
    """
    tensors = {
        # In fp32 on the CPU, wherever it was learned, so that any machine can go on.
        name: t.detach().float().cpu().contiguous()
        for name, t in checkpoint.tensors.items()
    }
    header: dict[str, Any] = {
        "format": FORMAT,
        "step": checkpoint.step,
        "total": checkpoint.total,
        "run": checkpoint.run,
    }
    header["sha256"] = concept_file.digest_with_header(header, tensors)
    path = folder / f"step-{checkpoint.step:06d}.safetensors"
    write_aside(path, to_bytes(tensors, metadata={KEY: json.dumps(header)}))
    # After the new one is written: a crash before this leaves one too many, never too few.
    there = _checkpoints(folder)
    kept = [step for step in there if step <= checkpoint.step][-KEPT:]
    for step, other in there.items():
        if step not in kept and _is_ours(other):
            other.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """The latest checkpoint of a folder, or None."""
    return next(reversed(_checkpoints(folder).values()), None)


def load(path: Path, run: str) -> Checkpoint:
    """A checkpoint of the same run; raises `OtherRun` for another one's, `CheckpointError` for one
    that is not whole.
    """
    check_file(path, CheckpointError, "a checkpoint")
    try:
        header, tensors = _read(path)
        found = Checkpoint(header["step"], header["total"], header["run"], tensors)
        _check_digest(header, tensors)
        found.check()
        # A renamed file would be taken for another step's, and the schedule would jump.
        if path.name != f"step-{found.step:06d}.safetensors":
            raise ValueError(f"it is of step {found.step}")
    except KeyError as error:
        raise CheckpointError(
            f"{path}: no checkpoint of ours (its header has no {error}). Remove it."
        ) from None
    except (SafetensorError, OSError, TypeError, ValueError, RecursionError) as error:
        # Whether an older one is there decides what the user is told to do.
        before = path != next(iter(_checkpoints(path.parent).values()), path)
        advice = "to go on from the one before" if before else "to begin anew"
        raise CheckpointError(
            f"{path}: not a whole checkpoint ({error}). Remove it {advice}."
        ) from None
    # Last: of a broken file nobody can say whose it is.
    if found.run != run:
        advice = "Choose another `out:`, or begin anew with `--set resume=never`."
        raise OtherRun(
            f"{path}: belongs to another config, base or pictures. {advice}",
            finished=found.step == found.total,
        )
    return found


def _checkpoints(folder: Path) -> dict[int, Path]:
    """What is named as a checkpoint, by its step, in their order."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("step-*.safetensors"))
    return dict(sorted((int(said[1]), path) for said, path in named if said))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A file's header and tensors, as they are."""
    with safe_open(path, "pt") as file:
        header = parse_json((file.metadata() or {}).get(KEY, "{}"))
        return header, {key: file.get_tensor(key) for key in file.keys()}


def _check_digest(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """`ValueError` for a file that is not as it was written."""
    if "format" not in header:  # format 1: the sha256 is that of the tensors alone
        found, what = concept_file.digest(tensors), "its tensors do"
    else:
        found, what = concept_file.digest_with_header(header, tensors), "its header or tensors do"
    if found != header["sha256"]:
        raise ValueError(f"{what} not match its sha256")


def _is_ours(path: Path) -> bool:
    """Whether a file says that it is a checkpoint of ours."""
    # Never followed: what a link leads to is somebody else's file.
    if not is_file(path) or path.is_symlink():
        return False
    try:
        with safe_open(path, "pt") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
