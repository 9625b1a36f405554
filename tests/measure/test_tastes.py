"""Pictures ranked by a user's taste."""

from collections import namedtuple

import pytest
from PIL import Image

from unictoken.data.sequence import user_turn
from unictoken.data.users import Taste
from unictoken.measure import tastes


def picture(colour: str) -> Image.Image:
    return Image.new("RGB", (32, 32), colour)


@pytest.fixture
def users() -> list[Taste]:
    red, blue, green = map(picture, ("red", "blue", "green"))
    return [
        Taste(name="zoe", liked=(red, blue, green), candidates=(red, blue), gains=(1.0, 0.0), says="red"),
        Taste(name="tom", liked=(blue, green), candidates=(red, blue), gains=(0.0, 1.0), says="blue"),
    ]  # fmt: skip


def test_liked_pictures_stand_before_the_question_two_at_a_time(base, users, monkeypatch):
    asked = []

    def probability(speaker, prompts):
        asked.extend(prompts)
        import torch

        return torch.arange(len(prompts)).float()

    monkeypatch.setattr(tastes, "yes_probability", probability)
    a, b, c, d = ([i] * base.codes_per_picture for i in base.vocab.image_ids[:4].tolist())
    assert tastes.liking(base, "zoe", [a, b, c], [d]) == [1.0]  # the mean of three pairs
    vocab = base.vocab
    slots = {"{name}": vocab.encode("zoe"), "{seen}": [*vocab.picture(a), *vocab.picture(b)]}
    said = vocab.encode("{name} likes {seen}. would {name} like this?", slots)
    assert asked[0] == user_turn([*said, *vocab.picture(d)], vocab) and len(asked) == 3
    asked.clear()
    tastes.liking(base, "zoe", [], [d])
    alone = vocab.encode("would {name} like this?", slots)
    assert asked == [user_turn([*alone, *vocab.picture(d)], vocab)]


@pytest.mark.parametrize("way", tastes.WAYS)
def test_every_way_ranks_every_users_candidates(base, users, way):
    rows = tastes.rank(base, users, way)
    assert len(rows) == 2 and all(set(row) == set(tastes.COLUMNS) for row in rows)
    assert all(0 < row["mrr"] <= 1 for row in rows)


def test_the_reason_is_what_is_said_for_most_pairs_and_ranks_by_its_words(base, users, monkeypatch):
    vocab, asked = base.vocab, []
    answers = [vocab.encode(text) for text in ("red", "a dog", "red")]

    def said(speaker, prompts, **more):
        asked.extend(prompts)
        return answers[: len(prompts)]

    monkeypatch.setattr(tastes, "sample_text", said)
    assert tastes.explained(base, users[0]) == "red"
    # Each liked picture in turn is the one that they would like; the others stand before it.
    codes = base.encode(users[0].liked).tolist()
    assert len(asked) == 3 and asked[0][-1:] == vocab.turn(vocab.encode("zoe"))[-1:]
    for prompt, last in zip(asked, codes, strict=True):
        assert str(vocab.picture(last))[1:-1] in str(prompt)

    Read = namedtuple("Read", "mean")
    likely = {"what is it?": 0.1, "what colour is it?": 0.7, "where is it?": 0.2}

    def read(speaker, pairs):
        assert all(answer == answers[0] for _, answer in pairs)
        return [Read(likely[q] + i // 3) for i, q in enumerate([*likely] * (len(pairs) // 3))]

    monkeypatch.setattr(tastes, "likelihoods", read)
    assert tastes.WAYS["explained"](base, users, 0) == [0.7, 1.7]


def test_features_find_the_picture_itself(base, users):
    assert tastes.likeness(base, [users[0].liked[0]], users[0].candidates)[0] == pytest.approx(1)


def test_another_users_taste_is_one_for_something_else(base, users, monkeypatch):
    shown = []
    monkeypatch.setattr(
        tastes, "liking", lambda base, name, liked, candidates: shown.append(liked) or [0.0, 1.0]
    )
    tastes.rank(base, [users[0], users[0], users[1]], "another_user")
    assert [len(liked) for liked in shown] == [2, 2, 3]


def test_chance_is_the_mean_of_random_rankings(users):
    rows = tastes.by_chance(users, draws=400)
    assert rows[0]["mrr"] == pytest.approx(0.75, abs=0.05) and rows[0]["recall@5"] == 1
    assert tastes.over_users(rows)["mrr"].n == 2
