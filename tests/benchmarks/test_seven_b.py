"""benchmarks/seven_b.py at its tiny size: that it measures what it says, and writes what it
measured.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from unictoken.model.budget import Job, Shape

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location(
        "seven_b", Path(__file__).parents[2] / "benchmarks" / "seven_b.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tiny(program):
    return program.random_base(program.SIZES["tiny"], "cpu")


def test_the_base_is_held_as_a_published_one_is(tiny, program):
    assert tiny.model.lm_head.weight.dtype == torch.bfloat16
    assert {p.dtype for p in tiny.model.model.vqmodel.parameters()} == {torch.float32}
    own = sum(p.numel() for name, p in tiny.model.named_parameters() if ".vqmodel." not in name)
    assert (
        own == program.SIZES["tiny"].parameters
        and tiny.codes_per_picture == program.SIZES["tiny"].ids_per_picture
    )


def test_7b_is_the_published_shape(program):
    assert program.SIZES["7b"] == Shape()
    vocab = program.tokenizer_of(Shape())
    assert len(vocab) == 65536 and vocab.sep_token == "<reserved08706>"


def test_drawings_supervise_the_whole_picture_and_questions_a_short_answer(tiny, program):
    batch = program.random_batch(tiny, Job(batch=4, drawings=3, length=300, rows=5))
    assert (batch.labels_BT >= 0).sum(1).tolist() == [64, 64, 64, 16]
    assert torch.isin(batch.labels_BT[0, -64:], tiny.vocab.image_ids).all()


def test_it_writes_what_it_measured(program, tmp_path, capsys):
    program.main(["--size", "tiny", "--steps", "1", "--out", str(tmp_path / "tiny.json")])
    found = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert found["command"].startswith("python benchmarks/seven_b.py --size tiny") and found[
        "commit"
    ].removesuffix("-dirty")
    assert [row["recompute"] for row in found["learning"]] == [False, True]
    assert all(row["ids_per_second"] > 0 and row["peak_gib"] > 0 for row in found["learning"])
    assert found["drawing"]["seconds_per_picture"] > 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, on which it would run")
def test_without_a_gpu_7b_is_not_tried_and_the_arithmetic_is_shown(program):
    with pytest.raises(SystemExit, match="(?s)no GPU found.*fits"):
        program.main([])
