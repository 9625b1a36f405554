"""Pictures on one labelled sheet: what was learned from, what is drawn, what controls draw.

Labels are printed as pixels: whatever a file says, it is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from unictoken.core.printing import one_line

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
PAPER, INK, GREY = "white", (30, 30, 30), (110, 110, 110)
MARGIN, GAP = 12, 8  # pixels
CAPTION_LINES = 2
LONGEST_LABEL = 300  # letters


@dataclass(frozen=True)
class Cell:
    """A picture with a caption under it; None: the caption alone."""

    picture: Image.Image | None
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """A label, and cells below it from left to right."""

    label: str
    cells: Sequence[Cell]


def contact_sheet(title: str, rows: Sequence[Row], *, side: int = 128) -> Image.Image:
    """One picture of all rows, in RGB.

    Args:
        title: The first line.
        rows: From top to bottom; a row without cells is its label alone.
        side: Pixels of the square that each picture stands in; a smaller picture is enlarged to the
            nearest neighbour.
    """
    heading, label, small = fonts()
    line = _height(small)
    heights = [
        _height(label) + GAP + (_row_height(row, side, line) if row.cells else 0) for row in rows
    ]
    # At least one column: a sheet of labels alone has a width, too.
    columns = max([1, *(len(row.cells) for row in rows)])
    width = max(columns * (side + GAP) - GAP, 320) + 2 * MARGIN
    top = MARGIN + _height(heading) + GAP
    sheet = Image.new("RGB", (width, top + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), _fitted(pen, title, heading, width - 2 * MARGIN), INK, heading)

    for row, height in zip(rows, heights, strict=True):
        pen.text((MARGIN, top), _fitted(pen, row.label, label, width - 2 * MARGIN), INK, label)
        for column, cell in enumerate(row.cells):
            at = (MARGIN + column * (side + GAP), top + _height(label) + GAP // 2)
            _put(sheet, pen, cell, at, side, small)
        top += height
    return sheet


def fonts() -> tuple[Font, Font, Font]:
    """Of a title, of labels, and of captions: Pillow's own, so that none must be installed."""
    return ImageFont.load_default(18), ImageFont.load_default(14), ImageFont.load_default(11)


def _row_height(row: Row, side: int, line: int) -> int:
    pictures = side if any(cell.picture for cell in row.cells) else 0
    captions = CAPTION_LINES * line if any(cell.caption for cell in row.cells) else 0
    return pictures + captions + GAP


def _put(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    cell: Cell,
    at: tuple[int, int],
    side: int,
    font: Font,
) -> None:
    """A cell's picture and caption.

    Args:
        sheet: What it is put on.
        pen: That draws on it.
        cell: The cell.
        at: Its left upper corner.
        side: Pixels of its width, and of its picture's square.
        font: Of the caption.
    """
    left, top = at
    if cell.picture is not None:
        picture = cell.picture.convert("RGB")
        # Pixel art keeps its squares; a photograph is smoothed.
        small = max(picture.size) <= side
        how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
        sheet.paste(ImageOps.pad(picture, (side, side), how, color=PAPER), at)
        top += side + 2
    for line in _wrapped(pen, cell.caption, font, side):
        pen.text((left, top), line, GREY, font)
        top += _height(font)


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> list[str]:
    """At most CAPTION_LINES lines of a text; the last one is cut where there is more."""
    lines: list[str] = []
    words = one_line(text, LONGEST_LABEL).split()
    while words and len(lines) < CAPTION_LINES - 1:
        # As many words as fit, from all of them down; at least one, which is cut if it must be.
        count = len(words)
        while count > 1 and pen.textlength(" ".join(words[:count]), font) > width:
            count -= 1
        lines.append(_fitted(pen, " ".join(words[:count]), font, width))
        words = words[count:]
    return [*lines, _fitted(pen, " ".join(words), font, width)] if words else lines


def _fitted(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    """One printable line of a text, cut at its end to so many pixels."""
    line = one_line(text, LONGEST_LABEL)
    if pen.textlength(line, font) <= width:
        return line
    # Letter by letter: the font is proportional, and a line is short by now.
    while line and pen.textlength(line + "...", font) > width:
        line = line[:-1]
    return line + "..."


def _height(font: Font) -> int:
    # Letters that reach highest and lowest, so that all lines are as high.
    left, top, right, bottom = font.getbbox("Ag|")
    return int(bottom) + 3
