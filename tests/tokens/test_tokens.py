import pytest

from unictoken.core.text import ConceptError, mark
from unictoken.tokens.tokens import role_slices, slots

COUNTS = {"name": 1, "shared": 16, "generation": 0, "understanding": 2}


def test_roles_lie_one_after_another():
    assert role_slices({"name": 1, "shared": 16})["shared"] == slice(1, 17)
    assert role_slices(COUNTS) == {
        "name": slice(0, 1),
        "shared": slice(1, 17),
        "generation": slice(17, 17),
        "understanding": slice(17, 19),
    }


def test_slots_hold_the_ids_of_each_role():
    assert slots([7, 8, 9], {"name": 1, "shared": 2}) == {
        "{name}": [7],
        "{shared}": [8, 9],
        "{generation}": [],
        "{understanding}": [],
    }


def test_people_write_a_concept_between_angle_brackets(bo):
    assert bo.marker == "<bo>"


@pytest.mark.parametrize(
    "said", ["is 5>3, {0}?", "is a<b, {0}?", "{0} looks left->right", "<3 {0}", "{0}'s hat"]
)
def test_a_marked_text_can_be_marked_again(said):
    marked = said.format("{name}")
    assert (
        mark(said.format("<bo>"), "bo", where="prompt")
        == mark(marked, "bo", where="prompt")
        == marked
    )


@pytest.mark.parametrize("said", ["<bo is here", "bo> is here", "who is <rex", "<bo> and mia>"])
def test_one_bracket_is_refused(said):
    with pytest.raises(ConceptError, match=r"prompt: '\S+' has one bracket\. Expected '<bo>'"):
        mark(said, "bo", where="prompt")


@pytest.mark.parametrize("slot", ["{shared}", "{generation}", "{understanding}"])
def test_a_slot_for_rows_is_no_word_of_a_users_text(slot):
    with pytest.raises(
        ConceptError, match=f"prompt: '{slot}' is a slot of a method's prompts. Expected '<bo>'"
    ):
        mark(f"<bo> is {slot}.", "bo", where="prompt")
