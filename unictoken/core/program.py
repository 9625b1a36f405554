"""How our programs begin and end.

What the user can mend is one line and status 2, an interruption one line and status 130; a bug
keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from unictoken.core.errors import (
    REFUSED,
    STOPPED,
    Interrupted,
    Refused,
    Stopped,
    UsageError,
    UserError,
)
from unictoken.core.interrupts import SIGNALLED
from unictoken.core.interrupts import interruptible as interruptible
from unictoken.core.printing import log_to_terminal, one_line, say, warn_printably
from unictoken.core.system import has_lost_its_reader, others_compute

DEBUG = "UNICTOKEN_DEBUG"
# How long a thread of GNU OpenMP spins at a barrier before it sleeps. Its default keeps cores busy
# doing nothing: of three processes on two cores each took 3.5 s a step, and takes 1.15 s with 1,000.
# On an idle machine 10,000 draws a sixth faster: threads are still awake when the next product
# comes. It is read when torch is imported, and every program imports this file before torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000" if others_compute() else "10000")
A_MOMENT = 0.05  # seconds
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
    if arguments is None:  # the process is this program's alone
        warn_printably()
    # With `arguments` this was called from Python, and that process goes on afterwards.
    with _signals_interrupt(for_good=arguments is None) as interruption:
        try:
            action(given)
            if sys.stdout:
                # notices here a reader that has left, not at the interpreter's end
                sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as reason:
            # What is interrupted in a library may end in an error of its own: an import of C code
            # says that it failed.
            status, line = _end(name, interruption.of(reason))
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


class _Interruption:
    """The signal that ends a program, once there is one."""

    def __init__(self) -> None:
        self.raised: Interrupted | None = None

    def of(self, reason: BaseException) -> BaseException:
        """Why the program ends: what it was interrupted by, where that became another error."""
        if self.raised is None or isinstance(reason, KeyboardInterrupt | Stopped | UserError):
            return reason
        return self.raised

    def heed_lost(self, otherwise: Callable[[sys.UnraisableHookArgs], Any]) -> Callable[..., Any]:
        """What is done with errors that nobody can catch: raised while Python clears something up,
        an interruption would be printed and forgotten. It is raised again.
        """

        def heed(lost: sys.UnraisableHookArgs) -> None:
            if not issubclass(lost.exc_type, Interrupted) or self.raised is None:
                otherwise(lost)
                return
            number = self.raised.number
            # A moment later, when Python has left what it was clearing up.
            again = threading.Timer(A_MOMENT, os.kill, (os.getpid(), number))
            again.daemon, self.raised = True, None
            again.start()

        return heed


@contextmanager
def _signals_interrupt(*, for_good: bool) -> Iterator[_Interruption]:
    """SIGINT and SIGTERM raise `Interrupted` in this block; threads but the main one get no
    signals.

    After a Ctrl-C a launcher sends SIGTERM to its processes, which got the Ctrl-C too: it is
    ignored. `for_good`: the process ends after an interruption; another Ctrl-C meanwhile ends it at
    once.
    """
    interruption = _Interruption()

    def interrupt(number: int, _: FrameType | None) -> None:
        if number == signal.SIGTERM and interruption.raised:
            return
        interruption.raised = Interrupted(signal.Signals(number))
        raise interruption.raised

    # Only the main thread may set signal handlers.
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # SIG_IGN: started by nohup or in the background; the signal must stay ignored. None: a handler
    # that was set from C, which Python could not restore.
    kept = (signal.SIG_IGN, None)
    before = {number: handler for number, handler in handlers.items() if handler not in kept}
    for number in before:
        signal.signal(number, interrupt)
    ending_says, sys.unraisablehook = sys.unraisablehook, interruption.heed_lost(sys.unraisablehook)
    try:
        yield interruption
    finally:
        sys.unraisablehook = ending_says
        for number, handler in before.items():
            ended = interruption.raised and for_good
            signal.signal(number, signal.SIG_DFL if ended else handler)


def _reader_has_left() -> bool:
    """Whether standard output is the pipe that lost its reader; what is left to print is then
    discarded.
    """
    try:
        out = sys.stdout.fileno()
    except (AttributeError, OSError):  # a test's or a notebook's
        return False
    if not has_lost_its_reader(out):
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
