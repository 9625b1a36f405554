"""The questions that a base of the toy world is asked about reference pictures, by what they
show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace

from unictoken.core.text import a
from unictoken.data.interviews import Interview, TreeForm
from unictoken.data.source import is_person
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import (
    ACCESSORIES,
    BRIGHT_COLOURS,
    NONE,
    PERSON_ATTRIBUTES,
    PET_ATTRIBUTES,
    PLACES,
    THING_ATTRIBUTES,
    THINGS,
    TIMES,
)
from unictoken.toy.world.subjects import Person, Thing

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
# A thing wears nothing, and only stands.
OF_A_THING = {
    "on which side is {it}?": "",
    "where is {it}?": "{answer}",
    "is it day or night?": "at {answer}",
}
_NO_SHADE = {"main_shade": 0.0}  # which no answer tells, and no description says


def toy_phrase(answers: Sequence[str]) -> str:
    """'wearing a red cap in the snow at night'."""
    return _phrase(IN_A_PROMPT, answers)


def thing_phrase(answers: Sequence[str]) -> str:
    """'in the snow at night'."""
    return _phrase(OF_A_THING, answers)


def _phrase(forms: dict[str, str], answers: Sequence[str]) -> str:
    said = [form.format(answer=a) for form, a in zip(forms.values(), answers, strict=True) if form]
    return " ".join(part for part in said if part not in NOT_SAID)


def toy_caption(answers: Sequence[str]) -> str:
    """'{name}, wearing a red cap, sitting on the left in the snow at night.'"""
    return f"{{name}}, {language.say_scene(*answers)}."


def thing_caption(answers: Sequence[str]) -> str:
    """'{name}, standing on the left in the snow at night.', as `group_language.caption` says it."""
    side, where, time = answers
    return f"{{name}}, standing {side} {where} {language.WHEN.get(time, time)}."


def toy_description(answers: Sequence[str]) -> str:
    """'a spotted brown dog with floppy ears, ...'."""
    said = dict(zip(language.PET_QUESTIONS, answers, strict=True))
    # `describe` begins with an article of its own
    said["species"] = said["species"].removeprefix("a ").removeprefix("an ")
    # Not a Pet: no answer gives shade and proportions, and `describe` reads only what has a name.
    return language.describe(SimpleNamespace(**said))


def person_description(answers: Sequence[str]) -> str:
    """'a person with curly brown hair, a red shirt, ...'."""
    said = dict(zip(descriptions.PERSON_QUESTIONS, answers, strict=True))
    return descriptions.describe(Person(**said, **_NO_SHADE, skin=0))


def thing_description(kind: str) -> Callable[[Sequence[str]], str]:
    """Answers about such a thing as 'a striped red mug with a green handle'."""

    def described(answers: Sequence[str]) -> str:
        said = dict(zip(descriptions.THING_QUESTIONS, answers, strict=True))
        # Its kind as its owner says it: the part that `describe` names is that of the kind.
        return descriptions.describe(Thing(**said | {"kind": kind}, **_NO_SHADE, layout=0))

    return described


# Something worn or a place, never both: the benchmark's prompts name both, and what is learned from
# must hold none of them.
_ELSEWHERE = tuple(
    f"{language.WHERE[place]} {language.WHEN[time]}" for place in PLACES for time in TIMES
)
_DRESSED = tuple(
    f"wearing {a(f'{colour} {kind}')}" for kind in ACCESSORIES for colour in BRIGHT_COLOURS
)
_NEVER_CHOSEN = ("plain", NONE)  # each would have to change pattern and second colour together


def _answers(
    questions: Mapping[str, Sequence[str]], attributes: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """What every question may be answered, by its first form."""
    return {
        forms[0]: tuple(
            a(value) if name in ("species", "kind") else value
            for value in attributes[name]
            if value not in _NEVER_CHOSEN or name in ("collar", "glasses")
        )
        for name, forms in questions.items()
    }


TOY = Interview(
    about_concept=tuple(forms[0] for forms in language.PET_QUESTIONS.values()),
    about_scene=tuple(IN_A_PROMPT),
    it="it",
    max_ids=16,
    answer=lambda said, noun: said,
    description=toy_description,
    phrase=toy_phrase,
    caption=toy_caption,
    tree=TreeForm(
        questions=tuple(forms[0] for forms in language.PET_QUESTIONS.values()),
        subject=lambda answers, noun: toy_description(answers),
        contexts=_ELSEWHERE + _DRESSED,
        class_question=language.PET_QUESTIONS["species"][0],
        answers=_answers(language.PET_QUESTIONS, PET_ATTRIBUTES),
    ),
)
PERSON = Interview(
    about_concept=tuple(forms[0] for forms in descriptions.PERSON_QUESTIONS.values()),
    about_scene=tuple(IN_A_PROMPT),
    it="the person",  # of a person the base never heard 'it'
    max_ids=16,
    answer=lambda said, noun: said,
    description=person_description,
    phrase=toy_phrase,
    caption=toy_caption,
    tree=TreeForm(
        questions=tuple(forms[0] for forms in descriptions.PERSON_QUESTIONS.values()),
        subject=lambda answers, noun: person_description(answers),
        contexts=_ELSEWHERE + _DRESSED,
        answers=_answers(descriptions.PERSON_QUESTIONS, PERSON_ATTRIBUTES),
    ),
)


@cache
def _of_a_thing(kind: str) -> Interview:
    """The questions about a kind of thing: each has a part of its own."""
    some = Thing(kind=kind, colour="", second="", mark="", trim="", **_NO_SHADE, layout=0)
    forms = descriptions.questions(some)
    questions = tuple(each[0] for each in forms.values())
    described = thing_description(kind)
    # Not its kind: the question about its part, and the description, are those of this kind.
    first, own = questions[0], {name: each for name, each in forms.items() if name != "kind"}
    return Interview(
        about_concept=questions,
        about_scene=tuple(OF_A_THING),
        it="it",
        max_ids=16,
        answer=lambda said, noun: said,
        description=described,
        phrase=thing_phrase,
        caption=thing_caption,
        tree=TreeForm(
            questions=questions[1:],
            subject=lambda answers, noun: described([first, *answers]),
            contexts=_ELSEWHERE,
            answers=_answers(own, THING_ATTRIBUTES),
        ),
    )


def toy_interview(class_noun: str) -> Interview:
    """The questions about what has this class noun: about a thing of this world, about a person, or
    else about a pet.
    """
    noun = class_noun.strip().lower()
    if noun in THINGS:
        return _of_a_thing(noun)
    return PERSON if is_person(noun) else TOY
