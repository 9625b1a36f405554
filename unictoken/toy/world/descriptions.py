"""What is said of one subject, whatever its kind: descriptions, questions and answers.

Of pets it is what `language.py` says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unictoken.core.text import a
from unictoken.toy.world import language
from unictoken.toy.world.attributes import NONE
from unictoken.toy.world.subjects import Person, Pet, Subject, Thing

# The part of each kind of thing that has the colour `trim`.
PARTS = {
    "mug": "handle",
    "ball": "button",
    "robot": "eyes",
    "drum": "sticks",
    "kite": "tail",
    "car": "wheels",
    "boat": "flag",
    "train": "chimney",
}
# {it} as in `language.py`; {is} and {part} are the thing's own.
THING_QUESTIONS = {
    "kind": ("what thing is {it}?", "what kind of thing is {it}?"),
    "colour": language.PET_QUESTIONS["fur"],
    "second": language.PET_QUESTIONS["second"],
    "mark": language.PET_QUESTIONS["pattern"],
    "trim": ("what colour {is} the {part} of {it}?",),
}
PERSON_QUESTIONS = {
    "hair": ("what colour is the hair of {it}?", "what hair colour does {it} have?"),
    "style": ("what hair does {it} have?", "what kind of hair does {it} have?"),
    "shirt": ("what colour is the shirt of {it}?", "what shirt does {it} wear?"),
    "trousers": ("what colour are the trousers of {it}?", "what trousers does {it} wear?"),
    "glasses": ("what colour are the glasses of {it}?", "what glasses does {it} wear?"),
}
QUESTIONS = {Pet: language.PET_QUESTIONS, Thing: THING_QUESTIONS, Person: PERSON_QUESTIONS}


def noun(subject: Subject) -> str:
    """The class noun: 'dog', 'mug', 'person'."""
    match subject:
        case Thing():
            return subject.kind
        case Person():
            return "person"
    return subject.species


def describe(subject: Subject) -> str:
    """Everything about a subject that has a name, always in the same order."""
    match subject:
        case Thing():
            return (
                f"{a(f'{subject.mark} {_colours(subject)} {subject.kind}')} with {_part(subject)}"
            )
        case Person():
            return language.with_all("a person", [*_clothes(subject).values()])
    return language.describe(subject)


def describe_one(subject: Subject, attribute: str) -> str:
    """The class noun and one attribute: 'a mug with a green handle'; for 'second' both colours."""
    match subject:
        case Thing():
            said = {
                "kind": "",
                "second": _colours(subject),
                "trim": "",
            }.get(attribute, getattr(subject, attribute))
            described = a(f"{said} {subject.kind}".strip())
            return f"{described} with {_part(subject)}" if attribute == "trim" else described
        case Person():
            hair = {"hair": f"{subject.hair} hair", "style": f"{subject.style} hair"}
            return f"a person with {hair.get(attribute) or _clothes(subject)[attribute]}"
    return language.describe_one(subject, attribute)


def describe_briefly(subject: Subject, rng: np.random.Generator) -> str:
    """Some of what has a name, the way people ask for a picture: the noun always, the rest now and
    then.
    """
    match subject:
        case Thing():
            colours = _colours(subject) if rng.random() < 0.7 else subject.colour
            words = [subject.mark] * (rng.random() < 0.6) + [colours] * (rng.random() < 0.8)
            having = [_part(subject)] * (rng.random() < 0.5)
            return language.with_all(a(" ".join([*words, subject.kind])), having)
        case Person():
            clothes = {k: v for k, v in _clothes(subject).items() if rng.random() < 0.6}
            return language.with_all("a person", [*clothes.values()])
    return language.describe_briefly(subject, rng)


def _colours(thing: Thing) -> str:
    return thing.colour if thing.second == NONE else f"{thing.colour} and {thing.second}"


def _part(thing: Thing) -> str:
    return a(f"{thing.trim} {PARTS[thing.kind]}")


def _clothes(person: Person) -> dict[str, str]:
    """What stands after 'a person with', by attribute; 'hair' says the style too."""
    return {
        "hair": f"{person.style} {person.hair} hair",
        "shirt": f"{a(person.shirt)} shirt",
        "trousers": f"{person.trousers} trousers",
        "glasses": "no glasses" if person.glasses == NONE else f"{person.glasses} glasses",
    }


def questions(subject: Subject) -> Mapping[str, tuple[str, ...]]:
    """The questions about a subject by attribute, with {it} where it is named."""
    if not isinstance(subject, Thing):
        return QUESTIONS[type(subject)]
    part = PARTS[subject.kind]
    verb = "are" if part.endswith("s") else "is"
    return {
        name: tuple(form.replace("{is}", verb).replace("{part}", part) for form in forms)
        for name, forms in THING_QUESTIONS.items()
    }


def answer(subject: Subject, attribute: str) -> str:
    """The true answer to a question about one of the subject's attributes."""
    if attribute in ("species", "kind"):
        return a(noun(subject))
    return getattr(subject, attribute)
