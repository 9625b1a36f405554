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
    """Keeps the pictures of concepts, and a sentence about each. A query finds them by their names;
    without one by a picture that is nearly one of a concept's, which is compared pixel by pixel.
    """

    def __init__(self, base, concepts):
        self.kept = {c.name: [small(read_image(p)) for p in c.pictures] for c in concepts}
        self.entries = {
            c.name: in_words(base, c.name, f"{{name}} is a {c.class_noun}.") for c in concepts
        }
        self.base, self.names, self.looked = base, tuple(self.kept), 0
        self.of_names = {(): together(base, ())}

    def conditions(self, queries):
        return [self.condition(self.found(query)) for query in queries]

    def condition(self, names: tuple[str, ...]):
        if names not in self.of_names:
            self.of_names[names] = together(self.base, [self.entries[name] for name in names])
        return self.of_names[names]

    def found(self, query) -> tuple[str, ...]:
        if (named := query.named(self.names)) or query.picture is None:
            return named
        self.looked += 1
        seen = small(query.look())
        return tuple(
            name
            for name, kept in self.kept.items()
            if min(np.abs(seen - one).mean() for one in kept) < ALIKE
        )


@pytest.fixture
def subject(base, dataset):
    return make_ready(base, read(dataset), "tom")


def trial_of(base, personalization, subject, tmp_path) -> Trial:
    made = {"judge": None, "drawings": tmp_path / "pictures", "seed": 0}
    return Trial(method="m", base=base, personalization=personalization, subject=subject, **made)


@pytest.mark.slow
def test_each_picture_is_described_under_the_condition_that_the_memory_finds_for_it(
    base, subject, tmp_path
):
    """One test picture is remembered: it alone is described with the introduction before it."""
    test = trial_of(base, None, subject, tmp_path)
    shown = [record.pictures[0] for record in test.pictured()]
    memory = Memory(base, [dataclasses.replace(subject.concept, pictures=(shown[0],))])
    found = predictions(dataclasses.replace(test, personalization=memory), ["caption"])
    assert memory.looked == len(shown)
    files = [str(file.relative_to(subject.root)) for file in shown]
    given = {p.picture: p.given for p in found if p.task.startswith("caption")}
    ids_NK = subject.seen(test.pictured()).ids_NK
    entry, nobody = memory.condition(("tom",)), memory.condition(())
    expected = entry.caption(ids_NK[:1]) + nobody.caption(ids_NK[1:])
    assert [given[file] for file in files] == expected
    assert expected[:1] != nobody.caption(ids_NK[:1])


@pytest.mark.slow
def test_found_by_every_question_a_memory_scores_as_its_words_do(base, subject, tmp_path):
    """It remembers every test picture; texts that are about none name the concept."""
    memory = Memory(base, [dataclasses.replace(subject.concept, pictures=tuple(subject.ids))])
    tasks = ["recognise", "vqa", "text_qa", "generate", "verify"]
    trials = [
        trial_of(base, one, subject, tmp_path) for one in (memory, memory.condition(("tom",)))
    ]
    found, told = (predictions(trial, tasks) for trial in trials)
    assert found == told and {"positive", "vqa", "text_qa", "drawn"} <= {p.task for p in found}
    assert predictions(trials[0], ["unchanged"]) == []  # it has no rows


@pytest.fixture
def own(monkeypatch):
    """No control is registered, and none is afterwards."""
    monkeypatch.setattr(controls, "OWN", {})


def benchmark_of(base, method, folder, **more) -> Benchmark:
    settings = BenchmarkConfig(
        controls=("none", "memory"),
        judge=None,
        work=str(folder / "work"),
        out=str(folder / "table.json"),
        **more,
    )
    return Benchmark(settings, base, {"joint": method})


@pytest.mark.slow
def test_a_benchmark_measures_two_concepts_with_one_memory_of_both(
    own, base, small_world, short_method, tmp_path
):
    with pytest.raises(ConfigError, match="controls: unknown 'memory'"):
        BenchmarkConfig(controls=("memory",))
    made = []
    controls.register_many("memory", lambda *given: made.append(Memory(*given)) or made[-1])
    with pytest.raises(ConfigError, match="control 'memory': there is one of this name"):
        controls.register("memory", lambda base, concept: Memory(base, [concept]))
    tasks = ("recognise", "vqa", "caption", "generate")
    benchmark = benchmark_of(base, short_method, tmp_path, num_concepts=2, tasks=tasks)
    benchmark.learn()
    learned = {file.parent.name[:6] for file in benchmark.folder.rglob("*.safetensors")}
    assert learned == {"joint-"}
    benchmark.measure()
    rows = [(row["concept"], row["method"]) for row in benchmark.rows()]
    names = [concept.name for concept in benchmark.concepts]
    assert rows == [(name, way) for name in names for way in ("joint", "none", "memory")]
    scored = {row["method"]: row.keys() for row in benchmark.rows()}
    assert scored["memory"] == scored["none"] >= {"recognition", "vqa", "attributes"}
    (memory,) = made  # of both, and made once
    assert len(names) == 2 and memory.names == tuple(names)
    (kept,) = benchmark.folder.glob("predictions/memory*.jsonl")
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert any("drawn" in str(line) for line in lines)


@pytest.mark.slow
def test_a_control_of_another_version_is_measured_again(
    own, base, small_world, short_method, tmp_path
):
    made, files = [], []
    for version in ("", "1", "2", "1"):
        controls.OWN.clear()
        controls.register(
            "memory", lambda base, one: made.append(one) or Memory(base, [one]), version
        )
        benchmark = benchmark_of(base, short_method, tmp_path, num_concepts=1, tasks=("text_qa",))
        left = benchmark._to_measure()
        assert ("memory" in dict(map(reversed, left))) == (len(files) < 3)
        benchmark.learn()
        benchmark.measure()
        files.append(benchmark.predictions["memory"].path.name)
    assert files[0] == "memory-text_qa.jsonl" and len(set(files)) == 3 and files[1] == files[3]
