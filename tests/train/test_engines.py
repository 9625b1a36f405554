"""Every way of spreading the base over two processes, in one launch of engines.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from launching import BY_TORCH

pytestmark = [pytest.mark.slow, pytest.mark.real]


@pytest.fixture(scope="module")
def engines(launches, base_folder) -> dict[str, dict]:
    """A few steps in two processes with each way of spreading the base, and without DeepSpeed, in
    one launch (engines.py). torch's launcher starts in a third of the time of DeepSpeed's two.
    """
    out = launches.folder / "ways.json"
    command = [
        sys.executable,
        *BY_TORCH,
        str(Path(__file__).with_name("engines.py")),
        str(base_folder),
        str(out),
    ]
    launches.finish(launches.call(command))
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ways(engines) -> dict[str, dict]:
    return engines["ways"]


@pytest.mark.parametrize("part", ["losses", "second stage"])
def test_every_way_of_spreading_the_base_has_the_losses_of_plain_torch(part, engines, ways):
    expected = engines["without"][part]
    assert expected[-1] < expected[0]
    for name, found in ways.items():
        assert found[part] == pytest.approx(expected, abs=5e-3 if "bf16" in name else 1e-5), name


def test_every_way_goes_on_exactly_where_it_was_left(ways):
    assert len(ways) == 9
    for name, found in ways.items():
        assert found["resumed"] == found["losses"][2:], name


def test_at_stage_3_a_process_holds_its_share_of_the_base(ways):
    whole = ways["zero 0"]["frozen"]
    for name, found in ways.items():
        assert found["frozen"] < 0.51 * whole if "zero 3" in name else found["frozen"] == whole, (
            name
        )
        assert found["held after dropping"] == 0, name


def test_no_way_rounds_or_shards_the_image_tokenizer(ways):
    assert all(found["image tokenizer is whole"] for found in ways.values())


def test_no_operator_is_compiled(launches, ways):
    # a compiler that is killed leaves a lock for which every later launch would wait
    assert not launches.compiled.exists()
