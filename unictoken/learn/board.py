"""The losses of a run as TensorBoard reads them.

Written here and now: `torch.utils.tensorboard` leaves it to a thread, whose traceback is all that is
seen of a full disk or a folder that is gone.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from unictoken.core.disk import make_folder

VERSION = "brain.Event:2"  # of the format; the first record of every file says it


class Board:
    """An event file of its own in a folder; TensorBoard joins those of one folder by their steps."""

    def __init__(self, folder: Path):
        make_folder(folder)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / name
        self._add(Event(wall_time=time.time(), file_version=VERSION))

    def add(self, step: int, loss: float) -> None:
        """The loss of a step."""
        value = Summary.Value(tag="loss", simple_value=loss)
        self._add(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    def _add(self, event: Event) -> None:
        with open(self.path, "ab") as file:
            RecordWriter(file).write(event.SerializeToString())
