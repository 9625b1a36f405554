"""draw, ask, caption, recognize: a learned concept in use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from unictoken.cli.command import command
from unictoken.concept import file as concept_file
from unictoken.conditioning import Conditioning, of_each, with_tokens
from unictoken.core.config import within
from unictoken.core.disk import check_folder, make_folder
from unictoken.core.errors import UserError
from unictoken.core.pictures import PictureError, read_picture
from unictoken.data.source import picture_files
from unictoken.model.base import load_base
from unictoken.model.draw import Draw
from unictoken.world.drawing import enlarge

SHOWN_SIDE = 256  # pixels; small pictures are saved enlarged to at least this


def spoken(options: argparse.Namespace) -> Conditioning:
    """The concept of the command line, on the base that it was learned on (or `--base`)."""
    header = concept_file.read_header(options.concept)
    concept_file.check_base_known(header, options.concept)
    if not options.base and not Path(header["base"]).is_dir():
        raise UserError(f"{options.concept}: learned on '{header['base']}', no folder here. Say where it is, or fetch it: --base {header['base']}")
    base = load_base(options.base or header["base"], vq_decoder=options.vq_decoder)
    return with_tokens(base, concept_file.load(options.concept, base))


def draw(options: argparse.Namespace) -> None:
    within("--num-images", options.num_images, 1)
    check_folder(options.out, UserError, where="--out")
    how = Draw(temperature=options.temperature, top_p=options.top_p, guidance=options.guidance, seed=options.seed)
    who = spoken(options)
    if (marker := who.concept.marker) not in options.prompt:
        print(f"unictoken draw: the prompt does not say {marker}; what it says is drawn.", file=sys.stderr)
    pictures = who.draw([options.prompt] * options.num_images, how, recaption=options.recaption, previews=options.previews)
    folder = Path(options.out)
    make_folder(folder)
    free = (path for i in count() if not (path := folder / f"{i}.png").exists())  # what is there stays
    for path, picture in zip(free, pictures, strict=False):
        enlarge(picture, -(-SHOWN_SIDE // min(picture.size))).save(path)
        print(path)


def ask(options: argparse.Namespace) -> None:
    who = spoken(options)
    seen = who.base.encode([read_picture(options.image)]) if options.image else None
    print(who.ask([options.question], seen)[0])


def caption(options: argparse.Namespace) -> None:
    files, who = _files(options.pictures), spoken(options)
    _print_each("caption", of_each(who.base, files, who.caption))


def recognize(options: argparse.Namespace) -> None:
    files, who = _files(options.pictures), spoken(options)

    def said(seen_NK) -> list[str]:
        return [f"{'yes' if p > 0.5 else 'no'} ({p:.3f})" for p in who.recognise(seen_NK)]

    _print_each("recognize", of_each(who.base, files, said))


def _files(places: Sequence[str]) -> list[Path]:
    return [file for place in places for file in picture_files(place)]


def _print_each(command: str, answers: Iterable[tuple[Path, str | PictureError]]) -> None:
    """A line for each picture as soon as it is known; exit status 2 where one could not be read."""
    broken = 0
    for file, said in answers:
        if isinstance(said, PictureError):
            broken += 1
            print(f"unictoken {command}: {said}", file=sys.stderr, flush=True)
        else:
            print(f"{file}: {said}", flush=True)
    if broken:
        sys.exit(2)


def add(commands) -> None:
    drawing = command(commands, "draw", draw, 'draw the concept: unictoken draw --concept FILE "<bo> wearing a hat"')
    drawing.add_argument("prompt")
    drawing.add_argument("--num-images", type=int, default=4)
    drawing.add_argument("--out", default="drawings", metavar="DIR")
    defaults = Draw()
    drawing.add_argument("--seed", type=int, default=defaults.seed)
    drawing.add_argument("--temperature", type=float, default=defaults.temperature)
    drawing.add_argument("--top-p", type=float, default=defaults.top_p)
    drawing.add_argument("--guidance", type=float, default=defaults.guidance)
    drawing.add_argument("--recaption", action="store_true", help="ask the model first what 'its hat' and the like is, and say that")
    drawing.add_argument("--previews", type=int, default=1, metavar="N", help="draw N for each picture and keep the one it recognises best")
    asking = command(commands, "ask", ask, "ask about the concept, with a picture or without one")
    asking.add_argument("question")
    asking.add_argument("--image", metavar="PICTURE")
    captioning = command(commands, "caption", caption, "describe pictures")
    recognizing = command(commands, "recognize", recognize, "is the concept in these pictures? probability and yes or no")
    for made in (captioning, recognizing):
        made.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them")
    for made in (drawing, asking, captioning, recognizing):
        made.add_argument("--concept", required=True, metavar="FILE", help="a concept file, such as checkpoints/concepts/bo.safetensors")
        made.add_argument("--base", help="the base it was learned on, if not where its header says")
        made.add_argument("--vq-decoder", metavar="FROM", help="what completes a base that cannot draw: a Hub name, a folder, or vqgan.ckpt")
