"""MMPB's protocol (arXiv 2509.22820): a concept is introduced, others talk, then it is asked about.

    injection    none, a description of four lengths, 1 to 5 pictures, or learned tokens
    turns        so many exchanges about something else between the introduction and the question
    location     whether the introduction stands before these turns, after them, or after some
    others       other concepts that are introduced beside it, at random or of its own attribute
    blind        a picture without anything in the place of the one that is asked about

Three scores: awareness (yes where it is there), overconcept (no where it is not), inconsistency
(the grounded one of up to four options). The first two are right by exactly yes or no, the third by
its letter or words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image

from unictoken.core.config import within
from unictoken.core.errors import UserError
from unictoken.core.pictures import ImageSource, read_image
from unictoken.data.item import Item
from unictoken.data.readers.mmpb import INCONSISTENCY, KINDS, PREFERENCE
from unictoken.data.records import Dataset, Record
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.words import in_words
from unictoken.scoring import metrics
from unictoken.scoring.metrics import Estimate, estimate, mean, words
from unictoken.tasks.choice import asked_of, shuffled

GOT_IT = "I got it."  # what the published protocol answers to an introduction
MOST_PICTURES = 5
ANSWER_IDS = 16
GREY, SIDES = (127, 127, 127), (64, 64)  # of a blind picture
Injection = Literal[
    "none", "simple", "moderate", "detailed", "super_detailed", "pictures", "tokens"
]
Location = Literal["start", "end"] | int


class MmpbError(UserError):
    """A setting of the protocol that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One setting of the protocol."""

    injection: Injection = "moderate"
    pictures: int = 1
    """Of an injection by pictures."""
    preference: bool = True
    """Whether what the concept likes is said with it."""
    location: Location = "start"
    """Where the introduction stands among the turns; a number: after so many of them."""
    turns: tuple[tuple[str, str], ...] = ()
    """Questions and answers about something else."""
    others: int = 0
    """Other concepts that are introduced, half of them before it."""
    conflict: bool = False
    """Whether these are of the same attribute (human, animal, ...), or any."""
    blind: bool = False
    answers_intro: bool = True
    """Whether GOT_IT stands after an introduction that other turns follow."""

    def __post_init__(self) -> None:
        within("pictures", self.pictures, 1, MOST_PICTURES)
        if isinstance(self.location, int):
            within("location", self.location, 0, len(self.turns))

    @property
    def name(self) -> str:
        """What a table calls it: 'moderate, 4 turns'."""
        said = f"{self.pictures} pictures" if self.injection == "pictures" else self.injection
        parts = [said.replace("_", " ").replace("1 pictures", "1 picture")]
        parts += [f"{len(self.turns)} turns"] * bool(self.turns)
        parts += [f"at {self.location}"] * (self.location != "start")
        parts += [f"{self.others} others"] * bool(self.others)
        return ", ".join([*parts, *["blind"] * self.blind])


class Protocols:
    """A dataset's concepts as a protocol introduces them, and its questions.

    Args:
        base: What is asked.
        dataset: Of MMPB's layout, or one whose records have its kinds and profiles its labels.
        learned: By name, concepts as learned tokens put them on the base, for 'tokens'.
    """

    def __init__(
        self, base: Base, dataset: Dataset, learned: Mapping[str, Condition] | None = None
    ):
        self.base, self.dataset, self.learned = base, dataset, learned or {}
        self._seen: dict[object, torch.Tensor] = {}

    def _ids(self, picture: ImageSource | None) -> torch.Tensor:
        """Image ids [K] of a picture, made once; None: the blind one."""
        # A picture in memory cannot be a key; this object keeps the dataset, and so the picture.
        key = id(picture) if isinstance(picture, Image.Image) else picture
        if key not in self._seen:
            shown = Image.new("RGB", SIDES, GREY) if picture is None else read_image(picture)
            self._seen[key] = self.base.encode([shown])[0]
        return self._seen[key]

    def introduced(self, name: str, protocol: Protocol, preference: str = "") -> Condition:
        """A concept as it is introduced.

        Args:
            name: The concept's.
            protocol: Which injection.
            preference: What it likes, with its marker; '': nothing is said.
        """
        told = preference.replace(f"<{name}>", "{name}") if protocol.preference else ""
        match protocol.injection:
            case "none":
                return in_words(self.base, name, "")
            case "tokens":
                if name not in self.learned:
                    raise MmpbError(
                        f"injection 'tokens': no tokens of '{name}'. Learn it, or leave it out."
                    )
                condition = self.learned[name]
                prompts = condition.prompts
                whole = f"{prompts.understanding} {told}".strip()
                return replace(condition, prompts=replace(prompts, understanding=whole))
            case "pictures":
                files = self.dataset.concepts[name].pictures[: protocol.pictures]
                ids_NK = torch.stack([self._ids(file) for file in files])
                return in_pictures(self.base, name, ids_NK, facts=told)
        described = _labelled(self.dataset.profiles.get(name, ()), protocol.injection)
        return in_words(self.base, name, described.replace(f"<{name}>", "{name}"), facts=told)

    def condition(self, record: Record, protocol: Protocol) -> Condition:
        """What stands before a record's question: introductions, and turns as turns."""
        name, told = record.concepts[0], record.labels.get(PREFERENCE, "")
        # What a concept likes stands in the row: of one concept, each topic has its own.
        own = self.introduced(name, protocol, told)
        beside = [
            self.introduced(other, protocol, _labelled(self.dataset.profiles[other], PREFERENCE))
            for other in self._others(record, protocol)
        ]
        # In the middle, as published: the last one named would be the easiest.
        half = len(beside) // 2
        whole = together(self.base, [*beside[:half], own, *beside[half:]])
        # Nothing to introduce: the turns alone stand before the question.
        if not protocol.turns or protocol.injection == "none":
            return after_turns(whole, protocol.turns) if protocol.turns else whole
        at = {"start": 0, "end": len(protocol.turns)}.get(str(protocol.location), protocol.location)
        assert isinstance(at, int)
        before, after = protocol.turns[:at], protocol.turns[at:]
        if not after:
            return after_turns(whole, before)
        return among_turns(whole, before, after, GOT_IT if protocol.answers_intro else "")

    def _others(self, record: Record, protocol: Protocol) -> list[str]:
        """Other concepts, drawn for each record by itself."""
        if not protocol.others:
            return []
        concepts, name = self.dataset.concepts, record.concepts[0]
        able = [
            other
            for other in concepts
            if other != name
            and (not protocol.conflict or concepts[other].kind == concepts[name].kind)
        ]
        place = record.where.removeprefix(str(self.dataset.root))
        digest = hashlib.sha256(f"{place}\n{record.question}".encode()).digest()
        order = np.random.default_rng(list(digest[:8])).permutation(len(able))
        return [able[int(i)] for i in order[: protocol.others]]

    def answers(self, records: Sequence[Record], protocol: Protocol) -> list[str]:
        """What the base answers to each record, each about its own picture."""
        # All questions under one condition in one batch: their introduction is read once.
        asked: dict[Condition, list[int]] = {}
        for i, record in enumerate(records):
            asked.setdefault(self.condition(record, protocol), []).append(i)
        said: dict[int, str] = {}
        for condition, places in asked.items():
            questions = [asked_of(records[i], self.dataset.root, True) for i in places]
            # Yes or no is in the question itself.
            texts = [
                q if records[i].kind == INCONSISTENCY else records[i].question
                for i, q in zip(places, questions, strict=True)
            ]
            shown = [None if protocol.blind else records[i].pictures[0] for i in places]
            seen = [self._ids(picture) for picture in shown]
            given = condition.ask(texts, torch.stack(seen), max_ids=ANSWER_IDS)
            said |= zip(places, given, strict=True)
        return [said[i] for i in range(len(records))]

    def scores(self, protocol: Protocol) -> dict[str, Estimate]:
        """The three scores, and their mean, over concepts."""
        by_kind: dict[str, dict[str, list[bool]]] = {kind: {} for kind in KINDS}
        for name, own in self.dataset.records.items():
            records = [record for record in own if record.kind in KINDS]
            for record, given in zip(records, self.answers(records, protocol), strict=True):
                right = is_right(record, given, self.dataset)
                by_kind[record.kind].setdefault(name, []).append(right)
        scored = {
            kind: estimate([mean(flags) for flags in concepts.values()])
            for kind, concepts in by_kind.items()
            if concepts
        }
        # The mean of the three scores, and not of all rows: inconsistency has most of them.
        every = [
            mean(mean(by_kind[kind][name]) for kind in scored if name in by_kind[kind])
            for name in self.dataset.records
            if any(name in by_kind[kind] for kind in scored)
        ]
        return scored | {"mean": estimate(every)}


def is_right(record: Record, given: str, dataset: Dataset) -> bool:
    """Whether an answer is right: of awareness and overconcept the first word is yes or no and the
    right one; of inconsistency it means the right option.
    """
    if record.kind != INCONSISTENCY:
        return words(given)[:1] == words(record.answer)[:1]
    choice = shuffled(record, dataset.root)
    return metrics.chosen(given, choice.options) == choice.right


def _labelled(items: Sequence[Item], label: str) -> str:
    return next((item.text for item in items if item.label == label), "")


def after_turns(condition: Condition, turns: Sequence[tuple[str, str]]) -> Condition:
    """A condition whose introduction follows turns about something else, in the question's own
    turn.
    """
    vocab = condition.base.vocab
    said = [i for turn in turns for text in turn for i in vocab.turn(vocab.encode(text))]
    return replace(condition, shown=(*said, *condition.shown))


def among_turns(
    condition: Condition,
    before: Sequence[tuple[str, str]],
    after: Sequence[tuple[str, str]],
    answered: str,
) -> Condition:
    """A condition whose introduction is a turn of its own, with others before and after it.

    Args:
        condition: With its introduction before the question.
        before: Turns before the introduction.
        after: Turns between the introduction and the question.
        answered: What answers the introduction; '': it stands in the first turn after it.
    """
    vocab, prompts = condition.base.vocab, condition.prompts
    # As ids, where the question's own turn would have put the words.
    intro = [*condition.shown, *vocab.encode(prompts.understanding, condition.slots)]

    def ids(turns: Sequence[tuple[str, str]]) -> list[int]:
        return [i for turn in turns for text in turn for i in vocab.turn(vocab.encode(text))]

    told = [*vocab.turn(intro), *vocab.turn(vocab.encode(answered))] if answered else intro
    shown = (*ids(before), *told, *ids(after))
    return replace(condition, shown=shown, prompts=replace(prompts, understanding=""))
