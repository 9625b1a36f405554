"""Picture files to what the image tokenizer takes, and back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
MAX_ASPECT = 8
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class PictureError(ValueError):
    """A picture file that cannot be used: where, what was found, what to do."""


def read_picture(path: str | Path) -> Image.Image:
    """A picture file as RGB: turned upright by its EXIF tag, transparency blended on white, first frame of an animation."""
    path = Path(path)
    if not path.is_file():
        raise PictureError(f"{path}: no such file. Expected a picture.")
    try:
        with Image.open(path) as file:
            if file.width * file.height > MAX_PIXELS:
                raise PictureError(f"{path}: {file.width} x {file.height} pixels, expected at most {MAX_PIXELS:,}. Make it smaller.")
            if max(file.size) > MAX_ASPECT * min(file.size):
                raise PictureError(f"{path}: {file.width} x {file.height} is a strip (over {MAX_ASPECT} to 1). Crop it.")
            file.load()
            picture = ImageOps.exif_transpose(file)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: not a readable picture ({' '.join(str(error).split())}). Replace or remove it.") from None
    return to_rgb(picture)


def to_rgb(picture: Image.Image) -> Image.Image:
    """RGB of any mode; 16-bit grey is scaled to 8 bits, transparency blended on white."""
    if picture.mode.startswith("I"):
        values = np.asarray(picture, np.float64)
        picture = Image.fromarray((values / (257 if values.max() > 255 else 1)).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return picture.convert("RGB")


def prepare(picture: Image.Image, side: int) -> Image.Image:
    """Short side to `side`, then the middle square: RGB, side x side.

    Lanczos, as Chameleon does it; an exact multiple of a small `side` is pixel art shown enlarged, and goes back exactly.
    """
    picture = picture.convert("RGB")
    short = min(picture.size)
    enlarged = side <= 64 and picture.width % side == 0 and picture.height % side == 0
    size = tuple(max(side, round(n * side / short)) for n in picture.size)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BOX if enlarged else Image.Resampling.LANCZOS)
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
    """Peak signal-to-noise ratio in dB of pixels in [-1, 1], from the mean squared error over all of them."""
    return -10 * math.log10(max((a - b).square().mean().item(), 1e-10) / 4)


def grid(pictures: list[Image.Image], *, columns: int, side: int = 128, gap: int = 4) -> Image.Image:
    """Pictures side by side, each shown `side` pixels wide (nearest neighbour when it enlarges)."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) - gap, rows * (side + gap) - gap), "white")
    for i, picture in enumerate(pictures):
        how = Image.Resampling.NEAREST if picture.width <= side else Image.Resampling.LANCZOS
        sheet.paste(picture.resize((side, side), how), ((i % columns) * (side + gap), (i // columns) * (side + gap)))
    return sheet
