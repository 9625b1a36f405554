"""Facts read off what a user said."""

import pytest

from unictoken.personalize import extract
from unictoken.personalize.extract import by_questions, by_rules


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        ("i like dogs . do you ?", ["i like dogs ."]),
        ("Hello! I am a teacher. My cat is red.", ["I am a teacher.", "My cat is red."]),
        ("well , i've two sons", ["i've two sons"]),
        ("i am sorry . i see .", []),
        ("tom has a hat. it is red.", []),
        ("do i like it?", []),
        ("", []),
    ],
)
def test_sentences_in_the_first_person_that_state_something_are_facts(said, facts):
    assert [item.text for item in by_rules([said])] == facts


def test_what_is_said_again_is_one_fact_and_newer():
    first, second = by_rules(["i like dogs.", "my cat is red.", "I like dogs."], source="chat")
    assert (first.text, first.time, first.source) == ("I like dogs.", 3.0, "chat")
    assert (second.text, second.time) == ("my cat is red.", 2.0)


def test_an_answer_counts_where_it_depends_on_what_was_said(base, monkeypatch):
    vocab = base.vocab
    told = {"where?": "in the snow", "what?": "soup", "who?": "i do not know."}
    likely = {"where?": (0.0, -9.0), "what?": (-1.0, -1.0), "who?": (0.0, -9.0)}

    def asked(ids):
        return next(q for q in told if vocab.decode(ids).replace(" ?", "?").endswith(q))

    def sampled(base, prompts, max_ids):
        return [vocab.encode(told[asked(ids)]) for ids in prompts]

    def read(base, pairs):
        with_it = ["snow" in vocab.decode(prompt) for prompt, _ in pairs]
        numbers = [
            likely[asked(p)][0 if w else 1] for (p, _), w in zip(pairs, with_it, strict=True)
        ]
        return [extract_likelihood(number) for number in numbers]

    from unictoken.model.likelihood import Likelihood

    def extract_likelihood(number):
        return Likelihood(number, 1)

    monkeypatch.setattr(extract, "sample_text", sampled)
    monkeypatch.setattr(extract, "likelihoods", read)
    forms = {"where?": "i live {}.", "what?": "i eat {}.", "who?": "i am {}."}
    found = by_questions(base, ["i live in the snow."], forms, source="chat")
    assert [(item.text, item.source) for item in found] == [("i live in the snow.", "chat")]


def test_nothing_is_asked_of_who_said_nothing(base):
    assert by_questions(base, [], {"where do i live?": "i live {}."}) == []
