"""A benchmark on a dataset of clips: every method and every control is asked about them."""

import layouts
import pytest

from unictoken.data.clips import KINDS
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig
from unictoken.measure.controls import CONTROLS
from unictoken.measure.results import write_results

METHOD = Method(
    name="short", tokens=Tokens(shared=2), stages=(Stage(steps=1, batch=1, tasks={"caption": 1.0}),)
)


def video(name: str, who: str, split: str) -> dict:
    asked = {
        "Is <sks> here?": "yes",
        "What is <sks> wearing?": "a hat",
        "What is <sks> doing?": "waves",
        "Where is <sks>?": "a garden",
        "How tall is <sks>?": "small",
    }
    pairs = [{"question": q, "answer": a, "is_special": a == "yes"} for q, a in asked.items()]
    path = f"videos/{split}_{name}.mp4"
    return {"video_path": path, "sks_present": f"<{who}>", "is_positive": True, "qa_pairs": pairs}


@pytest.mark.slow
def test_every_method_and_every_control_is_asked_about_clips(base, tmp_path):
    data = tmp_path / "data"
    for split in ("train", "test"):
        videos = [video(name, who, split) for name, who in (("a", "ann"), ("b", "bob"))]
        layouts.write(data / f"{split}.json", {"data": videos})
        for name in ("a", "b"):
            layouts.draw(*(data / "videos" / f"{split}_{name}" / f"{i}.png" for i in range(3)))
    settings = BenchmarkConfig(
        data=str(data),
        judge=None,
        consent=True,
        work=str(tmp_path / "work"),
        out=str(tmp_path / "out" / "clips.json"),
    )
    benchmark = Benchmark(settings, base, {"short": METHOD})
    benchmark.learn()
    benchmark.measure()
    columns = [f"clip_{kind}{order}" for order in ("", "_shuffled") for kind in KINDS]
    columns += [f"{column}_f1" for column in columns if "existence" not in column]
    rows = list(benchmark.rows())
    assert [row["method"] for row in rows] == 2 * ["short", *CONTROLS]
    for row in rows:
        assert set(columns) <= set(row) and all(0 <= row[column] <= 1 for column in columns)
        assert {"clip_action_bleu", "clip_other_shuffled_bleu"} <= set(row)
    table = write_results(benchmark, command="eval/run.py")
    heading = next(line for line in table.splitlines() if "clip" in line)
    assert [cell.strip().replace("\\", "") for cell in heading.split("|")[2:-1]] == columns
