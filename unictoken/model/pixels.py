"""Pictures to what the image tokenizer takes, and back."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageOps

# Also from here: it lies in core, and callers look for it beside `prepare`.
from unictoken.core.pictures import read_picture as read_picture

PIXEL_ART = 64  # a base's side of a picture up to which pictures are taken for pixel art


def prepare(picture: Image.Image, side: int) -> Image.Image:
    """Short side to `side`, then the middle square: RGB, side x side.

    Lanczos, as Chameleon does it; an exact multiple of a small `side` is pixel art shown enlarged,
    and goes back exactly.
    """
    picture = picture.convert("RGB")
    short = min(picture.size)
    enlarged = side <= PIXEL_ART and picture.width % side == 0 and picture.height % side == 0
    size = tuple(max(side, round(n * side / short)) for n in picture.size)
    # BOX is the mean of each block, which is the block's colour where all its pixels are equal.
    if size != picture.size:
        picture = picture.resize(
            size, Image.Resampling.BOX if enlarged else Image.Resampling.LANCZOS
        )
    left, top = ((n - side) // 2 for n in picture.size)
    return picture.crop((left, top, left + side, top + side))


def from_bytes(values: torch.Tensor) -> torch.Tensor:
    """uint8 to pixels in [-1, 1] (x / 127.5 - 1, as in Chameleon's original code)."""
    return values.float() / 127.5 - 1


def to_pixels(picture: Image.Image) -> torch.Tensor:
    """Pixels in [-1, 1], [3, H, W]."""
    return from_bytes(torch.from_numpy(np.array(picture))).permute(2, 0, 1)


def to_picture(pixels_3HW: torch.Tensor) -> Image.Image:
    values = ((pixels_3HW.clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).numpy())


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pixels in [-1, 1], from the mean squared error over all
    of them.
    """
    # 4 is the square of the peak: pixels go from -1 to 1. Equal pictures get a finite value.
    return -10 * math.log10(max((a - b).square().mean().item(), 1e-10) / 4)


def grid(
    pictures: list[Image.Image], *, columns: int, side: int | None = None, gap: int = 4
) -> Image.Image:
    """Pictures on one white sheet, row by row.

    Args:
        pictures: One or more, of any sizes.
        columns: Pictures in a row.
        side: Pixels of the square that each stands in; None: as large as the largest picture, but
            from 128 to 512. Smaller pictures are enlarged to the nearest neighbour.
        gap: White pixels between two squares.
    """
    rows = -(-len(pictures) // columns)
    side = side or min(512, max(128, *(max(picture.size) for picture in pictures)))
    sheet = Image.new("RGB", (columns * (side + gap) - gap, rows * (side + gap) - gap), "white")
    for i, picture in enumerate(pictures):
        how = Image.Resampling.NEAREST if picture.width <= side else Image.Resampling.LANCZOS
        sheet.paste(
            ImageOps.pad(picture, (side, side), how, color="white"),
            ((i % columns) * (side + gap), (i // columns) * (side + gap)),
        )
    return sheet
