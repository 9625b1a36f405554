"""Folders that `save_pretrained` of transformers or diffusers wrote, looked at before these
libraries read them: they wait for what has no end, make whatever a setting asks for, and follow an
index of weights wherever it leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unictoken.core.disk import is_folder, quoted
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line
from unictoken.core.reading import check_file, check_keys, read_json, read_weight_map

MOST_SETTINGS = 64 * 2**20  # bytes of a file of settings or of words
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
# Greatest numbers by a setting's name: a table of a thousand million times of noise, or as many
# layers, would be made.
_MOST = {
    re.compile("layer|depth"): 256,
    re.compile("step"): 10_000,  # published: 1,000
    re.compile("sample_size"): 1024,  # of a side, in latents or pixels
    re.compile("edge|height|width|image_size|crop_size|^size$"): 4096,  # pixels
}


def check_saved(place: Path, refusal: type[UserError], *, whose: str) -> None:
    """Refuse settings that are no settings or would take all memory, an index of weights that leads
    out of its folder, and what is no plain file.

    Args:
        place: The folder.
        refusal: The error that is raised.
        whose: Its owner, for the error's text: "the pipeline's".
    """
    for file in sorted(place.rglob("*")):
        if is_folder(file):
            continue
        # Any number of bytes of weights; a FIFO would be waited for.
        most = MOST_SETTINGS if file.suffix in (".json", ".txt", ".model") else None
        check_file(file, refusal, f"one of {whose} files", most=most)
        if file.name.endswith(".safetensors.index.json"):
            read_weight_map(file, refusal, whose=whose)
        elif file.suffix == ".json":
            said = read_json(file, refusal, most=MOST_SETTINGS)
            check_keys(said, file, refusal)
            if "config" in file.name:
                _check_numbers(said, file, refusal, whose)


def _check_numbers(
    said: Any, file: Path, refusal: type[UserError], whose: str, key: str = ""
) -> None:
    """Refuse greater numbers than `_MOST` has for a setting's name, wherever it stands.

    Args:
        said: A value of the file.
        file: Where it stands.
        refusal: The error that is raised.
        whose: As in `check_saved`.
        key: The setting's name.
    """
    if isinstance(said, dict):
        for name, value in said.items():
            _check_numbers(value, file, refusal, whose, name)
    elif isinstance(said, list):
        for value in said:
            _check_numbers(value, file, refusal, whose, key)
    elif isinstance(said, int | float):
        most = min((n for name, n in _MOST.items() if name.search(key)), default=None)
        if most is not None and said > most:
            raise refusal(
                f"{file}: {key}: found {said}, expected at most {most:,}. Give a folder whose"
                f" settings are those of {whose} weights."
            )


def check_weights(
    part: torch.nn.Module, where: str, refusal: type[UserError], *, advice: str
) -> None:
    """Refuse weights that are not in the files, and such as are no numbers.

    Args:
        part: What was loaded.
        where: What the error begins with.
        refusal: The error that is raised.
        advice: What to do, a sentence without its full stop.
    """
    for name, weight in part.named_parameters():
        # Without values: what the files lack, diffusers leaves so.
        said = "is missing" if weight.is_meta else "holds NaN or infinity"
        if weight.is_meta or not weight.sum(dtype=torch.float32).isfinite():
            raise refusal(f"{where}: {quoted(name)} {said}. {advice}.")


@contextmanager
def refusing(refusal: type[UserError], what: str, *, advice: str) -> Iterator[None]:
    """In this block what a library raises is one line: broken settings make it raise anything, and
    whole ones may fit no picture.

    Args:
        refusal: The error that is raised.
        what: What cannot be done: 'FluxPipeline: cannot draw'.
        advice: What to do, a sentence without its full stop.
    """
    try:
        yield
    except (*OUT_OF_MEMORY, UserError):
        raise
    except Exception as error:  # whatever the libraries like
        raise refusal(f"{what} ({one_line(str(error), 160)}). {advice}.") from None
