"""Two concepts of one benchmark in one picture: pictures, questions and prompts, with their truth.

    together/<a>+<b>/  *.png  questions.json  t2i_conditions.json  truth.json

Rows are UnifyBench's; its folders have no place for two concepts, so that other readers pass these
by. `questions.json` has the kinds of `KINDS_OF_QUESTION` as `type`; `swapped` in a row is the answer
that would be right of the other one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unictoken.core.disk import folder_aside, is_there
from unictoken.core.reading import read_json
from unictoken.core.shapes import Fields, ListOf, MapOf, OneOf, Text, check
from unictoken.core.text import a, unmark
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.source import SourceError
from unictoken.toy.concepts import truth_of
from unictoken.toy.world import group_language, language
from unictoken.toy.world.attributes import BRIGHT_COLOURS, PLACES, POSITIONS
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import SIDES, Group, Member, sample_group
from unictoken.toy.world.labels import OWN, member_labels
from unictoken.toy.world.subjects import SAMPLERS, Subject, Thing, hard_negative, kind_of

FOLDER = "together"
BOTH, WITH_ANOTHER = 8, 4  # pictures of both; of each beside somebody else
WISHES = 8  # prompts; fewer where two come out the same
KINDS_OF_QUESTION = ("rec", "both", "who", "side", "beside", "vqa")
MOST = 10_000  # rows of a pair
_SHOWN = ("pose", "accessory")  # what a picture shows of each, beside who it is

_WORDS = MapOf(Text(100))
_ROW = Fields(
    {
        "image": Text(200),
        "type": OneOf(KINDS_OF_QUESTION),
        "conversations": ListOf(Fields({"from": Text(10), "value": Text()}), 2),
    },
    {"swapped": Text()},
)
_WISH = Fields({"place": OneOf(PLACES), "members": MapOf(_WORDS)})
_TRUTH = Fields(
    {
        "names": ListOf(Text(100), 2),
        "pictures": MapOf(MapOf(OneOf(POSITIONS))),
        "prompts": MapOf(_WISH),
    },
    said="the truth of two concepts' test",
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about a picture of one or both."""

    picture: str
    """Its file's name."""
    kind: str
    """rec: is <bo> there. both: are they both there (the tiny base was not taught to answer).
    who: all who are there, left to right. side: who is on the left. beside: who is beside <bo>.
    vqa: about one of the two by its name."""
    question: str
    answer: str
    swapped: str | None = None
    """The answer that would be right of the other one, where that is another."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a drawing of both is to show."""

    place: str
    members: Mapping[str, Mapping[str, str]]
    """By the concept's name, attributes of a scene: {'bo': {'position': 'left'}, 'mia': {}}."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """The test of two concepts in one picture."""

    folder: Path
    names: tuple[str, str]
    positions: Mapping[str, Mapping[str, str]]
    """By the picture's file name, where each concept stands that is in it."""
    questions: tuple[Question, ...]
    wishes: Mapping[str, Wish]
    """By the prompt."""


def pairs_of(concepts: Sequence[Concept], pairs: int) -> list[tuple[Concept, Concept]]:
    """The first pairs of neighbours; the last concept's neighbour is the first one."""
    return [(concepts[i], concepts[(i + 1) % len(concepts)]) for i in range(pairs)]


def write_together(concepts: Sequence[Concept], root: Path, *, seed: int, pairs: int) -> None:
    """Write the tests of pairs, each whole or not at all; those that are there already stay.

    Args:
        concepts: Of one benchmark, of this world.
        root: Of its dataset.
        seed: Its seed.
        pairs: How many of `pairs_of`.
    """
    for i, pair in enumerate(pairs_of(concepts, pairs)):
        # A stream of its own: those of the benchmark are [seed, 3] and [seed, index, 1 or 2].
        _write_pair(pair, root, np.random.default_rng([seed, i, 4]))


def _write_pair(pair: tuple[Concept, Concept], root: Path, rng: np.random.Generator) -> None:
    folder = root / FOLDER / "+".join(concept.name for concept in pair)
    if is_there(folder):
        return
    with folder_aside(folder) as aside:
        _write_test(pair, aside, rng)


def _write_test(pair: tuple[Concept, Concept], folder: Path, rng: np.random.Generator) -> None:
    names = {truth_of(concept).subject: concept.marker for concept in pair}
    groups = _groups(list(names), rng)
    files = [f"{i}.png" for i in range(len(groups))]
    for file, group in zip(files, groups, strict=True):
        draw_group(group).save(folder / file)
    rows = [
        row
        for file, group in zip(files, groups, strict=True)
        for row in _rows(file, group, names, rng)
    ]
    prompts = _prompts(pair, rng)
    stand = {
        file: {names[m.subject][1:-1]: m.position for m in group.members if m.subject in names}
        for file, group in zip(files, groups, strict=True)
    }
    _json(folder / "questions.json", rows)
    _json(folder / "t2i_conditions.json", {FOLDER: list(prompts)})
    own = [concept.name for concept in pair]
    _json(folder / "truth.json", {"names": own, "pictures": stand, "prompts": prompts})


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _groups(subjects: Sequence[Subject], rng: np.random.Generator) -> list[Group]:
    """Pictures of both, each as often on the left, and of each beside somebody else: a look-alike
    of the other in every second one.
    """
    groups = []
    for number in range(BOTH):
        groups.append(_with_on_the_left(subjects, subjects[number % 2], rng))
    for subject, absent in (subjects, subjects[::-1]):
        for number in range(WITH_ANOTHER):
            kind = kind_of(absent)
            other = hard_negative(absent, rng) if number % 2 else SAMPLERS[kind](rng)
            groups.append(_with_on_the_left((subject, other), (subject, other)[number // 2], rng))
    return groups


def _with_on_the_left(
    subjects: Sequence[Subject], left: Subject, rng: np.random.Generator
) -> Group:
    """A picture of two with one of them on the left."""
    while True:
        group = sample_group(subjects, rng)
        if group.members[0].subject == left:
            return group


def _rows(
    file: str, group: Group, names: Mapping[Subject, str], rng: np.random.Generator
) -> Iterator[dict]:
    """What is asked about a picture; every question names one of the two, or is answered by a
    name.
    """
    there = [names[m.subject] for m in group.members if m.subject in names]
    markers = list(names.values())
    for marker in markers:
        said = templates.YES if marker in there else templates.NO
        yield _row(file, "rec", unmark(templates.RECOGNISE[0], marker[1:-1]), said)
    both = templates.YES if len(there) == 2 else templates.NO
    yield _row(file, "both", f"are {' and '.join(markers)} in the photo?", both)
    yield _row(file, "who", templates.WHO[0], " and ".join(there))
    for asked in group_language.questions(group, rng, names):
        if asked.about in ("side", "beside") and asked.answer in there:
            yield _row(file, asked.about, asked.question, asked.answer)
        who = [m for m in group.members if names.get(m.subject, "nobody") in asked.question]
        if len(who) == 1 and (asked.about in who[0].subject.nameable or asked.about in _SHOWN):
            swapped = _of_the_other(asked.about, group, who[0])
            yield _row(file, "vqa", asked.question, asked.answer, swapped=swapped)


def _of_the_other(attribute: str, group: Group, member: Member) -> str | None:
    """What the answer about an attribute would be of the other one; None: the other has none."""
    other = group.other(member)
    assert other is not None  # every picture here shows two
    if attribute in _SHOWN and other.is_thing:
        return None
    if attribute == "accessory":
        return language.worn(group.scene_of(other))
    value = member_labels(other).get(OWN.get(attribute, attribute))
    return a(value) if value and attribute in ("species", "kind") else value


def _row(image: str, kind: str, question: str, answer: str, *, swapped: str | None = None) -> dict:
    """A row as UnifyBench writes them.

    Args:
        image: The picture's file name.
        kind: One of KINDS_OF_QUESTION.
        question: In words, with markers.
        answer: The right one.
        swapped: The one that would be right of the other concept.
    """
    turns = [
        {"from": "human", "value": f"<image>\n{question}"},
        {"from": "gpt", "value": answer},
    ]
    told = {} if swapped in (None, answer) else {"swapped": swapped}
    return {"image": image, "type": kind, "conversations": turns, **told}


def _prompts(pair: tuple[Concept, Concept], rng: np.random.Generator) -> dict[str, dict]:
    """Prompts for both, each with what its drawing is to show: a place alone, sides, what they
    wear, or who holds the thing.
    """
    prompts = {}
    for number in range(WISHES):
        # Either is named first as often.
        ordered = pair if number % 2 == 0 else pair[::-1]
        said, members = _said(ordered, number, rng)
        place = str(rng.choice(PLACES))
        prompts[f"A photo of {said} {language.WHERE[place]}."] = {
            "place": place,
            "members": members,
        }
    return prompts


def _said(
    ordered: Sequence[Concept], number: int, rng: np.random.Generator
) -> tuple[str, dict[str, dict[str, str]]]:
    """Both as a prompt of the given number says them, and what that asks to see of each."""
    things = [isinstance(truth_of(concept).subject, Thing) for concept in ordered]
    wished: dict[str, dict[str, str]] = {concept.name: {} for concept in ordered}
    said = {concept.name: concept.marker for concept in ordered}
    way = number // 2 % 3
    if way == 1:
        for name, side in zip(wished, SIDES if number < 4 else SIDES[::-1], strict=True):
            wished[name] = {"position": side}
            said[name] += f" {language.SIDE_OF[side]}"
    elif way == 2 and any(things) and not all(things):
        thing, holder = sorted(ordered, key=lambda c: not isinstance(truth_of(c).subject, Thing))
        wished[thing.name] = {"pose": "held"}
        return f"{holder.marker} holding {thing.marker}", wished
    elif way == 2:
        for name, thing in zip(wished, things, strict=True):
            if not thing:
                wished[name] = _worn(rng)
                kind, colour = wished[name].values()
                said[name] += f" wearing {a(f'{colour} {kind}')}"
    return " and ".join(said.values()), wished


def _worn(rng: np.random.Generator) -> dict[str, str]:
    return {
        "accessory": str(rng.choice(language.HATS)),
        "accessory_colour": str(rng.choice(list(BRIGHT_COLOURS))),
    }


def read_together(root: Path) -> tuple[Together, ...]:
    """The tests of pairs of a toy benchmark; none of other people's datasets."""
    folder = root / FOLDER
    found = sorted(folder.iterdir()) if is_there(folder) else []
    return tuple(_read_pair(one) for one in found if is_there(one / "truth.json"))


def _read_pair(folder: Path) -> Together:
    truth = check(
        read_json(folder / "truth.json", SourceError), _TRUTH, folder / "truth.json", SourceError
    )
    path = folder / "questions.json"
    rows = check(read_json(path, SourceError), ListOf(_ROW, MOST), path, SourceError)
    if len(truth["names"]) != 2:
        raise SourceError(f"{folder / 'truth.json'}: names {truth['names']}, expected two.")
    return Together(
        folder=folder,
        names=tuple(truth["names"]),
        positions=truth["pictures"],
        questions=tuple(_question(row, path) for row in rows),
        wishes={prompt: Wish(**wish) for prompt, wish in truth["prompts"].items()},
    )


def _question(row: dict, path: Path) -> Question:
    if len(row["conversations"]) != 2:
        raise SourceError(f"{path}: found {len(row['conversations'])} turns in a row, expected 2.")
    asked, answered = (turn["value"] for turn in row["conversations"])
    return Question(
        picture=row["image"],
        kind=row["type"],
        question=asked.removeprefix("<image>\n"),
        answer=answered,
        swapped=row.get("swapped"),
    )
