"""Who writes into a place holds it, and lets go when it ends, however it ends."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unictoken.core.errors import UserError
from unictoken.core.lock import HeldError, hold

HOLDS = """
import sys, time
from pathlib import Path
from unictoken.core.lock import hold
with hold(Path(sys.argv[1]), "the run", instead="Go elsewhere"):
    print("held", flush=True)
    time.sleep(600)
"""


def held(file: Path):
    return hold(file, "the run", instead="Go elsewhere")


@pytest.fixture
def holder(tmp_path):
    """Another process that holds `.lock`."""
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", HOLDS, str(tmp_path / ".lock")]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"held\n"
        yield running
        running.kill()


def test_who_comes_second_is_told_in_one_line_who_holds_the_place(holder, tmp_path):
    with pytest.raises(HeldError) as refused, held(tmp_path / ".lock"):
        pass
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(
        f"the run: process {holder.pid} on {re.escape(socket.gethostname())} is writing into it,"
        f" since {since}. Wait until it has ended, or end it. Go elsewhere.",
        str(refused.value),
    )


def test_death_lets_go_and_what_is_left_of_a_lock_is_none(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=60)
    assert (tmp_path / ".lock").is_file()
    with held(tmp_path / ".lock"):
        assert f'"process": {os.getpid()}' in (tmp_path / ".lock").read_text(encoding="utf-8")
    assert not list(tmp_path.iterdir())


def test_a_second_thread_of_the_same_process_is_refused_too(tmp_path):
    said = []

    def second() -> None:
        try:
            with held(tmp_path / ".lock"):
                pass
        except HeldError as refused:
            said.append(str(refused))

    with held(tmp_path / ".lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(said) == 1 and f"process {os.getpid()} on" in said[0]


def test_an_error_lets_go(tmp_path):
    with pytest.raises(KeyError), held(tmp_path / ".lock"):
        raise KeyError
    with held(tmp_path / ".lock"):
        pass


def test_a_folder_that_was_made_for_the_lock_alone_goes_with_it(tmp_path):
    with held(tmp_path / "run" / ".lock"):
        pass
    assert not (tmp_path / "run").exists()
    with held(tmp_path / "run" / ".lock"):
        (tmp_path / "run" / "log").write_text("kept", encoding="utf-8")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["log"]


@pytest.mark.slow
def test_many_take_turns_and_never_two_at_once(tmp_path):
    inside, worst, taken = [], [], []

    def take() -> None:
        for _ in range(200):
            try:
                with held(tmp_path / ".lock"):
                    inside.append(1)
                    worst.append(len(inside))
                    inside.pop()
                taken.append(1)
            except HeldError:
                pass

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken and max(worst) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "said", ["", "{", "[]", '{"process": "rm", "host": 1, "since": 2}', "[" * 4000, "\x1b[2J"]
)
def test_a_lock_that_says_nothing_readable_still_holds(said, tmp_path):
    with held(tmp_path / ".lock"):
        (tmp_path / ".lock").write_text(said, encoding="utf-8")
        with (
            pytest.raises(HeldError, match="the run: another process is writing"),
            held(tmp_path / ".lock"),
        ):
            pass


def test_a_file_system_without_locks_is_said_in_one_line(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("unictoken.core.system.take_lock", no_locks)
    with held(tmp_path / ".lock"):
        pass
    assert [record.getMessage() for record in caplog.records] == [
        "the run: its file system has no locks (Function not implemented). See to it that nothing"
        " else writes there meanwhile."
    ]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_into_is_said_in_one_line(code, tmp_path, monkeypatch):
    opened = os.open

    def refuse(path, *how):
        if str(path).endswith(".lock"):
            raise OSError(code, os.strerror(code))
        return opened(path, *how)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError) as refused, held(tmp_path / ".lock"):
        pass
    assert str(refused.value) == (
        f"the run: cannot be held for this run (.lock: {os.strerror(code)}). Go elsewhere."
    )


@pytest.mark.parametrize(
    "make", [lambda p: p.symlink_to("victim"), os.mkfifo, os.mkdir], ids=["link", "fifo", "folder"]
)
def test_what_is_no_plain_file_in_the_place_of_a_lock_is_refused(make, tmp_path):
    (tmp_path / "victim").write_text("precious", encoding="utf-8")
    make(tmp_path / ".lock")
    with pytest.raises(UserError, match="lock"), held(tmp_path / ".lock"):
        pass
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "precious"
