"""What runs wrote into a run folder, so that a later one replaces that and nothing else.

    .unictoken-run.json: {"format": 1, "paths": ["answers.json", "checkpoints/", "config.yaml", ...,
                                                 "held-out/concept/test/bo/0.png", ...]}

A name is noted before anything is written under it. Of `held-out/`, which is replaced as a whole,
every file is noted; the other folders hold files of known names.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.disk import folder_aside, is_file, is_folder, is_there, write_aside
from unictoken.core.reading import read_json

FILE, FORMAT = ".unictoken-run.json", 1
FILES = (
    "config.yaml",
    "log.jsonl",
    "answers.json",
    "report.md",
    "references.png",
    "references-as-seen.png",
    "grid.png",
    "contact-sheet.png",
    "curves.png",
    "tree.json",
    "tree.png",
)
DRAWN = "drawn-{}.png"  # of each prompt
OLD_DRAWN = re.compile(r"drawn-\d+\.png")
HELD_OUT = "held-out"
FOLDERS = ("checkpoints", "pictures", "tensorboard", HELD_OUT)
# The keys by which the config of a run is known that was written before there were manifests, and
# the files that such a run held out.
OLD_CONFIG = {"concept", "method", "resume", "save_every"}
OLD_HELD_OUT = re.compile(r"(concept/(train|test)|drawings)/[^/]+/.+\.(json|png)")


class Manifest:
    """The manifest of a run folder; without one it holds nothing of a run's."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.paths = _read(folder / FILE)
        if not self.paths and not is_there(folder / FILE):
            self.paths = _of_an_older_run(folder)

    def check(self, prompts: int) -> None:
        """Refuse a folder in which what somebody else put there bears a name of a run's.

        Args:
            prompts: How many prompts the run draws at its end.
        """
        for name in _names(prompts):
            place = self.folder / name
            if not is_there(place):
                continue
            # What no run noted is somebody's own, whatever it is called.
            if name not in self.paths:
                raise self._refusal(place)
            kind = "folder" if name.endswith("/") else "file"
            if not (is_folder(place) if kind == "folder" else is_file(place)):
                raise ConfigError(f"out: {place}: found no {kind}. Remove it, or {_CHOOSE}.")
        self._check_held_out()

    def _check_held_out(self) -> None:
        root = self.folder / HELD_OUT
        if root.is_symlink():
            raise ConfigError(f"out: {root}: found a link. Remove it, or {_CHOOSE}.")
        for file in _files_of(root):
            if file.relative_to(self.folder).as_posix() not in self.paths:
                raise self._refusal(file)

    def _refusal(self, place: Path) -> ConfigError:
        return ConfigError(
            f"out: {place}: was not written by a run, and this one would write there. Move it away,"
            f" or {_CHOOSE}."
        )

    def note(self, paths: Iterable[str]) -> None:
        """Keep that a run writes these; a folder's name ends with '/'."""
        before = len(self.paths)
        self.paths |= set(paths)
        if len(self.paths) > before or not is_there(self.folder / FILE):
            kept = {"format": FORMAT, "paths": sorted(self.paths)}
            write_aside(self.folder / FILE, (json.dumps(kept, indent=0) + "\n").encode())

    def note_run(self, prompts: int) -> None:
        """Keep that a run writes all that runs write."""
        self.note(_names(prompts))

    @contextmanager
    def held_out_anew(self) -> Iterator[Path]:
        """Another place for what is held out, which at the end takes the place of an earlier
        run's.
        """
        root = self.folder / HELD_OUT
        with folder_aside(root) as aside:
            yield aside
            self._check_held_out()  # again: meanwhile somebody may have put something there
            self._remove_held_out()
            files = (root / file.relative_to(aside) for file in _files_of(aside))
            self.note(file.relative_to(self.folder).as_posix() for file in files)

    def _remove_held_out(self) -> None:
        files = list(_files_of(self.folder / HELD_OUT))
        for file in files:
            file.unlink()
        gone = {file.relative_to(self.folder).as_posix() for file in files}
        self.paths -= gone
        for folder, *_ in os.walk(self.folder / HELD_OUT, topdown=False):
            with suppress(OSError):  # not empty: it is said when the new one is to take its place
                os.rmdir(folder)


_CHOOSE = "choose another `out:`"


def _names(prompts: int) -> list[str]:
    """All that stands in the folder of a run that draws so many prompts."""
    drawn = map(DRAWN.format, range(prompts))
    return [*FILES, *drawn, *(f"{name}/" for name in FOLDERS)]


def _read(path: Path) -> set[str]:
    if not is_there(path):
        return set()
    said = read_json(path, ConfigError)
    paths = said.get("paths") if isinstance(said, dict) and said.get("format") == FORMAT else None
    if not isinstance(paths, list) or not all(isinstance(name, str) for name in paths):
        raise ConfigError(
            f"{path}: no manifest of a run's. Expected what train/run.py writes; {_CHOOSE}."
        )
    return set(paths)


def _of_an_older_run(folder: Path) -> set[str]:
    """What a run wrote that knew no manifest, if its config is there."""
    with suppress(ConfigError):
        said = config.read_yaml(folder / "config.yaml")
        if isinstance(said, dict) and said.keys() >= OLD_CONFIG:
            held_out = (f.relative_to(folder / HELD_OUT) for f in _files_of(folder / HELD_OUT))
            ours = (file.as_posix() for file in held_out)
            return {
                *_names(0),
                *(place.name for place in folder.iterdir() if OLD_DRAWN.fullmatch(place.name)),
                *(f"{HELD_OUT}/{file}" for file in ours if OLD_HELD_OUT.fullmatch(file)),
            }
    return set()


def _files_of(root: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder itself; links are not followed."""
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if stat.S_ISLNK(os.lstat(Path(folder, name)).st_mode)]
        yield from (Path(folder, name) for name in (*files, *links))
