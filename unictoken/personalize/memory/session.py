"""A session with a memory, and the controls that ChatGPT's memory has: remember, what is known,
forget, off, and a temporary session that neither reads nor writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from unictoken.core.errors import UserError
from unictoken.core.text import markers
from unictoken.data import templates
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.memory.entry import Remembered
from unictoken.personalize.memory.recall import Recall
from unictoken.personalize.memory.store import USER, Memory
from unictoken.personalize.memory.told import Proposal, keep, propose, said_of, said_of_user
from unictoken.personalize.query import Query, Seen
from unictoken.personalize.session import Session

_KNOWN = re.compile(re.escape(templates.KNOWN).replace(r"\{name\}", r"<([\w-]+)>"), re.IGNORECASE)
_SPACE = re.compile(r" (?=[,.?])")


class Nobody:
    """Knows nobody: what answers while a memory is off."""

    names: tuple[str, ...] = ()

    def __init__(self, base: Base):
        self._alone = together(base, ())

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        return [self._alone] * len(queries)


class MemorySession(Session):
    """A base that remembers: `base.with_memory(...)` makes one.

    Args:
        base: What is asked.
        recall: The memory, and how it is used.
        temporary: Whether it neither reads nor writes the memory.
    """

    def __init__(self, base: Base, recall: Recall, *, temporary: bool = False):
        self.recall, self.temporary = recall, temporary
        super().__init__(base, Nobody(base) if temporary else recall)

    @property
    def memory(self) -> Memory:
        return self.recall.memory

    def propose(self, text: str, *, kind: str = "", source: str = USER) -> Proposal:
        """What `remember` would keep of a sentence; nothing is written.

        Args:
            text: 'bo likes fish', 'remember that my dog has a red hat', 'i live in the snow'.
            kind: Which kind of fact it is, such as 'hat'; '': as its verb says.
            source: Where it comes from.
        """
        self._not_temporary("remembered")
        return propose(self.memory, text, kind=kind, source=source)

    def remember(self, text: str, *, kind: str = "", source: str = USER) -> Proposal:
        """Keep a sentence, and give what was kept: about whom, and which fact it replaces.

        Args: those of `propose`, which shows the same before anything is kept.
        """
        proposal = self.propose(text, kind=kind, source=source)
        self.keep(proposal)
        return proposal

    def keep(self, proposal: Proposal) -> Remembered:
        """Keep what `propose` gave."""
        self._not_temporary("remembered")
        return keep(self.memory, proposal)

    def known(self, name: str | None = None) -> str:
        """What is known of a concept, or of the user (None), in words."""
        self._not_temporary("known")
        if name is None:
            return said_of_user(self.memory.user)
        return said_of(self.memory.show(name.strip("<>")))

    def forget(self, what: str | int) -> None:
        """Forget a concept by name, or one fact or item by number: its bytes are gone from the file,
        and the base answers as if it had never been told.
        """
        self._not_temporary("forgotten")
        # The next query sees it: `Recall` compares the memory's version.
        if isinstance(what, int):
            self.memory.forget_item(what)
        else:
            self.memory.forget(what.strip("<>"))

    def off(self) -> None:
        """Answer without the memory until `on`; what it holds stays."""
        self.personalization = Nobody(self.base)

    def on(self) -> None:
        """Use the memory again. A temporary session never does."""
        self._not_temporary("used")
        self.personalization = self.recall

    def untaught(self, text: str) -> tuple[str, ...]:
        # 'what do you know about <bo>?' is answered by the memory itself.
        return () if _KNOWN.fullmatch(text.strip()) else super().untaught(text)

    def _not_temporary(self, what: str) -> None:
        if self.temporary:
            raise UserError(
                f"memory: a temporary session, in which nothing is {what}. Begin another one for"
                " that."
            )

    def _understood(self, query: Query) -> Query:
        """A question as it is meant: a name that nobody introduced is a word, where the base is to
        decline it.
        """
        names = self.names
        strangers = [name for name in markers(query.text) if name not in names]
        if strangers and self.recall.preset.declines and self.personalization is self.recall:
            text = query.text
            for name in strangers:
                text = text.replace(f"<{name}>", name)
            query = replace(query, text=text)
        return super()._understood(query)

    def _answers(self, questions: Sequence[str], seen: Seen | None, max_ids: int) -> list[str]:
        # 'what do you know about <bo>?' is a control: the memory itself answers it.
        names = self.names
        asked = [_KNOWN.fullmatch(question.strip()) for question in questions]
        known = [found[1] if found and found[1] in names else None for found in asked]
        answers = super()._answers(questions, seen, max_ids) if not all(known) else list(questions)
        # Of a declined name a base's tokenizer may leave 'zoe .'
        return [
            self.known(name) if name else _SPACE.sub("", answer)
            for name, answer in zip(known, answers, strict=True)
        ]
