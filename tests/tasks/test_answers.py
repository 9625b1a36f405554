import dataclasses

import pytest

from unictoken.learn.examples import Examples
from unictoken.measure.endpoint import EndpointConfig, EndpointJudge
from unictoken.measure.scores import scores
from unictoken.personalize.words import in_words
from unictoken.scoring.verdict import Verdict
from unictoken.tasks import predictions
from unictoken.tasks.trial import Trial


@pytest.mark.slow
def test_questions_and_captions_are_answered_as_the_base_answered(base, prepared, rng, answered):
    observed = prepared.material.observations
    true = {
        *observed.concept.values(),
        *(answer for scene in observed.scenes for answer in scene.values()),
    }
    for _ in range(20):
        assert base.vocab.decode(answered(prepared.examples.make("vqa", rng))) in {
            base.vocab.decode(base.vocab.encode(t)) for t in true
        }


@pytest.mark.slow
def test_text_questions_hold_no_picture_and_use_the_owners_answers(
    base, prepared, toy, rng, answered
):
    made = [prepared.examples.make("text_qa", rng) for _ in range(60)]
    assert not any(base.vocab.begin_image in example.ids for example in made)
    said = {base.vocab.decode(answered(example)) for example in made}
    assert {answer for _, answer in toy.questions} <= said
    assert (
        sum(
            all(
                base.vocab.decode(base.vocab.encode(fact, prepared.examples.slots)) in answer
                for fact in toy.facts
            )
            for answer in said
        )
        == 1
    )


def test_the_owners_answers_about_a_picture_are_learned_beside_that_picture(
    base, prepared, rng, answered
):
    own = dataclasses.replace(
        prepared.material, about_pictures=((1, "what is {name} doing?", "sitting"),)
    )
    examples = Examples(base.vocab, prepared.examples.method, own, prepared.examples.slots)
    made = [examples.make("vqa", rng) for _ in range(60)]
    picture = base.vocab.picture(own.pictures_NK[1])
    owners = [
        e
        for e in made
        if e.ids[1 : 1 + len(picture)] == picture and base.vocab.decode(answered(e)) == "sitting"
    ]
    assert 10 < len(owners) < 40
    assert all(base.vocab.decode(e.ids).count("doing") == 1 for e in owners)


def test_who_knows_every_answer_is_always_right(base, make_trial, monkeypatch):
    asked = make_trial(in_words(base, "tom", ""))
    answers = {
        (r.question, r.pictures): r.answer
        for r in asked.subject.records
        if r.split == "test" and r.task in ("vqa", "text_qa")
    }

    def know(self, questions, records):
        return [
            answers[q, r.pictures].upper() + "." for q, r in zip(questions, records, strict=True)
        ]

    monkeypatch.setattr(Trial, "answers", know)
    numbers = scores(predictions(asked, ["vqa", "text_qa"]))
    assert (numbers["vqa"], numbers["text_qa"], numbers["facts"]) == (1.0, 1.0, 1.0)


def test_a_model_behind_an_endpoint_says_how_far_an_answer_is_what_was_expected(
    base, make_trial, tmp_path, monkeypatch
):
    heard = []

    def compare(judge, question, expected, given):
        heard.append((question, expected, given))
        return Verdict(0.5, "half")

    monkeypatch.setattr(EndpointJudge, "compare", compare)
    judge = EndpointJudge(
        EndpointConfig(url="http://localhost", model="grader"), tmp_path / "verdicts.jsonl"
    )
    trial = make_trial(in_words(base, "tom", ""), judge=judge)
    made = predictions(trial, ["text_qa"])
    free = [p for p in made if not p.task.endswith("_judged")]
    assert heard == [(p.question, p.expected, p.given) for p in free]
    assert (scores(made)["text_qa_judged"], scores(made)["facts_judged"]) == (0.5, 0.5)


def test_a_row_about_two_concepts_is_not_asked(base, make_trial):
    asked = make_trial(in_words(base, "tom", ""))
    other = dataclasses.replace(
        asked.records("vqa")[0],
        question="is <tom> with <mia>?",
        concepts=("tom", "mia"),
    )
    subject = dataclasses.replace(asked.subject, records=(other,))
    alone = dataclasses.replace(asked, subject=subject)
    assert predictions(alone, ["vqa"]) == []
