"""The losses of a run where people watch them: TensorBoard, Weights & Biases, or nowhere.

TensorBoard's files are written here and now: `torch.utils.tensorboard` leaves it to a thread, whose
traceback is all that is seen of a full disk or a folder that is gone. wandb is its own master: it
reads WANDB_PROJECT, WANDB_MODE, WANDB_DIR and its other variables, and asks for a login.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from unictoken.core.disk import make_folder
from unictoken.learn.stages import Progress

PROJECT = "unictoken"  # of wandb, where WANDB_PROJECT names none
VERSION = "brain.Event:2"  # of the format; the first record of every file says it


class NoBoard:
    """Nobody watches; the log is kept all the same."""

    def add(self, progress: Progress) -> None:
        """What happened in a step."""

    def close(self) -> None:
        """After the last step."""


class WandbBoard(NoBoard):
    """A run of Weights & Biases, called after the concept; its project is WANDB_PROJECT, or
    unictoken.

    Args:
        name: What the run is called.
        settings: The resolved config, as plain values.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]):
        # Here, and not above: it takes seconds, and most runs do without it.
        import wandb  # the extra `wandb`

        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), name=name, config=dict(settings)
        )

    def add(self, progress: Progress) -> None:
        values = {"loss": progress.loss, "lr": progress.lr, "stage": progress.stage}
        self.run.log(values, step=progress.step)

    def close(self) -> None:
        self.run.finish()


class TensorBoard(NoBoard):
    """An event file of its own in a folder; TensorBoard joins those of one folder by their steps."""

    def __init__(self, folder: Path):
        make_folder(folder)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / name
        self._add(Event(wall_time=time.time(), file_version=VERSION))

    def add(self, progress: Progress) -> None:
        value = Summary.Value(tag="loss", simple_value=progress.loss)
        self._add(Event(wall_time=time.time(), step=progress.step, summary=Summary(value=[value])))

    def _add(self, event: Event) -> None:
        with open(self.path, "ab") as file:
            RecordWriter(file).write(event.SerializeToString())


def board_of(kind: str, folder: Path, name: str, settings: Mapping[str, Any]) -> NoBoard:
    """The board that a config's `board` names.

    Args:
        kind: tensorboard, wandb or none.
        folder: Of the run.
        name: The concept's.
        settings: The resolved config, as plain values.
    """
    if kind == "none":
        return NoBoard()
    return WandbBoard(name, settings) if kind == "wandb" else TensorBoard(folder / "tensorboard")
