"""How much likelier a prompt makes a picture: what finds a concept in a picture, and a picture among
many.

A unified model can say how likely a given picture is, id by id, as if it were to draw it. No other
encoder is needed, and what was learned to draw serves to look for it.
"""

from __future__ import annotations

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
    """The log-likelihood of each image id with the prompt, less that with the concept's class noun
    alone ('a photo of a dog.'; 'a photo.' where no one class noun is known), [N, K] in nats.

    Args:
        condition: Of concepts by methods that learn to draw.
        prompt: What is drawn: '<bo> on the beach'.
        image_ids_NK: Of the pictures.
        class_noun: Of a concept without tokens; that of tokens is known.
    """
    condition.need_prompt()
    own = condition.drawing(*condition.prompts_to_draw([prompt]))
    with_it = picture_scores(condition.speaker, own, image_ids_NK)
    return with_it - picture_scores(condition.base, _without(condition, class_noun), image_ids_NK)


def _without(condition: Condition, class_noun: str) -> list[int]:
    """Prompt ids of a picture of anything like the concept."""
    vocab = condition.base.vocab
    if noun := condition.tokens.class_noun if condition.tokens else class_noun:
        return noun_prompt(vocab, noun)
    return user_turn(vocab.encode(PLAIN.replace(" of {name}", "")), vocab)
