"""Textual inversion (Gal et al. 2022, 2208.01618, section 3): what concept tokens are compared with
where drawing alone counts.

A concept is one row, or a few, of a diffusion pipeline's text encoder. The rows are all that learns;
they are kept in diffusers' own format, which `pipeline.load_textual_inversion` reads.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn.functional import mse_loss

from unictoken.core.config import within
from unictoken.core.disk import quoted, write_aside
from unictoken.data import templates
from unictoken.learn.methods import MOST_EXAMPLES, MOST_STEPS
from unictoken.model.diffusion import PipelineError, side_of, working
from unictoken.tasks.teaching import one_of
from unictoken.tokens.exchange.files import to_bytes
from unictoken.tokens.file import MOST_ROWS

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

PREDICTIONS = ("epsilon", "v_prediction")  # what a denoiser may be asked for
LEARNED = "learned_embeds.safetensors"  # where diffusers looks for it in a folder


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How rows are learned. The usual values are those of diffusers' example for Stable Diffusion
    1.5, for a batch of 4.
    """

    steps: int = 3000
    batch: int = 4
    """Noisy pictures in one step."""
    lr: float = 2e-3
    """AdamW's, constant."""
    vectors: int = 1
    """Rows of the concept."""

    def __post_init__(self) -> None:
        within("steps", self.steps, 1, MOST_STEPS)
        within("batch", self.batch, 1, MOST_EXAMPLES)
        within("lr", self.lr, 0, 1, above=True)
        within("vectors", self.vectors, 1, MOST_ROWS)


def invert(
    pipeline: DiffusionPipeline,
    pictures: Sequence[Image.Image],
    *,
    name: str,
    class_noun: str,
    how: Inversion | None = None,
    seed: int = 0,
    show: Callable[[int, float], None] = lambda step, loss: None,
) -> torch.Tensor:
    """The rows [R, D] of a concept, in fp32. The pipeline stays as it was, bit for bit.

    Args:
        pipeline: A Stable Diffusion of one text encoder, frozen.
        pictures: Of the concept.
        name: What prompts then say as `<name>`.
        class_noun: Where the rows begin: the mean of its rows.
        how: Steps, rate and number of rows; None: the usual ones.
        seed: Of noise, of times and of sentences.
        show: Called after each step, with its number and its loss.
    """
    how = how or Inversion()
    _check(pipeline, name, how.vectors)
    device, encoder = pipeline.device, pipeline.text_encoder
    said = tokens_of(name, how.vectors)
    with working(pipeline, "learn"):
        # A copy: the pipeline is to read the learned file afterwards, in which its names are new.
        tokenizer = copy.deepcopy(pipeline.tokenizer)
        tokenizer.add_tokens(said)
        ids = tokenizer.convert_tokens_to_ids(said)
        table = encoder.get_input_embeddings()
        rows = nn.Parameter(_rows_of(class_noun, tokenizer, table).repeat(how.vectors, 1))
        seen = _encoded(pipeline, pictures)
    optimiser = torch.optim.AdamW([rows], lr=how.lr, weight_decay=0.0)
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    with _inserted(table, ids, rows):
        for step in range(how.steps):
            forms = [one_of(templates.GENERATE, rng) for _ in range(how.batch)]
            texts = [templates.with_scene(form, "").format(name=" ".join(said)) for form in forms]
            chosen = rng.integers(len(pictures), size=how.batch)
            with working(pipeline, "learn"):
                asked = _ids_of(tokenizer, texts).to(device)
                loss = _loss(pipeline, seen, chosen, encoder(asked)[0], noise)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            _check_finite(loss, step + 1, how)
            show(step + 1, loss.item())
    return rows.detach().float().cpu()


def save_inversion(rows: torch.Tensor, name: str, folder: Path) -> Path:
    """Rows [R, D] as diffusers keeps them, in a folder."""
    path = folder / LEARNED
    write_aside(path, to_bytes(rows, f"<{name}>", path.suffix))
    return path


def tokens_of(name: str, vectors: int) -> list[str]:
    """What stands in a prompt for a concept of so many rows, as diffusers names them.

    >>> tokens_of("bo", 3)
    ['<bo>', '<bo>_1', '<bo>_2']
    """
    return [f"<{name}>" + (f"_{i}" if i else "") for i in range(vectors)]


def _check_finite(loss: torch.Tensor, step: int, how: Inversion) -> None:
    if not loss.isfinite():
        raise PipelineError(
            f"textual inversion: the loss of step {step} is {loss.item()}, expected a number. Use a"
            f" smaller rate than {how.lr}, or a pipeline whose weights are whole."
        )


def _check(pipeline: DiffusionPipeline, name: str, vectors: int) -> None:
    from diffusers import StableDiffusionPipeline

    if not isinstance(pipeline, StableDiffusionPipeline):
        raise PipelineError(
            f"textual inversion: found a {type(pipeline).__name__}, expected a"
            " StableDiffusionPipeline, of one text encoder. Give such a pipeline."
        )
    if f"<{name}>" in pipeline.tokenizer.get_vocab():
        raise PipelineError(
            f"textual inversion: the pipeline knows '<{name}>' already. Choose another name."
        )
    longest = pipeline.tokenizer.model_max_length
    if vectors > longest // 2:  # the rest is for the words around it
        raise PipelineError(
            f"textual inversion: found {vectors} rows, and the pipeline reads {longest} ids of a"
            f" prompt. Expected at most {longest // 2} rows; use fewer."
        )
    kind = pipeline.scheduler.config.get("prediction_type", PREDICTIONS[0])
    if kind not in PREDICTIONS:
        raise PipelineError(
            f"textual inversion: found a pipeline whose scheduler has prediction_type"
            f" {quoted(kind)}, expected one of {', '.join(PREDICTIONS)}. Give such a pipeline."
        )
    side_of(pipeline)


def _rows_of(class_noun: str, tokenizer: Any, table: nn.Module) -> torch.Tensor:
    """The mean [1, D] of the rows of the class noun."""
    ids = tokenizer(class_noun, add_special_tokens=False).input_ids
    if not ids:
        raise PipelineError(
            f"textual inversion: the pipeline's tokenizer reads nothing in the class noun"
            f" {quoted(class_noun)}. Choose another word."
        )
    return table(torch.tensor(ids, device=table.weight.device)).mean(0, keepdim=True).clone()


def _ids_of(tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Ids [B, T] of prompts, as a pipeline of Stable Diffusion pads them."""
    ids: torch.Tensor = tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    ).input_ids
    return ids


@contextmanager
def _inserted(table: nn.Module, ids: Sequence[int], rows: nn.Parameter) -> Iterator[None]:
    """Within it, an embedding gives the rows where their ids stand. These lie beyond its table,
    which is not made longer.
    """
    first, asked = ids[0], []

    def before(module: nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        asked[:] = given
        return (given[0].masked_fill(given[0] >= first, 0),)

    def after(module: nn.Module, given: object, found_BTD: torch.Tensor) -> torch.Tensor:
        (ids_BT,) = asked
        own_BTD = rows[(ids_BT - first).clamp(0, len(rows) - 1)]
        return torch.where((ids_BT >= first)[..., None], own_BTD, found_BTD)

    handles = [table.register_forward_pre_hook(before), table.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _encoded(pipeline: DiffusionPipeline, pictures: Sequence[Image.Image]) -> Any:
    """The distribution of the latents [N, C, H, W] of the pictures, each fitted to the pipeline's
    size.
    """
    side = side_of(pipeline)
    fitted = [ImageOps.fit(picture.convert("RGB"), (side, side)) for picture in pictures]
    pixels = pipeline.image_processor.preprocess(fitted).to(pipeline.device)
    return pipeline.vae.encode(pixels).latent_dist


def _loss(
    pipeline: DiffusionPipeline,
    seen: Any,
    chosen: np.ndarray,
    text_BTD: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """The denoising error (equation 2) of some pictures at random times.

    Args:
        pipeline: Has the denoiser, and says how noise is added.
        seen: The distribution of the pictures' latents.
        chosen: Numbers of pictures, [B].
        text_BTD: What the text encoder says of each prompt.
        generator: Of noise and times.
    """
    from diffusers import DDPMScheduler

    def random(like: torch.Tensor) -> torch.Tensor:
        # On the CPU: the same noise on every device.
        return torch.randn(like.shape, generator=generator).to(like)

    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    mean = seen.mean[chosen]
    latents = (mean + seen.std[chosen] * random(mean)) * pipeline.vae.config.scaling_factor
    most = schedule.config.num_train_timesteps
    times = torch.randint(most, (len(chosen),), generator=generator).to(latents.device)
    noise = random(latents)
    noisy = schedule.add_noise(latents, noise, times)
    given = pipeline.unet(noisy, times, encoder_hidden_states=text_BTD).sample
    if schedule.config.prediction_type == PREDICTIONS[1]:
        return mse_loss(given, schedule.get_velocity(latents, noise, times))
    return mse_loss(given, noise)
