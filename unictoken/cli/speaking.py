"""draw, ask, caption, recognize: a learned concept in use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.cli.command import add_json, command, print_json
from unictoken.concept import file as concept_file
from unictoken.core import shipped
from unictoken.core.config import DTYPES, MANY, within
from unictoken.core.disk import check_folder, make_folder
from unictoken.core.errors import REFUSED, UserError
from unictoken.core.pictures import PictureError, check_picture, read_shrunk
from unictoken.core.text import mark
from unictoken.data.source import picture_files
from unictoken.model.draw import Draw
from unictoken.world.language import taught_questions

if TYPE_CHECKING:
    import torch

    from unictoken.conditioning import Conditioning

SHOWN_SIDE = 256  # pixels; small pictures are saved enlarged to at least this


def checked_header(options: argparse.Namespace) -> dict:
    """The header of the command line's concept, when all is there that speaking with it needs."""
    path = shipped.find_concept(options.concept)
    header = concept_file.read_header(path)
    concept_file.check_base_known(header, path)
    if options.base:
        shipped.find_base(options.base)
    elif not isinstance(_find_base_of(header, path), Path):
        raise UserError(_no_base(header, path))
    return header


def _find_base_of(header: dict, path: Path) -> str | Path:
    try:
        return shipped.find_base(header["base"])
    except shipped.PlaceError:
        raise UserError(_no_base(header, path)) from None


def _no_base(header: dict, path: Path) -> str:
    return (
        f"{path}: learned on '{header['base']}', no folder here. "
        f"Say where it is, or fetch it: --base {header['base']}"
    )


def speaker(options: argparse.Namespace, header: dict) -> Conditioning:
    """The concept of the command line, on the base that it was learned on (or `--base`)."""
    from unictoken.conditioning import with_tokens
    from unictoken.model.base import dtype_named, load_base

    dtype = dtype_named(options.dtype)
    base = load_base(options.base or header["base"], vq_decoder=options.vq_decoder, dtype=dtype)
    return with_tokens(base, concept_file.load(shipped.find_concept(options.concept), base))


def draw(options: argparse.Namespace) -> None:
    within("--num-images", options.num_images, 1, MANY)
    check_folder(options.out, UserError, where="--out")
    how = Draw(
        temperature=options.temperature,
        top_p=options.top_p,
        guidance=options.guidance,
        seed=options.seed,
    )
    header = checked_header(options)
    name = header["name"]
    mark(options.prompt, name, where="prompt")
    if f"<{name}>" not in options.prompt and not options.quiet:
        print(f"unictoken draw: the prompt does not name <{name}>; it is drawn as it stands.", file=sys.stderr)
    who = speaker(options, header)
    prompt = who.recaption(options.prompt) if options.recaption else options.prompt
    if prompt != options.prompt:
        print(f"unictoken draw: drawing '{prompt}'", file=sys.stderr)
    pictures = who.draw([prompt] * options.num_images, how, previews=options.previews)
    for path in _saved(pictures, Path(options.out)):
        print(path)


def _saved(pictures: Sequence, folder: Path) -> Iterable[Path]:
    """The files that the pictures are written to, enlarged; what is in the folder stays."""
    from unictoken.world.drawing import enlarge

    make_folder(folder)
    free = (path for i in count() if not (path := folder / f"{i}.png").exists())
    for path, picture in zip(free, pictures, strict=False):
        enlarge(picture, -(-SHOWN_SIDE // min(picture.size))).save(path)
        yield path


def ask(options: argparse.Namespace) -> None:
    header = checked_header(options)
    mark(options.question, header["name"], where="question")
    picture = read_shrunk(options.image) if options.image else None
    who = speaker(options, header)
    seen = who.base.encode([picture]) if picture else None
    answer = who.ask([options.question], seen)[0]
    if options.json:
        print_json(concept=who.name, question=options.question, image=options.image, answer=answer)
    else:
        print(answer)


def caption(options: argparse.Namespace) -> None:
    def said(who: Conditioning, seen_NK: torch.Tensor) -> list[dict]:
        return [{"caption": text} for text in who.caption(seen_NK)]

    _answer_each("caption", options, said, "{caption}")


def recognize(options: argparse.Namespace) -> None:
    def said(who: Conditioning, seen_NK: torch.Tensor) -> list[dict]:
        found = who.recognise(seen_NK)
        return [{"answer": "yes" if p > 0.5 else "no", "probability": round(p, 6)} for p in found]

    _answer_each("recognize", options, said, "{answer} ({probability:.3f})")


def _answer_each(
    name: str,
    options: argparse.Namespace,
    answer: Callable[[Conditioning, torch.Tensor], list[dict]],
    form: str,
) -> None:
    """A line for each picture as soon as it is known; exit status 2 where one could not be read.

    Args:
        name: the command's own, for its messages.
        options: the command line.
        answer: values for each row of image ids [N, K].
        form: how they are printed for people.
    """
    header = checked_header(options)
    files = [file for place in options.pictures for file in picture_files(place)]
    if len(files) == 1:
        check_picture(files[0])  # before a base is read for it

    from unictoken.conditioning import of_each

    who = speaker(options, header)
    broken = 0
    for file, values in of_each(who.base, files, lambda seen_NK: answer(who, seen_NK)):
        if isinstance(values, PictureError):
            broken += 1
            print(f"unictoken {name}: {values}", file=sys.stderr, flush=True)
        elif options.json:
            print_json(concept=who.name, image=str(file), **values)
        else:
            print(f"{file}: {form.format(**values)}", flush=True)
    if broken:
        sys.exit(REFUSED)


def _taught() -> str:
    """The questions that the tiny base understands, for `--help`."""
    lines = ["The tiny base was taught these questions and no others (any name for <bo>):"]
    for about, questions in taught_questions().items():
        lines += ["", f"{about}:", *(f"  {question}" for question in questions)]
    return "\n".join(lines)


def add(commands) -> None:
    drawing = command(commands, "draw", draw, 'draw the concept: unictoken draw --concept FILE "<bo> wearing a hat"')
    drawing.add_argument("prompt")
    drawing.add_argument("--num-images", type=int, default=4, metavar="N")
    drawing.add_argument("--out", default="drawings", metavar="DIR")
    defaults = Draw()
    drawing.add_argument("--seed", type=int, default=defaults.seed)
    drawing.add_argument("--temperature", type=float, default=defaults.temperature, help="0 takes the likeliest id at every place")
    drawing.add_argument("--top-p", type=float, default=defaults.top_p)
    drawing.add_argument("--guidance", type=float, default=defaults.guidance, help="classifier-free guidance; 1 turns it off")
    drawing.add_argument("--recaption", action="store_true", help="ask the model first what 'its hat' and the like is, and draw that")
    drawing.add_argument("--previews", type=int, default=1, metavar="N", help="draw N for each picture and keep the one it recognises best")
    asking = command(commands, "ask", ask, "ask about the concept, with a picture or without one")
    asking.epilog = _taught()
    asking.formatter_class = argparse.RawDescriptionHelpFormatter
    asking.add_argument("question")
    asking.add_argument("--image", metavar="PICTURE")
    captioning = command(commands, "caption", caption, "describe pictures")
    recognizing = command(commands, "recognize", recognize, "is the concept in these pictures? yes or no, with its probability")
    for made in (captioning, recognizing):
        made.add_argument("pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them")
    for made in (asking, captioning, recognizing):
        add_json(made)
    for made in (drawing, asking, captioning, recognizing):
        made.add_argument("--concept", required=True, metavar="FILE", help="a concept file, or the name of one in checkpoints/concepts; mia ships")
        made.add_argument("--base", metavar="NAME", help="the base it was learned on, if not where its header says")
        made.add_argument("--vq-decoder", metavar="FROM", help="what completes a base that cannot draw: a Hub name, a folder, or vqgan.ckpt")
        made.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the base; auto: bf16 on a GPU, fp32 without one")
