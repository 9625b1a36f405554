"""The SQLite file of a memory: its tables, and how it is opened so that nothing in it is trusted.

It has a rollback journal and not a write-ahead log: between writes everything lies in one file that
can be copied, and what was forgotten stays in no second one. A process that dies while it writes
leaves a journal, from which the next one that opens the file restores it.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path

from unictoken.core.disk import check_folder, is_there
from unictoken.core.reading import check_file
from unictoken.personalize.memory.entry import MOST_TOKENS, StoreError

APPLICATION = 0x756E696D  # 'unim': what SQLite's header says the file is for
VERSION = 1  # of the tables; one more whenever they change
WAIT = 30.0  # seconds for another process that is writing
PAGE = 4096  # bytes
MOST_BYTES = 64 * 2**30  # of a file
EXPECTED = "a memory that unictoken wrote"
_BEGINNING = b"SQLite format 3\0"

# AUTOINCREMENT: the number of something that was forgotten never means something else later.
TABLES = """
CREATE TABLE concepts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, class_noun TEXT NOT NULL,
    kind TEXT, consent INTEGER NOT NULL, added REAL NOT NULL, tokens BLOB
) STRICT;
CREATE INDEX nouns ON concepts (class_noun);
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT, png BLOB NOT NULL,
    concept INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX pictures_of ON pictures (concept);
CREATE TABLE features (
    picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,
    encoder TEXT NOT NULL, feature BLOB NOT NULL, PRIMARY KEY (encoder, picture)
) WITHOUT ROWID, STRICT;
CREATE INDEX features_of ON features (picture);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, time REAL NOT NULL,
    source TEXT NOT NULL, label TEXT NOT NULL, concept INTEGER REFERENCES concepts (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX items_of ON items (concept);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'items', content_rowid = 'id', tokenize = 'porter unicode61'
);
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """The connection to a memory's file, which is made where there is none; None: in RAM.

    Raises `StoreError` for a file of anything else, of a newer version, or with other tables.
    """
    if path is None:
        return _made(_open(":memory:"))
    check_folder(path.parent, StoreError)
    if is_there(path):
        check_file(path, StoreError, EXPECTED, most=MOST_BYTES)
        with open(path, "rb") as file:
            beginning = file.read(len(_BEGINNING))
        # An empty file is what a process leaves that died before it wrote the tables.
        if beginning and beginning != _BEGINNING:
            raise StoreError(f"{path}: not {EXPECTED}. Name another file, or remove this one.")
    connection = _open(str(path))
    try:
        return _checked(connection, path)
    except BaseException:
        connection.close()
        raise


def _open(place: str) -> sqlite3.Connection:
    # Threads may share it: `Memory` lets one in at a time.
    connection = sqlite3.connect(place, timeout=WAIT, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_TOKENS + PAGE)
    # A shared file must not run what somebody put into its schema.
    for setting in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "foreign_keys = ON",
        "secure_delete = ON",
        # A VACUUM writes everything once more: not into a folder for temporary files.
        "temp_store = MEMORY",
        "synchronous = EXTRA",
        f"max_page_count = {MOST_BYTES // PAGE}",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _made(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection with the tables of this version in an empty database."""
    connection.executescript(
        f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION};"
        f" PRAGMA user_version = {VERSION}; COMMIT;"
    )
    return connection


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """The connection, if its tables are ours; they are made in a file without any."""
    # Whatever the file says: a write-ahead log would keep what was forgotten.
    connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    if not _schema(connection):
        # Under the lock of a writer: of two processes that begin at once, one makes them.
        connection.execute("BEGIN IMMEDIATE")
        empty = not _schema(connection)
        connection.execute("COMMIT")
        if empty:
            _made_once(connection)
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if application != APPLICATION:
        raise StoreError(f"{path}: a database of another program. Expected {EXPECTED}.")
    if version != VERSION:
        raise StoreError(
            f"{path}: tables of version {version}, this unictoken reads {VERSION}. Update unictoken."
        )
    if _schema(connection) != _expected():
        raise StoreError(
            f"{path}: its tables are not those of a memory. Expected {EXPECTED}; fetch it again."
        )
    return connection


def _made_once(connection: sqlite3.Connection) -> None:
    try:
        _made(connection)
    except sqlite3.OperationalError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # Another process was faster.
        if not _schema(connection):
            raise


def _schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    """Every table, index, view and trigger, as it was declared."""
    found = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    return sorted(tuple(map(str, row)) for row in found)


@cache
def _expected() -> list[tuple[str, ...]]:
    made = _made(_open(":memory:"))
    try:
        return _schema(made)
    finally:
        made.close()
