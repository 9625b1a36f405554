"""LaMP (arXiv 2304.11406): one of its seven tasks, in a folder of its own.

    {train,dev,test}_questions.json   [{"id", "input", "profile": [{"id", ...}, ...]}, ...]
    {train,dev}_outputs.json          {"task": "LaMP_3", "golds": [{"id", "output"}, ...]}

Each question has a user of its own; where rows say `user_id`, those of one user share a profile.
Questions without an output (the test's are kept by its leaderboard) are counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unictoken.core import reading
from unictoken.core.disk import is_there
from unictoken.core.shapes import Fields, ListOf, OneOf, Text, check
from unictoken.data import lamp
from unictoken.data.item import Item
from unictoken.data.readers.examples import notes
from unictoken.data.readers.users import name_of, time_of, user_of
from unictoken.data.records import DataError, Dataset, Record, Split

LOOKS_FOR = "{train,dev,test}_questions.json"
SPLITS: dict[str, Split] = {"train": "train", "dev": "test", "test": "test"}
MOST = 2**31  # bytes of a file: each question repeats its user's profile
MOST_GROUPS = 2**25  # profile entries of all questions
_LONG = Text(2**20)  # letters: an article, an e-mail


class _Id:
    """A text or a whole number."""

    def see(self, value: Any) -> None:
        Text(200).see(str(value) if type(value) is int else value)


_ENTRY = Fields({"id": _Id()}, others=True)
_QUESTIONS = ListOf(
    Fields(
        {"id": _Id(), "input": Text(2**20, 1), "profile": ListOf(_ENTRY)},
        {"user_id": _Id()},
        others=True,
    ),
    said="a list of questions with their profiles",
)
_OUTPUTS = Fields(
    {
        "task": OneOf(tuple(lamp.TASKS)),
        "golds": ListOf(Fields({"id": _Id(), "output": _LONG}, others=True)),
    },
    others=True,
    said="a task and its outputs",
)


def fits(root: Path) -> bool:
    return any(is_there(root / f"{split}_questions.json") for split in SPLITS)


def read(root: Path) -> Dataset:
    left_out: Counter[str] = Counter()
    records: dict[str, list[Record]] = {}
    profiles: dict[str, tuple[Item, ...]] = {}
    for split in SPLITS:
        path = root / f"{split}_questions.json"
        if not is_there(path):
            continue
        for record, items in _asked(path, root / f"{split}_outputs.json", left_out):
            name = record.concepts[0]
            records.setdefault(name, []).append(record)
            # A user's questions may come with the profile of their own time: the longest has all.
            profiles[name] = max(items, profiles.get(name, ()), key=len)
    return Dataset(
        layout="lamp",
        root=root,
        concepts={name: user_of(name) for name in records},
        records={name: tuple(own) for name, own in records.items()},
        notes=notes(left_out),
        profiles=profiles,
    )


def _json(path: Path, shape: Any) -> Any:
    value = reading.read_json(path, DataError, most=MOST, groups=MOST_GROUPS)
    return check(value, shape, path, DataError)


def _asked(
    path: Path, outputs: Path, left_out: Counter[str]
) -> Iterator[tuple[Record, tuple[Item, ...]]]:
    """The questions of one split that have an output, each with its profile."""
    questions = _json(path, _QUESTIONS)
    if not is_there(outputs):
        left_out[f"{path.name}: no {outputs.name}, so that no answer is known"] += len(questions)
        return
    told = _json(outputs, _OUTPUTS)
    # Ids are texts in some tasks and numbers in others.
    task, golds = told["task"], {str(gold["id"]): gold["output"] for gold in told["golds"]}
    split = path.name.removesuffix("_questions.json")
    for i, row in enumerate(questions):
        where = f"{path}[{i}]"
        answer = golds.get(str(row["id"]), "").strip()
        if not answer:
            left_out[f"{path.name}: questions without an output in {outputs.name}"] += 1
            continue
        yield _record(row, task, answer, split, where), _profile(row, task, where)


def _record(row: dict, task: str, answer: str, split: str, where: str) -> Record:
    """One question.

    Args:
        row: As the file has it.
        task: 'LaMP_1' to 'LaMP_7'.
        answer: Its output.
        split: 'train', 'dev' or 'test', as the file is called.
        where: The row's place.
    """
    options = lamp.TASKS[task].labels
    if options and answer not in options:
        raise DataError(
            f"{where}: found the output {answer!r}, expected one of {', '.join(options)}. Mend it."
        )
    # Ids of rows are those of one split; a user may stand in several.
    said = row.get("user_id", f"{split}-{row['id']}")
    return Record(
        task="text_qa",
        split=SPLITS[split],
        concepts=(name_of(said, where),),
        where=where,
        question=row["input"],
        options=options,
        answer=answer,
        kind=task,
        labels={"id": str(row["id"])},
    )


def _profile(row: dict, task: str, where: str) -> tuple[Item, ...]:
    """A row's entries; one without the parts that its task quotes is a mistake."""
    keys = lamp.TASKS[task]
    items = []
    for i, entry in enumerate(row["profile"]):
        for key in filter(None, (keys.text, keys.label)):
            # A score may be a number.
            if not isinstance(entry.get(key), str | int | float):
                raise DataError(
                    f"{where}.profile[{i}]: found no text under '{key}', expected one: {task}"
                    " quotes it. Add it."
                )
        items.append(
            Item(
                text=str(entry[keys.text]),
                time=time_of(entry.get("date", "")),
                source=str(entry["id"]),
                label=str(entry[keys.label]) if keys.label else "",
            )
        )
    return tuple(items)
