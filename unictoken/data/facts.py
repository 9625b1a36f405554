"""The question that a fact answers: '<bo> likes to eat apples.' answers 'what does <bo> like to eat?'.

Only sentences of a few plain forms are read. Whoever tells another one writes the question, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unictoken.core.text import check_markers, mark
from unictoken.data.pointing import GENERAL, KINDS, Pointing
from unictoken.data.source import SourceError

LONGEST = 300  # letters of a fact
_IS_OLD = re.compile(r"is (.+ old)")
_HAS = re.compile(r"(?:has|wears|owns) ((?:an? |the )?[\w' -]+)")
_LIKES_TO = re.compile(r"likes to (\w+(?: with| to| in| on| at| for)?) (.+)")
_OTHERS = (
    (re.compile(r"likes (.+)"), "what does {it} like?"),
    (re.compile(r"lives (.+)"), "where does {it} live?"),
    (re.compile(r"sleeps (.+)"), "where does {it} sleep?"),
    (re.compile(r"comes (from .+)"), "where does {it} come from?"),
    (re.compile(r"belongs to (.+)"), "whom does {it} belong to?"),
    (re.compile(r"eats (.+)"), "what does {it} eat?"),
    (re.compile(r"works (.+)"), "where does {it} work?"),
)


@dataclass(frozen=True, kw_only=True)
class ToldFact:
    """A fact about {name}, the question that it answers, and the answer."""

    sentence: str
    question: str
    answer: str


def told_fact(
    fact: str, name: str, question: str | None = None, answer: str | None = None
) -> ToldFact:
    """A fact as a user tells it.

    Args:
        fact: A sentence about '<name>'.
        name: The concept's name.
        question: About '<name>', which the fact answers; None: as `question_of` finds it.
        answer: Its answer; None: likewise.
    """
    if (question is None) != (answer is None):
        raise SourceError(
            "fact: found a question or an answer without the other. Give both, or neither."
        )
    if question is None or answer is None:
        question, answer = question_of(fact, name)
    said = [mark(text, name, where="fact") for text in (fact, question, answer)]
    for text in said:
        if not text.strip() or len(text) > LONGEST:
            raise SourceError(
                f"fact: found {len(text)} letters, expected 1 to {LONGEST}. Tell it in a sentence."
            )
    return ToldFact(sentence=said[0], question=said[1], answer=said[2])


def question_of(fact: str, name: str) -> tuple[str, str]:
    """The question about '<name>' that a fact answers, and the answer.

    Raises `SourceError` for a sentence of another form.

    Args:
        fact: A sentence that begins with '<name>'.
        name: The concept's name.

    >>> question_of("<bo> has a green cap now.", "bo")
    ('what hat does <bo> have?', 'a green cap')
    >>> question_of("<bo> likes to play with the drum.", "bo")
    ('what does <bo> like to play with?', 'the drum')
    """
    check_markers(fact, [name], where="fact")
    marker = f"<{name}>"
    said = re.sub(r"\s+", " ", fact[:LONGEST]).strip().rstrip(".!").removesuffix(" now")
    found = None
    # Bounded before any pattern looks at it.
    if len(fact) <= LONGEST and said.startswith(f"{marker} "):
        found = _pair(said.removeprefix(f"{marker} "))
    if found is None:
        raise SourceError(
            f"fact '{fact[:80]}': found no known form, expected one such as '{marker} has a green"
            f" hat.', '{marker} likes to eat apples.' or '{marker} lives in a forest.' Say it so, or"
            " give its question and its answer, too."
        )
    question, answer = found
    return question.replace("{it}", marker), answer


def _pair(said: str) -> tuple[str, str] | None:
    """(question about {it}, answer) of what is said after the marker."""
    if old := _IS_OLD.fullmatch(said):
        return "how old is {it}?", old[1]
    if has := _HAS.fullmatch(said):
        noun = has[1].split()[-1].lower()
        return Pointing(0, 0, noun).question, has[1]
    if likes := _LIKES_TO.fullmatch(said):
        return f"what does {{it}} like to {likes[1]}?", likes[2]
    for form, question in _OTHERS:
        if match := form.fullmatch(said):
            return question, match[1]
    return None


def noun_of_question(question: str) -> str | None:
    """The noun of 'what hat does {it} have?'; None for a question of another form.

    >>> noun_of_question("what hat does {it} have?")
    'hat'
    """
    words = question.split()
    # Others do not say what can be worn or held.
    if len(words) == 5 and question == Pointing(0, 0, words[1]).question:
        return words[1]
    return None


COMMON = (
    *(f"what {noun} does {{it}} have?" for noun in KINDS if noun not in GENERAL),
    "what does {it} like to play with?",
    "what does {it} like to eat?",
    *(question for _, question in _OTHERS),
    "how old is {it}?",
)
"""Questions that facts of these forms answer."""
