"""Pipelines of `diffusers`, from a folder: another model that draws pictures of a prompt.

A folder is what `save_pretrained` wrote. Only settings and safetensors in it are read: no pickle, no
code of its own, and nothing comes from the Hub.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from unictoken.core.disk import is_file, is_folder, quoted
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line
from unictoken.core.progress import progress
from unictoken.core.reading import check_file, check_keys, read_json, read_weight_map
from unictoken.model.base import usual_device
from unictoken.model.internals import make_printable, quiet_loading

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

INDEX = "model_index.json"
BATCH = 4  # pictures that are drawn at once
MOST_SETTINGS = 64 * 2**20  # bytes of a file of settings or of words
# Greatest numbers by a setting's name. The libraries make what they are told to: a table of a
# thousand million times of noise, or as many layers.
_MOST = {
    re.compile("layer|depth"): 256,
    re.compile("step"): 10_000,  # published: 1,000
    re.compile("sample_size"): 1024,  # of a side, in latents or pixels
}
MOST_SIDE = 4096  # pixels of a picture that is learned from or drawn
MOST_IDS = 8192  # of a prompt, which tokenizers fill up
_EXPECTED = "Give a folder that save_pretrained of a pipeline of diffusers wrote, with safetensors"
_OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)


class PipelineError(UserError):
    """A pipeline that cannot be used: where, what was found, what was expected, what to do."""


def load_pipeline(folder: str | Path) -> DiffusionPipeline:
    """The pipeline in a folder, in fp32, frozen, on the GPU where there is one."""
    place = Path(os.path.expanduser(folder))
    if importlib.util.find_spec("diffusers") is None:
        raise PipelineError(
            f"{place}: needs diffusers, which is not installed. Use `pip install"
            " 'unictoken[diffusion]'`."
        )
    _check_index(place)
    _check_files(place)
    from diffusers import DiffusionPipeline, StableDiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    make_printable("diffusers")
    try:
        with quiet_loading():
            pipeline = DiffusionPipeline.from_pretrained(
                str(place),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:  # broken settings raise whatever the libraries like
        raise PipelineError(f"{place}: cannot be loaded ({_said(error)}). {_EXPECTED}.") from None
    for name, part in pipeline.components.items():
        if isinstance(getattr(part, "model_max_length", None), int):  # some say 10**30
            part.model_max_length = min(part.model_max_length, MOST_IDS)
        if isinstance(part, torch.nn.Module):
            _check_weights(part, f"{place}: {name}")
            part.eval().requires_grad_(False)
            if part.dtype != torch.float32:
                part.float()
    if isinstance(pipeline, StableDiffusionPipeline):
        side_of(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(usual_device())


def _check_weights(part: torch.nn.Module, where: str) -> None:
    """Refuse weights that are not in the files, and such as are no numbers."""
    for name, weight in part.named_parameters():
        # Without values: what the files lack, diffusers leaves so.
        said = "is missing" if weight.is_meta else "holds NaN or infinity"
        if weight.is_meta or not weight.sum(dtype=torch.float32).isfinite():
            raise PipelineError(f"{where}: {quoted(name)} {said}. {_EXPECTED}.")


def _check_index(place: Path) -> None:
    """Refuse a folder that is no pipeline, or would run code that is not diffusers' own."""
    if not is_file(place / INDEX):
        raise PipelineError(f"{place}: no {INDEX} in it. {_EXPECTED}.")
    # diffusers imports files beside the settings, and whatever library these name.
    if code := sorted(place.rglob("*.py")):
        raise PipelineError(
            f"{place}: found code, {quoted(code[0].name)}, which is never run here. Give a pipeline"
            " without code of its own."
        )
    index = read_json(place / INDEX, PipelineError)
    named = index if isinstance(index, dict) else {}
    import diffusers
    from diffusers import DiffusionPipeline, pipelines

    kind = named.get("_class_name")
    known = getattr(diffusers, kind, None) if isinstance(kind, str) else None
    if not (isinstance(known, type) and issubclass(known, DiffusionPipeline)):
        raise PipelineError(
            f"{place / INDEX}: found the pipeline {quoted(str(kind))}, expected one of diffusers"
            f" {diffusers.__version__}. {_EXPECTED}."
        )
    for name, part in named.items():
        if not isinstance(part, list):
            continue
        library = part[0] if part else None
        ours = library in (None, "diffusers", "transformers")
        if not ours and not (isinstance(library, str) and hasattr(pipelines, library)):
            raise PipelineError(
                f"{place / INDEX}: {quoted(name)} is of {quoted(str(library))}, expected diffusers"
                " or transformers. Give a pipeline of these libraries alone."
            )


def _check_files(place: Path) -> None:
    """Refuse settings that are no settings or would take all memory, an index of weights that leads
    out of its folder, and what is no plain file.
    """
    for file in sorted(place.rglob("*")):
        if is_folder(file):
            continue
        # Any number of bytes of weights; a FIFO would be waited for.
        most = MOST_SETTINGS if file.suffix in (".json", ".txt", ".model") else None
        check_file(file, PipelineError, "a file of a pipeline", most=most)
        if file.name.endswith(".safetensors.index.json"):
            read_weight_map(file, PipelineError, whose="the pipeline's")
        elif file.suffix == ".json":
            said = read_json(file, PipelineError, most=MOST_SETTINGS)
            check_keys(said, file, PipelineError)
            if "config" in file.name:
                _check_numbers(said, file)


def _check_numbers(said: Any, file: Path, key: str = "") -> None:
    """Refuse greater numbers than `_MOST` has for a setting's name, wherever it stands."""
    if isinstance(said, dict):
        for name, value in said.items():
            _check_numbers(value, file, name)
    elif isinstance(said, list):
        for value in said:
            _check_numbers(value, file, key)
    elif isinstance(said, int | float):
        most = min((n for name, n in _MOST.items() if name.search(key)), default=None)
        if most is not None and said > most:
            raise PipelineError(
                f"{file}: {key}: found {said}, expected at most {most:,}. Give a pipeline whose"
                " settings are those of its weights."
            )


@contextmanager
def working(pipeline: DiffusionPipeline, what: str) -> Iterator[None]:
    """In this block what a pipeline's libraries raise is one line: settings may be whole, and fit no
    picture.

    Args:
        pipeline: What works.
        what: Such as 'draw'.
    """
    try:
        yield
    except (*_OUT_OF_MEMORY, UserError):
        raise
    except Exception as error:  # whatever the libraries like
        raise PipelineError(
            f"{type(pipeline).__name__}: cannot {what} ({_said(error)}). {_EXPECTED}."
        ) from None


def side_of(pipeline: DiffusionPipeline) -> int:
    """Pixels of a side of the pictures that a Stable Diffusion draws."""
    with working(pipeline, "draw"):
        side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    if type(side) is not int or not 1 <= side <= MOST_SIDE:
        raise PipelineError(
            f"{type(pipeline).__name__}: draws pictures of {quoted(side)} pixels, expected 1 to"
            f" {MOST_SIDE:,}. {_EXPECTED}."
        )
    return side


def draw_prompts(
    pipeline: DiffusionPipeline, prompts: Sequence[str], *, seed: int, steps: int | None = None
) -> list[Image.Image]:
    """A picture of each prompt; each depends on the seed and on its place alone.

    Raises `PipelineError` for a pipeline that takes no prompt, or gives no pictures.

    Args:
        pipeline: What draws.
        prompts: In plain words.
        seed: Of the noise.
        steps: Of denoising; None: the pipeline's usual number.
    """
    takes = signature(pipeline.__call__).parameters
    if "prompt" not in takes or "generator" not in takes:
        raise PipelineError(
            f"{type(pipeline).__name__}: takes no prompt. Expected a pipeline that draws from text,"
            " such as StableDiffusionPipeline; give one."
        )
    how: dict[str, Any] = {} if steps is None else {"num_inference_steps": steps}
    drawn: list[Image.Image] = []
    for start in progress(range(0, len(prompts), BATCH), "drawing with diffusers"):
        part = list(prompts[start : start + BATCH])
        # On the CPU: the same noise on every device, however many are drawn at once.
        noise = [_generator(seed, start + i) for i in range(len(part))]
        with working(pipeline, "draw"):
            found = pipeline(prompt=part, generator=noise, output_type="pil", **how)
            drawn += [picture.convert("RGB") for picture in found.images]
    return drawn


def _said(error: Exception) -> str:
    """A library's error in one short line."""
    return one_line(str(error), 160)


def _generator(seed: int, place: int) -> torch.Generator:
    own = np.random.SeedSequence((seed, place)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(own))
