"""Every prediction with its score, one JSON line each: scores can be computed again from them, and
a benchmark that was stopped can be resumed.

    {"run": "3f2a...", "row": 1, "rows": 160, "concept": "bo", "method": "joint", "task": "vqa",
     "question": ..., "expected": ..., "given": ..., "score": 1.0, "picture": "bo/0.png"}

A concept and method are measured together and appended together: `rows` lines, of which this is
number `row`. What a crash left of them is dropped when the file is opened again.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from unictoken.core.disk import is_file, make_folder, quoted, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import check_file, parse_json, read_json_lines, whole_lines
from unictoken.core.shapes import Fields, ListOf, Maybe, Number, Text, Whole, check
from unictoken.tasks.task import Prediction

ADVICE = "Remove the line, or the file."
EXPECTED = "predictions that eval/run.py wrote"
PALETTE = "palette"  # what the tasks begin with that keep a colour
COLOUR = ListOf(Number(-(10**6), 10**6), length=3)
_NAME = Text(200)
_INSIDE = re.compile(r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\0]*", re.DOTALL)
LINE = Fields(
    {
        "run": _NAME,
        "row": Whole(1),
        "rows": Whole(1),
        "concept": _NAME,
        "method": _NAME,
        "task": _NAME,
        "question": Text(),
        "expected": Text(),
        "given": Text(),
        "score": Maybe(Number(-(10**6), 10**6)),
        "picture": Maybe(Text(1000, pattern=_INSIDE, said="a path inside its folder")),
    },
    others=True,
    said="a prediction",
)


class PredictionsError(UserError):
    """A file of predictions that cannot be read or resumed: where, what was found, what to do."""


@dataclass(frozen=True)
class _Line:
    prediction: Prediction
    run: str
    row: int
    rows: int

    @property
    def group(self) -> tuple[str, str]:
        return self.prediction.concept, self.prediction.method

    def to_json(self) -> str:
        numbers = {"run": self.run, "row": self.row, "rows": self.rows}
        return (
            json.dumps({**numbers, **asdict(self.prediction)}, ensure_ascii=False, allow_nan=False)
            + "\n"
        )


class Predictions:
    """The predictions of one benchmark run, kept in a file.

        kept = Predictions("results/toy.jsonl", run="3f2a0c")
        if not kept.has("bo", "joint"):
            kept.add(measured)                # all of <bo> with joint
        kept.of("bo", "joint")

    `run` is a digest of whatever the numbers depend on (config, seed, base): a file of another run
    is refused. Opening it drops what a crash left half-written.
    """

    def __init__(self, path: str | Path, *, run: str):
        self.path = Path(path)
        self.run = run
        lines = _parsed(self.path)
        if strange := {line.run for line in lines} - {run}:
            raise PredictionsError(
                f"{self.path}: predictions of run {min(strange)}, this is run {run}. Choose another"
                " file, or remove it."
            )
        self._groups = _whole_groups(lines)
        whole = "".join(
            line.to_json() for group in self._groups.values() for line in group
        ).encode()
        # Only a file that a crash cut short is written again.
        if is_file(self.path) and self.path.stat().st_size != len(whole):
            write_aside(self.path, whole)

    def __iter__(self) -> Iterator[Prediction]:
        return (line.prediction for group in self._groups.values() for line in group)

    def has(self, concept: str, method: str) -> bool:
        """Whether everything of the two is there."""
        return (concept, method) in self._groups

    def of(self, concept: str, method: str) -> list[Prediction]:
        """What is there of the two; [] for none."""
        return [line.prediction for line in self._groups.get((concept, method), ())]

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Append every prediction of one concept and method."""
        lines = [_Line(p, self.run, i, len(predictions)) for i, p in enumerate(predictions, 1)]
        if len({line.group for line in lines}) != 1 or self.has(*lines[0].group):
            found = sorted({line.group for line in lines})
            raise PredictionsError(
                f"{self.path}: predictions of {found}; expected all of one concept and method that"
                " is not there yet."
            )
        append(self.path, "".join(line.to_json() for line in lines))
        self._groups[lines[0].group] = lines

    def take_over(self) -> None:
        """Add what other processes of this run, or of one that was stopped, left in files of their
        own (`beside`). These are removed.
        """
        for file in sorted(self.path.parent.glob(f"{glob.escape(self.path.name)}.*")):
            for group, lines in Predictions(file, run=self.run)._groups.items():
                if not self.has(*group):  # else a crash came after adding, before removing
                    self.add([line.prediction for line in lines])
            file.unlink()


def beside(path: Path, rank: int) -> Path:
    """The file of a process of that rank, where only the first one (0) writes into `path`."""
    return path.with_name(f"{path.name}.{rank}") if rank else path


def append(path: Path, text: str) -> None:
    """Add whole lines to a file, in place of what a crash left of its last one; on return they are
    on the disk.
    """
    make_folder(path.parent)
    with open(path, "ab") as file:
        # a line that a crash cut short would swallow the first new one
        file.truncate(sum(len(line) + 1 for line in whole_lines(path, PredictionsError)))
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())  # measuring a concept takes minutes: it must survive a power cut


def read(path: str | Path) -> list[Prediction]:
    """The predictions of a file of any run, for recounting; the file stays as it is."""
    check_file(Path(path), PredictionsError, EXPECTED)
    return [
        line.prediction for group in _whole_groups(_parsed(Path(path))).values() for line in group
    ]


def _parsed(path: Path) -> list[_Line]:
    return [
        _line_of(value, where) for where, value in read_json_lines(path, PredictionsError, EXPECTED)
    ]


def _line_of(value: Any, where: str) -> _Line:
    check(value, LINE, f"{where}: not a prediction", PredictionsError, advice=ADVICE)
    for key in ("given", "expected") if value["task"].startswith(PALETTE) else ():
        if not is_colour(value[key]):
            raise PredictionsError(
                f"{where}: {key}: found {quoted(value[key])}, expected a colour such as [12, 200,"
                f" 0]. {ADVICE}"
            )
    own = {field.name: value[field.name] for field in fields(Prediction)}
    return _Line(Prediction(**own), value["run"], value["row"], value["rows"])


def is_colour(said: str) -> bool:
    """Whether a text is a colour as predictions keep it: red, green and blue in brackets."""
    try:
        check(parse_json(said), COLOUR, "", PredictionsError)
    except ValueError:
        return False
    return True


def _whole_groups(lines: Iterable[_Line]) -> dict[tuple[str, str], list[_Line]]:
    """Lines by concept and method, where every row is there."""
    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault(line.group, []).append(line)
    return {
        key: group
        for key, group in groups.items()
        if len(group) == group[0].rows
        and all(line.row == number for number, line in enumerate(group, 1))
    }
