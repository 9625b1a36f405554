"""The concepts of a server: the files of one folder, and those that ship for its base."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unictoken.core import shipped
from unictoken.core.disk import is_there, make_folder, write_aside
from unictoken.core.errors import UserError
from unictoken.core.text import ConceptError
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.serve.limits import Limits
from unictoken.serve.refusal import LOG, RequestError
from unictoken.tokens import file as concept_file

KEPT = 64  # concepts whose rows stay in memory
LISTED = 20  # names in a message
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """A concept as it is listed."""

    name: str
    class_noun: str
    method: str
    created: int
    """Seconds since 1970."""
    ships: bool
    """Whether it came with the library, and cannot be deleted."""


class Shelf:
    """Concepts by name. Files that come into the folder, change or go are seen at once.

    Args:
        base: What they must have been learned on; others are not there.
        folder: Where they are kept, made where it is not there.
        limits: How many there may be.
    """

    def __init__(self, base: Base, folder: Path, limits: Limits):
        make_folder(folder)
        self.base, self.folder, self.limits = base, folder, limits
        self._lock = threading.RLock()
        self._headers: dict[Path, tuple[Stamp, dict[str, Any] | None]] = {}
        self._loaded: OrderedDict[Path, tuple[Stamp, Condition]] = OrderedDict()

    def entries(self) -> list[Entry]:
        """All that can be used, by name."""
        return [entry for _, entry in self._found()]

    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries())

    def conditions(self, names: Sequence[str]) -> list[Condition]:
        """The concepts of these names, each one object as long as its file stays the same."""
        with self._lock:
            return [self._condition(name) for name in names]

    def add(self, data: bytes, *, replace: bool = False) -> Entry:
        """Keep an uploaded concept file under the name that its header says.

        Args:
            data: The file's bytes, checked as those of any shared file are.
            replace: Whether one of this name may go.
        """
        # The header's name, checked, becomes the file's: none that a request says does.
        name = self._checked(data)
        path = concept_file.path_of(name, self.folder)
        if name in shipped.CONCEPTS:
            raise _taken(f"concept '{name}': ships with the library. Choose another name.")
        with self._lock:
            if len(self._files()) >= self.limits.shelf and not is_there(path):
                raise _taken(f"concepts: {self.limits.shelf:,} are kept. Delete one first.")
            try:
                write_aside(path, data, new=not replace)
            except FileExistsError:
                raise _taken(
                    f"concept '{name}': is there already. Delete it, or add ?replace=true."
                ) from None
            entry = self._entry(name, path)
        assert entry, "it was checked"
        return entry

    def path(self, name: str) -> Path:
        """Where the file of a concept lies."""
        return self._path(name)

    def rename(self, name: str, new: str) -> Entry:
        """Give a concept another name; what was learned stays as it is."""
        place = concept_file.path_of(new, self.folder)
        if new in shipped.CONCEPTS:
            raise _taken(f"concept '{new}': ships with the library. Choose another name.")
        with self._lock:
            self._own(name)
            renamed = replace(concept_file.load(self._path(name), self.base), name=new)
            try:
                concept_file.save(renamed, place, new=True)
            except FileExistsError:
                raise _taken(f"concept '{new}': is there already. Choose another name.") from None
            self.remove(name)
            entry = self._entry(new, place)
        assert entry, "it was just written"
        return entry

    def remove(self, name: str) -> None:
        """Delete a concept's file."""
        path = self._own(name)
        with self._lock:
            path.unlink(missing_ok=True)
            self._headers.pop(path, None)
            self._loaded.pop(path, None)

    def _own(self, name: str) -> Path:
        """The file of a concept of this folder; one that ships is refused."""
        path = self._path(name)
        if name in shipped.CONCEPTS:
            raise RequestError(f"concept '{name}': ships with the library. Leave it.", status=403)
        return path

    def _checked(self, data: bytes) -> str:
        """The name of the concept that bytes hold, if they are a whole file of this base's."""
        # Outside the folder: nobody sees a file that is not checked yet.
        with tempfile.TemporaryDirectory(prefix="unictoken-") as work:
            path = Path(work) / "concept"
            path.write_bytes(data)
            try:
                return concept_file.load(path, self.base).name
            except UserError as error:
                # Where it lay meanwhile is nobody's business.
                raise RequestError(str(error).replace(str(path), "concept file")) from None

    def _files(self) -> list[Path]:
        found = self.folder.glob("*.safetensors")
        return sorted(path for path in found if concept_file.NAME.fullmatch(path.stem))

    def _places(self) -> dict[str, Path]:
        own = {path.stem: path for path in self._files()}
        return own | {name: shipped.find_concept(name) for name in shipped.CONCEPTS}

    def _path(self, name: str) -> Path:
        """Where the concept of this name lies; only names of listed files become paths."""
        places = {entry.name: path for path, entry in self._found()}
        if name not in places:
            raise unknown(name, tuple(places))
        return places[name]

    def _found(self) -> list[tuple[Path, Entry]]:
        """Each file that can be used, and what it says of itself, by name."""
        with self._lock:
            # Looked at once: other requests, and other programs, add and remove files meanwhile.
            places = self._places()
            # What is remembered of files that are gone goes, too.
            self._headers = {p: h for p, h in self._headers.items() if p in places.values()}
            found = [(path, self._entry(name, path)) for name, path in sorted(places.items())]
            return [(path, entry) for path, entry in found if entry]

    def _entry(self, name: str, path: Path) -> Entry | None:
        """What a file says of itself; None for one that cannot be used on this base."""
        try:
            found = os.stat(path)
        except OSError:  # it has gone since it was listed
            return None
        stamp = _stamp(found)
        kept = self._headers.get(path)
        if kept is None or kept[0] != stamp:
            kept = self._headers[path] = stamp, self._header(name, path)
        if (header := kept[1]) is None:
            return None
        created, ships = int(found.st_mtime), name in shipped.CONCEPTS
        return Entry(name, header["class_noun"], header["method"], created, ships)

    def _header(self, name: str, path: Path) -> dict[str, Any] | None:
        try:
            header = concept_file.read_header(path)
            if header["name"] != name:
                raise ConceptError(f"{path}: holds '{header['name']}'. Rename the file.")
        except (UserError, OSError) as error:
            LOG.warning("%s", error)
            return None
        return header if concept_file.is_of_base(header["base_fingerprint"], self.base) else None

    def _condition(self, name: str) -> Condition:
        path = self._path(name)
        try:
            stamp, kept = _stamp(os.stat(path)), self._loaded.get(path)
            if kept is None or kept[0] != stamp:
                loaded = with_tokens(self.base, concept_file.load(path, self.base))
                kept = self._loaded[path] = stamp, loaded
        except OSError:  # another program has removed it since it was listed
            raise unknown(name, self.names()) from None
        # The one that was used longest ago goes first.
        self._loaded.move_to_end(path)
        while len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return kept[1]


def unknown(name: str, known: Sequence[str]) -> RequestError:
    """The refusal of a name that no concept has."""
    listed = ", ".join(f"<{each}>" for each in known[:LISTED]) or "none"
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return RequestError(
        f"concept '<{name}>': is not known here. Known: {listed}{more}. Name one of them, or upload"
        " its file.",
        status=404,
        code="concept_not_found",
    )


def _taken(message: str) -> RequestError:
    return RequestError(message, status=409, code="conflict")


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino
