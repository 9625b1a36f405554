"""A clip is asked about as its frames in one turn, in their order."""

import layouts
import pytest
import torch
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.core.text import ConceptError
from unictoken.data.clips import ClipError
from unictoken.personalize.session import Session
from unictoken.personalize.which import sought
from unictoken.personalize.words import in_words


@pytest.fixture
def frames():
    return [Image.new("RGB", (32, 32), colour) for colour in layouts.COLOURS[:6]]


@pytest.fixture
def tom(base):
    return in_words(base, "tom", "{name} is a dog.")


def test_the_frames_of_a_question_stand_before_it_each_as_a_whole_picture(base, tom, frames):
    ids_NK = base.encode(frames[:3])
    asked = tom.question("what does <tom> do?", ids_NK.reshape(-1).tolist())
    shown = [i for ids in ids_NK.tolist() for i in base.vocab.picture(ids)]
    alone = tom.question("what does <tom> do?")
    begin = len(base.vocab.begin)
    assert asked == [*alone[:begin], *shown, *alone[begin:]]


def test_four_frames_of_six_are_looked_at_in_order_and_a_memory_sees_the_middle_one(
    base, tom, frames
):
    looked_at = []

    class Watching:
        names = ("tom",)

        def conditions(self, queries):
            looked_at.extend(queries)
            return [tom] * len(queries)

    chat = Session(base, Watching())
    questions = ["what does <tom> do?", "what is <tom> wearing in the first photo?"]
    chosen_NK = base.encode([frames[i] for i in (0, 2, 3, 5)])
    expected = tom.ask(questions, chosen_NK.reshape(1, -1).expand(2, -1))
    assert chat.watch(questions, frames) == expected
    assert chat.watch(questions[0], frames) == expected[0]
    assert [query.image_ids for query in looked_at[:2]] == [tuple(chosen_NK[2].tolist())] * 2
    assert looked_at[0].picture is frames[3]


def test_the_order_of_frames_is_the_base_s_to_see(base, tom, frames):
    in_order, reversed_ = (
        torch.tensor(tom.question("?", base.encode(order).reshape(-1).tolist()))
        for order in (frames[:3], frames[2::-1])
    )
    assert in_order.shape == reversed_.shape and not in_order.equal(reversed_)


def test_what_cannot_be_watched_is_refused(base, tom, frames):
    with pytest.raises(ConceptError, match="<rex>"):
        Session(base, tom).watch("what does <rex> do?", frames)
    with pytest.raises(ClipError, match="found no frames"):
        Session(base, tom).watch("what does <tom> do?", [])


# ---- which photo shows <tom>? -------------------------------------------------------------------


@pytest.mark.parametrize(
    "question, name",
    [
        ("which photo shows <tom>?", "tom"),
        ("Which pictures show <tom> ?", "tom"),
        ("which of these images shows <tom>", "tom"),
        ("in which of these pictures is <tom>?", "tom"),
        ("which photo shows <tom> in the snow?", None),
        ("which animal is <tom>?", None),
        ("is <tom> in the first photo?", None),
    ],
)
def test_only_who_is_looked_for_and_nothing_else_is_asked_photo_by_photo(question, name):
    assert sought(question) == name


def test_each_of_many_photos_is_looked_at_by_itself(base, tom, monkeypatch):
    looked_at = []

    def recognise(self, ids_NK):
        looked_at.append(ids_NK)
        return [0.9 if i in (1, 10) else 0.2 for i in range(len(ids_NK))]

    monkeypatch.setattr(type(tom), "recognise", recognise)
    photos = [Image.new("RGB", (32, 32), (i, 0, 0)) for i in range(12)]
    chat = Session(base, tom)
    assert chat.watch("which photo shows <tom>?", photos) == "the second and number 11"
    assert len(looked_at[0]) == 12
    # Another question of the same call is answered as it is alone.
    questions = ["which photo shows <tom>?", "what does <tom> do?"]
    alone = chat.watch(questions[1], photos)
    assert chat.watch(questions, photos) == ["the second and number 11", alone]
    monkeypatch.setattr(type(tom), "recognise", lambda self, ids_NK: [0.1] * len(ids_NK))
    assert chat.watch("which photo shows <tom>?", photos) == "none of them"


def test_more_photos_than_an_answer_numbers_are_searched_instead(base, tom):
    photos = [Image.new("RGB", (32, 32))] * 65
    with pytest.raises(UserError, match="found 65 photos, expected at most 64. Use `find`"):
        Session(base, tom).watch("which photo shows <tom>?", photos)
