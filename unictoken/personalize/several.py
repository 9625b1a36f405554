"""Several concepts in one prompt: each is introduced, and each keeps its own ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from unictoken.core.text import ConceptError, check_markers
from unictoken.model.base import Base
from unictoken.personalize.condition import Condition
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.tokens import Prompts

_SLOT = re.compile(r"{(\w+)}")
_FROM_A_MARKER = re.compile(r"(?=<[\w-]+>)")


@dataclass(frozen=True)
class Several(Condition):
    """Concepts that are spoken of together.

    A prompt begins with the introduction of each. A member's slot `{name}` is called `{bo:name}`
    here, so that `<bo>` and `<mia>` in one text become different ids.
    """

    members: tuple[Condition, ...] = ()

    @cached_property
    def speaker(self) -> Speaker:
        return Speaker(self.base, [member.concept for member in self.members if member.concept])

    def slots_on(self, speaker: Speaker) -> dict[str, list[int]]:
        slots: dict[str, list[int]] = {}
        for member in self.members:
            own = member.slots_on(speaker)
            own["{subject}"] = self.base.vocab.encode(member.prompts.subject, own)
            slots |= {_owned(slot, member.name): ids for slot, ids in own.items()}
        return slots

    def marked(self, text: str) -> str:
        return self._with_slots(text, "name")

    def _drawing(self, text: str) -> list[int]:
        asked = f"{self.prompts.generation} {self._with_slots(text, 'subject')}"
        return self.base.vocab.encode(asked, self.slots)

    def _with_slots(self, text: str, role: str) -> str:
        check_markers(text, [member.name for member in self.members], where="prompt")
        # Written by the user, it would become learned tokens.
        if stray := next((slot for slot in self.slots if slot in text), None):
            raise ConceptError(f"prompt: '{stray}' is a slot of a method's prompts.")
        for member in self.members:
            text = text.replace(f"<{member.name}>", f"{{{member.name}:{role}}}")
        return text

    def need_drawing(self) -> None:
        for member in self.members:
            member.need_drawing()

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        """For each picture, the probability of the member that is least likely to be in it."""
        return [
            min(each) for each in zip(*(m.recognise(images_NK) for m in self.members), strict=True)
        ]

    def recaption(self, prompt: str) -> str:
        """The prompt in which 'its hat' is what the concept named last before it has."""
        parts = _FROM_A_MARKER.split(prompt)
        return "".join(self._recaption_part(part) for part in parts)

    def _recaption_part(self, part: str) -> str:
        owner = next((m for m in self.members if part.startswith(f"<{m.name}>")), None)
        return owner.recaption(part) if owner else part


def together(base: Base, members: Sequence[Condition]) -> Condition:
    """What speaks of all these concepts: of one, that one as it is; of none, the base alone."""
    if not members:
        return Condition(base, "", Prompts(understanding="", generation=""), words={"{name}": ""})
    if len(members) == 1:
        return members[0]
    can_draw = all(member.prompts.generation is not None for member in members)
    prompts = Prompts(
        understanding=_joined((m.prompts.understanding, m.name) for m in members),
        generation=_joined((m.prompts.generation, m.name) for m in members) if can_draw else None,
        understanding_answer=_joined((m.prompts.understanding_answer, m.name) for m in members),
        generation_answer=_joined((m.prompts.generation_answer, m.name) for m in members),
    )
    shown = tuple(i for member in members for i in member.shown)
    name = " and ".join(member.name for member in members)
    return Several(base, name, prompts, shown=shown, members=tuple(members))


def _joined(prompts: Iterable[tuple[str, str]]) -> str:
    """(prompt, name) of each member as one text."""
    return " ".join(_owned(prompt, name) for prompt, name in prompts if prompt)


def _owned(prompt: str, name: str) -> str:
    """A member's prompt with its slots called by its name.

    >>> _owned("{name} is {shared}.", "bo")
    '{bo:name} is {bo:shared}.'
    """
    return _SLOT.sub(rf"{{{name}:\1}}", prompt)
