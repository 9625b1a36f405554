"""A memory, for which nothing is learned, is measured beside tokens and words; no file of unictoken
is opened for it.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from unictoken.core.config import ConfigError
from unictoken.core.pictures import read_image
from unictoken.data.readers import read
from unictoken.measure import controls
from unictoken.measure.benchmark import Benchmark, BenchmarkConfig
from unictoken.personalize.condition import together
from unictoken.personalize.words import in_words
from unictoken.tasks import predictions
from unictoken.tasks.trial import Trial, make_ready

ALIKE = 5  # of 255, how far the small pictures of one scene are apart at most


def small(picture) -> np.ndarray:
    return np.asarray(picture.convert("L").resize((8, 8)), dtype=float)


class Memory:
    """Keeps a concept's pictures, and a sentence about it. A query finds it by its name; without
    one by a picture that is nearly one of those, which is compared pixel by pixel.
    """

    def __init__(self, base, concept):
        self.base, self.names = base, (concept.name,)
        self.kept = [small(read_image(picture)) for picture in concept.pictures]
        self.entry = in_words(base, concept.name, f"{{name}} is a {concept.class_noun}.")
        self.nobody = together(base, ())
        self.looked = 0

    def conditions(self, queries):
        return [self.entry if self.finds(query) else self.nobody for query in queries]

    def finds(self, query) -> bool:
        if query.named(self.names) or query.picture is None:
            return bool(query.named(self.names))
        self.looked += 1
        seen = small(query.look())
        return min(np.abs(seen - kept).mean() for kept in self.kept) < ALIKE


@pytest.fixture
def subject(base, dataset):
    return make_ready(base, read(dataset), "tom")


def trial_of(base, personalization, subject, tmp_path) -> Trial:
    made = {"judge": None, "drawings": tmp_path / "pictures", "seed": 0}
    return Trial(method="m", base=base, personalization=personalization, subject=subject, **made)


def test_each_picture_is_described_under_the_condition_that_the_memory_finds_for_it(
    base, subject, tmp_path
):
    """One test picture is remembered: it alone is described with the introduction before it."""
    test = trial_of(base, None, subject, tmp_path)
    shown = [record.pictures[0] for record in test.pictured()]
    memory = Memory(base, dataclasses.replace(subject.concept, pictures=(shown[0],)))
    found = predictions(dataclasses.replace(test, personalization=memory), ["caption"])
    assert memory.looked == len(shown)
    files = [str(file.relative_to(subject.root)) for file in shown]
    given = {p.picture: p.given for p in found if p.task.startswith("caption")}
    ids_NK = subject.seen(test.pictured()).ids_NK
    expected = memory.entry.caption(ids_NK[:1]) + memory.nobody.caption(ids_NK[1:])
    assert [given[file] for file in files] == expected
    assert expected[:1] != memory.nobody.caption(ids_NK[:1])


def test_found_by_every_question_a_memory_scores_as_its_words_do(base, subject, tmp_path):
    """It remembers every test picture; texts that are about none name the concept."""
    memory = Memory(base, dataclasses.replace(subject.concept, pictures=tuple(subject.ids)))
    tasks = ["recognise", "vqa", "text_qa", "generate", "verify"]
    trials = [trial_of(base, one, subject, tmp_path) for one in (memory, memory.entry)]
    found, told = (predictions(trial, tasks) for trial in trials)
    assert found == told and {"positive", "vqa", "text_qa", "drawn"} <= {p.task for p in found}
    assert predictions(trials[0], ["unchanged"]) == []  # it has no rows


def test_a_benchmark_measures_a_memory_that_is_registered(
    base, small_world, short_method, tmp_path, monkeypatch
):
    monkeypatch.setattr(controls, "OWN", {})
    with pytest.raises(ConfigError, match="controls: unknown 'memory'"):
        BenchmarkConfig(controls=("memory",))
    controls.register("memory", Memory)
    with pytest.raises(ConfigError, match="control 'memory': there is one of this name"):
        controls.register("memory", Memory)
    settings = BenchmarkConfig(
        controls=("none", "memory"),
        judge=None,
        num_concepts=1,
        tasks=("recognise", "vqa", "caption", "generate"),
        work=str(tmp_path / "work"),
        out=str(tmp_path / "table.json"),
    )
    benchmark = Benchmark(settings, base, {"joint": short_method})
    benchmark.learn()
    assert [file.parent.name[:6] for file in benchmark.folder.rglob("*.safetensors")] == ["joint-"]
    benchmark.measure()
    rows = {row["method"]: row for row in benchmark.rows()}
    assert list(rows) == ["joint", "none", "memory"]
    assert rows["memory"].keys() == rows["none"].keys() >= {"recognition", "vqa", "attributes"}
    (kept,) = benchmark.folder.glob("predictions/memory*.jsonl")
    made = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert any("drawn" in str(line) for line in made)
