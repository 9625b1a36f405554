"""Questions and answers, in all the forms that released files give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unictoken.core.disk import quoted
from unictoken.core.pictures import PICTURE_ENDINGS
from unictoken.data.readers.files import expect, shortly
from unictoken.data.records import DataError

QUESTION = ("query", "question", "Human")
ANSWER = ("answer", "AI", "correct_answer")
OPTIONS = ("options", "option")
ASKS, ANSWERS = ("human", "user"), ("gpt", "assistant", "model", "bot")  # in a turn's 'from'
LETTERS = "ABCDEFGH"
_OPTION = re.compile(rf"(?:^|[\s(])([{LETTERS}])[.):]\s*")
_LETTER = re.compile(rf"\(?([{LETTERS}])(?:[.):].*)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question as a file has it."""

    where: str
    """The row's place in its file."""
    image: str = ""
    """As the file says it; '': none."""
    question: str
    answer: str
    options: dict[str, str] = field(default_factory=dict)
    """Texts by letter."""
    type: str = ""


def rows_in(value: object, where: str) -> Iterator[Row]:
    """The rows of a file's value, or of a part of it, in any of the released forms.

    [{"image", "type", "conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}]}, ...]
    {"0.png": [{"query", "answer"}, ...], ...}        or {"Human", "AI"}, or [question, answer], or one instead of a list
    {"0": {"question", "options": {"A": ..., "B": ...}, "correct_answer": "A"}, ...}
    [{"question", "answer"}, ...]
    """
    if isinstance(value, dict):
        for key, rows in value.items():
            image = key if is_picture(key) else ""
            for i, row in enumerate(rows if isinstance(rows, list) else [rows]):
                yield _pair(
                    row,
                    f"{where}[{key}][{i}]" if isinstance(rows, list) else f"{where}[{key}]",
                    image=image,
                )
        return
    for i, row in enumerate(
        expect(value, list, where, "a list of rows, or a mapping of pictures to rows")
    ):
        if isinstance(row, dict) and "conversations" in row:
            yield from _turns(row, f"{where}[{i}]")
        else:
            yield _pair(row, f"{where}[{i}]", image=_optional(row, "image", f"{where}[{i}]"))


def is_picture(key: str) -> bool:
    """Whether a key names a picture file."""
    return key.lower().endswith(PICTURE_ENDINGS)


def _turns(row: dict, where: str) -> Iterator[Row]:
    """Each question and answer of a row's conversation."""
    turns = expect(row["conversations"], list, f"{where}.conversations", "a list of {'value': ...}")
    if not turns or len(turns) % 2:
        raise DataError(
            f"{where}.conversations: found {len(turns)} turns, expected questions and answers in"
            " turn."
        )
    for i, turn in enumerate(turns):
        # Only the other side's role is refused: some files give none, or one of their own.
        if isinstance(turn, dict) and turn.get("from") in (ASKS, ANSWERS)[1 - i % 2]:
            raise DataError(
                f"{where}.conversations[{i}]: found it from {turn['from']!r}, expected"
                f" {'an answer' if i % 2 else 'a question'} there."
            )
    said = [_text(turn, "value", f"{where}.conversations[{i}]") for i, turn in enumerate(turns)]
    for question, answer in zip(said[::2], said[1::2], strict=True):
        yield Row(
            where=where,
            image=_optional(row, "image", where),
            question=question,
            answer=answer,
            type=_optional(row, "type", where),
        )


def _pair(row: Any, where: str, *, image: str) -> Row:
    """A question and its answer, in whatever words their keys are."""
    if isinstance(row, list) and len(row) == 2 and all(isinstance(text, str) for text in row):
        return Row(where=where, image=image, question=row[0], answer=row[1])
    expect(row, dict, where, "a question and its answer")
    options = next((row[key] for key in OPTIONS if key in row), {})
    if isinstance(options, list):
        if len(options) > len(LETTERS):
            raise DataError(
                f"{where}.options: found {len(options)}, expected at most {len(LETTERS)}."
            )
        options = dict(zip(LETTERS, options, strict=False))
    expect(options, dict, f"{where}.options", "texts by letter")
    texts = {letter: _text(options, letter, f"{where}.options") for letter in options}
    return Row(
        where=where,
        image=image,
        question=_first(row, QUESTION, where),
        answer=_first(row, ANSWER, where),
        options=texts,
        type=_optional(row, "type", where),
    )


def _first(row: dict, keys: tuple[str, ...], where: str) -> str:
    key = next((key for key in keys if key in row), None)
    if key is None:
        raise DataError(
            f"{where}: found keys {quoted(sorted(row))}, expected one of {', '.join(keys)}. Add one."
        )
    return _text(row, key, where)


def _text(row: object, key: str, where: str) -> str:
    if not isinstance(row, dict) or not isinstance(row.get(key), str):
        raise DataError(
            f"{where}: found {shortly(row)}, expected a mapping with a text under '{key}'. Add it."
        )
    return expect(row[key], str, where, "a text")


def _optional(row: object, key: str, where: str) -> str:
    """A text that may be missing, or null."""
    return _text(row, key, where) if isinstance(row, dict) and row.get(key) is not None else ""


def options_in(question: str, where: str) -> tuple[str, dict[str, str]]:
    """A question whose options stand in its text: 'What is it? A. red B. blue' -> ('What is it?',
    {'A': 'red', 'B': 'blue'}).

    What follows the last option's line ('Answer with one letter.') is how to answer, and is left
    out.
    """
    asked, *parts = _OPTION.split(question)
    letters, texts = (
        parts[::2],
        [text.strip().split("\n")[0].rstrip(" ;,(") for text in parts[1::2]],
    )
    if len(letters) < 2 or "".join(letters) != LETTERS[: len(letters)]:
        raise DataError(
            f"{where}: found no options in {question[:60]!r}, expected 'A. ...', 'B. ...' after the"
            " question."
        )
    return asked.strip().removesuffix("Options:").strip(), dict(zip(letters, texts, strict=True))


def chosen(answer: str, options: Mapping[str, str], where: str) -> str:
    """The text of the option that an answer names: by letter ('B', '(B)', 'B. blue') or by its
    words.
    """
    if answer in options.values():
        return answer
    letter = _LETTER.fullmatch(answer.strip())
    if letter is None or letter[1] not in options:
        raise DataError(
            f"{where}: found the answer {quoted(answer)}, expected one of {', '.join(options)} or the"
            " words of one."
        )
    return options[letter[1]]
