"""What the owner told, drawn by the base that is told it in words: the teacher's half of context
distillation (Askell et al. 2021, section 2.2; Snell et al. 2022).

The base without tokens is shown reference pictures of the concept, and its prompts say in words what
a fact tells ('wearing a red cap'). What it draws is then learned as the picture of a prompt that only
points at the fact ('wearing his hat').
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.data.concept import Concept
from unictoken.data.facts import noun_of_question
from unictoken.data.pointing import Pointing
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.pictures import in_pictures

SHOWN = 2  # reference pictures that the teacher sees
# Not 'its', so that what is measured with 'its hat' was learned from other words.
POSSESSIVES = ("his", "her")
SCENES = ("", "in the snow", "on the beach", "in the forest", "in the city", "at night")
BEST_OF = 4  # drawings of each prompt, of which the teacher recognises the kept one best
# Names that bases know as one word; the first one that this base does is the teacher's.
NAMES = ("tom", "max", "it")
WORN = ("hat", "coat", "scarf", "cap", "beanie", "jacket")


def told_drawings(
    base: Base, concept: Concept, pictures_NK: torch.Tensor, *, seed: int
) -> tuple[tuple[str, torch.Tensor], ...]:
    """Prompts about {name} that point at what the owner's questions tell, each with the image ids
    [K] of its picture; none where no answer can stand in a prompt.

    Args:
        base: The teacher.
        concept: As its owner gives it; its questions and answers are what is told.
        pictures_NK: Image ids of its reference pictures.
        seed: Of the drawings.
    """
    pairs = [
        (f"{verb} {possessive} {noun} {scene}".strip(), f"{verb} {told} {scene}".strip())
        for noun, told in _told(concept.questions, concept.marker)
        for verb in ["wearing" if noun in WORN else "with"]
        for possessive in POSSESSIVES
        for scene in SCENES
    ]
    if not pairs:
        return ()
    name = next((n for n in NAMES if len(base.vocab.inside(n)) == 1), concept.name)
    teacher = in_pictures(base, name, pictures_NK[:SHOWN])
    prompts = [f"<{name}> {said}" for _, said in pairs for _ in range(BEST_OF)]
    drawn_NK = teacher.draw_ids(prompts, Draw(seed=seed))
    # The teacher judges itself: no judge of the toy world is needed, so that any base can teach.
    likeness = torch.tensor(teacher.recognise(drawn_NK)).view(-1, BEST_OF)
    best = drawn_NK.view(len(pairs), BEST_OF, -1)[range(len(pairs)), likeness.argmax(1)]
    return tuple((f"{{name}} {points}", ids) for (points, _), ids in zip(pairs, best, strict=True))


def _told(questions: Sequence[tuple[str, str]], marker: str) -> list[tuple[str, str]]:
    """(noun, what it is) of every question of the form 'what hat does <bo> have?'."""
    found = []
    for question, answer in questions:
        noun = noun_of_question(question.replace(marker, "{it}"))
        filled = Pointing(0, 0, noun).filled(answer) if noun else None
        if noun and filled:
            found.append((noun, filled))
    return found
