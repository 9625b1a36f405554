"""Where a concept is in a picture, and who stands where."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops

import unictoken
from unictoken.cli import main
from unictoken.core.text import ConceptError
from unictoken.personalize.location import Location
from unictoken.personalize.tokens import learned
from unictoken.personalize.words import in_words
from unictoken.tokens.tokens import Prompts
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.world.descriptions import describe
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import sample_group
from unictoken.toy.world.subjects import sample_subject

pytestmark = pytest.mark.slow

MIA = toy_concept(7, 0, "mia")  # whose tokens ship with the tiny base


@pytest.fixture(scope="module")
def tiny():
    return unictoken.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def chat(tiny):
    return tiny.with_concepts("mia")


@pytest.fixture(scope="module")
def groups():
    """Twelve pictures of mia beside another pet."""
    rng = np.random.default_rng(0)
    mia = truth_of(MIA).subject
    return [
        sample_group((mia, sample_subject(rng, kind="animal", unseen=True)), rng) for _ in range(12)
    ]


def member_of(group):
    return next(m for m in group.members if m.subject == truth_of(MIA).subject)


def overlap(one, other) -> float:
    """Intersection over union of two boxes."""
    left, top = (max(a, b) for a, b in zip(one[:2], other[:2], strict=True))
    right, bottom = (min(a, b) for a, b in zip(one[2:], other[2:], strict=True))
    both = max(0, right - left) * max(0, bottom - top)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def test_gains_have_a_centre_a_side_and_a_box():
    gain_HW = np.zeros((4, 4))
    gain_HW[1, 3] = 9.0  # counts as 1, with its neighbours
    where = Location("bo", gain_HW)
    assert where.share_HW[:3, 2:] == pytest.approx(np.full((3, 2), 1 / 6))
    assert where.centre == pytest.approx((0.75, 0.375))
    assert where.side == "right" and where.box == (0.5, 0.0, 1.0, 0.75)
    assert repr(where) == "<Location of 'bo': right, box 0.50 0.00 1.00 0.75>"


def test_a_picture_without_any_gain_is_all_box():
    where = Location("bo", np.full((2, 2), -1.0))
    assert where.centre == (0.5, 0.5) and where.box == (0, 0, 1, 1)


def test_the_shown_picture_is_dark_where_the_concept_is_not():
    gain_HW = np.zeros((8, 8))
    gain_HW[:, 5:] = 1
    shown = Location("bo", gain_HW).shown_on(Image.new("RGB", (64, 64), "white"))
    inside = (shown.width * 13 // 16, shown.height // 2)
    assert min(shown.getpixel(inside)) > 250
    assert shown.getpixel((2, shown.height // 2)) == (63, 63, 63)


def test_the_tokens_find_the_pet_beside_another_one(chat, groups):
    found = chat.locate([draw_group(group) for group in groups], "mia")
    assert [where.side for where in found] == [member_of(group).position for group in groups]
    boxes = [
        ImageChops.difference(draw_group(g), draw_group(g.without(member_of(g)))).getbbox()
        for g in groups
    ]
    true = [[edge / 32 for edge in box] for box in boxes]
    assert np.mean([overlap(w.box, b) for w, b in zip(found, true, strict=True)]) > 0.5


def test_who_is_there_is_told_from_left_to_right(tiny, groups):
    questions = [
        "who is in the photo?", "who is on the left?", "Who is on the right?",
        "who is beside <mia>?", "what is on the left?", "What is on the right ?",
    ]  # fmt: skip
    asked = 0
    for group in groups:
        other = group.other(member_of(group)).subject
        both = tiny.with_concepts("mia", in_words(tiny, "tom", f"{{name}} is {describe(other)}."))
        picture = draw_group(group)
        if min(both.recognise(picture, name) for name in ("mia", "tom")) <= 0.5:
            continue  # who is not recognised is not named
        asked += 1
        first, second = ("mia", "tom") if member_of(group).position == "left" else ("tom", "mia")
        said = [f"<{first}> and <{second}>", f"<{first}>", f"<{second}>", "<tom>"]
        said += [f"<{first}>", f"<{second}>"]
        assert both.ask(questions, picture) == said
    assert asked >= 6


def test_what_is_no_concept_is_told_in_the_base_s_words(tiny, chat, groups):
    """And so is everything, where the side of a concept cannot be found out."""
    silent = tiny.with_concepts(replace(learned(tiny, "mia"), prompts=Prompts(generation=None)))
    for group in groups[:4]:
        mia, picture = member_of(group), draw_group(group)
        other = group.other(mia)
        question = f"what is on the {other.position}?"
        said = chat.ask(question, picture)
        assert said == silent.ask(question, picture) and "<mia>" not in said
        own = f"what is on the {mia.position}?"
        if chat.recognise(picture, "mia") > 0.5:
            assert chat.ask(own, picture) == "<mia>"


def test_tokens_that_cannot_draw_cannot_locate(tiny):
    silent = replace(learned(tiny, "mia"), prompts=Prompts(generation=None))
    with pytest.raises(ConceptError, match="learns to understand, not to draw"):
        tiny.with_concepts(silent).locate(MIA.pictures[0])


def test_the_command_prints_where_and_writes_the_darkened_picture(groups, tmp_path, capsys):
    photo = tmp_path / "picnic.png"
    draw_group(groups[0]).save(photo)
    main(["locate", "--concept", "mia", str(photo), "--out", str(tmp_path / "heat"), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["side"] == member_of(groups[0]).position and len(said["box"]) == 4
    assert [file.name for file in (tmp_path / "heat").iterdir()] == ["picnic-mia.png"]
    again = tmp_path / "again"
    again.mkdir()
    draw_group(groups[1]).save(again / "picnic.png")
    with pytest.raises(SystemExit) as refused:
        main(["locate", "--concept", "mia", str(photo), str(again), "--out", str(tmp_path / "two")])
    assert refused.value.code == 2 and not (tmp_path / "two").exists()
    assert "both called 'picnic'" in capsys.readouterr().err
