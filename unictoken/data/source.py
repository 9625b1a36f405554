"""A concept read from what its owner gives: a folder of pictures, a class noun, a few facts.

data/bo/  0.png .. 4.png   info.json {"class": "dog", "extra_info": ["<bo> has a red party hat."],
                                      "questions": [{"question": "what hat does <bo> have?", "answer": "a red party hat"}]}
          cropped/*.png                                (optional: the pictures cut to the concept, for methods that draw those first)
          negative_example/{easy,hard,near_duplicate}_*.png      (optional: other animals, for recognition)
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from unictoken.core.disk import is_file, is_folder, is_there, quoted
from unictoken.core.errors import UserError
from unictoken.core.pictures import (
    FORMATS,
    Allowance,
    as_picture,
    looks_like,
    read_shrunk,
    shown_path,
)
from unictoken.core.reading import read_json
from unictoken.core.shapes import Anything, Fields, ListOf, Text, check
from unictoken.core.text import check_markers
from unictoken.data.concept import Concept
from unictoken.data.kinds import PEOPLE_KINDS, SAID_KINDS, Kind, is_person, is_thing
from unictoken.data.worlds import world
from unictoken.tokens.file import check_name, check_noun

_LOG = logging.getLogger(__name__)

GRADES = ("easy", "hard", "near_duplicate")
NAMED = 5  # files that a message names; of more it says how many
# The keys of an info.json: ours, and those of UnifyBench that only its reader uses.
INFO_KEYS = ("class", "extra_info", "questions", "world")
INFO_KEYS_OF_OTHERS = ("info", "conversation_type", "generation_type")
QUESTION_KEYS = ("question", "answer")
MOST_FACTS = 1000
INFO = Fields(
    {},
    {
        "class": Text(said="a word such as 'dog'"),
        "extra_info": ListOf(Text(said="a sentence"), MOST_FACTS),
        "questions": ListOf(
            Fields(dict.fromkeys(QUESTION_KEYS, Text()), said="{'question': ..., 'answer': ...}"),
            MOST_FACTS,
        ),
        "world": Anything(),
    },
    others=True,
    said="a mapping with 'class' and 'extra_info'",
)
# What people write in their place: the config's and the command line's words, and plain synonyms.
MEANT = {
    **dict.fromkeys(("class_noun", "noun", "category", "kind", "type"), "class"),
    **dict.fromkeys(("facts", "fact", "extra", "extras", "description", "notes"), "extra_info"),
    **dict.fromkeys(("qa", "qas", "q_and_a", "faq"), "questions"),
    **dict.fromkeys(("q", "query", "human", "asked"), "question"),
    **dict.fromkeys(("a", "ai", "gpt", "reply", "correct_answer"), "answer"),
}


class SourceError(UserError):
    """Concept data that cannot be used: where, what was found, what was expected."""


def check_learnable(concept: Concept) -> Concept:
    """The concept itself, if it may be learned; whether its pictures can be read, `read` says.

    Raises `SourceError` without a class noun or a person's consent, `ConceptError` where a text
    names another concept.
    """
    where = f"'{concept.name}'"
    if not concept.class_noun:
        advice = f"Give its class noun, such as `class_nouns: {{{concept.name}: dog}}`."
        raise SourceError(f"{where}: its dataset does not say what it is. {advice}")
    check_consent(concept.class_noun, concept.consent, where=where, kind=concept.kind)
    for text in concept.learned_texts():
        check_markers(text, [concept.name], where=where)
    return concept


def check_consent(class_noun: str, consent: bool, *, where: str, kind: Kind | None = None) -> None:
    """Refuse a person who was not asked, and what may be one.

    Args:
        class_noun: Its ordinary kind.
        consent: Whether a person among them agreed.
        where: What the error names.
        kind: What sort of thing it is, where its owner or its dataset says so. A word for people
            needs consent whatever is said.
    """
    if consent:
        return
    of_people = kind in PEOPLE_KINDS
    if of_people or is_person(class_noun):
        raise SourceError(
            f"{where}: {quoted('person' if of_people else class_noun)} is a person. Learn people who"
            " agreed to it only, and say so: `consent: true` in the config, or `--consent`."
        )
    # No list of words for people can be complete: what is no known thing is asked about.
    if kind is None and not is_thing(class_noun):
        raise SourceError(
            f"{where}: class noun {quoted(class_noun)} is no word that is known here, and may be a"
            f" person's. Expected one such as 'dog'; give that, or say what it is: `kind:"
            f" {SAID_KINDS[0]}` or `kind: {SAID_KINDS[1]}` in the config, or `--kind"
            f" {SAID_KINDS[0]}`. Of a person who agreed: `consent: true`, or `--consent`."
        )


def picture_files(path: str | Path) -> list[Path]:
    """The picture files at a path, sorted by name: the file itself, or those in a folder.

    What begins like a picture is one, whatever its name. What is in a format that is not read here
    (a video, a drawing, a camera's raw file) is left out, and said so in a warning of one line.
    """
    path = Path(path)
    if is_file(path):
        return [path]
    if not is_folder(path):
        raise SourceError(
            f"{path}: no such file or folder. Expected a picture, or a folder of pictures."
        )
    looks = {file: looks_like(file) for file in sorted(path.iterdir())}
    files, unread = (
        [file for file in looks if looks[file] == look] for look in ("picture", "unread")
    )
    left_out = f"{path}: left out, in a format that is not read here: {_names(unread)}."
    if not files:
        found = f" {left_out}" if unread else ""
        raise SourceError(
            f"{path}: no pictures in it.{found} Expected files in {', '.join(FORMATS)}."
        )
    if unread:
        _LOG.warning("%s Save them as JPEG or PNG to use them.", left_out)
    return files


def _names(files: Sequence[Path]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(shown_path(Path(file.name)) for file in files[:NAMED]) + more


Given = str | PathLike[str] | Image.Image | np.ndarray
"""A folder, a picture file, or a picture in memory (`pictures.as_picture`)."""
Some = Given | Sequence[Given]
"""One of these, or several."""


def read_concept(
    pictures: Some,
    *,
    name: str,
    class_noun: str | None = None,
    facts: Sequence[str] = (),
    consent: bool = False,
    kind: Kind | None = None,
    negatives: Some | Mapping[str, Some] = (),
) -> Concept:
    """A concept from a folder (with its `info.json` and `negative_example/`) or from pictures.

    Reference pictures of the same pixels count once, and a warning names them.

    Args:
        pictures: A folder, a picture, or several of them; the first folder's texts are read.
        name: What people then write as `<name>`.
        class_noun: Its ordinary kind; None takes the one in `info.json`.
        facts: Sentences about it, beside those in `info.json`.
        consent: The person in the pictures agreed to be learned.
        kind: object, animal or person; needed where the class noun is no known word.
        negatives: Pictures of others, beside those in `negative_example/`: by grade, or a file by
            the beginning of its name, and what has none is hard.
    """
    check_name(name)
    given = _listed(pictures)
    folder = _folder_of(given)
    info = read_info(folder / "info.json") if folder else {}
    shown = list(named_pictures(given, "picture"))
    noun = info.get("class") if class_noun is None else class_noun
    if noun is None:
        where = given[0] if given and isinstance(given[0], str | PathLike) else f"'{name}'"
        raise SourceError(
            f"{where}: no class noun. Say what it is: --class dog on the command line, "
            '`class_noun: dog` in a config, or "class": "dog" in info.json.'
        )

    check_noun(noun, where=f"'{name}'")
    check_consent(noun, consent, where=f"'{name}'", kind=kind)
    said_in = str((folder or Path()) / "info.json")
    questions = tuple((q["question"], q["answer"]) for q in info.get("questions", ()))
    for text in chain(info.get("extra_info", ()), *questions):
        check_markers(text, [name], where=said_in)
    for fact in facts:
        check_markers(fact, [name], where="concept.facts")
    cut = list(named_pictures(_inside(folder, "cropped"), "crop"))
    graded = _by_grade([_inside(folder, "negative_example"), negatives])
    _refuse_contradictions([*shown, *cut], chain(*graded.values()), name)
    return Concept(
        name=name,
        class_noun=noun,
        kind=kind,
        pictures=_each_once(shown),
        crops=_each_once(cut),
        facts=(*info.get("extra_info", ()), *facts),
        questions=questions,
        negatives={grade: tuple(p for _, p in found) for grade, found in graded.items()},
        consent=consent,
        truth=info.get("world"),
    )


def noun_of(given: Some) -> str:
    """The class noun that a folder of pictures says, as in `read_concept`; '': it says none."""
    folder = _folder_of(_listed(given))
    noun: str = read_info(folder / "info.json").get("class", "") if folder else ""
    return noun


def _listed(given: Some) -> list[Given]:
    """What is given, one by one, '~' said in full."""
    listed = list(given) if isinstance(given, list | tuple) else [cast(Given, given)]
    return [Path(os.path.expanduser(one)) if isinstance(one, str) else one for one in listed]


def _folder_of(given: Sequence[Given]) -> Path | None:
    """The folder whose texts belong to the pictures: the first place, if it is one."""
    place = Path(given[0]) if given and isinstance(given[0], str | PathLike) else None
    return place if place and is_folder(place) else None


def _inside(folder: Path | None, name: str) -> list[Path]:
    """A folder's own folder of this name, if it is there."""
    return [folder / name] if folder and is_there(folder / name) else []


def named_pictures(given: Some, what: str) -> Iterator[tuple[Path, Image.Image]]:
    """Each picture, those of folders too, with its file or with what messages call it."""
    allowance = Allowance()
    for i, one in enumerate(_listed(given)):
        if isinstance(one, str | PathLike):
            for file in picture_files(Path(one)):
                allowance.take(file)
                yield file, read_shrunk(file)
        else:
            name = f"{what} {i}"
            yield Path(name), as_picture(one, where=name)


def _by_grade(
    given: Iterable[Some | Mapping[str, Some]],
) -> dict[str, list[tuple[Path, Image.Image]]]:
    """Named pictures of others by grade, of everything that gives some."""
    graded: dict[str, list[tuple[Path, Image.Image]]] = {}
    for some in given:
        for grade, pictures in some.items() if isinstance(some, Mapping) else [(None, some)]:
            if grade not in (None, *GRADES):
                raise SourceError(
                    f"negatives: unknown grade {quoted(grade)}, expected one of {', '.join(GRADES)}. Use one."
                )
            for file, picture in named_pictures(pictures, "negative"):
                graded.setdefault(grade or grade_of(file), []).append((file, picture))
    return graded


def _each_once(pictures: Iterable[tuple[Path, Image.Image]]) -> tuple[Image.Image, ...]:
    """The pictures without those that are the same as an earlier one; a warning names their
    files.
    """
    alike: dict[str, list[Path]] = {}
    kept = []
    for file, picture in pictures:
        files = alike.setdefault(_digest(picture), [])
        files.append(file)
        if len(files) == 1:
            kept.append(picture)
    if twice := [" = ".join(map(shown_path, files)) for files in alike.values() if len(files) > 1]:
        _LOG.warning("The same picture more than once, learned from once: %s.", "; ".join(twice))
    return tuple(kept)


def _refuse_contradictions(
    own: Iterable[tuple[Path, Image.Image]], others: Iterable[tuple[Path, Image.Image]], name: str
) -> None:
    """Refuse a picture that stands among the concept's and among the negatives."""
    files = {_digest(picture): file for file, picture in own}
    for file, picture in others:
        if same := files.get(_digest(picture)):
            raise SourceError(
                f"{shown_path(same)}: the same picture as {shown_path(file)}, "
                f"which says that it does not show <{name}>. "
                "Remove one of the two."
            )


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()


def check_keys(found: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuse a key that is not known, and say which one was meant where that can be guessed.

    For JSON that people write by hand: a key that is passed over takes what it says with it.
    """
    for key in found:
        if key in known:
            continue
        plain = str(key).strip().lower().replace(" ", "_").replace("-", "_")
        near = difflib.get_close_matches(plain, known, n=1)
        meant = MEANT.get(plain) if MEANT.get(plain) in known else near[0] if near else None
        hint = f"did you mean '{meant}'?" if meant else f"known keys: {', '.join(known)}."
        raise SourceError(f"{where}: unknown key {quoted(key)}; {hint}")


def read_info(path: Path) -> dict[str, Any]:
    """A folder's `info.json`, its keys known and each of its type; {} where there is none.

    Under `world` it has the concept's truth, as the world keeps it.
    """
    if not is_there(path):
        return {}
    found = read_json(path, SourceError)
    if isinstance(found, dict):
        check_keys([key for key in found if key not in INFO_KEYS_OF_OTHERS], INFO_KEYS, str(path))
        for i, question in enumerate(_listed_in(found, "questions")):
            if isinstance(question, dict):
                check_keys(question, QUESTION_KEYS, f"{path}: questions[{i}]")
    info: dict[str, Any] = check(found, INFO, path, SourceError)
    if "class" in info:
        check_noun(info["class"], where=str(path))
    if "world" in info:
        info["world"] = world().read_truth_of(info["world"], str(path))
    return info


def _listed_in(info: dict[str, Any], key: str) -> list[Any]:
    return info[key] if isinstance(info.get(key), list) else []


def negative_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The pictures of a `negative_example/` by grade; {} where there is none."""
    graded: dict[str, list[Path]] = {}
    for file in picture_files(folder) if is_there(folder) else ():
        graded.setdefault(grade_of(file), []).append(file)
    return {grade: tuple(files) for grade, files in graded.items()}


def grade_of(file: Path) -> str:
    """The grade that a negative's file name begins with; hard where it begins with none."""
    return next((grade for grade in GRADES if file.name.startswith(grade)), "hard")
