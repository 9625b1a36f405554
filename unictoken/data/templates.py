"""What is said around a concept.

`{name}` is the concept's name, `{tokens}` what introduces it, `{scene}` the rest of a prompt. The
tiny base learned from these same sentences (`toy/pretrain/sequences.py`), with descriptions and
picture codes where concept tokens will stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
MORE = "what else do you know about {name}, part {part}?"
YES, NO = "yes", "no"
RECOGNISED = 0.5  # the probability of yes above which an answer counts as yes
WHO = ("who is in the photo?", "who can you see here?", "whom does the photo show?")
NOBODY = "nobody i know"  # the photo shows none of those who were introduced
UNSURE = "i do not know."  # nothing that was said or shown answers the question
UNKNOWN = "i do not know {name}."  # nobody of this name was introduced
WHICH = ("which photo shows {name}?", "in which photo is {name}?")
NEITHER = "none of them"  # of the photos
VERIFY = "{question} is it {answer}?"
LIKES = "{name} likes {seen}."  # pictures
WOULD_LIKE = "would {name} like this?"  # the picture after it
SAYS = "what does {name} say of this?"


def told(
    facts: Sequence[str], fits: Callable[[str], bool] = lambda answer: True
) -> tuple[tuple[str, str], ...]:
    """A question whose answer is every fact, one after the other; none where there are no facts.

    Facts that are together too long for one answer (`fits` says no) are told in parts, in their
    order, each as long as fits: the first answers KNOWN, the others MORE. A fact is never cut; one
    that does not fit alone is a part of its own.

    >>> for question, answer in told(["a b.", "c.", "d e f."], lambda answer: len(answer) < 8):
    ...     print(question, "->", answer)
    what do you know about {name}? -> a b. c.
    what else do you know about {name}, part 2? -> d e f.
    """
    parts: list[str] = []
    for fact in facts:
        longer = f"{parts[-1]} {fact}" if parts else fact
        if parts and fits(longer):
            parts[-1] = longer
        else:
            parts.append(fact)
    asked = [KNOWN, *(MORE.replace("{part}", str(number)) for number in range(2, len(parts) + 1))]
    # Not strict: where there are no facts, KNOWN is left without an answer.
    return tuple(zip(asked, parts, strict=False))


def with_scene(form: str, scene: str) -> str:
    """One of GENERATE with its scene, or without one: 'a photo of {name} in the snow.', 'a photo of
    {name}.'
    """
    return form.replace(" {scene}", f" {scene}" if scene else "")


def yes_or_no(probability: float) -> str:
    """The answer that a probability of yes means.

    >>> yes_or_no(0.7), yes_or_no(0.5)
    ('yes', 'no')
    """
    return YES if probability > RECOGNISED else NO
