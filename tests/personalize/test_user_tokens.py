"""A user's tokens stand before questions that name the user, and before nothing else."""

from dataclasses import replace

import pytest
import torch

import unictoken
from unictoken.core.text import ConceptError
from unictoken.model.sampling import next_logits
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.condition import yes_probability
from unictoken.personalize.query import queries_of
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.user import USER, UserTokens
from unictoken.toy.users import users

SAYS = {"says": {"would {name} like this?": ["no", "yes"]}}


@pytest.fixture
def zoe(make_concept):
    return replace(make_concept("zoe"), sections={USER: SAYS})


@pytest.fixture
def seen(base):
    codes = torch.arange(2 * base.codes_per_picture) % len(base.vocab.image_ids)
    return base.vocab.image_ids[codes].view(2, -1)


def test_a_user_is_put_only_before_questions_that_name_them(base, zoe, seen):
    user = with_tokens(base, zoe)
    assert isinstance(user, UserTokens)
    asked = ["would <zoe> like this?", "describe the photo."]
    named, other = user.conditions(queries_of(asked, seen))
    assert named is user and not other.names
    prompts = [other.question(asked[1], seen[1].tolist())]
    assert torch.equal(next_logits(other.speaker, prompts), next_logits(base, prompts))


def test_a_user_is_in_no_picture(base, zoe, seen):
    session = Session(base, with_tokens(base, zoe))
    assert session.ask("who is in the photo?", seen) == ["nobody that I know"] * 2
    with pytest.raises(ConceptError, match="is a user, whom no picture shows"):
        session.recognise(seen)


def test_a_user_is_not_drawn_nor_found_and_no_other_method_is_named(base, zoe, seen):
    session = Session(base, with_tokens(base, zoe))
    for ask in (lambda: session.draw("<zoe> on the beach"), lambda: session.find("<zoe>", seen)):
        with pytest.raises(ConceptError, match="'zoe': is a user, of whom nothing is drawn"):
            ask()


def test_what_a_user_likes_is_the_probability_of_yes(base, zoe, seen):
    user = with_tokens(base, zoe)
    asked = [user.question("would <zoe> like this?", ids) for ids in seen.tolist()]
    expected = yes_probability(user.speaker, asked).tolist()
    assert Session(base, user).likes(seen) == expected
    assert Session(base, user).likes(seen[:1]) == pytest.approx(expected[:1])


def test_beside_others_the_user_is_asked_alone(base, zoe, bo, seen):
    alone, both = (
        Session(base, Several(base, [with_tokens(base, one) for one in members]))
        for members in ([zoe], [zoe, bo])
    )
    assert both.likes(seen, "zoe") == pytest.approx(alone.likes(seen), abs=1e-5)
    with pytest.raises(ConceptError, match="'bo' is no user who was learned from labels"):
        both.likes(seen, "bo")


def test_who_gave_other_labels_is_not_asked_what_they_like(base, zoe, seen):
    other = replace(zoe, sections={USER: {"says": {"what does {name} say of this?": ["sad"]}}})
    with pytest.raises(ConceptError, match="other labels than 'likes' and 'dislikes'"):
        Session(base, with_tokens(base, other)).likes(seen)


@pytest.mark.parametrize("section", [{}, {"says": []}, {"says": {"a": "b"}}, 3])
def test_a_section_that_is_no_users_is_refused(base, zoe, section):
    with pytest.raises(ConceptError, match=r"'zoe': user.*Learn the user again"):
        with_tokens(base, replace(zoe, sections={USER: section}))


@pytest.mark.slow
def test_two_users_with_opposite_labels_of_the_same_pictures_answer_oppositely():
    base = unictoken.load("tiny", device="cpu")
    assert isinstance(base, PersonalBase)
    taste = users(1, seed=1).tastes[0]
    own = [picture for picture, liked in taste.judged if liked]
    others = [picture for picture, liked in taste.judged if not liked]
    tokens = [
        unictoken.learn(
            base, {"likes": likes, "dislikes": dislikes}, name=name, kind="user", consent=True,
            steps=60, verbose=False,
        )
        for name, likes, dislikes in (("zoe", own, others), ("tom", others, own))
    ]  # fmt: skip
    chat = base.with_concepts(*tokens)
    liked = {name: torch.tensor(chat.likes([*own, *others], name)) for name in ("zoe", "tom")}
    right = torch.tensor([True] * len(own) + [False] * len(others))
    for name, expected in (("zoe", right), ("tom", ~right)):
        assert ((liked[name] > 0.5) == expected).float().mean() > 0.8
    assert chat.ask("would <zoe> like this?", own[0]) != chat.ask("would <tom> like this?", own[0])
