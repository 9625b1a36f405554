"""Picture files as RGB pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from unictoken.core.errors import UserError

MAX_PIXELS = 100_000_000
MIN_SIDE = 16  # pixels; nothing can be learned of less
MAX_ASPECT = 8
LFS = b"version https://git-lfs"
HEIC_ENDINGS = (".heic", ".heif")  # what iPhones write
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")  # no others: Pillow hands PostScript to a program, by content
LONG_NAME = 300  # letters
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", *HEIC_ENDINGS)


class PictureError(UserError):
    """A picture file that cannot be used: where, what was found, what to do."""


def read_picture(path: str | Path, *, at_least: int | None = None) -> Image.Image:
    """A picture file as RGB: turned upright by its EXIF tag, transparency blended on white, first frame of an animation.

    `at_least`: pixels of the short side that are enough; what has twice as many, or more, is shrunk by a whole number.
    """
    with _opened(Path(path)) as file:
        file.load()
        picture = to_rgb(ImageOps.exif_transpose(file))
    return picture.reduce(max(1, min(picture.size) // at_least)) if at_least else picture


def check_picture(path: str | Path) -> None:
    """Refuse what `read_picture` would refuse, as far as a file's header tells; nothing is decoded."""
    with _opened(Path(path)):
        pass


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file, of a size that can be used. Whatever goes wrong with it is a `PictureError`."""
    name = _shown(path)
    try:
        if not path.is_file():
            raise PictureError(f"{name}: {'found a folder' if path.is_dir() else 'no such file'}. Expected a picture.")
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise PictureError(f"{name}: not a readable picture ({error.strerror}). Give it another name or place.") from None
    if path.suffix.lower() in HEIC_ENDINGS:
        _read_heic(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged EXIF, which does no harm, and of many pixels, where the limit is ours
            Image.init()
            with Image.open(path, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as file:
                _check_size(name, *file.size)
                yield file
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"{name}: more than {MAX_PIXELS:,} pixels. Make it smaller.") from None
    except UnidentifiedImageError:
        why = "a pointer of Git LFS; `git lfs pull` fetches it" if is_pointer(path) else "it begins like none of " + ", ".join(FORMATS)
        raise PictureError(f"{name}: not a readable picture ({why}). Replace or remove it.") from None
    except Exception as error:  # decoders meet arbitrary bytes, and raise whatever these lead to
        raise PictureError(f"{name}: not a readable picture ({' '.join(str(error).split())}). Replace or remove it.") from None


def _shown(path: Path) -> str:
    """The path as it stands in a message of one line."""
    name = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(path))
    return name if len(name) <= LONG_NAME else f"{name[: LONG_NAME // 2]}...{name[-LONG_NAME // 2 :]}"


def is_pointer(path: Path) -> bool:
    """Whether a clone without Git LFS left a line of text in the picture's place."""
    with open(path, "rb") as file:
        return file.read(len(LFS)) == LFS


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"{name}: {width} x {height} pixels, expected at most {MAX_PIXELS:,}. Make it smaller.")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{name}: {width} x {height} pixels, expected at least {MIN_SIDE} x {MIN_SIDE}. Use a larger picture.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(f"{name}: {width} x {height} is a strip (over {MAX_ASPECT} to 1). Crop it.")


def _read_heic(name: str) -> None:
    """Teach Pillow HEIC, if its plugin is installed."""
    if importlib.util.find_spec("pillow_heif") is None:
        raise PictureError(f"{name}: HEIC is read by a plugin. `pip install pillow-heif`, or save the picture as JPEG.")
    import pillow_heif

    pillow_heif.register_heif_opener()


def to_rgb(picture: Image.Image) -> Image.Image:
    """RGB of any mode; 16-bit and floating grey are scaled to 8 bits, transparency blended on white."""
    if picture.mode[0] in "IF":
        clear, values = picture.info.get("transparency"), np.asarray(picture)
        picture = _to_bytes(picture)
        if isinstance(clear, int):  # the one grey, in 16 bits, that a PNG calls transparent
            picture.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return picture.convert("RGB")


def _to_bytes(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as 8 bits: what is always 16 bits by its range, the rest by what values it holds."""
    values = np.nan_to_num(np.asarray(picture, np.float64))
    if picture.mode.startswith("I;16") or values.max() > 255:
        values = values / 257
    elif picture.mode == "F" and values.max() <= 1:
        values = values * 255
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
