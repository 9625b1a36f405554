"""What is said around a concept.

`{name}` is the concept's name, `{tokens}` what introduces it, `{scene}` the rest of a prompt. The tiny base learned from these same
sentences (`pretrain/lessons.py`), with descriptions and picture codes where concept tokens will stand.
"""

from __future__ import annotations

from collections.abc import Sequence

INTRODUCTION = "{name} is {tokens}."

RECOGNISE = (
    "is {name} in the photo?",
    "can you see {name} here?",
    "is this {name}?",
    "does the photo show {name}?",
)
CAPTION = ("describe the photo.", "what does the photo show?")
GENERATE = ("a photo of {name} {scene}.", "a picture of {name} {scene}.", "draw {name} {scene}.")
KNOWN = "what do you know about {name}?"
YES, NO = "yes", "no"


def told(facts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A question whose answer is every fact, one after the other; none where there are no facts."""
    return ((KNOWN, " ".join(facts)),) if facts else ()


def with_scene(form: str, scene: str) -> str:
    """One of GENERATE with its scene, or without one: 'a photo of {name} in the snow.', 'a photo of {name}.'"""
    return form.replace(" {scene}", f" {scene}" if scene else "")
