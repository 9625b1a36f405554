"""The folder of a run: what is kept of it while it learns.

    config.yaml  log.jsonl  tensorboard/  checkpoints/  pictures/step-000100.png

The report adds its own files at the end (`measure/report.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

import torch

from unictoken.core import config
from unictoken.core.disk import make_folder, write_aside
from unictoken.data.concept import Concept
from unictoken.learn import checkpoint
from unictoken.learn.checkpoint import Checkpoint
from unictoken.learn.concept import Prepared
from unictoken.learn.resume import find_checkpoint, identity, signature
from unictoken.learn.settings import RunConfig
from unictoken.learn.stages import Progress
from unictoken.model.base import Base
from unictoken.model.pixels import grid
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


class NoFolder:
    """A run that is not kept: nothing is written, and nothing is resumed."""

    signature = ""
    """Names the run in the header of its concept file; '': not named."""

    def find(self, base: Base, concept: Concept) -> Checkpoint | None:
        """Where the run was left; None where it begins."""
        return None

    def check(self, base: Base, concept: Concept, prepared: Prepared) -> None:
        """Refuse what could not be asked or drawn later, and say what must be known before."""

    def begin(self, first_step: int) -> None:
        """Before the first step that is done here, counted from 0."""

    def record(self, progress: Progress, seconds: float) -> None:
        """After each step, which took so long."""

    def saves_at(self, step: int) -> bool:
        """Whether the state after a step is kept."""
        return False

    def save(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep the state after a step: a checkpoint's tensors."""

    def draws_at(self, step: int) -> bool:
        """Whether the concept is shown after a step."""
        return False

    def draw(self, base: Base, tokens: ConceptTokens, step: int) -> None:
        """Show the concept as it is after a step."""


class RunFolder(NoFolder):
    """The folder that a config names."""

    def __init__(
        self,
        settings: RunConfig,
        *,
        first_process: bool = True,
        keep_files: bool = True,
        show_drawings: bool = True,
    ):
        """
        Args:
            settings: The config.
            first_process: Whether this process writes files and speaks; the others do neither.
            keep_files: Whether there is a folder. Without one the run is only checked and named.
            show_drawings: Whether the config's prompts are drawn on the way.
        """
        self.settings, self.path = settings, settings.folder
        self.first_process, self.keep_files = first_process, keep_files
        self.writes = first_process and keep_files
        self.shows = (
            show_drawings and self.writes and bool(settings.prompts and settings.show_every)
        )
        self.total = settings.method.total_steps
        self.checkpoints = self.path / "checkpoints"
        self.board = None

    # ---- before the first step -------------------------------------------------------------------

    def find(self, base: Base, concept: Concept) -> Checkpoint | None:
        # takes the base's fingerprint, before an engine shards its weights
        self.identity = identity(self.settings, base, concept)
        self.signature = self.signature_before = signature(self.identity, self.total)
        saved = None
        if self.keep_files:
            saved = find_checkpoint(
                self.settings, self.checkpoints, self.identity, tell=self.first_process
            )
        if saved:
            self.signature_before = signature(self.identity, saved.total)
        return saved

    def check(self, base: Base, concept: Concept, prepared: Prepared) -> None:
        s = self.settings
        draws = base.can_draw and s.method.prompts.generation is not None
        self.shows = self.shows and draws
        prompts = s.prompts if draws else ()
        prepared.lengths.check_config(list(map(s.named, s.questions)), list(map(s.named, prompts)))
        for line in (*prepared.warnings, *self._replaced(concept)) if self.first_process else ():
            logging.getLogger(__name__).warning("%s", line)

    def _replaced(self, concept: Concept) -> list[str]:
        """A line where the concept file will take the place of another run's on the same
        pictures.
        """
        path = concept_file.path_of(concept.name, self.settings.concepts)
        if not self.writes or self.settings.replace or not path.is_file():
            return []
        header = concept_file.read_header(path)
        if header.get("run") in (self.signature, self.signature_before):
            return []
        learned = f"method '{header['method']}', seed {header['seed']}"
        return [
            f"{path}: learned from the same pictures by another run ({learned}). This one's takes"
            " its place at the end."
        ]

    def begin(self, first_step: int) -> None:
        """Keep the resolved config, and of an earlier log only the steps that are not done
        again.
        """
        if not self.writes:
            return
        from torch.utils.tensorboard import SummaryWriter  # takes a second

        make_folder(self.path)
        self.board = SummaryWriter(str(self.path / "tensorboard"))
        write_aside(self.path / "config.yaml", config.to_yaml(self.settings).encode())
        log = self.path / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() and first_step else []
        whole = [line for line in lines if line.endswith("}")]  # a crash may have cut the last one
        kept = [line for line in whole if json.loads(line)["step"] <= first_step]
        write_aside(log, "".join(line + "\n" for line in kept).encode())

    # ---- after each step -------------------------------------------------------------------------

    def record(self, progress: Progress, seconds: float) -> None:
        """Add a line to the log."""
        if not self.writes:
            return
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "lr": progress.lr,
            "stage": progress.stage,
            "seconds": round(seconds, 3),
        }
        with open(self.path / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        self.board.add_scalar("loss", progress.loss, progress.step)

    def saves_at(self, step: int) -> bool:
        return step % self.settings.save_every == 0 or step == self.total

    def save(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        if self.writes:
            kept = Checkpoint(step, self.total, self.identity, dict(tensors))
            checkpoint.save(kept, self.checkpoints)

    def draws_at(self, step: int) -> bool:
        return self.shows and step % self.settings.show_every == 0 and step < self.total

    def draw(self, base: Base, tokens: ConceptTokens, step: int) -> None:
        """A grid of the config's prompts."""
        s = self.settings
        drawn = with_tokens(base, tokens).draw(list(map(s.named, s.prompts)), s.drawing)
        path = self.path / "pictures" / f"step-{step:06d}.png"
        make_folder(path.parent)
        grid(drawn, columns=len(drawn)).save(path)
