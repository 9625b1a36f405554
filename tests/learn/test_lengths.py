"""What a base cannot read, or could never say, is refused before anything is learned."""

from __future__ import annotations

import dataclasses

import pytest

from unictoken.data import templates
from unictoken.data.source import SourceError
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Method, Tokens
from unictoken.learn.prepare import prepare
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.model.chameleon import Chameleon
from unictoken.model.sampling import ANSWER_IDS

LONG = "has a red hat and a blue ball and " * 300


@pytest.fixture
def prepared(base, toy, short_method):
    def make(**changes):
        return prepare(base, dataclasses.replace(toy, **changes), short_method, seed=0)

    return make


@pytest.fixture
def unread(monkeypatch):
    """A base that must not be asked to read anything."""
    for name in ("encode", "hidden"):
        monkeypatch.setattr(Chameleon, name, lambda *_, **__: pytest.fail("was read"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"facts": ("<tom> sleeps.", f"<tom> {LONG} sleeps.")}, r"fact 2, '<tom> has a red .*, has 2,\d+ ids.*at most 64.*split it"),
        ({"questions": ((f"what {LONG}?", "cheese"),)}, "the question 'what has a red .* ids, and this base reads at most 1,024. Shorten"),
        ({"questions": (("what?", LONG),)}, "the question 'what\\?' with its answer takes 2,"),
        ({"about_pictures": ((0, "what?", LONG),)}, "the question 'what\\?' with its answer and a picture takes 2,"),
        ({"class_noun": "Ж" * 90}, r"the class noun 'Ж.* has \d+ ids, expected at most 64.*an ordinary word"),
    ],
    ids=["fact", "question", "answer", "answer about a picture", "class noun"],
)  # fmt: skip
def test_a_text_that_is_too_long_is_refused_before_the_base_reads(prepared, unread, changes, said):
    with pytest.raises(SourceError, match=f"^'tom': {said}") as refused:
        prepared(**changes)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


def test_an_answer_that_only_just_fits_the_base_needs_room_to_be_said_too(base, toy, short_method):
    """A question of 1,000 ids could be learned with a short answer; asked, it would be refused."""
    question = "red " * 1000
    with pytest.raises(SourceError, match="this base reads at most 1,024"):
        prepare(
            base,
            dataclasses.replace(toy, questions=((question, "no"),)),
            short_method,
            seed=0,
        )


def test_tokens_that_leave_no_room_for_a_picture_are_said(base, toy, monkeypatch):
    monkeypatch.setattr(Chameleon, "longest", 220)
    assert prepare(base, toy, Method(tokens=Tokens(shared=2)), seed=0)
    with pytest.raises(
        SourceError, match=r"takes \d+ ids, and this base reads at most 220. Use fewer tokens"
    ):
        prepare(base, toy, Method(tokens=Tokens(shared=120)), seed=0)


def test_answers_that_are_learned_but_too_long_to_be_said_are_warned_of(prepared, toy):
    own = (("what?", "a red hat " * 30), ("who?", "tom"))
    line, *_ = [line for line in prepared(questions=own).warnings if "answers" in line]
    assert line.startswith(
        "'tom': 1 of 2 answers are longer than the 64 ids that are said, that to 'what?' first (90"
        " ids)"
    )
    assert not [line for line in prepared().warnings if "answers" in line]


def test_what_is_asked_and_drawn_at_the_end_is_measured_before_the_first_step(
    base, toy_folder, short_method, tmp_path, monkeypatch
):
    monkeypatch.setattr(Learner, "forward", lambda *_: pytest.fail("was learned"))
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    settings = RunConfig(
        concept=concept, method=short_method, out=str(tmp_path / "run"), concepts=str(tmp_path)
    )
    for long in ({"questions": (f"what {LONG}?",)}, {"prompts": (f"<{{name}}> {LONG}",)}):
        with pytest.raises(
            SourceError,
            match=r"the (question|prompt) '(what|<tom>) has .* ids, and this base reads at most",
        ):
            run(base, dataclasses.replace(settings, **long))


# ---- facts that are told as one answer --------------------------------------------------------------


def test_facts_that_fit_are_told_in_one_answer():
    assert templates.told(["a.", "b."]) == ((templates.KNOWN, "a. b."),)
    assert templates.told([]) == ()


def test_facts_that_are_together_too_long_are_told_in_parts_in_their_order():
    facts = ["a b.", "c.", "d e f.", "g."]
    assert templates.told(facts, lambda answer: len(answer) < 8) == (
        ("what do you know about {name}?", "a b. c."),
        ("what else do you know about {name}, part 2?", "d e f."),
        ("what else do you know about {name}, part 3?", "g."),
    )


def test_no_answer_about_many_facts_is_longer_than_can_be_said(base, prepared):
    facts = tuple(f"<tom> likes the number {n} and the red ball." for n in range(40))
    prepared = prepared(facts=facts, questions=())
    asked = prepared.material.questions
    assert len({question for question, _ in asked}) == len(asked) > 1
    assert " ".join(answer for _, answer in asked) == " ".join(facts)
    assert all(
        len(prepared.examples.teaching.phrasing.say(answer)) <= ANSWER_IDS for _, answer in asked
    )
