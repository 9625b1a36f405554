"""SECURITY.md: each promise stands beside a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def functions_of(file: str) -> set[str]:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.slow
def test_every_test_that_is_named_exists():
    missing = [f"{file}::{test}" for file, test in NAMED if test not in functions_of(file)]
    assert len(NAMED) > 50 and not missing


def test_every_promise_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert promises and all(re.search(r"\| `tests/.*::", row) for row in promises)


def test_every_point_of_what_shared_files_could_do_and_of_silent_loss_has_a_promise():
    assert [point for point in "abcdefghi" if f"(1{point})" not in PAGE] == []
    assert PAGE.count("(2)") >= 4
