"""FoCus (arXiv 2112.08619): dialogues about landmarks, with a persona and knowledge for each turn.

    {train,valid,test}_focus.json, or any *focus*.json of this form
        {"data": [{"dialogID", "persona": [five sentences], "knowledge": [...], "utterance": [
            {"dialogue1": [said, ..., reply], "persona_grounding": [true or false, five times],
             "knowledge_candidates": [ten texts], "knowledge_answer_index": 3, ...}, ...]}]}

Each turn is two records: the reply (`uses`: the sentences of the persona that it is grounded in),
and the choice of its knowledge among the candidates (kind 'knowledge').
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unictoken.core import reading
from unictoken.core.shapes import Fields, Flag, ListOf, Text, Whole, check
from unictoken.data.item import Item
from unictoken.data.readers.users import lines, name_of, user_of
from unictoken.data.records import DataError, Dataset, Record, Split

LOOKS_FOR = "*focus*.json"
MOST = 2**30  # bytes; the published train file has 190 million
MOST_GROUPS = 2**24
KNOWLEDGE = "knowledge"  # the kind of records that ask for it
_SAID = ListOf(Text(), 10_000)
_TURN = re.compile(r"dialogue\d+")
_FILE = Fields(
    {
        "data": ListOf(
            Fields(
                {
                    "dialogID": Text(200),
                    "persona": _SAID,
                    "utterance": ListOf(
                        Fields(
                            {
                                "persona_grounding": ListOf(Flag(), 100),
                                "knowledge_candidates": _SAID,
                                "knowledge_answer_index": Whole(),
                            },
                            others=True,
                        )
                    ),
                },
                others=True,
            )
        )
    },
    others=True,
    said="FoCus's dialogues under 'data'",
)


def fits(root: Path) -> bool:
    return bool(_files(root))


def _files(root: Path) -> list[Path]:
    return sorted(f for f in root.glob("*.json") if "focus" in f.name.lower())


def read(root: Path) -> Dataset:
    records: dict[str, tuple[Record, ...]] = {}
    profiles: dict[str, tuple[Item, ...]] = {}
    for file in _files(root):
        value = reading.read_json(file, DataError, most=MOST, groups=MOST_GROUPS)
        check(value, _FILE, file, DataError)
        # The valid and the test file are both asked about.
        split: Split = "train" if file.name.startswith("train") else "test"
        for i, dialogue in enumerate(value["data"]):
            where = f"{file}: data[{i}]"
            name = name_of(dialogue["dialogID"], where, prefix=f"{file.stem[:5].lower()}-")
            # Two dialogues under one name would be counted as one user.
            if name in records:
                raise DataError(f"{where}: the dialogID {name!r} is there twice. Keep one.")
            records[name] = tuple(_records(dialogue, name, split, where))
            profiles[name] = lines(dialogue["persona"], source=dialogue["dialogID"])
    return Dataset(
        layout="focus",
        root=root,
        concepts={name: user_of(name) for name in records},
        records=records,
        profiles=profiles,
    )


def _records(dialogue: dict, name: str, split: Split, where: str) -> Iterator[Record]:
    """The two records of each turn.

    Args:
        dialogue: As the file has it.
        name: The concept's.
        split: Of the file.
        where: The dialogue's place.
    """
    for i, turn in enumerate(dialogue["utterance"]):
        place = f"{where}.utterance[{i}]"
        said = _said(turn, place)
        at, candidates = turn["knowledge_answer_index"], turn["knowledge_candidates"]
        # Python would take -1 for the last one; `Whole` has refused that.
        if at >= len(candidates):
            raise DataError(
                f"{place}: found knowledge_answer_index {at}, expected one below"
                f" {len(candidates)}, the number of candidates. Mend it."
            )
        # Some published turns have more flags than the persona has sentences.
        grounding = turn["persona_grounding"][: len(dialogue["persona"])]
        asked = {"split": split, "concepts": (name,), "where": place, "question": said[-2]}
        yield Record(
            task="reply",
            answer=said[-1],
            history=tuple(said[:-2]),
            uses=tuple(k for k, used in enumerate(grounding) if used),
            **asked,
        )
        # The same text twice could not be told apart: once is enough.
        options = tuple(dict.fromkeys(text for text in candidates if text.strip()))
        if len(options) > 1:
            yield Record(
                task="text_qa",
                answer=candidates[at],
                options=options,
                history=tuple(said[:-2]),
                kind=KNOWLEDGE,
                **asked,
            )


def _said(turn: dict, where: str) -> list[str]:
    """Everything that was said until a turn's reply, which is the last."""
    # 'dialogue1' in the first turn, 'dialogue2' in the second.
    key = next((key for key in turn if _TURN.fullmatch(key)), None)
    said = check(turn.get(key), _SAID, f"{where}.{key or 'dialogue1'}", DataError)
    if len(said) < 2:
        raise DataError(f"{where}.{key}: found {len(said)} texts, expected a question and a reply.")
    return said
