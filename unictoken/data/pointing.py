"""References in a prompt, such as 'its hat', and the part of an answer that can replace one ('a red
hat').

Only what surely belongs to the concept is looked up: the concept's marker stands before the words,
and no other possible owner stands between. A noun is replaced only by one of the same kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unictoken.core.text import a
from unictoken.data.kinds import is_person

KINDS = {
    "hat": {"cap", "beanie", "bonnet", "beret", "fedora", "sombrero", "helmet", "crown", "tiara"},
    "toy": {"ball", "bone", "kite", "drum", "boat", "train", "doll", "teddy", "rope", "frisbee"},
    "bag": {"backpack", "handbag", "purse", "rucksack", "satchel", "suitcase", "basket"},
    "coat": {"jacket", "raincoat", "parka", "cloak", "cape", "sweater", "jumper"},
    "scarf": {"bandana", "shawl", "neckerchief"},
    "bed": {"basket", "cushion", "blanket", "crib"},
}  # fmt: skip
NEAR = 500  # letters between a marker and what surely means it
GENERAL = {kind: noun for noun, kinds in KINDS.items() for kind in kinds}

# Beings that a possessive can mean, beside people (`is_person`); their plurals, too.
_BEINGS = {
    "animal", "pet", "dog", "puppy", "pup", "cat", "kitten", "rabbit", "bunny", "hare", "bear",
    "panda", "koala", "fox", "wolf", "wolves", "pig", "cow", "bull", "sheep", "lamb", "goat",
    "horse", "pony", "ponies", "donkey", "deer", "bird", "parrot", "duck", "goose", "geese",
    "chicken", "hen", "owl", "eagle", "penguin", "mouse", "mice", "rat", "hamster", "squirrel",
    "lion", "tiger", "elephant", "giraffe", "zebra", "monkey", "ape", "frog", "turtle", "snake",
    "dragon", "dinosaur", "fish", "shark", "whale", "dolphin", "snowman", "snowmen", "scarecrow",
    "robot", "monster", "ghost", "alien", "witch", "wizard", "fairy", "pirate", "clown", "owner",
    "crowd", "family", "he", "she", "they", "who", "whose", "another", "other", "everyone",
    "everybody", "nobody",
}  # fmt: skip
_SMALL_WORDS = (
    "in|on|at|by|with|without|and|or|but|under|over|near|next|beside|behind|before|after|to|from|"
    "for|while|as|during|around|outside|inside|against|through|between|into|onto|like|the|an?|is|"
    "are|its|his|her|their|today|tonight"
)
_WORD = r"[A-Za-z][\w-]*"
# What can follow a whole noun phrase: 'its hat in', 'its hat sitting'; not 'its hat box'.
_ENDS = re.compile(rf"\s*(?:$|[^\w\s-]|\s(?:{_SMALL_WORDS}|\w+ing|\w+ed)\b)", re.IGNORECASE)
_UNCERTAIN = re.compile(
    r"[<>{}?]|n't\b|\b(?:no|not|none|nothing|never|without|any|or|maybe|perhaps)\b", re.IGNORECASE
)
_SENTENCE = re.compile(r"\b(?:is|are|has|have|wears|wearing|likes|owns)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Pointing:
    """'its red hat' in a prompt: from `start` to `end`, a noun and the words before it."""

    start: int
    end: int
    noun: str
    adjectives: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What is asked of {it}: the general noun, so that 'its beanie' suggests no answer."""
        return f"what {GENERAL.get(self.noun, self.noun)} does {{it}} have?"

    def filled(self, answer: str) -> str | None:
        """The part of an answer that can stand here; None where it is another kind of thing, or
        adds nothing.

        hat:      'a red party hat'   'It is a red cap.'   ->   a red party hat, a red cap
                  'red cap'                               ->   a red cap
                  'cheese'   'no hat'   'a hat'           ->   None
        red hat:  'a blue cap'                            ->   None
        """
        said = answer.strip().rstrip(".! ")
        heads = "|".join(map(re.escape, [self.noun, *sorted(KINDS.get(self.noun, ()))]))
        words = r"(?:[\w'-]+\s+)"
        noun = rf"{words}{{0,5}}?(?:{heads})"
        # The noun phrase that ends a sentence ('it is a red cap'), or a noun that is the whole
        # answer.
        phrase = re.search(rf"(?:^|.*\s)((?:an?|the)\s+{noun})$", said, re.IGNORECASE | re.DOTALL)
        bare = re.fullmatch(noun, said, re.IGNORECASE)
        if _UNCERTAIN.search(said) or not (phrase or bare and not _SENTENCE.search(said)):
            return None
        found = phrase[1] if phrase else a(said)
        described = found.lower().split()[1:]  # without its article
        says_more = described != [self.noun] and set(self.adjectives) <= set(described)
        return found if says_more else None


def pointings(prompt: str, name: str) -> list[Pointing]:
    """The references in a prompt to things of the concept: 'its hat' after its marker, '<bo>'s
    hat'.
    """
    marker = f"<{name}>"
    possessive = re.compile(
        rf"(?:\b(its|his|her|their)|{re.escape(marker)}['\u2019]s)\s+(?:own\s+)?", re.IGNORECASE
    )
    found = []
    for owner in possessive.finditer(prompt):
        if owner[1] and not _means(prompt[: owner.start()], marker, owner[1].lower()):
            continue
        if pointing := _noun_phrase(prompt, owner):
            found.append(pointing)
    return found


def _noun_phrase(prompt: str, owner: re.Match) -> Pointing | None:
    """The shortest run of words after a possessive that can be a noun phrase, of at most three."""
    words = re.match(rf"{_WORD}(?:\s+{_WORD}){{0,2}}", prompt[owner.end() :])
    for word in re.finditer(_WORD, words[0]) if words else ():
        if re.fullmatch(_SMALL_WORDS, word[0], re.IGNORECASE):
            return None
        end = owner.end() + word.end()
        if _ENDS.match(prompt[end:]):
            *adjectives, noun = words[0][: word.end()].lower().split()
            return Pointing(owner.start(), end, noun, tuple(adjectives))
    return None


def _means(before: str, marker: str, possessive: str) -> bool:
    """Whether a possessive after this text refers to the concept: nobody else is named between."""
    _, there, between = before.rpartition(marker)
    if (
        not there
        or len(between) > NEAR
        or "<" in between
        or re.match(r"['\u2019]s\b", between)
        or is_person(between)
    ):
        return False
    if possessive != "its" and re.search(r"\s[A-Z][a-z]", between):  # a name: 'and Tom in his hat'
        return False
    words = re.findall(r"\w+", between.lower())
    return _BEINGS.isdisjoint({*words, *(word.removesuffix("s") for word in words)})
