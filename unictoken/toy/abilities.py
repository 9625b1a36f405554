"""The abilities of a base before any concept is learned, on pets and scenes that it never saw.

Pets are of combinations that were held out of its training. Each ability is named as in
checkpoints/tiny-chameleon/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from unictoken.data import templates
from unictoken.data.sequence import user_turn
from unictoken.learn.outside import round_trip_psnr
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, yes_probability
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.words import in_words
from unictoken.scoring.metrics import mean
from unictoken.tokens.start import frequent_ids
from unictoken.toy.judge import Judge
from unictoken.toy.world import language
from unictoken.toy.world.attributes import IDENTITY
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import (
    Pet,
    Scene,
    hard_negative,
    near_duplicate,
    sample_pet_where,
    sample_scene,
)


def measure_base(
    base: Base, judge: Judge | None, *, count: int, seed: int, drawings: int = 0
) -> dict[str, float]:
    """Every ability over `count` held-out pictures, and over `drawings` drawn ones if there is a
    judge.

    Args:
        base: The base.
        judge: What reads the drawings; None: nothing is drawn.
        count: Pets, each in one picture.
        seed: Decides pets, scenes and drawings.
        drawings: Drawn pictures of full prompts, and as many of an introduced 'tom'; 0: none.
    """
    # 77, 78, 79: each group of abilities has its own stream, so that the number of drawings does
    # not change which pets the questions are about
    rng = np.random.default_rng([seed, 77])
    pets = [sample_pet_where(rng, unseen=True) for _ in range(count)]
    scenes = [sample_scene(rng) for _ in range(count)]
    pictures = [draw(p, s) for p, s in zip(pets, scenes, strict=True)]
    ids = base.encode(pictures)
    numbers = {"psnr": round_trip_psnr(base, pictures, ids)}
    plain = in_words(base, "it", "")
    said = plain.ask([templates.CAPTION[0]] * count, ids)
    truth = [language.caption(p, s) for p, s in zip(pets, scenes, strict=True)]
    numbers["caption_exact"] = mean(a == b for a, b in zip(said, truth, strict=True))
    numbers |= _questions(plain, pets, scenes, ids)
    numbers |= _named_introductions(base, pets, ids, rng)
    numbers |= _introductions("codes", _recognised_by_codes, base, pets, ids, rng)
    numbers |= _introductions("picture", _recognised_by_picture, base, pets, ids, rng)
    numbers |= _named_questions(base, pets, scenes, ids)
    if drawings and judge:
        numbers |= _drawings(base, judge, drawings, seed)
        numbers |= _introduced_drawings(base, judge, drawings // 2, seed)
    return numbers


def _questions(
    plain: Condition, pets: Sequence[Pet], scenes: Sequence[Scene], ids: torch.Tensor
) -> dict[str, float]:
    """Every question about every picture, exact."""
    forms = {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}
    numbers = {}
    for attribute, (form, *_) in forms.items():
        said = plain.ask([form.replace("{it}", "it")] * len(pets), ids)
        right = [language.answer(attribute, p, s) for p, s in zip(pets, scenes, strict=True)]
        numbers[f"vqa_{attribute}"] = mean(a == b for a, b in zip(said, right, strict=True))
    return {"vqa": sum(numbers.values()) / len(numbers), **numbers}


def _named_introductions(
    base: Base, pets: Sequence[Pet], ids: torch.Tensor, rng: np.random.Generator
) -> dict[str, float]:
    """yes/no for 'tom is a spotted brown dog ...': the true description, and one that is off by one
    attribute.
    """
    right = []
    for pet, picture in zip(pets, ids, strict=True):
        # true, false, true, ...: the returned [::2] and [1::2] take them apart
        for described, yes in ((pet, True), (hard_negative(pet, rng), False)):
            asked = in_words(base, "tom", f"{{name}} is {language.describe(described)}.")
            right.append((asked.recognise(picture[None])[0] > 0.5) == yes)
    return {"named_yes": mean(right[::2]), "named_no_hard": mean(right[1::2]), "named": mean(right)}


def _introductions(
    kind: str,
    recognised: Callable[[Base, torch.Tensor, torch.Tensor], float],
    base: Base,
    pets: Sequence[Pet],
    ids: torch.Tensor,
    rng: np.random.Generator,
) -> dict[str, float]:
    """yes/no when other pictures introduce 'tom': of the pet itself, of a hard negative, of a
    near-duplicate.
    """
    right: dict[str, list[bool]] = {
        f"{kind}_yes": [],
        f"{kind}_no_hard": [],
        f"{kind}_no_near_duplicate": [],
    }
    for pet, picture in zip(pets, ids, strict=True):
        others = (pet, hard_negative(pet, rng), near_duplicate(pet, rng))
        for key, other in zip(right, others, strict=True):
            # As many as a family of the training sequences has (`SHOTS`).
            shown = base.encode([draw(other, sample_scene(rng)) for _ in range(3)])
            right[key].append((recognised(base, shown, picture) > 0.5) == (key == f"{kind}_yes"))
    return {key: mean(flags) for key, flags in right.items()}


def _recognised_by_codes(base: Base, shown_NK: torch.Tensor, picture_K: torch.Tensor) -> float:
    """P(yes) where 'tom is <16 picture codes>.' follows the picture, the codes that the shown
    pictures share.
    """
    vocab = base.vocab
    # 16 codes: the training sequences introduce with 8 to 20.
    slots = {"{tokens}": frequent_ids(shown_NK, 16).tolist(), "{name}": vocab.encode("tom")}
    asked = [vocab.encode(f"{templates.INTRODUCTION} {q}", slots) for q in templates.RECOGNISE]
    return (
        yes_probability(
            base, [user_turn([*vocab.picture(picture_K), *ids], vocab) for ids in asked]
        )
        .mean()
        .item()
    )


def _recognised_by_picture(base: Base, shown_NK: torch.Tensor, picture_K: torch.Tensor) -> float:
    """P(yes) where 'tom is <picture>.' comes first."""
    # One picture: the training sequences introduce with one.
    return in_pictures(base, "tom", shown_NK[:1]).recognise(picture_K[None])[0]


def _named_questions(
    base: Base, pets: Sequence[Pet], scenes: Sequence[Scene], ids: torch.Tensor
) -> dict[str, float]:
    """Every question about every picture, exact, of 'tom', whom a description introduces: about the
    pet, about the scene.
    """
    forms = {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}
    asked = [form.replace("{it}", "<tom>") for form, *_ in forms.values()]
    right: dict[str, list[bool]] = {attribute: [] for attribute in forms}
    for pet, scene, picture in zip(pets, scenes, ids, strict=True):
        # [K] to [Q, K], without copies: every question is about the same picture.
        said = in_words(base, "tom", f"{{name}} is {language.describe(pet)}.").ask(
            asked, picture.expand(len(asked), -1)
        )
        for attribute, answer in zip(forms, said, strict=True):
            right[attribute].append(answer == language.answer(attribute, pet, scene))
    pet, scene = (
        [mean(right[attribute]) for attribute in about]
        for about in (language.PET_QUESTIONS, language.SCENE_QUESTIONS)
    )
    return {
        "vqa_named": mean(pet + scene),
        "vqa_named_pet": mean(pet),
        "vqa_named_scene": mean(scene),
    }


def _drawings(base: Base, judge: Judge, count: int, seed: int) -> dict[str, float]:
    """Each attribute that a full prompt names, as the judge reads it off what was drawn."""
    rng = np.random.default_rng([seed, 78])
    pets = [sample_pet_where(rng, unseen=True) for _ in range(count)]
    scenes = [sample_scene(rng) for _ in range(count)]
    prompts = [
        f"a photo of {language.describe(p)} wearing {language.worn(s)} {language.WHERE[s.place]}"
        f" {language.WHEN[s.time]}"
        for p, s in zip(pets, scenes, strict=True)
    ]
    readings = judge.read(in_words(base, "it", "").draw(prompts, Draw(seed=seed)))
    names = [*pets[0].nameable, "place", "time", "accessory", "accessory_colour"]
    numbers = {}
    for name in names:
        truth = [
            getattr(p, name, None) or getattr(s, name) for p, s in zip(pets, scenes, strict=True)
        ]
        numbers[f"drawn_{name}"] = mean(
            r.values[name] == t for r, t in zip(readings, truth, strict=True)
        )
    return {"drawn": sum(numbers.values()) / len(numbers), **numbers}


def _introduced_drawings(base: Base, judge: Judge, count: int, seed: int) -> dict[str, float]:
    """Drawings of 'tom', as the judge reads them: 'its hat', known from a sentence (kind and
    colour), and who one picture showed.
    """
    rng = np.random.default_rng([seed, 79])
    hats, identities = [], []
    for _ in range(count):
        pet, scene, facts = (
            sample_pet_where(rng, unseen=True),
            sample_scene(rng),
            language.sample_facts(rng),
        )
        said = f"{{name}} is {language.describe(pet)}. " + language.fact_sentence("hat", facts)
        seen = base.encode([draw(pet, sample_scene(rng))])
        for told, prompt, right, wanted in (
            (
                in_words(base, "tom", said),
                "<tom> wearing its hat",
                hats,
                {"accessory": facts.hat, "accessory_colour": facts.hat_colour},
            ),
            (
                in_pictures(base, "tom", seen),
                "<tom>",
                identities,
                {name: pet.nameable[name] for name in IDENTITY},
            ),
        ):
            (read,) = judge.read(
                told.draw([f"{prompt} {language.WHERE[scene.place]}"], Draw(seed=seed))
            )
            same = [read.values[name] == value for name, value in wanted.items()]
            # 'its hat' needs both kind and colour; an identity counts each attribute that is right
            right.append(all(same) if right is hats else mean(same))
    return {"drawn_its_hat": mean(hats), "drawn_from_picture": mean(identities)}
