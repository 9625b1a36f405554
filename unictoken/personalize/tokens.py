"""A learned concept: its tokens stand for it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from unictoken.core import shipped
from unictoken.core.text import ConceptError
from unictoken.model.protocol import Base
from unictoken.personalize.adapted import is_adapted, with_adapter
from unictoken.personalize.condition import Condition
from unictoken.personalize.gated import GATE, GatedTokens, read_gate
from unictoken.personalize.profile import PROFILE, ProfileTokens
from unictoken.personalize.user import USER, UserTokens, read_answers
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


def with_tokens(base: Base, concept: ConceptTokens) -> Condition:
    """The learned concept: behind its gate, where its file has one; a user, or a profile, as one."""
    if PROFILE in concept.sections:
        return ProfileTokens(base, concept.name, concept.prompts, concept)
    if GATE in concept.sections:
        gate = read_gate(concept.sections[GATE], f"'{concept.name}': {GATE}", base)
        return GatedTokens(base, concept.name, concept.prompts, concept, gate=gate)
    if USER in concept.sections:
        answered = read_answers(concept.sections[USER], f"'{concept.name}': {USER}")
        return UserTokens(base, concept.name, concept.prompts, concept, answered=answered)
    return Condition(base, concept.name, concept.prompts, concept)


def learned(base: Base, concept: str | PathLike[str] | ConceptTokens) -> Condition:
    """A concept that was learned on this base.

    Args:
        base: Another one's concepts are refused.
        concept: A concept file, the name of one that ships or was learned here, its tokens, or the
            folder of a concept that a base was fine-tuned on.
    """
    if isinstance(concept, ConceptTokens):
        concept_file.check_base(concept, base)
        return with_tokens(base, concept)
    if not isinstance(concept, str | PathLike):
        found = type(concept).__name__
        raise ConceptError(
            f"concept: found {found}, expected a concept file, its name, or a learned concept."
        )
    place = concept if isinstance(concept, str) else Path(concept)
    if is_adapted(place):
        return with_adapter(base, Path(place))
    return with_tokens(base, concept_file.load(shipped.find_concept(place), base))
