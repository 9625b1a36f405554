"""compare: the same question or prompt put to tokens and to what they are compared to."""

from __future__ import annotations

import argparse
from pathlib import Path

from unictoken.cli.command import Commands, add_device, add_json, command
from unictoken.core import shipped
from unictoken.core.config import DTYPES
from unictoken.core.disk import check_folder, is_folder
from unictoken.core.errors import UserError
from unictoken.core.pictures import check_picture, write_picture
from unictoken.core.printing import say, say_json
from unictoken.core.text import check_markers
from unictoken.data.source import picture_files
from unictoken.model.draw import Draw
from unictoken.tokens import file as concept_file


def compare(options: argparse.Namespace) -> None:
    path = shipped.find_concept(options.concept)
    header = concept_file.read_header(path)
    for text in options.texts:
        check_markers(text, [header["name"]], where="compare")
    # Before minutes of drawing: where the sheet goes must be there.
    out = Path(options.out)
    check_folder(out.parent, UserError, where="--out")
    if out.suffix.lower() != ".png" or is_folder(out):
        raise UserError(f"--out: found {out}, expected a file that ends with .png.")
    place = options.base or header["base"]
    shipped.find_base(place)
    pictures = picture_files(options.pictures) if options.pictures else None
    for file in pictures or ():
        check_picture(file)

    # Here: torch takes seconds, and everything above is refused without it.
    from unictoken.measure.compare import compare
    from unictoken.model.base import dtype_named, load_base

    dtype = dtype_named(options.dtype, options.device)
    found = compare(
        load_base(place, dtype=dtype, device=options.device),
        path,
        options.texts,
        words=options.words,
        pictures=pictures,
        how=Draw(seed=options.seed),
    )
    if options.json:
        # A line for each answer, so that other programs read them one by one.
        for text, by_way in found.given.items():
            for way, given in by_way.items():
                said = {"answer": given.answer or None, "recognised": given.recognised}
                say_json(concept=header["name"], text=text, way=way, **said)
    else:
        say(*found.lines(), sep="\n")
    write_picture(found.sheet(), out)
    if not options.json:
        say(out)


def add(commands: Commands) -> None:
    made = command(
        commands,
        "compare",
        compare,
        "the same questions and prompts with tokens, in words, with one picture, with nothing",
    )
    made.add_argument(
        "texts",
        nargs="+",
        metavar="TEXT",
        help='questions, which end with "?", and prompts: "what colour is <bo>?" "<bo> in the snow"',
    )
    made.add_argument(
        "--concept", required=True, metavar="FILE", help="a concept file, or the name of one"
    )
    made.add_argument(
        "--words",
        action="append",
        default=[],
        metavar="TEXT",
        help='what is said in words: "<bo> is a brown dog."; by default its class noun',
    )
    made.add_argument(
        "--pictures", metavar="FOLDER", help="of the concept: the first one is shown in context"
    )
    made.add_argument("--seed", type=int, default=Draw.seed, help="of the drawings")
    made.add_argument("--out", default="compare.png", metavar="FILE", help="the labelled sheet")
    made.add_argument("--base", metavar="NAME", help="if not where the file's header says")
    made.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the base")
    add_device(made)
    add_json(made)
