"""A test of profiles as a whole: its settings, its parts, and the page of their tables."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unictoken.core import config
from unictoken.core.config import ConfigError, Place
from unictoken.core.disk import write_aside
from unictoken.core.printing import say
from unictoken.core.text import code_line, markdown
from unictoken.data import lamp
from unictoken.data.item import Item
from unictoken.data.readers import mmpb as layout
from unictoken.data.readers import read
from unictoken.data.records import Dataset, Record
from unictoken.data.users import Spoken, Users
from unictoken.learn.profile_rows import ROWS
from unictoken.measure import mmpb, profile_rows, profiles, tastes, user_tokens
from unictoken.measure.keys import without_secrets
from unictoken.model.protocol import Base
from unictoken.personalize.extract import by_questions, by_rules
from unictoken.personalize.profile import BUDGET, K
from unictoken.scoring.classes import precision_recall_f1
from unictoken.scoring.metrics import Estimate, estimate
from unictoken.scoring.texts import word_f1
from unictoken.scoring.verdict import judged_world

USUAL = ("answers", "grounding", "extraction", "tastes", "mmpb")
PARTS = (*USUAL, "user_tokens", "profile_rows")  # the last two learn, and are asked for by name
MATCHES = 0.6  # F1 of words above which two sentences say the same fact
Table = Mapping[str, Mapping[str, Estimate | None]]
"""Estimates by row and column."""


@dataclass(frozen=True, kw_only=True)
class ProfilesConfig:
    """Settings of eval/profiles.py."""

    base: str = "tiny"
    """A folder, USER/NAME on the Hub, or a base that ships."""
    data: Place | None = None
    """A folder of LaMP, PersonaChat, FoCus, LCMP or MMPB; null: users of the toy world."""
    layout: str | None = None
    """Its layout; null: the one that it looks like."""
    persona: Literal["original", "revised", "both"] = "original"
    """Of PersonaChat: which lines of the speaker's own persona are their profile."""
    users: int = 24
    """How many of the dataset's users, from its beginning."""
    per_user: int | None = None
    """Questions of each user; null: all."""
    grounded: int = 2
    """Questions of each user that are asked with each item by itself."""
    concepts: int = 8
    """Of the toy world's MMPB."""
    ways: tuple[str, ...] = tuple(profiles.WAYS)
    """Names of `profiles.WAYS`."""
    parts: tuple[str, ...] = USUAL
    """What is measured; parts that the dataset has nothing for are left out. user_tokens: users
    whose tokens are learned from pictures that they like and do not. profile_rows: profiles that are
    learned as tokens."""
    k: int = K
    """Items that stand before a question."""
    budget: int = BUDGET
    """Ids that they may take together."""
    max_ids: int = profiles.ANSWER_IDS
    """Ids that an answer may have."""
    seed: int = 1
    out: str = "results/profiles.md"
    """The page; its numbers are written beside it as JSON."""
    predictions: str | None = None
    """Where every question, its items and its answer are kept as JSON lines; null: nowhere. Beside
    it those of LaMP as its own evaluation takes them, a file for each way."""

    def __post_init__(self) -> None:
        for name in ("users", "grounded", "concepts", "k", "budget", "max_ids"):
            config.check_count(name, getattr(self, name))
        config.check_seed(self.seed)
        for way in self.ways:
            profiles.WAYS.find(way)
        if strange := [part for part in self.parts if part not in PARTS]:
            raise ConfigError(
                f"parts: found '{strange[0]}', expected some of {', '.join(PARTS)}. Choose of them."
            )


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table of the page, with what it is about."""

    title: str
    about: str
    table: Table
    n: str
    """How many of what."""


def test_of(settings: ProfilesConfig) -> Users:
    """The users that are asked about."""
    if settings.data is None:
        return judged_world().users(settings.users, settings.seed)
    return Users(dataset=_first(read(settings.data, settings.layout), settings))


def _first(dataset: Dataset, settings: ProfilesConfig) -> Dataset:
    """The first users of a dataset who are tested, each with the first of their questions."""
    kept = {
        # LaMP's users differ between splits: its train questions ask about users, too.
        name: tuple(r for r in own if r.split == "test" or dataset.layout == "lamp")
        for name, own in dataset.records.items()
    }
    # A user without a question would be counted, and say nothing.
    asked = [name for name, own in kept.items() if own][: settings.users]
    records = {name: kept[name][: settings.per_user] for name in asked}
    profiles_of = {
        name: tuple(item for item in items if _is_asked_for(item, dataset.layout, settings.persona))
        for name, items in dataset.profiles.items()
    }
    return replace(dataset, records=records, profiles=profiles_of)


def _is_asked_for(item: Item, layout: str, persona: str) -> bool:
    """Whether an item is part of the profile that is measured."""
    # The partner's lines would give away what the speaker could not know.
    return layout != "personachat" or (
        item.source == "self" and (persona == "both" or item.label in (persona, ""))
    )


def measure(base: Base, settings: ProfilesConfig) -> list[Section]:
    """Every part that the settings name and the dataset has something for."""
    users = test_of(settings)
    measured: Mapping[str, Callable[[], list[Section]]] = {
        "answers": lambda: _answers(base, users.dataset, settings),
        "grounding": lambda: _grounding(base, users.dataset, settings),
        "extraction": lambda: _extraction(base, users),
        "tastes": lambda: _tastes(base, users, settings),
        "mmpb": lambda: _mmpb(base, users.dataset, settings),
        "user_tokens": lambda: _user_tokens(base, users, settings),
        "profile_rows": lambda: _profile_rows(base, users.dataset, settings),
    }
    sections = []
    for part in settings.parts:
        say(part)
        sections += measured[part]()
    return sections


def _questions(dataset: Dataset) -> list[Record]:
    """Those that are asked without a picture."""
    return [r for own in dataset.records.values() for r in own if not r.pictures]


def _how(settings: ProfilesConfig) -> profiles.Setting:
    return profiles.Setting(
        k=settings.k, budget=settings.budget, max_ids=settings.max_ids, seed=settings.seed
    )


def _answers(base: Base, dataset: Dataset, settings: ProfilesConfig) -> list[Section]:
    """Questions under every way, a table for each group of them."""
    records = _questions(dataset)
    made = {way: profiles.ask(base, dataset, records, way, _how(settings)) for way in settings.ways}
    if settings.predictions:
        _keep(Path(settings.predictions), [o for own in made.values() for o in own])
    groups = dict.fromkeys(o.group for own in made.values() for o in own)
    sections = []
    for group in groups:
        own = {w: [o for o in made[w] if o.group == group] for w in made}
        own = {way: outcomes for way, outcomes in own.items() if outcomes}
        first = next(iter(own.values()))
        columns = profiles.columns_of(first)
        table = {w: {c: profiles.score(os, c) for c in columns} for w, os in own.items()}
        users = len({o.user for o in first})
        sections.append(
            Section(
                title=f"Questions: {group}",
                about=ABOUT.get(group, ""),
                table=table,
                n=f"{len(first)} questions of {users} users",
            )
        )
    return sections


ABOUT = {  # of the toy users' questions
    "own": "What the user said of themselves: 'i live in the snow.' -> 'where do i live?'",
    "pet": "What they said of one of three pets.",
    "changed": (
        "What was said anew later ('i live in the city now.'): the newest state is right. These are"
        " the last two items, which is all that `recency` finds."
    ),
    "untold": "What nobody said: 'i do not know.' is right.",
}


def _keep(path: Path, outcomes: Sequence[profiles.Outcome]) -> None:
    """Each question with its items and its answer, so that anyone can count again."""
    lines = [
        json.dumps(
            {
                "way": o.way,
                "user": o.user,
                "group": o.group,
                "question": o.record.question,
                "items": [item.text for item in o.items],
                "expected": o.record.answer,
                "given": o.given,
                "nats_per_id": round(-o.truth.mean, 4),
            },
            ensure_ascii=False,
        )
        for o in outcomes
    ]
    write_aside(path, ("\n".join(lines) + "\n").encode())
    for group in dict.fromkeys(o.group for o in outcomes if o.group in lamp.TASKS):
        for way in dict.fromkeys(o.way for o in outcomes):
            own = [o for o in outcomes if (o.group, o.way) == (group, way)]
            golds = [{"id": o.record.labels["id"], "output": o.given} for o in own]
            file = path.with_name(f"{path.stem}-{group}-{way}.json")
            # As LaMP's own evaluation and its leaderboard take them.
            write_aside(file, json.dumps({"task": group, "golds": golds}, indent=1).encode())


def _grounding(base: Base, dataset: Dataset, settings: ProfilesConfig) -> list[Section]:
    asked: list[Record] = []
    for own in dataset.records.values():
        known = [r for r in own if r.uses is not None and not r.pictures and r.task == "reply"]
        # Evenly over the user's questions: their kinds stand together.
        step = max(1, len(known) // settings.grounded)
        asked += known[::step][: settings.grounded]
    if not asked:
        return []
    table = {
        row: profiles.grounding_scores(
            profiles.grounding(base, dataset, asked, _how(settings), right=right), dataset
        )
        for row, right in (("own answer", False), ("right answer", True))
    }
    return [
        Section(
            title="Which items an answer is grounded in",
            about=(
                "An item counts where it alone makes the answer likelier than none does, nearly as"
                " much as the best one: of the answer that the base writes, and of the right one."
                " `constant`: accuracy of always saying that no item counts."
            ),
            table=table,
            n=f"{len(asked)} questions",
        )
    ]


# ---- facts out of what was said -----------------------------------------------------------------


def matched(found: Sequence[Item], listed: Sequence[Item]) -> int:
    """How many listed facts are among those that were found, each by another one: sentences whose
    words have an F1 of MATCHES or more, the best first.
    """
    pairs = [
        (word_f1(one.text, other.text), i, k)
        for i, one in enumerate(found)
        for k, other in enumerate(listed)
    ]
    taken: tuple[set[int], set[int]] = set(), set()
    # The best pairs first, so that a near miss takes no fact from an exact one.
    for f1, i, k in sorted(pairs, reverse=True):
        if f1 >= MATCHES and i not in taken[0] and k not in taken[1]:
            taken[0].add(i)
            taken[1].add(k)
    return len(taken[1])


def extraction_scores(
    found: Sequence[Sequence[Item]], spoken: Sequence[Spoken]
) -> dict[str, Estimate]:
    """Precision, recall and F1 of the facts that were read off each user's talk."""
    rows = [
        precision_recall_f1(len(items), matched(items, one.facts), len(one.facts))
        for items, one in zip(found, spoken, strict=True)
    ]
    names = ("precision", "recall", "f1")
    return {name: estimate([row[i] for row in rows]) for i, name in enumerate(names)}


def spoken_of(dataset: Dataset) -> tuple[Spoken, ...]:
    """What speakers with a listed persona said in dialogues (PersonaChat): their own replies, and
    the original lines of their persona.
    """
    told = []
    for name, own in dataset.records.items():
        lines = [i for i in dataset.profiles.get(name, ()) if i.source == "self"]
        # Of two versions the original: a revised line says the same in words that nobody could find.
        original = tuple(item for item in lines if item.label != "revised")
        facts = original or tuple(lines)
        replies = tuple(r.answer for r in own if r.task == "reply")
        if facts and replies:
            told.append(Spoken(said=replies, facts=facts))
    return tuple(told)


def _extraction(base: Base, users: Users) -> list[Section]:
    spoken = users.spoken or spoken_of(users.dataset)
    if not spoken:
        return []
    # The control of an extractor: whoever keeps all finds all, and much besides.
    everything = [[Item(text=text) for text in one.said] for one in spoken]
    table = {
        "by_rules": extraction_scores([by_rules(one.said) for one in spoken], spoken),
        "everything": extraction_scores(everything, spoken),
    }
    if users.forms:
        asked = [by_questions(base, one.said, users.forms) for one in spoken]
        table = {"by_questions": extraction_scores(asked, spoken), **table}
    return [
        Section(
            title="Persona prediction: facts read off what a user said",
            about=(
                "Against the listed facts. `everything`: every utterance counts as a fact. A found"
                f" fact is right where its words have an F1 of {MATCHES} with a listed one."
            ),
            table=table,
            n=f"{len(spoken)} users",
        )
    ]


# ---- tastes, and MMPB ---------------------------------------------------------------------------


def _tastes(base: Base, users: Users, settings: ProfilesConfig) -> list[Section]:
    if not users.tastes:
        return []
    table = {way: tastes.over_users(tastes.rank(base, users.tastes, way)) for way in tastes.WAYS}
    table["chance"] = tastes.over_users(tastes.by_chance(users.tastes, seed=settings.seed))
    one = users.tastes[0]
    return [
        Section(
            title="Recommendation: pictures ranked by a user's taste",
            about=(
                f"{len(one.candidates)} pictures, {sum(map(bool, one.gains))} of them with what the"
                f" {len(one.liked)} liked ones have in common; ranked by P(yes) to '... would"
                f" {one.name} like this?'. `features`: cosine of the base's picture features. `in_words`: the"
                " common look is said, as an oracle; `explained`: the base first says it, and ranks by these"
                " words."
            ),
            table=table,
            n=f"{len(users.tastes)} users",
        )
    ]


def _user_tokens(base: Base, users: Users, settings: ProfilesConfig) -> list[Section]:
    if not users.tastes:
        return []
    one = users.tastes[0]
    judged = sum(liked for _, liked in one.judged)
    return [
        Section(
            title="A user's tokens, and those of a user of the opposite taste",
            about=(
                f"Learned from {judged} pictures that the user likes and"
                f" {len(one.judged) - judged} that they do not; asked of {len(one.candidates)} others,"
                f" {sum(map(bool, one.gains))} of them liked. `opposite_user`: the tokens of who says"
                " the opposite of each picture; `opposite_is_right`: the same, scored by that user's"
                " own taste. `pictures`: nothing is learned, three liked pictures stand before the"
                " question. `map`: a logistic regression on the base's features of the same labelled"
                " pictures. `features`: mean cosine with all liked pictures."
            ),
            table=user_tokens.over_users(base, users.tastes, seed=settings.seed),
            n=f"{len(users.tastes)} users",
        )
    ]


def _profile_rows(base: Base, dataset: Dataset, settings: ProfilesConfig) -> list[Section]:
    if not any(dataset.profiles.values()):
        return []
    table = profile_rows.over_users(
        base, dataset, k=settings.k, budget=settings.budget, seed=settings.seed
    )
    return [
        Section(
            title="A profile as tokens",
            about=(
                f"{ROWS} tokens that learned what the base answers with the items in"
                " words before it (`words`: the teacher). `tokens_unseen`: learned on one half of a"
                " user's questions, asked the other half. *ids*: of a prompt."
            ),
            table=table,
            n=f"{len(_questions(dataset))} questions of {len(dataset.records)} users",
        )
    ]


PROTOCOLS: tuple[dict[str, Any], ...] = (
    {"injection": "none"},
    {"injection": "simple"},
    {"injection": "moderate"},
    {"injection": "detailed"},
    {"injection": "super_detailed"},
    {"injection": "pictures", "pictures": 1},
    {"injection": "pictures", "pictures": 3},
    {"injection": "detailed", "turns": 4},
    {"injection": "detailed", "turns": 4, "location": "end"},
    {"injection": "pictures", "pictures": 1, "turns": 2},
    {"injection": "detailed", "others": 1},
    {"injection": "detailed", "blind": True},
)
"""Settings of MMPB that are measured: each injection, turns, other concepts, a blind picture."""


def _mmpb(base: Base, dataset: Dataset, settings: ProfilesConfig) -> list[Section]:
    if settings.data is not None:
        return _protocols(base, dataset) if dataset.layout == "mmpb" else []
    # Written and read again, so that the published layout's own reader is what is measured.
    with tempfile.TemporaryDirectory() as folder:
        root = judged_world().write_mmpb(
            Path(folder), seed=settings.seed, num_concepts=settings.concepts
        )
        return _protocols(base, read(root, "mmpb"))


def _protocols(base: Base, dataset: Dataset) -> list[Section]:
    asked, turns = mmpb.Protocols(base, dataset), layout.read_turns(dataset.root)
    table, left_out = {}, 0
    for told in PROTOCOLS:
        count = told.get("turns", 0)
        if count > len(turns):
            left_out += 1
            continue
        protocol = mmpb.Protocol(**{**told, "turns": turns[:count]})
        table[protocol.name] = asked.scores(protocol)
    note = f" {left_out} settings need more turns than the dataset has." if left_out else ""
    rows = sum(map(len, dataset.records.values()))
    return [
        Section(
            title="MMPB: awareness, overconcept, inconsistency",
            about=(
                "How a concept is introduced, then asked about. A constant answer has 1 of"
                f" awareness and 0 of overconcept, or the reverse; options have a chance of .25.{note}"
            ),
            table=table,
            n=f"{rows} rows about {len(dataset.concepts)} concepts",
        )
    ]


# ---- the page -----------------------------------------------------------------------------------


def write_page(
    sections: Sequence[Section], settings: ProfilesConfig, *, command: str, commit: str
) -> None:
    """The page of all tables, and their numbers as JSON beside it.

    Args:
        sections: In their order.
        settings: That they were measured with.
        command: That made them; its keys are left out.
        commit: Of the code.
    """
    command = without_secrets(command)
    lines = ["# Profiles in words", "", code_line(command), ""]
    source = "users of the toy world" if settings.data is None else Path(settings.data).name
    lines += [
        f"{markdown(source)}, seed {settings.seed}, k = {settings.k} items in at most"
        f" {settings.budget} ids; commit {commit}. ±: half-width of the 95 % interval over users or"
        " concepts (Student's t; of perplexity, macro F1, RMSE, MAE and BLEU a bootstrap of users).",
        "",
    ]
    for section in sections:
        columns = list(dict.fromkeys(c for row in section.table.values() for c in row))
        # Columns that say nothing in any row: 'finds', where no dataset says what is used.
        columns = [c for c in columns if any(row.get(c) for row in section.table.values())]
        lines += [f"## {markdown(section.title)}", "", f"{section.about} n: {section.n}.".strip()]
        named = " | ".join(map(markdown, columns))
        lines += ["", f"| | {named} |", "|---|" + "---|" * len(columns)]
        for way, row in section.table.items():
            cells = " | ".join(_cell(row.get(c), c) for c in columns)
            lines.append(f"| {markdown(way)} | {cells} |")
        lines.append("")
    path = Path(settings.out)
    write_aside(path, ("\n".join(lines).rstrip() + "\n").encode())
    numbers = [{"title": s.title, "n": s.n, "table": _numbers(s.table)} for s in sections]
    whole = {"command": command, "commit": commit, "settings": asdict(settings)}
    text = json.dumps({**whole, "sections": numbers}, indent=1, default=str) + "\n"
    write_aside(path.with_suffix(".json"), text.encode())


def _cell(number: Estimate | None, column: str) -> str:
    if number is None:
        return ""
    digits = 1 if column in ("ids", "perplexity", "bleu") else 3
    half = "" if number.half_width is None else f" ± {number.half_width:.{digits}f}"
    return f"{number.mean:.{digits}f}{half}"


def _numbers(table: Table) -> dict[str, dict[str, Any]]:
    return {
        way: {c: None if e is None else asdict(e) for c, e in row.items()}
        for way, row in table.items()
    }
