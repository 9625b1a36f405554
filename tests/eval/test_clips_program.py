"""eval/clips.py on the random base: its table, and what it says where nothing was learned."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import small

from unictoken.core.errors import UserError
from unictoken.measure.learned import learned_before
from unictoken.model.base import load_base
from unictoken.toy.concepts import toy_concept

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("eval_clips", ROOT / "eval" / "clips.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def saved(base_folder):
    return load_base(base_folder)


@pytest.fixture
def learned(saved, tmp_path):
    """The first concept of the seed with random rows, folders further down."""
    own = toy_concept(1, 0)
    rows = small.concept(saved, own.name)
    tokens = replace(rows, class_noun=own.class_noun, method="joint", seed=1)
    folder = tmp_path / "eval" / "run" / "concepts"
    folder.mkdir(parents=True)
    return tokens.save(folder)


@pytest.mark.slow
def test_a_concept_file_is_found_by_what_learned_it(saved, learned, tmp_path):
    noun = toy_concept(1, 0).class_noun
    asked = {"method": "joint", "seed": 1, "class_noun": noun}
    assert learned_before(saved, tmp_path, "tom", **asked) == learned
    for wrong in ({"method": "mcllava"}, {"seed": 2}, {"class_noun": "mug"}):
        assert learned_before(saved, tmp_path, "tom", **(asked | wrong)) is None
    assert learned_before(saved, tmp_path, "mia", **asked) is None


@pytest.mark.slow
def test_files_of_other_settings_under_one_name_are_refused_and_copies_are_one(
    saved, learned, tmp_path
):
    noun = toy_concept(1, 0).class_noun
    asked = {"method": "joint", "seed": 1, "class_noun": noun}
    copy = tmp_path / "another" / learned.name
    copy.parent.mkdir()
    copy.write_bytes(learned.read_bytes())
    assert learned_before(saved, tmp_path, "tom", **asked) in (learned, copy)
    # Of more rows, as other settings of the method learn them.
    other = replace(small.concept(saved, "tom", shared=2), class_noun=noun, method="joint", seed=1)
    other.save(copy.parent)
    with pytest.raises(UserError, match="found different files of 'tom' by 'joint' with seed 1"):
        learned_before(saved, tmp_path, "tom", **asked)
    assert learned_before(saved, tmp_path / "eval", "tom", **asked) == learned


@pytest.mark.slow
def test_each_way_is_measured_in_order_and_shuffled(program, learned, base_folder, tmp_path):
    out = tmp_path / "clips.md"
    given = ["--base", str(base_folder), "--learned", str(tmp_path), "--out", str(out)]
    program.main([*given, "--concepts", "1", "--clips", "3", "--line-ups", "2"])
    rows = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    ways = [
        f"{way}{order}" for way in ("joint", "text_prompt", "none") for order in ("", ", shuffled")
    ]
    assert [row["way"] for row in rows] == ways
    kinds = ("existence", "name", "action", "appearance", "location")
    assert tuple(rows[0]) == ("concept", "way", *kinds, "which", "which_at_once")
    assert tuple(rows[1]) == ("concept", "way", *kinds)  # photos have no order of time
    assert "| joint, shuffled |" in out.read_text(encoding="utf-8")


def test_a_concept_that_was_not_learned_is_named(program, learned, base_folder, tmp_path, capsys):
    given = ["--base", str(base_folder), "--learned", str(tmp_path), "--concepts", "2"]
    with pytest.raises(SystemExit) as ended:
        program.main([*given, "--out", str(tmp_path / "clips.md")])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2 and "found no file of 'mia'" in line and "eval/run.py" in line
