"""Learnings that were begun on the page: one at a time, the others wait.

runs/rex/  given/0.jpg ... info.json       what was dropped on the page
           config.yaml  log.jsonl  checkpoints/  pictures/  report.md ...    as of every run
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unictoken.api import chosen_method
from unictoken.app.turn import Turn
from unictoken.core import config
from unictoken.core.disk import (
    check_folder,
    folder_aside,
    is_file,
    is_folder,
    make_folder,
    real_path,
)
from unictoken.core.errors import Stopped, UserError
from unictoken.core.pictures import check_picture
from unictoken.core.progress import bars
from unictoken.core.reading import read_bytes, read_json_lines, read_text
from unictoken.core.text import markers
from unictoken.data.concept import Concept
from unictoken.data.kinds import SaidKind
from unictoken.data.source import read_concept
from unictoken.learn.folder import held
from unictoken.learn.run import run
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.learn.stages import Progress
from unictoken.measure.report import check_report, finish
from unictoken.model.malloc import keeping_freed_memory
from unictoken.model.protocol import Base
from unictoken.serve.refusal import told
from unictoken.tokens.file import check_name

Phase = Literal["waiting", "preparing", "learning", "measuring", "done", "stopped", "failed"]
# A run of these phases has not ended.
GOING = ("waiting", "preparing", "learning", "measuring")
# no name of a run's own files
GIVEN = "given"
# Drawing takes as long as some steps: not after each.
SHOWN = 5  # times that drawings are made on the way
MOST_PICTURES, MOST_FACTS = 50, 100
MOST_BYTES = 64 * 2**20  # of one picture file


class AppError(UserError):
    """What the page cannot do: where, what was found, what was expected."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A concept that is to be learned, as the form says it."""

    name: str
    class_noun: str
    pictures: tuple[Path, ...]
    others: tuple[Path, ...] = ()
    """Pictures that show somebody else."""
    facts: tuple[str, ...] = ()
    consent: bool = False
    kind: SaidKind | None = None
    method: str = "joint"
    steps: int | None = None
    """Of the method's last stage; None: as the method says."""
    seed: int = 0
    overwrite: bool = False
    """Whether a concept of this name that was learned from other pictures may go."""


@dataclass(frozen=True, kw_only=True)
class State:
    """How a run stands."""

    name: str
    phase: Phase
    total: int
    """Steps of all stages."""
    losses: tuple[tuple[int, float], ...] = ()
    """Of each step that is done, by its number."""
    line: str = ""
    """Why it ended, where that is not said by the phase."""

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.losses[-1][0] if self.losses else 0

    @property
    def going(self) -> bool:
        """Whether it is on its way, or waits for its turn."""
        return self.phase in GOING


@dataclass(eq=False)
class _Run:
    """A run and what is known of it, in the thread that learns and in those that look."""

    settings: RunConfig
    concept: Concept
    state: State
    stop: threading.Event = field(default_factory=threading.Event)


class Runs:
    """Learns what is put into its queue, in a thread of its own.

    Args:
        base: What is learned on.
        concepts: The folder where concept files go.
        folder: Where the runs are kept.
        turn: Is held while the base is used, but for the moment between two steps.
    """

    def __init__(self, base: Base, concepts: Path, folder: Path, turn: Turn):
        check_folder(folder, AppError, where="--runs")
        make_folder(folder)
        # Paths of a run's config.yaml are relative to that file, if they are not absolute.
        self.base, self.folder, self.turn = base, real_path(folder), turn
        self.concepts = real_path(concepts)
        # Read once: runs of other programs that end later are not looked for.
        self._older = {state.name: state for state in _left_in(self.folder)}
        self._runs: dict[str, _Run] = {}
        self._queue: deque[_Run] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="unictoken-learn", daemon=True)

    # ---- what the page asks ----------------------------------------------------------------------

    def begin(self, wanted: Wanted) -> State:
        """Put a concept into the queue; what is wrong with it is said at once."""
        check_name(wanted.name)
        # Its folder belongs to one run at a time.
        self._check_free(wanted.name)
        for what, pictures in (("pictures", wanted.pictures), ("others", wanted.others)):
            if len(pictures) > MOST_PICTURES:
                raise AppError(
                    f"{what}: found {len(pictures)}, expected at most {MOST_PICTURES}. Give fewer."
                )
        if not wanted.pictures:
            raise AppError("pictures: found none, expected three to five. Drop them first.")
        for picture in (*wanted.pictures, *wanted.others):
            check_picture(picture)

        # First where they are now: an earlier run's pictures go only when all is well.
        self._concept(wanted, wanted.pictures, wanted.others, wanted.facts)
        place = self._keep_given(wanted)
        settings, concept = self._concept(wanted, [place])
        return self._queued(settings, concept)

    def go_on(self, name: str) -> State:
        """Continue a run where it was stopped, also one from before a restart of the program."""
        self._check_free(name)
        if known := self._runs.get(name):
            return self._queued(replace(known.settings, resume="auto"), known.concept)
        place = self.folder / check_name(name) / "config.yaml"
        if not is_file(place):
            raise AppError(f"run '{name}': there is none. Learn it first.")
        # As it was kept, whatever the form says now.
        settings = config.load(RunConfig, place)
        return self._queued(replace(settings, resume="auto"), concept_of(settings))

    def stop(self, name: str) -> State:
        """Ask a run to save itself and leave after its step."""
        known = self._runs.get(name)
        if known is None or not known.state.going:
            raise AppError(f"run '{name}': is not going on. Start it first.")
        # Asked after each step; before the first one nothing is to be saved.
        known.stop.set()
        with self._changed:
            # What waits has nothing to save, and ends here.
            if known in self._queue:
                self._queue.remove(known)
                self._note(known, phase="stopped", line="It had not begun.")
        return known.state

    def state(self, name: str) -> State | None:
        """How a run stands; None where nothing is known of it."""
        if known := self._runs.get(name):
            return known.state
        return self._older.get(name)

    def names(self) -> tuple[str, ...]:
        """Of the runs since the program was started, and of those that can go on; the newest last."""
        return tuple(dict.fromkeys((*self._older, *self._runs)))

    def given(self, name: str) -> Concept | None:
        """What a concept was learned from, where its pictures were dropped on this page."""
        place = self.folder / check_name(name) / GIVEN
        if not is_folder(place):
            return None
        # The owner was asked for consent when it was learned.
        return read_concept(str(place), name=name, consent=True)

    def drawings(self, name: str) -> list[Path]:
        """Sheets that it drew while it learned, the newest last."""
        return sorted((self.folder / check_name(name) / "pictures").glob("step-*.png"))

    def report(self, name: str) -> tuple[Path | None, str]:
        """The labelled sheet of pictures and drawings, and the report without its pictures."""
        place = self.folder / check_name(name)
        file = place / "report.md"
        if not is_file(file):
            return None, ""
        sheet = place / "contact-sheet.png"
        text = without_pictures(read_text(file, AppError, "a report"))
        return (sheet if is_file(sheet) else None), text

    # ---- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Have the run that is going on save itself, and begin no other."""
        with self._changed:
            self._ended = True
            # What waits can be begun again; its pictures are kept.
            self._queue.clear()
            for known in self._runs.values():
                known.stop.set()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._ended)
                # Not after the queue: a run that begins now would be cut off.
                if self._ended:
                    return
                known = self._queue.popleft()
            with bars(shown=False):  # the page shows one
                self._learn(known)

    def _learn(self, known: _Run) -> None:
        """One run, with its report; whatever goes wrong is a line of its state."""
        base, settings, concept = self.base, known.settings, known.concept
        self._note(known, phase="preparing")
        try:
            with held(settings, concept), keeping_freed_memory(), self.turn:
                # As the command line does: before minutes of learning, not after them.
                check_report(base, settings, concept)
                learned = run(
                    base,
                    settings,
                    concept=concept,
                    show=lambda progress: self._show(known, progress),
                    stop_asked=known.stop.is_set,
                )
                self._note(known, phase="measuring")
                finish(base, settings, learned)
            self._note(known, phase="done")
        except Stopped:
            self._note(known, phase="stopped")
        except Exception as error:
            self._note(known, phase="failed", line=str(told(error)))

    def _show(self, known: _Run, progress: Progress) -> None:
        losses = known.state.losses
        if not losses and progress.step > 1:
            losses = _losses_before(progress.step, known.settings.folder)
        # A run that goes on does the steps after its last checkpoint again.
        losses = tuple(pair for pair in losses if pair[0] < progress.step)
        losses += ((progress.step, progress.loss),)
        self._note(known, phase="learning", losses=losses)
        self.turn.let_others()

    def _note(self, known: _Run, **changes: Any) -> None:
        known.state = replace(known.state, **changes)

    # ---- a run's settings ------------------------------------------------------------------------

    def _check_free(self, name: str) -> None:
        known = self._runs.get(name)
        if known and known.state.going:
            raise AppError(f"run '{name}': is going on already. End it first, or wait.")

    def _queued(self, settings: RunConfig, concept: Concept) -> State:
        # The newest stands last, and is what pages show.
        before = self._runs.pop(concept.name, None)
        total = settings.method.total_steps
        losses = before.state.losses if before and before.concept is concept else ()
        state = State(name=concept.name, phase="waiting", total=total, losses=losses)
        known = _Run(settings, concept, state)
        with self._changed:
            self._runs[concept.name] = known
            self._queue.append(known)
            self._changed.notify()
        return known.state

    def _concept(
        self,
        wanted: Wanted,
        pictures: Sequence[Path],
        others: Sequence[Path] = (),
        facts: Sequence[str] = (),
    ) -> tuple[RunConfig, Concept]:
        """Settings of a run on these pictures, and its concept, checked.

        Args:
            wanted: What the form says of everything else.
            pictures: Files, or a folder that says the rest.
            others: Pictures of others, where no folder holds them.
            facts: Likewise.
        """
        method = chosen_method(wanted.method, steps=wanted.steps)
        concept = {
            "name": wanted.name,
            "class_noun": wanted.class_noun or None,
            "pictures": list(map(str, pictures)),
            "negatives": list(map(str, others)),
            "facts": list(facts),
            "consent": wanted.consent,
            "kind": wanted.kind,
        }
        asked = {
            "concept": concept,
            "base": self.base.name,
            "method": config.plain(method),
            "seed": wanted.seed,
            "replace": wanted.overwrite,
            "resume": "never" if wanted.overwrite else "auto",
            "out": str(self.folder / wanted.name),
            "concepts": str(self.concepts),
            "show_every": max(1, method.total_steps // SHOWN),
        }
        settings = config.build(RunConfig, asked, "learn")
        return settings, concept_of(settings)

    def _keep_given(self, wanted: Wanted) -> Path:
        """The pictures and facts as a concept's folder, which a run that goes on reads again."""
        place = self.folder / wanted.name / GIVEN
        # The form's own words, read again by a run that goes on.
        told_ = {"class": wanted.class_noun, "extra_info": list(wanted.facts)}
        with folder_aside(place) as aside:
            _copy(wanted.pictures, aside)
            if wanted.others:
                (aside / "negative_example").mkdir()
                _copy(wanted.others, aside / "negative_example")
            text = json.dumps(told_, indent=1, ensure_ascii=False)
            (aside / "info.json").write_text(text, encoding="utf-8")
            # The last thing: a folder takes no other's name that holds something.
            shutil.rmtree(place, ignore_errors=True)
        return place


def name_of(said: str) -> str:
    """A concept's name as people write it, with its brackets or without.

    >>> name_of(" <rex>"), name_of("rex")
    ('rex', 'rex')
    """
    said = said.strip()
    named = markers(said)
    return named[0] if named and said == f"<{named[0]}>" else said


def _left_in(folder: Path) -> Iterator[State]:
    """Runs that an earlier run of the program left before their end."""
    for place in sorted(path.parent for path in folder.glob("*/config.yaml")):
        if is_file(place / "report.md") or not is_folder(place / GIVEN):
            continue
        with suppress(UserError):  # of another version, or of somebody else
            total = config.load(RunConfig, place / "config.yaml").method.total_steps
            losses = _losses_before(total + 1, place)
            yield State(name=place.name, phase="stopped", total=total, losses=losses)


def _copy(pictures: Sequence[Path], folder: Path) -> None:
    """Picture files under numbers: what their owner called them is nobody's business."""
    for i, picture in enumerate(pictures):
        data = read_bytes(picture, AppError, "a picture", most=MOST_BYTES)
        (folder / f"{i}{picture.suffix.lower()}").write_bytes(data)


def _losses_before(step: int, folder: Path) -> tuple[tuple[int, float], ...]:
    """The losses that an earlier run of the program noted; () where its log cannot be read."""
    with suppress(UserError, KeyError, TypeError):
        lines = read_json_lines(folder / "log.jsonl", AppError, "a log of steps")
        return tuple((line["step"], line["loss"]) for _, line in lines if line["step"] < step)
    return ()


_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")


def without_pictures(report: str) -> str:
    """A report's text, without its pictures and the lines that only announce one.

    >>> without_pictures("# <bo>\\n\\nThe pictures:\\n\\n![](a.png)\\n\\nwearing a hat\\n\\n![](b.png)")
    '# <bo>\\n\\nwearing a hat'
    """
    parts = report.split("\n\n")
    texts = [_PICTURE.sub("", part).strip() for part in parts]
    # A part that was a picture alone is empty now.
    kept = [
        text
        for text, after in zip(texts, [*texts[1:], "-"], strict=True)
        if text and not (text.endswith(":") and not after)
    ]
    return "\n\n".join(kept)


def facts_of(text: str, name: str) -> tuple[str, ...]:
    """Facts as people write them, one a line, each about '<name>'.

    >>> facts_of("<rex> has a red hat.\\n\\n he likes fish ", "rex")
    ('<rex> has a red hat.', 'he likes fish')
    """
    facts = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(facts) > MOST_FACTS:
        raise AppError(f"facts: found {len(facts)}, expected at most {MOST_FACTS}. Say fewer.")
    return facts
