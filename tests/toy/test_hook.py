import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.data.worlds import World, world
from unictoken.scoring.verdict import ColourJudge, JudgedWorld, judged_world
from unictoken.toy.judge import MemberReading, Reading, WorldJudge

ROOT = Path(__file__).parents[2]


def test_a_folder_of_a_toy_pet_is_read_without_torch():
    code = """import sys
from unictoken.data.source import read_concept
print(read_concept("data/bo", name="bo").truth.subject.species, "torch" in sys.modules)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == ["dog", "False"]


def test_a_world_that_nobody_draws_is_refused():
    with pytest.raises(UserError, match="world: found 'mars', expected one of toy"):
        world("mars")


def test_the_hook_has_everything_that_generic_code_asks_of_a_world():
    asked = [*vars(World), *vars(JudgedWorld), *World.__annotations__]
    lacking = [name for name in asked if name[0] != "_" and not hasattr(judged_world(), name)]
    assert not lacking and {"interview", "write_test"} < set(asked)


def test_a_drawing_of_a_pet_must_show_what_words_can_say_of_it_at_a_glance(toy):
    assert world().identity(toy.truth) == {
        name: getattr(toy.truth.subject, name)
        for name in ("species", "fur", "second", "pattern", "collar")
    }


def test_the_colour_of_a_drawing_is_read_beside_the_exact_one(toy):
    member = MemberReading(
        position="left",
        kind="animal",
        values={},
        main_rgb=(1.0, 2.0, 3.0),
        second_rgb=(0.0, 0.0, 0.0),
        there=1.0,
    )
    reading = Reading(place="room", time="day", members=(member,), likeliest=member)
    judge = WorldJudge(SimpleNamespace(read=lambda pictures: [reading] * len(pictures)))
    assert isinstance(judge, ColourJudge)
    colour = judge.read_colour(Image.new("RGB", (32, 32)), toy.truth)
    assert (colour.seen, colour.exact) == ((1, 2, 3), toy.truth.subject.fur_rgb)
