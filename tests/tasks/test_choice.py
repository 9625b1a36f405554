import dataclasses

from unictoken.personalize.words import in_words
from unictoken.tasks import predictions


def test_options_are_shuffled_and_the_right_one_is_found_again(base, make_trial):
    asked = make_trial(in_words(base, "tom", ""))
    heard = []

    class Repeating:
        def ask(self, questions, images=None, *, max_ids):
            heard.extend(questions)
            return [record.answer for record in asked.records("choice")]

    repeating = dataclasses.replace(asked, conditioning=Repeating())
    made = predictions(repeating, ["choice"])
    assert [p.score for p in made] == [1.0, 1.0] and all(
        " A. " in question and " D. " in question for question in heard
    )
    heard.clear()
    made = predictions(dataclasses.replace(repeating, list_options=False), ["choice"])
    assert [p.score for p in made] == [1.0, 1.0] and not any(
        " A. " in question for question in heard
    )
