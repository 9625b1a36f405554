"""What learned tokens are compared to: nothing, the class noun, words, pictures in context, another
concept's tokens.

Another way to make a base know a concept, for which nothing is learned (a memory, say), is measured
beside them after one call:

    controls.register("memory", lambda base, concept: Memory(base, concept))

From then on a benchmark's `controls` may name it: `eval/run.py --import memory.py`. One memory that
holds all concepts of the benchmark is made by `register_many`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import torch

from unictoken.core.config import ConfigError
from unictoken.core.disk import check_component
from unictoken.core.pictures import read_together
from unictoken.core.text import a
from unictoken.data.concept import Concept
from unictoken.model.protocol import Base
from unictoken.model.vocab import Vocab
from unictoken.personalize.condition import Condition
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.query import Personalization
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tokens.tokens import ConceptTokens

# ids of a text prompt; 64 hold all that words can say of a toy pet
TEXT_BUDGETS = {"text_prompt_16": 16, "text_prompt": 64}
PICTURE_COUNTS = {"image_prompt_1": 1, "image_prompt_4": 4}  # reference pictures in context
WRONG_CONCEPT = "wrong_concept"
CONTROLS = ("none", "class_noun", *TEXT_BUDGETS, *PICTURE_COUNTS, WRONG_CONCEPT)
"""What a benchmark compares with that does not say what."""

PersonalizationOf = Callable[[Base, Concept], Personalization]
PersonalizationOfMany = Callable[[Base, Sequence[Concept]], Personalization]


@dataclass(frozen=True, kw_only=True)
class Own:
    """A control that was registered: it has one of the two functions."""

    of_one: PersonalizationOf | None = None
    of_many: PersonalizationOfMany | None = None
    version: str = ""


OWN: dict[str, Own] = {}
"""Registered ones by name."""


def known() -> tuple[str, ...]:
    """Every control that a benchmark may name."""
    return (*CONTROLS, *OWN)


def register(name: str, make: PersonalizationOf, version: str = "") -> None:
    """Make another control known by its name.

    Args:
        name: What `controls` of a benchmark call it.
        make: Gives a base's personalization for a dataset's concept.
        version: Predictions are kept under it: say another one when the control changes, and it is
            measured again.
    """
    _add(name, Own(of_one=make, version=version))


def register_many(name: str, make: PersonalizationOfMany, version: str = "") -> None:
    """The same for a control that knows all concepts of the benchmark at once. It is made once in
    each process, and asked about each concept.

    Args:
        name: What `controls` of a benchmark call it.
        make: Gives a base's personalization for all concepts, in the dataset's order.
        version: As for `register`.
    """
    _add(name, Own(of_many=make, version=version))


def _add(name: str, own: Own) -> None:
    if name in known():
        raise ConfigError(f"control '{name}': there is one of this name. Choose another.")
    # Its predictions are a file that is called so.
    check_component(name, ConfigError, "control")
    OWN[name] = own


def key_of(name: str) -> str:
    """What a control's predictions are kept under: its name, with a digest of its version if it has
    one.
    """
    version = OWN[name].version if name in OWN else ""
    return f"{name}-{hashlib.sha256(version.encode()).hexdigest()[:8]}" if version else name


def of_many(
    base: Base, concepts: Sequence[Concept], names: Collection[str]
) -> dict[str, Personalization]:
    """The controls among these names that know all concepts at once.

    Args:
        base: The base that is asked.
        concepts: All of the benchmark.
        names: Of controls.
    """
    made = {name: own.of_many for name, own in OWN.items() if name in names}
    return {name: make(base, concepts) for name, make in made.items() if make}


def controls(
    base: Base,
    name: str,
    *,
    class_noun: str,
    description: str,
    facts: Sequence[str] = (),
    pictures_NK: torch.Tensor | None = None,
    wrong: ConceptTokens | None = None,
) -> dict[str, Condition]:
    """Every control by name.

    Args:
        base: The base that is asked.
        name: The concept's name.
        class_noun: What it is: 'dog'.
        description: A sentence about '{name}' that says what pictures show.
        facts: Sentences about '{name}' that no picture shows.
        pictures_NK: Image ids of reference pictures; None: no control with pictures.
        wrong: Another concept's tokens, asked under this name; None: no such control.
    """
    compared = {
        "none": in_words(base, name, ""),
        "class_noun": in_words(base, name, f"{{name}} is {a(class_noun)}."),
    }
    for control, budget in TEXT_BUDGETS.items():
        described, *known = fitting([description, *facts], budget, base.vocab)
        compared[control] = in_words(base, name, described, facts=" ".join(known))
    if pictures_NK is not None:
        for control, count in PICTURE_COUNTS.items():
            compared[control] = in_pictures(base, name, pictures_NK[:count], facts=" ".join(facts))
    if wrong:
        # Under the right name, so that only the rows are wrong.
        compared[WRONG_CONCEPT] = with_tokens(base, replace(wrong, name=name))
    return compared


def controls_of(
    base: Base,
    concept: Concept,
    *,
    wrong: ConceptTokens | None = None,
    pictures_NK: torch.Tensor | None = None,
    own: Collection[str] = (),
) -> dict[str, Personalization]:
    """Every control of a dataset's concept.

    Args:
        base: The base that is asked.
        concept: The concept.
        wrong: Another concept's tokens; None: no such control.
        pictures_NK: Image ids of its reference pictures, where they are known already.
        own: Names of controls, of which those that were registered for one concept are made too.
    """
    said = [concept.description or f"<{concept.name}> is {a(concept.class_noun)}.", *concept.facts]
    description, *facts = (text.replace(f"<{concept.name}>", "{name}") for text in said)
    if pictures_NK is None:
        pictures_NK = base.encode(read_together(concept.pictures))
    usual = controls(
        base,
        concept.name,
        class_noun=concept.class_noun,
        description=description,
        facts=facts,
        pictures_NK=pictures_NK,
        wrong=wrong,
    )
    made = {name: OWN[name].of_one for name in OWN if name in own}
    return {**usual, **{name: make(base, concept) for name, make in made.items() if make}}


def fitting(sentences: Sequence[str], budget: int, vocab: Vocab) -> list[str]:
    """The sentences, in their order, that fit into `budget` ids beside '{name} is'; of the first
    one as many words as fit.
    """

    def cost(text: str) -> int:
        return len(vocab.encode(text.replace("{name}", "")))

    # The description is cut to fit; a fact stands whole or not at all.
    first, *others = sentences
    words, frame = first.rstrip(".").split(), cost("is .")
    while len(words) > 1 and cost(" ".join(words)) + 1 - frame > budget:
        words.pop()
    kept = [" ".join(words) + "."]
    left = budget - (cost(kept[0]) - frame)
    for sentence in others:
        if cost(sentence) <= left:
            kept.append(sentence)
            left -= cost(sentence)
    return kept
