"""The `unictoken` command: draw, ask, caption, recognize, show, pet."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from unictoken.concept import file as concept_file
from unictoken.conditioning import Conditioning, with_tokens
from unictoken.data.source import picture_files
from unictoken.measure import toy
from unictoken.model.base import load_base
from unictoken.model.pixels import read_picture
from unictoken.model.sampling import Draw
from unictoken.world import language
from unictoken.world.drawing import enlarge

SHOWN_SIDE = 256  # pixels; small pictures are saved enlarged to at least this


def spoken(options: argparse.Namespace) -> Conditioning:
    """The concept of the command line, on the base that it was learned on (or `--base`)."""
    header = concept_file.read_header(options.concept)
    base = load_base(options.base or header["base"])
    return with_tokens(base, concept_file.load(options.concept, base))


def draw(options: argparse.Namespace) -> None:
    if options.num_images < 1:
        raise ValueError(f"--num-images {options.num_images}: expected 1 or more.")
    how = Draw(temperature=options.temperature, top_p=options.top_p, guidance=options.guidance, seed=options.seed)
    pictures = spoken(options).draw([options.prompt] * options.num_images, how, recaption=options.recaption, previews=options.previews)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        path = folder / f"{i}.png"
        enlarge(picture, -(-SHOWN_SIDE // min(picture.size))).save(path)
        print(path)


def ask(options: argparse.Namespace) -> None:
    who = spoken(options)
    seen = who.base.encode([read_picture(options.image)]) if options.image else None
    print(who.ask([options.question], seen)[0])


def caption(options: argparse.Namespace) -> None:
    who = spoken(options)
    files = [file for place in options.pictures for file in picture_files(place)]
    for file, said in zip(files, who.caption(who.base.encode([read_picture(f) for f in files])), strict=True):
        print(f"{file}: {said}")


def recognize(options: argparse.Namespace) -> None:
    who = spoken(options)
    files = [file for place in options.pictures for file in picture_files(place)]
    for file, p in zip(files, who.recognise(who.base.encode([read_picture(f) for f in files])), strict=True):
        print(f"{file}: {'yes' if p > 0.5 else 'no'} ({p:.3f})")


def show(options: argparse.Namespace) -> None:
    header = concept_file.read_header(options.file)
    concept = concept_file.load(options.file)
    print(json.dumps(header, indent=1, ensure_ascii=False))
    print(f"rows: {tuple(concept.rows_in.shape)} in and out, {Path(options.file).stat().st_size:,} bytes")


def pet(options: argparse.Namespace) -> None:
    concept = toy.toy_concept(options.seed, 0, name=concept_file.check_name(options.name))
    toy.write_toy_folder(concept, Path(options.out))
    print(f"{options.out}: {language.describe(concept.pet)}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="unictoken", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(action, text: str, *, concept: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(action.__name__, help=text, description=text)
        sub.set_defaults(action=action)
        if concept:
            sub.add_argument("--concept", required=True, metavar="FILE", help="a concept file, such as checkpoints/concepts/bo.safetensors")
            sub.add_argument("--base", help="the base it was learned on, if not where its header says")
        return sub

    sub = command(draw, 'draw the concept: unictoken draw --concept FILE "<bo> wearing a hat"')
    sub.add_argument("prompt")
    sub.add_argument("--num-images", type=int, default=4)
    sub.add_argument("--out", default="drawings", metavar="DIR")
    defaults = Draw()
    sub.add_argument("--seed", type=int, default=defaults.seed)
    sub.add_argument("--temperature", type=float, default=defaults.temperature)
    sub.add_argument("--top-p", type=float, default=defaults.top_p)
    sub.add_argument("--guidance", type=float, default=defaults.guidance)
    sub.add_argument("--recaption", action="store_true", help="ask the model first what 'its hat' and the like is, and say that")
    sub.add_argument("--previews", type=int, default=1, metavar="N", help="draw N for each picture and keep the one it recognises best")
    sub = command(ask, "ask about the concept, with a picture or without one")
    sub.add_argument("question")
    sub.add_argument("--image", metavar="PICTURE")
    command(caption, "describe pictures").add_argument("pictures", nargs="+")
    command(recognize, "is the concept in these pictures? probability and yes or no").add_argument("pictures", nargs="+")
    sub = command(pet, "draw a toy pet that the tiny base never saw, as a folder to learn from", concept=False)
    sub.add_argument("--seed", type=int, required=True)
    sub.add_argument("--name", required=True)
    sub.add_argument("--out", required=True, metavar="DIR")
    command(show, "what is inside a concept file", concept=False).add_argument("file")
    return top


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        options.action(options)
    except (ValueError, OSError) as error:
        sys.exit(f"unictoken: {error}")


if __name__ == "__main__":
    main()
