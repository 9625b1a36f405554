"""'Which photo shows <bo>?', asked of several photos: answered by looking at one after the other.

Asked in one question, the tiny base finds the photo far less often (`results/clips.md`): it has read
all photos before it is told whom to look for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unictoken.core.errors import UserError
from unictoken.data import templates

MOST_PHOTOS = 64  # that are numbered in an answer; in more than that people search
_ASKED = re.compile(
    r"(?:in )?which (?:of the(?:se)? )?(?:photo|picture|image)s? (?:shows?|is) <([\w-]+)>",
    re.IGNORECASE,
)
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)


def sought(question: str) -> str | None:
    """The name of who is looked for; None: something else is asked.

    >>> sought("which photo shows <bo>?"), sought("In which of these pictures is <bo>?")
    ('bo', 'bo')
    >>> sought("which photo shows <bo> in the snow?")
    """
    asked = _ASKED.fullmatch(question.strip().rstrip("? "))
    return asked[1] if asked else None


def check_photos(count: int) -> None:
    """Refuse more photos than an answer names well."""
    if count > MOST_PHOTOS:
        raise UserError(
            f"which photo: found {count} photos, expected at most {MOST_PHOTOS}. Use `find`, which"
            " orders any number of them."
        )


def told(probabilities: Sequence[float]) -> str:
    """Which photos show who is looked for, by the probability of each that it does.

    >>> told([0.9, 0.2, 0.7]), told([0.1])
    ('the first and the third', 'none of them')
    """
    shown = [i for i, p in enumerate(probabilities) if p > templates.RECOGNISED]
    numbered = [f"the {_ORDINALS[i]}" if i < len(_ORDINALS) else f"number {i + 1}" for i in shown]
    return " and ".join(numbered) or templates.NEITHER
