"""A toy concept that is taught every task, and the test of another that is asked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unictoken.data.readers import read
from unictoken.data.sequence import IGNORE
from unictoken.learn.methods import Stage
from unictoken.learn.prepare import prepare
from unictoken.tasks import taught
from unictoken.tasks.task import Prediction
from unictoken.tasks.trial import Trial, make_ready
from unictoken.toy import dataset as toy_dataset


@pytest.fixture(scope="session")
def prepared(base, toy, short_method):
    """<tom>, made ready to be learned by every task but that of users."""
    every = {name: 1.0 for name, task in taught().items() if "opinions" not in task.needs}
    method = dataclasses.replace(short_method, stages=(Stage(steps=6, batch=4, tasks=every),))
    return prepare(base, toy, method, seed=0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def answered():
    """The ids that an example supervises."""
    return lambda example: [i for i in example.labels if i != IGNORE]


@pytest.fixture
def make_trial(base, dataset, tmp_path):
    """Trials of <tom> of the small toy benchmark."""
    subject = make_ready(base, read(dataset), "tom", toy_dataset.read_truth(dataset, "tom"))

    def make(personalization, **more) -> Trial:
        given = {"method": "m", "judge": None, "drawings": tmp_path / "pictures", "seed": 0}
        return Trial(base=base, personalization=personalization, subject=subject, **given | more)

    return make


@pytest.fixture
def prediction():
    """A prediction of one kind, with what was given for it."""

    def make(task: str, given: str, score: float, *, expected: str = "a red cap") -> Prediction:
        return Prediction(
            concept="bo",
            method="m",
            task=task,
            question="q",
            expected=expected,
            given=given,
            score=score,
        )

    return make
