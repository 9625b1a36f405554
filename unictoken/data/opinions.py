"""A user, read from what they said of pictures and texts: the same thing, other labels by others
(Personalized LLMs, arXiv 2402.09269).

zoe/likes/*.png  zoe/dislikes/*.png          or
zoe.json  [{"picture": "album/3.png", "label": "likes"},
           {"text": "i live in the snow.", "label": "dislikes"}]

`likes` and `dislikes` are the answers yes and no to 'would <zoe> like this?'. Any other label is
itself the answer to 'what does <zoe> say of this?'.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unictoken.core.disk import is_file, is_folder, quoted, real_path
from unictoken.core.pictures import Allowance, read_shrunk, shown_path
from unictoken.core.reading import read_json
from unictoken.core.shapes import Fields, Line, ListOf, check
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.kinds import USER
from unictoken.data.source import Given, Some, SourceError, check_consent, named_pictures
from unictoken.tokens.file import check_name, check_noun

LIKES, DISLIKES = "likes", "dislikes"
ANSWERS = {LIKES: templates.YES, DISLIKES: templates.NO}
NOUN = "person"  # what a user is, where nothing else is said
MOST_OPINIONS = 10_000
LONGEST_LABEL = 100  # letters
_ROWS = ListOf(
    Fields(
        {"label": Line(LONGEST_LABEL)},
        {"picture": Line(1000), "text": Line()},
        said="{'picture' or 'text': ..., 'label': ...}",
    ),
    MOST_OPINIONS,
    said="a list of what the user said",
)


@dataclass(frozen=True)
class _Opinion:
    """A label that a user gave a thing."""

    where: str
    thing: Image.Image | str
    label: str

    @property
    def question(self) -> str:
        """What the label answers, with {name} for the user."""
        form = templates.WOULD_LIKE if self.label in ANSWERS else templates.SAYS
        return form if isinstance(self.thing, Image.Image) else f"{form} {self.thing}"

    @property
    def answer(self) -> str:
        return ANSWERS.get(self.label, self.label)

    @property
    def key(self) -> str:
        """Equal for the same question about the same thing."""
        seen = self.thing if isinstance(self.thing, str) else _digest(self.thing)
        return f"{self.question}\n{seen}"


def read_user(
    given: str | os.PathLike[str] | Mapping[str, Some],
    *,
    name: str,
    class_noun: str | None = None,
    consent: bool = False,
) -> Concept:
    """A user as a concept of kind 'user', which method 'user' learns.

    Args:
        given: A folder with a folder of pictures for each label (`likes/`, `dislikes/`), a JSON
            file of rows, or pictures by label.
        name: What people then write as `<name>`.
        class_noun: What they are; None: 'person'.
        consent: They agreed to be learned.
    """
    check_name(name)
    noun = check_noun(NOUN if class_noun is None else class_noun, where=f"'{name}'")
    check_consent(noun, consent, where=f"'{name}'", kind=USER)
    opinions = _each_once(_opinions(given), name)
    _need_two_labels(opinions, name)

    pictures, about_pictures, questions = [], [], []
    for opinion in opinions:
        asked = opinion.question.replace("{name}", f"<{name}>"), opinion.answer
        if isinstance(opinion.thing, str):
            questions.append(asked)
            continue
        about_pictures.append((len(pictures), *asked))
        pictures.append(opinion.thing)
    return Concept(
        name=name,
        class_noun=noun,
        kind=USER,
        pictures=tuple(pictures),
        about_pictures=tuple(about_pictures),
        questions=tuple(questions),
        consent=consent,
    )


def asked_forms(concept: Concept) -> dict[str, list[str]]:
    """The labels of each question that a user answers, the question with {name}: what is kept in
    the concept's file.
    """
    answers: dict[str, set[str]] = {}
    pairs = [
        *concept.questions,
        *((question, label) for _, question, label in concept.about_pictures),
    ]
    for question, label in pairs:
        said = question.replace(concept.marker, "{name}")
        form = next(f for f in (templates.WOULD_LIKE, templates.SAYS) if said.startswith(f))
        answers.setdefault(form, set()).add(label)
    return {form: sorted(labels) for form, labels in answers.items()}


def liked(concept: Concept) -> tuple[list[int], list[str]]:
    """Numbers of the pictures, and the texts, that a user likes; everything, where no label says
    so.
    """
    first = templates.WOULD_LIKE.replace("{name}", concept.marker)
    pictures = [i for i, asked, label in concept.about_pictures if (asked, label) == (first, "yes")]
    texts = [
        asked.removeprefix(first).strip()
        for asked, label in concept.questions
        if asked.startswith(first) and label == templates.YES
    ]
    if pictures or texts:
        return pictures, texts
    says = templates.SAYS.replace("{name}", concept.marker)
    return (
        [i for i, *_ in concept.about_pictures],
        [asked.removeprefix(says).strip() for asked, _ in concept.questions],
    )


def _opinions(given: str | os.PathLike[str] | Mapping[str, Some]) -> Iterator[_Opinion]:
    if isinstance(given, Mapping):
        for label, pictures in given.items():
            yield from _of_pictures(
                pictures, check(label, Line(LONGEST_LABEL), "labels", SourceError)
            )
        return
    place = Path(os.path.expanduser(given))
    if is_folder(place):
        yield from _of_folder(place)
    else:
        yield from _of_file(place)


def _of_pictures(pictures: Some | Given, label: str) -> Iterator[_Opinion]:
    for file, picture in named_pictures(pictures, label):
        yield _Opinion(shown_path(file), picture, label)


def _of_folder(place: Path) -> Iterator[_Opinion]:
    """A folder with a folder of pictures for each label."""
    labels = sorted(one for one in place.iterdir() if is_folder(one) and one.name[0] not in "._")
    if not labels:
        raise SourceError(
            f"{place}: no folder in it. Expected one of pictures for each label: {LIKES}/ and"
            f" {DISLIKES}/; or give a JSON file of rows."
        )
    for folder in labels:
        check(folder.name, Line(LONGEST_LABEL), f"{place}: a folder's name", SourceError)
        yield from _of_pictures(folder, folder.name)


def _of_file(path: Path) -> Iterator[_Opinion]:
    rows = check(read_json(path, SourceError), _ROWS, path, SourceError)
    allowance = Allowance()
    for i, row in enumerate(rows):
        where = f"{path}[{i}]"
        if len(row) != 2:
            found = "both 'picture' and 'text'" if len(row) > 2 else "neither 'picture' nor 'text'"
            raise SourceError(f"{where}: found {found}, expected one of them. Mend the row.")
        if text := row.get("text"):
            yield _Opinion(where, text.strip(), row["label"].strip())
            continue
        file = _inside(path.parent, row["picture"], where)
        allowance.take(file)
        yield _Opinion(where, read_shrunk(file), row["label"].strip())


def _inside(folder: Path, said: str, where: str) -> Path:
    """The picture that a row names, which lies beside its file or below."""
    file = folder / said
    # A file of rows may be somebody else's: it shows no picture from elsewhere.
    if not is_file(file) or not real_path(file).is_relative_to(real_path(folder)):
        raise SourceError(
            f"{where}: no picture {quoted(said)} in {folder}. Put it there, or remove the row."
        )
    return file


def _each_once(opinions: Iterator[_Opinion], name: str) -> list[_Opinion]:
    """The opinions without those that are given twice. Two labels for one question about one thing
    are refused.
    """
    kept: dict[str, _Opinion] = {}
    for opinion in opinions:
        first = kept.setdefault(opinion.key, opinion)
        if first.label != opinion.label:
            raise SourceError(
                f"{opinion.where}: <{name}> says '{opinion.label}' of it, and '{first.label}' of the"
                f" same in {first.where}. Remove one of the two."
            )
    return list(kept.values())


def _need_two_labels(opinions: list[_Opinion], name: str) -> None:
    """Refuse a user who says the same of everything: 'yes' would be learned for anything."""
    found = Counter(opinion.label for opinion in opinions)
    for labels in (
        [la for la in found if la in ANSWERS],
        [la for la in found if la not in ANSWERS],
    ):
        if len(labels) == 1 or not found:
            said = f"the label '{labels[0]}' alone" if found else "nothing"
            raise SourceError(
                f"'{name}': found {said}, expected two labels or more, such as '{LIKES}' and"
                f" '{DISLIKES}'. Add what they say otherwise of."
            )


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
