"""A memory as a personalization: whom a query is about is found, and put before it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np
import torch

from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.interviews import GENERAL, Interview
from unictoken.data.worlds import world
from unictoken.model.encoders import Encoder
from unictoken.model.protocol import Base
from unictoken.model.sampling import next_logits
from unictoken.personalize.condition import Condition, answer_each, together, yes_each
from unictoken.personalize.memory.facts import newest
from unictoken.personalize.memory.gate import Classifiers, Gate
from unictoken.personalize.memory.introduce import Facts, Introductions
from unictoken.personalize.memory.presets import MOST, PRESETS, USUAL, Preset, Shows
from unictoken.personalize.memory.sight import Region, Sight
from unictoken.personalize.memory.store import Memory
from unictoken.personalize.memory.vectors import Vectors
from unictoken.personalize.query import Query
from unictoken.scoring.metrics import says

WORDS: tuple[Shows, ...] = (
    "pictures",
    "words",
)  # what stands for a concept where pairs are compared
ANSWER = 16  # ids of an answer about what somebody looks like, or of a few names
LOOKED_AT = 3  # pictures that a concept's looks are asked about
FOUND_BY_WORDS = 3  # concepts that a question without a name or a picture introduces
PICTURES_KEPT = 1000  # whose finds are kept for the next question
_OF_ME = re.compile(r"\b(?:i|me|my|mine|we|us|our)\b", re.IGNORECASE)
USERS_ITEMS = 8  # of the user's sentences that stand before such a question


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A concept that a picture may show."""

    name: str
    likeness: float
    """Cosine of its features with the picture's."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Who was looked at for one picture, and who was found in it."""

    candidates: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    where: Mapping[str, Region] = field(default_factory=dict)


class Recall:
    """Finds for each query who may be in its picture and who is in its text, and puts them before
    it.

    A query that names concepts introduces those. One about a picture that names nobody introduces
    who is found in it; one in words alone, whose facts share words with it, and the user's own
    sentences that do. Where nobody is found, the base answers alone, bit for bit.

    Args:
        base: What is asked.
        memory: Whom it knows; what changes in it holds from the next query on.
        preset: How it is used: one of PRESETS, or a `Preset`.
        encoder: What compares pictures; None: the base as it is asked about a picture.
        gate: Keeps concepts away from pictures that do not show them; None: none.
    """

    def __init__(
        self,
        base: Base,
        memory: Memory,
        preset: str | Preset = USUAL,
        *,
        encoder: Encoder | None = None,
        gate: Gate | None = None,
    ):
        self.base, self.memory, self.gate = base, memory, gate
        self.preset = PRESETS.find(preset) if isinstance(preset, str) else preset
        self.sight = Sight(base, memory, encoder)
        self._introductions: tuple[object, Introductions] | None = None
        self._classifiers: tuple[object, Classifiers] | None = None
        self._seen: tuple[object, dict[tuple[int, ...] | None, Seen]] = (None, {})
        self._looks: dict[tuple[int, int], tuple[tuple[str, str], ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.introductions.entries)

    def reference(self, name: str) -> Concept:
        """Its class noun and its reference pictures."""
        entry = self.memory.show(name)
        return Concept(
            name=name, class_noun=entry.class_noun, pictures=self.memory.pictures(entry.name)
        )

    @property
    def introductions(self) -> Introductions:
        """Of the memory as it is now."""
        version = self.memory.version
        if self._introductions is None or self._introductions[0] != version:
            made = Introductions(self.base, self.memory, self.sight, self.preset)
            self._introductions = version, made
        return self._introductions[1]

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        introductions = self.introductions
        names = tuple(introductions.entries)
        named = [query.named(names) for query in queries]
        # All pictures at once, so that the base reads them in batches.
        looked = [i for i, q in enumerate(queries) if self._looks_at(q, named[i])]
        seen = dict(zip(looked, self.see([queries[i] for i in looked]), strict=True))
        return [
            self._condition(query, named[i], seen.get(i), introductions)
            for i, query in enumerate(queries)
        ]

    def _looks_at(self, query: Query, named: Sequence[str]) -> bool:
        """Whether a query's picture is looked at."""
        if query.image_ids is None or query.wanted not in ("answer", "names"):
            return False
        told = self.preset.beside_named or self.preset.says_where
        # A question that names somebody is mostly about them alone, and looking takes time.
        return not named or told and query.wanted == "answer"

    def _condition(
        self,
        query: Query,
        named: Sequence[str],
        seen: Seen | None,
        introductions: Introductions,
    ) -> Condition:
        """What stands before one query.

        Args:
            query: It.
            named: Whom its text names.
            seen: Who is in its picture; None: nobody looked.
            introductions: Of the memory.
        """
        # Whom it names does not matter then: the picture decides.
        if query.wanted == "names":
            return together(self.base, introductions.of(seen.found) if seen else ())
        if seen is not None:
            beside = seen.candidates if self.preset.introduces == "candidates" else seen.found
            beside = beside if self.preset.beside_named or not named else ()
            # Whom the text names first: they must fit.
            chosen = tuple(dict.fromkeys([*named, *beside]))
            # A caption says what is seen: after tokens and facts it leaves names out (dev/LOG.md).
            facts: Facts = "without tokens" if query.text in templates.CAPTION else "everybody"
            said = self._told_where(seen)
            return together(self.base, introductions.of(chosen, said, facts=facts))
        if named or query.image_ids is not None or query.wanted != "answer":
            return together(self.base, introductions.of(named))
        return self._by_words(query, introductions)

    def _told_where(self, seen: Seen) -> dict[str, str]:
        if not self.preset.says_where:
            return {}
        forms = {"middle": "in the middle"}
        return {
            name: f"{{name}} is {forms.get(region.side, f'on the {region.side}')}."
            for name, region in seen.where.items()
        }

    def _by_words(self, query: Query, introductions: Introductions) -> Condition:
        """Whom, and what of the user, the words of a question find."""
        found = self.memory.search(query.text)
        names = dict.fromkeys(f.name for f in found if f.name in introductions.entries)
        chosen = [name for name in names if name is not None][:FOUND_BY_WORDS]
        # 'what do i like to eat?' is about nobody else who likes to eat something.
        if _OF_ME.search(query.text):
            chosen = []
        holding = {one.number for one in newest(self.memory.user)}
        own = [f.remembered for f in found if f.name is None and f.remembered]
        own = [one for one in own if one.number in holding][:USERS_ITEMS]
        asides = [introductions.user(own)] if own else []
        return together(self.base, [*asides, *introductions.of(chosen)])

    # ---- who is in pictures ----------------------------------------------------------------------

    def see(self, queries: Sequence[Query]) -> list[Seen]:
        """Who is in the picture of each query. A picture is looked at once, however many questions
        follow about it.
        """
        if not self.introductions.entries:
            return [Seen()] * len(queries)
        version = self.memory.version
        if self._seen[0] != version or len(self._seen[1]) > PICTURES_KEPT:
            self._seen = version, {}
        seen = self._seen[1]
        missing = {q.image_ids: q for q in queries if q.image_ids not in seen}
        if missing:
            seen.update(zip(missing, self._look(list(missing.values())), strict=True))
        return [seen[query.image_ids] for query in queries]

    def _look(self, different: Sequence[Query]) -> list[Seen]:
        """The same of queries about different pictures."""
        candidates = self.candidates(different)
        match self.preset.decides:
            case "yes":
                found = self._who_is_there(different, candidates)
            case "says":
                found = self._who_is_said(different, candidates)
            case "attributes":
                found = self._who_looks_so(different, candidates)
            case "regions":
                found = [self._regions(q, c) for q, c in zip(different, candidates, strict=True)]
            case _:
                same = max(self.sight.vectors().limits.same, 0.0)
                found = [
                    Seen(found=_names([c for c in cs if c.likeness > same])) for cs in candidates
                ]
        return [
            Seen(candidates=_names(each), found=one.found, where=one.where)
            for each, one in zip(candidates, found, strict=True)
        ]

    def candidates(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """The likest concepts for the picture of each query, at most `preset.most`, those whose gate
        opens: in turn by the features of the whole picture, above the calibrated limit, and by
        windows of its codes, which find two beside each other. Tokens without any picture come last.
        """
        vectors, codes = self.sight.vectors(), self.sight.codes()
        features = self.sight.of_queries(queries)
        most = self.preset.most or MOST
        chosen: list[list[Candidate]] = []
        for query, feature in zip(queries, features, strict=True):
            whole = dict(vectors.nearest(feature, most))
            near = [name for name, c in whole.items() if c >= vectors.limits.candidate]
            codes_K = self.base.vocab.code_of_id[torch.tensor(query.image_ids)].numpy()
            parts = [region.name for region in codes.nearest(codes_K, most)]
            kept = [
                Candidate(name=name, likeness=whole.get(name, -1.0))
                for name in _in_turn(near, parts)
                if self._opens(name, feature)
            ]
            chosen.append([*kept, *self._unseen(vectors)][:most])
        return chosen

    def _unseen(self, vectors: Vectors) -> list[Candidate]:
        """Those with tokens and without any picture: nothing speaks against them but the base. No
        gate could be learned for them.
        """
        if self.gate is not None or "tokens" not in self.preset.shows:
            return []
        entries = self.introductions.entries.items()
        return [
            Candidate(name=name, likeness=0.0)
            for name, entry in entries
            if entry.tokens and name not in vectors.names
        ]

    def _opens(self, name: str, feature: np.ndarray) -> bool:
        if self.gate is None:
            return True
        version = self.memory.version
        if self._classifiers is None or self._classifiers[0] != version:
            self._classifiers = version, Classifiers(self.sight.vectors(), self.gate)
        return self._classifiers[1].opens(name, feature)

    def _who_is_there(
        self, queries: Sequence[Query], candidates: Sequence[Sequence[Candidate]]
    ) -> list[Seen]:
        """Those of whom the base says yes, each introduced alone."""
        yes = self._yes(queries, [_names(each) for each in candidates])
        return [
            Seen(found=tuple(n for n, p in each.items() if p > templates.RECOGNISED))
            for each in yes
        ]

    def _yes(
        self,
        queries: Sequence[Query],
        names: Sequence[Sequence[str]],
        shows: Sequence[Shows] | None = None,
    ) -> list[dict[str, float]]:
        """P(yes) for each name and query, in one batch.

        Args:
            queries: With pictures.
            names: Of whom each is asked.
            shows: What stands for them; None: what the preset says.
        """
        asked = []
        for query, each in zip(queries, names, strict=True):
            for name in each:
                one = self.introductions.one(name, facts="nobody", shows=shows)
                text = templates.RECOGNISE[0].replace("{name}", f"<{name}>")
                asked.append((Query(text, query.image_ids), one))
        found = iter(yes_each(asked))
        return [{name: next(found) for name in each} for each in names]

    def _who_is_said(
        self, queries: Sequence[Query], candidates: Sequence[Sequence[Candidate]]
    ) -> list[Seen]:
        """Those whom the base names after the introductions of all."""
        conditions = [
            together(self.base, self.introductions.of(_names(each), facts="nobody"))
            for each in candidates
        ]
        asked = [
            (Query(templates.WHO[0], query.image_ids), condition)
            for query, condition in zip(queries, conditions, strict=True)
            if condition.names
        ]
        answers = iter(answer_each(asked, max_ids=ANSWER))
        found = []
        for condition in conditions:
            said = next(answers) if condition.names else ""
            # Unmarked too: a general base writes the plain word.
            names = tuple(name for name in condition.names if says(said, name, marked=False))
            found.append(Seen(found=names))
        return found

    # ---- R2P: looks ------------------------------------------------------------------------------

    def _who_looks_so(
        self, queries: Sequence[Query], candidates: Sequence[Sequence[Candidate]]
    ) -> list[Seen]:
        """Of each class noun the candidate that looks most so, if a picture of it confirms it."""
        looks = self._log_yes(queries, candidates)
        first: list[list[str]] = []
        pairs: list[list[str]] = []
        for each, scores in zip(candidates, looks, strict=True):
            rivals = self._rivals(each)
            first.append([])
            pairs.append([])
            for group in rivals:
                by_looks = max(group, key=lambda c: scores[c.name]).name
                by_likeness = group[0].name
                first[-1].append(by_looks)
                pairs[-1] += dict.fromkeys((by_looks, by_likeness))
        # Where both rankings agree, the one is still confirmed by a picture of it.
        yes = self._yes(queries, pairs, WORDS)
        found = []
        for each, chosen, sure in zip(candidates, first, yes, strict=True):
            winners = []
            for group, by_looks in zip(self._rivals(each), chosen, strict=True):
                two = dict.fromkeys((by_looks, group[0].name))
                winner = max(two, key=lambda name: sure[name])
                if sure[winner] > templates.RECOGNISED:
                    winners.append(winner)
            found.append(Seen(found=tuple(winners)))
        return found

    def _rivals(self, candidates: Sequence[Candidate]) -> list[list[Candidate]]:
        """Candidates of one class noun, which a picture shows one of; the likest first."""
        groups: dict[str, list[Candidate]] = {}
        for candidate in candidates:
            noun = self.introductions.entries[candidate.name].class_noun
            groups.setdefault(noun, []).append(candidate)
        return list(groups.values())

    def _log_yes(
        self, queries: Sequence[Query], candidates: Sequence[Sequence[Candidate]]
    ) -> list[dict[str, float]]:
        """For each candidate the mean log P(yes) to its looks: '{question} is it {answer}?'"""
        self._ask_looks(dict.fromkeys(c.name for each in candidates for c in each))
        vocab, prompts = self.base.vocab, []
        alone = together(self.base, ())
        claims = [
            [(c.name, claim) for c in each for claim in self._claims(c.name)] for each in candidates
        ]
        for query, each in zip(queries, claims, strict=True):
            prompts += [alone.question(claim, query.image_ids) for _, claim in each]
        if not prompts:
            return [{c.name: 0.0 for c in each} for each in candidates]
        yes, no = (vocab.encode(word)[0] for word in (templates.YES, templates.NO))
        logs = iter(next_logits(self.base, prompts)[:, [yes, no]].log_softmax(-1)[:, 0].tolist())
        scores = []
        for group, own in zip(candidates, claims, strict=True):
            by_name: dict[str, list[float]] = {c.name: [] for c in group}
            for name, _ in own:
                by_name[name].append(next(logs))
            scores.append({n: sum(v) / len(v) if v else 0.0 for n, v in by_name.items()})
        return scores

    def _claims(self, name: str) -> list[str]:
        looks = self._looks[self._looks_key(name)]
        return [
            templates.VERIFY.format(question=question, answer=answer) for question, answer in looks
        ]

    def _looks_key(self, name: str) -> tuple[int, int]:
        entry = self.introductions.entries[name]
        return entry.number, entry.pictures

    def _ask_looks(self, names: Sequence[str] | Mapping[str, object]) -> None:
        """What the base answers about each concept's pictures, by majority: R2P's fingerprint."""
        missing = [name for name in names if self._looks_key(name) not in self._looks]
        asked, alone = [], together(self.base, ())
        for name in missing:
            noun = self.introductions.entries[name].class_noun
            interview = self._interview(noun)
            it = interview.it.replace("{noun}", noun)
            questions = [form.replace("{it}", it) for form in interview.about_concept]
            # By majority of several pictures: of one the base may misread something.
            ids_NK = self.sight.image_ids(name)[:LOOKED_AT]
            asked += [(name, q, tuple(ids)) for q in questions for ids in ids_NK.tolist()]
        answers = answer_each([(Query(q, ids), alone) for _, q, ids in asked], max_ids=ANSWER)
        said: dict[str, dict[str, Counter[str]]] = {name: {} for name in missing}
        for (name, question, _), answer in zip(asked, answers, strict=True):
            said[name].setdefault(question, Counter())[answer] += 1
        for name, by_question in said.items():
            self._looks[self._looks_key(name)] = tuple(
                (question, counted.most_common(1)[0][0])
                for question, counted in by_question.items()
            )

    def _interview(self, noun: str) -> Interview:
        """What this base is asked about pictures of such a thing."""
        known = self.base.profile.world
        return world(known).interview(noun) if known else GENERAL

    # ---- PeKit: regions --------------------------------------------------------------------------

    def _regions(self, query: Query, candidates: Sequence[Candidate]) -> Seen:
        """Those whose codes fill a window of the picture; of two in one place the likelier one."""
        codes = self.sight.codes()
        ids_K = torch.tensor(query.image_ids)
        names = [c.name for c in candidates if c.name in codes.names]
        if not names:
            return Seen()
        regions = codes.regions(self.base.vocab.code_of_id[ids_K].numpy(), names)
        kept: list[Region] = []
        # Two cannot stand in one place: the likelier one does.
        for region in sorted(regions, key=lambda r: -r.score):
            if region.score > codes.same and all(r.side != region.side for r in kept):
                kept.append(region)
        where = {region.name: region for region in kept}
        return Seen(found=tuple(where), where=where)


def remembering(base: Base, concepts: Sequence[Concept], preset: str | Preset = USUAL) -> Recall:
    """A memory in RAM of a dataset's concepts, used so. A benchmark measures it beside the others
    after `controls.register_many("rap", partial(remembering, preset="rap"))`.
    """
    memory = Memory()
    memory.add_all(concepts)
    return Recall(base, memory, preset)


def _in_turn(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The names of two rankings in turn, each once.

    >>> _in_turn(["a", "b"], ["c", "a", "d"])
    ['a', 'c', 'b', 'd']
    """
    pairs = zip_longest(one, other)
    return [name for name in dict.fromkeys(n for pair in pairs for n in pair) if name is not None]


def _names(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.name for candidate in candidates)
