"""Pages of Markdown, as tests read them: their commands, blocks, headings and names."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = tuple(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md")))
"""The pages of the site, from the repository's top."""
_FENCE = re.compile(
    r"^(?:(?: *)<!-- not run: (?P<why>.*?) -->\n)?(?P<indent> *)```(?P<language>\w+)"
    r'(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    title: str | None
    """The file that it is the content of; None: it is run."""
    why: str | None
    """Why it is not run here; None: it is."""


def text_of(page: str) -> str:
    path = ROOT / page
    if not path.is_file():
        pytest.skip(f"{page} is not in a source archive")
    return path.read_text(encoding="utf-8")


def blocks_of(text: str) -> list[Block]:
    """Every fenced block, those in tabs too."""
    return [
        Block(
            found["language"],
            textwrap.dedent(found["text"]),
            found["title"],
            found["why"],
        )
        for found in _FENCE.finditer(text)
    ]


def lines_of(commands: str) -> list[list[str]]:
    r"""The words of every line of shell; \ at its end goes on in the next one."""
    whole = re.sub(r"\\\n\s*", "", commands)
    lines = (shlex.split(line, comments=True) for line in whole.split("\n"))
    return [line for line in lines if line]


def indented_commands_of(text: str) -> list[list[str]]:
    """The words of every indented `unictoken ...` that stands on a line of its own, as README has
    them.
    """
    indented = re.sub(r"\\\n\s*", "", text).split("\n")
    commands = "\n".join(line for line in indented if re.match(r" {4}unictoken ", line))
    return [words[1:] for words in lines_of(commands)]


def anchors_of(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
