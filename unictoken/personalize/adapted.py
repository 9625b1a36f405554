"""A concept that a base was fine-tuned on: LoRA adapters in peft's format, and the rows of the
concept's name, in one folder.

    adapter_config.json  adapter_model.safetensors  concept.safetensors
"""

from __future__ import annotations

from pathlib import Path

from unictoken.core.disk import is_file, make_folder
from unictoken.model import adapters
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

CONCEPT = "concept.safetensors"


def is_adapted(place: str | Path) -> bool:
    """Whether a place is such a folder."""
    return is_file(Path(place) / adapters.CONFIG)


def save_adapted(adapted: Base, tokens: ConceptTokens, folder: Path) -> Path:
    """Write such a folder; gives it.

    Args:
        adapted: A base with adapters (`adapters.adapted`).
        tokens: The concept's name and its rows.
        folder: Made where there is none.
    """
    make_folder(folder)
    adapters.save(adapted, folder)
    # The last one: a folder that a crash cut short has no concept.
    concept_file.save(tokens, folder / CONCEPT)
    return folder


def with_adapter(base: Base, folder: Path) -> Condition:
    """The concept of such a folder, on a base of its own that shares the weights of `base`.

    Args:
        base: Which it was learned on; it stays as it is.
        folder: As `save_adapted` wrote it.
    """
    # First: rows of another base are refused before adapters are laid out.
    tokens = concept_file.load(folder / CONCEPT, base)
    return Condition(adapters.load(base, folder), tokens.name, tokens.prompts, tokens)
