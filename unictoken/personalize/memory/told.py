"""Keeping what is said: a proposal that is shown first, then the fact; and saying what is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from unictoken.core.text import check_markers
from unictoken.data.item import Item
from unictoken.personalize.memory.entry import Entry, Remembered
from unictoken.personalize.memory.facts import kind_of_fact, newest, stated, whom_about
from unictoken.personalize.memory.store import USER, Memory


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What `remember` would keep: shown to the user first."""

    name: str | None
    """The concept that it is about; None: the user."""
    item: Item
    kind: str
    """Which kind of fact: 'has hat', 'lives'."""
    replaces: tuple[Remembered, ...] = ()
    """What was said before and holds no longer; it stays as history."""


def propose(memory: Memory, text: str, *, kind: str = "", source: str = USER) -> Proposal:
    """What would be kept of a sentence; nothing is written.

    Args:
        memory: Whose concepts it may be about.
        text: 'bo likes fish', 'remember that my dog has a red hat', 'i live in the snow'.
        kind: Which kind of fact it is, such as 'hat'; '': as its verb says.
        source: Where it comes from.
    """
    entries = {entry.name: entry for entry in memory.list()}
    user = memory.user
    name = whom_about(text, {n: entry.class_noun for n, entry in entries.items()}, user)
    said = stated(text, name)
    check_markers(said, tuple(entries), where="remember")
    item = Item(text=said, time=time.time(), source=source, label=kind)
    kind = kind_of_fact(item)
    # Of the same kind, and still holding: what was replaced before is replaced already.
    before = entries[name].facts if name is not None else user
    same = tuple(one for one in newest(before) if kind_of_fact(one.item) == kind)
    return Proposal(name=name, item=item, kind=kind, replaces=same)


def keep(memory: Memory, proposal: Proposal) -> Remembered:
    """Keep what `propose` gave."""
    return memory.tell(proposal.item, proposal.name)


def said_of(entry: Entry) -> str:
    """An entry as a paragraph: what it is, and what holds of it now."""
    facts = " ".join(one.item.text for one in newest(entry.facts)) or "nothing was said of it."
    learned = ", learned" if entry.tokens else ""
    noun = entry.class_noun or "concept"
    return f"{entry.marker}: {noun}, {entry.pictures} pictures{learned}. {facts}"


def said_of_user(remembered: Sequence[Remembered]) -> str:
    """The user's own sentences that hold now."""
    return " ".join(one.item.text for one in newest(remembered)) or "nothing was said."


def said_when(remembered: Remembered) -> str:
    """One fact with its number, time and source: '3  2026-11-26 17:05  user  <bo> likes fish.'"""
    item = remembered.item
    when = (
        datetime.fromtimestamp(item.time).strftime("%Y-%m-%d %H:%M")
        if item.time
        else "unknown time"
    )
    return f"{remembered.number}  {when}  {item.source or 'unknown source'}  {item.text}"
