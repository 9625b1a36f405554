"""Remembered concepts as conditions: what stands for each before a query, within a number of ids."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from unictoken.core.text import a, markers
from unictoken.data import templates
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.condition import Condition, aside
from unictoken.personalize.memory.entry import Entry, Remembered
from unictoken.personalize.memory.facts import newest
from unictoken.personalize.memory.presets import Preset, Shows
from unictoken.personalize.memory.sight import Sight
from unictoken.personalize.memory.store import Memory
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens, Prompts

A_QUESTION = 40  # ids of a question and of the frame around it


Facts = Literal["everybody", "without tokens", "nobody"]
"""Of whom facts are told: all, those who are shown by something else than tokens, none."""


class Introductions:
    """What stands for the concepts of one version of a memory.

    Args:
        base: What reads it.
        memory: Whose concepts they are.
        sight: Has their pictures' ids.
        preset: What of them is shown.
    """

    def __init__(self, base: Base, memory: Memory, sight: Sight, preset: Preset):
        self.base, self.memory, self.sight, self.preset = base, memory, sight, preset
        self.entries: Mapping[str, Entry] = {entry.name: entry for entry in memory.list()}
        self._tokens: dict[str, ConceptTokens | None] = {}
        self._made: dict[object, Condition] = {}

    def of(
        self,
        names: Sequence[str],
        said: Mapping[str, str] | None = None,
        *,
        facts: Facts = "everybody",
    ) -> list[Condition]:
        """The introduction of each concept, in their order, as far as they fit; at least the first.
        Where that makes room for more of them, facts are left out.

        Args:
            names: Of concepts.
            said: A sentence more about some of them, with '{name}'.
            facts: Of whom what was said stands there, too.
        """
        kept = self._fitting(names, said or {}, facts=facts)
        if facts != "nobody" and len(kept) < len(names):
            plain = self._fitting(names, said or {}, facts="nobody")
            return plain if len(plain) > len(kept) else kept
        return kept

    def _fitting(
        self, names: Sequence[str], said: Mapping[str, str], *, facts: Facts
    ) -> list[Condition]:
        """As many introductions as fit.

        Args: those of `of`.
        """
        most = self.preset.ids, self.base.profile.taught_ids, self.base.longest
        room = min(ids for ids in most if ids)
        picture = self.base.vocab.picture_length(self.base.codes_per_picture)
        room -= picture + A_QUESTION + ANSWER_IDS
        kept: list[Condition] = []
        for name in names:
            more = said.get(name, "")
            made = self.one(name, place=len(kept), said=more, facts=facts)
            room -= len(made.question("?"))
            # One at least: a query about nobody would be answered as if nothing was known.
            if kept and room < 0:
                break
            kept.append(made)
        return kept

    def one(
        self,
        name: str,
        *,
        place: int = 0,
        said: str = "",
        facts: Facts = "everybody",
        shows: Sequence[Shows] | None = None,
    ) -> Condition:
        """The introduction of one concept.

        Args:
            name: Its name.
            place: Its place among those that are introduced together.
            said: A sentence more, with '{name}', before questions.
            facts: Of whom what was said stands before questions, too.
            shows: What stands for it; None: what the preset says.
        """
        shows = shows or self.preset.shows
        key = name, place, said, facts, tuple(shows)
        if key not in self._made:
            known = "" if facts == "nobody" else self._facts(name)
            told = f"{known} {said}".strip()
            behind_tokens = told if facts == "everybody" else said
            made = (
                self._shown(name, how, behind_tokens if how == "tokens" else told) for how in shows
            )
            found = next((one for one in made if one is not None), None)
            self._made[key] = self._called(found or self._in_words(name, told), place)
        return self._made[key]

    def user(self, remembered: Sequence[Remembered]) -> Condition:
        """The user's own sentences."""
        return aside(self.base, " ".join(_plain(one.item.text) for one in newest(remembered)))

    def _facts(self, name: str) -> str:
        """What holds of a concept now, where the preset tells it."""
        return " ".join(self._holding(name)) if self.preset.facts else ""

    def _holding(self, name: str) -> list[str]:
        """What holds of a concept now, with '{name}'."""
        facts = [one.item.text for one in newest(self.entries[name].facts)]
        return [_plain(fact.replace(f"<{name}>", "{name}")) for fact in facts]

    def _shown(self, name: str, how: Shows, facts: str) -> Condition | None:
        """The concept as this shows it; None where it has nothing of the kind."""
        match how:
            case "tokens":
                return self._learned(name, facts)
            case "pictures":
                ids_NK = self.sight.image_ids(name)[: self.preset.pictures]
                return in_pictures(self.base, name, ids_NK, facts=facts) if len(ids_NK) else None
            case "codes":
                return self._in_codes(name, facts)
        return self._in_words(name, facts)

    def _learned(self, name: str, facts: str) -> Condition | None:
        tokens = self.tokens(name)
        if tokens is None:
            return None
        made = with_tokens(self.base, tokens)
        told = f"{made.prompts.understanding} {facts}".strip()
        return replace(made, prompts=replace(made.prompts, understanding=told))

    def _in_codes(self, name: str, facts: str) -> Condition | None:
        """'{name} is' and the codes that tell it, after the picture that is asked about."""
        codes = self.sight.codes()
        telling = codes.telling(name, self.preset.codes) if name in codes.names else []
        if not telling:
            return None
        ids = tuple(self.base.vocab.image_ids[torch.tensor(telling)].tolist())
        return CodesShown(
            self.base,
            name,
            Prompts(
                understanding=f"{templates.INTRODUCTION} {facts}".strip(),
                generation=templates.INTRODUCTION,
            ),
            word=name,
            codes=ids,
        )

    def _in_words(self, name: str, facts: str) -> Condition:
        """What it is by its first fact that says so ('<bo> is a brown dog.'), else by its noun."""
        noun = self.entries[name].class_noun
        looks = [fact for fact in self._holding(name) if fact.startswith("{name} is a")]
        introduction = (looks[:1] or ([f"{{name}} is {a(noun)}."] if noun else [""]))[0]
        # Once: it stands before drawings too, and the other facts do not.
        told = facts.replace(introduction, "") if introduction else facts
        return in_words(self.base, name, introduction, facts=" ".join(told.split()))

    def _called(self, made: Condition, place: int) -> Condition:
        """The same, by a name that the base can take for one."""
        vocab, is_drawn = self.base.vocab, self.base.profile.world is not None
        # A base of a drawn world was taught a few words as names, and every free id. It understands
        # another word, but never says it. From the end: tokens are given those from the beginning.
        if made.tokens or not is_drawn or not vocab.reserved:
            return made
        alias = vocab.reserved[-1 - place % len(vocab.reserved)]
        spelt = vocab.encode(made.name)
        return replace(made, alias=alias, shown=tuple(_instead(made.shown, spelt, alias)))

    def tokens(self, name: str) -> ConceptTokens | None:
        """A concept's learned tokens; None where it has none of this base. One object for all
        queries, as batches of them need it.
        """
        if name not in self._tokens:
            data = self.memory.tokens(name)
            self._tokens[name] = _loaded(data, self.base) if data else None
        return self._tokens[name]


@dataclass(frozen=True)
class CodesShown(Condition):
    """A concept that is shown by a handful of its picture codes: `{tokens}` in its prompts."""

    codes: tuple[int, ...] = ()
    """Their image ids."""

    @cached_property
    def slots(self) -> dict[str, list[int]]:
        named = {
            "{name}": [self.alias] if self.alias is not None else self.base.vocab.encode(self.word)
        }
        return named | {"{tokens}": list(self.codes)}


def _loaded(data: bytes, base: Base) -> ConceptTokens | None:
    """The tokens in the bytes of a concept file, if they are of this base."""
    # The reader takes files, so that it can bound them before it parses.
    with tempfile.TemporaryDirectory(prefix="unictoken-") as folder:
        path = Path(folder) / "concept.safetensors"
        path.write_bytes(data)
        fingerprint = concept_file.read_header(path)["base_fingerprint"]
        return concept_file.load(path, base) if concept_file.is_of_base(fingerprint, base) else None


def _plain(text: str) -> str:
    """A sentence without markers of others: who is not introduced is a word."""
    for name in markers(text):
        text = text.replace(f"<{name}>", name)
    return text


def _instead(ids: Sequence[int], spelt: Sequence[int], alias: int) -> list[int]:
    """Ids that begin with a name, with the alias in its place."""
    count = len(spelt)
    return [alias, *ids[count:]] if list(ids[:count]) == list(spelt) else list(ids)
