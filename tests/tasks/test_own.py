"""A task of a user's own: a class, registered by one call, taught and measured like ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unictoken import tasks
from unictoken.core import config
from unictoken.data.sequence import IGNORE
from unictoken.learn.method import Run
from unictoken.learn.methods import MethodFile
from unictoken.learn.optimize import OptimizeRows
from unictoken.measure.benchmark import BenchmarkConfig
from unictoken.measure.scores import scores
from unictoken.personalize.tokens import with_tokens
from unictoken.tasks.task import Asked, Taught

METHOD = """
method:
  name: mine
  tokens: {shared: 2}
  stages: [{steps: 30, batch: 4, lr: 0.05, final_lr_ratio: 1.0, tasks: {ears: 1.0}}]
"""


class Ears(Taught, Asked):
    """How many ears it has: always two."""

    name = "ears"
    columns = ("ears", "ears_worst")

    def teach(self, teaching, rng):
        return teaching.phrasing.ask("how many ears does {name} have?", "two")

    def ask(self, trial):
        asked = trial.records("text_qa")
        question = f"how many ears does {trial.marker} have?"
        told = {"question": question, "expected": "two"}
        said = trial.answers([question] * len(asked), asked)
        return [
            trial.prediction(self.name, record, given=given, score=float(given == "two"), **told)
            for record, given in zip(asked, said, strict=True)
        ]

    def score(self, made):
        return {"ears_worst": min(p.score for p in made["ears"])} if "ears" in made else {}


@pytest.fixture
def ears(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    return tasks.register(Ears())


def test_a_task_of_ones_own_is_named_in_a_method_learned_and_measured(
    base, toy, make_trial, ears, tmp_path
):
    (tmp_path / "mine.yaml").write_text(METHOD, encoding="utf-8")
    method = config.load(MethodFile, tmp_path / "mine.yaml").method
    seen = []
    run = Run(show=lambda progress: seen.append(progress.loss))
    learned = OptimizeRows(method).fit(base, [toy], run=run)
    assert len(seen) == 30 and seen[-1] < seen[0]
    made = tasks.predictions(make_trial(with_tokens(base, learned.tokens)), ["ears"])
    asked = {(p.question, p.expected) for p in made}
    assert asked == {("how many ears does <tom> have?", "two")}
    assert scores(made) == {"ears": 0.0, "ears_worst": 0.0}  # the base knows no such word
    assert scores([replace(made[0], score=1.0), *made[1:2]])["ears"] == 0.5
    assert BenchmarkConfig(tasks=("ears", "recognise")).tasks == ("ears", "recognise")


@pytest.mark.slow
def test_it_is_measured_only_when_it_is_asked_for(make_trial, base, make_concept, ears):
    made = tasks.predictions(make_trial(with_tokens(base, make_concept("tom"))))
    assert made and not any(p.task == "ears" for p in made)


def test_what_is_no_task_or_has_anothers_name_is_not_registered(ears):
    with pytest.raises(tasks.TaskError, match="task 'ears': there is one of this name"):
        tasks.register(Ears())
    with pytest.raises(tasks.TaskError, match="expected an instance of Taught or Asked"):
        tasks.register(Ears)


def test_what_a_benchmark_measures_by_default_is_known():
    assert set(tasks.USUAL) <= set(tasks.asked())
    assert {"caption_others", "knowledge", "opinion"} == set(tasks.taught()) - set(tasks.asked())


def test_only_the_answer_of_an_example_is_learned(prepared, rng, ears, base):
    example = prepared.examples.make("ears", rng)
    learned = [i for i in example.labels if i != IGNORE]
    assert learned == [*base.vocab.encode("two"), base.vocab.end_turn]
