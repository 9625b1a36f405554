"""What a base is asked about reference pictures before anything is learned; its answers become the
training answers.

A base of the toy world is asked what it was taught (`TOY`), any other what every picture answers
(`GENERAL`). `{it}` in a question is the concept; `{name}` in what is made of the answers, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from unictoken.data import templates
from unictoken.world import language


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

    @property
    def questions(self) -> tuple[str, ...]:
        return self.about_concept + self.about_scene


# ---- a base of the toy world -------------------------------------------------------------------------

NOT_SAID = ("wearing nothing", "at day")  # left out of a prompt: what goes without saying
IN_A_PROMPT = {
    "what is {it} wearing?": "wearing {answer}",
    "what is {it} doing?": "",
    "on which side is {it}?": "",
    "where is {it}?": "{answer}",
    "is it day or night?": "at {answer}",
}


def toy_phrase(answers: Sequence[str]) -> str:
    """'wearing a red cap in the snow at night'."""
    said = [
        form.format(answer=a) for form, a in zip(IN_A_PROMPT.values(), answers, strict=True) if form
    ]
    return " ".join(part for part in said if part not in NOT_SAID)


def toy_caption(answers: Sequence[str]) -> str:
    """'{name}, wearing a red cap, sitting on the left in the snow at night.'"""
    return f"{{name}}, {language.say_scene(*answers)}."


def toy_description(answers: Sequence[str]) -> str:
    """'a spotted brown dog with floppy ears, ...'."""
    said = dict(zip(language.PET_QUESTIONS, answers, strict=True))
    said["species"] = said["species"].removeprefix("a ").removeprefix("an ")
    return language.describe(SimpleNamespace(**said))


TOY = Interview(
    about_concept=tuple(forms[0] for forms in language.PET_QUESTIONS.values()),
    about_scene=tuple(IN_A_PROMPT),
    it="it",
    max_ids=16,
    answer=lambda said, noun: said,
    description=toy_description,
    phrase=toy_phrase,
    caption=toy_caption,
)

# ---- any other base ----------------------------------------------------------------------------------


def with_name(said: str, noun: str) -> str:
    """What the base said, with {name} where it means the concept: 'The dog sits on a rug.' ->
    '{name} sits on a rug.'

    The first mention may bear an article and a few words before the noun ('a small brown dog'), the
    others are definite.
    """
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


GENERAL = Interview(
    about_concept=(
        "what does {it} look like?",
        "what colour is {it}?",
        "what shape is {it}?",
        "what pattern or texture does {it} have?",
        "what sets {it} apart?",
    ),
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
)
