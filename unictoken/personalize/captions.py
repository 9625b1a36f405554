"""Captions that are checked by drawing: of several, the one that a picture goes with best, as an
answer to it and as the prompt that it was drawn after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from unictoken.core.config import MOST_BEST_OF, check_seed, within
from unictoken.core.text import ConceptError
from unictoken.data import templates
from unictoken.model.likelihood import likelihoods, picture_scores
from unictoken.model.sampling import ANSWER_IDS, sample_text
from unictoken.personalize.condition import Condition
from unictoken.personalize.gain import PLAIN

Ids = tuple[int, ...]


def best_captions(
    condition: Condition, images_NK: torch.Tensor, count: int, *, seed: int = 0
) -> list[str]:
    """Of several captions of each picture the one with the greatest log p(caption | picture) +
    log p(picture | caption), both by the same model. Translations are chosen like this by two models
    (Yee et al. 2019, arXiv 1908.05731, section 3; here without a language model and without dividing
    by lengths).

    One of the captions is made of the likeliest words, as `Condition.caption` gives it; the others
    are sampled at temperature 1.

    Args:
        condition: Who is introduced; of a method that learned to draw.
        images_NK: Image ids of the pictures.
        count: Captions of each.
        seed: Of the sampling.
    """
    within("best_of", count, 1, MOST_BEST_OF)
    check_seed(seed, "seed")
    condition.need_prompt()
    prompts = [condition.question(templates.CAPTION[0], ids) for ids in images_NK.tolist()]
    said: list[list[Ids]] = [[] for _ in prompts]
    for number in range(count):
        given = sample_text(
            condition.speaker,
            prompts,
            max_ids=ANSWER_IDS,
            temperature=1.0 if number else 0.0,
            seed=seed + number,
        )
        for candidates, ids in zip(said, given, strict=True):
            # Most are said again and again; each is scored once.
            if tuple(ids) not in candidates:
                candidates.append(tuple(ids))
    return [
        condition.read(_best(condition, prompt, candidates, image_K))
        for prompt, candidates, image_K in zip(prompts, said, images_NK, strict=True)
    ]


def _best(
    condition: Condition, prompt: Sequence[int], captions: Sequence[Ids], image_K: torch.Tensor
) -> Ids:
    """The one of a picture's captions that fits it best.

    Args:
        condition: Who is introduced.
        prompt: Ids of the picture and the request for a caption.
        captions: Ids of each.
        image_K: The picture's image ids.
    """
    if len(captions) == 1:
        return captions[0]
    answers = likelihoods(condition.speaker, [(prompt, caption) for caption in captions])
    fits = [
        answer.total + _fits(condition, condition.read(caption), image_K)
        for answer, caption in zip(answers, captions, strict=True)
    ]
    return captions[fits.index(max(fits))]


def _fits(condition: Condition, caption: str, image_K: torch.Tensor) -> float:
    """The log probability of a picture that is drawn after its caption, in nats."""
    photo = PLAIN.replace("{name}", caption.rstrip(". "))
    (text,) = condition.prompts_to_draw([photo])
    try:
        prompt = condition.drawing(text)
    except ConceptError:
        # It has half a marker, or that of somebody who is not introduced: no prompt may say that.
        return -math.inf
    return picture_scores(condition.speaker, prompt, image_K[None]).sum().item()
