"""The same files where a system has no `fcntl`, opens no folder and moves nothing that is open, as
Windows. That system is not here: what it lacks is taken away, and what it forbids is forbidden.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from unictoken.core import disk, system
from unictoken.core.lock import HeldError, hold

IMPORTS = """
import builtins, sys
real = builtins.__import__
def refuse(name, *rest, **named):
    if name in ("fcntl", "pwd", "grp", "resource", "termios"):
        raise ImportError(name)
    return real(name, *rest, **named)
builtins.__import__ = refuse
import unictoken.core.disk, unictoken.core.lock, unictoken.core.launch, unictoken.core.program
"""


@pytest.fixture
def windows(monkeypatch):
    """Folders cannot be opened, and what is open can be neither renamed nor removed."""
    monkeypatch.setattr(system, "OPENS_FOLDERS", False)
    monkeypatch.setattr(system, "MOVES_OPEN_FILES", False)
    for flag in ("NO_LINK", "NO_WAIT", "FOLDER"):
        monkeypatch.setattr(system, flag, 0)
    monkeypatch.setattr("shutil._use_fd_functions", False)  # as Python does there
    opened, replace, unlink = os.open, os.replace, os.unlink

    def open_(path, *how, **named):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *how, **named)

    def is_open(path):
        here = Path("/proc/self/fd")
        return str(path) in {os.path.realpath(here / each) for each in os.listdir(here)}

    def moving(do):
        def done(path, *rest, **named):
            if is_open(path):
                raise PermissionError(13, "It is being used by another process", str(path))
            return do(path, *rest, **named)

        return done

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "replace", moving(replace))
    monkeypatch.setattr(os, "unlink", moving(unlink))


def test_core_is_imported_where_posix_modules_are_missing():
    ended = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.usefixtures("windows")
def test_files_and_folders_are_written_whole(tmp_path):
    disk.write_aside(tmp_path / "it", b"one\r\n")
    disk.write_aside(tmp_path / "it", b"two\n")
    with pytest.raises(FileExistsError):
        disk.write_aside(tmp_path / "it", b"three", new=True)
    with disk.folder_aside(tmp_path / "folder") as aside:
        (aside / "a").write_bytes(b"a")
    with disk.files_aside(tmp_path) as aside:
        (aside / "b").write_bytes(b"b")
    assert {p.name: p.is_file() and p.read_bytes() for p in tmp_path.iterdir()} == {
        "it": b"two\n",
        "folder": False,
        "b": b"b",
    }


@pytest.mark.usefixtures("windows")
def test_what_a_dead_writer_left_is_swept(tmp_path):
    (tmp_path / f".unictoken-{'a' * 32}.aside").write_bytes(b"half")
    (tmp_path / f".unictoken-{'b' * 32}.aside").mkdir()  # nobody can tell whose it is
    disk.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [f".unictoken-{'b' * 32}.aside"]


@pytest.mark.usefixtures("windows")
def test_a_place_is_held_by_one(tmp_path):
    def held():
        return hold(tmp_path / ".lock", "the run", instead="Go elsewhere")

    with held():
        with pytest.raises(HeldError, match=f"process {os.getpid()} on .* is writing"), held():
            pass
        assert stat.S_ISREG(os.lstat(tmp_path / ".lock").st_mode)
    assert list(tmp_path.iterdir()) == []


SPIN = """
import os, sys
import unictoken.core.system as system
system.LOAD = sys.argv[1]
import unictoken.core.program
assert "torch" not in sys.modules  # which reads it when it is imported
print(os.environ["GOMP_SPINCOUNT"])
"""


@pytest.mark.parametrize(
    ("load", "spins"),
    [
        ("0.01 0.05 0.00 1/97 4242\n", "10000"),
        ("0.01 0.05 0.00 2/97 4242\n", "1000"),
        ("nonsense\n", "1000"),
        ("", "1000"),
        (None, "1000"),
    ],
)
def test_threads_stay_awake_where_nothing_else_computes(load, spins, tmp_path):
    path = tmp_path / "loadavg"
    if load is not None:
        path.write_text(load, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", SPIN, str(path)]
    assert subprocess.check_output(command, encoding="utf-8", env=env).strip() == spins
    env["GOMP_SPINCOUNT"] = "77"  # the user's own
    assert subprocess.check_output(command, encoding="utf-8", env=env).strip() == "77"
