"""Texts of others change no terminal and forge no line."""

import json
import logging
import subprocess
import sys

import pytest

from unictoken.core import printing
from unictoken.core.errors import UserError

CLEAR = "\x1b[2J\x1b[31mred\x07"


def test_control_sequences_are_printed_as_their_escapes(capsys):
    printing.say(
        f"bo: {CLEAR}", "\u202eback", "\x9b5n", "caf\u00e9\u00a0\u732b \U0001f468\u200d\U0001f33e"
    )
    assert capsys.readouterr().out == (
        "bo: \\x1b[2J\\x1b[31mred\\x07 \\u202eback \\x9b5n caf\u00e9\u00a0\u732b \U0001f468\u200d\U0001f33e\n"
    )


def test_line_breaks_stay_where_several_lines_are_printed_and_nowhere_else(capsys):
    printing.say("a\n\tb\rc")
    printing.warn("a\nunictoken: all is well\u2028b")
    said = capsys.readouterr()
    assert said.out == "a\n\tb\\rc\n" and said.err == "a unictoken: all is well b\n"


def test_json_that_is_printed_reads_back(capsys):
    told = {"answer": CLEAR + "\x9b\u202e\ud800", "name": "caf\u00e9 \U000e0041"}
    printing.say_json(**told)
    line = capsys.readouterr().out
    assert json.loads(line) == told and line[:-1].isprintable() and "caf\u00e9" in line


def test_a_message_is_one_line_of_a_bounded_length():
    said = str(UserError(f"bo.yaml: found {'x' * 10**6}, expected\n{CLEAR} a dog. Give one."))
    assert len(said) <= printing.LONGEST_LINE and said.isprintable()
    assert said.startswith("bo.yaml: found xx") and said.endswith("a dog. Give one.")


def test_the_log_is_printable():
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s: left out", (CLEAR,), None)
    shown = printing.PrintableFormatter("%(message)s").format(record)
    assert shown == "\\x1b[2J\\x1b[31mred\\x07: left out"


@pytest.mark.parametrize("text", ["", "a", "two words", "\u4e2d\u6587"])
def test_a_plain_text_stays_as_it_is(text):
    assert printing.printable(text) == printing.one_line(text) == text


@pytest.mark.parametrize("name", ["transformers", "huggingface_hub"])
def test_what_libraries_log_is_printable_too(name):
    import unictoken.model.internals  # noqa: F401  # it sees to that

    said = logging.LogRecord(name, logging.ERROR, "", 0, "in \x1b[2J.json", (), None)
    # Its first one: pytest adds handlers of its own.
    handlers = logging.getLogger(name).handlers[:1]
    assert handlers and all("in \\x1b[2J.json" in handler.format(said) for handler in handlers)


def test_a_librarys_warning_is_printable():
    lines = (
        "import warnings\nfrom unictoken.core.program import run_program\n"
        "run_program('prog', lambda _: warnings.warn('a \\x1b[2J file'))"
    )
    said = subprocess.run([sys.executable, "-c", lines], stderr=subprocess.PIPE, check=True).stderr
    assert b"a \\x1b[2J file" in said and b"\x1b" not in said
