"""A concept that is described: sentences about it stand before each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.tokens.tokens import Prompts


def in_words(base: Base, name: str, introduction: str, *, facts: str = "") -> Condition:
    """No tokens: an introduction in words stands before each prompt.

    Args:
        base: What reads it.
        name: What stands for the concept in a prompt.
        introduction: '{name} is a brown dog.', or ''.
        facts: Sentences that stand before questions only.
    """
    prompts = Prompts(understanding=f"{introduction} {facts}".strip(), generation=introduction)
    return Condition(base, name, prompts, word=name)


def described(base: Base, sentences: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Concepts that are told in words: sentences about '{name}', by name."""
    return [in_words(base, name, " ".join(said)) for name, said in sentences.items()]
