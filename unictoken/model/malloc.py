"""Keeping freed memory in the process.

glibc gives every large freed block back to the kernel, and takes it anew, page by page, for the
next tensor. On small virtual machines that is most of the time of a training step: 8.9 s became 1.8
s here (dev/LOG.md).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = 2**31 - 1  # bytes; mallopt takes an int
TOP_PAD = 2**28  # bytes that malloc takes from the kernel at once


def keep_freed_memory() -> bool:
    """Tell malloc to keep what is freed for reuse; False where the C library has no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block by mmap, however large: those go back to the kernel as soon as they are freed.
    return all(
        mallopt(option, value)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, TOP_PAD))
    )
