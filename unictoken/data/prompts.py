"""Ids of prompts that ask for pictures, the same in learning, between stages and in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unictoken.core.text import ROLES, a
from unictoken.data import templates
from unictoken.data.sequence import user_turn
from unictoken.tokens.tokens import Prompts

if TYPE_CHECKING:
    from unictoken.model.vocab import Vocab


def drawing_prompt(
    vocab: Vocab, prompts: Prompts, slots: Mapping[str, list[int]], text: str
) -> list[int]:
    """Ids of a prompt for a picture: the introduction, then the text with the method's subject
    where {name} stands.

    Args:
        vocab: The base's vocabulary.
        prompts: The method's; an introduction of None (it does not learn to draw) counts as ''.
        slots: The concept's ids by slot, such as {'{name}': [5], '{shared}': [6, 7]}.
        text: What is drawn, with {name} where the concept is meant.
    """
    subject = vocab.encode(prompts.subject, slots)
    return vocab.encode(
        f"{prompts.generation or ''} {text.replace('{name}', '{subject}')}",
        {**slots, "{subject}": subject},
    )


def noun_prompt(vocab: Vocab, class_noun: str) -> list[int]:
    """Ids of a whole turn that asks for a picture of the class noun: 'a photo of a dog.'"""
    return user_turn(vocab.encode(noun_text(class_noun)), vocab)


def noun_text(class_noun: str) -> str:
    """What asks for a picture of the class noun, in words: 'a photo of a dog.'"""
    return templates.with_scene(templates.GENERATE[0], "").format(name=a(class_noun))


def said_slots(slots: Mapping[str, list[int]], said: frozenset[str]) -> dict[str, list[int]]:
    """The slots with nothing in those of roles that are not said."""
    unsaid = {"{" + role + "}" for role in ROLES if role not in said}
    return {slot: [] if slot in unsaid else ids for slot, ids in slots.items()}
