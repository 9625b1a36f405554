"""memory: a file of concepts and of what you said: remember, list, show, search, forget; RAP's,
RePIC's and R2P's databases in and out.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.cli.command import Commands, add_json, add_kind, command
from unictoken.core import shipped
from unictoken.core.config import MOST_PICTURES, within
from unictoken.core.disk import check_folder, is_folder, is_there, real_path
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line, say, say_json
from unictoken.data.rap import write_memory
from unictoken.learn.methods import Tree

if TYPE_CHECKING:
    from unictoken.model.encoders import Encoder
    from unictoken.model.protocol import Base
    from unictoken.personalize.memory import Entry, Memory

FILE = "me.memory"  # the default, in the folder where the command runs


def _opened(options: argparse.Namespace, *, new: bool = False) -> Memory:
    from unictoken.personalize.memory import Memory

    return Memory.open(options.memory, new=new)


def remember(options: argparse.Namespace) -> None:
    from unictoken.personalize.memory.told import keep, propose

    with _opened(options, new=True) as memory:
        proposal = propose(memory, options.text, kind=options.about, source=options.source)
        who = f"<{proposal.name}>" if proposal.name else "you"
        before = "; ".join(one.item.text for one in proposal.replaces)
        instead = f" (no longer: {before})" if before else ""
        # Shown before it is kept: whom it is about, and what it replaces.
        say(one_line(f"about {who}, {proposal.kind}: {proposal.item.text}{instead}"))
        if options.ask and not _agreed():
            say("not kept")
            return
        keep(memory, proposal)


def _agreed() -> bool:
    print("keep it? [y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def list_(options: argparse.Namespace) -> None:
    from unictoken.personalize.memory.told import said_of, said_when

    with _opened(options) as memory:
        for entry in memory.list():
            if options.json:
                say_json(**_as_json(entry))
            else:
                say(one_line(said_of(entry)))
        for one in memory.user:
            if options.json:
                say_json(number=one.number, concept=None, **asdict(one.item))
            else:
                say(one_line(f"you: {said_when(one)}"))


def show(options: argparse.Namespace) -> None:
    from unictoken.personalize.memory.told import said_of, said_when

    name = options.place.strip("<>")
    here = is_there(options.place)
    # A folder may be called as a concept is: the memory comes first.
    if here and not (is_there(options.memory) and name in _names(options)):
        _show_place(options)
        return
    with _opened(options) as memory:
        # With the history: facts that hold no longer have their numbers and times, too.
        entry = memory.show(name)
        if options.json:
            say_json(**_as_json(entry))
            return
        say(one_line(said_of(entry)))
        for one in entry.facts:
            say(one_line(said_when(one)))


def _names(options: argparse.Namespace) -> tuple[str, ...]:
    with _opened(options) as memory:
        return memory.names


def _show_place(options: argparse.Namespace) -> None:
    """The concepts of a database or of a folder, one a line."""
    for concept in _read(options):
        said = "; ".join(concept.facts) or "nothing is said"
        line = f"{concept.marker} {concept.class_noun}, {len(concept.pictures)} pictures: {said}"
        say(one_line(line))


def _as_json(entry: Entry) -> dict[str, object]:
    return asdict(entry) | {
        "facts": [{"number": one.number, **asdict(one.item)} for one in entry.facts]
    }


def search(options: argparse.Namespace) -> None:
    if bool(options.text) == bool(options.image):
        raise UserError("memory search: give words, or a picture (--image): one of the two.")
    for flag in ("encoder", "sharpen"):
        if options.text and getattr(options, flag):
            raise UserError(
                f"--{flag}: compares pictures, and words are looked for. Leave it out, or give a"
                " picture (--image) in their place."
            )
    with _opened(options) as memory:
        found = _by_pictures(options, memory) if options.image else memory.search(options.text)
        for one in found[: options.most]:
            who = f"<{one.name}>" if one.name else "you"
            said = one.remembered.item.text if one.remembered else ""
            if options.json:
                say_json(concept=one.name, score=round(one.score, 6), text=said or None)
            else:
                say(one_line(f"{one.score:.3f}  {who}  {said}".rstrip()))


def _by_pictures(options: argparse.Namespace, memory: Memory):
    """The concepts whose pictures are likest."""
    from unictoken.core.pictures import read_shrunk

    # Before torch, which takes seconds: a picture that cannot be read is refused at once.
    picture = read_shrunk(options.image)

    from unictoken.model.base import load_base
    from unictoken.personalize.memory.sight import Sight

    base = load_base(options.base)
    return Sight(base, memory, encoder_of(options, base)).search(picture, most=options.most)


def encoder_of(options: argparse.Namespace, base: Base) -> Encoder | None:
    """What compares pictures: the encoder of --encoder, where the command has that, behind the
    projection of --sharpen; None: the base.
    """
    encoder = None
    if name := getattr(options, "encoder", None):
        from unictoken.model.encoders import load_encoder

        encoder = load_encoder(name, base=base)
    if options.sharpen:
        from unictoken.personalize import sharpened

        encoder = sharpened.load(Path(options.sharpen), base, encoder=encoder)
    return encoder


def sharpen(options: argparse.Namespace) -> None:
    within("--drawn", options.drawn, 0, MOST_PICTURES)
    out = Path(options.out)
    check_folder(out.parent, UserError, where="--out")
    if is_folder(out):
        raise UserError(
            f"--out {out}: is a folder. Expected a file such as me.sharpened.safetensors."
        )
    tree = Tree(positives=options.drawn, negatives=options.drawn)
    with _opened(options) as memory:
        unknown = [name for name in options.names if name.strip("<>") not in memory.names]
        if unknown or not memory.names:
            raise UserError(
                f"{options.memory}: found no concept '{unknown[0] if unknown else ''}', expected one"
                f" of {', '.join(memory.names) or 'some (`unictoken memory import`)'}."
            )

        from unictoken.learn.sharpen import sharpen_memory
        from unictoken.model.base import load_base
        from unictoken.model.encoders import load_encoder
        from unictoken.personalize import sharpened

        base = load_base(options.base)
        made = sharpen_memory(
            base,
            memory,
            [name.strip("<>") for name in options.names],
            encoder=load_encoder(options.encoder, base=base) if options.encoder else None,
            tree=tree,
            seed=options.seed,
        )
        say(sharpened.save(made, out))


def forget(options: argparse.Namespace) -> None:
    given = [bool(options.name), options.item is not None, options.all]
    if sum(given) != 1:
        raise UserError("memory forget: give the name of a concept, --item NUMBER, or --all.")
    with _opened(options) as memory:
        if options.all:
            memory.forget_all()
        elif options.item is not None:
            memory.forget_item(options.item)
        else:
            memory.forget(options.name.strip("<>"))


def _read(options: argparse.Namespace):
    from unictoken.personalize.memory.exchange import concepts_in

    return concepts_in(_place(options))


def _place(options: argparse.Namespace):
    from unictoken.personalize.memory.exchange import Place

    return Place(
        path=Path(options.place),
        pictures=options.pictures,
        consent=options.consent,
        kind=options.kind,
    )


def import_(options: argparse.Namespace) -> None:
    from unictoken.personalize.memory.exchange import import_into
    from unictoken.personalize.memory.told import said_of

    # Before a memory is made: a place that cannot be read leaves no empty file.
    place = replace(_place(options), path=shipped.find_concept(options.place))
    if not is_there(place.path):
        raise UserError(
            f"{place.path}: no such file or folder. Expected a folder of pictures, a concept file,"
            " the name of a learned one, or a database.json."
        )
    with _opened(options, new=True) as memory:
        for entry in import_into(memory, place):
            say(one_line(said_of(entry)))


def export(options: argparse.Namespace) -> None:
    from unictoken.personalize.memory import exchange

    out = real_path(options.out)
    if options.place:
        # From one layout into another, without a memory between them.
        if out.is_relative_to(real_path(options.place)):
            raise UserError(
                f"--out {options.out}: lies in {options.place}, which is read. Choose another"
                " folder."
            )
        say(write_memory(_read(options), options.out, form=options.form))
        return
    with _opened(options) as memory:
        if options.form == "memory":
            say(memory.save(options.out))
        else:
            say(exchange.export(memory, options.out, names=options.concept, form=options.form))


def add(commands: Commands) -> None:
    top = commands.add_parser(
        "memory",
        help="a file of concepts and of what you said: remember, find, forget",
        description=__doc__,
    )
    actions = top.add_subparsers(required=True, metavar="ACTION")
    _add_remember(actions)
    listing = command(actions, "list", list_, "every concept, and everything about you")
    showing = command(actions, "show", show, "what is known of a concept; or what a database holds")
    showing.add_argument("place", metavar="NAME", help="a concept; or a database.json or folder")
    searching = command(actions, "search", search, "concepts and facts by words, or by a picture")
    searching.add_argument("text", nargs="?", default="", help="words")
    searching.add_argument("--image", metavar="PICTURE", help="concepts that look like this")
    searching.add_argument("--most", type=int, default=20, metavar="N")
    searching.add_argument("--base", default="tiny", help="what compares pictures")
    add_encoder(searching, "another one, such as clip-vit-b32")
    add_sharpen(searching)
    _add_sharpening(actions)
    forgetting = command(actions, "forget", forget, "a concept, one fact, or everything")
    forgetting.add_argument("name", nargs="?", help="a concept")
    forgetting.add_argument("--item", type=int, metavar="NUMBER", help="one fact, as show says it")
    forgetting.add_argument("--all", action="store_true", help="everything")
    importing = command(
        actions,
        "import",
        import_,
        "a concept's folder, a concept file or its name, or a database.json",
    )
    importing.add_argument("place", metavar="PLACE")
    exporting = command(actions, "export", export, "concepts as a database of RAP or R2P")
    exporting.add_argument(
        "place", nargs="?", metavar="PLACE", help="a database or folder in place of a memory"
    )
    exporting.add_argument("--out", required=True, metavar="DIR", help="a new folder, or a file")
    exporting.add_argument("--concept", action="append", default=[], metavar="NAME")
    exporting.add_argument(
        "--form",
        choices=("rap", "r2p", "memory"),
        default="rap",
        help="whose layout is written; memory: another file like this one",
    )
    for made in (showing, importing, exporting):
        _add_place(made)
    for made in (listing, showing, searching):
        add_json(made)
    for made in (listing, showing, searching, forgetting, importing, exporting):
        add_file(made)


def _add_sharpening(actions: Commands) -> None:
    made = command(
        actions,
        "sharpen",
        sharpen,
        "fit what compares pictures to the memory's concepts, so that look-alikes are told apart: the"
        " base draws pictures of each and of others like it",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="which concepts; by default all")
    made.add_argument(
        "--out", required=True, metavar="FILE", help="the file that --sharpen takes then"
    )
    made.add_argument(
        "--drawn",
        type=int,
        default=16,
        metavar="N",
        help="pictures of each concept that are drawn, and of others of each grade; 16",
    )
    made.add_argument("--base", default="tiny", help="what draws, and compares pictures")
    add_encoder(made, "another one, such as clip-vit-b32")
    made.add_argument("--seed", type=int, default=0)
    add_file(made)


def add_encoder(made: argparse.ArgumentParser, said: str) -> None:
    """The flag that names what compares pictures in the place of the base."""
    made.add_argument("--encoder", metavar="NAME", help=said)


def add_sharpen(made: argparse.ArgumentParser) -> None:
    """The flag that names what `memory sharpen` wrote."""
    made.add_argument(
        "--sharpen",
        metavar="FILE",
        help="compare pictures as this file of `memory sharpen` was fitted to",
    )


def _add_remember(actions: Commands) -> None:
    made = command(actions, "remember", remember, 'keep a sentence: "bo likes to eat fish"')
    made.add_argument("text")
    made.add_argument("--about", default="", metavar="KIND", help="which fact it is: hat, home")
    made.add_argument("--source", default="user", help="where it comes from")
    made.add_argument("--ask", action="store_true", help="ask before it is kept")
    add_file(made)


def _add_place(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--pictures",
        metavar="DIR",
        help="the folder that a database.json's pictures lie in, if not its own",
    )
    made.add_argument("--consent", action="store_true", help="the people among them agreed")
    add_kind(made)


def add_file(made: argparse.ArgumentParser, default: str | None = FILE) -> None:
    """The flag that names the memory."""
    made.add_argument(
        "--memory",
        metavar="FILE",
        default=default,
        help="the memory" + (f"; {default} here" if default else " that finds whom it is about"),
    )
