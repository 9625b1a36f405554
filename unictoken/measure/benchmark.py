"""A benchmark: every method and every control on every concept of a dataset; learned, asked, and
every prediction kept.

    work/<run>/  data/ (the toy benchmark, where no dataset is given)  concepts/<method>/<c>.safetensors
                 (of a method that fine-tunes <c>/, a folder)  pictures/
                 predictions/<method or control>.jsonl  commits.txt (the versions of the code that made them)

Resumable in both steps: a concept file that is there is not learned again, predictions that are
there are not made again. `run` is a digest of what every number depends on, and a method's own
digest stands in its names; the code's version is recorded, not checked.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from tqdm import tqdm

from unictoken.core import config, shipped
from unictoken.core.config import ConfigError, Place, PlaceAndMore
from unictoken.core.disk import (
    check_folder,
    feed_digest,
    is_file,
    is_folder,
    is_there,
    make_folder,
    quoted,
    sha256_of,
    sweep,
    write_aside,
)
from unictoken.core.lock import hold
from unictoken.core.pictures import read_image, read_picture, read_together
from unictoken.core.registry import Registry
from unictoken.core.text import without_name
from unictoken.data.concept import Concept
from unictoken.data.kinds import SaidKind
from unictoken.data.readers import read
from unictoken.data.records import Dataset
from unictoken.data.source import check_learnable
from unictoken.data.templates import YES
from unictoken.learn.method import Fitted, Run
from unictoken.learn.methods import Distractors, Method, MethodFile, MethodSettings
from unictoken.learn.run import method_of
from unictoken.learn.settings import check_judge_file
from unictoken.measure.controls import (
    CONTROLS,
    WRONG_CONCEPT,
    controls_of,
    key_of,
    known,
    of_many,
)
from unictoken.measure.endpoint import EndpointConfig, EndpointJudge
from unictoken.measure.lengths import check_test, stand_in
from unictoken.measure.predictions import Predictions, beside
from unictoken.measure.scores import scores
from unictoken.measure.similarity import COPIED, PRESETS, similarity
from unictoken.measure.workers import side_by_side
from unictoken.model.base import load_base
from unictoken.model.encoders import Encoder, load_encoder
from unictoken.model.processes import Processes
from unictoken.model.protocol import Base
from unictoken.personalize.adapted import CONCEPT
from unictoken.personalize.query import Personalization
from unictoken.personalize.tokens import learned
from unictoken.scoring.metrics import constant_answers, copied_share, mean
from unictoken.scoring.verdict import AnyJudge, judged_world
from unictoken.tasks import USUAL, asked, predictions
from unictoken.tasks.choice import shuffled
from unictoken.tasks.generate import DRAWN
from unictoken.tasks.task import Prediction
from unictoken.tasks.trial import Subject, Trial, make_ready
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """One benchmark run."""

    base: Place = shipped.USUAL_BASE
    vq_decoder: Place | None = None
    """What completes a base whose image tokenizer has no decoder."""
    judge: Place | None = "toy"
    """Reads drawings of the toy world; null: drawings are kept and not judged."""
    endpoint: EndpointConfig | None = None
    """A model that judges drawings in the toy judge's place."""
    similarity: tuple[str, ...] = ()
    """Scores of drawings with an encoder, by preset (similarity.py): clip_i, clip_t, dino_i,
    base_i, ...
    """
    encoder_weights: Mapping[str, Place] = field(default_factory=dict)
    """Folders of encoders by name, where they are not to be fetched."""
    data: Place | None = None
    """A dataset's folder; null: the toy benchmark of the seed."""
    layout: str | None = None
    """Of the dataset; null: what it looks like."""
    class_nouns: Mapping[str, str] = field(default_factory=dict)
    """Class nouns by concept, where the dataset does not say them."""
    kinds: Mapping[str, SaidKind] = field(default_factory=dict)
    """What concepts are whose class noun is no word that is known here, by concept."""
    consent: bool = False
    """The people among the concepts agreed to be learned."""
    distractors: Distractors = field(default_factory=Distractors)
    """Pictures of others for concepts that bring none."""
    methods: tuple[PlaceAndMore, ...] = ("joint",)
    """Methods by name, or files with a `method:`, each with any KEY=VALUE after it, as for `--set`,
    quoted as in a shell. All are learned on every concept; the first one's tokens are the wrong
    concept's."""
    references: int | None = None
    """Of a concept's pictures, the first so many are learned from and shown (toy concepts have as
    many as are asked for); null: all.
    """
    own_negatives: bool = True
    """Whether methods learn from the pictures of others that concepts bring; false: of distractors
    alone, as most users do.
    """
    tasks: tuple[str, ...] = USUAL
    """What is asked (unictoken/tasks)."""
    seed: int = 1
    num_concepts: int | None = 10
    """The first ones of the dataset; null: all (20 toy ones)."""
    toy_kinds: tuple[str, ...] = ()
    """Of toy concepts, in turn: animal, object, person; []: pets alone."""
    list_options: bool = True
    """Whether a question's options are listed after it; false for bases that were never taught to
    read them.
    """
    best_of: int = 1
    """Also sample this many images per prompt and keep the one that the model recognises best.
    1 = off."""
    controls: tuple[str, ...] = CONTROLS
    """What the methods are compared to (controls.py)."""
    notes: tuple[str, ...] = ()
    """What a reader of the table must know."""
    dtype: Literal["auto", "fp32"] = "auto"
    """fp32: methods learn in fp32, also where the CPU is faster in bf16 (learn/settings.py)."""
    workers: int = 1
    """Processes that learn and measure side by side, each with its share of the cores and a base of
    its own. A launcher's processes (torchrun) take its place: each is one worker.
    """
    work: str = "runs/eval"
    out: str = "results/toy.json"
    """The numbers, every row of them; the table goes beside it as .md."""
    page: str | None = None
    """An HTML page of references, drawings and answers; null: none."""
    page_concepts: int | None = 3
    """How many concepts the page shows, the first ones: a drawing takes 3 kB, and each method makes
    12 of a concept. null: all. The scores on it are of all concepts in any case."""

    def __post_init__(self):
        if self.num_concepts is not None:
            config.within("num_concepts", self.num_concepts, 1, config.MOST_CONCEPTS)
        if self.references is not None:
            config.within("references", self.references, 1, config.MOST_PICTURES)
        config.within("workers", self.workers, 1, config.MOST_PROCESSES)
        config.within("best_of", self.best_of, 1, config.MOST_BEST_OF)
        if self.page_concepts is not None:
            config.within("page_concepts", self.page_concepts)
        config.check_seed(self.seed)
        if self.endpoint and self.workers > 1:
            raise ConfigError(
                f"workers: {self.workers}, and verdicts of an endpoint are kept in one file. Use"
                " workers: 1."
            )
        if self.best_of > 1 and not (self.judge or self.endpoint):
            raise ConfigError(
                f"best_of: {self.best_of} needs a judge. Set 'judge' or 'endpoint', or use best_of: 1."
            )
        for name, given, expected in (
            ("controls", self.controls, known()),
            ("similarity", self.similarity, PRESETS),
            ("tasks", self.tasks, asked()),
        ):
            if unknown := sorted(set(given) - set(expected)):
                raise ConfigError(
                    f"{name}: unknown {quoted(unknown[0])}, expected some of {', '.join(expected)}."
                    " Choose among these."
                )


def load_methods(paths: Sequence[str]) -> dict[str, MethodSettings]:
    """Methods by name, in order."""
    methods = [_load_method(said) for said in paths]
    named = {method.name: method for method in methods}
    if len(named) < len(methods) or not methods or set(named) & set(known()):
        raise ConfigError(
            f"methods: found names {[m.name for m in methods]}; expected one or more, all"
            " different, no control's."
        )
    return named


def method_named(name: str, paths: Sequence[str]) -> MethodSettings:
    """The one of a config's methods that `--method` names."""
    return Registry("--method", load_methods(paths)).find(name)


def _load_method(said: str) -> MethodSettings:
    """The method of one line of the config: a file, and KEY=VALUE to lay on top."""
    try:
        path, *overrides = shlex.split(said)
    except ValueError as error:  # nothing in it, or a quote that does not end
        raise ConfigError(
            f"methods: {said!r} ({error}): expected a file, and any KEY=VALUE after it, quoted as"
            " in a shell."
        ) from None
    return config.load(MethodFile, shipped.find_method(path), overrides).method


class Benchmark:
    """One run: what it measures with, and where it keeps what it has. `commit`: the version of the
    code, for the record.
    """

    def __init__(
        self,
        settings: BenchmarkConfig,
        base: Base,
        methods: Mapping[str, MethodSettings],
        *,
        commit: str = "unknown",
        processes: Processes | None = None,
    ):
        self.settings, self.base, self.methods, self.commit = settings, base, dict(methods), commit
        self.processes = processes or Processes()
        if settings.endpoint and self.processes.size > 1:
            raise ConfigError(
                f"endpoint: {self.processes.size} processes, and verdicts of an endpoint are kept"
                " in one file. Start one process."
            )
        for name, folder in (
            ("work", settings.work),
            ("out", Path(settings.out).parent),
            ("page", Path(settings.page or settings.out).parent),
        ):
            check_folder(folder, ConfigError, where=name)
        for name, file in (("out", settings.out), ("page", settings.page)):
            if file and (is_folder(file) or is_folder(table_file(settings))):
                raise ConfigError(
                    f"{name}: {file}: it, or the table beside it, is a folder. Choose another file."
                )
        settings.distractors.check_places()
        for method in self.methods.values():
            if isinstance(method, Method):
                method.tree.check_places()
        self.run = self._digest()
        self.folder = Path(settings.work) / self.run
        self.judge = self._judge()
        self.dataset = self._as_asked(self._dataset())
        self.concepts = list(self.dataset.concepts.values())
        if not self.concepts:
            raise ConfigError(f"{self.dataset.root}: found no concepts, expected 1 or more.")
        # with one concept, no other's tokens can be the wrong ones
        alone = len(self.concepts) == 1
        self.controls = tuple(
            name for name in settings.controls if not (alone and name == WRONG_CONCEPT)
        )
        self._reference_ids: dict[str, torch.Tensor] = {}
        self._made_ready: dict[str, tuple[dict[str, Personalization], Subject]] = {}

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """What was measured by method and control, and of others than the first process what they
        measured themselves. Opening them mends the files.
        """
        first, *_ = self.methods.values()
        chosen = f"-best-of-{self.settings.best_of}" if self.settings.best_of > 1 else ""
        tasks = tuple(name for name in asked() if name in self.settings.tasks)
        measured = "" if tasks == USUAL else "-" + "-".join(tasks)
        keys = {name: _keyed(name, method) + chosen for name, method in self.methods.items()}
        keys |= {
            name: _keyed(name, first) + chosen if name == WRONG_CONCEPT else key_of(name)
            for name in self.controls
        }
        keys = {name: key + measured for name, key in keys.items()}
        files = {key: self.folder / "predictions" / f"{key}.jsonl" for key in keys.values()}
        return {
            name: Predictions(beside(files[key], self.processes.rank), run=f"{self.run}-{key}")
            for name, key in keys.items()
        }

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run's folder: two of one config would append to the same files. Of a launch's
        processes, the first one does.
        """
        if not self.processes.first:
            yield
            return
        lock = self.folder / ".lock"
        with hold(lock, str(self.folder), instead="Or choose another `work:`"):
            for folder in (self.folder, self.folder / "predictions", self.folder / "pictures"):
                sweep(folder)
            yield

    # ---- what it is made of ----------------------------------------------------------------------

    def _digest(self) -> str:
        # Not here: methods, best_of and tasks, which the names of the kept files say, and what
        # changes no prediction (workers, similarity, out, page).
        s = self.settings
        asked = [
            s.layout,
            s.seed,
            # decides which toy concepts are written; of a dataset only how many are measured
            s.num_concepts if s.data is None else None,
            s.references,
            dict(s.class_nouns),
            s.endpoint,
            s.list_options,
        ]
        if s.judge:
            check_judge_file(s.judge)
        judge = sha256_of(shipped.find_judge(s.judge)) if s.judge else None
        data = _digest_of_folder(Path(s.data)) if s.data else None
        made_with = [
            s.distractors.decisive(),
            s.vq_decoder,
            judge,
            data,
            self.base.fingerprint,
            str(self.base.dtype),
        ]
        if s.dtype != "fp32" and self.base.packed_layers() is not None:
            made_with.append("learned in bf16")
        # Only where they are asked for: runs of pets have kept their name.
        kinds = [s.toy_kinds] if s.toy_kinds and s.data is None else []
        lacking = [] if s.own_negatives else ["no negatives"]
        told = config.to_yaml([*asked, *made_with, *kinds, *lacking])
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def _dataset(self) -> Dataset:
        if self.settings.data:
            return read(self.settings.data, self.settings.layout)
        root = self.folder / "data"
        if not is_there(root):
            make_folder(root.parent)
            s = self.settings
            try:
                judged_world().write_dataset(
                    root,
                    seed=s.seed,
                    num_concepts=s.num_concepts or 20,
                    references=s.references,
                    kinds=s.toy_kinds,
                )
            except OSError:
                if not is_folder(root):  # else another run of the same config was faster
                    raise
        return read(root, "unifybench")

    def _as_asked(self, dataset: Dataset) -> Dataset:
        """The dataset's first concepts, each with its first references only, and with the class
        noun and the consent that the settings give it.
        """
        s = self.settings
        concepts = {
            name: replace(
                concept.with_first(s.references),
                class_noun=s.class_nouns.get(name) or concept.class_noun,
                # Nobody has to be asked for those that the toy world draws.
                consent=s.consent or s.data is None,
                kind=concept.kind or s.kinds.get(name),
                negatives=concept.negatives if s.own_negatives else {},
            )
            for name, concept in islice(dataset.concepts.items(), s.num_concepts)
        }
        return replace(dataset, concepts=concepts)

    def _judge(self) -> AnyJudge | None:
        if self.settings.endpoint:
            return EndpointJudge(self.settings.endpoint, self.folder / "verdicts.jsonl")
        return judged_world().load_judge(self.settings.judge) if self.settings.judge else None

    # ---- learning --------------------------------------------------------------------------------

    def learn(self) -> None:
        """Every method's tokens of every concept, into files. What cannot be learned, or gone on
        with, is refused before any is.
        """
        todo = self._to_learn() if self.processes.first else []
        # noted after each: a run may go on with newer code
        for _ in self._done("learn_one", todo, "learning"):
            self._record_commit()
        self.processes.wait_for_all()  # a concept is measured beside another one's tokens

    def _to_learn(self) -> list[tuple[str, str]]:
        """Concepts and methods whose file is not there."""
        # Opened here, in the first process: a file that cannot be gone on with is found at once.
        self._take_over()  # what is there of a launch that was stopped
        self._check_lengths()
        self._encoders()  # given back at once: they are needed when everything is measured
        todo = [
            (c.name, m)
            for c in self.concepts
            for m in self.methods
            if not is_there(self.file(c, self.methods[m]))
        ]
        for name in dict.fromkeys(concept for concept, _ in todo):
            # Read and let go: pictures of one concept at a time are in memory.
            check_learnable(self.dataset.concepts[name]).read()
        return todo

    def _check_lengths(self) -> None:
        """Refuse what the base could not be asked once everything is learned."""
        for concept in self.concepts:
            pictures_NK = self.base.any_picture.expand(len(concept.pictures), -1)
            controls = self._controls(concept, pictures_NK=pictures_NK)
            asked = {name: c for name, c in controls.items() if name in self.controls}
            asked |= {name: stand_in(self.base, concept, way) for name, way in self.methods.items()}
            for name, personalization in asked.items():
                check_test(
                    self.base,
                    personalization,
                    self.dataset,
                    concept.name,
                    method=name,
                    tasks=self.settings.tasks,
                    list_options=self.settings.list_options,
                )

    def learn_one(self, concept: str, method: str) -> None:
        """One method's tokens of one concept, into a file."""
        own, way = self.dataset.concepts[concept], self.methods[method]
        self.fit(own, way).save(self.file(own, way))

    def fit(self, concept: Concept, method: MethodSettings) -> Fitted:
        """What a method learns of a concept, as this benchmark's settings say."""
        s = self.settings
        run = Run(seed=s.seed, distractors=s.distractors, fast=s.dtype != "fp32")
        return method_of(method).fit(self.base, [concept], run=run)

    def _done(self, work: str, todo: list[tuple], told: str) -> Iterator:
        """Results of the work, here or in other processes, and a progress bar. Of a launch's
        processes each gets those of its own share.
        """
        number = min(self.settings.workers, len(todo))
        if self.processes.size > 1 or number < 2:
            shared = self.processes.share_out(todo, told)
            return (getattr(self, work)(*arguments) for arguments in shared)
        done = side_by_side(
            partial(_again, self.settings, self.methods, self.run), work, todo, number=number
        )
        return iter(tqdm(done, total=len(todo), desc=told))

    def file(self, concept: Concept, method: MethodSettings, *, beside: str = "") -> Path:
        """Where a concept's tokens are kept: its own, or those that were learned beside another one,
        whose name is `beside`.
        """
        ending = "" if method.keeps_folder else ".safetensors"
        key = _keyed(method.name, method) + (f"-beside-{beside}" if beside else "")
        return self.folder / "concepts" / key / f"{concept.name}{ending}"

    def tokens(self, concept: Concept, method: MethodSettings) -> ConceptTokens:
        file = self.file(concept, method)
        return concept_file.load(file / CONCEPT if method.keeps_folder else file, self.base)

    # ---- measuring -------------------------------------------------------------------------------

    def measure(self) -> None:
        """Every condition of every concept, into the predictions."""
        # What was left is one list, made by the first process: the others may see files late.
        todo = self._to_measure() if self.processes.first else []
        for name, made in self._done("measure_one", todo, "measuring"):
            if made:
                self.predictions[name].add(made)
            self._record_commit()
        self.processes.wait_for_all()
        if self.processes.first:
            self._take_over()

    def _to_measure(self) -> list[tuple[str, str]]:
        """Concepts and conditions whose predictions are not there."""
        return [
            (c.name, name)
            for c in self.concepts
            for name, kept in self.predictions.items()
            if not kept.has(c.name, name)
        ]

    def _take_over(self) -> None:
        """Put what other processes predicted beside what the first one did."""
        for kept in self.predictions.values():
            kept.take_over()

    def measure_one(self, concept: str, name: str) -> tuple[str, list[Prediction]]:
        """The name of a method or control, and its predictions on one concept; its drawings are in
        their files.
        """
        personalizations, subject = self._ready(concept)
        trial = self._trial(name, personalizations[name], subject)
        return name, predictions(trial, self.settings.tasks)

    def _ready(self, concept: str) -> tuple[dict[str, Personalization], Subject]:
        """A concept made ready to be measured; the last one is kept, as what is compared on it
        follows each other.
        """
        if concept not in self._made_ready:
            own = self.dataset.concepts[concept]
            personalizations = self.personalizations(
                own, self.concepts[(self.concepts.index(own) + 1) % len(self.concepts)]
            )
            subject = make_ready(
                self.base,
                self.dataset,
                concept,
                judged_world().read_truth(self.dataset.root, concept),
            )
            self._made_ready = {concept: (personalizations, subject)}
        return self._made_ready[concept]

    def personalizations(self, concept: Concept, other: Concept) -> dict[str, Personalization]:
        """The methods' tokens of a concept, and all that they are compared to."""
        own = {
            name: learned(self.base, self.file(concept, method))
            for name, method in self.methods.items()
        }
        wrong = (
            self.tokens(other, next(iter(self.methods.values())))
            if WRONG_CONCEPT in self.controls
            else None
        )
        return own | self._controls(concept, wrong=wrong)

    def _controls(self, concept: Concept, **more: Any) -> dict[str, Personalization]:
        one = controls_of(self.base, concept, own=self.controls, **more)
        return one | self._of_all_concepts

    @cached_property
    def _of_all_concepts(self) -> dict[str, Personalization]:
        """Controls that know every concept, made once."""
        return of_many(self.base, self.concepts, self.controls)

    def _trial(self, name: str, personalization: Personalization, subject: Subject) -> Trial:
        drawings = self.folder / "pictures"
        how = {
            "drawings": drawings,
            "seed": self.settings.seed,
            "list_options": self.settings.list_options,
            "best_of": self.settings.best_of,
        }
        return Trial(
            method=name,
            base=self.base,
            personalization=personalization,
            subject=subject,
            judge=self.judge,
            **how,
        )

    def _record_commit(self) -> None:
        made = self.commits()
        if self.commit not in made:
            write_aside(
                self.folder / "commits.txt",
                "".join(f"{c}\n" for c in [*made, self.commit]).encode(),
            )

    # ---- what it found ---------------------------------------------------------------------------

    def commits(self) -> list[str]:
        """The versions of the code that made what is there."""
        path = self.folder / "commits.txt"
        return path.read_text(encoding="utf-8").split() if is_file(path) else []

    def of(self, concept: Concept) -> dict[str, list[Prediction]]:
        """The predictions of a concept by method and control."""
        return {
            name: kept.of(concept.name, name)
            for name, kept in self.predictions.items()
            if kept.has(concept.name, name)
        }

    def rows(self) -> Iterator[dict]:
        """A row of scores for each concept and condition that was measured."""
        encoders = self._encoders()
        for concept in self.concepts:
            for name, made in self.of(concept).items():
                yield {
                    "concept": concept.name,
                    "method": name,
                    **scores(made),
                    **self._likeness(concept, made, encoders),
                }

    def _encoders(self) -> dict[str, Encoder]:
        """What the similarity scores are made with, by name."""
        names = dict.fromkeys(PRESETS[preset].encoder for preset in self.settings.similarity)
        weights = self.settings.encoder_weights
        return {name: load_encoder(name, weights.get(name), base=self.base) for name in names}

    def _likeness(
        self, concept: Concept, made: list[Prediction], encoders: Mapping[str, Encoder]
    ) -> dict[str, float]:
        """Scores of the drawings by the encoders: against the references, or against the prompt
        with the class noun for the name.
        """
        drawn = [p for p in made if p.task == DRAWN]
        if not drawn:
            return {}
        pictures = [read_picture(self.folder / p.picture) for p in drawn]
        references = [read_image(picture, at_least=None) for picture in concept.pictures]
        numbers = {COPIED: self._copied(pictures, concept)}
        for preset in self.settings.similarity:
            # an encoder was never told the name
            prompts = [without_name(p.question, concept.name, concept.class_noun) for p in drawn]
            compared = prompts if PRESETS[preset].reads_prompts else references
            numbers |= similarity(preset, encoders[PRESETS[preset].encoder], pictures, compared)
        return numbers

    def _copied(self, pictures: Sequence[Image.Image], concept: Concept) -> float:
        """The share of the pictures' image ids that are the nearest reference's."""
        # Once for all methods: a large base takes seconds for it.
        if concept.name not in self._reference_ids:
            self._reference_ids[concept.name] = self.base.encode(read_together(concept.pictures))
        references_MK = self._reference_ids[concept.name]
        return copied_share(self.base.encode(pictures).numpy(), references_MK.numpy())

    def _copied_by_held_out(self) -> list[str]:
        """The same of held-out pictures of the concepts, as a line; none where there are none."""
        shares = []
        for concept in self.concepts:
            test = self.dataset.select(concept.name, "recognise", split="test")
            if own := [record.pictures[0] for record in test if record.answer == YES]:
                shares.append(self._copied(list(read_together(own)), concept))
        said = "share of the image ids that are the same in the nearest reference"
        return [f"{COPIED}: {said}; {mean(shares):.2f} of held-out pictures."] if shares else []

    def notes(self) -> list[str]:
        """What must be known beside the numbers: the config's notes, rows left out, and what a
        constant answer scores.
        """
        records = [
            r
            for c in self.concepts
            for r in self.dataset.records[c.name]
            if r.split == "test" and r.options
        ]
        letters = [shuffled(record, self.dataset.root).letter for record in records]
        best = next(iter(constant_answers(letters).items())) if letters else None
        constant = (
            [
                f"A constant answer ('{best[0]}') is right in {best[1]:.2f} of {len(letters)}"
                " questions with options."
            ]
            if best
            else []
        )
        s = self.settings
        own_judge = s.judge and not s.endpoint
        judged = judged_world().judge_accuracy(s.judge) if own_judge else []
        left_out = [name for name in self.settings.controls if name not in self.controls]
        alone = (
            [f"{', '.join(left_out)}: left out, as there is one concept; and one has no interval."]
            if left_out
            else []
        )
        copied = self._copied_by_held_out()
        return [*self.settings.notes, *self.dataset.notes, *alone, *constant, *copied, *judged]


def table_file(settings: BenchmarkConfig) -> Path:
    """Where the table goes, beside the numbers."""
    return Path(settings.out).with_suffix(".md")


def _again(settings: BenchmarkConfig, methods: Mapping[str, MethodSettings], run: str) -> Benchmark:
    """The same benchmark, in another process."""
    made = Benchmark(settings, load_base(settings.base, vq_decoder=settings.vq_decoder), methods)
    if made.run != run:
        raise ConfigError(
            f"workers: the base is not '{settings.base}' as it is loaded from there. Use"
            " workers: 1."
        )
    return made


def _keyed(name: str, method: MethodSettings) -> str:
    """A method's name with a digest of all that it says: what is kept under it is that method's."""
    return f"{name}-{hashlib.sha256(config.to_yaml(method.decisive()).encode()).hexdigest()[:8]}"


def _digest_of_folder(root: Path) -> str:
    """Names and sizes of the files in a folder, and what its JSON files say."""
    # pictures by name and size only: else every start would read all of them
    seen = hashlib.sha256()
    for file in sorted(p for p in root.rglob("*") if is_file(p)):
        seen.update(f"{file.relative_to(root)} {file.stat().st_size}\n".encode())
        if file.suffix == ".json":
            feed_digest(seen, file)
    return seen.hexdigest()
