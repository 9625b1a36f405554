"""How our programs begin and end.

What the user can mend is one line and status 2, an interruption one line and status 130; a bug
keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from unictoken.core.errors import (
    REFUSED,
    STOPPED,
    Interrupted,
    Refused,
    Stopped,
    UsageError,
    UserError,
)
from unictoken.core.printing import log_to_terminal, one_line, say

DEBUG = "UNICTOKEN_DEBUG"
SIGNALLED = 128  # a shell adds the number of the signal: 130 after Ctrl-C
# How long a thread of GNU OpenMP spins at a barrier before it sleeps. Its default keeps cores busy
# doing nothing: of three processes on two cores each took 3.5 s a step, and takes 1.15 s with this.
# On an idle machine nothing changes. It is read when torch is imported, and every program imports
# this file before torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
READER_LEFT = 141  # as of every program whose output goes to `head`


def run_program(
    name: str,
    action: Callable[[Sequence[str]], None],
    arguments: Sequence[str] | None = None,
    *,
    says: Callable[[str], bool] = lambda line: True,
    say_last: Callable[[str], None] = lambda line: None,
) -> None:
    """Call `action(arguments)` as the program `name`; what is no bug ends by `SystemExit`.

    Args:
        name: what each line begins with, such as 'train/run.py'.
        action: the program, reading of its command line included.
        arguments: the command line; None: the process's own. `--debug` in it, or the variable
            UNICTOKEN_DEBUG=1, keeps the traceback of mistakes and interruptions too.
        says: whether this process prints a line; of several that end alike, one does.
        say_last: says it again when what started the process has had its own last words.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get(DEBUG, "0") not in ("", "0")
    print_any_letter()
    log_to_terminal()
    # With `arguments` this was called from Python, and that process goes on afterwards.
    with _signals_interrupt(for_good=arguments is None):
        try:
            action(given)
            if sys.stdout:
                # notices here a reader that has left, not at the interpreter's end
                sys.stdout.flush()
        except (Stopped, UserError, OSError, KeyboardInterrupt) as reason:
            status, line = _end(name, reason)
            # A run that stopped on request is no error: no traceback, even with --debug.
            if status is None or (debug and not isinstance(reason, Stopped)):
                raise
            if line and says(line):
                say(line, stream=sys.stderr)
                say_last(line)
            raise (Refused(line) if status == REFUSED else SystemExit(status)) from None


def _end(name: str, reason: BaseException) -> tuple[int | None, str]:
    """Exit status and line of a program that `reason` ends; status None: it is a bug."""
    line = ""
    if isinstance(reason, Stopped):
        status, line = STOPPED, f"{name}: {reason}"
    elif isinstance(reason, UserError):
        status, line = REFUSED, f"{name}: {reason}"
        if isinstance(reason, UsageError):
            line = str(reason)
    elif isinstance(reason, KeyboardInterrupt):
        # A plain KeyboardInterrupt, raised before our handlers were set, has no number.
        number = getattr(reason, "number", signal.SIGINT)
        status = SIGNALLED + number
        if number == signal.SIGINT:  # a launcher or scheduler sends the others, and reads no line
            line = f"{name}: interrupted; {reason}" if str(reason) else f"{name}: interrupted."
    elif isinstance(reason, BrokenPipeError) and _reader_has_left():
        status = READER_LEFT
    elif isinstance(reason, OSError) and reason.errno is not None:
        status, line = REFUSED, f"{name}: {_refusal(reason)}"
    else:
        status = None  # an OSError of a library's, which says nothing of the machine
    return status, one_line(line)


@contextmanager
def keeping(what: Callable[[], str]) -> Iterator[None]:
    """An interruption in this block reports what is kept of the work, after 'interrupted; '."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        # The line of the innermost block stays: it knows best what is kept.
        interrupt.args = interrupt.args or (what(),)
        raise


def print_any_letter() -> None:
    """From here on a letter that the terminal's encoding lacks is printed as its number."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook may have put something of its own there
            stream.reconfigure(errors="backslashreplace")


def interruptible(name: str) -> None:
    """Until `run_program` begins, Ctrl-C ends this process with one line: imports take seconds."""

    def leave(number: int, _: FrameType | None) -> None:
        # Not print and sys.exit: the interrupted import may hold the stream's lock, or catch
        # SystemExit.
        os.write(2, f"{name}: interrupted.\n".encode())
        os._exit(SIGNALLED + number)

    in_foreground = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if in_foreground:  # else it is ignored, and stays so
        signal.signal(signal.SIGINT, leave)


@contextmanager
def _signals_interrupt(*, for_good: bool) -> Iterator[None]:
    """SIGINT and SIGTERM raise `Interrupted` in this block; threads but the main one get no
    signals.

    After a Ctrl-C a launcher sends SIGTERM to its processes, which got the Ctrl-C too: it is
    ignored. `for_good`: the process ends after an interruption; another Ctrl-C meanwhile ends it at
    once.
    """
    ending = False

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal ending
        if number == signal.SIGTERM and ending:
            return
        ending = True
        raise Interrupted(signal.Signals(number))

    # Only the main thread may set signal handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # SIG_IGN: started by nohup or in the background; the signal must stay ignored. None: a handler
    # that was set from C, which Python could not restore.
    kept = (signal.SIG_IGN, None)
    before = {number: handler for number, handler in handlers.items() if handler not in kept}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if ending and for_good else handler)


def _reader_has_left() -> bool:
    """Whether standard output is the pipe that lost its reader; what is left to print is then
    discarded.
    """
    try:
        out = sys.stdout.fileno()
    except (AttributeError, OSError):  # a test's or a notebook's
        return False
    watched = select.poll()
    watched.register(out, 0)
    # The mask of 0 asks for no event: errors, and an end that was closed, are reported anyway.
    if not watched.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), out)  # for what is left in Python's buffer
    return True


def _refusal(error: OSError) -> str:
    """What the machine refuses: a full disk, no permission, no such place."""
    where = f"{error.filename}: " if error.filename is not None else ""
    said = f"{error.strerror or os.strerror(error.errno or 0)} ({type(error).__name__})"
    return f"{where}{said}. {_ADVICE.get(error.errno or 0, _OTHER_ADVICE)}"


_OTHER_ADVICE = "Look at that place, or choose another one."
_ADVICE = {
    errno.ENOSPC: "Make room on that disk, and start it again.",
    errno.EDQUOT: "Make room in your share of that disk, and start it again.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EACCES: "Choose another place, or ask its owner for the right to use it.",
    errno.EPERM: "Choose another place, or ask its owner for the right to use it.",
    errno.EROFS: "Choose another place: this one can only be read.",
    errno.EMFILE: "Close other files, or raise the limit (`ulimit -n`).",
    errno.ENOMEM: "Give the process more memory, or end others.",
}
