"""Drawn pictures as people look at them: large enough, shown by notebooks, saved with one call."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from os import PathLike
from pathlib import Path
from typing import IO, Any

from PIL import Image

from unictoken.core.disk import check_folder, is_folder, is_there, make_folder, write_aside
from unictoken.core.errors import UserError
from unictoken.core.pictures import large_enough


class Drawing(Image.Image):
    """A drawn picture: a PIL image in which each pixel of a small one is a square.

    Attributes: `original` (the picture pixel by pixel, as the base decoded it), `prompt`.
    """

    original: Image.Image
    prompt: str

    @classmethod
    def of(cls, original: Image.Image, prompt: str) -> Drawing:
        drawing = cls()
        drawing.__setstate__([large_enough(original).__getstate__(), original, prompt])
        return drawing

    # What PIL copies and pickles an image by.
    def __getstate__(self) -> list[Any]:
        return [super().__getstate__(), self.original, self.prompt]

    def __setstate__(self, state: list[Any]) -> None:
        pixels, self.original, self.prompt = state
        super().__setstate__(pixels)

    def __repr__(self) -> str:
        return f"<Drawing {self.prompt!r}, {self.width} x {self.height}>"

    def save(  # type: ignore[override]  # PIL's gives nothing
        self, fp: str | bytes | PathLike[str] | IO[bytes], format: str | None = None, **params: Any
    ) -> Path | None:
        """Save it into a file, or into a folder under the next number that is free; gives the file.

        Args:
            fp: A file such as 'hat.png'; a folder, or a name without an ending, which becomes one;
                or an open file, as PIL takes it.
            format: PIL's; None: by the file's ending.
            **params: PIL's, of that format.
        """
        if not isinstance(fp, str | bytes | PathLike):
            super().save(fp, format, **params)
            return None
        path = Path(os.path.expanduser(os.fsdecode(fp)))
        folder = path if is_folder(path) or not path.suffix else None
        path = path / "0.png" if folder else path
        # This also fills Image.SAVE, which is empty until PIL has loaded its formats.
        kind_of_ending = Image.registered_extensions()
        kind = format.upper() if format else kind_of_ending.get(path.suffix.lower())
        if kind not in Image.SAVE:
            raise UserError(
                f"{path}: pictures are not saved as '{format or path.suffix}'. "
                "Expected .png or .jpg."
            )
        data = io.BytesIO()
        super().save(data, kind, **params)
        if folder:
            return _number(folder, data.getvalue())
        write_aside(path, data.getvalue())
        return path


class Drawings(list[Drawing]):
    """Several drawings. A notebook shows them as a row; `save` writes them into a folder."""

    def save(self, folder: str | Path) -> list[Path]:
        """Save each under the next number that is free; what is in the folder stays."""
        folder = Path(os.path.expanduser(folder))
        check_folder(folder, UserError)
        make_folder(folder)
        saved = (drawing.save(folder) for drawing in self)
        return [file for file in saved if file]

    def _repr_html_(self) -> str:
        return "".join(map(_shown, self))


def drawings_of(pictures: Iterable[Image.Image], prompts: Iterable[str]) -> Drawings:
    return Drawings(map(Drawing.of, pictures, prompts))


def _number(folder: Path, data: bytes) -> Path:
    """Write a file under the next number that is free; of those who do so at once, each gets its
    own.
    """
    for path in (folder / f"{i}.png" for i in count()):
        if not is_there(path):
            with suppress(FileExistsError):
                write_aside(path, data, new=True)
                return path
    raise AssertionError("numbers do not end")


def _shown(drawing: Drawing) -> str:
    data = io.BytesIO()
    drawing.save(data, "PNG")
    source = base64.b64encode(data.getvalue()).decode("ascii")
    said = html.escape(drawing.prompt)
    shown = f'src="data:image/png;base64,{source}" alt="{said}" title="{said}"'
    return f'<img {shown} style="margin: 2px">'
