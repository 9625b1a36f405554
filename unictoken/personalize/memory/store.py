"""A memory: one SQLite file of concepts and of what the user said, whole whenever a process dies.

Several processes may have it open: one writes at a time, and the others see it at their next
question. Nothing here needs torch; features of pictures come from outside (`sight.py`).
"""

from __future__ import annotations

import io
import re
import sqlite3
import threading
import time as clock
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from unictoken.core.disk import is_there, quoted, real_path, write_aside
from unictoken.core.pictures import ImageSource, as_picture, read_together
from unictoken.core.text import check_length, markers, misspelt
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.source import check_learnable
from unictoken.personalize.memory import entry as limits
from unictoken.personalize.memory.entry import Entry, Found, Remembered, StoreError
from unictoken.personalize.memory.schema import connect
from unictoken.tokens import file as concept_file

USER = "user"  # the source of what nobody says where it comes from
_WORD = re.compile(r"\w+")
_ENTRY = """
    SELECT id, name, class_noun, kind, consent, added, coalesce(length(tokens), 0),
        (SELECT count(*) FROM pictures WHERE concept = concepts.id) FROM concepts
"""
_ENTRY_TYPES = (int, str, str, (str, NoneType), int, float, int, int)
_ITEM = "SELECT id, text, time, source, label FROM items"
_ITEM_TYPES = (int, str, float, str, str)


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A concept as it is written."""

    concept: Concept
    when: float
    facts: Sequence[Item]
    pngs: Sequence[bytes]
    tokens: bytes | None


class Memory:
    """Concepts with pictures, facts and tokens, and the user's items, in RAM. `Memory.open` has
    them in a file.

    >>> memory = Memory()
    >>> bo = memory.add(Concept(name="bo", class_noun="dog", facts=("<bo> likes fish.",)))
    >>> [found.name for found in memory.search("who likes fish?")]
    ['bo']
    >>> memory.forget("bo")
    >>> memory.names
    ()
    """

    def __init__(self, *, _path: Path | None = None):
        self.path = _path
        """The file; None: in RAM."""
        self._lock, self._own = threading.RLock(), 0
        with _saying(_path):
            self._connection = connect(_path)

    @classmethod
    def open(cls, path: str | PathLike[str], *, new: bool = True) -> Self:
        """The memory in a file.

        Args:
            path: The file.
            new: Whether it is made where there is none; else `StoreError`.
        """
        place = Path(path).expanduser()
        if not new and not is_there(place):
            raise StoreError(f"{place}: no such file. Expected a memory; name one that is there.")
        return cls(_path=place)

    def close(self) -> None:
        """Let go of the file. A memory in RAM is gone then."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM concepts"))

    def __repr__(self) -> str:
        return f"<Memory of {len(self)} concepts in {self.path or 'RAM'}>"

    @property
    def version(self) -> tuple[int, int]:
        """Another one whenever anything was written, by this process or by another."""
        # SQLite's number counts what other connections wrote, and not what this one did.
        return int(self._one("PRAGMA data_version")), self._own

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts, in the order in which they were added."""
        return tuple(row[0] for row in self._all("SELECT name FROM concepts ORDER BY id"))

    def list(self) -> tuple[Entry, ...]:
        """Every concept."""
        facts: dict[int, list[Remembered]] = {}
        for owner, *row in self._all(
            f"{_ITEM.replace('SELECT', 'SELECT concept,')} WHERE concept IS NOT NULL"
            " ORDER BY time, id"
        ):
            facts.setdefault(owner, []).append(_remembered(row))
        # Two questions for all of them, and not one for each: a memory may have thousands.
        rows = self._all(f"{_ENTRY} ORDER BY id")
        return tuple(_entry(row, facts.get(row[0], ())) for row in rows)

    def show(self, name: str) -> Entry:
        """One concept with its facts. Raises `StoreError` for a name that is not there."""
        rows = self._all(f"{_ENTRY} WHERE name = ?", name)
        if not rows:
            raise self._unknown(name)
        facts = self._all(f"{_ITEM} WHERE concept = ? ORDER BY time, id", rows[0][0])
        return _entry(rows[0], map(_remembered, facts))

    @property
    def user(self) -> tuple[Remembered, ...]:
        """What was said about the user, from the oldest to the newest."""
        rows = self._all(f"{_ITEM} WHERE concept IS NULL ORDER BY time, id")
        return tuple(map(_remembered, rows))

    def pictures(self, name: str) -> tuple[Image.Image, ...]:
        """The reference pictures of a concept, decoded."""
        rows = self._all(
            "SELECT pictures.id, png FROM pictures JOIN concepts ON concepts.id = concept"
            " WHERE name = ? ORDER BY pictures.id",
            self.show(name).name,
        )
        return tuple(self._decoded(number, png) for number, png in rows)

    def tokens(self, name: str) -> bytes:
        """The concept file of a concept; b'': it was not learned."""
        if not self.show(name).tokens:
            return b""
        return bytes(self._one("SELECT tokens FROM concepts WHERE name = ?", name))

    def search(self, text: str, *, most: int = 20) -> tuple[Found, ...]:
        """What matches any word of a text, the best first: concepts by name or class noun, then
        facts and the user's items by BM25.

        Args:
            text: Words in any order; word endings do not count.
            most: How many are given.
        """
        check_length(text, "search", StoreError)
        words = list(dict.fromkeys(word.casefold() for word in _WORD.findall(text)))[:100]
        said = self._all(
            "SELECT items.id, items.text, time, source, label, name, bm25(words) FROM words"
            " JOIN items ON items.id = words.rowid LEFT JOIN concepts ON concepts.id = concept"
            " WHERE words MATCH ? ORDER BY bm25(words), items.id LIMIT ?",
            # Quoted: a word is never an operator of FTS5.
            " OR ".join(f'"{word}"' for word in words),
            most,
        ) if words else []  # fmt: skip
        # Above everything that was only said: who is called so is meant.
        best = 1 + max((-row[6] for row in said), default=0.0)
        found = [Found(name=name, score=best) for name in self._named(words)]
        found += [
            Found(name=row[5], score=-row[6], remembered=_remembered(row[:5])) for row in said
        ]
        return tuple(found[:most])

    def _named(self, words: Sequence[str]) -> tuple[str, ...]:
        """Concepts that are called by one of these words, or whose class noun is one."""
        marks = ", ".join("?" * len(words))
        rows = self._all(
            f"SELECT name FROM concepts WHERE name IN ({marks}) OR class_noun IN ({marks})"
            " ORDER BY id",
            *words,
            *words,
        )
        return tuple(row[0] for row in rows)

    # ---- writing ---------------------------------------------------------------------------------

    def add(
        self,
        concept: Concept,
        *,
        tokens: str | PathLike[str] | None = None,
        source: str = USER,
        time: float | None = None,
        items: Sequence[Item] = (),
    ) -> Entry:
        """Remember a concept: its name, class noun, pictures and facts, and its tokens if it was
        learned.

        Args:
            concept: Of a person only with consent; its questions and negatives are not kept.
            tokens: Its concept file; None: it was not learned.
            source: Where its facts come from.
            time: When they were said, in seconds since 1970; None: now.
            items: More facts, with times and sources of their own.
        """
        ready = self._ready(concept, tokens, source, time, items)
        with self._writing():
            self._add(ready)
        return self.show(concept.name)

    def add_all(
        self, concepts: Sequence[Concept], *, source: str = USER, time: float | None = None
    ) -> Sequence[Entry]:
        """Remember several concepts: all of them, or none.

        Args: those of `add`.
        """
        ready = (self._ready(concept, None, source, time, ()) for concept in concepts)
        with self._writing():
            # One after the other: the pictures of thousands would fill the memory.
            for one in ready:
                self._add(one)
        return tuple(self.show(concept.name) for concept in concepts)

    def _ready(
        self,
        concept: Concept,
        tokens: str | PathLike[str] | None,
        source: str,
        time: float | None,
        items: Sequence[Item],
    ) -> _Ready:
        """What will be written of a concept, read and checked.

        Args: those of `add`.
        """
        check_learnable(concept)
        when = clock.time() if time is None else time
        facts = [*(Item(text=fact, time=when, source=source) for fact in concept.facts), *items]
        pngs = [_png(picture) for picture in read_together(concept.pictures)]
        learned = _read_tokens(Path(tokens), concept.name) if tokens is not None else None
        return _Ready(concept=concept, when=when, facts=facts, pngs=pngs, tokens=learned)

    def _add(self, ready: _Ready) -> None:
        concept = ready.concept
        if self._number(concept.name) is not None:
            raise StoreError(
                f"'{concept.name}': remembered already. Forget it first, add to it with `update`, or"
                " give another name."
            )
        row = (concept.name, concept.class_noun, concept.kind, concept.consent, ready.when)
        number = self._connection.execute(
            "INSERT INTO concepts (name, class_noun, kind, consent, added, tokens)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*row, ready.tokens),
        ).lastrowid
        assert number is not None
        self._check_number("concepts", "concepts", limits.MOST_CONCEPTS, None)
        self._add_pictures(number, ready.pngs, concept.name)
        for item in ready.facts:
            self._add_item(number, item, concept.name)

    def update(
        self,
        name: str,
        *,
        class_noun: str | None = None,
        pictures: Iterable[ImageSource] = (),
        facts: Sequence[str | Item] = (),
        tokens: str | PathLike[str] | None = None,
        source: str = USER,
    ) -> Entry:
        """Add to a concept, or change its class noun or tokens.

        Args:
            name: Of the concept.
            class_noun: Another one; None: it stays.
            pictures: More of them.
            facts: More of them; a newer one of the same kind holds from now on.
            tokens: Its concept file, in the place of the one it has; None: that stays.
            source: Where facts that are given as texts come from.
        """
        known = self.show(name)
        noun = known.class_noun if class_noun is None else class_noun
        check_learnable(Concept(name=name, class_noun=noun, kind=known.kind, consent=known.consent))
        pngs = [_png(picture) for picture in read_together(pictures)]
        learned = _read_tokens(Path(tokens), name) if tokens is not None else None
        now = clock.time()
        with self._writing() as connection:
            number = self._needed(name)
            connection.execute(
                "UPDATE concepts SET class_noun = ?, tokens = coalesce(?, tokens) WHERE id = ?",
                (noun, learned, number),
            )
            self._add_pictures(number, pngs, name)
            for fact in facts:
                item = fact if isinstance(fact, Item) else Item(text=fact, time=now, source=source)
                self._add_item(number, item, name)
        return self.show(name)

    def tell(self, item: Item, name: str | None = None) -> Remembered:
        """Remember one fact about a concept, or about the user.

        Args:
            item: What is said, when and by whom.
            name: Whom it is about; None: the user.
        """
        with self._writing():
            owner = None if name is None else self._needed(name)
            return Remembered(number=self._add_item(owner, item, name), item=item)

    def forget(self, name: str) -> None:
        """Forget a concept with everything about it; its bytes are gone from the file."""
        with self._erasing() as connection:
            number = self._needed(name)
            connection.execute("DELETE FROM concepts WHERE id = ?", (number,))

    def forget_item(self, number: int) -> None:
        """Forget one fact, or one of the user's items; its bytes are gone from the file."""
        with self._erasing() as connection:
            if not connection.execute("DELETE FROM items WHERE id = ?", (number,)).rowcount:
                raise StoreError(
                    f"item {number}: not remembered. Give a number that `show` or `list` prints."
                )

    def forget_all(self) -> None:
        """Forget every concept and everything about the user."""
        with self._erasing() as connection:
            connection.execute("DELETE FROM concepts")
            connection.execute("DELETE FROM items")

    def save(self, path: str | PathLike[str]) -> Path:
        """Write all of it into another file, whole or not at all; what has its name is replaced."""
        place = Path(path).expanduser()
        if self.path is not None and real_path(place) == real_path(self.path):
            raise StoreError(f"{place}: is this memory itself. Choose another file.")
        with self._reading():
            # The bytes of the whole database: no page of a write that is going on is among them.
            write_aside(place, self._connection.serialize())
        return place

    # ---- features of pictures --------------------------------------------------------------------

    def without_features(self, encoder: str, *, most: int) -> tuple[tuple[int, Image.Image], ...]:
        """Pictures, by number, that have no feature of this encoder yet; at most so many."""
        rows = self._all(
            "SELECT id, png FROM pictures WHERE NOT EXISTS"
            " (SELECT 1 FROM features WHERE picture = id AND encoder = ?) ORDER BY id LIMIT ?",
            encoder,
            most,
        )
        return tuple((number, self._decoded(number, png)) for number, png in rows)

    def keep_features(self, features: Mapping[str, Mapping[int, np.ndarray]]) -> None:
        """Keep features [F] by encoder and number of the picture, all in one write; of pictures that
        are gone meanwhile none.
        """
        rows = [
            (number, encoder, _feature_bytes(feature), number)
            for encoder, each in features.items()
            for number, feature in each.items()
        ]
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO features (picture, encoder, feature)"
                " SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM pictures WHERE id = ?)",
                rows,
            )

    def features(self, encoder: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names of the concepts that have features of this encoder, in the order of the memory; the
        number of the name that each picture belongs to [N]; and all features, fp32 [N, F].
        """
        rows = self._all(
            "SELECT name, feature FROM features JOIN pictures ON pictures.id = picture"
            " JOIN concepts ON concepts.id = concept WHERE encoder = ?"
            " ORDER BY concepts.id, pictures.id",
            encoder,
        )
        names = tuple(dict.fromkeys(name for name, _ in rows))
        place = {name: i for i, name in enumerate(names)}
        # Checked, since somebody else may have written the file: numpy would take any bytes.
        if not all(isinstance(feature, bytes) for _, feature in rows):
            raise self._damaged(f"features of '{encoder}' are no bytes")
        sizes = {len(feature) for _, feature in rows}
        if len(sizes) > 1 or any(size % 4 for size in sizes):
            raise self._damaged(f"features of '{encoder}' are of several lengths")
        flat = np.frombuffer(b"".join(feature for _, feature in rows), np.float32)
        features = flat.reshape(len(rows), -1) if rows else np.zeros((0, 1), np.float32)
        if not np.isfinite(features).all():
            raise self._damaged(f"features of '{encoder}' are not finite")
        return names, np.array([place[name] for name, _ in rows], np.int64), features

    # ---- inside ----------------------------------------------------------------------------------

    def _add_pictures(self, number: int, pngs: Sequence[bytes], name: str) -> None:
        self._connection.executemany(
            "INSERT INTO pictures (png, concept) VALUES (?, ?)", [(png, number) for png in pngs]
        )
        self._check_number("pictures", f"'{name}': pictures", limits.MOST_PICTURES, number)

    def _add_item(self, number: int | None, item: Item, name: str | None) -> int:
        _check_item(item, name)
        row = (item.text, item.time, item.source, item.label, number)
        added = self._connection.execute(
            "INSERT INTO items (text, time, source, label, concept) VALUES (?, ?, ?, ?, ?)", row
        ).lastrowid
        assert added is not None
        # Removing needs no such line: `_erasing` makes the words' table anew.
        self._connection.execute(
            "INSERT INTO words (rowid, text) VALUES (?, ?)", (added, item.text)
        )
        who = "the user: items" if name is None else f"'{name}': facts"
        self._check_number("items", who, limits.MOST_FACTS, number)
        return added

    def _check_number(self, table: str, what: str, most: int, owner: int | None) -> None:
        """Refuse more rows than a concept, the user or a memory may have."""
        of_one = "" if table == "concepts" else " WHERE concept IS ?"
        given = (owner,) if of_one else ()
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM {table}{of_one}", given
        ).fetchone()
        if count > most:
            raise StoreError(f"{what}: found {count:,}, expected at most {most:,}. Forget some.")

    def _number(self, name: str) -> int | None:
        row = self._connection.execute("SELECT id FROM concepts WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _needed(self, name: str) -> int:
        number = self._number(name)
        if number is None:
            raise self._unknown(name)
        return number

    def _unknown(self, name: str) -> StoreError:
        names = self.names
        known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        return StoreError(
            f"{quoted(name)}: not remembered. Expected one of {known or 'none: it is empty'}; `list`"
            " shows them."
        )

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self.path or 'memory'}: {what}. Take a copy from before.")

    def _decoded(self, number: int, png: bytes) -> Image.Image:
        where = f"{self.path or 'memory'}: picture {number}"
        if not isinstance(png, bytes):
            raise self._damaged(f"picture {number} is no PNG")
        try:
            # Nothing but PNG, whatever the bytes say they are.
            given = Image.open(io.BytesIO(png), formats=("PNG",))
        except (OSError, ValueError):
            raise self._damaged(f"picture {number} is no PNG") from None
        return as_picture(given, where=where)

    def _all(self, sql: str, *values: object) -> Sequence[Any]:
        with self._reading() as connection:
            return connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> Any:
        return self._all(sql, *values)[0][0]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _saying(self.path):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of what is done in it, or nothing."""
        with self._reading() as connection:
            # At once the writer's lock: two readers that want to write would wait for each other.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._own += 1

    @contextmanager
    def _erasing(self) -> Iterator[sqlite3.Connection]:
        """The same for what is removed: nothing of it stays in the file."""
        with self._reading():
            with self._writing() as connection:
                yield connection
                # FTS5 keeps the words of what was deleted until it happens to merge its pages.
                connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
            # Deleted pages are overwritten by now (secure_delete); this gives them back.
            connection.execute("VACUUM")


@contextmanager
def _saying(path: Path | None) -> Iterator[None]:
    """Makes one line of what SQLite says of a file: busy, damaged, full, not to be written."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours
    # What SQLite says of a damaged file may quote its bytes, which then are no text.
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        damaged = isinstance(error, UnicodeDecodeError)
        reason = "not text where it should be" if damaged else str(error) or type(error).__name__
        raise StoreError(
            f"{path or 'memory'}: {reason}. Nothing was changed. If"
            " another program has it open, try again; if it is damaged, take a copy from before."
        ) from None


def _check_types(row: Sequence[object], types: Sequence[type | tuple[type, ...]]) -> None:
    """Refuse values that our own tables cannot hold: SQLite stores whatever it is given."""
    for value, kind in zip(row, types, strict=True):
        if not isinstance(value, kind):
            raise StoreError(
                f"memory: found {quoted(value)} where its tables have another type. Take a copy"
                " from before."
            )


def _entry(row: Sequence[Any], facts: Iterable[Remembered]) -> Entry:
    # Of a file that somebody else may have written.
    _check_types(row, _ENTRY_TYPES)
    number, name, noun, kind, consent, added, tokens, pictures = row
    concept_file.check_name(name)
    return Entry(
        number=number,
        name=name,
        class_noun=noun,
        kind=kind,
        consent=bool(consent),
        added=added,
        facts=tuple(facts),
        pictures=pictures,
        tokens=tokens,
    )


def _remembered(row: Sequence[Any]) -> Remembered:
    _check_types(row, _ITEM_TYPES)
    number, text, time, source, label = row
    return Remembered(number=number, item=Item(text=text, time=time, source=source, label=label))


def _check_item(item: Item, name: str | None) -> None:
    """Refuse an empty or endless text, and markers that no prompt could hold."""
    where = "item" if name is None else f"'{name}': fact"
    check_length(item.text, where, StoreError, most=limits.LONGEST_FACT)
    if not item.text.strip():
        raise StoreError(f"{where}: found an empty text, expected a sentence.")
    # Any marker may stand in a fact: whom it is about is introduced, others become words.
    names = markers(item.text)
    plain = item.text
    for known in names:
        plain = plain.replace(f"<{known}>", known)
    if wrong := misspelt(plain, names):
        raise StoreError(f"{where}: {wrong}. Mend the sentence.")
    for said in (item.source, item.label):
        check_length(said, where, StoreError, most=limits.LONGEST_LABEL)


def _png(picture: Image.Image) -> bytes:
    """A picture's pixels as PNG, and nothing else that its file said."""
    # A copy of the pixels alone: PIL would write EXIF and profiles of the file again.
    plain = Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes())
    data = io.BytesIO()
    plain.save(data, "PNG")
    if data.tell() > limits.MOST_PNG:
        raise StoreError(
            f"picture: found {data.tell():,} bytes as PNG, expected at most {limits.MOST_PNG:,}."
            " Make it smaller."
        )
    return data.getvalue()


def _read_tokens(path: Path, name: str) -> bytes:
    """The bytes of a concept file that is whole and of this name."""
    header, _ = concept_file.check_whole(path)
    if header["name"] != name:
        raise StoreError(
            f"{path}: the tokens of '{header['name']}', expected those of '{name}'. Give its own."
        )
    return path.read_bytes()


def _feature_bytes(feature: np.ndarray) -> bytes:
    flat = np.ascontiguousarray(feature, np.float32)
    assert flat.ndim == 1 and 0 < len(flat) <= limits.MOST_FEATURE, flat.shape
    return flat.tobytes()
