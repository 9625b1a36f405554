"""Profiles in words, measured: each question with the items that a way chooses before it.

A way says which items of a user's profile stand before a question:

    none          no item: what the base answers anyway
    all           every item, the newest last
    bm25, dense, recency     the k that a retriever finds (personalize/retrieval.py)
    random        k items drawn at random
    shuffled      those of bm25 with each other's labels (LaMP); without labels in another order
    another_user  those that bm25 finds in the next user's profile
    oracle        those that the dataset says the answer uses; only where it says so

What fits into a prompt is the same for all of them: k items in `budget` ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from unictoken.core.registry import Registry
from unictoken.data import lamp
from unictoken.data.item import Item
from unictoken.data.records import Dataset, Record
from unictoken.data.sequence import Turn, join_turns
from unictoken.model.likelihood import Likelihood, likelihoods, perplexity
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_text
from unictoken.personalize.condition import spelt_as
from unictoken.personalize.profile import BUDGET, K, Profile, told_in_order
from unictoken.personalize.retrieval import Texts
from unictoken.scoring import classes, metrics, ranking, texts
from unictoken.scoring.metrics import CONFIDENCE, Estimate, estimate, mean

RESAMPLES = 500  # of users, for the interval of what is no mean over users
ANSWER_IDS = 24
GAIN = 0.1  # nats per id by which an item makes an answer likelier that is grounded in it,
SHARE = 0.8  # and the share of the best item's gain that it has


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How profiles are asked."""

    k: int = K
    budget: int = BUDGET
    max_ids: int = ANSWER_IDS
    """Ids that an answer may have."""
    seed: int = 0
    encoder: Texts | None = None
    """For 'dense'; None: the base's own features."""


class Chooser:
    """Which items stand before a question, by way.

    Args:
        base: What reads them.
        dataset: Users, their questions and their profiles.
        setting: How many items, in how many ids.
    """

    def __init__(self, base: Base, dataset: Dataset, setting: Setting):
        self.base, self.dataset, self.setting = base, dataset, setting
        self._made: dict[tuple[str, str, str], Profile] = {}

    @cached_property
    def users(self) -> list[str]:
        """Those who have a profile, in the dataset's order."""
        return [name for name, items in self.dataset.profiles.items() if items]

    def items(self, record: Record) -> tuple[Item, ...]:
        """The profile of a record's user."""
        return self.dataset.profiles.get(record.concepts[0], ())

    def profile(self, record: Record, by: str, user: str | None = None) -> Profile:
        """A user's profile as a retriever looks through it; made once.

        Args:
            record: What is asked.
            by: A name of `RETRIEVERS`.
            user: Another user than the record's own.
        """
        # The kind, since a task of LaMP looks through other parts of an item than another.
        key = (user or record.concepts[0], by, record.kind)
        if key not in self._made:
            told = self.dataset.profiles.get(key[0], ())
            more = {}
            if record.kind in lamp.TASKS:
                more["document"] = lambda item: lamp.document(record.kind, item)
            self._made[key] = Profile(told, self.base, by=by, encoder=self.setting.encoder, **more)
        return self._made[key]

    def random(self, record: Record) -> np.random.Generator:
        """Of a record alone, so that no other one changes its choices."""
        place = record.where.removeprefix(str(self.dataset.root))
        digest = hashlib.sha256(f"{place}\n{record.question}".encode()).digest()
        return np.random.default_rng([self.setting.seed, *digest[:8]])

    def found(self, record: Record, by: str, user: str | None = None) -> tuple[Item, ...]:
        """What a retriever finds for a record, the best first."""
        return self.profile(record, by, user).find(query_of(record), self.setting.k)


def query_of(record: Record) -> str:
    """What is looked for in the profile."""
    if record.kind in lamp.TASKS:
        return lamp.query(record.kind, record.question)
    return record.question


Way = Callable[[Chooser, Record], Sequence[Item] | None]
"""Items that stand before a record's question, the best first; None: this way is not defined for
it."""


def _random(chooser: Chooser, record: Record) -> list[Item]:
    items = chooser.items(record)
    # Without replacement; LaMP's own code draws with it, and so tells an item twice.
    order = chooser.random(record).permutation(len(items))
    return [items[int(i)] for i in order[: chooser.setting.k]]


def _shuffled(chooser: Chooser, record: Record) -> list[Item]:
    found = chooser.found(record, "bm25")
    if any(item.label for item in found) and record.kind in lamp.TASKS:
        # Each gets the next one's, so that none keeps its own.
        labels = [item.label for item in found[1:] + found[:1]]
        return [replace(i, label=label) for i, label in zip(found, labels, strict=True)]
    order = chooser.random(record).permutation(len(found))
    # Without times, `told_in_order` leaves them as they are.
    return [replace(found[int(i)], time=0.0) for i in order]


def _another_user(chooser: Chooser, record: Record) -> Sequence[Item] | None:
    # The next one, and not a random one: each profile is used about as often.
    others = [name for name in chooser.users if name != record.concepts[0]]
    if not others:
        return None
    own = record.concepts[0]
    at = chooser.users.index(own) if own in chooser.users else -1
    return chooser.found(record, "bm25", others[at % len(others)])


def _oracle(chooser: Chooser, record: Record) -> Sequence[Item] | None:
    if record.uses is None:
        return None
    return [chooser.items(record)[i] for i in record.uses]


WAYS: Registry[Way] = Registry(
    "way",
    {
        "none": lambda chooser, record: (),
        # Newest first: where the budget ends, the oldest are left out.
        "all": lambda chooser, record: chooser.items(record)[::-1],
        "bm25": lambda chooser, record: chooser.found(record, "bm25"),
        "dense": lambda chooser, record: chooser.found(record, "dense"),
        "recency": lambda chooser, record: chooser.found(record, "recency"),
        "random": _random,
        "shuffled": _shuffled,
        "another_user": _another_user,
        "oracle": _oracle,
    },
)


def prompt_of(base: Base, record: Record, items: Sequence[Item], budget: int) -> list[int]:
    """The ids of a record's question with items before it, as a conversation that waits for its
    answer.

    Items stand before everything that was said, in the user's first turn. Of a history that is too
    long for the base the oldest turns are left out.

    Args:
        base: What reads it.
        record: With the turns before its question.
        items: The best first.
        budget: Ids that the items may take together.
    """
    vocab = base.vocab

    def ids(text: str) -> list[int]:
        return vocab.encode(spelt_as(vocab, text))

    # Seven tasks with a prompt each; everybody else's items are sentences.
    if record.kind in lamp.TASKS:
        told = lamp.prompt(
            record.kind, items, record.question, budget=budget, count=lambda t: len(ids(t))
        )
        return join_turns([Turn(ids(told))], vocab).ids
    said = told_in_order(items, budget, base)
    # Room for what is told, and for an answer or candidates that are about as long.
    room = base.longest - len(ids(said)) - 4 * ANSWER_IDS - len(ids(record.question))
    kept: list[str] = []
    for text in reversed(record.history):
        room -= len(vocab.turn(ids(text)))
        if room < 0:
            break
        kept.insert(0, text)
    # Turns are left out in pairs, so that each stays with whose it is.
    kept = kept[(len(record.history) - len(kept)) % 2 :]
    return _conversation(base, said, [*kept, record.question], ids)


def _conversation(
    base: Base, told: str, said: Sequence[str], ids: Callable[[str], list[int]]
) -> list[int]:
    """Turns, with what is told of the user before the first one that is theirs.

    Args:
        base: Whose frames.
        told: About the user; '': nothing.
        said: In turn; the last is the user's.
        ids: Of a text.
    """
    turns = [ids(text) for text in said]
    first = ids(told) if told else []
    if first and len(turns) % 2 == 0:
        # The other one begins: what is told is a turn of its own.
        turns.insert(0, first)
    elif first:
        # A slot that no text holds: the first word keeps the space before it.
        text = spelt_as(base.vocab, said[0])
        turns[0] = base.vocab.encode(f"\0 {text}", {"\0": first})
    return join_turns([Turn(turn) for turn in turns], base.vocab).ids


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one question gave under one way."""

    record: Record
    way: str
    items: tuple[Item, ...]
    """That stood before it, the best first."""
    uses: tuple[Item, ...]
    """That the answer needs; () where none or not known."""
    ids: int
    """Of the prompt."""
    given: str
    """What was written; where options are chosen from, the likeliest of them."""
    scores: tuple[float, ...]
    """Of each option its log likelihood per id; () without options."""
    truth: Likelihood
    """Of the right answer."""

    @property
    def user(self) -> str:
        """Whose question it is."""
        return self.record.concepts[0]

    @property
    def group(self) -> str:
        """What it is counted with: the record's kind, else its task."""
        return self.record.kind or self.record.task


def ask(
    base: Base, dataset: Dataset, records: Sequence[Record], way: str, setting: Setting
) -> list[Outcome]:
    """Every question under one way; those that it is not defined for are left out.

    Options are ranked by their likelihood per id. A reply is written too, and so is an answer
    without options.

    Args:
        base: What is asked.
        dataset: Of the records.
        records: Questions without pictures.
        way: A name of `WAYS`.
        setting: How many items, in how many ids.
    """
    chooser, choose = Chooser(base, dataset, setting), WAYS.find(way)
    chosen = [(record, choose(chooser, record)) for record in records]
    told = [(record, tuple(items)) for record, items in chosen if items is not None]
    asked = [record for record, _ in told]
    prompts = [prompt_of(base, record, items, setting.budget) for record, items in told]
    written = _written(base, asked, prompts, setting.max_ids)
    likely = _likely(base, asked, prompts)
    outcomes = []
    for i, (record, items) in enumerate(told):
        truth, scores = likely[i]
        own = chooser.items(record)
        outcomes.append(
            Outcome(
                record=record,
                way=way,
                items=items,
                uses=tuple(own[k] for k in record.uses or ()),
                ids=len(prompts[i]),
                given=written[i] if i in written else _likeliest(record, scores),
                scores=scores,
                truth=truth,
            )
        )
    return outcomes


def _likeliest(record: Record, scores: Sequence[float]) -> str:
    return record.options[max(range(len(scores)), key=scores.__getitem__)]


def _written(
    base: Base, records: Sequence[Record], prompts: Sequence[list[int]], max_ids: int
) -> dict[int, str]:
    """What the base writes, by the record's number; nothing where an option is chosen."""
    free = [i for i, record in enumerate(records) if record.task == "reply" or not record.options]
    said = sample_text(base, [prompts[i] for i in free], max_ids=max_ids) if free else []
    return dict(zip(free, map(base.vocab.decode, said), strict=True))


def _likely(
    base: Base, records: Sequence[Record], prompts: Sequence[list[int]]
) -> list[tuple[Likelihood, tuple[float, ...]]]:
    """Of each record the likelihood of its right answer, and that of each option per id."""
    vocab, pairs = base.vocab, []
    # The answer may be one of the options: each text is read once.
    texts_of = [tuple(dict.fromkeys([r.answer, *r.options])) for r in records]
    for told, prompt in zip(texts_of, prompts, strict=True):
        pairs += [(prompt, vocab.encode(spelt_as(vocab, text))) for text in told]
    found = iter(likelihoods(base, pairs))
    likely = []
    for record, told in zip(records, texts_of, strict=True):
        own = {text: next(found) for text in told}
        likely.append((own[record.answer], tuple(own[o].mean for o in record.options)))
    return likely


def grounding(
    base: Base,
    dataset: Dataset,
    records: Sequence[Record],
    setting: Setting,
    *,
    right: bool = False,
) -> list[tuple[Record, frozenset[int]]]:
    """Which items of a profile each answer is grounded in, as the base itself has it: those with
    which alone its own answer becomes likelier than with none, nearly as much as with the best one.

    FoCus trains a classifier for it; any base can be asked this way.

    Args:
        base: What is asked.
        dataset: Of the records.
        records: Those whose `uses` are known.
        setting: How answers are written.
        right: Of the right answer; else of the one that the base writes when it has read all items.
    """
    chooser = Chooser(base, dataset, setting)
    known = [record for record in records if record.uses is not None and chooser.items(record)]
    vocab = base.vocab
    if right:
        said = [vocab.encode(spelt_as(vocab, record.answer)) for record in known]
    else:
        whole = [prompt_of(base, r, chooser.items(r)[::-1], setting.budget) for r in known]
        said = sample_text(base, whole, max_ids=setting.max_ids) if known else []
    pairs = []
    for record, ids in zip(known, said, strict=True):
        # Without any item first: what the others are compared with.
        for alone in ((), *((item,) for item in chooser.items(record))):
            pairs.append((prompt_of(base, record, alone, setting.budget), ids))
    found = iter(likelihoods(base, pairs))
    grounded = []
    for record in known:
        without = next(found).mean
        gains = [next(found).mean - without for _ in chooser.items(record)]
        # Any item makes words of its own kind likelier; the one that is answered from, far more.
        least = max(GAIN, SHARE * max(gains))
        grounded.append((record, frozenset(i for i, g in enumerate(gains) if g >= least)))
    return grounded


# ---- scores -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A number of many outcomes: what each of them gives, and how these are put together."""

    value: Callable[[Outcome], Any]
    """None where an outcome says nothing about it."""
    combine: Callable[[Sequence[Any]], float] = mean

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean of numbers, of which Student's t gives the interval."""
        return self.combine is mean


def _ranked(measure: Callable[[list[float]], float]) -> Callable[[Outcome], float | None]:
    def value(outcome: Outcome) -> float | None:
        if not outcome.scores:
            return None
        right = [float(option == outcome.record.answer) for option in outcome.record.options]
        return measure(ranking.ranked(outcome.scores, right))

    return value


def _finds(outcome: Outcome) -> float | None:
    """The share of the items that the answer needs which stood before the question."""
    shown = {item.text for item in outcome.items}
    return mean(item.text in shown for item in outcome.uses) if outcome.uses else None


def _labelled(outcome: Outcome) -> tuple[str, str, tuple[str, ...]]:
    return outcome.given, outcome.record.answer, outcome.record.options


def _macro_f1(told: Sequence[tuple[str, str, tuple[str, ...]]]) -> float:
    return classes.macro_f1([g for g, *_ in told], [e for _, e, _ in told], told[0][2])


def _rated(outcome: Outcome) -> tuple[float, float]:
    expected = outcome.record.answer
    return classes.rating(outcome.given, expected), float(expected)


def _of_pairs(measure: Callable[[list[Any], list[Any]], float]) -> Callable[[Sequence[Any]], float]:
    return lambda pairs: measure([a for a, _ in pairs], [b for _, b in pairs])


METRICS: dict[str, Metric] = {
    "exact": Metric(lambda o: float(metrics.exact(o.given, o.record.answer))),
    "hits@1": Metric(_ranked(lambda gains: ranking.hits_at(gains, 1))),
    "mrr": Metric(_ranked(ranking.reciprocal_rank)),
    "f1": Metric(lambda o: texts.word_f1(o.given, o.record.answer)),
    "perplexity": Metric(lambda o: o.truth, perplexity),
    "accuracy": Metric(lambda o: classes.accuracy([o.given], [o.record.answer])),
    "macro_f1": Metric(_labelled, _macro_f1),
    "mae": Metric(_rated, _of_pairs(classes.mae)),
    "rmse": Metric(_rated, _of_pairs(classes.rmse)),
    "rouge1": Metric(lambda o: texts.rouge(o.given, o.record.answer)["rouge1"]),
    "rougeL": Metric(lambda o: texts.rouge(o.given, o.record.answer)["rougeL"]),
    "bleu": Metric(lambda o: (o.given, o.record.answer), _of_pairs(texts.corpus_bleu)),
    "finds": Metric(_finds),
    "ids": Metric(lambda o: float(o.ids)),
}
OF_REPLIES = ("exact", "hits@1", "mrr", "f1", "perplexity", "finds", "ids")
OF_TEXTS = ("exact", "f1", "rougeL", "bleu", "perplexity", "finds", "ids")
OF_OPTIONS = ("accuracy", "mrr", "finds", "ids")


def columns_of(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """The metrics of a group, as its dataset's paper has them."""
    record = outcomes[0].record
    if record.kind in lamp.TASKS:
        return (*lamp.TASKS[record.kind].metrics, "ids")
    if record.task == "reply":
        return OF_REPLIES
    return OF_OPTIONS if record.options else OF_TEXTS


def score(outcomes: Sequence[Outcome], name: str) -> Estimate | None:
    """A metric over users with its 95 % interval: Student's t over users where it is a mean of
    theirs, else a bootstrap of users; None where no outcome says anything about it.

    Args:
        outcomes: Of one group and one way.
        name: One of `METRICS`.
    """
    metric = METRICS[name]
    by_user: dict[str, list[Any]] = {}
    for outcome in outcomes:
        value = metric.value(outcome)
        if value is not None:
            by_user.setdefault(outcome.user, []).append(value)
    if not by_user:
        return None
    # Users are what is resampled: questions of one user are not independent.
    users = list(by_user.values())
    if metric.is_mean:
        return estimate([mean(own) for own in users])
    return _bootstrapped(users, metric.combine)


def _bootstrapped(
    users: Sequence[Sequence[Any]], combine: Callable[[Sequence[Any]], float]
) -> Estimate:
    """A number over all users, with half the width of the middle 95 % of resampled ones."""
    whole = combine([value for own in users for value in own])
    if len(users) == 1:
        return Estimate(whole, None, 1)
    # Always the same draws: a page that is made again says the same.
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(users), size=(RESAMPLES, len(users)))
    again = [combine([value for i in row for value in users[int(i)]]) for row in drawn]
    low, high = np.quantile(again, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(whole, float(high - low) / 2, len(users))


def grounding_scores(
    grounded: Sequence[tuple[Record, frozenset[int]]], dataset: Dataset
) -> dict[str, Estimate]:
    """How well the base says which items an answer is grounded in: `accuracy` over items (FoCus),
    `precision` and `recall` of those that are, and `constant`, the accuracy of saying none.
    """
    told: dict[str, dict[str, list[float]]] = {}
    for record, found in grounded:
        uses = set(record.uses or ())
        count = len(dataset.profiles[record.concepts[0]])
        precision, recall, f1 = classes.precision_recall_f1(
            len(found), len(found & uses), len(uses)
        )
        numbers = {
            "accuracy": classes.labels_right(found, uses, count),
            "constant": classes.labels_right((), uses, count),
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }
        for name, value in numbers.items():
            told.setdefault(name, {}).setdefault(record.concepts[0], []).append(value)
    return {name: estimate([mean(own) for own in users.values()]) for name, users in told.items()}
