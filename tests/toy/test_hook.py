import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.data.source import SourceError
from unictoken.data.worlds import World, world
from unictoken.scoring.verdict import ColourJudge, JudgedWorld, judged_world
from unictoken.toy.concepts import said_of, toy_concept
from unictoken.toy.judge import MemberReading, Reading, WorldJudge
from unictoken.toy.world.attributes import shade
from unictoken.toy.world.subjects import KINDS
from unictoken.toy.world.things import nearest_shade as nearest_fur

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


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_of_any_kind_comes_back_as_it_was_written(kind):
    truth = toy_concept(3, 0, kind=kind).truth
    said = json.loads(json.dumps(said_of(truth.subject)))
    assert ("subject" in said) == (kind != "animal")  # files of pets are as they always were
    assert world().read_truth_of(said, "info.json").subject == truth.subject
    assert world().identity(truth).items() <= truth.subject.nameable.items()


def test_a_pet_may_say_that_it_is_one(toy):
    said = {"subject": "animal", **said_of(toy.truth.subject)}
    assert world().read_truth_of(said, "info.json").subject == toy.truth.subject


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"subject": "plant"}, "'subject' of 'world' is 'plant', expected one of animal"),
        ({"subject": None}, "'subject' of 'world' is"),
        ({"hair": "green"}, "'hair' of 'world' is 'green', expected one of black"),
        ({"skin": 3}, "'skin' of 'world' is 3, expected 0 to 2"),
        ({"skin": 1.0}, "'skin' of 'world' is 1.0"),
        ({"main_shade": "dark"}, "'main_shade' of 'world' is 'dark', expected a number"),
        ({"species": "dog"}, "unknown key 'species'"),
    ],
)
def test_a_person_whom_nobody_could_draw_is_refused(change, found):
    said = said_of(toy_concept(3, 0, kind="person").truth.subject) | change
    with pytest.raises(SourceError, match=found):
        world().read_truth_of(said, "info.json")


def test_the_nearest_shade_is_one_that_such_a_concept_can_have():
    red, grey = shade("red", 0.5), shade("grey", 0.5)
    assert judged_world().nearest_shade(red, exact=red) == red  # no fur is red
    assert judged_world().nearest_shade(red, exact=grey) == nearest_fur(red) != red


def test_others_are_of_the_concepts_kind_and_pets():
    pets, mugs = world().draw_others(4, 0, "dog"), world().draw_others(4, 0, "mug")
    assert [p.tobytes() for p in pets] == [p.tobytes() for p in world().draw_others(4, 0, "")]
    assert len(mugs) == 4 and pets[0].tobytes() != mugs[0].tobytes()
