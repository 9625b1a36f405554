"""What is printed and written in one line: texts of others change no terminal and forge no line.

A file's texts may hold control sequences (they move the cursor, hide what stands before, answer in
the user's name) and letters that turn the others around. Both are shown as their escapes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import unicodedata
import warnings
from typing import TextIO

LONGEST_LINE = 2000  # letters of a message; of a longer one the middle is left out
_BREAKS = "\n\t"
# Joiners, without which Persian, Hindi and many emoji are written wrong.
_JOINERS = "\u200c\u200d"
_SPACES = "Zs"  # Unicode's category: spaces of every width


def printable(text: str) -> str:
    """A text as a terminal shows it, line breaks kept.

    'a\\x1b[2Jb'   ->   a\\\\x1b[2Jb          '\\u202eabc'   ->   \\\\u202eabc
    """
    return text if text.isprintable() else _escaped(text, _BREAKS + _JOINERS)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """A text in one printable line; of a long one its beginning and its end."""
    if len(text) > 4 * longest:  # before anything looks at every letter
        text = text[: 2 * longest] + text[-2 * longest :]
    line = _escaped(" ".join(text.split()), _JOINERS)
    if len(line) <= longest:
        return line
    half = (longest - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def _escaped(text: str, kept: str) -> str:
    return "".join(
        letter if _is_shown(letter) or letter in kept else _escape(letter) for letter in text
    )


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == _SPACES


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def say(*texts: object, sep: str = " ", stream: TextIO | None = None) -> None:
    """Print texts, printable, at once. `stream`: None is the standard output."""
    print(printable(sep.join(map(str, texts))), file=stream or sys.stdout, flush=True)


def warn(text: str) -> None:
    """Print one line for whoever waits, beside the results."""
    say(one_line(text), stream=sys.stderr)


def say_json(**values: object) -> None:
    """Print one object of JSON on a line of its own."""
    line = json.dumps(values, ensure_ascii=False)
    print("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line), flush=True)


class PrintableAs(logging.Formatter):
    """Another library's messages, printable: what it quotes of a file changes no terminal."""

    def __init__(self, inner: logging.Formatter):
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return printable(self.inner.format(record))


class PrintableFormatter(logging.Formatter):
    """Messages of the log as `one_line` has them."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def log_to_terminal() -> None:
    """Messages of the log go to stderr, printable; nothing, where a program has set up its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler])


def warn_printably() -> None:
    """From here on libraries' warnings are printable, too: they quote what files say."""
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A library's warning, printable, as Python shows it."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    with contextlib.suppress(OSError):
        (file or sys.stderr).write(printable(text))
