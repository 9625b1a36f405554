"""The questions that a base of the toy world is asked about reference pictures."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from unictoken.data.interviews import Interview
from unictoken.toy.world import language

NOT_SAID = ("wearing nothing", "at day")  # the usual case, which prompts leave out
# In the order of `language.say_scene`'s parameters: `toy_caption` fills them by their places. An
# empty form leaves the answer out of a prompt.
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
    # `describe` begins with an article of its own
    said["species"] = said["species"].removeprefix("a ").removeprefix("an ")
    # Not a Pet: no answer gives shade and proportions, and `describe` reads only what has a name.
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
