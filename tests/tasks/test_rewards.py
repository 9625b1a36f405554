"""What an answer that was sampled is worth, by the task that asked for it."""

import pytest

from unictoken.tasks import taught

OWN = "<name>, wearing a red cap, sitting on the left in the snow."
OF_ANOTHER = "a brown dog, wearing a red cap, sitting on the left in the snow."


@pytest.mark.parametrize(
    ("task", "expected", "given", "worth"),
    [
        ("recognise", "yes", "yes", 1.0),
        ("recognise", "yes", "no", 0.0),
        ("vqa", "a red cap", "a red cap", 1.0),
        ("vqa", "a red cap", "a blue cap", 1 / 3),  # half of the words' 2/3
        ("text_qa", "apples", "", 0.0),
        ("caption", OWN, OWN, 1.0),
        ("caption", OWN, "<name>", 0.5),
        ("caption_others", OF_ANOTHER, OF_ANOTHER, 1.0),
        ("knowledge", "wearing a red cap in the snow", "wearing a red cap in the snow", 1.0),
    ],
)
def test_an_answer_is_worth_what_its_task_says(task, expected, given, worth):
    assert taught()[task].reward(expected, given) == pytest.approx(worth)


def test_a_name_counts_where_it_belongs_and_only_there():
    caption, others = taught()["caption"], taught()["caption_others"]
    assert caption.reward(OWN, OWN) - caption.reward(OWN, OWN.replace("<name>", "")) == 0.5
    named = others.reward(OF_ANOTHER, f"<name> {OF_ANOTHER}")
    assert others.reward(OF_ANOTHER, OF_ANOTHER) - named == 0.5
