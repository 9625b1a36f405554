"""draw, ask, caption, recognize: a learned concept in use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.cli.command import Commands, add_device, add_json, add_vq_decoder, command
from unictoken.cli.memory import add_file, add_sharpen, encoder_of
from unictoken.core import shipped
from unictoken.core.config import DTYPES, MOST_BEST_OF, MOST_PICTURES, within
from unictoken.core.disk import check_folder, real_path
from unictoken.core.errors import REFUSED, UserError
from unictoken.core.pictures import PictureError, check_picture, read_shrunk
from unictoken.core.printing import one_line, say, say_json, warn
from unictoken.core.text import check_markers, markers
from unictoken.data import templates
from unictoken.data.clips import frames_of, photos_of
from unictoken.data.source import picture_files
from unictoken.model.draw import Draw
from unictoken.personalize.sentences import sentences_by_name
from unictoken.personalize.which import sought
from unictoken.tokens import file as concept_file
from unictoken.toy.world.language import taught_questions

if TYPE_CHECKING:
    from unictoken.personalize.query import Seen
    from unictoken.personalize.session import Session


@dataclass(frozen=True)
class Given:
    """The concepts of a command line, and their base."""

    base: str
    files: list[Path]
    sentences: Mapping[str, list[str]]
    """Of concepts that are told in words, by name."""
    shown: Mapping[str, list[Path]]
    """Reference pictures of a concept that is shown in context, by name."""
    names: list[str]
    memory: Path | None = None
    """A memory that finds whom a query is about."""
    references: Mapping[str, Path] = field(default_factory=dict)
    """Where --pictures lie, by name, for who compares features."""


def checked(options: argparse.Namespace, text: str = "", *, references: bool = False) -> Given:
    """What the command line gives, when all is there that using it needs.

    Args:
        options: The command line.
        text: Its question or prompt, which may say whose pictures are given.
        references: --pictures may also be those of a concept that has a file.
    """
    files = [shipped.find_concept(place) for place in options.concept]
    headers = [concept_file.read_header(file) for file in files]
    names = [header["name"] for header in headers]
    sentences = sentences_by_name(options.words)
    said = [*sentences, *(n for n in markers(text) if n not in names)]
    own = [n for n in (*markers(text), *names) if n in names] if references else []
    shown = _shown(options, [*said, *own])
    places = {}
    if references:
        places = {name: Path(options.pictures_of) for name in shown}
        # Those of a concept with a file do not also stand before each prompt.
        shown = {name: found for name, found in shown.items() if name not in names}
    # Once, where sentences and pictures are of the same concept.
    names += dict.fromkeys([*sentences, *shown])
    memory = Path(options.memory) if options.memory else None
    if options.sharpen and memory is None:
        raise UserError(
            f"--sharpen {options.sharpen}: compares pictures with a memory's. Give --memory FILE too."
        )
    if not names and memory is None:
        raise UserError(
            "found no concept. Give --concept FILE, --words TEXT, --pictures FOLDER or --memory"
            " FILE."
        )
    names += _remembered(memory, options)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"two concepts are named '{twice}'. Give each its own name.")
    for header, file in zip(headers, files, strict=True):
        concept_file.check_base_known(header, file)
        # A str is a name on the Hub: a concept file alone must not start a download of 14 GB.
        if not options.base and not isinstance(_find_base_of(header, file), Path):
            raise UserError(_no_base(header, file))
    # The first file's base; `session` refuses files that were learned on another one.
    base = options.base or (headers[0]["base"] if headers else shipped.USUAL_BASE)
    shipped.find_base(base)
    return Given(base, files, sentences, shown, names, memory, places)


def _remembered(memory: Path | None, options: argparse.Namespace) -> tuple[str, ...]:
    """The names in a memory; none for a temporary session, which does not even open it."""
    if memory is None or options.temporary:
        return ()
    from unictoken.personalize.memory import Memory

    with Memory.open(memory, new=False) as opened:
        return opened.names


def _declines(options: argparse.Namespace) -> bool:
    """Whether the base is to say that it does not know a name; else it is refused as a mistake."""
    return bool(options.memory) and options.preset == "pvit" and not options.temporary


def _shown(options: argparse.Namespace, names: list[str]) -> dict[str, list[Path]]:
    """The reference pictures by their concept's name: --name, the first of `names`, or the folder's."""
    if not options.pictures_of:
        if options.name:
            raise UserError(f"--name {options.name}: names what --pictures shows. Give it too.")
        return {}
    place = Path(options.pictures_of)
    files = picture_files(place)
    # All of them, before a base is loaded.
    for file in files:
        check_picture(file)
    name = options.name or next(iter(names), real_path(place).name.lower())
    return {concept_file.check_name(name): files}


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


def session(options: argparse.Namespace, given: Given) -> Session:
    """The base of the command line with its concepts."""
    from unictoken.model.base import dtype_named, load_base
    from unictoken.personalize.base import PersonalBase
    from unictoken.personalize.pictures import pictured
    from unictoken.personalize.words import described

    how = {"device": options.device, "dtype": dtype_named(options.dtype, options.device)}
    base = load_base(given.base, vq_decoder=options.vq_decoder, **how, kind=PersonalBase)
    # Where a concept has words and pictures, `pictured` takes both.
    told = {name: said for name, said in given.sentences.items() if name not in given.shown}
    with_pictures = [
        pictured(base, name, files, given.sentences.get(name, ()))
        for name, files in given.shown.items()
    ]
    members = [*given.files, *described(base, told), *with_pictures]
    if given.memory is None:
        return base.with_concepts(*members)
    encoder = encoder_of(options, base) if options.sharpen else None
    if not members:
        return base.with_memory(
            given.memory, options.preset, encoder=encoder, temporary=options.temporary
        )
    from unictoken.personalize.memory import Memory
    from unictoken.personalize.memory.recall import Recall

    if not options.temporary:
        memory = Memory.open(given.memory, new=False)
        members.append(Recall(base, memory, options.preset, encoder=encoder))
    return base.with_concepts(*members)


def draw(options: argparse.Namespace) -> None:
    within("--num-images", options.num_images, 1, MOST_PICTURES)
    within("--best-of", options.best_of, 1, MOST_BEST_OF)
    check_folder(options.out, UserError, where="--out")
    how = Draw(
        temperature=options.temperature,
        top_p=options.top_p,
        guidance=options.guidance,
        seed=options.seed,
    )
    given = checked(options, options.prompt)
    named = check_markers(options.prompt, given.names, where="prompt")
    if given.names and not named and not options.quiet:
        known = _marked(given.names)
        does_not = f"does not name {known}" if len(given.names) == 1 else f"names none of {known}"
        warn(f"unictoken draw: the prompt {does_not}; it is drawn as it stands.")
    who = session(options, given)
    say_untaught("draw", options, who, options.prompt)
    # Not left to `who.draw`: the new prompt is printed before drawing begins, which takes long.
    prompt = who.recaption(options.prompt) if options.recaption else options.prompt
    if prompt != options.prompt:
        warn(f"unictoken draw: drawing '{prompt}'")
    pictures = who.draw([prompt] * options.num_images, **asdict(how), best_of=options.best_of)
    say(*pictures.save(options.out), sep="\n")


def say_untaught(command: str, options: argparse.Namespace, who: Session, text: str) -> None:
    """Name the words of a text that mean nothing to the base, on one line.

    Args:
        command: The command's own name.
        options: The command line.
        who: What is asked.
        text: The question or prompt.
    """
    words = who.untaught(text)
    if words and not options.quiet:
        said = ", ".join(f"'{word}'" for word in words)
        warn(f"unictoken {command}: {who.base.name} was never taught {said}; expect nothing of it.")


def _marked(names: list[str]) -> str:
    return ", ".join(f"<{name}>" for name in names)


def ask(options: argparse.Namespace) -> None:
    given = checked(options, options.question)
    if not _declines(options):
        check_markers(options.question, given.names, where="question")
    picture = read_shrunk(options.image) if options.image else None
    # Before a base is read for it.
    clip = (photos_of(options.clip) or frames_of(options.clip)) if options.clip else None
    who = session(options, given)
    # Which photo shows somebody is asked in words that the base was taught.
    if not (clip and sought(options.question)):
        say_untaught("ask", options, who, options.question)
    answer = who.watch(options.question, clip) if clip else who.ask(options.question, picture)
    if options.json:
        asked = {"question": options.question, "image": options.image}
        asked |= {"clip": options.clip} if options.clip else {}
        say_json(concept=_one_or_all(given.names), **asked, answer=answer)
    else:
        say(answer)


def _one_or_all(names: Sequence[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def caption(options: argparse.Namespace) -> None:
    within("--best-of", options.best_of, 1, MOST_BEST_OF)

    def said(who: Session, seen: Seen) -> list[list[dict]]:
        concept = _one_or_all(who.names)
        captions = who.caption(seen, best_of=options.best_of)
        return [[{"concept": concept, "caption": text}] for text in captions]

    answer_each("caption", options, said, "{caption}")


def recognize(options: argparse.Namespace) -> None:
    def said(who: Session, seen: Seen) -> list[list[dict]]:
        found = [[verdict(name, p) for p in who.recognise(seen, name)] for name in who.names]
        # From a list for each concept to a list for each picture.
        return [list(each) for each in zip(*found, strict=True)]

    answer_each("recognize", options, said, "{answer} ({probability:.3f})")


def verdict(name: str, probability: float) -> dict:
    answer = templates.yes_or_no(probability)
    return {"concept": name, "answer": answer, "probability": round(probability, 6)}


def answer_each(
    name: str,
    options: argparse.Namespace,
    answer: Callable[[Session, Seen], list[list[dict]]],
    form: str,
    show: Callable[[Path, dict], None] = lambda file, values: None,
) -> None:
    """The lines of each picture once they are known; exit status 2 where one could not be read.

    Args:
        name: the command's own, for its messages.
        options: the command line.
        answer: for each picture, the values of its lines; of several lines, each says which
            concept it is about.
        form: how values are printed for people.
        show: called with each picture's file and the values of a line, before that is printed.
    """
    given = checked(options)
    files = [file for place in options.pictures for file in picture_files(place)]
    if len(files) == 1:
        check_picture(files[0])  # before a base is read for it

    from unictoken.personalize.album import of_each

    who = session(options, given)
    broken = 0
    for file, lines in of_each(who.base, files, lambda seen: answer(who, seen)):
        # The other pictures are still answered; the exit status says that one was not.
        if isinstance(lines, PictureError):
            broken += 1
            warn(f"unictoken {name}: {lines}")
            continue
        for values in lines:
            show(file, values)
            if options.json:
                about = {"concept": values.pop("concept"), "image": str(file)}
                say_json(**about, **values)
            else:
                which = f"<{values['concept']}> " if len(lines) > 1 else ""
                say(one_line(f"{file}: {which}{form.format(**values)}"))
    if broken:
        sys.exit(REFUSED)


def _taught() -> str:
    """The questions that the tiny base understands, for `--help`."""
    lines = ["The tiny base was taught these questions and no others (any name for <bo>):"]
    for about, questions in taught_questions().items():
        lines += ["", f"{about}:", *(f"  {question}" for question in questions)]
    return "\n".join(lines)


def add(commands: Commands) -> None:
    drawing = command(
        commands,
        "draw",
        draw,
        'draw the concept: unictoken draw --concept FILE "<bo> wearing a hat"',
    )
    drawing.add_argument("prompt")
    drawing.add_argument("--num-images", type=int, default=4, metavar="N")
    drawing.add_argument("--out", default="drawings", metavar="DIR")
    defaults = Draw()
    drawing.add_argument("--seed", type=int, default=defaults.seed)
    drawing.add_argument(
        "--temperature",
        type=float,
        default=defaults.temperature,
        help="0 takes the likeliest id at every place",
    )
    drawing.add_argument("--top-p", type=float, default=defaults.top_p)
    drawing.add_argument(
        "--guidance",
        type=float,
        default=defaults.guidance,
        help="classifier-free guidance; 1 turns it off",
    )
    drawing.add_argument(
        "--recaption",
        action="store_true",
        help="ask the model first what 'its hat' and the like is, and draw that",
    )
    drawing.add_argument(
        "--best-of",
        type=int,
        default=1,
        metavar="N",
        help="draw N for each picture and keep the one it recognises best",
    )
    asking = command(commands, "ask", ask, "ask about the concept, with a picture or without one")
    asking.epilog = _taught()
    asking.formatter_class = argparse.RawDescriptionHelpFormatter
    asking.add_argument("question")
    about = asking.add_mutually_exclusive_group()
    about.add_argument("--image", metavar="PICTURE")
    about.add_argument(
        "--clip",
        metavar="CLIP",
        help="a folder of frames in the order of their names, or a video file (it needs the extra"
        " 'video'); four frames are looked at, and every picture of a folder for 'which photo shows"
        " <bo>?'",
    )
    captioning = command(commands, "caption", caption, "describe pictures")
    captioning.add_argument(
        "--best-of",
        type=int,
        default=1,
        metavar="N",
        help="write N captions of each picture and keep the one that it fits best, as an answer and"
        " as a prompt that it was drawn after",
    )
    recognizing = command(
        commands,
        "recognize",
        recognize,
        "is the concept in these pictures? yes or no, with its probability",
    )
    for made in (captioning, recognizing):
        made.add_argument(
            "pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them"
        )
    for made in (asking, captioning, recognizing):
        add_json(made)
    for made in (drawing, asking, captioning, recognizing):
        add_concepts(made)


def add_concepts(made: argparse.ArgumentParser) -> None:
    """The flags that say which concepts are used, and on which base."""
    made.add_argument(
        "--concept",
        action="append",
        default=[],
        metavar="FILE",
        help="a concept file, or the name of one in checkpoints/concepts; mia ships. "
        "Several: once for each",
    )
    made.add_argument(
        "--words",
        action="append",
        default=[],
        metavar="TEXT",
        help='in place of a file, a concept in words: "<bo> is a brown dog."',
    )
    made.add_argument(
        "--pictures",
        dest="pictures_of",
        metavar="FOLDER",
        help="in place of a file, reference pictures of a concept: they stand before each prompt",
    )
    made.add_argument(
        "--name",
        help="of the concept in --pictures; by default the name in the text, or the folder's",
    )
    add_file(made, default=None)
    made.add_argument(
        "--preset",
        choices=("tokens", "rap", "r2p", "pekit", "pvit", "ego"),
        default="tokens",
        help="how the memory is used",
    )
    add_sharpen(made)
    made.add_argument(
        "--temporary", action="store_true", help="neither read nor write the memory this time"
    )
    made.add_argument(
        "--base",
        metavar="NAME",
        help="the base it was learned on, if not where its header says; "
        "for words, pictures and memories tiny",
    )
    add_vq_decoder(made)
    made.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="of the base; auto: bf16 on a GPU, else fp32; fast: bf16 also on a CPU that has it",
    )
    add_device(made)
