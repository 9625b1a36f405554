import dataclasses

from unictoken.personalize.words import in_words
from unictoken.tasks import predictions
from unictoken.tasks.trial import Trial


def test_options_are_shuffled_and_the_right_one_is_found_again(base, make_trial, monkeypatch):
    asked = make_trial(in_words(base, "tom", ""))
    heard = []

    def repeat(self, questions, records):
        heard.extend(questions)
        return [record.answer for record in records]

    monkeypatch.setattr(Trial, "answers", repeat)
    made = predictions(asked, ["choice"])
    assert [p.score for p in made] == [1.0, 1.0] and all(
        " A. " in question and " D. " in question for question in heard
    )
    heard.clear()
    made = predictions(dataclasses.replace(asked, list_options=False), ["choice"])
    assert [p.score for p in made] == [1.0, 1.0] and not any(
        " A. " in question for question in heard
    )
