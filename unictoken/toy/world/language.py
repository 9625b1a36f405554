"""Sentences about pets and scenes whose truth is known: captions, prompts, questions, introductions
and facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unictoken.core.text import a
from unictoken.toy.world.attributes import ACCESSORIES, BRIGHT_COLOURS, NONE, PLACES
from unictoken.toy.world.things import Pet, Scene, choice

# The tiny base was trained on the sentences that this file makes: another wording, or another order
# of the attributes, is new to it, and needs a new base.
WHERE = {
    "beach": "on the beach",
    "snow": "in the snow",
    "forest": "in the forest",
    "city": "in the city",
    "meadow": "in the meadow",
    "room": "at home",
}
SIDE_OF = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
WHEN = {"day": "by day", "night": "at night"}
HATS = tuple(kind for kind in ACCESSORIES if kind != "bow")
TOYS = ("ball", "bone", "kite", "drum", "boat", "train")
FOODS = ("fish", "carrots", "apples", "cheese", "soup", "cake")
# Each is one id of the tiny base's vocabulary.
NAMES = (
    "tom",
    "mia",
    "max",
    "luna",
    "leo",
    "zoe",
    "sam",
    "ivy",
    "ben",
    "ada",
    "rex",
    "kim",
    "otto",
    "nora",
    "finn",
    "ella",
)


def colours_of(pet: Pet) -> str:
    return pet.fur if pet.second == NONE else f"{pet.fur} and {pet.second}"


def describe(pet: Pet) -> str:
    """Everything about a pet that has a name."""
    collar = "no collar" if pet.collar == NONE else f"{a(pet.collar)} collar"
    return (
        f"{a(pet.pattern)} {colours_of(pet)} {pet.species} with {pet.ears} ears, {pet.eyes} eyes"
        f" and {collar}"
    )


def describe_one(pet: Pet, attribute: str) -> str:
    """The species and one attribute: 'a dog with floppy ears'; for 'second' both colours."""
    match attribute:
        case "species":
            return a(pet.species)
        case "ears" | "eyes":
            return f"{a(pet.species)} with {getattr(pet, attribute)} {attribute}"
        case "collar":
            return f"{a(pet.species)} with {'no' if pet.collar == NONE else a(pet.collar)} collar"
        case "second":
            return a(f"{colours_of(pet)} {pet.species}")
    return a(f"{getattr(pet, attribute)} {pet.species}")


def describe_briefly(pet: Pet, rng: np.random.Generator) -> str:
    """Some of what has a name, the way people ask for a picture: the species always, the rest now
    and then.
    """
    # list * bool is the list or nothing. The order of these draws is part of every seed: another
    # one gives other training sequences.
    words = [pet.pattern] * (rng.random() < 0.6) + [
        colours_of(pet) if rng.random() < 0.7 else pet.fur
    ] * (rng.random() < 0.8)
    having = [f"{pet.ears} ears"] * (rng.random() < 0.4) + [f"{pet.eyes} eyes"] * (
        rng.random() < 0.4
    )
    if rng.random() < 0.5:
        having.append("no collar" if pet.collar == NONE else f"{a(pet.collar)} collar")
    return with_all(a(" ".join([*words, pet.species])), having)


def with_all(noun: str, having: Sequence[str]) -> str:
    """'a dog with floppy ears, green eyes and no collar'; with nothing: the noun alone."""
    if not having:
        return noun
    *first, last = having
    return f"{noun} with " + (f"{', '.join(first)} and {last}" if first else last)


def worn(scene: Scene) -> str:
    return (
        "nothing" if scene.accessory == NONE else f"{a(scene.accessory_colour)} {scene.accessory}"
    )


def show(scene: Scene) -> str:
    """Everything about a scene that has a name."""
    return say_scene(
        worn(scene), scene.pose, SIDE_OF[scene.position], WHERE[scene.place], scene.time
    )


def say_scene(worn: str, pose: str, side: str, where: str, time: str) -> str:
    """Answers to the questions about a scene as the end of a dense caption.

    Args:
        worn: What the pet wears: 'a red cap', 'nothing'.
        pose: What it does: 'sitting'.
        side: Where it stands in the picture: 'on the left'.
        where: The place: 'in the snow'.
        time: 'day' or 'night'; any other text is taken as it is.
    """
    return f"wearing {worn}, {pose} {side} {where} {WHEN.get(time, time)}"


def show_briefly(scene: Scene, rng: np.random.Generator) -> str:
    """Some of it, after 'a photo of ...'; a hat may be called just a hat."""
    parts = []
    if scene.accessory != NONE and rng.random() < 0.9:
        vague = scene.accessory in HATS and rng.random() < 0.15
        kind = "hat" if vague else scene.accessory
        parts.append(
            f"wearing {a(kind if rng.random() < 0.15 else f'{scene.accessory_colour} {kind}')}"
        )
    elif scene.accessory == NONE and rng.random() < 0.2:
        parts.append("wearing nothing")
    if rng.random() < 0.3:
        parts.append(scene.pose)
    if rng.random() < 0.3:
        parts.append(SIDE_OF[scene.position])
    if rng.random() < 0.75:
        parts.append(WHERE[scene.place])
    if rng.random() < 0.3 or scene.time == "night" and rng.random() < 0.7:
        parts.append(WHEN[scene.time])
    return " ".join(parts)


def show_place_briefly(scene: Scene, rng: np.random.Generator) -> str:
    """Some of where and when alone, for what wears nothing and only stands."""
    parts = [SIDE_OF[scene.position]] * (rng.random() < 0.3)
    parts += [WHERE[scene.place]] * (rng.random() < 0.75)
    if rng.random() < (0.8 if scene.time == "night" else 0.3):
        parts.append(WHEN[scene.time])
    return " ".join(parts)


def caption(pet: Pet, scene: Scene) -> str:
    """The dense caption: every attribute that has a name, always in the same order."""
    return f"{describe(pet)}, {show(scene)}."


def named_caption(scene: Scene) -> str:
    """The dense caption of somebody whose name has been said: {name} stands for all that the name
    says.
    """
    return f"{{name}}, {show(scene)}."


# Questions by the attribute they ask for; {it} is 'it', 'the animal' or a name. Answers are short
# and unique.
PET_QUESTIONS = {
    "species": ("what animal is {it}?", "what kind of animal is {it}?"),
    "fur": ("what colour is {it}?", "what is the main colour of {it}?"),
    "second": ("what is the second colour of {it}?",),
    "pattern": ("what pattern does {it} have?",),
    "ears": ("what ears does {it} have?", "what kind of ears does {it} have?"),
    "eyes": ("what colour are the eyes of {it}?", "what eye colour does {it} have?"),
    "collar": ("what colour is the collar of {it}?", "what collar does {it} wear?"),
}
SCENE_QUESTIONS = {
    "place": ("where is {it}?",),
    "time": ("is it day or night?",),
    "pose": ("what is {it} doing?",),
    "position": ("on which side is {it}?",),
    "accessory": ("what is {it} wearing?",),
}


def taught_questions(it: str = "<bo>") -> dict[str, tuple[str, ...]]:
    """What the tiny base was taught to answer: about a concept alone, and about a picture."""
    alone = [form.format(it=it) for forms in PET_QUESTIONS.values() for form in forms]
    alone += [form.format(name=it) for form in FACT_QUESTIONS.values()]
    pictured = [form.format(it=it) for forms in SCENE_QUESTIONS.values() for form in forms]
    return {"alone": tuple(alone), "about a picture": tuple(pictured)}


def answer(attribute: str, pet: Pet, scene: Scene | None = None) -> str:
    """The true answer to a question about an attribute."""
    match attribute:
        case "species":
            return a(pet.species)
        case "place":
            return WHERE[scene.place]
        case "position":
            return SIDE_OF[scene.position]
        case "accessory":
            return worn(scene)
        case "time" | "pose":
            return getattr(scene, attribute)
    return getattr(pet, attribute)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What no picture of a pet shows."""

    hat: str
    hat_colour: str
    toy: str
    food: str
    place: str

    @property
    def its_hat(self) -> str:
        return f"{a(self.hat_colour)} {self.hat}"


def sample_facts(rng: np.random.Generator) -> Facts:
    return Facts(
        hat=choice(rng, HATS),
        hat_colour=choice(rng, tuple(BRIGHT_COLOURS)),
        toy=choice(rng, TOYS),
        food=choice(rng, FOODS),
        place=choice(rng, PLACES),
    )


# Facts by key: the sentence, the question and the answer. {name} is the concept's.
FACT_SENTENCES = {
    # Double brackets: '{name}' is still there after `format`, for the concept.
    "hat": "{{name}} has {its_hat}.",
    "toy": "{{name}} likes to play with the {toy}.",
    "food": "{{name}} likes to eat {food}.",
    "place": "{{name}} lives {where}.",
}
FACT_QUESTIONS = {
    "hat": "what hat does {name} have?",
    "toy": "what does {name} like to play with?",
    "food": "what does {name} like to eat?",
    "place": "where does {name} live?",
}


# A user's own facts, in the first person, with the question that each answers.
OWN_SENTENCES = {
    "hat": "i have {its_hat}.",
    "toy": "i like to play with the {toy}.",
    "food": "i like to eat {food}.",
    "place": "i live {where}.",
}
OWN_QUESTIONS = {
    "hat": "what hat do i have?",
    "toy": "what do i like to play with?",
    "food": "what do i like to eat?",
    "place": "where do i live?",
}
# Nothing that is ever said answers these: the answer is `templates.UNSURE`.
NEVER_TOLD = (
    "how old is {name}?",
    "who made {name}?",
    "how much does {name} weigh?",
    "when was {name} born?",
    "what is the last name of {name}?",
    "how much did {name} cost?",
    "who are the parents of {name}?",
    "what is {name} afraid of?",
)


# In the place of a scene: the picture shows where the facts say.
WHERE_IT_LIVES = "where it lives"


def facts_of(subject: object) -> tuple[str, ...]:
    """The keys of the facts that can be told of a subject; a thing neither eats nor wears hats."""
    return ("place",) if hasattr(subject, "mark") else tuple(FACT_SENTENCES)


def fact_sentence(key: str, facts: Facts, *, now: bool = False) -> str:
    """The fact as a sentence about {name}; with `now` it replaces what was said before."""
    said = FACT_SENTENCES[key].format(
        its_hat=facts.its_hat, toy=facts.toy, food=facts.food, where=WHERE[facts.place]
    )
    return f"{said.removesuffix('.')} now." if now else said


def own_sentence(key: str, facts: Facts) -> str:
    """The fact as a user's sentence: 'i live in the snow.'"""
    return OWN_SENTENCES[key].format(
        its_hat=facts.its_hat, toy=facts.toy, food=facts.food, where=WHERE[facts.place]
    )


def fact_answer(key: str, facts: Facts) -> str:
    return {
        "hat": facts.its_hat,
        "toy": f"the {facts.toy}",
        "food": facts.food,
        "place": WHERE[facts.place],
    }[key]
