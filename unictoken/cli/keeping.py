"""list, forget: the concept files that are here. imagefolder: datasets for other libraries."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unictoken.cli.command import Commands, add_json, command
from unictoken.core import shipped
from unictoken.core.disk import check_folder, is_file
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line, say, say_json, warn
from unictoken.tokens import file as concept_file

SHOWN = ("recognition", "positive", "negatives", "vqa", "identity", "prompt")  # of the scores


def list_(options: argparse.Namespace) -> None:
    folder = Path(options.folder)
    check_folder(folder, UserError, where="--folder")
    # Those that ship last, so that one's own are seen first.
    places = [(path, False) for path in sorted(folder.glob("*.safetensors"))]
    places += [(shipped.find_concept(name), True) for name in shipped.CONCEPTS]
    found = []
    for path, ships in places:
        try:
            found.append(_entry(path, ships))
        except UserError as error:
            warn(f"unictoken list: {error}")  # the others are still listed
    if options.json:
        for entry in found:
            say_json(**entry)
        return
    for entry in found:
        said = f"<{entry['name']}> {entry['class_noun']}, {entry['method']} on {entry['base']}"
        scores = "".join(
            f"; {key} {entry['scores'][key]:.2f}" for key in SHOWN if key in entry["scores"]
        )
        comes = "; ships with the library" * entry["ships"]
        say(one_line(f"{said}; {entry['bytes']:,} bytes{scores}{comes}"))
    if not options.quiet and not any(not entry["ships"] for entry in found):
        warn(f"unictoken list: {folder}: none was learned here yet: unictoken learn photos/")


def _entry(path: Path, ships: bool) -> dict[str, Any]:
    header = concept_file.read_header(path)
    told = {key: header[key] for key in ("name", "class_noun", "method", "base", "scores")}
    return {**told, "bytes": path.stat().st_size, "file": str(path), "ships": ships}


def forget(options: argparse.Namespace) -> None:
    """Remove a concept file, and nothing that is not one."""
    if options.name in shipped.CONCEPTS:
        raise UserError(
            f"<{options.name}>: ships with the library, and stays. Name one that was learned here."
        )
    path = concept_file.path_of(options.name, options.folder)
    if not is_file(path):
        raise UserError(
            f"{path}: no such concept. Expected a name that `unictoken list` gives; give another"
            " one, or its folder with --folder."
        )
    header = concept_file.read_header(path)  # refuses what is no concept file
    if header["name"] != options.name:
        raise UserError(
            f"{path}: holds <{header['name']}>, expected <{options.name}>. Remove the file by hand"
            " if it is the one."
        )
    # The file alone: a run folder holds pictures and checkpoints that nobody asked to remove.
    path.unlink()
    say(f"{path}: forgotten. Its run folder and its pictures stay where they are.")


def imagefolder(options: argparse.Namespace) -> None:
    # Here: the readers take a moment to import, and other commands do not need them.
    from unictoken.data.imagefolder import write_imagefolder
    from unictoken.data.readers import read

    written = write_imagefolder(read(options.dataset, options.layout), options.out)
    said = f"{written.folder}: {written.rows} rows"
    if written.left_out:
        tasks = ", ".join(f"{count} {task}" for task, count in written.left_out.items())
        said += f"; left out, as rows without a picture or with options: {tasks}"
    say(said)


def add(commands: Commands) -> None:
    writing = command(
        commands,
        "imagefolder",
        imagefolder,
        "a dataset, or a folder of pictures, as Hugging Face's datasets loads it",
    )
    writing.add_argument("dataset", metavar="FOLDER", help="of any layout that is read here")
    writing.add_argument("--layout", metavar="NAME", help="where it is not told by its files")
    writing.add_argument("--out", required=True, metavar="DIR", help="a folder that is not there")
    listing = command(commands, "list", list_, "the concepts that are here")
    add_json(listing)
    forgetting = command(commands, "forget", forget, "remove a concept file that was learned here")
    forgetting.add_argument("name", help="of the concept, as `unictoken list` gives it")
    for made in (listing, forgetting):
        made.add_argument(
            "--folder", default=str(shipped.LEARNED), metavar="DIR", help="of concept files"
        )
