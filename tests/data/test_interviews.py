import pytest

from unictoken.data.interviews import GENERAL, with_name


@pytest.mark.parametrize(
    ("said", "learned"),
    [
        ("The mug is blue.", "{name} is blue."),
        ("A small blue mug stands on a desk.", "{name} stands on a desk."),
        ("On the desk, to the left of the mug.", "On the desk, to the left of {name}."),
        ("The mug is a large mug with a handle.", "{name} is a large mug with a handle."),
        ("A photo of a mug.", "A photo of a mug."),  # which one, it does not say
        ("the mugs are blue", "the mugs are blue"),
        ("It is round.", "It is round."),
        ("", ""),
    ],
)
def test_what_a_base_says_of_the_concept_is_said_with_its_name(said, learned):
    assert with_name(said, "mug") == learned


def test_a_general_caption_names_the_concept():
    assert GENERAL.caption(["{name} stands on a desk.", "", "", ""]) == "{name} stands on a desk."
    assert GENERAL.caption(["An office.", "", "", ""]) == "a photo of {name}."


def test_general_questions_name_no_part_that_only_pets_have():
    asked = " ".join(GENERAL.questions)
    assert not any(word in asked for word in ("ears", "eyes", "collar", "fur", "animal", "wearing"))
