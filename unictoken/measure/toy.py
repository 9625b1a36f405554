"""The toy benchmark: concepts that the base never saw, learned from five pictures, measured against exact truth.

Training material and test material of a concept are drawn from different streams of the seed: the test's pictures, negatives
and prompts are never seen while learning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unictoken.concept.tokens import ConceptTokens
from unictoken.conditioning import Conditioning, in_words, with_tokens
from unictoken.data.source import Source
from unictoken.measure.judge import Judge
from unictoken.model.base import Base
from unictoken.model.sampling import Draw
from unictoken.world import language
from unictoken.world.attributes import BRIGHT_COLOURS, PLACES
from unictoken.world.drawing import draw
from unictoken.world.things import Pet, Scene, easy_negative, hard_negative, sample_pet_where, sample_scene, twin

REFERENCES = 5
TRAINING_NEGATIVES = 24  # of each grade
TEST_PICTURES = 12  # positives, and negatives of each grade
DRAWINGS = 8
IDENTITY = ("species", "fur", "second", "pattern", "collar")
PROMPTED = ("accessory", "accessory_colour", "place")
NEGATIVES = {"easy": easy_negative, "hard": hard_negative, "twin": twin}
CONTROLS = ("none", "class_noun", "text_prompt", "wrong_concept")
METRICS = ("recognition", "recognition_twins", "vqa", "text_qa", "facts", "identity", "palette", "prompt", "knowledge")


@dataclass(frozen=True, kw_only=True)
class ToyConcept:
    """A pet of the world as a concept: its truth, its facts, and what it is learned from."""

    pet: Pet
    facts: language.Facts
    source: Source
    seed: tuple[int, ...]


def toy_source(pet: Pet, facts: language.Facts, name: str, rng: np.random.Generator) -> Source:
    """Five pictures (two wear something), facts with their questions, and negatives of every grade."""
    scenes = [sample_scene(rng, accessory=i >= 3) for i in range(REFERENCES)]
    negatives = {
        grade: tuple(draw(other(pet, rng), sample_scene(rng)) for _ in range(TRAINING_NEGATIVES)) for grade, other in NEGATIVES.items()
    }
    return Source(
        name=name,
        class_noun=pet.species,
        pictures=tuple(draw(pet, scene) for scene in scenes),
        facts=tuple(language.fact_sentence(key, facts).format(name="{name}") for key in language.FACT_SENTENCES),
        questions=tuple((language.FACT_QUESTIONS[key], language.fact_answer(key, facts)) for key in language.FACT_SENTENCES),
        negatives=negatives,
        pet=pet,
    )


def toy_concept(seed: int, index: int, name: str | None = None) -> ToyConcept:
    """The index-th concept of a seed; its combination of attributes was held out of the base's training."""
    rng = np.random.default_rng([seed, index, 1])
    pet, facts = sample_pet_where(rng, unseen=True), language.sample_facts(rng)
    return ToyConcept(pet=pet, facts=facts, source=toy_source(pet, facts, name or f"toy{index}", rng), seed=(seed, index))


def write_toy_folder(concept: ToyConcept, folder: Path) -> None:
    """The concept as a user's folder, as `data/source.py` reads it."""
    (folder / "negative_example").mkdir(parents=True, exist_ok=True)
    source = concept.source
    for i, picture in enumerate(source.pictures):
        picture.save(folder / f"{i}.png")
    for grade, pictures in source.negatives.items():
        for i, picture in enumerate(pictures):
            picture.save(folder / "negative_example" / f"{grade}_{i:02d}.png")

    def marked(text: str) -> str:
        return text.replace("{name}", f"<{source.name}>")

    info = {
        "class": source.class_noun,
        "extra_info": [marked(fact) for fact in source.facts],
        "questions": [{"question": marked(q), "answer": marked(a)} for q, a in source.questions],
        "world": asdict(concept.pet),
    }
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n")


def conditionings(base: Base, source: Source, own: ConceptTokens, wrong: ConceptTokens | None) -> dict[str, Conditioning]:
    """The tokens of a toy pet and what they are compared to. `text_prompt` is told all that words can say, the facts too."""
    described = f"{{name}} is {language.describe(source.pet)}."
    compared = {
        own.method: with_tokens(base, own),
        "none": in_words(base, source.name, ""),
        "class_noun": in_words(base, source.name, f"{{name}} is {language.a(source.class_noun)}."),
        "text_prompt": in_words(base, source.name, described, facts=" ".join(source.facts)),
    }
    return compared | ({"wrong_concept": with_tokens(base, wrong)} if wrong else {})


@dataclass(frozen=True)
class HeldOut:
    """What a concept is tested on: pictures of it and of others, with the truth, and what drawings are asked for."""

    scenes: list[Scene]
    positives: list[Image.Image]
    negatives: dict[str, list[Image.Image]]
    wishes: list[tuple[str, str, str]]
    """(hat, its colour, place) of each drawing."""


def held_out_of(pet: Pet, seed: Sequence[int]) -> HeldOut:
    """Drawn from a stream of the seed that learning never touches."""
    rng = np.random.default_rng([*seed, 2])
    scenes = [sample_scene(rng) for _ in range(TEST_PICTURES)]
    negatives = {grade: [draw(other(pet, rng), sample_scene(rng)) for _ in range(TEST_PICTURES)] for grade, other in NEGATIVES.items()}
    wishes = [
        (language.HATS[i % len(language.HATS)], str(rng.choice(list(BRIGHT_COLOURS))), str(rng.choice(PLACES))) for i in range(DRAWINGS)
    ]
    return HeldOut(scenes, [draw(pet, s) for s in scenes], negatives, wishes)


@dataclass(frozen=True)
class TestSet:
    """The same as a base reads it: pictures as image ids [N, K]."""

    scenes: list[Scene]
    positives: torch.Tensor
    negatives: dict[str, torch.Tensor]
    wishes: list[tuple[str, str, str]]


def make_test_set(base: Base, pet: Pet, seed: Sequence[int]) -> TestSet:
    shown = held_out_of(pet, seed)
    negatives = {grade: base.encode(pictures) for grade, pictures in shown.negatives.items()}
    return TestSet(shown.scenes, base.encode(shown.positives), negatives, shown.wishes)


def measure(
    c: Conditioning, judge: Judge, pet: Pet, facts: language.Facts | None, test: TestSet, *, seed: int
) -> tuple[dict[str, float], list[Image.Image]]:
    """Every metric of one conditioning on one concept, and its drawings.

    recognition: (right on positives + right on easy and hard negatives) / 2, at probability .5; recognition_twins: the same
    against twins. vqa, text_qa, facts: exact answers. identity, prompt: share of attributes that the judge reads as they should
    be. palette: mean RGB distance (0 to 441) of the drawn fur from the exact shade; less is better. knowledge: share of drawings
    of it 'wearing its hat' that show the hat and the colour which only the facts tell.
    """
    numbers = _recognition(c, test) | _answers(c, pet, facts, test)
    if not c.can_draw:
        return numbers, []
    if facts:
        numbers["knowledge"] = knowledge(c, judge, facts, test, seed=seed)
    prompts = [f"{{name}} wearing {language.a(f'{colour} {hat}')} {language.WHERE[place]}" for hat, colour, place in test.wishes]
    pictures = c.draw(prompts, Draw(seed=seed))
    readings = judge.read(pictures)
    wished = [dict(zip(PROMPTED, wish, strict=True)) for wish in test.wishes]
    numbers["identity"] = _mean(r.values[name] == getattr(pet, name) for r in readings for name in IDENTITY)
    numbers["prompt"] = _mean(r.values[name] == w[name] for r, w in zip(readings, wished, strict=True) for name in PROMPTED)
    numbers["palette"] = _mean(float(np.linalg.norm(np.subtract(r.fur_rgb, pet.fur_rgb))) for r in readings)
    return numbers, pictures


def knowledge(c: Conditioning, judge: Judge, facts: language.Facts, test: TestSet, *, seed: int, **how) -> float:
    """Knowledge-driven drawing (UniCTokens, section 4.3): the prompt says 'its hat', and a fact says which. `how`: as `Conditioning.draw`."""
    drawn = c.knowing().draw([f"{{name}} wearing its hat {language.WHERE[place]}" for *_, place in test.wishes], Draw(seed=seed), **how)
    return _mean((r.values["accessory"], r.values["accessory_colour"]) == (facts.hat, facts.hat_colour) for r in judge.read(drawn))


def _recognition(c: Conditioning, test: TestSet) -> dict[str, float]:
    accepted = {grade: _mean(p > 0.5 for p in c.recognise(ids)) for grade, ids in test.negatives.items()}
    positive = _mean(p > 0.5 for p in c.recognise(test.positives))
    easy_and_hard = 1 - (accepted["easy"] + accepted["hard"]) / 2
    return {
        "recognition": (positive + easy_and_hard) / 2,
        "recognition_twins": (positive + 1 - accepted["twin"]) / 2,
        "positive": positive,
        **{f"negative_{grade}": 1 - a for grade, a in accepted.items()},
    }


def _answers(c: Conditioning, pet: Pet, facts: language.Facts | None, test: TestSet) -> dict[str, float]:
    right = []
    for attribute, (form, *_) in {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}.items():
        said = c.ask([form.replace("{it}", "{name}")] * len(test.scenes), test.positives, max_ids=16)
        right += [s == language.answer(attribute, pet, scene) for s, scene in zip(said, test.scenes, strict=True)]
    asked = {form.replace("{it}", "{name}"): language.answer(attribute, pet) for attribute, (form, *_) in language.PET_QUESTIONS.items()}
    numbers = {"vqa": _mean(right), "text_qa": _exact(c, asked)}
    if facts:
        numbers["facts"] = _exact(c, {language.FACT_QUESTIONS[k]: language.fact_answer(k, facts) for k in language.FACT_QUESTIONS})
    return numbers


def _exact(c: Conditioning, asked: dict[str, str]) -> float:
    return _mean(s == right for s, right in zip(c.ask(list(asked), max_ids=16), asked.values(), strict=True))


def _mean(values) -> float:
    values = list(values)
    return float(sum(values) / len(values))


def table(rows: dict[str, dict[str, float]], metrics: Sequence[str] = METRICS) -> str:
    """A markdown table, one row for each conditioning; '-' where it has no such number."""
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name, numbers in rows.items():
        cells = (("-" if m not in numbers else f"{numbers[m]:.1f}" if m in ("palette", "psnr") else f"{numbers[m]:.3f}") for m in metrics)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
