"""One run a place: whoever writes there holds it, and who comes second is told who that is."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unictoken.core import system
from unictoken.core.disk import is_there, make_folder, write_all
from unictoken.core.errors import UserError

LONGEST = 4096  # bytes of a lock that are read


class HeldError(UserError):
    """A place that another process, or another thread, is writing into."""


@contextmanager
def hold(file: Path, what: str, *, instead: str) -> Iterator[None]:
    """Hold a place for as long as this block runs. A process that dies lets go of it.

    Raises `HeldError` where it is held already. Where the file system has no locks, a line says so.

    Args:
        file: The lock, which is there meanwhile: it says who holds the place, and since when.
        what: The place, as messages call it.
        instead: What else can be done than to wait, such as 'Choose another `out:`'.
    """
    is_new = not is_there(file.parent)
    make_folder(file.parent)
    try:
        descriptor = _take(file, what, instead)
        try:
            yield
        finally:
            if not system.MOVES_OPEN_FILES:
                os.close(descriptor)
            # Before it is let go: whoever takes a lock looks whether it still bears its name.
            with suppress(OSError):  # the folder may be gone
                file.unlink(missing_ok=True)
            if system.MOVES_OPEN_FILES:
                os.close(descriptor)
    finally:
        if is_new:
            with suppress(OSError):  # something was written into it
                file.parent.rmdir()


def _take(file: Path, what: str, instead: str) -> int:
    """The descriptor of the lock, which is held."""
    while True:
        descriptor = _open(file, what, instead)
        try:
            try:
                if not system.take_lock(descriptor):
                    raise HeldError(
                        f"{what}: {_holder(descriptor)}. Wait until it has ended, or end it."
                        f" {instead}."
                    )
            except OSError as error:
                logging.getLogger(__name__).warning(
                    "%s: its file system has no locks (%s). See to it that nothing else writes"
                    " there meanwhile.",
                    what,
                    error.strerror,
                )
            if _bears_its_name(file, descriptor):
                os.ftruncate(descriptor, 0)
                write_all(descriptor, json.dumps(_me()).encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # who held it has just let go, and removed it


def _open(file: Path, what: str, instead: str) -> int:
    try:
        how = os.O_RDWR | os.O_CREAT | system.NO_LINK | system.NO_WAIT
        descriptor = os.open(file, how, 0o644)
    except OSError as error:
        raise UserError(
            f"{what}: cannot be held for this run ({file.name}: {error.strerror}). {instead}."
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{file}: found no plain file, expected a lock of a run's. Remove it.")
    return descriptor


def _bears_its_name(file: Path, descriptor: int) -> bool:
    own = os.fstat(descriptor)
    try:
        there = os.lstat(file)
    except FileNotFoundError:
        return False
    return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


def _me() -> dict[str, str | int]:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since}


def _holder(descriptor: int) -> str:
    """Who holds a lock, by what stands in it."""
    try:
        said = json.loads(os.read(descriptor, LONGEST))
        process, host, since = (said[key] for key in ("process", "host", "since"))
        whole = type(process) is int and f"{host}{since}".isprintable()
    except (ValueError, KeyError, TypeError, RecursionError):  # it is just being written
        whole = False
    if not whole:
        return "another process is writing into it"
    return f"process {process} on {str(host)[:64]} is writing into it, since {str(since)[:32]}"
