"""Profiles asked under every way, and what is counted."""

from dataclasses import replace
from pathlib import Path

import pytest

from unictoken.core.config import ConfigError
from unictoken.data.item import Item
from unictoken.data.readers.users import user_of
from unictoken.data.records import Dataset, Record
from unictoken.measure import profiles
from unictoken.measure.profiles import WAYS, Chooser, Outcome, Setting, ask, prompt_of, score
from unictoken.model.likelihood import Likelihood

HOME = [Item(text=text, time=float(i), label=str(i)) for i, text in enumerate(["i live in the snow", "i eat soup", "i have a cap", "i play the drum", "i live in the city now"])]  # fmt: skip
OTHER = [Item(text="i live at home", time=1.0), Item(text="i eat cake", time=2.0)]


def record(question: str, answer: str, **more) -> Record:
    given = {"task": "reply", "split": "test", "concepts": ("ann",), "where": question}
    return Record(question=question, answer=answer, **(given | more))


LIVES = record("where do i live in?", "in the city", uses=(4,), options=("in the city", "soup"))


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        layout="toy",
        root=Path(),
        concepts={name: user_of(name) for name in ("ann", "bob")},
        records={"ann": (LIVES,), "bob": ()},
        profiles={"ann": tuple(HOME), "bob": tuple(OTHER)},
    )


@pytest.fixture
def chooser(base, dataset) -> Chooser:
    return Chooser(base, dataset, Setting(k=2))


@pytest.mark.parametrize(
    ("way", "numbers"),
    [
        ("none", []),
        ("all", [4, 3, 2, 1, 0]),
        ("bm25", [0, 4]),
        ("recency", [4, 3]),
        ("oracle", [4]),
    ],
)
def test_each_way_chooses_its_items(chooser, way, numbers):
    assert list(WAYS.find(way)(chooser, LIVES)) == [HOME[i] for i in numbers]


def test_random_items_depend_on_the_record_alone(base, dataset, chooser):
    chosen = WAYS.find("random")(chooser, LIVES)
    again = WAYS.find("random")(Chooser(base, dataset, Setting(k=2)), LIVES)
    assert chosen == again and len(chosen) == 2 and set(chosen) < set(HOME)
    elsewhere = Chooser(base, dataset, Setting(k=5, seed=1))
    assert sorted(i.label for i in WAYS.find("random")(elsewhere, LIVES)) == list("01234")


def test_another_users_items_are_of_the_next_one_who_has_some(chooser):
    assert {item.text for item in WAYS.find("another_user")(chooser, LIVES)} <= {
        i.text for i in OTHER
    }
    bobs = replace(LIVES, concepts=("bob",))
    assert set(WAYS.find("another_user")(chooser, bobs)) <= set(HOME)


def test_shuffled_items_of_lamp_have_each_others_labels(base, dataset):
    asked = record(
        "rate it. review: i live in the snow",
        "0",
        task="text_qa",
        kind="LaMP_3",
        options=("0", "4"),
    )
    chooser = Chooser(base, dataset, Setting(k=2))
    found = WAYS.find("bm25")(chooser, asked)
    swapped = WAYS.find("shuffled")(chooser, asked)
    assert [i.text for i in swapped] == [i.text for i in found]
    assert [i.label for i in swapped] == [i.label for i in found[::-1]]


def test_shuffled_items_of_others_have_no_order_of_time(chooser):
    assert {item.time for item in WAYS.find("shuffled")(chooser, LIVES)} == {0.0}


def test_a_way_that_is_not_defined_for_a_record_leaves_it_out(base, dataset):
    unknown = replace(LIVES, uses=None)
    assert ask(base, dataset, [unknown], "oracle", Setting()) == []
    with pytest.raises(ConfigError, match="way: found 'bm52'"):
        ask(base, dataset, [LIVES], "bm52", Setting())


def test_items_stand_in_the_users_first_turn(base):
    vocab = base.vocab
    told, asked = vocab.encode("i eat soup."), vocab.encode("hm?")
    assert prompt_of(base, record("hm?", "a"), [HOME[1]], 50) == [
        *vocab.begin,
        *vocab.turn([*told, *asked]),
    ]
    talked = record("hm?", "a", history=("hi", "ho"))
    hi, ho = (vocab.turn(vocab.encode(text)) for text in ("hi", "ho"))
    expected = [*vocab.begin, *vocab.turn([*told, *vocab.encode("hi")]), *ho, *vocab.turn(asked)]
    assert prompt_of(base, talked, [HOME[1]], 50) == expected
    # The other one began: what is told is a turn before that.
    answered = record("hm?", "a", history=("ho",))
    assert prompt_of(base, answered, [HOME[1]], 50) == [
        *vocab.begin,
        *vocab.turn(told),
        *ho,
        *vocab.turn(asked),
    ]
    assert prompt_of(base, answered, [], 50) == [*vocab.begin, *ho, *vocab.turn(asked)]
    assert len(hi) > 1


def test_of_a_long_history_the_oldest_turns_are_left_out(base):
    words = " ".join(["soup"] * (base.longest // 10))
    long = record("hm?", "a", history=(words,) * 30)
    prompt = prompt_of(base, long, [HOME[1]], 50)
    assert base.longest // 10 < len(prompt) < base.longest
    turns = prompt.count(base.vocab.end_turn)
    assert turns % 2 == 1 and turns < 11


def test_lamps_items_stand_as_published(base):
    asked = record("rate it", "4", task="text_qa", kind="LaMP_3", options=("0", "4"))
    vocab = base.vocab
    said = vocab.encode('1 is the score for "i eat soup". rate it')
    assert prompt_of(base, asked, [HOME[1]], 50) == [*vocab.begin, *vocab.turn(said)]


def test_a_reply_is_written_and_ranked_and_an_option_is_chosen(base, dataset):
    choice = replace(LIVES, task="text_qa")
    written, chosen = ask(base, dataset, [LIVES, choice], "bm25", Setting(k=2, max_ids=3))
    assert len(written.scores) == len(chosen.scores) == 2 and written.truth.total < 0
    assert chosen.given == choice.options[chosen.scores.index(max(chosen.scores))]
    assert written.uses == (HOME[4],) and written.items == (HOME[0], HOME[4])
    assert written.ids == len(prompt_of(base, LIVES, written.items, Setting().budget))
    assert score([written], "finds").mean == 1 and score([written], "ids").mean == written.ids


def outcome(given: str, answer: str, user: str = "ann", **more) -> Outcome:
    told = {
        "way": "bm25",
        "items": (),
        "uses": (),
        "ids": 1,
        "scores": (),
        "truth": Likelihood(-1, 1),
    }
    kept = {key: more.pop(key) for key in list(more) if key in told}
    return Outcome(
        record=record("q?", answer, concepts=(user,), **more), given=given, **(told | kept)
    )


def test_a_mean_is_over_users_and_not_over_questions():
    made = [outcome("a", "a"), outcome("b", "a"), outcome("a", "a", "bob")]
    assert (score(made, "exact").mean, score(made, "exact").n) == (0.75, 2)


def test_what_is_no_mean_is_of_all_answers_with_a_bootstrap_of_users():
    made = [outcome("1", "3"), outcome("3", "3", "bob")]
    number = score(made, "rmse")
    assert number.mean == 2**0.5 and number.n == 2 and 0 < number.half_width <= 1
    assert score(made[:1], "rmse").half_width is None


def test_a_metric_of_which_no_outcome_says_anything_is_none():
    assert score([outcome("a", "a")], "hits@1") is None
    assert score([outcome("a", "a")], "finds") is None


def test_options_are_ranked_by_likelihood():
    right = outcome("x", "b", options=("a", "b", "c"), scores=(-3.0, -1.0, -2.0))
    wrong = outcome("x", "a", options=("a", "b", "c"), scores=(-3.0, -1.0, -2.0))
    assert (score([right], "hits@1").mean, score([wrong], "mrr").mean) == (1, 1 / 3)


def test_columns_are_those_of_the_paper():
    lamp = outcome("1", "1", task="text_qa", kind="LaMP_3", options=("1", "2"))
    assert profiles.columns_of([lamp]) == ("mae", "rmse", "ids")
    assert profiles.columns_of([outcome("a", "a")]) == profiles.OF_REPLIES
    assert profiles.columns_of([outcome("a", "a", task="text_qa")]) == profiles.OF_TEXTS


def test_an_item_is_used_where_it_alone_makes_the_answer_likelier(base, dataset, monkeypatch):
    likely = iter([-5.0, -4.9, -5.0, -5.0, -5.0, -0.5])  # none, then each item

    def read(base, pairs):
        return [Likelihood(next(likely), 1) for _ in pairs]

    monkeypatch.setattr(profiles, "likelihoods", read)
    ((_, found),) = profiles.grounding(base, dataset, [LIVES], Setting(max_ids=2), right=True)
    assert found == {4}
    scored = profiles.grounding_scores([(LIVES, found)], dataset)
    assert {k: v.mean for k, v in scored.items()} == {
        "accuracy": 1, "constant": 0.8, "precision": 1, "recall": 1, "f1": 1,
    }  # fmt: skip


def test_grounding_of_the_bases_own_answer(base, dataset):
    found = profiles.grounding(
        base, dataset, [LIVES, replace(LIVES, uses=None)], Setting(max_ids=2)
    )
    assert len(found) == 1 and found[0][1] <= set(range(5))
