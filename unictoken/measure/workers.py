"""A benchmark's work in several processes: on a CPU, two with one core each do more than one with two (dev/LOG.md)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import Any

import torch

from unictoken.model.memory import keep_freed_memory

_made: Any = None
"""Of a worker process: what `make` gave."""


def side_by_side(make: Callable[[], Any], work: str, todo: Iterable[tuple], *, number: int) -> Iterator[Any]:
    """Results of `make().<work>(*arguments)` for each of `todo`, as they come, from `number` processes that each make one and share the cores.

    An error in one ends all; what is under way is finished first.
    """
    threads = max((os.cpu_count() or 1) // number, 1)
    pool = ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_begin, initargs=(make, threads))
    try:
        for done in as_completed([pool.submit(_work, work, arguments) for arguments in todo]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(make: Callable[[], Any], threads: int) -> None:
    global _made
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    keep_freed_memory()
    _made = make()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would go on, and then wait forever."""
    parent_process().join()
    os._exit(1)


def _work(name: str, arguments: tuple) -> Any:
    return getattr(_made, name)(*arguments)
