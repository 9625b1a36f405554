"""Concept files that other programs learned, found by what was asked of them."""

from __future__ import annotations

from pathlib import Path

from unictoken.core.errors import UserError
from unictoken.model.protocol import Base
from unictoken.tokens import file as concept_file


def learned_before(
    base: Base, folder: str | Path, name: str, *, method: str, seed: int, class_noun: str = ""
) -> Path | None:
    """The file of a concept somewhere below a folder; None: there is none. Files that differ, such as
    those that other settings of the method learned, are refused: nobody could say what was measured.

    Args:
        base: What it was learned on.
        folder: Such as `runs/eval`, where eval/run.py keeps them.
        name: The concept's.
        method: The name of the method that learned it.
        seed: Of that run.
        class_noun: The concept's, where names alone might mean another one; '': any.
    """
    found: dict[str, Path] = {}  # by the rows, so that copies are one
    for path in sorted(Path(folder).rglob(f"{name}.safetensors")):
        header = concept_file.read_header(path)
        if not concept_file.is_of_base(header["base_fingerprint"], base):
            continue
        same_noun = class_noun in ("", header["class_noun"])
        if same_noun and header["method"] == method and header["seed"] == seed:
            found.setdefault(header["sha256"], path)
    if len(found) > 1:
        first, second, *_ = found.values()
        raise UserError(
            f"{folder}: found different files of '{name}' by '{method}' with seed {seed}: {first} and"
            f" {second}. Name the folder of one of them."
        )
    return next(iter(found.values()), None)
