"""Picture files as RGB pictures in sRGB."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from unictoken.core.disk import is_file, is_folder, write_aside
from unictoken.core.errors import UserError

MAX_PIXELS = 100_000_000  # of one picture
MAX_WEBP = 30_000_000  # its decoder holds a picture four times
# Pictures that are read together may have so many pixels, and so many more for each byte of their
# files: a photo has 4 to 40 for a byte, and a file that is made to fill the memory thousands.
FREE_PIXELS, PIXELS_PER_BYTE = 200_000_000, 64
STRIP = 4_000_000  # pixels of a large picture that are converted at once
MIN_SIDE = 16  # pixels; nothing can be learned of less
# A base reads the middle square: of a longer strip it would see less than an eighth.
MAX_ASPECT = 8
ENOUGH_SIDE = 1024  # pixels of the short side; the largest bases read 512
SHOWN_SIDE = 256  # pixels; small pictures are shown and saved enlarged to at least this
LFS = b"version https://git-lfs"
# No others: Pillow hands PostScript to a program, by content.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
LONG_NAME = 300  # letters
HEAD = 1024  # bytes of a file's beginning that tell what it is
SAME_COLOUR = 2  # RGB distance that rounding makes: what changes colours by no more is sRGB

# fmt: off
# Endings that promise a picture: a file of such a name that cannot be read is an error.
PICTURE_ENDINGS = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo",
    ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics",
    ".heif", ".heifs", ".hif",
)
# Of cameras' raw files. Many are TIFF inside, of which Pillow would read the small preview.
RAW_ENDINGS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25",
    ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2",
    ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)
# Of what else holds pictures and is not read here: videos; documents and drawings; other formats.
UNREAD_ENDINGS = (
    ".3g2", ".3gp", ".avi", ".flv", ".insv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".webm", ".wmv",
    ".ai", ".emf", ".eps", ".pdf", ".ps", ".svg", ".svgz", ".wmf", ".afphoto", ".kra", ".psb",
    ".psd", ".xcf",
    ".bpg", ".dds", ".exr", ".hdr", ".icns", ".ico", ".j2k", ".jp2", ".jpf", ".jpx", ".jxl",
    ".jxr", ".livp", ".pam", ".pbm", ".pgm", ".pnm", ".ppm", ".qoi", ".tga", ".wdp",
)
# fmt: on

# How files begin, by format.
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # their sizes: "BM" begins a text as well
_AVIF_BRANDS = {b"avif", b"avis"}
# fmt: off
_HEIC_BRANDS = {
    b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1",
}
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"F4A ", b"F4B ")
_UNREAD_BEGINNINGS = (
    b"%PDF", b"%!PS", b"8BPS", b"gimp xcf", b"v/1\x01", b"#?RADIANCE", b"DDS ", b"qoif", b"icns",
    b"\0\0\0\x0cJXL ", b"\xff\x0a", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",  # JPEG XL, JPEG 2000
    b"\x1aE\xdf\xa3", b"FLV\x01", b"0&\xb2u\x8ef\xcf\x11",  # videos
    b"\0\0\x01\xba", b"\0\0\x01\xb3",  # MPEG's
    b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb",  # cameras
)
# fmt: on

Look = Literal["picture", "unread", "other"]


class PictureError(UserError):
    """A picture file that cannot be used: where, what was found, what to do."""


def read_picture(path: str | Path, *, at_least: int | None = None) -> Image.Image:
    """A picture file as RGB, as a viewer shows it: turned upright by its EXIF tag, in sRGB by its
    colour profile, transparency blended on white, the first frame of an animation.

    `at_least`: pixels of the short side that are enough; what has twice as many, or more, is shrunk
    by a whole number.
    """
    with _opened(Path(path)) as file:
        return _as_viewed(file, at_least)


def _as_viewed(picture: Image.Image, at_least: int | None) -> Image.Image:
    picture.load()
    if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would only be copied
        picture = ImageOps.exif_transpose(picture)
    times = min(picture.size) // at_least if at_least else 1
    return to_rgb(picture, _times(picture, times) if times > 1 else 1)


def read_shrunk(path: str | Path) -> Image.Image:
    """The same, no larger than any base can use: what a base reads of a file is read with this."""
    return read_picture(path, at_least=ENOUGH_SIDE)


ImageSource = Path | Image.Image
"""A picture: a file that is read when it is needed, or one in memory."""


def read_image(given: ImageSource, *, at_least: int | None = ENOUGH_SIDE) -> Image.Image:
    """The picture in memory itself, or what `read_picture` reads of the file."""
    return given if isinstance(given, Image.Image) else read_picture(given, at_least=at_least)


def write_picture(picture: Image.Image, path: Path) -> None:
    """A picture as a PNG file, whole or not at all."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    write_aside(path, data.getvalue())


def as_picture(given: object, *, where: str = "image") -> Image.Image:
    """One picture, however it is given: a path, a PIL image, or an array, as `read_shrunk` reads a
    file.

    Args:
        given: A path; a PIL image of any mode; or a numpy array of uint8, [height, width, 3].
        where: What names the picture in an error.
    """
    if isinstance(given, str | os.PathLike):
        return read_shrunk(os.path.expanduser(given))
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim != 3 or given.shape[-1] != 3:
            found = f"an array of {given.dtype}, {list(given.shape)}"
            raise PictureError(f"{where}: found {found}, expected uint8 [height, width, 3].")
        given = Image.fromarray(np.ascontiguousarray(given))
    if not isinstance(given, Image.Image):
        raise PictureError(
            f"{where}: found {type(given).__name__}, expected a path, a PIL image, or a numpy array"
            " of uint8 [height, width, 3]."
        )
    _check_size(where, *given.size)
    try:
        return _as_viewed(given, ENOUGH_SIDE)
    except Exception as error:  # of a file that is closed or damaged: see `_opened`
        raise _unreadable(where, " ".join(str(error).split())) from None


def decode_picture(data: bytes, *, where: str = "image", most: int = MAX_PIXELS) -> Image.Image:
    """The picture that bytes hold, as `read_shrunk` reads it of a file.

    Args:
        data: A whole file of a picture.
        where: What names the picture in an error.
        most: Pixels that it may have.
    """
    with _decoded(io.BytesIO(data), where, data[:HEAD]) as picture:
        _check_size(where, *picture.size, most)
        return _as_viewed(picture, ENOUGH_SIDE)


def enlarge(picture: Image.Image, factor: int) -> Image.Image:
    """Each pixel a square of `factor` pixels, the way pixel art is shown."""
    size = picture.width * factor, picture.height * factor
    return picture.resize(size, Image.Resampling.NEAREST)


def large_enough(picture: Image.Image) -> Image.Image:
    """The picture, enlarged if its short side has less than SHOWN_SIDE pixels."""
    # Rounded up: the short side may become larger than SHOWN_SIDE, never smaller.
    return enlarge(picture, -(-SHOWN_SIDE // min(picture.size)))


class Allowance:
    """How many pixels the pictures that are read together may have."""

    def __init__(self) -> None:
        self.pixels = 0
        self.allowed = FREE_PIXELS

    def take(self, path: Path) -> None:
        """Count a picture; refuse it where all of them become too many."""
        with _opened(path) as file:
            self.pixels += file.width * file.height
        self.allowed += PIXELS_PER_BYTE * path.stat().st_size
        if self.pixels > self.allowed:
            raise PictureError(
                f"{shown_path(path)}: with those before it {self.pixels:,} pixels, expected at most"
                f" {self.allowed:,} of files that are so small. Make the pictures smaller."
            )


def read_together(given: Iterable[ImageSource]) -> Iterator[Image.Image]:
    """Several pictures as `read_image` reads each, of a bounded number of pixels in all."""
    allowance = Allowance()
    for one in given:
        if isinstance(one, Path):
            allowance.take(one)
        yield read_image(one)


def check_picture(path: str | Path) -> None:
    """Refuse what `read_picture` would refuse, as far as the file's header shows; nothing is
    decoded.
    """
    with _opened(Path(path)):
        pass


def looks_like(path: Path) -> Look:
    """What a file of a folder is, by its first bytes, else by the ending of its name.

    picture: to be read. unread: a picture, a document or a video in a format that is not read here.
    other: none of these (texts, JSON, weights, hidden files).
    """
    if path.name.startswith("."):
        return "other"
    ending, head = path.suffix.lower(), _head(path)
    kind = _format_of(head)
    # Before the next test: such a file begins like a TIFF, which would make it a picture.
    if ending in RAW_ENDINGS and kind == "TIFF":
        return "unread"
    if kind or ending in PICTURE_ENDINGS:
        return "picture"
    # Without a head (an empty file, or one that cannot be opened) an ending proves nothing.
    if head and (ending in RAW_ENDINGS + UNREAD_ENDINGS or _begins_unread(head)):
        return "unread"
    return "other"


def _head(path: Path) -> bytes:
    """The first bytes of a plain file; b"" for what cannot be opened, and for a FIFO, which would
    wait for a writer.
    """
    try:
        if not is_file(path):
            return b""
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _format_of(head: bytes) -> str | None:
    """The one of FORMATS that a file with these first bytes has, whatever its name."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    brands = _brands(head)
    # AVIF first: its files list the general brands of HEIF (mif1, msf1) too.
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIC_BRANDS else None


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file: the formats that it can be read as."""
    if head[4:8] != b"ftyp":
        return set()
    # size (4 bytes) | 'ftyp' | major brand | version (4 bytes) | compatible brands, 4 bytes each
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[i : i + 4] for i in (8, *range(16, end, 4))}


def _begins_unread(head: bytes) -> bool:
    # Such a file that is no picture is a video, unless it says that it is sound.
    if head[4:8] == b"ftyp":
        return head[8:12] not in _SOUND_BRANDS
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return True
    # SVG is text: a byte order mark and white space may come first.
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_svg = text.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in text
    return is_svg or head.startswith(_UNREAD_BEGINNINGS)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file, of a size that can be used. Whatever goes wrong with it is a `PictureError`."""
    name = shown_path(path)
    try:
        if not is_file(path):
            found = "found a folder" if is_folder(path) else "no such file"
            raise PictureError(f"{name}: {found}. Expected a picture.")
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise PictureError(
            f"{name}: not a readable picture ({error.strerror}). Give it another name or place."
        ) from None
    with _decoded(path, name, _head(path), path.suffix) as file:
        yield file


@contextlib.contextmanager
def _decoded(
    given: Path | io.BytesIO, name: str, head: bytes, ending: str = ""
) -> Iterator[Image.Image]:
    """A picture of a size that can be used, opened and not yet decoded.

    Args:
        given: Its file, or what such a file holds.
        name: What errors call it.
        head: Its first bytes.
        ending: Of the file's name.
    """
    try:
        with warnings.catch_warnings():
            # Of a damaged EXIF, which does no harm, and of many pixels, where the limit is ours.
            warnings.simplefilter("ignore")
            # Loads all plugins of Pillow: `_formats` looks into Image.OPEN, which is filled on
            # demand otherwise.
            Image.init()
            with Image.open(given, formats=_formats(head, ending, name)) as file:
                _check_size(name, *file.size, MAX_WEBP if file.format == "WEBP" else MAX_PIXELS)
                yield file
    except PictureError:
        raise
    # Pillow's own limit, which `Image.open` checks before ours.
    except Image.DecompressionBombError:
        raise PictureError(f"{name}: more than {MAX_PIXELS:,} pixels. Make it smaller.") from None
    except UnidentifiedImageError:
        why = "it begins like none of " + ", ".join(FORMATS)
        if head.startswith(LFS):
            why = "a pointer of Git LFS; `git lfs pull` fetches it"
        raise _unreadable(name, why) from None
    except Exception as error:  # decoders meet arbitrary bytes, and raise whatever these lead to
        raise _unreadable(name, " ".join(str(error).split())) from None


def _unreadable(name: str, why: str) -> PictureError:
    return PictureError(f"{name}: not a readable picture ({why}). Replace or remove it.")


def _formats(head: bytes, ending: str, name: str) -> list[str]:
    """The formats to try for a file, by its content alone: never by what was read before it.

    HEIC and AVIF begin alike, and each has one decoder only.
    """
    kind = _format_of(head)
    if kind == "HEIF":
        _read_heic(name)
        return ["HEIF"]
    if kind == "AVIF":
        if "AVIF" not in Image.OPEN:
            raise PictureError(
                f"{name}: AVIF, which this Pillow does not read. `pip install -U pillow`, "
                "or save the picture as JPEG."
            )
        return ["AVIF"]
    if kind == "TIFF" and ending.lower() in RAW_ENDINGS:
        raise PictureError(
            f"{name}: a camera's raw file, which is not read here. Save the picture as JPEG."
        )
    return [known for known in FORMATS if known in Image.OPEN]


def shown_path(path: Path) -> str:
    """The path as it stands in a message of one line."""
    name = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(path))
    if len(name) <= LONG_NAME:
        return name
    return f"{name[: LONG_NAME // 2]}...{name[-LONG_NAME // 2 :]}"


def is_pointer(path: Path) -> bool:
    """Whether a clone without Git LFS left a line of text in the picture's place."""
    with open(path, "rb") as file:
        return file.read(len(LFS)) == LFS


def _check_size(name: str, width: int, height: int, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise PictureError(
            f"{name}: {width} x {height} pixels, expected at most {most:,}. Make it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise PictureError(
            f"{name}: {width} x {height} pixels, expected at least {MIN_SIDE} x {MIN_SIDE}. "
            "Use a larger picture."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(
            f"{name}: {width} x {height} is a strip (over {MAX_ASPECT} to 1). Crop it."
        )


def _read_heic(name: str) -> None:
    """Register the HEIC plugin with Pillow, if it is installed."""
    try:
        import pillow_heif
    except ImportError:
        raise PictureError(
            f"{name}: HEIC is read by a plugin. `pip install pillow-heif`, "
            "or save the picture as JPEG."
        ) from None
    pillow_heif.register_heif_opener()


def to_rgb(picture: Image.Image, times: int = 1) -> Image.Image:
    """RGB of any mode, in sRGB, shrunk so many times.

    16-bit and floating grey are scaled to 8 bits, transparency is blended on white.
    """
    strips = _strips(picture, times)
    first = next(strips)
    if first.height == picture.height:
        return first.reduce(times) if times > 1 else first
    made = Image.new("RGB", (-(-picture.width // times), -(-picture.height // times)))
    top = 0
    for strip in chain([first], strips):
        made.paste(strip.reduce(times), (0, top))
        top += -(-strip.height // times)
    return made


def _strips(picture: Image.Image, rows: int) -> Iterator[Image.Image]:
    """A picture in RGB from top to bottom, in strips of a multiple of so many rows, so that a large
    one is in memory once only.
    """
    largest = _largest(picture) if picture.mode[0] in "IF" else 0
    height = max(rows, STRIP // picture.width // rows * rows)
    if height >= picture.height:
        yield _strip_to_rgb(picture, largest)
        return
    for top in range(0, picture.height, height):
        below = min(top + height, picture.height)
        yield _strip_to_rgb(picture.crop((0, top, picture.width, below)), largest)


def _strip_to_rgb(picture: Image.Image, largest: float) -> Image.Image:
    icc = picture.info.get("icc_profile")
    colours, alpha = _parted(picture)
    shown = (_to_srgb(colours, icc, largest) if icc else None) or _plain_rgb(colours, largest)
    if alpha is not None:
        shown.putalpha(alpha)
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    shown.info.pop("icc_profile", None)  # Pillow would save it with pixels that are in sRGB now
    return shown


def _parted(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A picture's colours, and its transparency if it has any."""
    clear = picture.info.get("transparency")
    # The modes I, I;16 and F: grey of 16 or 32 bits.
    if picture.mode[0] in "IF":
        if not isinstance(clear, int):
            return picture, None
        # The one grey, in 16 bits, that a PNG calls transparent.
        alpha = np.where(np.asarray(picture) == clear, 0, 255)
        return picture, Image.fromarray(alpha.astype(np.uint8))
    if picture.mode not in ("RGBA", "LA", "PA") and clear is None:
        return picture, None
    rgba = picture.convert("RGBA")
    # Grey stays grey: a profile of grey fits no RGB (`_as_meant`).
    return rgba.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"), rgba.getchannel("A")


def _plain_rgb(colours: Image.Image, largest: float = 0) -> Image.Image:
    """RGB of numbers that are in sRGB."""
    if colours.mode[0] in "IF":
        scaled = _scaled(colours, largest)
        colours = Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
    return colours.convert("RGB")


def _largest(grey: Image.Image) -> float:
    """The largest value of a whole picture: of one strip it may be another."""
    return float(np.nan_to_num(np.asarray(grey)).max())


def _scaled(grey: Image.Image, largest: float) -> np.ndarray:
    """Grey of 16 or 32 bits from 0 to 255.

    A mode of 16 bits is scaled by its full range. For other modes the picture's largest value
    decides.
    """
    # A floating-point TIFF may hold NaN (no data), which becomes black.
    values = np.nan_to_num(np.asarray(grey, np.float64))
    if grey.mode.startswith("I;16") or largest > 255:
        # The whole range of 16 bits: 65,535 / 257 = 255.
        return values / 257
    # Floats are from 0 to 1 by convention; larger ones are taken as values of 8 bits.
    return values * 255 if grey.mode == "F" and largest <= 1 else values


def _to_srgb(colours: Image.Image, icc: bytes, largest: float) -> Image.Image | None:
    """The picture converted from the colours of its ICC profile to sRGB.

    None where its numbers stay as they are: the profile is sRGB's own (pixel art keeps its colours
    exactly), or it is broken, or for another kind of colours than the picture has.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        meant = _as_meant(colours, profile.profile.xcolor_space.strip(), largest)
        if meant is None:
            return None
        to_srgb = ImageCms.buildTransform(
            profile, ImageCms.createProfile("sRGB"), meant.mode, "RGB"
        )
        return None if _changes_nothing(to_srgb, meant.mode) else to_srgb.apply(meant)
    # ImportError: a Pillow that was built without LittleCMS.
    except (ImageCms.PyCMSError, OSError, ImportError):
        return None


def _as_meant(colours: Image.Image, space: str, largest: float) -> Image.Image | None:
    """The picture in the mode that a profile of `space` is for; None where it has other colours."""
    if space == "CMYK":
        return colours if colours.mode == "CMYK" else None
    if space == "RGB":
        return None if colours.mode == "CMYK" else _plain_rgb(colours)
    if space != "GRAY":
        return None
    # In 16 bits: of linear grey most dark tones lie between two tones of 8 bits.
    if colours.mode[0] in "IF":
        scaled = (_scaled(colours, largest) * 257).round().clip(0, 65535)
        return Image.fromarray(scaled.astype(np.uint16))
    return colours.convert("L") if colours.mode in ("1", "L") else None


def _changes_nothing(to_srgb: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a profile is sRGB's, whatever its name: colours from the whole range stay the
    same.
    """
    if mode == "CMYK":
        return False
    # 18 levels of each channel, 0 and 255 among them: 5,832 colours.
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "RGB":
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        before = Image.fromarray(colours)
    else:
        before = Image.fromarray(
            levels[None] if mode == "L" else levels[None].astype(np.uint16) * 257
        )
    after = np.asarray(to_srgb.apply(before), np.float64)
    differences = np.linalg.norm(after - np.asarray(_plain_rgb(before)), axis=-1)
    return bool(differences.max() <= SAME_COLOUR)


def _times(picture: Image.Image, times: int) -> int:
    """How many times a picture is shrunk, of at most so many.

    Enlarged pixel art is divided by a divisor of its blocks' side, so that `prepare` gives it back
    exactly.
    """
    # `prepare` gives pixel art of up to 64 pixels back exactly. 64 first: art of 32 passes there
    # too, with blocks half as wide, and is as exact.
    for side in (64, 32):
        block, rest = divmod(min(picture.size), side)
        if not rest and not max(picture.size) % side and _is_of_blocks(picture, block):
            return max(n for n in range(1, times + 1) if block % n == 0)
    return times


def _is_of_blocks(picture: Image.Image, block: int) -> bool:
    """Whether it is pixel art, each pixel shown as a square of `block` pixels."""
    if picture.width % block or picture.height % block:
        return False
    return all(_strip_is_of_blocks(strip, block) for strip in _strips(picture, block))


def _strip_is_of_blocks(strip: Image.Image, block: int) -> bool:
    # One pixel of each block. Enlarged again, it equals the strip only if each block has one
    # colour.
    width, height = strip.size
    small = strip.resize((width // block, height // block), Image.Resampling.NEAREST)
    return small.resize(strip.size, Image.Resampling.NEAREST).tobytes() == strip.tobytes()
