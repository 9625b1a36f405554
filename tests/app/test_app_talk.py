"""Answers and drawings of the page are those of the Python API, and grow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

from unictoken.app.talk import Given
from unictoken.core.errors import UserError
from unictoken.model.draw import Draw
from unictoken.personalize.condition import NOT_DRAWN
from unictoken.serve.worker import session_of

PROMPT = "<rocky> on the beach"


@pytest.fixture
def session(talk):
    return lambda *names: session_of(talk.base, talk.shelf.conditions(names))


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixels(pictures):
    return [picture.tobytes() for picture in pictures]


def test_an_answer_grows_to_that_of_the_api(talk, session, picture, tmp_path):
    picture.save(tmp_path / "seen.png")
    *grown, answer = talk.ask("what is <rocky>?", ["chester"], tmp_path / "seen.png")
    assert answer == session("rocky", "chester").ask("what is <rocky>?", picture)
    assert grown and all(isinstance(text, str) for text in grown)


def test_drawings_grow_row_by_row_to_those_of_the_api(talk, session):
    *grown, drawings = talk.draw(PROMPT, [], number=2, how=Draw(seed=3))
    assert pixels(drawings) == pixels(session("rocky").draw(PROMPT, num_images=2, seed=3))
    first = grown[0][0]
    assert first.size == drawings[0].size and first.getpixel((0, first.height - 1)) == NOT_DRAWN
    # What is drawn first is drawn already.
    assert first.getpixel((0, 0)) != NOT_DRAWN


def test_the_best_of_several_is_that_of_the_api(talk, session):
    (drawings,) = talk.draw(PROMPT, [], how=Draw(seed=1), best_of=3)
    assert pixels(drawings) == pixels([session("rocky").draw(PROMPT, seed=1, best_of=3)])


def test_the_same_prompt_is_drawn_in_four_ways(talk, session, picture):
    given = Given(name="rocky", words="<rocky> is a brown dog.", picture=picture)
    drawn = talk.compare_drawings(given, PROMPT, Draw(seed=2))
    assert list(drawn) == ["tokens", "in words", "one picture", "nothing"]
    assert pixels([drawn["tokens"]]) == pixels([session("rocky").draw(PROMPT, seed=2)])
    assert len(set(pixels(drawn.values()))) == 4


def test_without_a_picture_there_are_three(talk, session):
    said = talk.compare_answers(Given(name="rocky"), "what is <rocky>?")
    assert list(said) == ["tokens", "in words", "nothing"]
    assert said["tokens"] == session("rocky").ask("what is <rocky>?")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("what is <nobody>?", "Known: <chester>, <rocky>"),
        ("  ", "found no text"),
        ("a" * 5000, "5,000"),
        ("what is <rocky?", "one bracket"),
    ],
)
def test_what_cannot_be_asked_is_one_line(talk, text, line):
    for asked in (talk.ask(text, []), talk.draw(text, [])):
        with pytest.raises(UserError) as refused:
            next(asked)
        assert line in str(refused.value) and "\n" not in str(refused.value)


def test_a_preview_is_drawn_once(talk):
    assert talk.preview("rocky") is talk.preview("rocky")


def test_words_that_the_base_was_never_taught_are_named(talk):
    assert talk.untaught("<rocky> wearing a scarf", []) == (
        "tiny was never taught 'scarf'; expect nothing of it."
    )
    assert talk.untaught("<rocky> wearing a hat", []) == ""


def test_a_page_that_is_closed_meanwhile_leaves_the_worker_well(talk):
    begun = talk.draw(PROMPT, [])
    next(begun)
    begun.close()
    assert list(talk.draw(PROMPT, []))


def test_a_concept_gets_another_name_and_stays_the_same(talk, make_concept):
    make_concept("rexy", shared=1).save(talk.shelf.folder / "rexy.safetensors")
    before = talk.shelf.conditions(["rexy"])[0].tokens
    assert talk.shelf.rename("rexy", "maxi").name == "maxi"
    assert "rexy" not in talk.shelf.names()
    after = talk.shelf.conditions(["maxi"])[0].tokens
    assert after.name == "maxi" and (after.rows_in == before.rows_in).all()
    for taken, line in (("rocky", "is there already"), ("mia", "ships"), ("../x", "concept name")):
        with pytest.raises(UserError, match=line):
            talk.shelf.rename("maxi", taken)
    talk.shelf.remove("maxi")
