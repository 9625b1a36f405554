"""How programs end: one line for a mistake, an interruption or a full disk; a traceback for a bug.
Small programs, without torch.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unictoken.core import progress as bars
from unictoken.core.errors import Stopped, UsageError, UserError
from unictoken.core.program import keeping, run_program

ROOT = Path(__file__).parents[1]


def program(body: str, *arguments: str, **more: str) -> subprocess.Popen:
    """A program of this body, `action(arguments)`; it hears Ctrl-C even where the tests run in the
    background.
    """
    lines = [
        "import os, signal, sys, time",
        "from unictoken.core.program import *",
        "from unictoken.core.errors import *",
    ]
    lines += ["signal.signal(signal.SIGINT, signal.default_int_handler)", "def action(arguments):"]
    lines += [f"    {line}" for line in body.splitlines()] + ["run_program('prog', action)"]
    environment = {name: value for name, value in os.environ.items() if name != "UNICTOKEN_DEBUG"}
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines), *arguments],
        cwd=ROOT,
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def end_of(running: subprocess.Popen) -> tuple[int, str]:
    """Exit status and what it said on stderr."""
    _, said = running.communicate(timeout=60)
    return running.returncode, said


@pytest.mark.parametrize(
    ("reason", "status", "line"),
    [
        (UserError("bo.yaml: found\n  two lines"), 2, "prog: bo.yaml: found two lines"),
        (UsageError("prog draw: no such flag"), 2, "prog draw: no such flag"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/x"),
            2,
            "prog: out/x: No space left on device (OSError). Make room on that disk, and start it again.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            2,
            "prog: Permission denied (PermissionError). Choose another place, or ask its owner for the right to use it.",
        ),
        (KeyboardInterrupt(), 130, "prog: interrupted."),
        (Stopped(3, 9), 75, "prog: stopped at step 3 of 9; the same command goes on from there."),
    ],
)
def test_what_is_no_bug_ends_in_one_line(reason, status, line, capsys):
    def action(arguments):
        raise reason

    with pytest.raises(SystemExit) as ended:
        run_program("prog", action, [])
    assert (ended.value.code, capsys.readouterr().err) == (status, line + "\n")


@pytest.mark.parametrize(
    "bug",
    [ValueError("zip() argument 2 is shorter"), KeyError("x"), OSError("a library's own words")],
)
def test_a_bug_keeps_its_traceback(bug):
    def action(arguments):
        raise bug

    with pytest.raises(type(bug)) as ended:
        run_program("prog", action, [])
    assert ended.value is bug


@pytest.mark.parametrize(
    "reason", [UserError("x"), OSError(errno.EACCES, "x"), KeyboardInterrupt()]
)
def test_debugging_shows_the_traceback_of_everything(reason, monkeypatch):
    def action(arguments):
        raise reason

    with pytest.raises(type(reason)):
        run_program("prog", action, ["--debug"])
    monkeypatch.setenv("UNICTOKEN_DEBUG", "1")
    with pytest.raises(type(reason)):
        run_program("prog", action, [])
    monkeypatch.setenv("UNICTOKEN_DEBUG", "0")
    with pytest.raises(SystemExit):
        run_program("prog", action, [])


def test_an_interruption_says_what_is_kept(capsys):
    def action(arguments):
        with keeping(lambda: "the rest."), keeping(lambda: "bo.safetensors is kept."):
            raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        run_program("prog", action, [])
    assert capsys.readouterr().err == "prog: interrupted; bo.safetensors is kept.\n"


def test_signals_are_what_they_were_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run_program("prog", lambda arguments: None, [])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_program_runs_in_a_thread_too():
    ran = []
    thread = threading.Thread(target=run_program, args=("prog", ran.extend, ["hello"]))
    thread.start()
    thread.join()
    assert ran == ["hello"]


def test_the_sigterm_with_which_a_launcher_follows_a_ctrl_c_does_not_cut_the_line_off():
    running = program(
        "try:\n    print('ready', flush=True); time.sleep(60)\nfinally:\n    os.kill(os.getpid(),"
        " signal.SIGTERM); time.sleep(.1)"
    )
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert end_of(running) == (130, "prog: interrupted.\n")


def test_sigterm_alone_ends_it_without_a_word_and_lets_it_clean_up():
    running = program(
        "try:\n    print('ready', flush=True); time.sleep(60)\nfinally:\n    print('clean',"
        " file=sys.stderr)"
    )
    running.stdout.readline()
    running.send_signal(signal.SIGTERM)
    assert end_of(running) == (143, "clean\n")


def test_who_reads_no_further_ends_it_without_a_word():
    running = program("for i in range(100_000): print(i)")
    running.stdout.readline()
    running.stdout.close()
    running.stdout = None
    assert end_of(running) == (141, "")


def test_a_letter_that_the_terminal_lacks_is_printed_as_its_number():
    running = program("print('K\\u00e4se \\u732b')", PYTHONIOENCODING="ascii:strict")
    said, _ = running.communicate(timeout=60)
    assert (running.returncode, said) == (0, "K\\xe4se \\u732b\n")


def test_an_argument_that_is_no_text_is_refused_in_one_line():
    body = "from unictoken.core.config import Parser\nParser(prog='prog').parse_args(arguments)"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    status, said = end_of(program(body, "Käse", **locale))
    assert (
        status == 2 and len(said.splitlines()) == 1 and "no text in ascii. Set PYTHONUTF8=1" in said
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_are_drawn_on_a_terminal_and_nowhere_else(monkeypatch):
    monkeypatch.setattr(bars, "A_MOMENT", 0)
    shown = {}
    for name, stream in (("terminal", Terminal()), ("file", io.StringIO())):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(bars.progress(range(3), "encoding pictures")) == [0, 1, 2]
        shown[name] = stream.getvalue()
    assert (
        "encoding pictures" in shown["terminal"]
        and "/3" in shown["terminal"]
        and shown["file"] == ""
    )


def test_hidden_bars_are_not_drawn(monkeypatch):
    monkeypatch.setattr(bars, "A_MOMENT", 0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bars.hide_bars()
    try:
        assert list(bars.progress("abc", "measuring")) == ["a", "b", "c"]
    finally:
        bars.hide_bars(False)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("error", [ImportError("numpy.core failed"), SystemError("returned NULL")])
def test_an_interruption_that_becomes_a_librarys_error_is_still_one(error, capsys):
    def action(arguments):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None

    with pytest.raises(SystemExit) as ended:
        run_program("prog", action, [])
    assert (ended.value.code, capsys.readouterr().err) == (130, "prog: interrupted.\n")


def test_an_interruption_that_comes_while_something_is_cleared_up_is_not_lost():
    """Python prints what is raised in `__del__`, and goes on."""
    running = program(
        "class It:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\nIt()\ntime.sleep(60)"
    )
    assert end_of(running) == (130, "prog: interrupted.\n")


@pytest.mark.parametrize("command", [["--version"], ["ask", "--help"]])
def test_ctrl_c_in_the_imports_of_the_command_is_one_line(command):
    """At the first import that is no part of Python's start, and at several after it."""
    for number in (1, 20, 60):
        said = subprocess.run(
            [sys.executable, "-c", AT_AN_IMPORT, str(number), *command],
            cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        assert (said.returncode, said.stderr) == (130, "unictoken: interrupted.\n")


AT_AN_IMPORT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from unictoken.__main__ import main
class Interrupts:
    left = int(sys.argv.pop(1))
    def find_spec(self, *_):
        Interrupts.left -= 1
        if not Interrupts.left:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
main()
"""
