import dataclasses

import pytest

from unictoken.data.source import SourceError
from unictoken.learn.methods import Distractors, Stage
from unictoken.learn.prepare import CAPTIONED, prepare
from unictoken.measure.scores import scores
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tasks import predictions


def test_of_others_is_said_what_the_base_says_without_the_concept(base, prepared, rng, answered):
    others = {
        tuple(row) for ids_NK in prepared.material.negatives.values() for row in ids_NK.tolist()
    }
    said = {tuple(picture.tolist()): text for text, picture in prepared.material.captions_of_others}
    assert len(said) == 3 * CAPTIONED and set(said) <= others
    name = prepared.examples.slots["{name}"][0]
    for _ in range(10):
        example = prepared.examples.make("caption_others", rng)
        picture = next(p for p in said if ",".join(map(str, p)) in ",".join(map(str, example.ids)))
        assert answered(example) == [
            *base.vocab.encode(said[picture]),
            base.vocab.end_turn,
        ] and name not in answered(example)


def test_captions_of_others_need_others(base, toy, short_method):
    alone = dataclasses.replace(toy, negatives={})
    method = dataclasses.replace(short_method, stages=(Stage(tasks={"caption_others": 1.0}),))
    with pytest.raises(
        SourceError, match="'caption_others' needs pictures of others, and there are none"
    ):
        prepare(base, alone, method, seed=0, distractors=Distractors(world=0, drawn=0))


def captioned(base, trial, monkeypatch, *, told: str, untold: str) -> dict[str, float]:
    """Scores of captions where every picture gets one of these, by whether the base was told of the
    concept.
    """
    plain = in_words(base, "tom", "")
    monkeypatch.setattr(
        Condition,
        "caption",
        lambda self, images: [untold if self == plain else told] * len(images),
    )
    return scores(predictions(trial, ["caption"]))


def test_tokens_name_a_concept_by_its_marker_and_words_by_its_word(
    base, make_trial, make_concept, monkeypatch
):
    tokens, words = (
        with_tokens(base, make_concept("tom")),
        in_words(base, "tom", "{name} is a dog."),
    )
    for condition, told, recall in (
        (tokens, "<tom>, a dog", 1),
        (tokens, "tom, a dog", 0),
        (words, "tom, a dog", 1),
        (words, "a dog", 0),
    ):
        numbers = captioned(
            base,
            make_trial(condition),
            monkeypatch,
            told=told,
            untold="a dog in the snow",
        )
        assert numbers["name_recall"] == recall and numbers.get("name_precision") == (
            0.25 if recall else None
        )


def test_a_name_that_is_a_word_of_the_base_is_not_counted_for_words(
    base, make_trial, make_concept, monkeypatch
):
    words, tokens = (
        in_words(base, "tom", "{name} is a dog."),
        with_tokens(base, make_concept("tom")),
    )
    said = {"told": "a tom in the snow", "untold": "a man beating a tom tom"}
    assert (
        captioned(base, make_trial(words), monkeypatch, **said)
        .keys()
        .isdisjoint({"name_recall", "name_precision"})
    )
    assert captioned(base, make_trial(tokens), monkeypatch, **said)["name_recall"] == 0


def test_names_are_precise_where_others_are_not_called_by_them(prediction):
    rows = [
        prediction("caption", "<bo> here", 1),
        prediction("caption", "a dog", 0),
        prediction("caption_other", "<bo>", 0),
    ]
    numbers = scores([*rows, *[prediction("caption_other", "a cat", 1)] * 3])
    assert (numbers["name_recall"], numbers["name_precision"]) == (0.5, 0.5)
