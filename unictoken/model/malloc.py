"""Keeping freed memory in the process, and giving it back.

glibc gives every large freed block back to the kernel, and takes it anew, page by page, for the
next tensor. On small virtual machines that is most of the time of a training step: 8.9 s became 1.8
s here (dev/LOG.md). What is kept has holes, and grows with every concept: it is given back between two.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = 2**31 - 1  # bytes; mallopt takes an int
TOP_PAD = 2**28  # bytes that malloc takes from the kernel at once


def keep_freed_memory() -> bool:
    """Tell malloc to keep what is freed for reuse; False where the C library has no mallopt."""
    mallopt = _of_libc("mallopt")
    if mallopt is None:
        return False
    # No block by mmap, however large: those go back to the kernel as soon as they are freed.
    return all(
        mallopt(option, value)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, TOP_PAD))
    )


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """In this block what is freed is kept; at its end every free page goes back to the kernel."""
    keep_freed_memory()
    try:
        yield
    finally:
        give_freed_memory_back()


def give_freed_memory_back() -> None:
    """Give every free page back to the kernel, where the C library can (glibc)."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """A function of the C library that this process runs on; None where it has none."""
    # On Windows no library is meant by None: ctypes raises a TypeError.
    return None if os.name == "nt" else getattr(ctypes.CDLL(None), name, None)
