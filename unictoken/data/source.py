"""A concept as its owner gives it: a folder of pictures, a class noun, a few facts.

    data/bo/  0.png .. 4.png   info.json {"class": "dog", "extra_info": ["<bo> has a red party hat."],
                                          "questions": [{"question": "what hat does <bo> have?", "answer": "a red party hat"}]}
              cropped/*.png                                (optional: the pictures cut to the concept, for methods that draw those first)
              negative_example/{easy,hard,twin}_*.png      (optional: other animals, for recognition)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from PIL import Image

from unictoken.concept.file import check_name, check_noun
from unictoken.core.disk import is_there, quoted, read_json
from unictoken.core.errors import UserError
from unictoken.core.pictures import PICTURE_ENDINGS, read_picture
from unictoken.core.text import mark
from unictoken.world.attributes import PET_ATTRIBUTES
from unictoken.world.things import Pet

GRADES = ("easy", "hard", "twin")
NEGATIVE_SIDE = 1024  # pixels of the short side; the largest bases read 512
# Words that make a class noun a person's: 'man', 'old man', 'the singer next door'. Their plurals do too.
PEOPLE = {
    "person", "people", "human", "adult", "somebody", "someone", "celebrity", "pedestrian", "me", "myself", "self", "selfie", "man", "men",
    "woman", "women", "boy", "girl", "child", "children", "kid", "baby", "infant", "toddler", "newborn", "teenager", "teen", "adolescent",
    "youngster", "lady", "gentleman", "guy", "dude", "lad", "lass", "schoolboy", "schoolgirl", "cowboy", "cowgirl", "mother", "mom", "mommy",
    "mum", "mama", "father", "dad", "daddy", "papa", "parent", "son", "daughter", "brother", "sister", "sibling", "grandad", "granny", "grandma",
    "grandpa", "gran", "aunt", "auntie", "uncle", "cousin", "nephew", "niece", "husband", "wife", "wives", "spouse", "fiance", "fiancee", "bride",
    "groom", "relative", "friend", "girlfriend", "boyfriend", "neighbour", "neighbor", "colleague", "coworker", "boss", "roommate", "flatmate",
    "housemate", "classmate", "teammate", "actor", "actress", "singer", "rapper", "musician", "guitarist", "pianist", "dancer", "artist",
    "painter", "writer", "author", "poet", "comedian", "photographer", "youtuber", "athlete", "player", "footballer", "swimmer", "cyclist",
    "wrestler", "politician", "president", "minister", "king", "queen", "prince", "princess", "priest", "monk", "nun", "soldier", "sailor",
    "officer", "teacher", "professor", "student", "doctor", "nurse", "dentist", "lawyer", "engineer", "scientist", "farmer", "worker", "chef",
    "waiter", "waitress", "barista", "driver", "pilot", "nanny",
}
# What holds such a word, or ends like one, and is no person.
_THINGS = re.compile(
    r"""
    \b (?: snow(?:wo)?m[ae]n | (?:super|bat|spider|iron|gingerbread|pac|lego)[ -]?m[ae]n | (?:walk|otto|dober|talis|cai)mans?
        | (?:german|roman)(?=[ ]) | ramen | omens? | specimens? | abdomen | stamen | regimen | dolmens? | cyclamen
        | (?:record|cd|dvd|mp3|media|music|cassette|video)[ ]players? | game[ ]?boys? | toy[ ]soldiers? | grandfather[ ]clocks?
        | (?:king|queen)[ ](?:penguin|crab|cobra|bee|bed|size|charles) | adult[ ](?:dog|cat|bird|animal)
        ) \b
    """,
    re.VERBOSE,
)
_OF_A_FAMILY = re.compile(r"(?:great|grand|step|half|foster|god)+(?=.)")  # before another word: grandson, stepmother, godchild
_BY_TRADE = re.compile(r"\w+(?:mans?|men|persons?|people)")  # policeman, firewomen, spokesperson
_POSSESSIVE = re.compile(r"\w+['\u2019]s\b")


class SourceError(UserError):
    """Concept data that cannot be used: where, what was found, what was expected."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Everything about a concept before it is learned. Texts call the concept `{name}`."""

    name: str
    class_noun: str
    pictures: tuple[Image.Image, ...]
    crops: tuple[Image.Image, ...] = ()
    """The same cut to the concept, where the folder has `cropped/`."""
    facts: tuple[str, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    """(question, answer) about what no picture shows."""
    about_pictures: tuple[tuple[int, str, str], ...] = ()
    """(number of the picture, question, answer) about one of `pictures`."""
    negatives: dict[str, tuple[Image.Image, ...]] = field(default_factory=dict)
    """Pictures of others by grade: easy, hard, twin."""
    pet: Pet | None = None
    """For a pet of the toy world: the exact truth. Never used to learn, only to measure."""
    consent: bool = False
    """The person in the pictures agreed to be learned."""

    def __post_init__(self):
        noun = check_noun(self.class_noun, where=f"'{self.name}'")
        check_consent(self.class_noun, self.consent, where=f"'{self.name}'")
        object.__setattr__(self, "class_noun", noun)


def is_person(class_noun: str) -> bool:
    """Whether a class noun is a person's, by whole words: 'old man' and 'policewomen' are; 'manatee', 'snowman', "neighbour's dog" are not."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", class_noun.casefold()) if not unicodedata.combining(c)).replace("_", " ")
    return any(map(_is_persons, re.findall(r"\w+", _THINGS.sub(" ", _POSSESSIVE.sub(" ", plain)))))


def _is_persons(word: str) -> bool:
    singulars = {word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)}
    singulars |= {_OF_A_FAMILY.sub("", one, count=1) for one in singulars}
    return not PEOPLE.isdisjoint(singulars) or bool(_BY_TRADE.fullmatch(word))


def check_consent(class_noun: str, consent: bool, *, where: str) -> None:
    """Refuse a person who was not asked."""
    if is_person(class_noun) and not consent:
        raise SourceError(
            f"{where}: '{class_noun}' is a person. Learn people who agreed to it only, and say so: `consent: true` in the config, or `--consent`."
        )


def picture_files(path: str | Path) -> list[Path]:
    """The picture files at a path, sorted by name: the file itself, or those in a folder."""
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{path}: no such file or folder. Expected a picture, or a folder of pictures.")
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_ENDINGS and not p.name.startswith("."))
    if not files:
        raise SourceError(f"{path}: no pictures in it. Expected files ending in {', '.join(PICTURE_ENDINGS)}.")
    return files


def read_source(
    pictures: str | Path | Sequence[str | Path],
    *,
    name: str,
    class_noun: str | None = None,
    facts: Sequence[str] = (),
    consent: bool = False,
) -> Source:
    """A concept from a folder (with its `info.json` and `negative_example/`, where they are) or from picture files."""
    check_name(name)
    places = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    files = [file for place in places for file in picture_files(place)]
    folder = Path(places[0])
    info = read_info(folder / "info.json") if folder.is_dir() else {}
    noun = info.get("class") if class_noun is None else class_noun
    if noun is None:
        raise SourceError(f"{folder}: no class noun. Say what it is: `class_noun: dog` in the config, or `--set concept.class_noun=dog`.")

    def marked(text: str) -> str:
        return mark(text, name, where=str(folder / "info.json"))

    return Source(
        name=name,
        class_noun=noun,
        pictures=tuple(map(read_picture, files)),
        crops=tuple(map(read_picture, picture_files(folder / "cropped"))) if is_there(folder / "cropped") else (),
        facts=(*map(marked, info.get("extra_info", ())), *(mark(fact, name, where="concept.facts") for fact in facts)),
        questions=tuple((marked(q["question"]), marked(q["answer"])) for q in info.get("questions", ())),
        negatives={grade: read_negatives(found) for grade, found in negative_files(folder / "negative_example").items()},
        pet=pet_of(info),
        consent=consent,
    )


def read_info(path: Path) -> dict:
    """A folder's `info.json`, each of its known keys of its type; {} where there is none."""
    if not is_there(path):
        return {}
    info = read_json(path, SourceError)
    if not isinstance(info, dict):
        raise SourceError(f"{path}: found a {type(info).__name__}, expected a mapping with 'class' and 'extra_info'.")
    if not isinstance(info.get("class", ""), str):
        raise SourceError(f"{path}: 'class' is {quoted(info['class'])}, expected a word such as 'dog'.")
    if "class" in info:
        check_noun(info["class"], where=str(path))
    for key in ("extra_info", "questions"):
        if not isinstance(info.get(key, []), list):
            raise SourceError(f"{path}: '{key}' is {quoted(info[key])}, expected a list.")
    for i, fact in enumerate(info.get("extra_info", ())):
        if not isinstance(fact, str):
            raise SourceError(f"{path}: extra_info[{i}] is {quoted(fact)}, expected a sentence.")
    if "world" in info and (not isinstance(info["world"], dict) or set(info["world"]) != {f.name for f in fields(Pet)}):
        raise SourceError(f"{path}: 'world' is {quoted(info['world'])}, expected every attribute of a toy pet.")
    if "world" in info:
        _check_pet(info["world"], path)
    for i, question in enumerate(info.get("questions", ())):
        if not isinstance(question, dict) or not all(isinstance(question.get(key), str) for key in ("question", "answer")):
            raise SourceError(f"{path}: questions[{i}] is {quoted(question)}, expected {{'question': ..., 'answer': ...}}.")
    return info


def _check_pet(world: dict, path: Path) -> None:
    """Refuse a toy pet that nobody could draw."""
    for name, value in world.items():
        known = PET_ATTRIBUTES.get(name)
        if (known and value not in known) or (not known and type(value) not in (int, float)):
            expected = f"one of {', '.join(known)}" if known else "a number"
            raise SourceError(f"{path}: '{name}' of 'world' is {quoted(value)}, expected {expected}.")


def pet_of(info: dict) -> Pet | None:
    """The toy pet that an `info.json` describes."""
    return Pet(**info["world"]) if "world" in info else None


def read_negatives(files: Iterable[Path]) -> tuple[Image.Image, ...]:
    """Pictures of others; there may be a thousand of them, and no base reads photographs at their full size."""
    return tuple(read_picture(file, at_least=NEGATIVE_SIDE) for file in files)


def negative_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The pictures of a `negative_example/` by grade; {} where there is none."""
    graded: dict[str, list[Path]] = {}
    for file in picture_files(folder) if is_there(folder) else ():
        graded.setdefault(grade_of(file), []).append(file)
    return {grade: tuple(files) for grade, files in graded.items()}


def grade_of(file: Path) -> str:
    """The grade that a negative's file name begins with; hard where it begins with none."""
    return next((grade for grade in GRADES if file.name.startswith(grade)), "hard")
