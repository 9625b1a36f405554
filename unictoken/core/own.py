"""Files of a user's own code, which programs import before they read a config:

    python train/run.py --import mine.py --config mine.yaml

Such a file calls `register` functions (CONTRIBUTING.md), so that a config may name what it holds.
It runs as any program of the user's does. That is why it stands on the command line and nowhere
else: configs, methods and datasets are shared, and nothing shared runs code.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from unictoken.core.config import ConfigError
from unictoken.core.disk import is_file, real_path

_imported: list[str] = []
"""Files that this process has imported, in their order."""


def add_import(parser: argparse.ArgumentParser) -> None:
    """The flag `--import` of programs that read a config or load a base."""
    parser.add_argument(
        "--import",
        dest="own_files",
        action="append",
        default=[],
        metavar="FILE.py",
        help="import a file of your own first, which registers a method, a task, ...; repeatable",
    )


def import_files(files: Sequence[str]) -> None:
    """Import files in their order, each once in a process.

    A file's folder goes to the end of Python's path, so that it can import files beside it.
    """
    for file in files:
        _import(file)


class Imported:
    """What this process has imported of the user's own. To unpickle it in another process imports
    the same files there.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (tuple(_imported),)


def _again(files: Sequence[str]) -> Imported:
    import_files(files)
    return Imported()


def _import(file: str) -> None:
    path = real_path(Path(file))
    if path.suffix != ".py" or not is_file(path):
        found = "a file of another name" if is_file(path) else "no file"
        raise ConfigError(f"--import {file}: found {found}, expected a Python file. Name one.")
    # With the folder's digest: two files may have one name, and a file that of a library. Other
    # processes must find the same name, as they unpickle what the file defines.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}_{digest}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader  # there is one for every name that ends with .py
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    # Before it runs: dataclasses look their own module up.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        # `from error`: with --debug its traceback is shown too.
        said = f"{type(error).__name__}: {error}".rstrip(". ")
        raise ConfigError(
            f"--import {file}:{_line(error, path)} {said}. Mend the file; --debug shows where it"
            " arose."
        ) from error
    _imported.append(str(path))


def _line(error: BaseException, path: Path) -> str:
    """' line 3:', the last line of the file that an error passed; '' where it passed none."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" line {error.lineno}:"
    passed = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f" line {passed[-1].lineno}:" if passed else ""
