"""Questions about clips: some frames in one turn, in the order of time and in another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unictoken.data.clips import EXISTENCE, KINDS, OTHER, another_order
from unictoken.data.records import Record
from unictoken.scoring.texts import word_f1
from unictoken.tasks.answers import bleu, means_of, scored
from unictoken.tasks.task import Asked, Predicted, Prediction
from unictoken.tasks.trial import Trial

if TYPE_CHECKING:
    import torch

SHUFFLED = "_shuffled"  # what kinds of predictions end with whose frames are in another order
_ORDERS = ("", SHUFFLED)
_FREE = tuple(f"clip_{kind}{order}" for order in _ORDERS for kind in KINDS if kind != EXISTENCE)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """A record, and the frames of its clip in one order."""

    record: Record
    kind: str
    """What its prediction is called."""
    ids_FK: torch.Tensor


class Clip(Asked):
    """PVChat's questions (arXiv 2503.17069): is it there, how does it look, what does it do, where
    is it. `existence` is right at probability .5; other answers where they have the words of the
    expected one and no others. As these are sentences, char-BLEU and the F1 of words stand beside.

    Each is asked again with the frames in another order, as a control: what does not change then
    was not read from the order.
    """

    name = "clip"
    columns = (
        *(f"clip_{kind}{order}" for order in _ORDERS for kind in KINDS),
        # Hardly a sentence has exactly the expected words: without these the table says nothing.
        *(f"{kind}_f1" for kind in _FREE),
        *(f"{kind}_judged" for kind in _FREE),
    )

    def ask(self, trial: Trial) -> list[Prediction]:
        shown = [one for record in trial.records("clip") for one in _in_both_orders(record, trial)]
        made = []
        # Clips of one number of frames stand in one batch.
        for length in sorted({len(one.ids_FK) for one in shown}):
            of_it = [one for one in shown if len(one.ids_FK) == length]
            made += _existence(trial, [one for one in of_it if _is_about_existence(one.record)])
            made += _others(trial, [one for one in of_it if not _is_about_existence(one.record)])
        return made

    def score(self, made: Predicted) -> dict[str, float]:
        """char-BLEU and F1 of words of each kind of answers in free words."""
        return bleu(made, _FREE) | means_of(made, _FREE, "f1", word_f1)


def _in_both_orders(record: Record, trial: Trial) -> Iterator[_Shown]:
    """A record's clip in the order of time, and in another one where its frames differ."""
    kind = f"clip_{record.kind if record.kind in KINDS else OTHER}"
    ids_FK = trial.frames(record)
    yield _Shown(record=record, kind=kind, ids_FK=ids_FK)
    # One order for all questions about a clip, the same wherever the dataset lies.
    place = record.pictures[0].relative_to(trial.subject.root).as_posix()
    rng = np.random.default_rng([trial.seed, *place.encode()])
    if order := another_order(ids_FK.tolist(), rng):
        yield _Shown(record=record, kind=f"{kind}{SHUFFLED}", ids_FK=ids_FK[list(order)])


def _is_about_existence(record: Record) -> bool:
    return record.kind == EXISTENCE


def _asked(shown: Sequence[_Shown]) -> tuple[list[str], list[Record], list[torch.Tensor]]:
    """Questions, records and clips as a trial takes them."""
    records = [one.record for one in shown]
    return [r.question for r in records], records, [one.ids_FK for one in shown]


def _existence(trial: Trial, shown: Sequence[_Shown]) -> list[Prediction]:
    """Yes or no at probability .5."""
    said = trial.agreed(*_asked(shown))
    return [
        trial.yes_no_prediction(one.kind, one.record, p) for one, p in zip(shown, said, strict=True)
    ]


def _others(trial: Trial, shown: Sequence[_Shown]) -> list[Prediction]:
    """Answers in free words."""
    said = trial.answers(*_asked(shown))
    return [
        prediction
        for one, given in zip(shown, said, strict=True)
        for prediction in scored(trial, one.kind, one.record, given)
    ]
