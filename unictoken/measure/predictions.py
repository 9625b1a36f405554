"""Every prediction with its score, one JSON line each: scores can be computed again from them, and
a benchmark that was stopped can be resumed.

    {"run": "3f2a...", "row": 1, "rows": 160, "concept": "bo", "method": "joint", "task": "vqa",
     "question": ..., "expected": ..., "given": ..., "score": 1.0, "picture": "bo/0.png"}

A concept and method are measured together and appended together: `rows` lines, of which this is
number `row`. What a crash left of them is dropped when the file is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from unictoken.core.disk import make_folder, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import check_file


class PredictionsError(UserError):
    """A file of predictions that cannot be read or resumed: where, what was found, what to do."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One question that was asked, or one picture that was drawn."""

    concept: str
    method: str
    task: str
    question: str
    """Or the prompt."""
    expected: str
    given: str
    """The model's answer; for a drawing, what the judge read in it."""
    score: float | None
    """None: could not be scored (a verdict that nobody can read). Never counted as zero."""
    picture: str | None = None
    """Path of the picture that was asked about or drawn: from the dataset's folder, or from the
    run's.
    """


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
        if self.path.exists() and self.path.stat().st_size != len(whole):
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


def append(path: Path, text: str) -> None:
    """Add whole lines to a file, in place of what a crash left of its last one; on return they are
    on the disk.
    """
    make_folder(path.parent)
    with open(path, "ab") as file:
        # a line that a crash cut short would swallow the first new one
        file.truncate(sum(len(line) + 1 for line in whole_lines(path)))
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())  # measuring a concept takes minutes: it must survive a power cut


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, without a last one that has no end; [] where there is no file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def read(path: str | Path) -> list[Prediction]:
    """The predictions of a file of any run, for recounting; the file stays as it is."""
    check_file(Path(path), PredictionsError, "predictions that eval/run.py wrote")
    return [
        line.prediction for group in _whole_groups(_parsed(Path(path))).values() for line in group
    ]


def _parsed(path: Path) -> list[_Line]:
    return [_parse(line, f"{path}:{number}") for number, line in enumerate(whole_lines(path), 1)]


def _parse(line: bytes, where: str) -> _Line:
    try:
        values = json.loads(line)
        own = {field.name: values[field.name] for field in fields(Prediction)}
        return _Line(Prediction(**own), values["run"], values["row"], values["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise PredictionsError(
            f"{where}: not a prediction ({type(error).__name__}: {error}). Remove the line, or the"
            " file."
        ) from None


def _whole_groups(lines: Iterable[_Line]) -> dict[tuple[str, str], list[_Line]]:
    """Lines by concept and method, where every row is there."""
    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault(line.group, []).append(line)
    return {
        key: group
        for key, group in groups.items()
        if [line.row for line in group] == list(range(1, group[0].rows + 1))
    }
