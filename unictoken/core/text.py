"""Texts that name a concept: '<bo>' as people write it, '{name}' as prompts hold it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from unictoken.core.errors import UserError

ROLES = ("name", "shared", "generation", "understanding")
_MARKER = re.compile(r"<[A-Za-z0-9_-]+>")
_HALF_MARKER = re.compile(r"(?<!\w)<[A-Za-z][\w-]*|[A-Za-z][\w-]*(?<!-)>(?!\w)")  # not '5>3', 'a<b' or 'left->right'
_ROWS = re.compile("{(?:" + "|".join(ROLES[1:]) + ")}")


class ConceptError(UserError):
    """A concept that cannot be used: where, what was found, what was expected."""


def mark(text: str, name: str, *, where: str) -> str:
    """A user's text with '{name}' where '<name>' stands; any other marker, half a one, or a slot for rows is a mistake.

    '{name}' may stand in it already: what was marked once can be marked again.
    """
    check_markers(text, [name], where=where)
    return text.replace(f"<{name}>", "{name}")


def check_markers(text: str, names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Those of `names` that a user's text names, in the order of `names`; any other marker is a mistake."""
    named = markers(text)
    known = ", ".join(f"'<{name}>'" for name in names)
    if stray := next((name for name in named if name not in names), None):
        raise ConceptError(
            f"{where}: '<{stray}>' is not a concept that is loaded. Loaded: {known or 'none'}."
        )
    if wrong := misspelt(_MARKER.sub("{name}", text), names):
        raise ConceptError(f"{where}: {wrong}. Expected {known or 'a text without markers'}.")
    return tuple(name for name in names if name in named)


def markers(text: str) -> tuple[str, ...]:
    """The names that stand in markers, each once, in the text's order.

    >>> markers("<bo> and <mia>, but mostly <bo>")
    ('bo', 'mia')
    """
    return tuple(dict.fromkeys(found[1:-1] for found in _MARKER.findall(text)))


def unmark(text: str, name: str) -> str:
    """A marked text as people read it: '<name>' where '{name}' stands."""
    return text.replace("{name}", f"<{name}>")


def misspelt(text: str, names: Iterable[str] = ()) -> str | None:
    """What in a text without markers would be taken for one or for rows: half a marker, or a slot of a method's prompts.

    A strange word with one bracket may be arithmetic or an arrow; one of `names` is not, whatever it stands beside.
    """
    own = "|".join(map(re.escape, names))
    known = own and re.search(rf"<(?:{own})(?![\w-])|(?<![\w-])(?:{own})>", text, re.IGNORECASE)
    if half := known or _HALF_MARKER.search(text):
        return f"'{half[0]}' has one bracket"
    slot = _ROWS.search(text)
    return f"'{slot[0]}' is a slot of a method's prompts" if slot else None
