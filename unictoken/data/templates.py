"""What is said around a concept.

`{name}` is the concept's name, `{it}` the subject of a question, `{scene}` the rest of a prompt. The tiny base learned from these
same sentences (`pretrain/lessons.py`), with descriptions and picture codes where concept tokens will stand.
"""

from __future__ import annotations

from types import SimpleNamespace

from unictoken.world import language

INTRODUCTION = "{name} is {tokens}."

RECOGNISE = (
    "is {name} in the photo?",
    "can you see {name} here?",
    "is this {name}?",
    "does the photo show {name}?",
)
CAPTION = ("describe the photo.", "what does the photo show?")
GENERATE = ("a photo of {name} {scene}.", "a picture of {name} {scene}.", "draw {name} {scene}.")
YES, NO = "yes", "no"

# What a base is asked about reference pictures before anything is learned; its answers become the training answers.
ABOUT_CONCEPT = tuple(forms[0] for forms in language.PET_QUESTIONS.values())
# About the scene, with how the answer is said in a prompt ('' leaves it out).
ABOUT_SCENE = (
    ("what is {it} wearing?", "wearing {answer}"),
    ("what is {it} doing?", ""),
    ("on which side is {it}?", ""),
    ("where is {it}?", "{answer}"),
    ("is it day or night?", "at {answer}"),
)
NOT_SAID = ("wearing nothing", "at day")  # left out of a prompt: what goes without saying


def scene_phrase(answers: list[str]) -> str:
    """Answers to ABOUT_SCENE as the end of a prompt: 'wearing a red cap in the snow at night'."""
    said = [form.format(answer=a) for (_, form), a in zip(ABOUT_SCENE, answers, strict=True) if form]
    return " ".join(part for part in said if part not in NOT_SAID)


def scene_caption(answers: list[str]) -> str:
    """The same as the end of a caption: 'wearing a red cap, sitting on the left in the snow at night'."""
    worn, pose, side, where, time = answers
    return f"wearing {worn}, {pose} {side} {where} {language.WHEN.get(time, time)}"


def description(answers: list[str]) -> str:
    """Answers to ABOUT_CONCEPT as one phrase: 'a spotted brown dog with floppy ears, ...'."""
    said = dict(zip(language.PET_QUESTIONS, answers, strict=True))
    said["species"] = said["species"].removeprefix("a ").removeprefix("an ")
    return language.describe(SimpleNamespace(**said))
