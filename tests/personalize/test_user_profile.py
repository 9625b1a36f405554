"""A user's items, found and put before questions."""

import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.core.text import ConceptError
from unictoken.data.item import Item
from unictoken.model.encoders import BaseEncoder
from unictoken.personalize.condition import answer_each, together
from unictoken.personalize.profile import Profile, Told, told_in_order
from unictoken.personalize.query import Personalization, Query, queries_of
from unictoken.personalize.retrieval import RETRIEVERS, best, bm25, dense, recency
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens

SNOW = Item(text="i live in the snow", time=1.0)
SOUP = Item(text="i like to eat soup", time=2.0)
CITY = Item(text="i live in the city now", time=3.0)
CAP = Item(text="tom has a red cap", time=2.5)
ITEMS = (SNOW, SOUP, CITY, CAP)


def test_a_profile_is_a_personalization_without_a_name(base):
    profile = Profile(ITEMS, base)
    assert isinstance(profile, Personalization) and profile.names == ()


@pytest.mark.parametrize(
    ("by", "query", "found"),
    [
        ("bm25", "what red cap has tom?", [CAP, CITY]),
        ("bm25", "where do I live in?", [SNOW, CITY]),
        ("bm25", "???", [CITY, CAP]),
        ("recency", "anything", [CITY, CAP]),
    ],
)
def test_each_retriever_finds_its_own(base, by, query, found):
    assert list(Profile(ITEMS, base, by=by, k=2).find(query)) == found


def test_dense_finds_the_item_with_the_nearest_features(base):
    profile = Profile(ITEMS, base, by="dense")
    for i, item in enumerate(ITEMS):
        assert profile.numbers(item.text, 1) == [i]


def test_any_encoder_of_texts_may_be_given(base):
    class Letters:
        def texts(self, texts):
            return (
                torch.tensor([[text.count("a"), text.count("o")] for text in texts]).float().numpy()
            )

    profile = Profile([Item(text="aaa"), Item(text="ooo")], base, by="dense", encoder=Letters())
    assert profile.numbers("o", 1) == [1]


def test_of_equal_scores_the_newer_is_found_and_then_the_later():
    assert best([1, 1, 1], [SNOW, CITY, SOUP], 2) == [1, 2]
    same = [Item(text="a"), Item(text="b")]
    assert best([0, 0], same, 1) == [1]


@pytest.mark.parametrize("make", [bm25, recency])
def test_no_items_and_items_without_words_are_no_mistake(base, make):
    assert list(make([], []).scores("hi")) == []
    assert list(make([Item(text="...")], ["..."]).scores("hi")) == [0.0]


def test_features_of_nothing_are_like_nothing(base):
    assert dense(BaseEncoder(base))([], []).scores("tom") == []
    assert dense(BaseEncoder(base))([SNOW], [""]).scores("tom") == [0.0]


def test_items_are_said_in_the_order_of_time_within_the_budget(base):
    profile = Profile(ITEMS, base, k=2)
    assert profile.as_text("where do i live in?") == "i live in the snow. i live in the city now."
    cost = len(base.vocab.inside("i live in the snow."))
    assert profile.as_text("where do i live in?", budget=cost) == "i live in the snow."
    assert profile.as_text("where do i live in?", budget=1) == ""


def test_items_of_one_time_end_with_what_fits_best(base):
    timeless = [Item(text="tom sits"), Item(text="mia runs!")]
    assert told_in_order(timeless, 100, base) == "mia runs! tom sits."


def test_each_question_gets_its_own_items_before_it(base):
    profile = Profile(ITEMS, base, k=1)
    first, second = profile.conditions([Query("what red cap has tom?"), Query("do i eat soup?")])
    vocab = base.vocab
    asked = vocab.encode("do i eat soup?")
    said = vocab.encode("i like to eat soup.")
    assert second.question("do i eat soup?") == [*vocab.begin, *vocab.turn([*said, *asked])]
    assert first.shown == tuple(vocab.encode("tom has a red cap."))
    answers = answer_each([(Query("a"), first), (Query("b"), second)], max_ids=4)
    assert len(answers) == 2


def test_before_a_drawing_and_without_items_nothing_stands(base):
    (drawn,) = Profile(ITEMS, base).conditions(queries_of(["a dog"], wanted="picture"))
    (empty,) = Profile((), base).conditions([Query("where do i live?")])
    assert drawn == empty == together(base, [])


def test_a_slot_in_what_a_user_said_is_text(base):
    condition = Profile([Item(text="{name} {shared} <bo>")], base).conditions([Query("hm?")])[0]
    assert condition.shown == tuple(base.vocab.encode("{name} {shared} <bo>."))


def test_a_profile_stands_beside_a_concept(base, bo):
    both = Several(base, [Profile(ITEMS, base, k=1), with_tokens(base, bo)])
    assert both.names == ("bo",)
    alone, named = both.conditions(queries_of(["what red cap has tom?", "has tom <bo>?"]))
    told = base.vocab.encode("tom has a red cap.")
    for condition in (alone, named):
        assert list(condition.shown) == told and condition.names == ("bo",)
    name = named.speaker.slots(bo)["{name}"]
    assert named.question("<bo>?")[1 : len(told) + 1] == told and name[0] in named.question("<bo>?")
    seen_NK = base.any_picture[None]
    assert named.recognise(seen_NK) == with_tokens(base, bo).recognise(seen_NK)


def test_a_session_answers_with_a_profile_and_draws_as_without(base, bo):
    chat = Session(base, Several(base, [Profile(ITEMS, base), with_tokens(base, bo)]))
    assert len(chat.ask(["where do i live?", "what is <bo>?"])) == 2
    with pytest.raises(ConceptError, match="'<tom>' is not a concept that is loaded"):
        chat.ask("who is <tom>?")


def test_nobody_is_missing_in_a_picture_and_nobody_is_marked(base):
    told = Told(base, "", shown=(1, 2))
    assert (told.names, told.recognise(base.any_picture[None]), told.recaption("its hat")) == (
        (), [1.0], "its hat",
    )  # fmt: skip
    with pytest.raises(ConceptError, match="'<bo>'"):
        told.marked("<bo>")


def test_settings_that_cannot_be_used_are_refused(base):
    with pytest.raises(ConfigError, match="retriever: found 'bm52', expected one of bm25, dense"):
        Profile(ITEMS, base, by="bm52")
    with pytest.raises(ConfigError, match="k: found 0"):
        Profile(ITEMS, base, k=0)


def test_a_retriever_of_ones_own_is_known_by_its_name(base, monkeypatch):
    monkeypatch.setitem(
        RETRIEVERS, "oldest", lambda encoder: lambda items, documents: Oldest(items)
    )

    class Oldest:
        def __init__(self, items):
            self.items = items

        def scores(self, query):
            return [-item.time for item in self.items]

    assert Profile(ITEMS, base, by="oldest").find("x", 1) == (SNOW,)
