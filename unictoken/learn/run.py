"""A run of learning as a config describes it, whatever the engine.

out/  config.yaml  log.jsonl  tensorboard/  checkpoints/  pictures/step-000100.png  grid.png
answers.json  report.md
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from unictoken.conditioning import with_tokens
from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.disk import make_folder, write_aside
from unictoken.data.source import Source
from unictoken.learn import checkpoint
from unictoken.learn.concept import Lesson, keep, prepare, signed, starts_of_stages
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Method
from unictoken.learn.settings import BF16_UNSHARDED, RunConfig, source_of
from unictoken.learn.stages import Engine, Progress, TorchEngine, learn
from unictoken.learn.stop import Stopped
from unictoken.model.base import Base, dtype_named, load_base
from unictoken.model.pixels import grid
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


def base_dtype(settings: RunConfig) -> torch.dtype:
    """What the base is loaded in."""
    return dtype_named(settings.dtype)


def base_of(settings: RunConfig) -> Base:
    """The config's base, as it learns."""
    dtype = base_dtype(settings)
    if dtype == torch.bfloat16 and settings.zero_stage == 0:
        raise ConfigError(BF16_UNSHARDED)
    base = load_base(settings.base, vq_decoder=settings.vq_decoder, dtype=dtype)
    if settings.gradient_checkpointing:
        base.model.recompute_activations()
    return base


def identity(settings: RunConfig, base: Base, source: Source) -> str:
    """A digest of everything that decides what is learned, contents included; a checkpoint of
    another one is not resumed.

    But for the steps of the last stage: a run that has fewer of them goes on to more.
    """
    seen = hashlib.sha256(base.fingerprint.encode())
    for grade, pictures in (
        ("own", source.pictures),
        ("crop", source.crops),
        *source.negatives.items(),
    ):
        for picture in pictures:
            seen.update(f"{grade} {picture.size}".encode() + picture.tobytes())
    said = [source.name, source.class_noun, source.facts, source.questions, source.about_pictures]
    decoder = base.decoder_digest if settings.vq_decoder else None
    how = [str(base.model.dtype), settings.gradient_checkpointing, decoder]
    told = [
        said,
        seen.hexdigest(),
        _method_apart_from_its_end(settings.method),
        settings.seed,
        settings.strangers,
        how,
    ]
    return checkpoint.digest(config.to_yaml(told))


def _method_apart_from_its_end(method: Method) -> dict:
    """A method as plain settings: without the steps of its last stage, and with the rows that it
    starts from in its file's place.
    """
    plain = config.plain(method)
    plain["stages"] = [stage for stage in plain["stages"] if stage["steps"]]
    del plain["stages"][-1]["steps"]
    if method.start_file:
        plain["start"] = concept_file.read_header(method.start_file)["sha256"]
    return plain


def _signature(identity_: str, steps: int) -> str:
    """Names a run and how long it was, in the header of its concept file."""
    return checkpoint.digest(f"{identity_} {steps}")


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
        """Keep the resolved config, and of an earlier log only the steps that are not done
        again.
        """
        if not self.active:
            return
        write_aside(self.folder / "config.yaml", config.to_yaml(settings).encode())
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() and first_step else []
        whole = [line for line in lines if line.endswith("}")]  # a crash may have cut the last one
        kept = [line for line in whole if json.loads(line)["step"] <= first_step]
        write_aside(log, "".join(line + "\n" for line in kept).encode())

    def step(self, progress: Progress, seconds: float) -> None:
        if not self.active:
            return
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "lr": progress.lr,
            "stage": progress.stage,
            "seconds": round(seconds, 3),
        }
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
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
    keep_files: bool = True,
) -> tuple[ConceptTokens, Source, Lesson]:
    """Learn the config's concept, resuming where it was left. Raises `Stopped` after saving when
    `stop_asked()` says so.

    A run whose last stage has other steps than when it was left goes on too, finished or not: the
    steps that are done stay as they are, and from there on the learning rate follows the new
    schedule (it may rise again). With `final_lr: 1` that is what one run of so many steps would
    learn, bit for bit.

    Args:
        base: What it is learned on.
        settings: The config.
        source: The concept, where `source_of(settings)` was read already.
        engine: What makes a step of a stage.
        share: The examples of each batch that this process takes.
        first_process: Whether this process writes files and speaks; the others do neither.
        stop_asked: Asked after each step.
        show: Called after each step.
        show_drawings: Whether the config's prompts are drawn on the way.
        keep_files: Whether there is a run folder; without one nothing is written, and nothing resumed.
    """
    source, folder = source or source_of(settings), settings.folder
    # takes the base's fingerprint, before an engine shards its weights
    identity_ = identity(settings, base, source)
    draws = base.can_draw and settings.method.prompts.generation is not None
    show_drawings = (
        show_drawings and keep_files and draws and bool(settings.prompts and settings.show_every)
    )
    total = sum(stage.steps for stage in settings.method.stages)
    writes = first_process and keep_files
    saved = (
        _found(settings, folder / "checkpoints", identity_, total, tell=first_process)
        if keep_files
        else None
    )
    lesson = prepare(
        base, source, settings.method, seed=settings.seed, strangers=settings.strangers
    )
    drawn = settings.prompts if draws else ()
    lesson.lengths.check_config(
        list(map(settings.named, settings.questions)), list(map(settings.named, drawn))
    )
    signature = _signature(identity_, total)
    before = _signature(identity_, saved.total) if saved else signature
    replaced = _replaced(settings, source, {signature, before}) if writes else []
    for line in (*lesson.warnings, *replaced) if first_process else ():
        logging.getLogger(__name__).warning("%s", line)
    learner, engines = lesson.learner, []
    if settings.zero_stage == 3 or settings.gradient_checkpointing:
        learner.picture_cache = None
    recorder = Recorder(folder, writes)
    if saved:
        _restore_rows(learner, saved, _within_stage(settings.method, saved.step))

    def start_engine(learner_, stage) -> Engine:
        running = engine(learner_, stage)
        if saved and not engines and _within_stage(settings.method, saved.step):
            running.load(
                {k: saved.tensors[k] for k in ("rows", "exp_avg", "exp_avg_sq")},
                _within_stage(settings.method, saved.step),
            )
        engines.append(running)
        return running

    def save(step: int) -> None:
        tensors = {**engines[-1].state(), "held": learner.held, "moves": learner.moves}
        if not tensors["rows"].isfinite().all():
            raise _diverged(step, "rows are not finite")
        if writes:
            checkpoint.save(
                checkpoint.Checkpoint(step, total, identity_, tensors), folder / "checkpoints"
            )

    first_step = saved.step if saved else 0
    recorder.begin(settings, first_step)
    began = time.time()
    begin = starts_of_stages(base, source, settings.method, seed=settings.seed)
    steps = learn(
        learner,
        settings.method,
        lesson.examples,
        seed=settings.seed,
        engine=start_engine,
        first_step=first_step,
        share=share,
        on_stage=begin,
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
        if (
            show_drawings
            and first_process
            and progress.step % settings.show_every == 0
            and progress.step < total
        ):
            concept = keep(base, source, settings.method, learner, seed=settings.seed)
            drawn = with_tokens(base, concept).draw(
                list(map(settings.named, settings.prompts)), settings.drawing
            )
            recorder.pictures(f"pictures/step-{progress.step:06d}.png", drawn)
        began = time.time()
    learned = keep(base, source, settings.method, learner, seed=settings.seed)
    return signed(learned, source, lesson, run=signature), source, lesson


def _diverged(step: int, found: str) -> ConfigError:
    return ConfigError(
        f"step {step}: {found}. Use a smaller rate, method.stages.N.lr; nothing of this step is"
        " kept."
    )


def _replaced(settings: RunConfig, source: Source, own: set[str]) -> list[str]:
    """A line where the concept file will take the place of another run's on the same pictures."""
    path = concept_file.path_of(source.name, settings.concepts)
    if settings.replace or not path.is_file():
        return []
    header = concept_file.read_header(path)
    if header.get("run") in own:
        return []
    learned = f"method '{header['method']}', seed {header['seed']}"
    return [
        f"{path}: learned from the same pictures by another run ({learned}). This one's takes its"
        " place at the end."
    ]


def _found(
    settings: RunConfig, folder: Path, identity_: str, total: int, *, tell: bool
) -> checkpoint.Checkpoint | None:
    """The checkpoint to go on from to step `total`, as `resume` asks."""
    if settings.resume == "never":
        return None
    path = checkpoint.newest(folder)
    if path is None and settings.resume == "must":
        raise checkpoint.CheckpointError(
            f"{folder}: nothing to resume, and `resume: must` was asked for. Use `resume: auto` to"
            " begin."
        )
    try:
        saved = checkpoint.load(path, identity_) if path else None
    except checkpoint.OtherRun as other:
        if settings.resume != "auto" or not other.finished:
            raise
        if tell:
            told = (
                "%s: a finished run of another config, base or pictures is here. This one takes its"
                " place."
            )
            logging.getLogger(__name__).warning(told, folder.parent)
        return None
    if saved and saved.step > total:
        raise checkpoint.CheckpointError(
            f"{path}: {saved.step} steps are done, the config asks for {total}. Ask for"
            f" {saved.step} or more, choose another `out:`, or begin anew with `--set"
            " resume=never`."
        )
    if saved and saved.step < total != saved.total and tell:
        told = (
            "%s: a run of %d steps goes on from step %d to %d, its learning rate by the new"
            " schedule."
        )
        logging.getLogger(__name__).warning(told, folder.parent, saved.total, saved.step, total)
    return saved


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
