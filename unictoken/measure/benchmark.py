"""A benchmark: every method and every control on every concept of a dataset; learned, asked, kept, and put into one table.

    work/<run>/  data/ (the toy benchmark, where no dataset is given)  concepts/<method>/<c>.safetensors  pictures/  predictions.jsonl
    out          table.json, and table.md beside it;  page  report.html

Both steps are resumable: a concept file that is there is not learned again, and predictions that are there are not made again. `run` is
a digest of all that the numbers depend on.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from unictoken import config
from unictoken.concept import file as concept_file
from unictoken.concept.tokens import ConceptTokens
from unictoken.conditioning import Conditioning, with_tokens
from unictoken.config import ConfigError
from unictoken.data.readers import read
from unictoken.data.records import Concept, Dataset
from unictoken.learn.concept import learn_concept
from unictoken.learn.methods import Method
from unictoken.measure import page
from unictoken.measure.controls import CONTROLS, controls
from unictoken.measure.judge import load_judge
from unictoken.measure.metrics import Estimate, estimate
from unictoken.measure.predictions import Predictions
from unictoken.measure.protocols import Subject, Trial, make_ready, scores
from unictoken.measure.toy_dataset import read_truth, write_dataset
from unictoken.measure.verdict import AnyJudge, WorldJudge
from unictoken.model.base import Base
from unictoken.model.pixels import read_picture
from unictoken.world import language

COLUMNS = (
    "recognition", "recognition_hard", "recognition_twins", "vqa", "text_qa", "facts", "choice", "name_recall", "name_precision",
    "attributes", "identity", "palette", "prompt", "knowledge", "unchanged",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """One benchmark run."""

    base: str = "checkpoints/tiny-chameleon"
    vq_decoder: str | None = None
    """What completes a base whose image tokenizer has no decoder."""
    judge: str | None = "checkpoints/judge/model.safetensors"
    """Reads drawings of the toy world; null: drawings are kept and not judged."""
    data: str | None = None
    """A dataset's folder; null: the toy benchmark of the seed."""
    layout: str | None = None
    """Of the dataset; null: what it looks like."""
    methods: tuple[str, ...] = ("configs/methods/joint.yaml",)
    """Files with a `method:`, each with any KEY=VALUE after it, as for `--set`, quoted as in a shell. All are learned on every concept;
    the first one's tokens are the wrong concept's."""
    references: int | None = None
    """Of a concept's pictures, the first so many are learned from; null: all."""
    seed: int = 1
    num_concepts: int | None = 10
    """The first ones of the dataset; null: all."""
    controls: tuple[str, ...] = CONTROLS
    """What the methods are compared to (controls.py)."""
    work: str = "runs/eval"
    out: str = "results/toy.json"
    """The numbers, every row of them; the table goes beside it as .md."""
    page: str | None = None
    """An HTML page of references, drawings and answers; null: none."""

    def __post_init__(self):
        if self.num_concepts is not None and self.num_concepts < 2:
            raise ConfigError(f"num_concepts: found {self.num_concepts}, expected 2 or more (wrong_concept needs another one).")
        if unknown := sorted(set(self.controls) - set(CONTROLS)):
            raise ConfigError(f"controls: unknown '{unknown[0]}'; known: {', '.join(CONTROLS)}.")


@dataclass(frozen=True, kw_only=True)
class MethodFile:
    """A file that holds a method."""

    method: Method


def load_methods(paths: Sequence[str]) -> dict[str, Method]:
    """Methods by name, in order."""
    methods = [config.load(MethodFile, path, overrides).method for path, *overrides in map(shlex.split, paths)]
    named = {method.name: method for method in methods}
    if len(named) < len(methods) or not methods or set(named) & set(CONTROLS):
        raise ConfigError(f"methods: found names {[m.name for m in methods]}; expected one or more, all different, no control's.")
    return named


@dataclass
class Benchmark:
    """One run: what it measures with, and where it keeps what it has."""

    settings: BenchmarkConfig
    base: Base
    methods: dict[str, Method]
    judge: AnyJudge | None

    def __post_init__(self):
        s = self.settings
        decides = [s.data, s.layout, s.seed, s.num_concepts, s.references, s.judge]
        told = config.to_yaml([*decides, self.base.fingerprint, *self.methods.values()])
        self.run = hashlib.sha256(told.encode()).hexdigest()[:12]
        self.folder = Path(self.settings.work) / self.run
        self.dataset = self._dataset()
        self.concepts = list(self.dataset.concepts.values())[: self.settings.num_concepts]
        if len(self.concepts) < 2:
            raise ConfigError(f"{self.dataset.root}: {len(self.concepts)} concepts, expected 2 or more (wrong_concept needs another one).")
        self.predictions = Predictions(self.folder / "predictions.jsonl", run=self.run)

    def _dataset(self) -> Dataset:
        if self.settings.data:
            return read(self.settings.data, self.settings.layout)
        root = self.folder / "data"
        if not root.exists():
            root.parent.mkdir(parents=True, exist_ok=True)
            write_dataset(root, seed=self.settings.seed, num_concepts=self.settings.num_concepts or 20)
        return read(root, "unifybench")

    def learn(self) -> None:
        """Every method's tokens of every concept, into files."""
        todo = [(c, m) for c in self.concepts for m in self.methods.values() if not self._file(c, m.name).is_file()]
        for concept, method in tqdm(todo, desc="learning"):
            source = concept.source()
            source = replace(source, pictures=source.pictures[: self.settings.references])
            tokens = learn_concept(self.base, source, method, seed=self.settings.seed)
            concept_file.save(tokens, self._file(concept, method.name))

    def _file(self, concept: Concept, method: str) -> Path:
        return self.folder / "concepts" / method / f"{concept.name}.safetensors"

    def tokens(self, concept: Concept, method: str) -> ConceptTokens:
        return concept_file.load(self._file(concept, method), self.base)

    def measure(self) -> None:
        """Every conditioning of every concept, into the predictions."""
        for i, concept in enumerate(tqdm(self.concepts, desc="measuring")):
            compared = self.conditionings(concept, self.concepts[(i + 1) % len(self.concepts)])
            missing = {name: spoken for name, spoken in compared.items() if not self.predictions.has(concept.name, name)}
            if not missing:
                continue
            subject = make_ready(self.base, concept, self.dataset.root, read_truth(self.dataset.root, concept.name))
            for name, spoken in missing.items():
                self.predictions.add(self._trial(name, spoken, subject).predictions())

    def conditionings(self, concept: Concept, other: Concept) -> dict[str, Conditioning]:
        """The methods' tokens of a concept, and all that they are compared to."""
        own = {name: with_tokens(self.base, self.tokens(concept, name)) for name in self.methods}
        compared = controls_of(self.base, concept, wrong=self.tokens(other, next(iter(self.methods))))
        return own | {name: compared[name] for name in self.settings.controls if name in compared}

    def _trial(self, name: str, spoken: Conditioning, subject: Subject) -> Trial:
        drawings = self.folder / "pictures"
        return Trial(method=name, spoken=spoken, subject=subject, judge=self.judge, drawings=drawings, seed=self.settings.seed)

    def rows(self) -> Iterator[dict]:
        """A row of scores for each concept and conditioning that was measured."""
        for concept in self.concepts:
            for method in dict.fromkeys(p.method for p in self.predictions if p.concept == concept.name):
                yield {"concept": concept.name, "method": method, **scores(self.predictions.of(concept.name, method))}

    def sheet(self, concept: Concept) -> page.ConceptSheet:
        """What the page shows of a concept: its references, every method's drawings, and the answers without a picture."""
        own = [p for p in self.predictions if p.concept == concept.name]
        drawn: dict[str, dict[str, str]] = {}
        for p in own:
            if p.task in ("identity", "knowledge"):
                drawn.setdefault(p.method, {})[p.picture] = p.question
        return page.ConceptSheet(
            name=concept.name,
            references=concept.pictures,
            drawn={method: tuple(self.folder / file for file in files) for method, files in drawn.items()},
            prompts=tuple(next(iter(drawn.values()), {}).values()),
            answers=tuple(p for p in own if p.task in ("text_qa", "facts")),
        )


def controls_of(base: Base, concept: Concept, *, wrong: ConceptTokens | None = None) -> dict[str, Conditioning]:
    """Every control of a dataset's concept."""
    said = [concept.description or f"<{concept.name}> is {language.a(concept.class_noun)}.", *concept.facts]
    description, *facts = (text.replace(f"<{concept.name}>", "{name}") for text in said)
    pictures = base.encode([read_picture(file) for file in concept.pictures])
    return controls(
        base, concept.name, class_noun=concept.class_noun, description=description, facts=facts, pictures_NK=pictures, wrong=wrong
    )


def open_benchmark(settings: BenchmarkConfig, base: Base, methods: Mapping[str, Method]) -> Benchmark:
    judge = WorldJudge(load_judge(settings.judge)) if settings.judge else None
    return Benchmark(settings, base, dict(methods), judge)


def over_concepts(rows: Sequence[Mapping]) -> dict[str, dict[str, Estimate]]:
    """Method -> metric -> mean over concepts with its 95 % interval."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for metric, value in row.items():
            if metric not in ("concept", "method"):
                found.setdefault(row["method"], {}).setdefault(metric, []).append(value)
    return {method: {metric: estimate(values) for metric, values in metrics.items()} for method, metrics in found.items()}


def write_results(benchmark: Benchmark, *, command: str, commit: str) -> str:
    """The numbers, the table and the page of what was measured; gives the table."""
    settings, rows = benchmark.settings, list(benchmark.rows())
    means = over_concepts(rows)
    columns = tuple(column for column in COLUMNS if any(column in numbers for numbers in means.values()))
    compared = tuple(method for method in means if method not in benchmark.methods)
    header = {"command": command, "commit": commit, "seed": settings.seed, "run": benchmark.run, "base": benchmark.base.fingerprint}
    numbers = {"mean": _each(means, "mean"), "half_width": _each(means, "half_width"), "rows": rows}
    out = Path(settings.out)
    concept_file.write_aside(out, (json.dumps({**header, "notes": benchmark.dataset.notes, **numbers}, indent=1) + "\n").encode())
    shown = page.table(means, columns, controls=compared)
    notes = (f"`{command}` at {commit}, seed {settings.seed}, {len(benchmark.concepts)} concepts.", *benchmark.dataset.notes)
    concept_file.write_aside(out.with_suffix(".md"), "\n\n".join([*notes, shown, ""]).encode())
    if settings.page:
        sheets = tuple(map(benchmark.sheet, benchmark.concepts))
        page.write(page.Page(title=out.stem, notes=notes, scores=means, metrics=columns, controls=compared, concepts=sheets), settings.page)
    return shown


def _each(means: Mapping[str, Mapping[str, Estimate]], part: str) -> dict[str, dict[str, float | None]]:
    """Method -> metric -> one part of its estimate, rounded."""
    parts = {method: {metric: getattr(number, part) for metric, number in numbers.items()} for method, numbers in means.items()}
    return {method: {metric: value if value is None else round(value, 4) for metric, value in numbers.items()} for method, numbers in parts.items()}
