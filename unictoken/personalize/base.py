"""A base as people use it: what is put on it, and the session that speaks of it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from unictoken.data.source import Some
from unictoken.model.encoders import Encoder
from unictoken.model.protocol import Base
from unictoken.personalize.memory.gate import Gate
from unictoken.personalize.memory.presets import USUAL, Preset
from unictoken.personalize.memory.recall import Recall
from unictoken.personalize.memory.session import MemorySession
from unictoken.personalize.memory.store import Memory
from unictoken.personalize.pictures import pictured
from unictoken.personalize.query import Personalization
from unictoken.personalize.sentences import sentences_by_name
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import learned
from unictoken.personalize.words import described
from unictoken.tokens.tokens import ConceptTokens


class PersonalBase(Base):
    """What any base can do besides: everything can be put on it. `unictoken.load` gives one, of the
    base's family and of this class.

    >>> base
    <PersonalBase 'tiny': width 256, 64 ids a picture, draws; on ...>
    """

    def with_concepts(
        self, *concepts: str | PathLike[str] | ConceptTokens | Personalization
    ) -> Session:
        """A session with learned concepts, one or several.

        Args:
            *concepts: Each a concept file, the name of one that ships ('mia') or was learned here,
                what `unictoken.learn` gave, or any other `Personalization` of this base. Each must
                have been learned on it.

        >>> base.with_concepts("mia").ask("what animal is <mia>?")
        'a fox'
        """
        members = [
            concept if isinstance(concept, Personalization) else learned(self, concept)
            for concept in concepts
        ]
        return Session(self, Several(self, members))

    def with_words(self, *texts: str) -> Session:
        """A session with concepts that were not learned, only described.

        Args:
            *texts: Sentences, each about one concept, by its marker. They stand before each prompt.

        >>> base.with_words("<bo> is a brown dog.").ask("what animal is <bo>?")
        'a dog'
        """
        return self.with_concepts(*described(self, sentences_by_name(texts)))

    def with_pictures(self, name: str, pictures: Some, *, facts: Sequence[str] = ()) -> Session:
        """A session with a concept that was not learned: its pictures stand before each prompt.

        Args:
            name: What people then write as `<name>`.
            pictures: A folder, a picture, or a list of pictures. Each picture takes its ids of the
                length that the base can read.
            facts: Sentences about `<name>`, which stand before questions.
        """
        return self.with_concepts(pictured(self, name, pictures, facts))

    def with_memory(
        self,
        memory: Memory | str | PathLike[str],
        preset: str | Preset = USUAL,
        *,
        encoder: Encoder | None = None,
        gate: Gate | None = None,
        temporary: bool = False,
    ) -> MemorySession:
        """A session that remembers: each question finds in the memory whom it is about.

        Args:
            memory: A `Memory`, or its file, which is made where there is none.
            preset: How it is used: 'tokens', 'rap', 'r2p', 'pekit', 'pvit', 'ego', or a `Preset`.
            encoder: What compares pictures (`model/encoders.py`); None: the base itself.
            gate: Keeps concepts away from pictures that do not show them; None: none.
            temporary: Whether the session neither reads nor writes the memory.

        >>> chat = base.with_memory(Memory())
        >>> chat.remember("i like to eat fish").item.text
        'i like to eat fish.'
        >>> chat.ask("what do i like to eat?")
        'fish'
        """
        if not isinstance(memory, Memory):
            # A temporary session does not even open the file.
            memory = Memory() if temporary else Memory.open(memory)
        recall = Recall(self, memory, preset, encoder=encoder, gate=gate)
        return MemorySession(self, recall, temporary=temporary)
