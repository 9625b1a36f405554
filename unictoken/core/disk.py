"""Files and folders: what we write is there whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import reprlib
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unictoken.core import system
from unictoken.core.errors import UserError

LONGEST_NAME = 64  # letters
_COMPONENT = re.compile(rf"\w[\w .,+=-]{{0,{LONGEST_NAME - 1}}}")
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


def write_aside(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    It is written beside its place under a name that nobody can guess, and then renamed: no link is
    followed, and what many threads or processes write at once is one of theirs, whole.

    Args:
        path: Its place. A link that bears this name is replaced.
        data: All of it.
        new: Whether what bears the name already stays: `FileExistsError` then.
    """
    _open_folder(path.parent)
    with _held_aside(path, path.parent, _new_file) as held:
        try:
            write_all(held.descriptor, data)
            # Before the renaming: after a power cut the new name could lead to an empty file.
            os.fsync(held.descriptor)
            if not system.MOVES_OPEN_FILES:
                held.let_go()
            _rename_new(held.path, path) if new else os.replace(held.path, path)
        finally:
            if not system.MOVES_OPEN_FILES:
                held.let_go()
            held.path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: the system may take a part at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Another place to make a folder in, which bears its name when all is done; after an error
    nothing is left of it.
    """
    _open_folder(folder.parent)
    with _held_aside(folder, folder.parent, _new_folder) as held:
        try:
            yield held.path
            _sync_tree(held.path)
            os.replace(held.path, folder)
        finally:
            shutil.rmtree(held.path, ignore_errors=True)
    _sync_folder(folder.parent)


@contextmanager
def files_aside(folder: Path) -> Iterator[Path]:
    """Another place for files that then go into a folder which may hold others. Each is there whole
    or not at all; they come when all of them are written.
    """
    _open_folder(folder)
    with _held_aside(folder, folder, _new_folder) as held:
        try:
            yield held.path
            _sync_tree(held.path)
            # Sorted: a kill between two of them leaves the same files on every machine.
            for file in sorted(held.path.iterdir()):
                os.replace(file, folder / file.name)
        finally:
            shutil.rmtree(held.path, ignore_errors=True)
    _sync_folder(folder)


def sweep(folder: Path) -> None:
    """Remove what writers of ours left half-written in a folder when they died.

    Nothing else can go: the name is one that only this file makes up, its owner is this user, and
    no living process holds it, as every writer does until it ends. Where the file system has no
    locks, or folders cannot be held (Windows), nobody can tell, and it stays.
    """
    # A folder that may not be read is left as it is: sweeping is tidiness, not need.
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _ASIDE.fullmatch(entry.name)]:
            with suppress(OSError):
                _sweep_one(folder / name)


def _sweep_one(aside: Path) -> None:
    found = os.lstat(aside)
    is_plain, can_hold = stat.S_ISREG(found.st_mode), system.OPENS_FOLDERS
    if not system.is_ours(found) or not (is_plain or (can_hold and stat.S_ISDIR(found.st_mode))):
        return
    how = os.O_RDWR if is_plain else os.O_RDONLY  # NFS locks what is open for writing
    held = _Held(aside, os.open(aside, how | system.NO_LINK | system.NO_WAIT))
    try:
        if not system.take_lock(held.descriptor):
            return  # a living writer's
        if not is_plain:
            shutil.rmtree(aside)
            return
        if not system.MOVES_OPEN_FILES:
            held.let_go()
        os.unlink(aside)
    finally:
        held.let_go()


_ASIDE = re.compile(r"\.unictoken-[0-9a-f]{32}\.aside")
_swept: set[str] = set()


def _open_folder(folder: Path) -> None:
    """Make a folder that is written into, and sweep it the first time that this process does."""
    make_folder(folder)
    # Once a process: every file of a run folder is written through here.
    if (place := os.path.abspath(folder)) not in _swept:
        _swept.add(place)
        sweep(folder)


class _Held:
    """A new file or folder, and the descriptor that holds it (-1: none)."""

    def __init__(self, path: Path, descriptor: int):
        self.path, self.descriptor = path, descriptor

    def let_go(self) -> None:
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)


@contextmanager
def _held_aside(place: Path, within: Path, make: Callable[[Path], _Held]) -> Iterator[_Held]:
    """A new file or folder that stands for `place` meanwhile; held while this block lives, so that
    nobody sweeps it.

    Args:
        place: What an error of the machine's names.
        within: Where it is made: between two file systems nothing can be renamed in one step.
        make: Makes it; `FileNotFoundError` if it was swept before it was held.
    """
    aside, held = within, None
    try:
        while held is None:
            aside = within / f".unictoken-{secrets.token_hex(16)}.aside"
            try:
                held = make(aside)
            except FileNotFoundError:
                if not is_folder(within):
                    raise
        try:
            yield held
        finally:
            held.let_go()
    except OSError as error:
        _say_of(place, aside, error)
        raise


def _new_file(aside: Path) -> _Held:
    # O_EXCL and NO_LINK: a link that somebody laid at this name is not written through.
    how = os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NO_LINK | system.AS_BYTES
    return _hold(aside, os.open(aside, how, 0o666))


def _new_folder(aside: Path) -> _Held:
    os.mkdir(aside)
    if not system.OPENS_FOLDERS:
        return _Held(aside, -1)
    return _hold(aside, os.open(aside, os.O_RDONLY | system.FOLDER | system.NO_LINK))


def _hold(aside: Path, descriptor: int) -> _Held:
    """The file, locked where the file system has locks. `FileNotFoundError` if it was swept, or is
    just being swept.
    """
    try:
        try:
            is_swept = not system.take_lock(descriptor)
        except OSError:  # no locks here, and nobody sweeps
            is_swept = False
        if is_swept:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(aside))
        # Between making it and locking it, another process may have swept it.
        os.lstat(aside)
    except BaseException:
        os.close(descriptor)
        raise
    return _Held(aside, descriptor)


def _say_of(path: Path, aside: Path, error: OSError) -> None:
    """Let an error of the machine's name the place that is written to, and not the one aside."""
    said = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    is_other = said and said != str(aside) and not said.startswith(f"{aside}{os.sep}")
    if error.errno is not None and not is_other:
        error.filename = str(path) + said.removeprefix(str(aside))
        if error.filename2 is not None:
            del error.filename2  # where it was to be renamed to


def _rename_new(aside: Path, path: Path) -> None:
    """Give a file its name only if nothing has it yet, in one step."""
    try:
        # A hard link fails where the name is taken; a rename would replace what is there.
        os.link(aside, path, follow_symlinks=os.link not in os.supports_follow_symlinks)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: the name is taken first, and then given to the file.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.replace(aside, path)


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder onto the disk; where only its owner may read it, that is skipped."""
    if not system.OPENS_FOLDERS:
        return
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY | system.FOLDER)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
                raise
        finally:
            os.close(descriptor)


def _sync_tree(root: Path) -> None:
    """Put every file of a folder, and every name, onto the disk."""
    for folder, _, files in os.walk(root):
        for name in files:
            # For writing: Windows syncs no other file.
            how = os.O_RDWR if system.IS_WINDOWS else os.O_RDONLY
            descriptor = os.open(os.path.join(folder, name), how | system.NO_LINK)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        _sync_folder(Path(folder))


def make_folder(folder: Path) -> None:
    """A folder and those it lies in, where they are not there yet."""
    check_folder(folder, UserError)
    folder.mkdir(parents=True, exist_ok=True)


def check_folder(folder: str | Path, refusal: type[UserError], *, where: str = "") -> None:
    """Refuse a folder that could not be made or written into, before any work is done for it.
    `where`: what names it.
    """
    said = f"{where}: {folder}" if where else str(folder)
    nearest = Path(folder)
    while not is_there(nearest):
        nearest = nearest.parent
    if not is_folder(nearest):
        raise refusal(
            f"{said}: {nearest} is {kind_of(nearest)}, expected a folder. Choose another place."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise refusal(f"{said}: {nearest} may not be written into. Choose another place.")


def is_there(path: str | Path) -> bool:
    """Whether anything bears this name, a link that leads nowhere too: what is there is read, and
    refused if it cannot be.
    """
    return os.path.lexists(path)


def is_file(path: str | Path) -> bool:
    """Whether a plain file bears this name, or a link to one. A name that no file can have (too
    long, a null letter) is no error here, as it is for `Path.is_file`.
    """
    return os.path.isfile(path)


def is_folder(path: str | Path) -> bool:
    """Whether a folder bears this name, or a link to one. See `is_file`."""
    return os.path.isdir(path)


def real_path(place: str | Path) -> Path:
    """Where a place really is, links followed; a circle of links is no error here, as it is for
    `Path.resolve`.
    """
    return Path(os.path.realpath(place))


def feed_digest(seen: Any, path: Path) -> None:
    """Add a file's bytes to a digest of hashlib, a part at a time: a file of any size takes as much
    memory.
    """
    with open(path, "rb") as file:
        hashlib.file_digest(file, lambda: seen)


def sha256_of(path: Path) -> str:
    """The digest of a file's bytes."""
    seen = hashlib.sha256()
    feed_digest(seen, path)
    return seen.hexdigest()


def check_component(name: object, refusal: type[UserError], where: str) -> None:
    """Refuse a name that is used in paths and could lead elsewhere, or could not be a file's."""
    if not isinstance(name, str) or not _COMPONENT.fullmatch(name) or name.endswith(" "):
        raise refusal(
            f"{where}: found {quoted(name)}, expected 1 to {LONGEST_NAME} letters, digits, spaces"
            " and any of - _ . , + =, beginning with a letter or digit."
        )


def quoted(value: object) -> str:
    """A value as a message shows it: in one line, and not too long."""
    return _SHOWN.repr(value)


def kind_of(path: Path) -> str:
    """What bears this name, in words."""
    if is_folder(path):
        return "a folder"
    if path.is_symlink() and not os.path.exists(path):
        return "a link that leads nowhere"
    if is_file(path):
        return "a file"
    return "no plain file"
