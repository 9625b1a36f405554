"""Drawn worlds, by name: a program draws them, and so knows what is true of every picture.

This file alone knows where a world lives. Generic code asks the world that a base's profile or a
dataset names for what it needs; it imports none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from PIL import Image

from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.data.interviews import Interview

TOY = "toy"  # what a dataset that names no world is of
WORLDS = {TOY: "unictoken.toy.hook"}


class World(Protocol):
    """What a world's module gives to whoever learns a concept."""

    distractors: int
    """How many pictures of others a concept gets that brings none."""

    def interview(self, class_noun: str) -> Interview:
        """What a base of this world is asked about reference pictures of such a concept."""

    def draw_others(self, count: int, seed: int, class_noun: str) -> list[Image.Image]:
        """Random pictures of this world, some of what has the class noun of a concept."""

    def example(self, name: str, seed: int) -> Concept:
        """A concept of this world, for whoever wants to try."""

    def read_truth_of(self, said: object, where: str) -> object:
        """What is exactly true of a concept, from the JSON under `world` in its info.json."""

    def identity(self, truth: object) -> Mapping[str, str]:
        """The attributes that a drawing of the concept must have."""


def world(name: str = TOY) -> World:
    """The world of this name."""
    if name not in WORLDS:
        raise UserError(f"world: found '{name}', expected one of {', '.join(WORLDS)}.")
    return cast(World, import_module(WORLDS[name]))
