"""Whether a run goes on from a checkpoint: what decides that it is the same run, and its rows as they
were.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from unictoken.core import config
from unictoken.data.concept import Concept
from unictoken.learn import checkpoint
from unictoken.learn.checkpoint import Checkpoint, CheckpointError, OtherRun
from unictoken.learn.learner import Learner
from unictoken.learn.methods import MethodSettings
from unictoken.learn.settings import RunConfig
from unictoken.model.protocol import Base
from unictoken.tokens import file as concept_file

LOG = logging.getLogger(__name__)


def identity(settings: RunConfig, base: Base, concept: Concept) -> str:
    """A digest of everything that decides what is learned, contents included; a checkpoint of
    another one is not resumed.

    But for the steps of the last stage: a run that has fewer of them goes on to more.
    """
    seen = hashlib.sha256(base.fingerprint.encode())
    for grade, pictures in (
        ("own", concept.pictures),
        ("crop", concept.crops),
        *concept.negatives.items(),
    ):
        for picture in pictures:
            seen.update(f"{grade} {picture.size}".encode() + picture.tobytes())
    texts = [
        concept.name,
        concept.class_noun,
        concept.facts,
        concept.questions,
        concept.about_pictures,
    ]
    decoder = base.decoder_digest if settings.vq_decoder else None
    # They change what is computed, if only its last bits.
    how = [str(base.dtype), settings.gradient_checkpointing, decoder]
    if learns_in_bf16(settings, base):
        how.append("learns in bf16")
    decisive = [
        texts,
        seen.hexdigest(),
        _method_apart_from_its_end(settings.method),
        settings.seed,
        settings.distractors.decisive(),
        how,
    ]
    return checkpoint.digest(config.to_yaml(decisive))


def learns_in_bf16(settings: RunConfig, base: Base) -> bool:
    """Whether a base in fp32 learns in bf16 on this machine."""
    may = settings.dtype != "fp32" and settings.zero.caches_pictures
    return may and base.packed_layers() is not None


def _method_apart_from_its_end(method: MethodSettings) -> dict:
    """A method as plain settings: without the steps of its last stage, and with the rows that it
    starts from in its file's place.
    """
    plain = method.decisive()
    if method.stages:
        # A stage of 0 steps is not run, so it decides nothing.
        plain["stages"] = [stage for stage in plain["stages"] if stage["steps"]]
        for last in plain["stages"][-1:]:
            del last["steps"]
    if method.start_file:
        plain["start"] = concept_file.digest_of_rows(method.start_file)
    return plain


def signature(identity_: str, steps: int) -> str:
    """Names a run and how long it was, in the header of its concept file."""
    return checkpoint.digest(f"{identity_} {steps}")


def find_checkpoint(
    settings: RunConfig, folder: Path, identity_: str, *, tell: bool
) -> Checkpoint | None:
    """The checkpoint to go on from, as `resume` asks; None where the run begins.

    Args:
        settings: The config.
        folder: Where the checkpoints are.
        identity_: Of this run; an unfinished run of another one is refused.
        tell: Whether this process says what it goes on from, or replaces.
    """
    if settings.resume == "never":
        return None
    path = checkpoint.newest(folder)
    if path is None and settings.resume == "must":
        raise CheckpointError(
            f"{folder}: nothing to resume, and `resume: must` was asked for. Use `resume: auto` to"
            " begin."
        )
    try:
        saved = checkpoint.load(path, identity_) if path else None
    except OtherRun as other:
        if settings.resume != "auto" or not other.finished:
            raise
        if tell:
            LOG.warning(
                "%s: a finished run of another config, base or pictures is here. This one takes its"
                " place.",
                folder.parent,
            )
        return None

    total = settings.method.total_steps
    if saved and saved.step > total:
        raise CheckpointError(
            f"{path}: {saved.step} steps are done, the config asks for {total}. Ask for"
            f" {saved.step} or more, choose another `out:`, or begin anew with `--set"
            " resume=never`."
        )
    if saved and saved.step < total != saved.total and tell:
        LOG.warning(
            "%s: a run of %d steps goes on from step %d to %d, its learning rate by the new"
            " schedule.",
            folder.parent,
            saved.total,
            saved.step,
            total,
        )
    return saved


def restore_rows(learner: Learner, saved: Checkpoint, within_stage: int) -> None:
    """Rows as they were; at a stage's end what had moved is settled.

    Args:
        learner: Whose rows they are.
        saved: Where the run was left.
        within_stage: Steps that were done in the stage in which it was left; 0 between two stages.
    """
    found, expected = saved.tensors["rows"].shape, learner.rows.shape
    if found != expected:
        raise CheckpointError(
            f"the checkpoint of step {saved.step}: its rows are {list(found)}, expected"
            f" {list(expected)}. Begin anew with `--set resume=never`."
        )
    tensors = saved.tensors
    learner.restore(tensors["rows"], tensors["frozen"], tensors["trainable"].bool())
    if not within_stage:
        learner.settle(tensors["rows"])


def steps_within_stage(method: MethodSettings, step: int) -> int:
    """Steps already done in the stage that `step` lies in; 0 at its beginning."""
    for stage in method.stages:
        if step < stage.steps:
            return step
        step -= stage.steps
    return 0
