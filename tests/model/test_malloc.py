import subprocess
import sys

import pytest

from unictoken.model import malloc

FREED = """
import ctypes, os
from pathlib import Path
from unictoken.model.malloc import keeping_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def megabytes():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

before = megabytes()
with keeping_freed_memory():
    blocks = [libc.malloc(2**20) for _ in range(200)]
    for block in blocks:
        ctypes.memset(ctypes.c_void_p(block), 1, 2**20)
    # A hole behind each block that is still used.
    for block in blocks[1::2]:
        libc.free(ctypes.c_void_p(block))
    kept = megabytes()
print(before, kept, megabytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_what_was_freed_is_kept_until_it_is_given_back():
    ran = subprocess.run(
        [sys.executable, "-c", FREED], capture_output=True, encoding="ascii", check=True
    )
    before, kept, given_back = map(float, ran.stdout.split())
    assert kept - before > 190
    assert given_back - before < 120


def test_a_system_whose_libraries_have_names_is_left_alone(monkeypatch):
    """Windows, where `ctypes.CDLL(None)` is a TypeError."""
    monkeypatch.setattr(malloc.os, "name", "nt")
    assert malloc.keep_freed_memory() is False
    with malloc.keeping_freed_memory():
        pass
