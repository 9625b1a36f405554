"""Docstrings as Markdown, for the reference pages: our docstrings are plain text with indented code,
`>>>` examples and names such as <bo>, which Markdown would take for tags of HTML.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import griffe

# The sections that griffe reads by itself: what is indented there is no code.
SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
IN_CODE = re.compile(r"(`[^`]*`)")


def as_markdown(text: str) -> str:
    r"""A docstring with its examples and its code in fences, and every other '<' as text.

    >>> as_markdown("The name <bo>.\n\n    bo = 1\n\n>>> 1 + 1\n2")
    'The name &lt;bo>.\n\n```python\nbo = 1\n```\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    return "\n\n".join(_blocks(text.split("\n\n")))


def _blocks(blocks: list[str]) -> Iterator[str]:
    in_section = False
    for block in blocks:
        indented = block.startswith("    ")
        in_section = SECTION.match(block.split("\n")[0]) is not None or (in_section and indented)
        if block.lstrip().startswith(">>>"):
            yield f"```pycon\n{textwrap.dedent(block)}\n```"
        elif indented and not in_section:
            yield f"```python\n{textwrap.dedent(block)}\n```"
        else:
            yield _escaped(block)


def _escaped(text: str) -> str:
    """The text with '<' as Markdown shows it, but for what stands between backticks."""
    parts = IN_CODE.split(text)
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;") for p in parts)


class Docstrings(griffe.Extension):
    """Applies `as_markdown` to every docstring that mkdocstrings reads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
