"""What a base is asked about reference pictures before anything is learned; its answers become the
training answers.

A base that knows a drawn world alone (`Profile.world`) is asked that world's questions, any other
what every picture answers (`GENERAL`). `{it}` in a question is the concept; `{name}` in what is
made of the answers, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from unictoken.core.text import a
from unictoken.data import templates


@dataclass(frozen=True, kw_only=True)
class TreeForm:
    """What a tree of the concept's attributes asks and says (`learn/tree.py`)."""

    questions: tuple[str, ...]
    """Each asks for one attribute; they are among the interview's `about_concept`."""
    subject: Callable[[Sequence[str], str], str]
    """(answers to `questions`, class noun) -> what stands in a prompt for a picture: 'a plain brown
    dog'."""
    contexts: tuple[str, ...]
    """Ends of prompts that show it elsewhere: 'in the snow'."""
    class_question: str = ""
    """The one of `questions` whose answer is its class; '': none, the class always stays."""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Every possible answer by question. Of other questions they are those that the base gives about
    its own drawings of the class noun."""


@dataclass(frozen=True, kw_only=True)
class Interview:
    """Questions, and what becomes of the answers to them (all in the order of the questions)."""

    about_concept: tuple[str, ...]
    about_scene: tuple[str, ...]
    it: str
    """What the base hears in place of {it}; {noun} is the class noun."""
    max_ids: int
    """Of an answer."""
    answer: Callable[[str, str], str]
    """(what the base said, class noun) -> what is learned."""
    description: Callable[[Sequence[str]], str]
    """Answers about the concept as one phrase."""
    phrase: Callable[[Sequence[str]], str]
    """Answers about a scene as the end of a prompt."""
    caption: Callable[[Sequence[str]], str]
    """The same as a caption."""
    tree: TreeForm
    """Of the attributes that it asks for."""

    @property
    def questions(self) -> tuple[str, ...]:
        return self.about_concept + self.about_scene


def with_name(said: str, noun: str) -> str:
    """What the base said, with {name} where it means the concept: 'The dog sits on a rug.' ->
    '{name} sits on a rug.'

    The first mention may bear an article and a few words before the noun ('a small brown dog'), the
    others are definite.
    """
    # Not across a preposition or another article: 'the hat of a dog' is no dog.
    between = r"((?!(of|with|in|on|a|an|the)\b)[\w-]+\s+){0,3}?"
    first = re.sub(
        rf"^\W*(the|this|a|an)\s+{between}{re.escape(noun)}\b",
        "{name}",
        said,
        count=1,
        flags=re.IGNORECASE,
    )
    return re.sub(rf"\b(the|this) {re.escape(noun)}\b", "{name}", first, flags=re.IGNORECASE)


def general_caption(answers: Sequence[str]) -> str:
    """The base's own caption where that names the concept, else the plainest one."""
    return answers[0] if "{name}" in answers[0] else "a photo of {name}."


def general_subject(answers: Sequence[str], noun: str) -> str:
    """The class noun, and whole answers behind it.

    >>> general_subject(["{name} is brown.", "Round."], "mug")
    'a mug, the mug is brown, round'
    """
    said = [answer.replace("{name}", f"the {noun}").strip().rstrip(".") for answer in answers]
    return ", ".join([a(noun), *(text[:1].lower() + text[1:] for text in said if text)])


_ATTRIBUTES = (
    "what colour is {it}?",
    "what shape is {it}?",
    "what pattern or texture does {it} have?",
    "what sets {it} apart?",
)
GENERAL = Interview(
    about_concept=("what does {it} look like?", *_ATTRIBUTES),
    about_scene=(
        templates.CAPTION[0],
        "where is {it}?",
        "what is around {it}?",
        "what is in the background?",
    ),
    it="the {noun}",
    max_ids=48,
    answer=with_name,
    description=lambda answers: answers[0].replace("{name}", "").strip(),
    phrase=lambda answers: "",  # as in the papers: whole sentences fit into no prompt
    caption=general_caption,
    tree=TreeForm(
        questions=_ATTRIBUTES,
        subject=general_subject,
        contexts=(
            "in the snow",
            "on a beach",
            "in a forest",
            "on a city street",
            "in a meadow",
            "in a living room",
            "on a wooden table",
            "in front of a white wall",
            "in a dark room at night",
            "in bright sunlight",
            "seen from the side",
            "seen from far away",
        ),
    ),
)
