"""Concepts of a memory, sharpened from what the base draws of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from unictoken import cli
from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.learn.methods import Tree
from unictoken.learn.sharpen import sharpen_memory
from unictoken.personalize import sharpened
from unictoken.personalize.memory import Memory
from unictoken.personalize.sharpened import Sharpening

FEW, QUICK = Tree(positives=2, negatives=1), Sharpening(steps=2, rank=2)


@pytest.fixture
def place(toy, tmp_path) -> Path:
    with Memory.open(tmp_path / "m") as memory:
        memory.add(dataclasses.replace(toy, pictures=toy.pictures[:1]))
        memory.add(Concept(name="told", class_noun="cat", facts=("<told> sings.",)))
    return tmp_path / "m"


@pytest.mark.slow
def test_every_concept_with_pictures_is_sharpened(base, toy, place):
    with Memory.open(place) as memory:
        made = sharpen_memory(base, memory, tree=FEW, how=QUICK)
        assert made.names == (toy.name,) and made.base is base
        with pytest.raises(UserError, match="<told> has no pictures"):
            sharpen_memory(base, memory, ["told"], tree=FEW, how=QUICK)


def test_one_photo_alone_has_nothing_to_be_like(base, place):
    with Memory.open(place) as memory, pytest.raises(UserError, match="two or more of a concept"):
        sharpen_memory(base, memory, tree=Tree(negatives=1), how=QUICK)


@pytest.mark.slow
def test_any_encoder_can_be_sharpened_and_sees_pictures_as_they_are(base, toy, place):
    class Shrinking:
        name = "shrinking"

        def pictures(self, pictures):
            return np.array([np.asarray(p.resize((4, 4)), np.float32).ravel() for p in pictures])

    with Memory.open(place) as memory:
        made = sharpen_memory(base, memory, encoder=Shrinking(), tree=FEW, how=QUICK)
    assert made.base is None and made.pictures(toy.pictures).shape == (len(toy.pictures), 48)


@pytest.mark.slow
def test_the_command_writes_what_a_search_then_uses(base_folder, place, toy, tmp_path, capsys):
    out, picture = tmp_path / "me.safetensors", tmp_path / "0.png"
    toy.pictures[0].save(picture)
    cli.main(
        ["memory", "sharpen", "--memory", str(place), "--out", str(out), "--drawn", "1"]
        + ["--base", str(base_folder)]
    )
    assert capsys.readouterr().out == f"{out}\n"
    assert sharpened.FILE.read(out)[0]["names"] == [toy.name]
    cli.main(
        ["memory", "search", "--memory", str(place), "--image", str(picture)]
        + ["--base", str(base_folder), "--sharpen", str(out)]
    )
    assert f"<{toy.name}>" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["memory", "sharpen", "nobody"], "found no concept 'nobody', expected one of tom, told"),
        (["memory", "sharpen", "--out", "."], "is a folder"),
        (["memory", "sharpen", "--out", f"{__file__}/it"], "is a file, expected a folder"),
    ],
)
def test_what_cannot_be_sharpened_is_refused_before_a_base_is_read(given, said, place, tmp_path):
    out = [] if "--out" in given else ["--out", str(tmp_path / "x")]
    with pytest.raises(SystemExit, match=said):
        cli.main([*given, *out, "--memory", str(place), "--base", "nowhere"])


def test_a_sharpened_comparison_needs_a_memory():
    with pytest.raises(SystemExit, match="--sharpen x: .* Give --memory FILE too"):
        cli.main(["ask", "--sharpen", "x", "--words", "<bo> is a dog.", "who is <bo>?"])
