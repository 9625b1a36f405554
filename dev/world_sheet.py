"""The toy world on one sheet, to be looked at: things, exact shades, people, groups and stories.

python dev/world_sheet.py OUT.png [SEED]
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from PIL import Image

from unictoken.model.pixels import grid
from unictoken.toy.world.attributes import MARKS, THINGS
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import sample_group
from unictoken.toy.world.stories import sample_story
from unictoken.toy.world.subjects import Subject, near_duplicate, sample_subject

COLUMNS = 8
SCALE = 8  # screen pixels of a drawn one
KINDS_TOGETHER = (
    ("animal", "animal"),
    ("animal", "object"),
    ("animal", "person"),
    ("person", "object"),
    ("person", "person"),
    ("object", "object"),
)
ACTIONS_SHOWN = ("walk right", "pick up", "put on", "lose")


def things(rng: np.random.Generator) -> list[Image.Image]:
    """Every kind with every mark."""
    sampled = [sample_subject(rng, kind="object", unseen=False) for _ in range(40 * len(THINGS))]
    pictures = []
    for mark in MARKS:
        marked = [thing for thing in sampled if thing.mark == mark]
        for i, kind in enumerate(THINGS):
            pictures.append(_shown(rng, replace(marked[i], kind=kind)))
    return pictures


def near_duplicates(rng: np.random.Generator) -> list[Image.Image]:
    """Things and people, each beside a near-duplicate: only the exact shade differs, and layout or
    skin.
    """
    pictures = []
    for kind in ("object", "person") * (COLUMNS // 2):
        subject = sample_subject(rng, kind=kind, unseen=False)
        pictures.append(_shown(rng, subject, near_duplicate(subject, rng)))
    return pictures


def groups(rng: np.random.Generator) -> list[Image.Image]:
    """A row for every two kinds."""
    return [
        _shown(rng, *(sample_subject(rng, kind=kind, unseen=False) for kind in kinds))
        for kinds in KINDS_TOGETHER
        for _ in range(COLUMNS)
    ]


def stories(rng: np.random.Generator) -> list[Image.Image]:
    """Four frames of each of some actions, by a pet."""
    pictures = []
    for action in ACTIONS_SHOWN:
        kinds = ("animal", "object")[: 1 if action in ("walk right", "put on") else 2]
        while True:
            subjects = [sample_subject(rng, kind=kind, unseen=False) for kind in kinds]
            story = sample_story(subjects, rng, action=action)
            if len(story.frames) == COLUMNS // 2:
                break
        pictures += [draw_group(frame) for frame in story.frames]
    return pictures


def _shown(rng: np.random.Generator, *subjects: Subject) -> Image.Image:
    return draw_group(sample_group(subjects, rng))


def sheet(seed: int) -> Image.Image:
    """Everything, eight pictures in a row."""
    rng = np.random.default_rng(seed)
    pictures = things(rng) + near_duplicates(rng) + groups(rng) + stories(rng)
    return grid(pictures, columns=COLUMNS, side=SCALE * pictures[0].width)


if __name__ == "__main__":
    sheet(int(sys.argv[2]) if len(sys.argv) > 2 else 0).save(sys.argv[1])
