"""MMPB's protocol on its own layout."""

from dataclasses import replace

import layouts
import pytest

from unictoken.core.config import ConfigError
from unictoken.data.readers import mmpb as layout
from unictoken.data.readers import read
from unictoken.measure import mmpb
from unictoken.measure.mmpb import MmpbError, Protocol, Protocols, is_right
from unictoken.personalize.tokens import with_tokens

TURNS = (("nice weather.", "yes."), ("and soup?", "no."))


@pytest.fixture
def dataset(tmp_path):
    return read(layouts.mmpb(tmp_path))


@pytest.fixture
def protocols(base, dataset):
    return Protocols(base, dataset)


def asked(condition, text="hm?") -> str:
    return (
        condition.base.vocab.decode(condition.question(text)).replace(" .", ".").replace(" ?", "?")
    )


def test_a_concept_is_introduced_in_words_of_the_length_that_is_asked_for(protocols, dataset):
    record = dataset.records["rex"][0]

    def said(**told):
        return asked(protocols.condition(record, Protocol(**told)))

    assert said(injection="simple") == "rex is a dog. rex likes soup. hm?"
    assert said(injection="moderate", preference=False) == "rex is a red dog. hm?"
    assert said(injection="detailed") == "rex likes soup. hm?", "the table has none"
    assert said(injection="none") == "hm?"


def test_a_concept_is_introduced_by_so_many_pictures(base, protocols, dataset):
    record = dataset.records["rex"][0]
    for count in (1, 3):
        condition = protocols.condition(record, Protocol(injection="pictures", pictures=count))
        ids = condition.question("hm?")
        assert ids.count(base.vocab.begin_image) == count


def test_a_concept_is_introduced_by_its_tokens(base, dataset, make_concept):
    rex = make_concept("rex")
    known = Protocols(base, dataset, {"rex": with_tokens(base, rex)})
    condition = known.condition(dataset.records["rex"][0], Protocol(injection="tokens"))
    assert condition.tokens is rex and "likes soup" in asked(condition)
    with pytest.raises(MmpbError, match="no tokens of 'ann'"):
        known.condition(dataset.records["ann"][0], Protocol(injection="tokens"))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (
            "start",
            ["rex is a dog.", "i got it.", "nice weather.", "yes.", "and soup?", "no.", "hm?"],
        ),
        (1, ["nice weather.", "yes.", "rex is a dog.", "i got it.", "and soup?", "no.", "hm?"]),
        ("end", ["nice weather.", "yes.", "and soup?", "no.", "rex is a dog. hm?"]),
    ],
)
def test_turns_stand_between_the_introduction_and_the_question(
    base, protocols, dataset, location, expected
):
    told = Protocol(injection="simple", preference=False, turns=TURNS, location=location)
    ids = protocols.condition(dataset.records["rex"][0], told).question("hm?")
    vocab = base.vocab
    whole = [
        i
        for text in expected
        for i in vocab.turn(vocab.encode(text.replace("i got it", "I got it")))
    ]
    assert ids == [*vocab.begin, *whole]


def test_other_concepts_are_introduced_beside_it(protocols, dataset):
    record = dataset.records["rex"][0]
    said = asked(
        protocols.condition(record, Protocol(injection="simple", preference=False, others=1))
    )
    assert "rex is a dog." in said and "ann is tall." in said
    alone = Protocol(injection="simple", preference=False, others=1, conflict=True)
    assert "ann" not in asked(protocols.condition(record, alone)), "she is of another attribute"


def test_a_blind_picture_is_the_same_for_every_question(base, protocols, dataset, monkeypatch):
    seen = []
    real = base.encode
    monkeypatch.setattr(base, "encode", lambda pictures: seen.extend(pictures) or real(pictures))
    answers = protocols.answers(dataset.records["rex"], Protocol(injection="simple", blind=True))
    assert len(answers) == 3 and [p.getpixel((0, 0)) for p in seen] == [mmpb.GREY]


def test_yes_and_no_are_right_by_their_word_and_options_by_letter_or_words(dataset):
    yes, no, choice = dataset.records["rex"]
    assert is_right(yes, "Yes, it is.", dataset) and not is_right(yes, "nobody", dataset)
    assert is_right(no, "no", dataset) and not is_right(no, "not sure: yes", dataset)
    assert is_right(choice, "the soup", dataset) and not is_right(choice, "the cake", dataset)


def test_scores_are_over_concepts_and_by_kind(protocols, dataset, monkeypatch):
    monkeypatch.setattr(protocols, "answers", lambda records, protocol: ["yes"] * len(records))
    scores = protocols.scores(Protocol())
    assert {kind: (number.mean, number.n) for kind, number in scores.items()} == {
        "awareness": (1, 1), "overconcept": (0, 2), "inconsistency": (0, 1), "mean": (1 / 6, 2),
    }  # fmt: skip


def test_the_whole_protocol_runs_on_a_base(protocols, dataset):
    turns = layout.read_turns(dataset.root)[:1]
    scores = protocols.scores(Protocol(injection="pictures", turns=turns, others=1))
    assert set(scores) == {*layout.KINDS, "mean"}


def test_a_setting_has_a_name_and_bounds():
    assert Protocol(injection="pictures").name == "1 picture"
    assert (
        Protocol(injection="super_detailed", turns=TURNS, blind=True).name
        == "super detailed, 2 turns, blind"
    )
    assert replace(Protocol(turns=TURNS), location="end").name == "moderate, 2 turns, at end"
    for wrong in ({"pictures": 6}, {"location": 1}):
        with pytest.raises(ConfigError):
            Protocol(**wrong)
