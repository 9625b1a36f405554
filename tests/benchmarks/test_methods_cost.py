"""What a method costs: its steps, its seconds, and the bytes that it keeps."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import methods


def test_a_concept_file_and_its_steps_are_counted(base, toy):
    few = ["method.stages.0.steps=2", "method.stages.0.batch=2", "method.tokens.shared=4"]
    cost = methods.cost_of(base, toy, "joint", few)
    assert cost.steps == 2 and cost.on_the_clock > 0 and cost.of_all_cores > 0
    rows = 2 * 5 * base.width * 4  # input rows and head rows of the name and four others, in fp32
    assert rows < cost.kept < rows + 4000


def test_a_folder_is_counted_whole(base, toy):
    few = ["method.stages.0.steps=1", "method.stages.0.batch=2", "method.rank=1"]
    assert methods.cost_of(base, toy, "lora", few).kept > 1000


def test_an_unknown_method_is_refused_before_any_is_learned(capsys):
    with pytest.raises(SystemExit, match="no-such"):
        methods.main(["--methods", "joint", "no-such"])
    assert capsys.readouterr().out == ""
