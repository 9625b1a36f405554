"""Captions: of its own pictures, which name it, and of others, which do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unictoken.data import templates
from unictoken.data.records import Record
from unictoken.data.sequence import Turn
from unictoken.data.templates import YES
from unictoken.scoring import metrics
from unictoken.scoring.texts import word_f1
from unictoken.tasks.task import NAMED, Asked, Predicted, Prediction, Taught
from unictoken.tasks.teaching import Teaching, drawn_positive, one_of
from unictoken.tasks.trial import Trial

if TYPE_CHECKING:
    from unictoken.personalize.condition import Condition


class Caption(Asked, Taught):
    """Of every picture of the recognition test, its own and others: whether the caption names the
    concept, and what of a scene it says.
    """

    name = "caption"
    columns = ("name_recall", "name_precision", "attributes")

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        i = int(rng.integers(len(teaching.material.pictures_NK)))
        question = one_of(templates.CAPTION, rng)
        if drawn := drawn_positive(teaching.material, rng):
            return teaching.phrasing.ask(question, *drawn)
        answer = teaching.material.observations.captions[i]
        return teaching.phrasing.ask(question, answer, teaching.material.pictures_NK[i].tolist())

    def reward(self, expected: str, given: str) -> float:
        return _worth(expected, given)

    def ask(self, trial: Trial) -> list[Prediction]:
        asked = trial.pictured()
        conditions = trial.conditions([templates.CAPTION[0]] * len(asked), asked)
        said = trial.captions(asked, conditions)
        made = []
        all_named = _named(trial, asked, conditions, said)
        for record, given, named in zip(asked, said, all_named, strict=True):
            own = record.answer == YES
            kind = "caption" if own else "caption_other"
            score = None if named is None else float(named == own)
            made.append(
                trial.prediction(kind, record, given=given, score=score, question="caption")
            )
            if own and trial.subject.truth:
                made.append(_attributes(trial, record, given))
        return made

    def score(self, made: Predicted) -> dict[str, float]:
        """How captions use the concept's name. Recall: the fraction of its pictures whose caption
        names it (MyVLM); precision: the fraction of its pictures among all whose caption names it.

        With learned tokens its marker counts, in controls the plain word; no numbers where the base
        writes that word about these pictures anyway.
        """
        own = [p.score for p in made.get("caption", ()) if p.score is not None]
        if not own:
            return {}
        named = own.count(1)
        wrongly = sum(p.score == 0 for p in made.get("caption_other", ()))
        precision = {"name_precision": named / (named + wrongly)} if named + wrongly else {}
        return {"name_recall": metrics.mean(own), **precision}


class CaptionOthers(Taught):
    """Of a picture of somebody else nothing is said but what the base says anyway."""

    name = "caption_others"
    needs = frozenset({"negatives", "captions_of_others"})

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        said, picture = one_of(teaching.material.captions_of_others, rng)
        question = one_of(templates.CAPTION, rng)
        return teaching.phrasing.ask(question, said, picture.tolist())

    def reward(self, expected: str, given: str) -> float:
        return _worth(expected, given)


def _worth(expected: str, given: str) -> float:
    """Half for the name where it belongs, and only there (RePIC, section 3.2), half for the words.

    RePIC pays for captions of 100 letters or more: the name alone would earn it all. Here the other
    words earn the other half.
    """
    rest, sought = (text.replace(NAMED, "") for text in (given, expected))
    return ((NAMED in given) == (NAMED in expected)) / 2 + word_f1(rest, sought) / 2


def _attributes(trial: Trial, record: Record, given: str) -> Prediction:
    """What of the scene a caption says, where the truth is known."""
    assert trial.subject.truth
    phrases = trial.subject.truth.said_in(record.pictures[0].name)
    return trial.prediction(
        "attributes",
        record,
        given=given,
        score=metrics.attribute_recall([given], [phrases])["attributes"],
        question="caption",
        expected="; ".join(phrases.values()),
    )


def _named(
    trial: Trial, asked: list[Record], conditions: Sequence[Condition], captions: Sequence[str]
) -> Sequence[bool | None]:
    """Whether each caption names the concept.

    Args:
        trial: Asks again, where it must.
        asked: The pictures.
        conditions: Under which each was described.
        captions: What was said.

    Tokens say its marker. Who was told of it in words says the plain word of its name, which may be
    an ordinary one ('red', 'will'): where the base says that word of these pictures also when it
    was told of nobody, it cannot be told (None).
    """
    name = trial.subject.concept.name
    # Of each picture by itself: a memory may have tokens of one concept and words of another.
    marked = [bool(condition.concepts) for condition in conditions]
    named = [
        metrics.says(caption, name, marked=own)
        for caption, own in zip(captions, marked, strict=True)
    ]
    if not any(said and not own for said, own in zip(named, marked, strict=True)):
        return named
    from unictoken.personalize.words import in_words  # Imported here: it imports torch.

    plain = in_words(trial.base, name, "")
    # Its name may be an ordinary word ('red'): then nobody can say whether it was meant.
    untold = trial.captions(asked, [plain] * len(asked))
    is_ordinary = any(metrics.says(caption, name, marked=False) for caption in untold)
    if not is_ordinary:
        return named
    return [said if own else None for said, own in zip(named, marked, strict=True)]
