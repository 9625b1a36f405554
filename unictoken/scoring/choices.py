"""Which option of a multiple choice an answer means: what talkative models write around a letter.

1. The answer is cleaned of its formatting (`unformatted`).
2. Its letters are found; those of one list ('A, B or C') are one mention.
3. Mentions that it denies ('not A', 'A is wrong') are left out.
4. Of what is left the strongest kind decides: a final answer, then a declared one ('the answer is
   B', 'B is right'), then one at the beginning, then any. Two letters of one kind contradict each
   other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# What is taken out of an answer before it is read, in this order.
_FORMATTING = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE | re.MULTILINE), put)
    for pattern, put in (
        (r"<think>.*?</think>", " "),  # the thoughts of a reasoning model
        (r"<answer>(.*?)</answer>", r" final answer: \1\n"),
        (r"<(b|i|em|strong|code|p)>(.*?)</\1>", r"\2"),
        (r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1"),
        (r"\\f?boxed\s*\{([^{}]*)\}", r" final answer: \1\n"),
        (r"\\[()\[\]]|[*`$]|~~", ""),
        (r"(?<!\w)_+|_+(?!\w)", ""),
        (r"^[ \t]*(?:#+|>+|[-+\u2022])[ \t]+", ""),  # headings, quotes, items of lists
        ("[\u201c\u201d\u00ab\u00bb]", '"'),
        ("[\u2018\u2019\u02bc]", "'"),
    )
)

# 'A' before a word is mostly an article ('A dog'), unless the word goes on about an option.
_GOES_ON = (
    r"(?:is|was|isn't|wasn't|are|because|since|as|or|and|but|not|nor|seems|looks|appears|fits|"
    r"matches|doesn't|does|would|could|can|can't|cannot|must|should|might|may|rather|instead|over|"
    r"it|if|for|The|It|This|That|[A-Z])\b"
)
_NO_ARTICLE = rf"(?![ \t]+(?!{_GOES_ON})[A-Za-z])"
_PART = r"[A-Za-z0-9_\u00c0-\u024f'-]"  # of a word; a Chinese one may stand beside a letter
_ENDS = rf"(?!{_PART}|\.[A-Za-z])"
_LETTER = re.compile(
    rf"[(\[{{\"']\s*([A-Za-z])\s*[)\]}}\"']"  # (b), "B"
    rf"|(?<!{_PART})(?<![A-Za-z]\.)"
    rf"(A(?={_ENDS}{_NO_ARTICLE})|I(?=[).:]|\s*$)|[B-HJ-Z]){_ENDS}"  # B; no article, no pronoun
)

# What stands before a letter that is the answer.
_BE = r"(?:is|was|will be|would be|should be|must be|has to be)"
_DECLARING = (
    # 'the answer to the question is'
    r"\b(?:answer|choice|option|solution|selection|pick|guess|response|conclusion|letter|one)\b"
    r"(?:[ \t]+(?!not\b|isn't\b|wasn't\b|is\b)[\w'-]+){0,6}?"
    rf"(?:\s*(?:[:=]|-+>|\u2192)|\s+{_BE}\b|'s\b)"
    # 'it is'
    rf"|\b(?:it|that|this|which)(?:'s|\s+{_BE})\b"
    # 'I would choose', 'I think that it is'
    r"|\b(?:choose|chose|pick|picked|select|selected|opt for|(?:go|going|went) (?:with|for)|"
    r"settle on|say|vote for|guess|answer|mean|prefer|believe|think|conclude)\b"
    r"(?:\s+(?:that\s+)?(?:it's|it is))?"
    # 'so'
    r"|\b(?:therefore|thus|hence|so)\b"
)
_FILLER = (
    r"(?:[\s,:\"(-]|\b(?:the|an?|option|choice|letter|answer|number|probably|most|likely|"
    r"definitely|clearly|certainly|simply|just|indeed|actually|therefore|thus|correct|right|best|"
    r"of|course|then|is|be|to)\b)*"
)
_FINAL = re.compile(
    r"\bfinal(?:ly)?,?\s+(?:answer|choice|decision|option)\b" rf"\s*(?:[:=]|{_BE}\b)?{_FILLER}$",
    re.IGNORECASE,
)
_DECLARED = re.compile(rf"(?:{_DECLARING}){_FILLER}$", re.IGNORECASE)
_OPTION = re.compile(r"\b(?:option|choice|letter|answer)\s*$", re.IGNORECASE)

# What stands after one that is right, or wrong.
_VERB = (
    r"(?:\s*[:=-]\s*|\s+(?:is|are|was|were|seems|looks|appears|must be|would be)\s+"
    r"(?:\w+ly\s+)?(?:the\s+|to be\s+)*(?:most\s+|only\s+|more\s+)*)"
)
_CONFIRMED = re.compile(
    rf"{_VERB}(?:right|correct|best|better|true|accurate|likely|(?:the )?answer|yes)\b"
    r"|\s+(?:fits|matches)\b|\s+it is\b",
    re.IGNORECASE,
)
_REFUTED = re.compile(
    rf"{_VERB}(?:also\s+)?(?:not|never|wrong|incorrect|false|out|impossible|excluded|unlikely|no)\b"
    r"|\s+(?:isn't|aren't|wasn't|can't|cannot|can not|doesn't|does not|don't|do not|couldn't|"
    r"wouldn't)\b"
    r"|\s*[)\"']*\s*\?",
    re.IGNORECASE,
)
# A clause is denied from such a word to its end.
_DENIES = re.compile(
    r"\b(?:not|never|neither|nor|cannot|rather than|instead of|unlike|as opposed to|except|"
    r"excluding|wrong|incorrect|"
    r"(?:rul|eliminat|exclud|reject|discard)(?:e|es|ed|ing)?(?: out)?)\b|n't\b",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(
    r"[.;!?:,](?=\s|$)|\n|\b(?:but|however|so|then|hence|therefore|thus|because|since|while|"
    r"whereas|although|though|and|yet)\b",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"\s*(?:(?:,|/|&|\+)?\s*(?:or|and|nor)\b|,|/|&|\+)"
    r"(?:\s+(?:also|maybe|perhaps|possibly|option|even)\b)*\s*",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\s+(?:is|was|isn't|wasn't|does|doesn't|can't|cannot|seems|looks)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class _Mention:
    """Letters that an answer says together, with the text before and after them."""

    letters: frozenset[str]
    before: str
    after: str

    @property
    def is_denied(self) -> bool:
        return is_denied(self.before, self.after)


# Kinds of mention, the strongest first.
_KINDS = (
    ("final", lambda m: _FINAL.search(m.before)),
    ("declared", lambda m: _DECLARED.search(m.before) or _CONFIRMED.match(m.after)),
    ("at the beginning", lambda m: not _OPTION.sub("", m.before).strip()),
    ("anywhere", lambda m: True),
)


def unformatted(answer: str) -> str:
    """An answer without what formats it: Markdown, LaTeX, tags, a reasoning model's thoughts."""
    # Full-width letters, which Chinese models write, become ordinary ones.
    text = unicodedata.normalize("NFKC", answer)
    for pattern, put in _FORMATTING:
        text = pattern.sub(put, text)
    return text.strip()


def is_denied(before: str, after: str) -> bool:
    """Whether what stands between two texts is denied: 'it is not ...', '... is wrong', '...?'."""
    clause = _CLAUSE_ENDS.split(before)[-1]
    return bool(_DENIES.search(clause) or _REFUTED.match(after))


def letters_meant(text: str, options: Sequence[str]) -> frozenset[str]:
    """The letters that an unformatted answer means: none, one, or several that contradict it.

    "B) blue"   "The answer is B. I also considered A."   "A is wrong; B is right"   ->  B
    "The answer is A, B or C."   "either A or B"                                     ->  A B C, A B
    "A dog"   "I think so"   "not A"                                                 ->  none
    """
    mentions = [mention for mention in _mentions(_raised(text), options) if not mention.is_denied]
    there = frozenset(LETTERS[: len(options)])
    for kind, belongs in _KINDS:
        found = frozenset().union(*(mention.letters for mention in mentions if belongs(mention)))
        if kind == "anywhere":
            found &= there  # a capital that is no option's is a word's
        if found:
            return found
    return frozenset()


_SMALL = re.compile(
    # 'the answer is b', 'option b'
    rf"((?:{_DECLARING}){_FILLER}|\b(?:option|choice|letter)\s+)([a-z]){_ENDS}{_NO_ARTICLE}"
    # 'b) blue', 'b', 'b because'
    r"|(^[ \t]*)([a-z])(?=[ \t]*[).:](?:\s|$)|[ \t]*$|[ \t]+(?:because|since|is)\b|,)",
    re.IGNORECASE | re.MULTILINE,
)


def _raised(text: str) -> str:
    """A text with capitals where a small letter can only be an option's."""

    def raised(found: re.Match[str]) -> str:
        declaring, declared, indent, leading = found.groups()
        return (declaring or indent or "") + (declared or leading).upper()

    return _SMALL.sub(raised, text)


def _mentions(text: str, options: Sequence[str]) -> list[_Mention]:
    """Every mention of letters, in order; those of one list are one."""
    groups: list[tuple[frozenset[str], int, int, bool]] = []  # letters, from, to, has option's text
    for found in _LETTER.finditer(text):
        letters, start = frozenset((found[1] or found[2]).upper()), found.start()
        end, has_text = _past_its_text(text, found, options)
        if groups and _is_listed(text[groups[-1][2] : start], text[end:], after_text=groups[-1][3]):
            before, start, _, _ = groups.pop()
            letters |= before
        groups.append((letters, start, end, has_text))
    return [_Mention(letters, text[:start], text[end:]) for letters, start, end, _ in groups]


def _past_its_text(text: str, letter: re.Match[str], options: Sequence[str]) -> tuple[int, bool]:
    """Where a letter ends with its option's own text, if that follows it, and whether it does."""
    number, end = LETTERS.index((letter[1] or letter[2]).upper()), letter.end()
    own = options[number].strip() if number < len(options) else ""
    # '(B) blue' and 'B. blue' have it; 'A red hat' is no option A
    between = r"\s*" if letter[1] else r"\s*[).:\]=-]+\s*"
    followed = re.compile(rf"{between}{re.escape(own)}(?!\w)", re.IGNORECASE).match(text, end)
    return (followed.end(), True) if own and followed else (end, False)


def _is_listed(between: str, after: str, *, after_text: bool) -> bool:
    """Whether what stands between two letters makes them a list; 'B, A is wrong' is none."""
    if re.fullmatch(r"[ \t]*", between) or after_text and re.fullmatch(r"[\s.;)]*", between):
        return True
    is_either = re.search(r"\bor\b", between, re.IGNORECASE)
    return bool(_LIST.fullmatch(between) and (is_either or not _SUBJECT.match(after)))
