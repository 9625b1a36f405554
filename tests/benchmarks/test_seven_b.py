"""benchmarks/seven_b.py at its tiny size: that it measures what it says, and writes what it
measured.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unictoken.model import budget
from unictoken.model.budget import Job, Shape

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def program():
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    try:
        yield importlib.import_module("seven_b")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def tiny(program):
    return program.random_base(program.SIZES["tiny"], "cpu")


def test_the_base_is_held_as_a_published_one_is(tiny, program):
    assert tiny.model.lm_head.weight.dtype == torch.bfloat16
    assert {p.dtype for p in tiny.model.model.vqmodel.parameters()} == {torch.float32}
    counts = {True: 0, False: 0}
    for name, parameter in tiny.model.named_parameters():
        counts[".vqmodel." in name] += parameter.numel()
    shape = program.SIZES["tiny"]
    assert counts == {True: shape.vq_parameters, False: shape.parameters}
    assert tiny.codes_per_picture == shape.ids_per_picture


def test_7b_is_the_published_shape(program):
    assert program.SIZES["7b"] == Shape()
    vocab = program.tokenizer_of(Shape())
    assert len(vocab) == 65536 and vocab.sep_token == "<reserved08706>"


def test_drawings_supervise_the_whole_picture_and_questions_a_short_answer(tiny, program):
    batch = program.random_batch(tiny, Job(batch=4, drawings=3, length=300, rows=5))
    assert (batch.labels_BT >= 0).sum(1).tolist() == [64, 64, 64, 16]
    assert torch.isin(batch.labels_BT[0, -64:], tiny.vocab.image_ids).all()


@pytest.mark.slow
def test_it_writes_what_it_measured(program, tmp_path):
    out = tmp_path / "tiny.json"
    arguments = ["--size", "tiny", "--layers", "3", "--pictures", "1", "2", "--out", str(out)]
    # In a process of its own: what other tests have freed would be taken for the base's room.
    printed = subprocess.run(
        [sys.executable, program.__file__, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ).stdout
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["command"].startswith("python benchmarks/seven_b.py --size tiny") and found[
        "commit"
    ].removesuffix("-dirty")
    assert (found["layers"], found["attention"]) == (3, "sdpa")
    assert [row["recompute"] for row in found["learning"]] == [False, True]
    assert [row["pictures"] for row in found["drawing"]] == [1, 2]
    assert all(row["ids_per_second"] > 0 for row in (*found["learning"], *found["drawing"]))
    assert all(row["share_of_bandwidth"] > 0 for row in found["drawing"])
    if not torch.cuda.is_available():
        for row in (*found["learning"], *found["drawing"]):
            assert row["peak_gib"] == pytest.approx(row["counted_gib"], rel=0.15)
    assert len(printed.splitlines()) == 6


def test_a_product_in_fp32_is_that_of_bf16_and_so_is_its_gradient(program):
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(24, program.ROWS_AT_ONCE + 7, bias=False).bfloat16()
    layer.requires_grad_(False).weight.normal_(generator=generator)
    found = {}
    for way in ("bf16", "fp32"):
        states = torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(1)).bfloat16()
        states.requires_grad_()
        if way == "fp32":
            program.compute_in_fp32(layer)
        out = layer(states)
        out.float().square().mean().backward()
        found[way] = out, states.grad
    for theirs, ours in zip(*found.values(), strict=True):
        assert ours.dtype == torch.bfloat16 and torch.allclose(ours, theirs, rtol=0.02, atol=0.02)


def test_ids_that_are_drawn_need_their_cache_and_no_decoder(program):
    some, whole = (budget.drawing(Shape(), Job(drawn=drawn)) for drawn in (8, None))
    assert some["VQGAN decoder"] == 0 < whole["VQGAN decoder"]
    share = some["key-value cache"] / whole["key-value cache"]
    assert share == pytest.approx((60 + 8 + 1) / (60 + 1024 + 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, on which it would run")
def test_without_a_gpu_what_does_not_fit_is_refused_at_once(program, monkeypatch):
    monkeypatch.setattr(program, "free_gib", lambda: 2.0)
    with pytest.raises(SystemExit, match=r"32 layers need 1\d\.\d GiB, 2\.0 are free.*--layers 8"):
        program.main([])
    with pytest.raises(SystemExit, match="--layers: found 0, expected 1 or more"):
        program.main(["--layers", "0"])
