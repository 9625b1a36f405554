"""Pipelines of `diffusers`, from a folder: another model that draws pictures of a prompt.

A folder is what `save_pretrained` wrote. Only settings and safetensors in it are read: no pickle, no
code of its own, and nothing comes from the Hub.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from unictoken.core.disk import is_file, quoted
from unictoken.core.errors import UserError
from unictoken.core.progress import progress
from unictoken.core.reading import read_json
from unictoken.model.base import usual_device
from unictoken.model.internals import make_printable, quiet_loading
from unictoken.model.saved import check_saved, check_weights, refusing

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

INDEX = "model_index.json"
BATCH = 4  # pictures that are drawn at once
MOST_SIDE = 4096  # pixels of a picture that is learned from or drawn
MOST_IDS = 8192  # of a prompt, which tokenizers fill up
_EXPECTED = "Give a folder that save_pretrained of a pipeline of diffusers wrote, with safetensors"


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
    check_saved(place, PipelineError, whose="the pipeline's")
    from diffusers import DiffusionPipeline, StableDiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    make_printable("diffusers")
    said = f"{place}: cannot be loaded"
    with refusing(PipelineError, said, advice=_EXPECTED), quiet_loading():
        pipeline = DiffusionPipeline.from_pretrained(
            str(place),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    for name, part in pipeline.components.items():
        if hasattr(part, "model_max_length"):
            part.model_max_length = _longest_of(part, f"{place}: {name}")
        if isinstance(part, torch.nn.Module):
            check_weights(part, f"{place}: {name}", PipelineError, advice=_EXPECTED)
            part.eval().requires_grad_(False)
            if part.dtype != torch.float32:
                part.float()
    if isinstance(pipeline, StableDiffusionPipeline):
        side_of(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(usual_device())


def _longest_of(tokenizer: Any, where: str) -> int:
    """How many ids a tokenizer gives, MOST_IDS at most: some say 10**30."""
    said = tokenizer.model_max_length
    if isinstance(said, bool) or not isinstance(said, int) or said < 1:
        raise PipelineError(
            f"{where}: model_max_length: found {quoted(str(said))}, expected a whole number of at"
            f" least 1. {_EXPECTED}."
        )
    return min(said, MOST_IDS)


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


@contextmanager
def working(pipeline: DiffusionPipeline, what: str) -> Iterator[None]:
    """In this block what a pipeline's libraries raise is one line: settings may be whole, and fit no
    picture.

    Args:
        pipeline: What works.
        what: Such as 'draw'.
    """
    said = f"{type(pipeline).__name__}: cannot {what}"
    with refusing(PipelineError, said, advice=_EXPECTED):
        yield


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


def _generator(seed: int, place: int) -> torch.Generator:
    own = np.random.SeedSequence((seed, place)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(own))
