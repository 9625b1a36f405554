import json
from dataclasses import replace

import pytest

from unictoken.measure import predictions
from unictoken.measure.predictions import Predictions, PredictionsError
from unictoken.tasks.task import Prediction

ASKED = Prediction(
    concept="bo", method="joint", task="vqa", question="what is <bo> wearing?", expected="a red hat", given='a "red"\nhat\u2028é', score=1.0,
    picture="bo/0.png",
)  # fmt: skip
OF_BO = [ASKED, replace(ASKED, task="text_qa", picture=None, score=0.0), replace(ASKED, score=0.5)]
OF_MIA = [replace(p, concept="mia") for p in OF_BO]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "toy.jsonl"


def test_every_prediction_is_one_line_that_reads_back(path):
    kept = Predictions(path, run="a")
    kept.add(OF_BO)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 4 and lines[-1] == "" and json.loads(lines[0])["given"] == ASKED.given
    assert predictions.read(path) == list(kept) == list(Predictions(path, run="a")) == OF_BO


def test_what_is_there_need_not_be_measured_again(path):
    Predictions(path, run="a").add(OF_BO)
    kept = Predictions(path, run="a")
    assert kept.has("bo", "joint") and not kept.has("bo", "none") and not kept.has("mia", "joint")
    assert kept.of("bo", "joint") == OF_BO and kept.of("mia", "joint") == []
    kept.add(OF_MIA)
    assert list(Predictions(path, run="a")) == OF_BO + OF_MIA


@pytest.mark.parametrize("lost", [1, 5, 200, 400])
def test_a_crash_while_writing_costs_only_what_was_being_written(path, lost):
    kept = Predictions(path, run="a")
    kept.add(OF_BO)
    before = path.read_bytes()
    kept.add(OF_MIA)
    # within the last line, or past whole lines of <mia>
    path.write_bytes(path.read_bytes()[:-lost])
    assert predictions.read(path) == OF_BO
    again = Predictions(path, run="a")
    assert list(again) == OF_BO and path.read_bytes() == before
    again.add(OF_MIA)
    assert predictions.read(path) == OF_BO + OF_MIA


def test_predictions_of_another_run_are_not_mixed_in(path):
    Predictions(path, run="a").add(OF_BO)
    with pytest.raises(PredictionsError, match="predictions of run a, this is run b"):
        Predictions(path, run="b")
    assert predictions.read(path) == OF_BO


@pytest.mark.parametrize("rows", [[], OF_BO + OF_MIA, OF_BO])
def test_only_one_whole_concept_and_method_is_added_and_only_once(path, rows):
    kept = Predictions(path, run="a")
    kept.add(OF_BO)
    with pytest.raises(PredictionsError, match="expected all of one concept and method"):
        kept.add(rows)
    assert predictions.read(path) == OF_BO


def test_a_line_of_something_else_is_named(path):
    Predictions(path, run="a").add(OF_BO)
    path.write_bytes(path.read_bytes() + b'{"concept": "bo"}\n')
    with pytest.raises(
        PredictionsError, match=r"toy.jsonl:4: not a prediction: run: found nothing"
    ):
        predictions.read(path)


def test_a_score_that_is_no_number_is_not_written(path):
    kept = Predictions(path, run="a")
    with pytest.raises(ValueError):
        kept.add([replace(ASKED, score=float("nan"))])
    assert not path.exists()


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(PredictionsError, match="no such file"):
        predictions.read(path)
