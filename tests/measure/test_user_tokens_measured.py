"""A user's tokens against those of the user of the opposite taste, and against no learning."""

import pytest
from PIL import Image

from unictoken.core import config
from unictoken.data.users import Taste
from unictoken.learn.profile_rows import as_row
from unictoken.measure import profile_rows, user_tokens
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
        "user", "opposite_user", "opposite_is_right", "pictures", "map", "features", "majority", "chance",
    ]  # fmt: skip
    assert section.table["majority"]["ndcg@5"].mean == 0  # ties count against it
    assert section.table["features"]["macro_f1"] is None
    assert "2 pictures that the user likes and 2 that they do not" in section.about


def test_a_map_of_features_learns_what_the_labels_say(base):
    """Two colours: what is liked is told apart from what is not."""
    red, blue = (Image.new("RGB", (256, 256), colour) for colour in ("red", "blue"))
    judged = ((red, True), (blue, False)) * 2
    seen = {"liked": (red,), "judged": judged, "candidates": (red, blue)}
    taste = Taste(name="zoe", says="red", gains=(1.0, 0.0), **seen)
    liked, not_liked = user_tokens.mapped(base, taste)
    assert liked > 0.5 > not_liked


@pytest.mark.slow
def test_a_profiles_tokens_are_measured_beside_its_words(base, monkeypatch):
    learned = []

    def quick(profile, questions, **more):
        learned.append(tuple(questions))
        return as_row(profile, questions, **more, rows=2, steps=1)

    monkeypatch.setattr(profile_rows, "as_row", quick)
    (section,) = measure(base, ProfilesConfig(users=2, k=2, parts=("profile_rows",)))
    table = section.table
    assert set(table) == {"words", "tokens", "tokens_unseen", "another_user", "none"}
    assert table["tokens"]["ids"].mean == pytest.approx(table["none"]["ids"].mean + 2)
    # Two users: on all of their questions, and on each half.
    assert len(learned) == 6
    for whole, (first, second) in zip(learned[:2], (learned[2:4], learned[4:]), strict=True):
        assert sorted(first + second) == sorted(whole) and not set(first) & set(second)


def test_what_was_judged_has_the_look_that_is_liked_or_has_it_not():
    from unictoken.toy.pretrain.words import looks

    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "draw_group", lambda group: seen.append(group) or group)
        taste = toy.users(1, seed=3).tastes[0]
    assert all((taste.says in looks(group)) == liked for group, liked in taste.judged)
    assert sum(liked for _, liked in taste.judged) == toy.JUDGED == len(taste.judged) / 2
