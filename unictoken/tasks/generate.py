"""Pictures of the concept that are drawn from prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unictoken.core.text import without_name
from unictoken.data import templates
from unictoken.data.records import KNOWLEDGE, Record
from unictoken.data.sequence import Turn
from unictoken.data.worlds import world
from unictoken.scoring import metrics
from unictoken.scoring.verdict import Claim, ColourJudge, judged_world
from unictoken.tasks.task import Asked, Predicted, Prediction, Taught
from unictoken.tasks.teaching import Teaching, a_picture, one_of
from unictoken.tasks.trial import Trial

if TYPE_CHECKING:
    import torch

    from unictoken.personalize.condition import Condition

DRAWN = "drawn"  # a prediction that only keeps a picture
RECAPTION, BEST_OF = "_recaption", "_best_of"  # how else a picture was drawn
_Drawn = list[tuple[Record, Image.Image]]
_Asked = tuple[Record, "Condition"]
"""A prompt, and the condition under which it is drawn."""


class Generate(Asked, Taught):
    """One picture for each prompt, and what a judge says of it. Prompts that only point at a fact
    ('its hat') are `knowledge`; they are drawn again where the model is first asked what they point
    at (`knowledge_recaption`). With `best_of` every prompt is drawn again, and of several pictures
    the one judged that the tokens recognise best.
    """

    name = "generate"
    draws = True
    columns = (
        "identity",
        "shade",
        "palette",
        "prompt",
        "knowledge",
        "knowledge_recaption",
        "identity_best_of",
        "shade_best_of",
        "palette_best_of",
        "prompt_best_of",
        "knowledge_best_of",
    )

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        soft, material = teaching.soft_positives, teaching.material
        alike_MK = material.look_alikes_MK
        if soft.groups and alike_MK is not None and rng.random() < soft.share:
            return _soft_positive(teaching, alike_MK, rng)
        form = one_of(templates.GENERATE, rng)
        if teaching.targets == "crops":
            assert material.crops_NK is not None  # a concept without them was refused
            whole = templates.with_scene(form, "")
            return teaching.phrasing.draw(whole, a_picture(material.crops_NK, rng))
        i = int(rng.integers(len(material.pictures_NK)))
        prompt = templates.with_scene(form, material.observations.phrases[i])
        return teaching.phrasing.draw(prompt, material.pictures_NK[i].tolist())

    def ask(self, trial: Trial) -> list[Prediction]:
        asked = trial.records("generate")
        conditions = trial.conditions([record.question for record in asked], asked, "picture")
        if not all(condition.can_draw for condition in conditions):
            return []
        pairs = list(zip(asked, conditions, strict=True))
        # 'its hat' can be drawn only by who knows the facts
        knowledge = [(r, c.knowing()) for r, c in pairs if r.kind == KNOWLEDGE]
        pictures = _drawn(trial, [pair for pair in pairs if pair[0].kind != KNOWLEDGE])
        pictures += _drawn(trial, knowledge)
        made = []
        for i, (record, picture) in enumerate(pictures):
            kept = trial.keep(picture, f"{i:02d}")
            made.append(
                trial.prediction(DRAWN, record, given=record.kind, score=None, picture=kept)
            )
            made += _judged(trial, record, picture, file=kept)
        if trial.judge is None:  # the further drawings are made to be judged only
            return made
        return [*made, *_recaptioned(trial, knowledge), *_best_of(trial, pairs)]

    def score(self, made: Predicted) -> dict[str, float]:
        """knowledge: the fraction of drawings that show all that the fact tells. shade: whether the
        drawn fur is nearer to its own exact shade than to any other of the world's.
        """
        numbers = {}
        # A drawing that shows a part of the fact does not know it: a partial score counts as zero.
        for kind in ("knowledge", f"knowledge{RECAPTION}", f"knowledge{BEST_OF}"):
            if known := [p.score == 1 for p in made.get(kind, ()) if p.score is not None]:
                numbers[kind] = metrics.mean(known)
        for option in ("", BEST_OF):
            if palettes := made.get(f"palette{option}"):
                numbers[f"shade{option}"] = metrics.mean(map(_has_exact_shade, palettes))
        return numbers


def _soft_positive(
    teaching: Teaching, alike_MK: torch.Tensor, rng: np.random.Generator
) -> list[Turn]:
    """The k-th most alike group is described with all but the last k generation tokens, and by
    nothing else.
    """
    phrasing, groups = teaching.phrasing, teaching.soft_positives.groups
    k = int(rng.integers(groups))
    # At least one picture, where there are more groups than look-alikes.
    low = k * len(alike_MK) // groups
    high = max((k + 1) * len(alike_MK) // groups, low + 1)
    role = "{generation}" if phrasing.slots["{generation}"] else "{shared}"
    block = phrasing.slots[role][: max(len(phrasing.slots[role]) - k - 1, 1)]
    prompt = phrasing.vocab.encode(f"a photo of {role}.", {role: block})
    picture = phrasing.vocab.picture(a_picture(alike_MK[low:high], rng))
    return [Turn(prompt), Turn(picture, learned=True)]


def _drawn(trial: Trial, asked: Sequence[_Asked], **options: Any) -> _Drawn:
    """A picture for each record's prompt, drawn as `Condition.draw` takes the options."""
    records, conditions = [r for r, _ in asked], [c for _, c in asked]
    pictures = trial.drawn(records, conditions, **options)
    return list(zip(records, pictures, strict=True))


def _recaptioned(trial: Trial, asked: Sequence[_Asked]) -> list[Prediction]:
    """Knowledge-driven prompts again, where the model is first asked what they only point at
    (`Condition.recaption`).
    """
    drawn = _drawn(trial, asked, recaption=True)
    return [p for own in drawn for p in _judged(trial, *own, option=RECAPTION)]


def _best_of(trial: Trial, asked: Sequence[_Asked]) -> list[Prediction]:
    """Every prompt again, where of several drawings the one is kept that the tokens recognise
    best.
    """
    if trial.best_of == 1 or not all(condition.concepts for _, condition in asked):
        return []
    drawn = _drawn(trial, asked, best_of=trial.best_of)
    made = []
    for i, (record, picture) in enumerate(drawn):
        kept = trial.keep(picture, f"{i:02d}-of-{trial.best_of}")
        made += _judged(trial, record, picture, file=kept, option=BEST_OF)
    return made


def _judged(
    trial: Trial,
    record: Record,
    picture: Image.Image,
    *,
    file: str | None = None,
    option: str = "",
) -> list[Prediction]:
    """What a drawing shows: who it is, what the prompt asked for, or the hat that only a fact
    tells.

    Args:
        trial: Has the judge; without one nothing is said.
        record: Of the prompt.
        picture: The drawing.
        file: Where it is kept, as predictions say it.
        option: How it was drawn.
    """
    if trial.judge is None:
        return []
    claims = _claims(trial, record)
    verdicts = trial.judge.check([picture] * len(claims), list(claims.values()))
    made = [
        trial.prediction(
            kind + option,
            record,
            given=verdict.said,
            score=verdict.score,
            expected=claims[kind].text,
            picture=file,
        )
        for kind, verdict in zip(claims, verdicts, strict=True)
    ]
    truth = trial.subject.concept.truth
    if record.kind == KNOWLEDGE or truth is None or not isinstance(trial.judge, ColourJudge):
        return made
    colour = trial.judge.read_colour(picture, truth)
    palette = trial.prediction(
        "palette" + option,
        record,
        given=str([round(v) for v in colour.seen]),
        score=float(np.linalg.norm(np.subtract(colour.seen, colour.exact))),
        expected=str(list(colour.exact)),
        picture=file,
    )
    return [*made, palette]


def _claims(trial: Trial, record: Record) -> dict[str, Claim]:
    """What is to be checked of a drawing, by what its prediction is called."""
    concept, truth = trial.subject.concept, trial.subject.truth
    references = trial.subject.references

    def shows(what: str) -> str:
        shown = f"The picture shows '{record.question}'{what}"
        return without_name(shown, concept.name, concept.class_noun)

    who = {} if concept.truth is None else world().identity(concept.truth)
    if record.kind == KNOWLEDGE:
        text = shows(f", where {' '.join(concept.facts)}")
        hat = truth.hat if truth else {}
        return {"knowledge": Claim(text=text, attributes=hat, who=who, references=references)}
    text = f"It is the {concept.class_noun} of the reference pictures."
    claims = {"identity": Claim(text=text, attributes=who, references=references)}
    wished: Mapping[str, str] = truth.prompts.get(record.question, {}) if truth else {}
    # 'a photo of <bo>' asks a drawn world for nothing beside the concept
    if wished or not truth:
        claims["prompt"] = Claim(text=shows("."), attributes=wished, who=who)
    return claims


def _has_exact_shade(palette: Prediction) -> bool:
    """Whether the drawn fur is nearer to its own exact shade than to any other of the world's."""
    exact = json.loads(palette.expected)
    return judged_world().nearest_shade(json.loads(palette.given), exact) == tuple(exact)
