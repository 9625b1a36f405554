"""A benchmark's work in several processes: on a CPU, two with one core each do more than one with
two (dev/LOG.md).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any

import torch

from unictoken.core.errors import UserError
from unictoken.core.own import Imported
from unictoken.core.progress import hide_bars
from unictoken.model.malloc import keeping_freed_memory

_made: Any = None
"""Of a worker process: what `make` gave."""


class WorkerError(UserError):
    """A worker that ended by itself."""


def side_by_side(
    make: Callable[[], Any], work: str, todo: Iterable[tuple], *, number: int
) -> Iterator[Any]:
    """Results of `make().<work>(*arguments)`, as they come, from processes that share the cores.

    After an error in one nothing more is begun, and what the others are at is finished. After a
    Ctrl-C it is not.

    Args:
        make: Called once in every process. It is pickled, as are the arguments and the results.
        work: The name of a method of what `make` gives.
        todo: The method's arguments, a tuple for each call; read only as processes become free.
        number: Processes, one or more.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    # spawned, not forked: a forked process can wait forever for a lock that a thread of torch held
    pool = ProcessPoolExecutor(
        number,
        mp_context=get_context("spawn"),
        initializer=_begin,
        # First, and so unpickled first: `make` may hold what the user's own files define.
        initargs=(Imported(), make, max(cores // number, 1)),
    )
    waiting, running = iter(todo), set[Future]()
    try:
        with _born_deaf_to_ctrl_c():  # as many processes begin as work is submitted
            running |= {
                pool.submit(_work, work, arguments) for arguments in islice(waiting, number)
            }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                running |= {pool.submit(_work, work, arguments) for arguments in islice(waiting, 1)}
                yield result
    except BrokenProcessPool:
        raise WorkerError(
            "a worker ended by itself: out of memory, perhaps. Start it again with fewer"
            " `workers`; it goes on where it was."
        ) from None
    except KeyboardInterrupt:
        # Python 3.14 calls this pool.terminate_workers()
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown()


@contextmanager
def _born_deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that begin in this block ignore SIGINT: a terminal sends it to them too, and the
    first process ends them.

    Said in the process itself it would come too late, after the seconds of its imports.
    """
    if threading.current_thread() is not threading.main_thread():  # which no Ctrl-C reaches
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(_: Imported, make: Callable[[], Any], threads: int) -> None:
    global _made
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    hide_bars()  # the first process shows how far all are
    _made = make()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would go on, and then wait forever."""
    parent_process().join()
    os._exit(1)  # sys.exit would end this thread only


def _work(name: str, arguments: tuple) -> Any:
    # Else a worker grows with every concept: what is kept has holes.
    with keeping_freed_memory():
        return getattr(_made, name)(*arguments)
