"""A run of learning as a config describes it, whatever the engine.

    out/  config.yaml  log.jsonl  tensorboard/  checkpoints/  pictures/step-000100.png  grid.png  answers.json  report.md
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from PIL import Image

from unictoken import config
from unictoken.concept import file as concept_file
from unictoken.concept.tokens import ConceptTokens, mark
from unictoken.conditioning import with_tokens
from unictoken.config import ConfigError
from unictoken.data.source import Source, read_source
from unictoken.disk import check_file, check_folder, make_folder, write_aside
from unictoken.learn import checkpoint
from unictoken.learn.concept import Lesson, keep, prepare, starts_of_stages
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Method
from unictoken.learn.negatives import Strangers
from unictoken.learn.stages import Engine, Progress, TorchEngine, learn
from unictoken.learn.stop import Stopped
from unictoken.model.base import Base, load_base, usual_device, usual_dtype
from unictoken.model.pixels import grid
from unictoken.model.sampling import Draw

OTHER = "checkpoints/tiny-chameleon/mia.safetensors"


@dataclass(frozen=True, kw_only=True)
class ConceptConfig:
    """What is learned."""

    name: str
    pictures: tuple[str, ...]
    """A folder, or picture files."""
    class_noun: str | None = None
    """Its ordinary kind: dog, mug. null: as the folder's info.json says."""
    facts: tuple[str, ...] = ()
    """Sentences about '<name>' that no picture shows."""
    consent: bool = False
    """Of a person: they agreed to be learned. The concept file says so."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run of learning one concept."""

    concept: ConceptConfig
    base: str = "checkpoints/tiny-chameleon"
    """A local folder or a Hub name."""
    vq_decoder: str | None = None
    """What completes a base whose image tokenizer has no decoder: a Hub name, a folder, or a file such as vqgan.ckpt."""
    method: Method = field(default_factory=Method)
    out: str | None = None
    """Run folder; null: runs/<name>."""
    concepts: str = "checkpoints/concepts"
    """Where the concept file goes."""
    seed: int = 0
    resume: Literal["auto", "must", "never"] = "auto"
    """auto: go on where there is a checkpoint (a finished run of another config, base or pictures is replaced, one that is not
    finished is an error); must: an error where there is none; never: begin anew."""
    save_every: int = 50
    """Steps between checkpoints."""
    show_every: int = 100
    """Steps between grids of the prompts; 0: only at the end."""
    prompts: tuple[str, ...] = (
        "<{name}> wearing a hat",
        "<{name}> wearing a red party hat in the snow",
        "<{name}> on the beach at night",
        "<{name}> wearing a blue top hat in the city",
    )
    """Drawn as it goes and at the end; {name} is the concept's."""
    questions: tuple[str, ...] = ("what animal is <{name}>?", "what colour is <{name}>?")
    """Asked at the end, without a picture."""
    drawing: Draw = field(default_factory=Draw)
    strangers: Strangers = field(default_factory=Strangers)
    """Pictures of others where the concept's folder brings none."""
    judge: str | None = "checkpoints/judge/model.safetensors"
    """Reads attributes off drawings of toy-world pets, for the report; null: the report does without."""
    other: str | None = OTHER
    """Another concept on this base, whose tokens the report compares with; left out where it is of another base, or null. The one
    that is shipped is made by `make base`."""
    zero_stage: Literal[0, 1, 2, 3] = 1
    """DeepSpeed's ZeRO stage; 3 shards the frozen base while it learns (before that each process needs it whole once, after it the first one)."""
    offload: Literal["none", "cpu"] = "none"
    """cpu: the base's shards wait in main memory, each layer on the GPU only while it is used (slower); zero_stage 3 only."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass rather than keep what it computed: half more time, far less memory."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the base. auto: bf16 on a GPU, fp32 without one; the optimiser's rows and the concept file are in fp32 in any case."""

    def __post_init__(self):
        config.within("save_every", self.save_every, 1)
        config.within("show_every", self.show_every)
        config.check_seed(self.seed)
        if self.base_dtype == torch.bfloat16 and self.zero_stage == 0:
            raise ConfigError("zero_stage 0 with bf16 gives wrong updates in DeepSpeed. Use zero_stage 1, 2 or 3, or dtype: fp32.")
        if self.offload == "cpu" and self.zero_stage != 3:
            raise ConfigError(f"offload: cpu moves shards of the base, and zero_stage {self.zero_stage} makes none. Use zero_stage 3.")
        drawn = [stage.name for stage in self.method.stages if stage.steps and "drawn" in stage.starts.values()]
        if drawn and self.zero_stage == 3:
            raise ConfigError(f"stage '{drawn[0]}' begins from drawings, and a base sharded by zero_stage 3 cannot draw. Use zero_stage 2.")

    @property
    def folder(self) -> Path:
        return Path(self.out or f"runs/{self.concept.name}")

    @property
    def base_dtype(self) -> torch.dtype:
        """What the base is loaded in."""
        said = {"fp32": torch.float32, "bf16": torch.bfloat16}
        return said.get(self.dtype) or usual_dtype(usual_device())

    def named(self, text: str) -> str:
        return text.replace("{name}", self.concept.name)


def base_of(settings: RunConfig) -> Base:
    """The config's base, as it learns."""
    base = load_base(settings.base, vq_decoder=settings.vq_decoder, dtype=settings.base_dtype)
    if settings.gradient_checkpointing:
        base.model.recompute_activations()
    return base


def source_of(settings: RunConfig) -> Source:
    """The concept as its owner gives it. Everything that would fail after learning is looked at here, before it."""
    c = settings.concept
    source = read_source(c.pictures, name=c.name, class_noun=c.class_noun, facts=c.facts, consent=c.consent)
    check_folder(settings.folder, ConfigError, where="out")
    check_folder(settings.concepts, ConfigError, where="concepts")
    for place in filter(os.path.isdir, c.pictures):
        if settings.folder.resolve().is_relative_to(Path(place).resolve()):
            raise ConfigError(f"out: {settings.folder}: lies in {place}, whose pictures are learned from. Choose another folder.")
    for text in (*settings.prompts, *settings.questions):
        mark(settings.named(text), c.name, where=f"'{settings.named(text)}'")
    path = concept_file.path_of(c.name, settings.concepts)
    if path.is_file() and concept_file.read_header(path).get("origin"):
        raise ConfigError(f"{path}: an imported concept has this name. Choose another name, or another folder (`concepts`).")
    if source.pet and settings.judge:
        check_file(Path(settings.judge), ConfigError, "the judge's weights; `make base` makes them, `--set judge=null` does without")
    if settings.other not in (None, OTHER):
        concept_file.read_header(settings.other)
    return source


def identity(settings: RunConfig, base: Base, source: Source) -> str:
    """A digest of everything that decides what is learned, contents included; a checkpoint of another one is not resumed."""
    seen = hashlib.sha256(base.fingerprint.encode())
    for grade, pictures in (("own", source.pictures), ("crop", source.crops), *source.negatives.items()):
        for picture in pictures:
            seen.update(f"{grade} {picture.size}".encode() + picture.tobytes())
    said = [source.name, source.class_noun, source.facts, source.questions, source.about_pictures]
    how = [str(base.model.dtype), settings.gradient_checkpointing, settings.vq_decoder]
    return checkpoint.digest(config.to_yaml([said, seen.hexdigest(), settings.method, settings.seed, settings.strangers, how]))


@dataclass
class Recorder:
    """Writes what happens in a run; on every process but the first it does nothing."""

    folder: Path
    active: bool = True

    def __post_init__(self):
        self.board = None
        if self.active:
            from torch.utils.tensorboard import SummaryWriter

            make_folder(self.folder)
            self.board = SummaryWriter(str(self.folder / "tensorboard"))

    def begin(self, settings: RunConfig, first_step: int) -> None:
        """Keep the resolved config, and of an earlier log only the steps that are not done again."""
        if not self.active:
            return
        (self.folder / "config.yaml").write_text(config.to_yaml(settings))
        log = self.folder / "log.jsonl"
        lines = log.read_text().splitlines() if log.is_file() and first_step else []
        whole = [line for line in lines if line.endswith("}")]  # a crash may have cut the last one
        kept = [line for line in whole if json.loads(line)["step"] <= first_step]
        write_aside(log, "".join(line + "\n" for line in kept).encode())

    def step(self, progress: Progress, seconds: float) -> None:
        if not self.active:
            return
        line = {"step": progress.step, "loss": progress.loss, "lr": progress.lr, "stage": progress.stage, "seconds": round(seconds, 3)}
        with open(self.folder / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        self.board.add_scalar("loss", progress.loss, progress.step)

    def pictures(self, name: str, pictures: list[Image.Image]) -> None:
        if self.active:
            path = self.folder / name
            make_folder(path.parent)
            grid(pictures, columns=len(pictures)).save(path)


def run(
    base: Base,
    settings: RunConfig,
    *,
    source: Source | None = None,
    engine: Callable = TorchEngine,
    share: slice = slice(None),
    first_process: bool = True,
    stop_asked: Callable[[], bool] = lambda: False,
    show: Callable[[Progress], None] = lambda progress: None,
    show_drawings: bool = True,
) -> tuple[ConceptTokens, Source, Lesson]:
    """Learn the config's concept, resuming where it was left. Raises `Stopped` after saving when `stop_asked()` says so.

    `source`: the concept, where `source_of(settings)` was read already.
    """
    source, folder = source or source_of(settings), settings.folder
    identity_ = identity(settings, base, source)  # takes the base's fingerprint, before an engine shards its weights
    draws = base.can_draw and settings.method.prompts.generation is not None
    show_drawings = show_drawings and draws and bool(settings.prompts and settings.show_every)
    saved = _found(settings, folder / "checkpoints", identity_, tell=first_process)
    lesson = prepare(base, source, settings.method, seed=settings.seed, strangers=settings.strangers)
    learner, engines = lesson.learner, []
    if settings.zero_stage == 3 or settings.gradient_checkpointing:
        learner.picture_cache = None
    recorder = Recorder(folder, first_process)
    if saved:
        _restore_rows(learner, saved, _within_stage(settings.method, saved.step))

    def start_engine(learner_, stage) -> Engine:
        running = engine(learner_, stage)
        if saved and not engines and _within_stage(settings.method, saved.step):
            running.load({k: saved.tensors[k] for k in ("rows", "exp_avg", "exp_avg_sq")}, _within_stage(settings.method, saved.step))
        engines.append(running)
        return running

    def save(step: int) -> None:
        tensors = {**engines[-1].state(), "held": learner.held, "moves": learner.moves}
        if not tensors["rows"].isfinite().all():
            raise _diverged(step, "rows are not finite")
        if first_process:
            checkpoint.save(checkpoint.Checkpoint(step, total, identity_, tensors), folder / "checkpoints")

    first_step, total = saved.step if saved else 0, sum(stage.steps for stage in settings.method.stages)
    recorder.begin(settings, first_step)
    began = time.time()
    begin = starts_of_stages(base, source, settings.method, seed=settings.seed)
    steps = learn(
        learner, settings.method, lesson.examples, seed=settings.seed, engine=start_engine, first_step=first_step, share=share, on_stage=begin
    )
    for progress in steps:
        if not math.isfinite(progress.loss):
            raise _diverged(progress.step, f"the loss is {progress.loss}")
        recorder.step(progress, time.time() - began)
        show(progress)
        stopping = stop_asked()
        if stopping or progress.step % settings.save_every == 0 or progress.step == total:
            save(progress.step)
        if stopping:
            raise Stopped(progress.step, total)
        if show_drawings and first_process and progress.step % settings.show_every == 0 and progress.step < total:
            concept = keep(base, source, settings.method, learner, seed=settings.seed)
            drawn = with_tokens(base, concept).draw(list(map(settings.named, settings.prompts)), settings.drawing)
            recorder.pictures(f"pictures/step-{progress.step:06d}.png", drawn)
        began = time.time()
    return keep(base, source, settings.method, learner, seed=settings.seed), source, lesson


def _diverged(step: int, found: str) -> ConfigError:
    return ConfigError(f"step {step}: {found}. Use a smaller rate, method.stages.N.lr; nothing of this step is kept.")


def _found(settings: RunConfig, folder: Path, identity_: str, *, tell: bool) -> checkpoint.Checkpoint | None:
    """The checkpoint to go on from, as `resume` asks."""
    if settings.resume == "never":
        return None
    path = checkpoint.newest(folder)
    if path is None and settings.resume == "must":
        raise checkpoint.CheckpointError(f"{folder}: nothing to resume, and `resume: must` was asked for. Use `resume: auto` to begin.")
    try:
        return checkpoint.load(path, identity_) if path else None
    except checkpoint.OtherRun as other:
        if settings.resume != "auto" or not other.finished:
            raise
        if tell:
            told = "%s: a finished run of another config, base or pictures is here. This one takes its place."
            logging.getLogger(__name__).warning(told, folder.parent)
        return None


@torch.no_grad()
def _restore_rows(learner: Learner, saved: checkpoint.Checkpoint, within_stage: int) -> None:
    """Rows as they were; at a stage's end what had moved is settled."""
    learner.rows.copy_(saved.tensors["rows"])
    learner.held.copy_(saved.tensors["held"])
    learner.moves.copy_(saved.tensors["moves"].bool())
    if not within_stage:
        learner.settle(saved.tensors["rows"])


def _within_stage(method: Method, step: int) -> int:
    """Steps already done in the stage that `step` lies in; 0 at its beginning."""
    for stage in method.stages:
        if step < stage.steps:
            return step
        step -= stage.steps
    return 0
