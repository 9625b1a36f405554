"""Sentences that are remembered: whom each is about, which kind of fact it is, and what holds now.

Rules in words, and no model: what is kept can be shown before it is, and does not change with the
base.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from unictoken.core.text import markers
from unictoken.data.item import Item
from unictoken.data.pointing import GENERAL
from unictoken.personalize.memory.entry import Remembered

NOW = ("now", "today", "currently", "nowadays")
_ARTICLES = {
    "a", "an", "the", "my", "our", "your", "his", "her", "its", "their", "this", "that", "some",
    "no", "two", "three", "four",
}  # fmt: skip
# What may change begins with one of these.
_PLACES = {"in", "on", "at", "with", "from", "under", "near", "behind", "beside"}
_WORD = re.compile(r"<[\w-]+>|[^\W_]+(?:['-][^\W_]+)*")
_MINE = re.compile(r"\b(?:my|our|the)\s+([^\W\d_]+)", re.IGNORECASE)
_IS_MY = re.compile(
    r"<([\w-]+)>\s+is\s+(?:my|our)\s+([^\W\d_]+)|(?:my|our)\s+([^\W\d_]+)\s+is\s+<([\w-]+)>",
    re.IGNORECASE,
)


def kind_of_fact(item: Item) -> str:
    """Which kind of fact a sentence states: two of one kind contradict each other, and the newer one
    holds. Its label where it has one; else its verb, of 'has' and 'is a' with the noun at the end.

    >>> [kind_of_fact(Item(text=t)) for t in ("<bo> lives in the snow.", "<bo> has a red cap.")]
    ['lives', 'has hat']
    >>> kind_of_fact(Item(text="i like to eat fish now."))
    'like to eat'
    """
    if item.label:
        return item.label
    words = [w for w in _words(item.text) if w not in NOW]
    # The first word is who it is about: '<bo>', 'i'; of 'my dog likes fish' two.
    words = words[2 if words[:1] in (["my"], ["our"], ["the"]) else 1 :]
    verb = _verb(words)
    rest = words[len(verb) :]
    if verb in (["has"], ["have"], ["owns"], ["is"]) and rest:
        # 'a cap' and 'a beanie' answer the same question, 'what hat does <bo> have?'.
        verb = [*verb, GENERAL.get(rest[-1], rest[-1])]
    return " ".join(verb)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _verb(words: Sequence[str]) -> list[str]:
    """The first word, and those that belong to it: 'likes to eat', 'is wearing'."""
    verb: list[str] = []
    for word in words:
        if verb and (word in _ARTICLES or word in _PLACES):
            break
        more = not verb or word == "to" or verb[-1] == "to" or word.endswith("ing")
        if not more:
            break
        verb.append(word)
    return verb


def newest(remembered: Iterable[Remembered]) -> list[Remembered]:
    """What holds now: the newest sentence of each kind, in the order in which their kinds were first
    said, so that prompts begin alike.
    """
    kept: dict[str, Remembered] = {}
    for one in sorted(remembered, key=lambda one: (one.item.time, one.number)):
        kept[kind_of_fact(one.item)] = one
    return list(kept.values())


def whom_about(text: str, nouns: Mapping[str, str], user: Sequence[Remembered] = ()) -> str | None:
    """The concept that a sentence is about: the first that it names, as a marker or as a word; else
    the one that 'my dog' means, as the user said ('my dog is <bo>') or because only one is a dog.
    None: it is about the user.

    >>> whom_about("remember that Bo likes fish", {"bo": "dog", "mia": "fox"})
    'bo'
    >>> whom_about("my fox naps", {"bo": "dog", "mia": "fox"}), whom_about("i nap", {"bo": "dog"})
    ('mia', None)

    Args:
        text: The sentence.
        nouns: The class noun of each concept by its name.
        user: What the user said before.
    """
    for word in _words(text):
        if word.strip("<>") in nouns:
            return word.strip("<>")
    said = {}
    for one in user:
        for name, noun, other, owner in _IS_MY.findall(one.item.text):
            said[(noun or other).casefold()] = name or owner
    for noun in map(str.casefold, _MINE.findall(text)):
        if (named := said.get(noun)) in nouns:
            return named
        meant = [name for name, own in nouns.items() if own.casefold() == noun]
        if len(meant) == 1:
            return meant[0]
    return None


def stated(text: str, name: str | None) -> str:
    """A sentence as it is kept: without 'remember that', with the concept's marker where its name
    stands, and one full stop.

    >>> stated("Remember that Bo likes fish", "bo")
    '<bo> likes fish.'
    """
    text = re.sub(r"^\s*(?:please\s+)?remember(?:\s+that|:)?\s+", "", text, flags=re.IGNORECASE)
    if name is not None and name not in markers(text):
        bare = rf"(?<![\w<-]){re.escape(name)}(?![\w>-])"
        text, count = re.subn(bare, f"<{name}>", text, flags=re.IGNORECASE)
        if not count:  # 'my dog', 'the dog'
            text = _MINE.sub(f"<{name}>", text, count=1)
    return text.strip().rstrip(".! ") + "."
