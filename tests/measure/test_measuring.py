import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save_file

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.learn.methods import Method, Stage, Tokens, Tree
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, load_methods
from unictoken.measure.endpoint import EndpointConfig
from unictoken.measure.predictions import PredictionsError
from unictoken.measure.results import differences, over_concepts, sheet, write_results
from unictoken.measure.scores import scores
from unictoken.tasks import USUAL, asked, predictions
from unictoken.tasks.task import Prediction
from unictoken.toy.judge import Judge

METHOD = Method(name="short", tokens=Tokens(shared=2), stages=(Stage(steps=1, batch=2),))
CONTROLS = [
    "none",
    "class_noun",
    "text_prompt_16",
    "text_prompt",
    "image_prompt_1",
    "image_prompt_4",
    "wrong_concept",
]


@pytest.fixture(scope="module")
def settings(small_world, tmp_path_factory) -> BenchmarkConfig:
    folder = tmp_path_factory.mktemp("benchmark")
    torch.manual_seed(0)
    save_file(Judge().state_dict(), folder / "judge.safetensors")
    return BenchmarkConfig(
        judge=str(folder / "judge.safetensors"),
        num_concepts=2,
        work=str(folder / "work"),
        out=str(folder / "out" / "table.json"),
        page=str(folder / "out" / "report.html"),
    )


@pytest.fixture(scope="module")
def measured(base, settings):
    benchmark = Benchmark(settings, base, {"short": METHOD}, commit="abc")
    benchmark.learn()
    benchmark.measure()
    return benchmark


@pytest.mark.slow
def test_every_control_stands_beside_every_method(measured):
    rows = list(measured.rows())
    assert [row["method"] for row in rows[:8]] == ["short", *CONTROLS]
    assert [row["concept"] for row in rows] == ["tom"] * 8 + ["mia"] * 8


@pytest.mark.slow
def test_every_metric_is_within_its_range(measured):
    own = next(measured.rows())
    columns = {column for name in USUAL for column in asked()[name].columns}
    absent = {
        "name_precision",
        "vqa_choice",
        "text_qa_choice",
        *(column for column in columns if column.endswith(("_best_of", "_judged"))),
        *asked()["clip"].columns,
    }
    assert columns - absent <= set(own)
    assert all(
        0 <= value <= 1
        for name, value in own.items()
        if isinstance(value, float) and not name.startswith("palette")
    )
    assert own["unchanged"] == 1.0


def test_only_tokens_are_asked_whether_the_base_is_unchanged(measured):
    asked = {
        name
        for concept in measured.concepts
        for name, made in measured.of(concept).items()
        if any(p.task == "unchanged" for p in made)
    }
    assert asked == {"short", "wrong_concept"}


@pytest.mark.slow
def test_what_is_there_is_neither_learned_nor_asked_again(measured, base, settings, monkeypatch):
    again = Benchmark(settings, base, {"short": METHOD})
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    monkeypatch.setattr("unictoken.measure.benchmark.make_ready", None)
    again.learn()
    again.measure()
    assert list(again.rows()) == list(measured.rows())


@pytest.mark.slow
def test_measuring_that_was_stopped_within_a_concept_goes_on_there(
    measured, base, settings, tmp_path, monkeypatch
):
    moved = dataclasses.replace(settings, work=str(tmp_path))
    shutil.copytree(measured.folder / "concepts", tmp_path / measured.run / "concepts")
    shutil.copytree(measured.folder / "data", tmp_path / measured.run / "data")
    stopped, trials = Benchmark(moved, base, {"short": METHOD}), []

    def third_fails(trial, names):
        trials.append(trial.method)
        return predictions(trial, names) if len(trials) < 3 else 1 / 0

    monkeypatch.setattr("unictoken.measure.benchmark.predictions", third_fails)
    with pytest.raises(ZeroDivisionError):
        stopped.measure()
    assert trials == ["short", "none", "class_noun"]
    again = Benchmark(moved, base, {"short": METHOD})
    assert list(again.of(again.concepts[0])) == ["short", "none"]
    assert again.of(again.concepts[0])["none"] == measured.of(measured.concepts[0])["none"]


def test_what_cannot_be_gone_on_with_is_said_before_anything_is_learned(
    measured, base, settings, tmp_path, monkeypatch
):
    moved = dataclasses.replace(settings, work=str(tmp_path))
    (tmp_path / measured.run / "predictions").mkdir(parents=True)
    (tmp_path / measured.run / "predictions" / "none.jsonl").write_text("{}\n", encoding="utf-8")
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    with pytest.raises(PredictionsError, match="not a prediction"):
        Benchmark(moved, base, {"short": METHOD}).learn()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"workers": 2, "endpoint": EndpointConfig(url="http://localhost", model="m")},
            "verdicts of an endpoint are kept in one file",
        ),
        ({"best_of": 3, "judge": None}, "needs a judge"),
    ],
    ids=["workers", "best_of"],
)
def test_settings_that_contradict_each_other_are_refused(settings, wrong, said):
    with pytest.raises(ConfigError, match=said):
        dataclasses.replace(settings, **wrong)


def test_another_method_is_learned_anew_and_the_controls_stay(measured, base, settings):
    wider, second = (
        dataclasses.replace(METHOD, tokens=Tokens(shared=3)),
        dataclasses.replace(METHOD, name="second"),
    )
    other = Benchmark(settings, base, {"short": wider, "second": second})
    assert other.run == measured.run
    assert set(other.of(other.concepts[0])) == set(CONTROLS) - {"wrong_concept"}


def test_another_seed_or_another_judge_is_another_run(measured, base, settings, tmp_path):
    torch.manual_seed(1)
    save_file(Judge().state_dict(), tmp_path / "judge.safetensors")
    others = [
        dataclasses.replace(settings, judge=str(tmp_path / "judge.safetensors")),
        dataclasses.replace(settings, judge=None),
    ]
    assert (
        len({Benchmark(other, base, {"short": METHOD}).run for other in (settings, *others)}) == 3
    )


def test_concepts_without_negatives_of_their_own_are_another_run(measured, base, settings):
    alone = Benchmark(dataclasses.replace(settings, own_negatives=False), base, {"short": METHOD})
    assert alone.run != measured.run
    assert all(concept.negatives for concept in measured.concepts)
    assert not any(concept.negatives for concept in alone.concepts)
    # What is asked stays: a recogniser is still shown others.
    asked = [
        {r.where.split("/data/")[1] for r in one.dataset.select("tom", "recognise", split="test")}
        for one in (measured, alone)
    ]
    assert asked[0] == asked[1]


def test_results_can_be_recounted(measured, settings):
    shown = write_results(measured, command="python eval/run.py")
    result = json.loads(
        (measured.folder.parents[1] / "out" / "table.json").read_text(encoding="utf-8")
    )
    assert (result["command"], result["commit"], result["seed"]) == ("python eval/run.py", "abc", 1)
    rows = [row for row in result["rows"] if row["method"] == "short"]
    assert result["mean"]["short"]["vqa"] == pytest.approx(
        sum(row["vqa"] for row in rows) / 2, abs=1e-4
    )
    kept = next((measured.folder / "predictions").glob("short-*.jsonl"))
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    vqa = [
        line["score"]
        for line in lines
        if (line["concept"], line["method"], line["task"]) == ("tom", "short", "vqa")
    ]
    assert rows[0]["vqa"] == pytest.approx(sum(vqa) / 24)
    html = (measured.folder.parents[1] / "out" / "report.html").read_text(encoding="utf-8")
    assert html.count("<figure>") == 2 * (5 + 8 * 3) and "text_prompt (control)" in html
    assert shown in (measured.folder.parents[1] / "out" / "table.md").read_text(encoding="utf-8")


def test_notes_are_seen_in_the_results_as_they_are(measured, settings, tmp_path, monkeypatch):
    noted = dataclasses.replace(
        settings, notes=("# <b> is *not* | bold",), out=str(tmp_path / "table.json"), page=None
    )
    monkeypatch.setattr(measured, "settings", noted)
    write_results(measured, command="python `eval`/run.py --set a_=1")
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .render((tmp_path / "table.md").read_text(encoding="utf-8"))
    )
    assert (
        "<p># &lt;b&gt; is *not* | bold</p>" in html
        and "<p>python `eval`/run.py --set a_=1 at abc" in html
    )


def test_no_concept_is_too_few():
    with pytest.raises(ConfigError, match="num_concepts: found 0, expected 1 to"):
        BenchmarkConfig(num_concepts=0)


def test_a_prediction_without_a_verdict_is_not_nought():
    verdict = Prediction(
        concept="bo", method="m", task="identity", question="q", expected="", given="?", score=None
    )
    assert scores([verdict, dataclasses.replace(verdict, score=0.8)])["identity"] == 0.8


def test_means_are_over_concepts():
    rows = [
        {"concept": c, "method": "joint", "vqa": v} for c, v in (("a", 0.5), ("b", 0.7), ("c", 0.9))
    ]
    found = over_concepts(rows)["joint"]["vqa"]
    assert (found.n, found.mean) == (3, pytest.approx(0.7)) and found.half_width == pytest.approx(
        0.4968, abs=1e-3
    )


def test_a_method_is_a_file_with_settings_on_top(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "method: {name: m, tokens: {shared: 4}, stages: [{steps: 5}, {steps: 6}]}", encoding="utf-8"
    )
    found = load_methods(
        [
            str(tmp_path / "m.yaml"),
            f"{tmp_path / 'm.yaml'} method.name=m-8 method.tokens.shared=8 method.stages.0.steps=0",
        ]
    )
    assert {name: (m.tokens.shared, [s.steps for s in m.stages]) for name, m in found.items()} == {
        "m": (4, [5, 6]),
        "m-8": (8, [0, 6]),
    }
    with pytest.raises(ConfigError, match="all different"):
        load_methods([str(tmp_path / "m.yaml")] * 2)


@pytest.mark.parametrize("name", ["toy", "unifybench-toy", "ablations"])
def test_the_shipped_benchmarks_can_be_read(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    settings = config.load(BenchmarkConfig, f"configs/eval/{name}.yaml")
    assert len(load_methods(settings.methods)) == len(settings.methods)


def test_a_benchmark_measures_the_tasks_that_it_is_asked_for(measured, base, settings):
    some = dataclasses.replace(settings, tasks=("unchanged", "recognise"))
    other = Benchmark(some, base, {"short": METHOD})
    assert other.run == measured.run and not any(map(other.of, other.concepts))
    other.learn()  # nothing: the concept files are there
    _, made = other.measure_one("tom", "short")
    own = measured.of(measured.concepts[0])["short"]
    kinds = {"positive", "negative_easy", "negative_hard", "negative_near_duplicate", "unchanged"}
    assert made == [p for p in own if p.task in kinds or p.task == "negative_other"]


def test_a_task_that_nobody_knows_cannot_be_measured():
    with pytest.raises(ConfigError, match="tasks: unknown 'sing', expected some of recognise, vqa"):
        BenchmarkConfig(tasks=("sing",))


def test_differences_are_paired_over_concepts():
    scored = (("a", "x", 0.9), ("b", "x", 0.7), ("a", "y", 0.8), ("b", "y", 0.6), ("c", "y", 0.1))
    rows = [{"concept": c, "method": m, "vqa": v} for c, m, v in scored]
    found = differences(rows, "x", ["vqa", "palette"])
    assert (
        list(found) == ["x - y"]
        and found["x - y"]["vqa"].mean == pytest.approx(0.1)
        and found["x - y"]["vqa"].n == 2
    )


@pytest.mark.slow
def test_without_a_judge_drawings_are_kept_and_shown(base, settings):
    silent = Benchmark(
        dataclasses.replace(
            settings, judge=None, similarity=("base_i",), controls=("none",), tasks=("generate",)
        ),
        base,
        {"short": METHOD},
    )
    silent.learn()
    silent.measure()
    row = next(silent.rows())
    assert not {"identity", "drawn"} & set(row) and -1 <= row["similarity (base, pairwise)"] <= 1
    assert len(sheet(silent, silent.concepts[0]).drawn["short"]) == 3


def test_a_concept_that_cannot_be_learned_is_refused_before_any_is(
    base, settings, monkeypatch, tmp_path
):
    benchmark = Benchmark(dataclasses.replace(settings, seed=5), base, {"short": METHOD})
    cut = tmp_path / "cut.png"
    cut.write_bytes(b"no picture")
    monkeypatch.setitem(
        benchmark.dataset.concepts,
        "mia",
        dataclasses.replace(benchmark.dataset.concepts["mia"], pictures=(cut,)),
    )
    monkeypatch.setattr("unictoken.measure.benchmark.method_of", None)
    with pytest.raises(UserError, match="cut.png"):
        benchmark.learn()


def test_a_pipeline_that_is_not_there_is_refused_before_anything_is_learned(
    base, settings, tmp_path
):
    tree = Tree(negatives=1, pipeline=str(tmp_path / "sd"))
    asking = dataclasses.replace(METHOD, tree=tree)
    with pytest.raises(ConfigError, match="tree: pipeline: .* Name one that is there"):
        Benchmark(settings, base, {"short": METHOD, "tree": asking})
