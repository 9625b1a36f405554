"""locate, find, rank: a concept in pictures, pictures by a concept, and by a user's taste."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unictoken.cli.command import Commands, add_json, command
from unictoken.cli.memory import add_encoder, encoder_of
from unictoken.cli.speaking import (
    Given,
    add_concepts,
    answer_each,
    checked,
    say_untaught,
    session,
    verdict,
)
from unictoken.core.config import MOST_PICTURES, within
from unictoken.core.disk import check_folder
from unictoken.core.errors import REFUSED, UserError
from unictoken.core.pictures import PictureError, read_shrunk, write_picture
from unictoken.core.printing import one_line, say, say_json, warn
from unictoken.core.text import check_markers
from unictoken.data.source import picture_files

if TYPE_CHECKING:
    from unictoken.personalize.query import Seen
    from unictoken.personalize.session import Session

    Scores = Callable[[Seen], list[float]]


def locate(options: argparse.Namespace) -> None:
    if options.out:
        check_folder(options.out, UserError, where="--out")
        _check_different(options.pictures)

    def said(who: Session, seen: Seen) -> list[list[dict]]:
        found = [
            [
                {
                    **verdict(name, p),
                    "side": where.side,
                    "box": _rounded(where.box),
                    "where": where,
                }
                for p, where in zip(who.recognise(seen, name), who.locate(seen, name), strict=True)
            ]
            for name in who.names
        ]
        return [list(each) for each in zip(*found, strict=True)]

    def show(file: Path, values: dict) -> None:
        where = values.pop("where")
        if options.out:
            shown = where.shown_on(read_shrunk(file))
            write_picture(shown, Path(options.out) / f"{file.stem}-{where.name}.png")

    form = "{side}, box {box[0]} {box[1]} {box[2]} {box[3]} (there: {answer}, {probability:.3f})"
    answer_each("locate", options, said, form, show)


def _rounded(box: Sequence[float]) -> list[float]:
    return [round(edge, 3) for edge in box]


def _check_different(places: Sequence[str]) -> None:
    """Refuse two pictures whose maps would be one file."""
    stems: dict[str, Path] = {}
    for file in (file for place in places for file in picture_files(place)):
        if other := stems.get(file.stem):
            raise UserError(
                f"--out: {file} and {other} are both called '{file.stem}', and so would be what is"
                " written of them. Rename one, or give each by itself."
            )
        stems[file.stem] = file


def find(options: argparse.Namespace) -> None:
    by_features = options.by == "features"
    if options.encoder and not by_features:
        raise UserError("--encoder: compares features. Give --by features, too, or leave it out.")
    given = checked(options, options.prompt, references=by_features)
    check_markers(options.prompt, given.names, where="prompt")

    def scorer(who: Session) -> Scores:
        if by_features:
            return _by_features(options, given, who)
        say_untaught("find", options, who, options.prompt)
        return lambda seen: [score for _, score in sorted(who.find(options.prompt, seen))]

    _say_best("find", options, given, scorer, {"prompt": options.prompt})


def _by_features(options: argparse.Namespace, given: Given, who: Session) -> Scores:
    """The cosines of some pictures with the prompt."""
    search = who.by_features(encoder_of(options, who.base), given.references)
    # Before the pictures are read: a prompt that cannot be looked for is refused at once.
    query = search.query(options.prompt)
    return lambda seen: search.scores([query], seen)[0]


def rank(options: argparse.Namespace) -> None:
    given = checked(options)
    if len(given.names) != 1:
        raise UserError(
            f"rank: found {len(given.names)} users. Pictures are ranked by one: give one --concept."
        )

    def scorer(who: Session) -> Scores:
        # A list, as `Seen` counts as one.
        return lambda seen: cast("list[float]", who.likes(seen))

    _say_best("rank", options, given, scorer, {"concept": given.names[0]})


def _say_best(
    name: str,
    options: argparse.Namespace,
    given: Given,
    scorer: Callable[[Session], Scores],
    about: dict[str, str],
) -> None:
    """The files of the pictures with the highest scores, a line each.

    Args:
        name: The command's.
        options: Its command line.
        given: The concepts.
        scorer: Gives, before pictures are read, what scores some of them.
        about: What JSON lines say beside the picture and its score.
    """
    within("--limit", options.limit, 1, MOST_PICTURES)
    files = [file for place in options.places for file in picture_files(place)]

    from unictoken.personalize.album import of_each

    who = session(options, given)
    # All before the first line is printed: the best one may be the last that is read.
    found = list(of_each(who.base, files, scorer(who)))
    broken = [error for _, error in found if isinstance(error, PictureError)]
    for error in broken:
        warn(f"unictoken {name}: {error}")
    fitting = [(file, score) for file, score in found if not isinstance(score, PictureError)]
    fitting.sort(key=lambda one: -one[1])
    for file, score in fitting[: options.limit]:
        if options.json:
            say_json(**about, image=str(file), score=round(score, 4))
        else:
            say(one_line(f"{score:.3f} {file}"))
    if broken:
        sys.exit(REFUSED)


def add(commands: Commands) -> None:
    locating = command(
        commands,
        "locate",
        locate,
        "where in these pictures is the concept? side and box (left, top, right, bottom; 0 to 1)",
    )
    locating.add_argument(
        "--out", metavar="DIR", help="write each picture there, dark where the concept is not"
    )
    locating.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them"
    )
    finding = command(
        commands,
        "find",
        find,
        'which pictures show it best: unictoken find --concept FILE "<bo> on the beach" --in album/',
    )
    finding.add_argument("prompt")
    finding.add_argument(
        "--by",
        choices=("likelihood", "features"),
        default="likelihood",
        help="how much likelier the prompt makes a picture; or how like its features are to those of"
        " the words and of the concept's pictures (of --memory or --pictures, the latter also"
        " beside a --concept)",
    )
    add_encoder(
        finding, "what makes features: clip-vit-b32, which reads words, too; by default the base"
    )
    ranking = command(
        commands,
        "rank",
        rank,
        "which pictures a user likes best: unictoken rank --concept zoe --in album/",
    )
    for made in (finding, ranking):
        made.add_argument(
            "--in",
            dest="places",
            action="append",
            required=True,
            metavar="PICTURES",
            help="a folder of pictures, or a file; several: once for each",
        )
        made.add_argument("--limit", type=int, default=10, metavar="N", help="show the N best")
    for made in (locating, finding, ranking):
        add_json(made)
        add_concepts(made)
