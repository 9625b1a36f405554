"""A concept that is shown: reference pictures of it stand before each prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.core.pictures import ImageSource
from unictoken.core.text import ConceptError, mark
from unictoken.data import templates
from unictoken.data.source import Some, named_pictures
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import Prompts


def in_pictures(
    base: Base,
    name: str,
    images_NK: torch.Tensor,
    *,
    facts: str = "",
    pictures: Sequence[ImageSource] = (),
) -> Condition:
    """No tokens: reference pictures in context, '<bo> is <picture> <picture>.', stand before each
    prompt.

    Args:
        base: What reads them.
        name: What stands for the concept in a prompt.
        images_NK: Their image ids.
        facts: Sentences that stand before questions only.
        pictures: The same before they were encoded, for who compares them by another encoder.
    """
    ids = [i for ids in images_NK.tolist() for i in base.vocab.picture(ids)]
    shown = base.vocab.encode(
        templates.INTRODUCTION, {"{name}": base.vocab.encode(name), "{tokens}": ids}
    )
    return Condition(
        base,
        name,
        Prompts(understanding=facts, generation=""),
        word=name,
        shown=tuple(shown),
        pictures=tuple(pictures),
    )


def pictured(base: Base, name: str, pictures: Some, facts: Sequence[str] = ()) -> Condition:
    """A concept that is shown in context.

    Args:
        base: What reads its pictures.
        name: What people then write as `<name>`.
        pictures: A folder, a picture, or a list of them; one picture or more.
        facts: Sentences about `<name>`, which stand before questions.
    """
    concept_file.check_name(name)
    read = [picture for _, picture in named_pictures(pictures, "picture")]
    seen_NK = base.encode(read)
    if not len(seen_NK):
        raise ConceptError(f"'{name}': no pictures. Expected one or more.")
    told = [mark(fact, name, where="facts") for fact in facts]
    return in_pictures(base, name, seen_NK, facts=" ".join(told), pictures=read)
