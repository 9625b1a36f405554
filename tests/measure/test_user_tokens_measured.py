"""A user's tokens against those of the user of the opposite taste, and against no learning."""

import pytest

from unictoken.core import config
from unictoken.measure import user_tokens
from unictoken.measure.user_tokens import scored
from unictoken.measure.users import USUAL, ProfilesConfig, measure
from unictoken.toy import users as toy


def test_scores_are_of_yes_and_no_and_of_the_order():
    right = scored([0.9, 0.1, 0.2], [1.0, 0.0, 0.0])
    assert right == {"ndcg@5": 1.0, "macro_f1": 1.0}
    wrong = scored([0.1, 0.9, 0.8], [1.0, 0.0, 0.0])
    assert wrong["macro_f1"] == 0 and wrong["ndcg@5"] == 0.5
    assert set(scored([3.0, 1.0], [1.0, 0.0], decided=False)) == {"ndcg@5"}


def test_the_opposite_user_is_taught_the_opposite_of_each_picture(base, monkeypatch):
    taste, taught = toy.users(1, seed=1).tastes[0], []

    class Stop(Exception):
        pass

    def read(said, **more):
        taught.append({label: list(pictures) for label, pictures in said.items()})
        raise Stop

    monkeypatch.setattr(user_tokens, "read_user", read)
    for opposite in (False, True):
        with pytest.raises(Stop):
            user_tokens.learn_user(base, taste, opposite=opposite)
    own, other = taught
    assert own["likes"] == other["dislikes"] == [p for p, liked in taste.judged if liked]
    assert own["dislikes"] == other["likes"] and len(own["likes"]) == toy.JUDGED


def test_the_part_learns_and_is_measured_where_it_is_asked_for(base, monkeypatch):
    assert "user_tokens" not in USUAL
    quick = config.load
    monkeypatch.setattr(
        config, "load", lambda kind, path, *more: quick(kind, path, ["method.stages.0.steps=1"])
    )
    monkeypatch.setattr(toy, "JUDGED", 2)
    (section,) = measure(base, ProfilesConfig(users=1, parts=("user_tokens",)))
    assert list(section.table) == [
        "user", "opposite_user", "opposite_is_right", "pictures", "features", "majority", "chance",
    ]  # fmt: skip
    assert section.table["majority"]["ndcg@5"].mean == 0  # ties count against it
    assert section.table["features"]["macro_f1"] is None
    assert "2 pictures that the user likes and 2 that they do not" in section.about


def test_what_was_judged_has_the_look_that_is_liked_or_has_it_not():
    from unictoken.toy.pretrain.words import looks

    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "draw_group", lambda group: seen.append(group) or group)
        taste = toy.users(1, seed=3).tastes[0]
    assert all((taste.says in looks(group)) == liked for group, liked in taste.judged)
    assert sum(liked for _, liked in taste.judged) == toy.JUDGED == len(taste.judged) / 2
