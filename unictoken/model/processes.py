"""The processes of one launch: how each begins, and how they share out a list of work.

Who learns one concept together in lock-step is DeepSpeed's business (train/engine.py). Here each
takes work of its own, so that nothing is exchanged but which item is whose.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from torch.distributed.rendezvous import rendezvous
from tqdm import tqdm

from unictoken.core.config import ConfigError
from unictoken.core.disk import is_file, write_aside
from unictoken.core.errors import UserError
from unictoken.core.launch import PATIENCE, Launch, launch
from unictoken.core.progress import bars_are_hidden, hide_bars

A_WHILE = 0.05  # seconds between two looks at what the others did
MARK = ".launch"  # file in which the first process says which launch this is


class ProcessesError(UserError):
    """Processes that cannot work together, or one that is gone."""


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether an error says that another process cannot be reached any more.

    gloo (torch 2.13) raises a plain RuntimeError, and NCCL the same error for whatever went wrong,
    so that their words must tell.
    """
    lost = (torch.distributed.DistNetworkError, torch.distributed.DistStoreError)
    return isinstance(error, lost) or bool(_LOST.search(str(error)))


_LOST = re.compile(
    r"connection (?:closed|reset|refused)|broken pipe|timed out waiting|socket (?:closed|timeout)"
    r"|remote process (?:exited|has)|watchdog",
    re.IGNORECASE,
)


def take_share_of_machine(here: Launch) -> None:
    """Use this process's GPU, or its part of the cores; of several, only the first draws bars."""
    hide_bars(here.rank > 0)
    # each would take every core, and all would wait for each other
    if here.local_size > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // here.local_size))
    if not torch.cuda.is_available():
        return
    if here.local_rank >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ConfigError(
            f"LOCAL_RANK={here.local_rank}: this machine has {found} GPU. Start one process for"
            " each."
        )
    # Else every process of a machine would work on its first GPU.
    torch.cuda.set_device(here.local_rank)


@contextmanager
def meeting() -> Iterator[None]:
    """In this block processes meet; where they cannot, that is said in one line."""
    try:
        yield
    except torch.distributed.DistNetworkError as error:
        # Read when it has failed: joining sets them.
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConfigError(
            f"the processes cannot meet at {place} ({str(error).splitlines()[0]}). Give the"
            " launcher another port (--master_port N), and the first machine's address."
        ) from None


class Processes:
    """The processes of a launch, or this one alone.

    All of them call the same methods in the same order. Where they run on several machines, these
    share the folders that they write into.
    """

    def __init__(self, here: Launch | None = None):
        self.here = here or Launch()
        self.rank, self.size, self.first = self.here.rank, self.here.world_size, not self.here.rank
        self._store = self._meet() if self.size > 1 else None
        self._round = 0

    @classmethod
    def of_this_launch(cls) -> Processes:
        """Those that a launcher started with this one."""
        here = launch()
        take_share_of_machine(here)
        return cls(here)

    def _meet(self) -> torch.distributed.Store:
        os.environ.update(self.here.join())
        # A process that reads a 7B base may come minutes after the others.
        patience = timedelta(seconds=PATIENCE)
        with meeting():
            store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=patience))
        # a launcher may keep its own notes there
        return torch.distributed.PrefixStore("unictoken", store)

    def share_out(self, todo: Sequence[tuple[str, ...]], told: str) -> Iterator[tuple[str, ...]]:
        """Items of the first process's list, each to exactly one process, as it becomes free.

        Args:
            todo: The list; of the others than the first process it is not looked at.
            told: Said before the bar, which counts what all have begun.
        """
        if self._store is None:
            yield from tqdm(todo, desc=told, disable=bars_are_hidden())
            return
        # Every use of the store has a key of its own: all processes count alike.
        key = self._next_key()
        if self.first:
            self._store.set(f"{key}/todo", json.dumps(list(todo)))
        self._until(lambda: self._store.check([f"{key}/todo"]))
        items = [tuple(item) for item in json.loads(self._store.get(f"{key}/todo"))]
        with tqdm(total=len(items), desc=told, disable=bars_are_hidden()) as bar:
            # A counter that all share: who is free takes the next one, and nobody takes it twice.
            while (number := self._count(key) - 1) < len(items):
                bar.update(number - bar.n)
                yield items[number]
            bar.update(len(items) - bar.n)

    def wait_for_all(self) -> None:
        """Go on when every process has come here."""
        if self._store is None:
            return
        key = self._next_key()
        come, seen = f"{key}/come", f"{key}/seen"
        # Counted twice: everybody is here, and everybody has seen it.
        self._count(come)
        self._until(lambda: self._count(come, 0) >= self.size)
        self._count(seen)
        if self.first:  # it may hold the store that the others still ask
            self._until(lambda: self._count(seen, 0) >= self.size)

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The others enter this block when the first process has left it."""
        key = self._next_key()
        if not self.first:
            self._until(lambda: self._store.check([key]))
        yield
        if self.first and self._store is not None:
            self._store.set(key, "")

    def check_shared(self, folder: Path) -> None:
        """Refuse a folder that is not the same one for all processes: on several machines each may
        have one of its name.
        """
        if self._store is None:
            return
        key, mark = self._next_key(), folder / MARK
        if self.first:
            # A random text: a folder of an earlier launch must not pass for this one's.
            write_aside(mark, said := secrets.token_hex(8).encode())
            self._store.set(key, said)
        self._until(lambda: self._store.check([key]))
        if not is_file(mark) or mark.read_bytes() != self._store.get(key):
            raise ProcessesError(
                f"{folder}: found another folder than the first process's. Start all processes with"
                " one config, one base, and a folder that every machine sees."
            )
        self.wait_for_all()
        if self.first:
            mark.unlink()

    def leave(self) -> None:
        """All is done; the first process takes away what the launch left on this machine."""
        self.wait_for_all()
        self.here.leave()

    def _next_key(self) -> str:
        self._round += 1
        return str(self._round)

    def _count(self, key: str, more: int = 1) -> int:
        """Count to a number that all processes share."""
        return self._asked(lambda: self._store.add(key, more))

    def _until(self, is_so: Callable[[], bool]) -> None:
        """Look again and again: the store's own waiting would hear no signal."""
        while not self._asked(is_so):
            time.sleep(A_WHILE)

    @staticmethod
    def _asked(ask: Callable[[], int]) -> int:
        try:
            return ask()
        except torch.distributed.DistError:
            raise ProcessesError(
                "the first process is gone, and this one ends too. Start them again: the same"
                " command goes on from what is finished."
            ) from None
