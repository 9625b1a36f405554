"""A profile as tokens, measured beside the same profile in words (`learn/profile_rows.py`).

words           the items that the profile finds for each question, in words
tokens          learned on these questions
tokens_unseen   learned on one half of the questions, asked the other half
another_user    the tokens of the next user
none            nothing
"""

from __future__ import annotations

from collections.abc import Sequence

from unictoken.data.records import Dataset, Record
from unictoken.learn.profile_rows import as_row
from unictoken.model.protocol import Base
from unictoken.personalize.profile import Profile
from unictoken.personalize.query import Personalization, Query
from unictoken.personalize.session import Session
from unictoken.personalize.tokens import with_tokens
from unictoken.scoring.metrics import Estimate, estimate, exact, mean

COLUMNS = ("exact", "ids")


def over_users(
    base: Base, dataset: Dataset, *, k: int, budget: int, seed: int = 0
) -> dict[str, dict[str, Estimate | None]]:
    """Share of exact answers, and ids before an answer, by way: means over users.

    Args:
        base: Frozen.
        dataset: Users with profiles and questions without pictures.
        k: Items in words before a question.
        budget: Ids that they may take together.
        seed: Of learning.
    """
    asked = {
        name: [r for r in own if not r.pictures and r.answer]
        for name, own in dataset.records.items()
        if dataset.profiles.get(name)
    }
    told = {name: Profile(dataset.profiles[name], base, k=k, budget=budget) for name in asked}
    own = {name: _tokens(told[name], asked[name], seed) for name in asked}
    rows: dict[str, list[dict[str, float]]] = {}
    for at, name in enumerate(asked):
        others = list(asked)[at + 1 :] or list(asked)[:at]
        ways: dict[str, Personalization] = {
            "words": told[name],
            "tokens": own[name],
            **({"another_user": own[others[0]]} if others else {}),
            "none": Profile((), base),
        }
        for way, known in ways.items():
            rows.setdefault(way, []).append(_score(base, known, asked[name]))
        halves = [asked[name][::2], asked[name][1::2]]
        if all(halves):
            unseen = [
                _score(base, _tokens(told[name], seen, seed), held_out)
                for seen, held_out in (halves, halves[::-1])
            ]
            found = {column: mean([row[column] for row in unseen]) for column in COLUMNS}
            rows.setdefault("tokens_unseen", []).append(found)
    return {
        way: {column: estimate([row[column] for row in own]) for column in COLUMNS}
        for way, own in rows.items()
    }


def _tokens(told: Profile, asked: Sequence[Record], seed: int) -> Personalization:
    # They are drawn, or from a published set: whoever is in it agreed, or is nobody.
    learned = as_row(told, [record.question for record in asked], seed=seed, consent=True)
    return with_tokens(told.base, learned)


def _score(base: Base, known: Personalization, asked: Sequence[Record]) -> dict[str, float]:
    """Share of exact answers, and the mean number of ids before them."""
    questions = [record.question for record in asked]
    answers = Session(base, known).ask(questions)
    conditions = known.conditions([Query(text) for text in questions])
    prompts = [c.question(text) for c, text in zip(conditions, questions, strict=True)]
    right = [exact(given, record.answer) for given, record in zip(answers, asked, strict=True)]
    return {"exact": mean(right), "ids": mean([len(ids) for ids in prompts])}
