"""PersonaChat (arXiv 1801.07243), as ParlAI's text files or as one JSON file.

    {train,valid,test}_{none,self,other,both}[_original|_revised][_no_cands].txt

        1 your persona: i like dogs.
        2 your persona: i live in a city.
        3 hello , who are you ?<TAB>a fan of dogs .<TAB><TAB>first candidate|...|a fan of dogs .

    personachat_{self_original,...}.json
        {"train": [{"personality": [...],
                    "utterances": [{"history": [...], "candidates": [...]}]}], "valid": ...}

A file's line numbers begin again with each dialogue; the right reply is the last candidate of the
JSON form. Files of one split hold the same dialogues with other personas: their lines are items of
one profile, with 'original' or 'revised' as label and 'self' or 'other' as source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unictoken.core import reading
from unictoken.core.shapes import Fields, ListOf, MapOf, OneOf, Text, check
from unictoken.data.item import Item
from unictoken.data.readers.users import user_of
from unictoken.data.records import DataError, Dataset, Record, Split

LOOKS_FOR = "{train,valid,test}_{none,self_original,...}.txt or personachat_*.json"
SPLITS: dict[str, Split] = {"train": "train", "valid": "test", "test": "test"}
VERSIONS = ("original", "revised")
MOST = 2**29  # bytes of a file; the published JSON has 210 million
MOST_GROUPS = 2**23
_TEXTS = re.compile(
    r"(train|valid|test)_(none|self|other|both)(?:_(original|revised))?(_no_cands)?\.txt"
)
_WHOLE = re.compile(r"personachat\w*\.json")
_LINE = re.compile(r"(\d{1,6}) (.*)", re.DOTALL)
_PERSONAS = {"your persona: ": "self", "partner's persona: ": "other"}
_SAID = ListOf(Text(), 1000)
_JSON = MapOf(
    ListOf(
        Fields(
            {
                "personality": _SAID,
                "utterances": ListOf(Fields({"history": _SAID, "candidates": _SAID})),
            },
            others=True,
        )
    ),
    key=OneOf(tuple(SPLITS)),
    said="dialogues by split",
)


@dataclass
class _Dialogue:
    """One dialogue of a file: its persona, and its exchanges."""

    where: str
    persona: list[Item] = field(default_factory=list)
    asked: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = field(default_factory=list)
    """What was said before, the reply, and its candidates; () where there are none."""


def fits(root: Path) -> bool:
    return bool(_files(root))


def _files(root: Path) -> list[Path]:
    """The files, those with original personas and with candidates first."""
    found = [f for f in root.iterdir() if _TEXTS.fullmatch(f.name) or _WHOLE.fullmatch(f.name)]
    return sorted(found, key=lambda f: ("_no_cands" in f.name, "_none" in f.name, f.name))


def read(root: Path) -> Dataset:
    records: dict[str, tuple[Record, ...]] = {}
    profiles: dict[str, tuple[Item, ...]] = {}
    for file in _files(root):
        for split, dialogues in _dialogues(file):
            for number, dialogue in enumerate(dialogues):
                name = f"{split}-{number}"
                own = tuple(_records(dialogue, name, SPLITS[split]))
                _check_same(records.get(name), own, dialogue.where)
                # Files without candidates come last, and add their personas only.
                records.setdefault(name, own)
                known = profiles.get(name, ())
                new = [item for item in dialogue.persona if item not in known]
                profiles[name] = (*known, *new)
    return Dataset(
        layout="personachat",
        root=root,
        concepts={name: user_of(name) for name in records},
        records=records,
        profiles=profiles,
    )


def _check_same(known: Sequence[Record] | None, new: Sequence[Record], where: str) -> None:
    """Refuse another dialogue in the place of one that was read from another file."""
    if known is not None and [r.answer for r in known] != [r.answer for r in new]:
        before = known[0].where if known else "the same place of another file"
        raise DataError(
            f"{where}: found another dialogue than at {before}. Expected the same one with"
            " other personas; keep the files of one version of the dataset in a folder."
        )


def _records(dialogue: _Dialogue, name: str, split: Split) -> Iterator[Record]:
    for i, (before, reply, candidates) in enumerate(dialogue.asked):
        # A candidate that stands twice could not be told from itself.
        different = tuple(dict.fromkeys(c for c in candidates if c.strip()))
        yield Record(
            task="reply",
            split=split,
            concepts=(name,),
            where=f"{dialogue.where}, exchange {i}",
            question=before[-1],
            options=different if len(different) > 1 else (),
            answer=reply,
            history=before[:-1],
        )


def _dialogues(file: Path) -> list[tuple[str, list[_Dialogue]]]:
    """The dialogues of a file by split."""
    named = _TEXTS.fullmatch(file.name)
    if named:
        text = reading.read_text(file, DataError, "a text file", most=MOST)
        return [(named[1], _of_lines(text, file, named[3] or ""))]
    value = reading.read_json(file, DataError, most=MOST, groups=MOST_GROUPS)
    check(value, _JSON, file, DataError)
    return [
        (split, [_of_json(row, f"{file}: {split}[{i}]", file.name) for i, row in enumerate(rows)])
        for split, rows in value.items()
    ]


def _version(name: str) -> str:
    return next((version for version in VERSIONS if version in name), "")


def _of_json(row: dict, where: str, name: str) -> _Dialogue:
    made = _Dialogue(where)
    made.persona = [
        Item(text=text.strip(), source="other" if "other" in name else "self", label=_version(name))
        for text in row["personality"]
    ]
    for i, said in enumerate(row["utterances"]):
        if not said["history"] or not said["candidates"]:
            raise DataError(
                f"{where}.utterances[{i}]: found no history or no candidates, expected both."
            )
        candidates = tuple(said["candidates"])
        made.asked.append((tuple(said["history"]), candidates[-1], candidates))
    return made


def _of_lines(text: str, file: Path, version: str) -> list[_Dialogue]:
    """The dialogues of a text file.

    Args:
        text: All of it.
        file: For errors.
        version: 'original', 'revised' or ''.
    """
    made: list[_Dialogue] = []
    said: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        found = _LINE.fullmatch(line)
        if found is None or (not made and found[1] != "1"):
            raise DataError(
                f"{where}: found {line[:60]!r}, expected a number that counts a dialogue's lines"
                " from 1, a space and the text. Mend it."
            )
        # Nothing but the number tells where a dialogue begins.
        if found[1] == "1":
            made.append(_Dialogue(where))
            said = []
        begun = next((begin for begin in _PERSONAS if found[2].startswith(begin)), None)
        if begun:
            persona = found[2].removeprefix(begun).strip()
            made[-1].persona.append(Item(text=persona, source=_PERSONAS[begun], label=version))
            continue
        said = _exchange(found[2], made[-1], said, where)
    if not made:
        raise DataError(f"{file}: found no dialogue, expected lines such as '1 your persona: ...'.")
    return made


def _exchange(line: str, dialogue: _Dialogue, said: list[str], where: str) -> list[str]:
    """Adds a line's exchange to its dialogue; gives all that was said until then.

    Args:
        line: The line without its number.
        dialogue: What it belongs to.
        said: Before it.
        where: The line's place, for errors.
    """
    parts = line.split("\t")
    if len(parts) < 2 or not parts[0].strip() or not parts[1].strip():
        raise DataError(
            f"{where}: found {line[:60]!r}, expected an utterance, a tab and the reply to it. Mend"
            " it."
        )
    # Between the reply and the candidates stands a reward, which is empty.
    utterance, reply = parts[0].strip(), parts[1].strip()
    candidates = tuple(c.strip() for c in parts[3].split("|")) if len(parts) > 3 else ()
    if candidates and reply not in candidates:
        raise DataError(
            f"{where}: the reply {reply[:60]!r} is not among its candidates. Expected it there; mend"
            " the line."
        )
    before = (*said, utterance)
    dialogue.asked.append((before, reply, candidates))
    return [*before, reply]
