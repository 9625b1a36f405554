"""Other people's datasets: `read("yollava-data")` tells the layout by its folders and files.

One file per layout; each has `LOOKS_FOR` (what tells it), `fits(root)` and `read(root)`. Nothing is
ever written, and nothing outside the folder is read: a link in it that leads out is refused.
"""

from __future__ import annotations

from pathlib import Path

from unictoken.core.disk import is_file, is_folder
from unictoken.data.readers import (
    conconchi,
    dreambench,
    focus,
    folder,
    imagefolder,
    lamp,
    lcmp,
    mcllava,
    mmpb,
    myvlm,
    pbench,
    personachat,
    perva,
    pervl,
    pods,
    pvchat,
    repic,
    unifybench,
    yollava,
)
from unictoken.data.readers.files import stay_inside
from unictoken.data.records import DataError, Dataset

LAYOUTS = {  # in the order in which they are tried
    "unifybench": unifybench,
    "mcllava": mcllava,
    "conconchi": conconchi,
    "pervl": pervl,
    "pods": pods,
    "pvchat": pvchat,
    "dreambench": dreambench,
    "mmpb": mmpb,
    "lamp": lamp,
    "personachat": personachat,
    "focus": focus,
    "lcmp": lcmp,
    "pbench": pbench,
    "imagefolder": imagefolder,
    "repic": repic,
    "perva": perva,
    "myvlm": myvlm,
    "yollava": yollava,
    "folder": folder,
}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


def read(path: str | Path, layout: str | None = None) -> Dataset:
    """The dataset in a folder, of a named layout or of the one that it looks like.

    Raises a `ValueError` of one line that names the file and the row.
    """
    root = Path(path)
    if root.suffix.lower() in ARCHIVES and is_file(root):
        raise DataError(f"{root}: an archive. Unpack it, and give the folder.")
    if not is_folder(root):
        raise DataError(f"{root}: no such folder. Expected a dataset.")
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"layout '{layout}': expected one of {', '.join(LAYOUTS)}.")
    if layout is None:
        layout = next((name for name, reader in LAYOUTS.items() if reader.fits(root)), None)
    if layout is None:
        inside = next(
            (
                f" It holds {file.name}: unpack it."
                for file in sorted(root.iterdir())
                if file.suffix.lower() in ARCHIVES
            ),
            "",
        )
        looked_for = "; ".join(f"{name}: {reader.LOOKS_FOR}" for name, reader in LAYOUTS.items())
        raise DataError(f"{root}: no layout that is known.{inside} Looked for {looked_for}.")
    stay_inside(root)
    dataset = LAYOUTS[layout].read(root)
    if not dataset.concepts:
        raise DataError(
            f"{root}: no concept in it. Layout {layout} looks for {LAYOUTS[layout].LOOKS_FOR}."
            " Name the folder that holds them."
        )
    return dataset
