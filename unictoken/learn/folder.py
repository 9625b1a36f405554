"""The folder of a run: what is kept of it while it learns.

    config.yaml  log.jsonl  tensorboard/  checkpoints/  pictures/step-000100.png
    tree.json  tree.png (what was drawn from the concept's tree, where the method asks for some)
    .unictoken-run.json (manifest.py)  .lock (while a run is here)

The report adds its own files at the end (`measure/report.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.disk import is_file, quoted, sweep, write_aside
from unictoken.core.lock import hold
from unictoken.core.pictures import write_picture
from unictoken.core.reading import whole_lines
from unictoken.data.concept import Concept
from unictoken.learn import checkpoint, manifest
from unictoken.learn.checkpoint import Checkpoint
from unictoken.learn.from_tree import Drawn
from unictoken.learn.prepare import Prepared
from unictoken.learn.resume import find_checkpoint, identity, signature
from unictoken.learn.settings import RunConfig, check_written
from unictoken.learn.stages import Progress
from unictoken.model.pixels import grid
from unictoken.model.protocol import Base
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

LOCK = ".lock"
PNG_END = b"IEND\xaeB`\x82"


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

    def lacks_drawing(self, step: int) -> bool:
        """Whether the run was left after a step before the concept was shown."""
        return False

    def draw(self, base: Base, tokens: ConceptTokens, step: int) -> None:
        """Show the concept as it is after a step."""


@contextmanager
def held(settings: RunConfig, concept: Concept) -> Iterator[None]:
    """Hold the run folder and the place of the concept file, and refuse what would lose others'
    files. Of several processes, the first one does.
    """
    folder, path = settings.folder, concept_file.path_of(concept.name, settings.concepts)
    of_run = hold(folder / LOCK, str(folder), instead="Or choose another `out:`")
    of_concept = hold(
        path.with_name(f".{concept.name}{LOCK}"),
        str(path),
        instead="Or choose another name, or another folder (`concepts`)",
    )
    with of_run, of_concept:
        check_written(settings, concept)  # again: a run that has just ended may have written it
        manifest.Manifest(folder).check(len(settings.prompts))
        for place in (folder, folder / "checkpoints", folder / "pictures"):
            sweep(place)
        yield


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
        self.drawn: Drawn | None = None

    # ---- before the first step -------------------------------------------------------------------

    def find(self, base: Base, concept: Concept) -> Checkpoint | None:
        if self.writes:
            manifest.Manifest(self.path).check(len(self.settings.prompts))
        # takes the base's fingerprint, before an engine shards its weights
        self.identity = identity(self.settings, base, concept)
        self.signature = self.signature_before = signature(self.identity, self.total)
        if self.writes and not self.settings.replace:
            self._check_same_base(base, concept)
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
        self.dtype = prepared.learner.dtype
        self.base, self.drawn = base, prepared.drawn
        draws = base.can_draw and s.method.prompts.generation is not None
        self.shows = self.shows and draws
        prompts = s.prompts if draws else ()
        prepared.lengths.check_config(list(map(s.named, s.questions)), list(map(s.named, prompts)))
        for line in (*prepared.warnings, *self._replaced(concept)) if self.first_process else ():
            logging.getLogger(__name__).warning("%s", line)

    def _check_same_base(self, base: Base, concept: Concept) -> None:
        """Refuse to lose what was learned on another base."""
        path = concept_file.path_of(concept.name, self.settings.concepts)
        if not is_file(path):
            return
        header = concept_file.read_header(path)
        if not concept_file.is_of_base(header["base_fingerprint"], base):
            raise ConfigError(
                f"{path}: holds a concept <{concept.name}> of base {quoted(header['base'])}, and"
                f" this run would put one of '{base.name}', which is another base, in its place."
                " Choose another name or another folder (`concepts`), or let it go with"
                " `--replace` (in a config `replace: true`)."
            )

    def _replaced(self, concept: Concept) -> list[str]:
        """A line where the concept file will take the place of another run's on the same
        pictures.
        """
        path = concept_file.path_of(concept.name, self.settings.concepts)
        if not self.writes or self.settings.replace or not is_file(path):
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
        from unictoken.learn.board import board_of  # takes half a second

        manifest.Manifest(self.path).note_run(len(self.settings.prompts))
        self.begun = _state_of(self.path / manifest.FILE)
        settings = config.plain(self.settings)
        name = self.settings.concept.name
        self.board = board_of(self.settings.board, self.path, name, settings)
        write_aside(self.path / "config.yaml", config.to_yaml(self.settings).encode())
        if self.drawn:
            write_aside(self.path / "tree.json", (self.drawn.to_json() + "\n").encode())
            write_picture(self.drawn.shown(self.base), self.path / "tree.png")
        log = self.path / "log.jsonl"
        lines = whole_lines(log, ConfigError, "a log of steps") if first_step else []
        kept = [line for line in lines if 0 < _step_of(line) <= first_step]
        write_aside(log, b"".join(line + b"\n" for line in kept))

    # ---- after each step -------------------------------------------------------------------------

    def record(self, progress: Progress, seconds: float) -> None:
        """Add a line to the log."""
        if not self.writes:
            return
        self._check_there()
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "lr": progress.lr,
            "stage": progress.stage,
            "seconds": round(seconds, 3),
            "dtype": self.dtype,
        }
        if progress.reward is not None:
            line["reward"] = round(progress.reward, 4)
        with open(self.path / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        self.board.add(progress)
        # Of several runs in one process (`--each`) each is finished before the next begins.
        if progress.step == self.total:
            self.board.close()

    def saves_at(self, step: int) -> bool:
        return step % self.settings.save_every == 0 or step == self.total

    def save(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        if self.writes:
            self._check_there()
            kept = Checkpoint(step, self.total, self.identity, dict(tensors))
            checkpoint.save(kept, self.checkpoints)

    def draws_at(self, step: int) -> bool:
        return self.shows and step % self.settings.show_every == 0 and step < self.total

    def lacks_drawing(self, step: int) -> bool:
        if not step or not self.draws_at(step):
            return False
        place = self._drawing(step)
        # Versions before wrote it in place, so that a kill could cut it.
        return not is_file(place) or not place.read_bytes().endswith(PNG_END)

    def _drawing(self, step: int) -> Path:
        return self.path / "pictures" / f"step-{step:06d}.png"

    def draw(self, base: Base, tokens: ConceptTokens, step: int) -> None:
        """A grid of the config's prompts."""
        self._check_there()
        s = self.settings
        drawn = with_tokens(base, tokens).draw(list(map(s.named, s.prompts)), s.drawing)
        write_picture(grid(drawn, columns=len(drawn)), self._drawing(step))

    def _check_there(self) -> None:
        """Refuse to go on in a folder that was removed under the run."""
        if _state_of(self.path / manifest.FILE) != self.begun:
            raise ConfigError(
                f"out: {self.path}: was removed or replaced while the run was writing into it."
                " Nothing of this step is kept; start the run again."
            )


def _state_of(file: Path) -> tuple[int, int, int] | None:
    """What tells a file from another of its name; None where there is none."""
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _step_of(line: bytes) -> int:
    """The step of a line of the log; 0 for what a crash or a power cut left in its place."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return step if type(step) is int else 0
