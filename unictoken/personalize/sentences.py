"""Sentences about concepts that were not learned."""

from __future__ import annotations

from collections.abc import Iterable

from unictoken.core.disk import quoted
from unictoken.core.text import ConceptError, mark, markers
from unictoken.tokens.file import check_name


def sentences_by_name(texts: Iterable[str]) -> dict[str, list[str]]:
    """The texts about each concept, with '{name}' where its marker stands.

    >>> sentences_by_name(["<bo> is a dog.", "<mia> is a fox.", "<bo> has a hat"])
    {'bo': ['{name} is a dog.', '{name} has a hat.'], 'mia': ['{name} is a fox.']}
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        names = markers(text) if isinstance(text, str) else ()
        if len(names) != 1:
            raise ConceptError(
                f"words: found {quoted(text)}, expected a text about one concept that names it, "
                "such as '<bo> is a brown dog.'"
            )
        said = mark(text, check_name(names[0]), where="words").strip()
        found.setdefault(names[0], []).append(
            said if said.endswith((".", "!", "?")) else f"{said}."
        )
    return found
