"""eval/several.py on the random base: two concepts, learned apart and beside each other."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from small_benchmark import SMALL, write_config

from unictoken.measure.benchmark import Benchmark
from unictoken.toy import together

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program():
    file = Path(__file__).parents[2] / "eval" / "several.py"
    spec = importlib.util.spec_from_file_location("eval_several", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_several"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def given(base_folder, tmp_path, monkeypatch):
    """The command line of a small benchmark: two concepts, few pictures of both."""
    for module, name, value in (
        *SMALL,
        (together, "BOTH", 1),
        (together, "WITH_ANOTHER", 1),
        (together, "WISHES", 1),
    ):
        monkeypatch.setattr(module, name, value)
    out = tmp_path / "several.md"
    config_file = write_config(tmp_path, base_folder)
    return ["--config", str(config_file), "--pairs", "1", "--out", str(out)]


def test_beside_those_learned_apart_stand_those_learned_with_each_other_s_pictures(
    program, given, tmp_path, monkeypatch
):
    learned = []
    fit = Benchmark.fit

    def watched(self, concept, method):
        learned.append(concept)
        return fit(self, concept, method)

    monkeypatch.setattr(Benchmark, "fit", watched)
    program.main([*given, "--cross-negatives"])
    rows = json.loads((tmp_path / "several.json").read_text(encoding="utf-8"))
    assert [row["method"] for row in rows] == ["joint", "text_prompt", "joint, cross negatives"]
    first, second, crossed_first, crossed_second = learned
    # The other's pictures are the last of the hard ones; what is of its own stays.
    for own, crossed, other in (
        (first, crossed_first, second),
        (second, crossed_second, first),
    ):
        assert crossed.name == own.name and crossed.pictures == own.pictures
        count = len(other.pictures)
        assert crossed.negatives["hard"][-count:] == other.pictures
        assert crossed.negatives["hard"][:-count] == own.negatives["hard"]
        assert crossed.negatives["easy"] == own.negatives["easy"]
    # What is learned is kept, apart from those of the benchmark.
    learned.clear()
    program.main([*given, "--cross-negatives"])
    assert learned == []
    again = json.loads((tmp_path / "several.json").read_text(encoding="utf-8"))
    assert again == rows
    program.main(given)
    plain = json.loads((tmp_path / "several.json").read_text(encoding="utf-8"))
    assert plain == rows[:2] and learned == []
    assert "cross negatives" not in (tmp_path / "several.md").read_text(encoding="utf-8")
