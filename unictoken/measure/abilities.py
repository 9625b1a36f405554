"""What a base can do in context, before any concept is learned, on pets and scenes that it never saw.

Pets are of combinations that were held out of its training. Each ability is named as in checkpoints/tiny-chameleon/README.md.
"""

from __future__ import annotations

import numpy as np
import torch

from unictoken.concept.start import frequent_ids
from unictoken.conditioning import in_words, yes_probability
from unictoken.data import templates
from unictoken.data.sequence import user_turn
from unictoken.measure.judge import Judge
from unictoken.measure.metrics import mean
from unictoken.model.base import Base
from unictoken.model.pixels import prepare, psnr, to_pixels
from unictoken.model.sampling import Draw
from unictoken.world import language
from unictoken.world.drawing import draw
from unictoken.world.things import hard_negative, sample_pet_where, sample_scene, twin


def round_trip_psnr(base: Base, pictures, image_ids_NK: torch.Tensor) -> float:
    """Picture in, picture out, dB, of pictures of any size and their image ids."""
    side = base.model.model.vqmodel.config.resolution
    back = base.decode(image_ids_NK)
    return psnr(*(torch.stack([to_pixels(prepare(p, side)) for p in shown]) for shown in (pictures, back)))


def measure_base(base: Base, judge: Judge | None, *, count: int, seed: int, drawings: int = 0) -> dict[str, float]:
    """Every ability over `count` held-out pictures, and over `drawings` drawn ones if there is a judge."""
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
    numbers |= _code_introductions(base, pets, ids, rng)
    if drawings and judge:
        numbers |= _drawings(base, judge, drawings, seed)
    return numbers



def _questions(plain, pets, scenes, ids) -> dict[str, float]:
    """Every question about every picture, exact."""
    forms = {**language.PET_QUESTIONS, **language.SCENE_QUESTIONS}
    numbers = {}
    for attribute, (form, *_) in forms.items():
        said = plain.ask([form.replace("{it}", "it")] * len(pets), ids)
        right = [language.answer(attribute, p, s) for p, s in zip(pets, scenes, strict=True)]
        numbers[f"vqa_{attribute}"] = mean(a == b for a, b in zip(said, right, strict=True))
    return {"vqa": sum(numbers.values()) / len(numbers), **numbers}


def _named_introductions(base: Base, pets, ids, rng) -> dict[str, float]:
    """yes/no for 'tom is a spotted brown dog ...': the true description, and one that is off by one attribute."""
    right = []
    for pet, picture in zip(pets, ids, strict=True):
        for described, yes in ((pet, True), (hard_negative(pet, rng), False)):
            asked = in_words(base, "tom", f"{{name}} is {language.describe(described)}.")
            right.append((asked.recognise(picture[None])[0] > 0.5) == yes)
    return {"named_yes": mean(right[::2]), "named_no_hard": mean(right[1::2]), "named": mean(right)}


def _code_introductions(base: Base, pets, ids, rng) -> dict[str, float]:
    """yes/no when 16 picture codes of another picture introduce the pet: itself, a hard negative, a twin."""
    right: dict[str, list[bool]] = {"codes_yes": [], "codes_no_hard": [], "codes_no_twin": []}
    for pet, picture in zip(pets, ids, strict=True):
        others = (pet, hard_negative(pet, rng), twin(pet, rng))
        for key, other in zip(right, others, strict=True):
            shown = base.encode([draw(other, sample_scene(rng)) for _ in range(3)])
            codes = frequent_ids(shown, 16).tolist()
            vocab = base.vocab
            slots = {"{tokens}": codes, "{name}": vocab.encode("tom")}
            asked = [vocab.encode(f"{templates.INTRODUCTION} {q}", slots) for q in templates.RECOGNISE]
            prompts = [user_turn([*vocab.picture(picture), *ids_], vocab) for ids_ in asked]
            right[key].append(bool(yes_probability(base, prompts).mean() > 0.5) == (key == "codes_yes"))
    return {key: mean(flags) for key, flags in right.items()}


def _drawings(base: Base, judge: Judge, count: int, seed: int) -> dict[str, float]:
    """Each attribute that a full prompt names, as the judge reads it off what was drawn."""
    rng = np.random.default_rng([seed, 78])
    pets = [sample_pet_where(rng, unseen=True) for _ in range(count)]
    scenes = [sample_scene(rng) for _ in range(count)]
    prompts = [
        f"a photo of {language.describe(p)} wearing {language.worn(s)} {language.WHERE[s.place]} {language.WHEN[s.time]}"
        for p, s in zip(pets, scenes, strict=True)
    ]
    readings = judge.read(in_words(base, "it", "").draw(prompts, Draw(seed=seed)))
    names = [*pets[0].nameable, "place", "time", "accessory", "accessory_colour"]
    numbers = {}
    for name in names:
        truth = [getattr(p, name, None) or getattr(s, name) for p, s in zip(pets, scenes, strict=True)]
        numbers[f"drawn_{name}"] = mean(r.values[name] == t for r, t in zip(readings, truth, strict=True))
    return {"drawn": sum(numbers.values()) / len(numbers), **numbers}
