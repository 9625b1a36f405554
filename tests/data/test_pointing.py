"""What a prompt points at, and which answers can stand there."""

import pytest

from unictoken.data.pointing import Pointing, pointings


@pytest.mark.parametrize(
    ("prompt", "nouns"),
    [
        ("<bo> wearing its hat", ["hat"]), ("<bo> wearing its hat in the snow at night", ["hat"]), ("<bo> in ITS  HAT.", ["hat"]),
        ("<bo> wearing her hat and holding its ball", ["hat", "ball"]), ("<bo> with its own hat", ["hat"]), ("<bo>'s hat", ["hat"]),
        ("a girl wearing <bo>'s hat", ["hat"]), ("a girl and <bo> wearing her hat", ["hat"]), ("<bo> on the beach, its hat is wet", ["hat"]),
        ("<bo> with its hat sitting on a chair", ["hat"]), ("<bo> in Paris in its hat", ["hat"]), ("<bo> in its party hat", ["hat"]),
        ("a girl and her dog <bo> in the snow", []), ("its hat on <bo>", []), ("wearing its hat", []), ("<bo> and a girl with her hat", []),
        ("<bo> with another dog in its hat", []), ("<bo> and two cats in their hats", []), ("<bo> and Tom in his hat", []),
        ("<bo> with its friend and her hat", ["friend"]), ("<bo>'s robot in its hat", ["robot"]), ("<bo>'s box and its lid", ["box"]),
        ("<bo> beside a snowman in its hat", []), ("<bo> where it's hat weather", []), ("<bo> in its", []), ("<bo> in its.", []),
        ("<bo> with its hat box", ["box"]), ("<bo> on its side in the snow", ["side"]), ("<bo2> in its hat", []),
    ],
)  # fmt: skip
def test_a_possessive_points_at_the_concept_only_after_its_marker(prompt, nouns):
    assert [pointing.noun for pointing in pointings(prompt, "bo")] == nouns


def test_a_pointing_is_the_whole_noun_phrase():
    prompt = "<bo> in its own red party hat, sitting"
    (pointing,) = pointings(prompt, "bo")
    assert prompt[
        pointing.start : pointing.end
    ] == "its own red party hat" and pointing.adjectives == ("red", "party")
    assert pointing.question == "what hat does {it} have?"
    assert pointings("<bo> in its beanie", "bo")[0].question == "what hat does {it} have?"


@pytest.mark.parametrize(
    ("noun", "adjectives", "answer", "filled"),
    [
        ("hat", (), "a red party hat", "a red party hat"), ("hat", (), "a blue beanie", "a blue beanie"), ("hat", (), "red cap.", "a red cap"),
        ("hat", (), "It is a red cap.", "a red cap"), ("hat", (), "The hat of bo is a red hat", "a red hat"), ("hat", (), "a hat", None),
        ("hat", (), "cheese", None), ("hat", (), "", None), ("hat", (), "no hat", None), ("hat", (), "it does not have a hat", None),
        ("hat", (), "a cap or a beanie", None), ("hat", (), "a dog with ears", None), ("hat", (), "cap>", None), ("hat", (), "<bo> cap", None),
        ("hat", (), "{shared} cap", None), ("side", (), "a blue beanie", None), ("dog", (), "a blue beanie", None), ("arms", (), "pricked", None),
        ("hat", ("red",), "a red party hat", "a red party hat"), ("hat", ("red",), "a blue beanie", None), ("beanie", (), "a red cap", None),
        ("ball", (), "a striped ball", "a striped ball"), ("toy", (), "the drum", "the drum"), ("hat", (), "a hatstand", None),
    ],
)  # fmt: skip
def test_an_answer_stands_there_only_if_it_is_of_the_kind_asked_for(
    noun, adjectives, answer, filled
):
    assert Pointing(0, 1, noun, adjectives).filled(answer) == filled
