"""Bases by name: the families that there are, loading one, its dtype.

A family is a class in a file of its own, such as `chameleon.py`; `register` makes another known.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import torch

from unictoken.core import shipped
from unictoken.core.config import DTYPES
from unictoken.core.disk import is_file, quoted
from unictoken.core.reading import read_json
from unictoken.core.registry import Registry
from unictoken.model import products
from unictoken.model.chameleon import Chameleon
from unictoken.model.internals import cached_file
from unictoken.model.protocol import Base, BaseError, DeviceMemory, reading_files

FAMILIES: Registry[type[Base]] = Registry("base family", {"chameleon": Chameleon})
"""Base families, by the `model_type` of a checkpoint's config.json."""


def register(model_type: str, family: type[Base]) -> None:
    """Make another family known, by the `model_type` of its checkpoints' config.json."""
    FAMILIES.register(model_type, family)


AnyBase = TypeVar("AnyBase", bound=Base)


def usual_device() -> str:
    """The default device: the GPU, if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(device: str) -> str:
    """A device's name, if torch has such a device here."""
    try:
        kind = torch.device(device).type
        here = kind == "cpu" or bool(torch.get_device_module(kind).is_available())
        if here and kind == "cuda":
            here = (torch.device(device).index or 0) < torch.cuda.device_count()
    except (RuntimeError, AttributeError):  # no such name; a kind that this torch knows nothing of
        here = False
    if not here:
        raise BaseError(
            f"device: found {quoted(device)}, which is not here. Expected cpu, or a GPU's name as"
            " torch has it (cuda, cuda:1, mps, xpu). Choose one of this machine."
        )
    return device


def usual_dtype(device: str) -> torch.dtype:
    """The default dtype of a base."""
    return torch.float32 if device == "cpu" else torch.bfloat16


def dtype_named(said: str, device: str | None = None) -> torch.dtype:
    """The dtype that one of DTYPES means; `device` None: the usual one.

    auto: bf16 on a GPU, fp32 on a CPU, where all of it is exact and a seed draws the same pictures
    as elsewhere. fast: bf16 also on a CPU that is faster with it.
    """
    if said not in DTYPES:
        raise BaseError(f"dtype: found '{said}', expected one of {', '.join(DTYPES)}.")
    device = check_device(device) if device else usual_device()
    if said == "bf16" or (said == "fast" and device == "cpu" and products.cpu_is_faster_in_bf16()):
        return torch.bfloat16
    return torch.float32 if said == "fp32" else usual_dtype(device)


def load_base(
    path: str | Path,
    *,
    vq_decoder: str | Path | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    device_map: str | None = None,
    max_memory: DeviceMemory | None = None,
    kind: type[AnyBase] = Base,  # type: ignore[assignment]  # without one, AnyBase is Base
) -> AnyBase:
    """The base of this name.

    Raises BaseError, DecoderError, PlaceError, VocabError.

    Args:
        path: One that ships ('tiny'), a local folder, or USER/NAME on the Hub.
        vq_decoder: What completes a base that has no decoder (vq_decoder.py); None: nothing, and
            such a base cannot draw.
        device: Of torch; None: the GPU where there is one.
        dtype: Of the transformer; None: bf16 on a GPU, fp32 on a CPU. The image tokenizer is in
            fp32 in any case.
        device_map: 'auto': its layers are shared out over the GPUs; None: all on one device.
        max_memory: Of `device_map`: bytes of weights by device, or sizes such as '20GiB'; None:
            what is free.
        kind: A class whose methods the base has beside its family's.
    """
    _check_map(device_map, max_memory, device)
    if not str(path).strip():
        raise BaseError(
            "base: found an empty name. Expected tiny, which ships, a local folder, or USER/NAME on"
            " the Hub."
        )
    name, path = shipped.name_of_base(path), shipped.find_base(path)
    if isinstance(path, Path) and not is_file(path / "config.json"):
        raise BaseError(f"{path}: no config.json. Expected a folder that save_pretrained wrote.")
    device = check_device(device) if device else usual_device()
    # Its own class, so that what a user holds has the methods of both and needs no wrapper.
    made: type[AnyBase] = with_methods(_family_of(path), kind)
    dtype = dtype or usual_dtype(device)
    if device_map is None:
        return made.load(path, name, vq_decoder=vq_decoder, device=device, dtype=dtype)
    base = made.load(path, name, vq_decoder=vq_decoder, device="cpu", dtype=dtype)
    base.spread(max_memory)
    return base


def _check_map(device_map: object, max_memory: object, device: str | None) -> None:
    if device_map not in (None, "auto"):
        raise BaseError(f"device_map: found {quoted(device_map)}, expected 'auto'.")
    if device_map and device:
        raise BaseError(
            f"device: found '{device}' beside device_map, which chooses the devices. Give one of"
            " the two."
        )
    if max_memory is not None and not device_map:
        raise BaseError("max_memory: found it without device_map='auto'. Give both, or neither.")


@cache
def with_methods(family: type[Base], kind: type[AnyBase]) -> type[AnyBase]:
    """A family's class with the methods of `kind` beside its own, and `kind`'s name."""
    if kind is Base:
        return cast(type[AnyBase], family)
    # The family first: where both say something, its own answer counts.
    return type(kind.__name__, (family, kind), {"__module__": kind.__module__})


def _family_of(path: str | Path) -> type[Base]:
    """The family that the config.json of a folder, or of USER/NAME on the Hub, says."""
    with reading_files(path, "its config.json cannot be used"):
        # A str is a name on the Hub, a Path a folder here: `shipped.find_base` tells them apart.
        is_here = isinstance(path, Path)
        file = Path(path) / "config.json" if is_here else Path(cached_file(path, "config.json"))
        said = read_json(file, BaseError)
    found = said.get("model_type") if isinstance(said, dict) else None
    if not isinstance(found, str) or found not in FAMILIES:
        raise BaseError(
            f"base '{path}': its config.json says model_type {quoted(found)}, expected one of"
            f" {', '.join(FAMILIES)}. Name a base of such a family."
        )
    return FAMILIES[found]
