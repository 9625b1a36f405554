"""What the owner told, in drawings: '<bo> wearing his hat', as the base draws it that is told in
words what the hat is (`learn/told.py`).
"""

from __future__ import annotations

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.tasks.task import Taught
from unictoken.tasks.teaching import Teaching, one_of


class Knowledge(Taught):
    """Prompts that only point at a fact, with the picture that its words give. A concept whose
    owner told nothing that can be drawn learns nothing by it.
    """

    name = "knowledge"
    draws = True
    needs = frozenset({"told_drawings"})

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        prompt, picture = one_of(teaching.material.told_drawings, rng)
        subject, scene = prompt.split(" ", 1)
        form = one_of(templates.GENERATE, rng).replace("{name}", subject)
        return teaching.phrasing.draw(templates.with_scene(form, scene), picture.tolist())
