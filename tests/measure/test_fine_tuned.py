"""A benchmark measures fine-tuning beside tokens: what it learns better, and what the base forgets."""

import pytest

from unictoken.core import config
from unictoken.core.shipped import find_method
from unictoken.learn.methods import Method, MethodFile, Stage, Tokens
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig

pytest.importorskip("peft", reason="peft is not installed (extra 'lora')")
SHORT = ["method.stages.0.steps=1", "method.stages.0.batch=2", "method.rank=2"]


@pytest.mark.slow
def test_fine_tuning_stands_beside_tokens_and_changes_the_base(base, small_world, tmp_path):
    lora = config.load(MethodFile, find_method("lora"), SHORT).method
    joint = Method(tokens=Tokens(shared=2), stages=(Stage(steps=1, batch=2),))
    settings = BenchmarkConfig(
        judge=None,
        num_concepts=1,
        tasks=("recognise", "unchanged"),
        controls=(),
        work=str(tmp_path / "work"),
        out=str(tmp_path / "table.json"),
    )
    benchmark = Benchmark(settings, base, {"joint": joint, "lora": lora})
    benchmark.learn()
    kept = sorted((benchmark.folder / "concepts").rglob("*.safetensors"))
    # One file of tokens; of fine-tuning a folder with two.
    assert len(kept) == 3 and len({file.parent for file in kept}) == 2
    benchmark.measure()
    rows = {row["method"]: row for row in benchmark.rows()}
    assert rows["joint"]["unchanged"] == 1.0 and rows["lora"]["unchanged"] == 0.0
    assert set(rows) == {"joint", "lora"} and "recognition" in rows["lora"]
    again = Benchmark(settings, base, {"joint": joint, "lora": lora})
    again.learn()  # nothing is left to learn
    assert list(again.rows()) == list(benchmark.rows())
