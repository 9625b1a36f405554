"""How much likelier a prompt makes a picture: what finds a concept in a picture, and a picture among
many.

A unified model can say how likely a given picture is, id by id, as if it were to draw it. No other
encoder is needed, and what was learned to draw serves to look for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from unictoken.data import templates
from unictoken.data.prompts import noun_prompt
from unictoken.data.sequence import user_turn
from unictoken.model.likelihood import picture_scores
from unictoken.personalize.condition import Condition

PLAIN = templates.with_scene(templates.GENERATE[0], "")  # 'a photo of {name}.'


def gain(
    condition: Condition, prompt: str, image_ids_NK: torch.Tensor, *, class_noun: str = ""
) -> torch.Tensor:
    """The one that `gains` gives of one prompt, [N, K] in nats.

    Args:
        condition: Of concepts by methods that learn to draw.
        prompt: What is drawn: '<bo> on the beach'.
        image_ids_NK: Of the pictures.
        class_noun: Of a concept without tokens; that of tokens is known.
    """
    return next(gains(condition, [prompt], image_ids_NK, class_noun=class_noun))


def gains(
    condition: Condition,
    prompts: Sequence[str],
    image_ids_NK: torch.Tensor,
    *,
    class_noun: str = "",
) -> Iterator[torch.Tensor]:
    """For each prompt the log-likelihood of each image id with it, less that with the concept's
    class noun alone ('a photo of a dog.'; 'a photo.' where no one class noun is known), [N, K] in
    nats.

    Args:
        condition: Of concepts by methods that learn to draw.
        prompts: What is drawn: '<bo> on the beach'.
        image_ids_NK: Of the pictures.
        class_noun: Of a concept without tokens; that of tokens is known.
    """
    condition.need_prompt()
    # It names no prompt: many searches of one album need it once.
    without_NK = picture_scores(condition.base, _without(condition, class_noun), image_ids_NK)
    for text in condition.prompts_to_draw(prompts):
        with_NK = picture_scores(condition.speaker, condition.drawing(text), image_ids_NK)
        yield with_NK - without_NK


def _without(condition: Condition, class_noun: str) -> list[int]:
    """Prompt ids of a picture of anything like the concept."""
    vocab = condition.base.vocab
    if noun := condition.tokens.class_noun if condition.tokens else class_noun:
        return noun_prompt(vocab, noun)
    return user_turn(vocab.encode(PLAIN.replace(" of {name}", "")), vocab)
