"""Where operating systems differ: locks, ways to open a file, owners. Windows has no `fcntl`, opens
no folder, and renames or removes nothing that is open.
"""

from __future__ import annotations

import errno
import os
import select
import sys

# A flag that a system lacks asks nothing of it.
NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer is opened at once
FOLDER: int = getattr(os, "O_DIRECTORY", 0)
AS_BYTES: int = getattr(os, "O_BINARY", 0)  # Windows would change the ends of lines

IS_WINDOWS = os.name == "nt"
OPENS_FOLDERS = not IS_WINDOWS
MOVES_OPEN_FILES = not IS_WINDOWS

LOAD = "/proc/loadavg"

_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # what systems say of another's lock
_LOCKED_BYTE = 1 << 30  # Windows lets nobody read a locked byte: one beyond all that is written


def take_lock(descriptor: int) -> bool:
    """Lock an open file for this process, at once: whether nobody else holds it. The lock ends
    when the descriptor is closed. `OSError` where the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    finally:
        if sys.platform == "win32":
            os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def is_ours(found: os.stat_result) -> bool:
    """Whether a file is this user's, as far as the system tells."""
    return sys.platform == "win32" or found.st_uid == os.geteuid()


def is_private(found: os.stat_result) -> bool:
    """Whether only this user can write into a folder. On Windows a user's temporary folder is his
    own, and its mode says nothing.
    """
    return sys.platform == "win32" or (is_ours(found) and not found.st_mode & 0o077)


def has_lost_its_reader(descriptor: int) -> bool:
    """Whether a pipe's other end was closed, where the system can tell."""
    if sys.platform == "win32":
        return False
    watched = select.poll()
    # The mask of 0 asks for no event: errors, and an end that was closed, are reported anyway.
    watched.register(descriptor, 0)
    return bool(watched.poll(0))


def others_compute() -> bool:
    """Whether anything else computes on this machine at this moment; True where nobody can tell."""
    try:
        with open(LOAD, encoding="ascii") as file:
            computing, _, _ = file.read().split()[3].partition("/")
        return int(computing) > 1  # this process is one
    except (OSError, ValueError, IndexError):
        return True
