"""Texts: how a concept is named in them, how they stand in Markdown and in code, and their English.

A concept is '<bo>' as people write it, '{name}' as prompts hold it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from unictoken.core.errors import UserError
from unictoken.core.printing import one_line
from unictoken.core.shapes import LONGEST_TEXT

# Concept files hold rows in this order: another order would give old rows other roles.
ROLES = ("name", "shared", "generation", "understanding")
_MARKER = re.compile(r"<[A-Za-z0-9_-]+>")
# not '5>3', 'a<b' or 'left->right'. Each run of letters is looked at from its beginning only, so
# that a long one takes no longer than its length.
_HALF_MARKER = re.compile(
    r"(?<!\w)<[A-Za-z][\w-]*+|(?<![\w-])(?=[\w-]*?[A-Za-z])[\w-]++(?<!-)>(?!\w)"
)
_ROWS = re.compile("{(?:" + "|".join(ROLES[1:]) + ")}")


class ConceptError(UserError):
    """A concept that cannot be used: where, what was found, what was expected."""


def check_length(
    text: str, where: str, refusal: type[UserError] = ConceptError, *, most: int = LONGEST_TEXT
) -> None:
    """Refuse a text that is too long, before anything is looked for in it.

    Args:
        text: Whatever a user or a file says.
        where: The place that the error names.
        refusal: The error that is raised.
        most: Letters that it may have.
    """
    if len(text) > most:
        raise refusal(
            f"{where}: found a text of {len(text):,} letters, expected at most {most:,}. Say less."
        )


def mark(text: str, name: str, *, where: str) -> str:
    """A user's text with '{name}' where '<name>' stands; any other marker, half a one, or a slot
    for rows is a mistake.

    '{name}' may stand in it already: what was marked once can be marked again.
    """
    check_markers(text, [name], where=where)
    return text.replace(f"<{name}>", "{name}")


def check_markers(text: str, names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Those of `names` that a user's text names, in the order of `names`; any other marker is a
    mistake.
    """
    check_length(text, where)
    named = markers(text)
    known = ", ".join(f"'<{name}>'" for name in names)
    if stray := next((name for name in named if name not in names), None):
        raise ConceptError(
            f"{where}: '<{stray}>' is not a concept that is loaded. Loaded: {known or 'none'}."
            " Expected one of them; write it, or load the other, too."
        )
    if wrong := misspelt(_MARKER.sub("{name}", text), names):
        raise ConceptError(
            f"{where}: {wrong}. Expected {known or 'a text without markers'}; write that, or leave"
            " the bracket out."
        )
    return tuple(name for name in names if name in named)


def markers(text: str) -> tuple[str, ...]:
    """The names that stand in markers, each once, in the text's order.

    >>> markers("<bo> and <mia>, but mostly <bo>")
    ('bo', 'mia')
    """
    return tuple(dict.fromkeys(found[1:-1] for found in _MARKER.findall(text)))


def unmark(text: str, name: str) -> str:
    """A marked text as people read it: '<name>' where '{name}' stands."""
    return text.replace("{name}", f"<{name}>")


def misspelt(text: str, names: Iterable[str] = ()) -> str | None:
    """What looks like a mistake in a text without markers: half a marker, or a slot of a method's
    prompts.

    An unknown word with one bracket may be arithmetic or an arrow; one of `names` never is,
    whatever stands beside it.
    """
    own = "|".join(map(re.escape, names))
    known = own and re.search(rf"<(?:{own})(?![\w-])|(?<![\w-])(?:{own})>", text, re.IGNORECASE)
    if half := known or _HALF_MARKER.search(text):
        return f"'{half[0]}' has one bracket"
    slot = _ROWS.search(text)
    return f"'{slot[0]}' is a slot of a method's prompts" if slot else None


# ---- texts of others in Markdown and in code --------------------------------------------------

# '_' inside a word ('text_prompt') is no markup, and is left readable.
_MARKUP = re.compile(
    r"[\\`*~|$#@<>&\[\]]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|:(?=//)", re.IGNORECASE
)
# HTML's own escapes: a reader of Markdown that does not know '\<' shows these, too.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# At the beginning of a line these make a list, or a heading of the line before.
_LIST_MARKER = re.compile(r"^(\d*)([-+=.)])")


def markdown(text: str) -> str:
    """A text as Markdown that shows it literally, on one line.

    Nothing in it is a tag, a link, a heading, a list or the border of a table, and nothing turns
    the letters around.

    '<s> *is* [a](b)'   ->   &lt;s&gt; \\*is\\* \\[a\\](b)
    '1. red'            ->   1\\. red
    'text_prompt'       ->   text_prompt
    """
    line = one_line(text, LONGEST_TEXT)
    escaped = _MARKUP.sub(lambda found: _ENTITIES.get(found[0]) or "\\" + found[0], line)
    return _LIST_MARKER.sub(r"\1\\\2", escaped)


def code_line(text: str) -> str:
    """A text as a block of code of one line in Markdown, such as a command: nothing in it ends the
    block, and what is in a block is no markup.
    """
    return f"    {one_line(text, LONGEST_TEXT)}"


def python_literal(text: str) -> str:
    """A text as a Python string on one line: it never becomes code that a reader runs."""
    return json.dumps(text) if text.isascii() else ascii(text)  # JSON's ASCII is Python's


# ---- nouns with their articles ----------------------------------------------------------------
# Tables and not the library `inflect` (7.6.0): with what it needs 1.8 MB, a second and more to
# import, and it says 'a SUV', 'a 8-ball', 'a xbox', 'a sunglasses'.

_DETERMINER = re.compile(
    r"(?:an?|the|my|our|your|his|her|its|their|this|that|these|those)(?:\s+|$)", re.IGNORECASE
)
_COUNTED = re.compile(
    r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|some|many|several|both)\s", re.IGNORECASE
)
_AFTER_HEAD = re.compile(
    r"\s+(?:of|with|without|in|on|at|by|from|for|to|next|near|wearing|that|who|which)\b|[,(]"
)

# Plural words for one thing: 'a pair of' stands before them.
PAIRS = {
    "sunglasses",
    "glasses",
    "eyeglasses",
    "spectacles",
    "goggles",
    "binoculars",
    "scissors",
    "shears",
    "clippers",
    "pliers",
    "tweezers",
    "tongs",
    "forceps",
    "chopsticks",
    "trousers",
    "pants",
    "underpants",
    "jeans",
    "shorts",
    "leggings",
    "tights",
    "stockings",
    "knickers",
    "briefs",
    "pyjamas",
    "pajamas",
    "overalls",
    "dungarees",
    "shoes",
    "boots",
    "wellies",
    "sneakers",
    "trainers",
    "loafers",
    "heels",
    "sandals",
    "slippers",
    "clogs",
    "crocs",
    "flops",
    "socks",
    "gloves",
    "mittens",
    "skis",
    "skates",
    "earrings",
    "headphones",
    "earphones",
    "earbuds",
    "airpods",
    "handcuffs",
    "cufflinks",
    "maracas",
    "castanets",
}
# Plurals that `_is_plural` would miss: without an 's', or in -us and -is.
_PLURALS = {
    "people",
    "men",
    "women",
    "children",
    "grandchildren",
    "feet",
    "teeth",
    "mice",
    "geese",
    "oxen",
    "lice",
    "cattle",
    "cacti",
    "octopi",
    "fungi",
    "menus",
    "emus",
    "gnus",
    "taxis",
    "bikinis",
    "safaris",
}
# They end in 's' and are one thing; so is every word in -ss, -us, -is.
_SINGULARS = {
    "gas",
    "lens",
    "canvas",
    "atlas",
    "christmas",
    "xmas",
    "thermos",
    "rhinoceros",
    "cosmos",
    "chaos",
    "asbestos",
    "pancreas",
    "series",
    "species",
    "crossroads",
    "headquarters",
    "gallows",
    "barracks",
    "bellows",
    "biceps",
    "triceps",
    "alias",
    "bias",
    "cyclops",
    "pampas",
    "news",
    "molasses",
    "mercedes",
    "adidas",
    "mars",
    "james",
    "charles",
    "hercules",
    "achilles",
    "gps",
    "ds",
    "os",
    "ps",
    "yes",
}

# Letters decide but for these; each is matched at the beginning of the first word.
_CONSONANT_SOUND = re.compile(  # a unicorn, a euro, a one-eyed cat
    r"eu|ewe|one(?:$|s|n)|once$|ouija|"
    r"u(?:biq|fo|ga|k|nanim|ni(?!n|m|r|de)|r(?:an|ea|et|in|ol|ug)|s(?:[aeu]|b?$)|t[eio]|av$|v|x)"
)
_VOWEL_SOUND = re.compile(r"hour|heir|hones|hono(?!l)|hors$|x(?:box|ray|mas)")  # an hour, an X-ray
# A word without a vowel is said letter by letter; so are these, and these others are not.
_SPELLED = {"suv", "led", "fbi", "mri", "sos", "hdmi", "rna"}
_SHORTENED = {"mr", "mrs", "ms", "dr", "st", "mt", "lt", "sgt", "jr", "sr"}
_SAID_WITH_A_VOWEL = "aefhilmnorsx"  # letters: an F, a B
# 8, 80, 8th; 11 and 18; 1100 to 1199 and 1800 to 1899, which are said 'eleven hundred'.
_EIGHT_OR_ELEVEN = re.compile(r"8|1[18](?:\d\d)?(?!\d)")


def clean_noun(noun: str) -> str:
    """A class noun as prompts say it: no article or owner, spaces for a data set's underscores.

    ' An  apple', 'the dog', 'my old dog', 'hot_dog'   ->   apple, dog, old dog, hot dog
    """
    noun = " ".join(noun.replace("_", " ").split()).rstrip(" .,")
    while noun and (found := _DETERMINER.match(noun)):
        noun = noun[found.end() :]
    return noun


# Training sequences ask for the same few nouns many thousand times.
@lru_cache(maxsize=4096)
def a(noun: str) -> str:
    """The noun with its article, by its sound; of a pair 'a pair of', of a plural nothing.

    'dog', 'a dog', 'apple', 'unicorn', 'hour'   ->   a dog, a dog, an apple, a unicorn, an hour
    'sunglasses', 'two dogs', 'flowers', 'bus'   ->   a pair of sunglasses, two dogs, flowers, a bus
    """
    return _with_article(clean_noun(noun))


def without_name(text: str, name: str, noun: str) -> str:
    """A text for who was never told of the concept: 'a <bo> by <bo>' becomes 'a dog by the dog'."""
    with_article = re.sub(
        rf"\b(a|an|the) <{re.escape(name)}>",
        lambda found: f"the {noun}" if found[1] == "the" else a(noun),
        text,
    )
    return with_article.replace(f"<{name}>", f"the {noun}")


_JOINED = re.compile(r"\s+(?:and|or)\s+|[&+/]", re.IGNORECASE)


def heads_of(noun: str) -> list[str]:
    """What a class noun is about: each part that 'and' joins, without what stands behind its head.

    >>> heads_of("old dog with a hat and cat")
    ['old dog', 'cat']
    """
    heads = (_head_of(part) for part in _JOINED.split(noun))
    return [head for head in heads if head]


def _head_of(noun: str) -> str:
    # 'a dog with two hats' is one thing: what stands before 'with' decides.
    return _AFTER_HEAD.split(noun, maxsplit=1)[0].casefold().replace("-", " ").strip()


def _with_article(noun: str) -> str:
    head = _head_of(noun).split()
    last = head[-1] if head else ""
    # 'three socks' stays as it is; 'socks' becomes 'a pair of socks'.
    if _is_plural(last) or last in PAIRS and _COUNTED.match(noun):
        return noun
    if last in PAIRS:
        return f"a pair of {noun}"
    return ("an " if _has_vowel_sound(noun) else "a ") + noun


def _is_plural(word: str) -> bool:
    if word in PAIRS or word in _SINGULARS:
        return False
    singular = ("ss", "us", "is", "'s", "\u2019s")
    return word in _PLURALS or word.endswith("s") and not word.endswith(singular)


def _has_vowel_sound(noun: str) -> bool:
    """Whether a noun begins with the sound of a vowel: 'hour', 'X-ray', '8-ball'; not 'unicorn'."""
    parts = unicodedata.normalize("NFKD", noun.casefold())
    plain = "".join(c for c in parts if not unicodedata.combining(c))  # 'eclair' of 'éclair'
    first = re.search(r"[^\W\d_]+|\d+", plain)
    if first is None:
        return False
    word = first[0]
    if word.isdigit():
        return bool(_EIGHT_OR_ELEVEN.match(plain, first.start()))
    # A word of another script is never spelled letter by letter.
    has_vowel = not word.isascii() or not set("aeiouy").isdisjoint(word)
    if len(word) == 1 or word in _SPELLED or not (has_vowel or word in _SHORTENED):
        return word[0] in _SAID_WITH_A_VOWEL
    if _VOWEL_SOUND.match(word):
        return True
    return word[0] in "aeiou\u00e6\u0153\u00f8" and not _CONSONANT_SOUND.match(word)


# ---- prompts for pictures ---------------------------------------------------------------------

_MADE = (
    "photo|photograph|picture|pic|image|painting|drawing|portrait|sketch|illustration|cartoon|"
    "rendering|snapshot|selfie|close-up|closeup|shot"
)
_OF_SOMETHING = re.compile(rf"(?:[\w-]+\s+){{0,3}}?(?:{_MADE})s?\s+of\b", re.IGNORECASE)
_WHOLE = re.compile(
    r"(?:an?|draw)\s|"
    r"(?:paint|sketch|show|generate|create|render|make)\s+"
    r"(?:(?:an?|the|me|us|one|two|three)\s|[<{])",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"one\s|{_COUNTED.pattern}", re.IGNORECASE)


def picture_prompt(text: str) -> str:
    """What a user asks to see, as a whole prompt.

    '<bo> wearing a hat'                    ->   a photo of <bo> wearing a hat.
    'Photo of <bo>', 'oil painting of <bo>' ->   a photo of <bo>., an oil painting of <bo>.
    'A photo of <bo>.', 'two photos of <bo>', 'draw <bo>'   ->   the same, with one full stop
    """
    text = text.strip().rstrip(". ")
    if _WHOLE.match(text):
        return f"{text}."
    if not _OF_SOMETHING.match(text):
        return f"a photo of {text}."
    if _DETERMINER.match(text) or _NUMBERED.match(text):
        return f"{text}."
    # 'Oil painting' becomes lower case after its article; 'DSLR photo' stays.
    return _with_article(text[:1].lower() + text[1:] if text[1:2].islower() else text) + "."


# ---- British spelling -------------------------------------------------------------------------

_BRITISH = {
    "color": "colour", "gray": "grey", "favorite": "favourite", "flavor": "flavour",
    "neighbor": "neighbour", "harbor": "harbour", "humor": "humour", "honor": "honour",
    "armor": "armour", "center": "centre", "theater": "theatre", "fiber": "fibre",
    "pajamas": "pyjamas", "jewelry": "jewellery", "mustache": "moustache",
    "donut": "doughnut", "plow": "plough",
}  # fmt: skip
# Markers and slots come first, so that no word inside them is changed.
_AMERICAN = re.compile(
    rf"(<[\w-]+>|{{\w+}})|\b({'|'.join(_BRITISH)})(s|ed|ful|less|ish)?\b", re.IGNORECASE
)


def british(text: str, is_known: Callable[[str], bool]) -> str:
    """A text with the British spelling of words that the base knows only in that; markers stay.

    `is_known`: whether the base was trained on a word.

        'What Color is <gray>?', where only 'colour' is known   ->   What Colour is <gray>?
    """

    def spelt(found: re.Match[str]) -> str:
        marker, word, ending = found.groups()
        if marker or is_known(word.lower()) or not is_known(_BRITISH[word.lower()]):
            return found[0]
        other = _BRITISH[word.lower()]
        if word[0].isupper():
            other = other.upper() if word.isupper() else other.capitalize()
        return other + (ending or "")

    return _AMERICAN.sub(spelt, text)
