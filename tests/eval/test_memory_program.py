"""eval/memory.py on tiny memories: its table, and what an oracle and no memory must score."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from unictoken.toy.concepts import truth_of
from unictoken.toy.crowd import PETS, crowd, fact_question, photos
from unictoken.toy.world.subjects import near_duplicate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("eval_memory", ROOT / "eval" / "memory.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_memory"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_an_oracle_finds_everybody_and_without_a_memory_nobody_is_found(program, tmp_path):
    out = tmp_path / "memory.md"
    asked = "--sizes 2 --photos 4 --facts 2 --drawings 1 --learn 1 --steps 1 --presets tokens ego"
    program.main([*asked.split(), "--out", str(out)])
    kept = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    rows = {row["preset"]: row for row in kept["rows"]}
    assert list(rows) == ["tokens", "ego", "no memory", "oracle"]
    assert rows["oracle"]["who_recall"] == rows["oracle"]["who_precision"] == 1
    assert rows["no memory"]["who_recall"] == 0 and rows["no memory"]["stranger"] == [1.0]
    assert set(kept["drawings"]) == {"tokens", "ego"}
    text = out.read_text(encoding="utf-8")
    assert "## 2 concepts" in text and "first 1 concepts have learned tokens" in text


@pytest.mark.slow
def test_a_smaller_crowd_begins_a_larger_one_and_holds_near_duplicates():
    small, large = crowd(1, 3), crowd(1, 14)
    assert [c.name for c in large[:3]] == [c.name for c in small]
    assert [truth_of(c).subject for c in large[:3]] == [truth_of(c).subject for c in small]
    pets = [truth_of(c).subject for c in large[:PETS]]
    twin = truth_of(large[12]).subject  # every fourth
    assert any(twin.nameable == pet.nameable and twin != pet for pet in pets)
    assert len({c.name for c in large}) == 14


def test_photos_show_who_they_say_in_turn():
    concepts = crowd(1, 4)
    known = {c.name for c in concepts}
    shown = photos(concepts, seed=1, count=8)
    assert [p.situation for p in shown[:4]] == ["one", "two", "near_duplicate", "stranger"]
    assert [len(p.names) for p in shown[2:4]] == [0, 0]
    assert all(set(p.names) <= known and bool(p.question) == bool(p.names) for p in shown)
    assert all(any(f"<{name}>" in p.question for name in p.names) for p in shown if p.names)
    again = photos(concepts, seed=1, count=8)
    assert [p.picture.tobytes() for p in again] == [p.picture.tobytes() for p in shown]


def test_a_fact_question_has_the_answer_that_the_facts_tell():
    for concept in crowd(1, 12):
        question, answer = fact_question(concept, np.random.default_rng(0))
        assert concept.marker in question
        assert any(answer in fact for fact in concept.facts)


def test_a_near_duplicate_is_nobody_of_the_memory():
    (one,) = crowd(2, 1)
    other = near_duplicate(truth_of(one).subject, np.random.default_rng(0))
    assert other != truth_of(one).subject
