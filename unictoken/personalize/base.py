"""A base as people use it: what is put on it, and the session that speaks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from unictoken.core import shipped
from unictoken.core.text import ConceptError, mark
from unictoken.data.source import Given, named_pictures
from unictoken.model.base import Base
from unictoken.personalize.condition import Condition, in_pictures, in_words, with_tokens
from unictoken.personalize.session import Session
from unictoken.personalize.words import sentences_by_name
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


class PersonalBase(Base):
    """A frozen base with everything that can be put on it. `unictoken.load` gives one.

    >>> base
    <PersonalBase 'tiny': width 256, 64 ids a picture, draws; on ...>
    """

    def with_concepts(self, *concepts: str | PathLike | ConceptTokens) -> Session:
        """A session with learned concepts, one or several.

        Args:
            *concepts: Each a concept file, the name of one that ships ('mia') or was learned here,
                or what `unictoken.learn` gave. Each must have been learned on this base.

        >>> base.with_concepts("mia").ask("what animal is <mia>?")
        'a fox'
        """
        return Session(self, [learned(self, concept) for concept in concepts])

    def with_words(self, *texts: str) -> Session:
        """A session with concepts that were not learned, only described.

        Args:
            *texts: Sentences, each about one concept, by its marker. They stand before each prompt.

        >>> base.with_words("<bo> is a brown dog.").ask("what animal is <bo>?")
        'a dog'
        """
        return Session(self, described(self, sentences_by_name(texts)))

    def with_pictures(
        self, name: str, pictures: Given | Sequence[Given], *, facts: Sequence[str] = ()
    ) -> Session:
        """A session with a concept that was not learned: its pictures stand before each prompt.

        Args:
            name: What people then write as `<name>`.
            pictures: A folder, a picture, or a list of pictures. Each picture takes its ids of the
                length that the base can read.
            facts: Sentences about `<name>`, which stand before questions.
        """
        return Session(self, [shown(self, name, pictures, facts)])


def learned(base: Base, concept: str | PathLike | ConceptTokens) -> Condition:
    """A learned concept on its base."""
    if isinstance(concept, ConceptTokens):
        concept_file.check_base(concept, base)
        return with_tokens(base, concept)
    if not isinstance(concept, str | PathLike):
        found = type(concept).__name__
        raise ConceptError(
            f"concept: found {found}, expected a concept file, its name, or a learned concept."
        )
    return with_tokens(base, concept_file.load(shipped.find_concept(concept), base))


def described(base: Base, sentences: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Concepts that are told in words: sentences about '{name}', by name."""
    return [in_words(base, name, " ".join(said)) for name, said in sentences.items()]


def shown(
    base: Base, name: str, pictures: Given | Sequence[Given], facts: Sequence[str] = ()
) -> Condition:
    """A concept that is shown in context.

    Args:
        base: What reads its pictures.
        name: What people then write as `<name>`.
        pictures: A folder, a picture, or a list of them; one picture or more.
        facts: Sentences about `<name>`, which stand before questions.
    """
    concept_file.check_name(name)
    seen_NK = base.encode(picture for _, picture in named_pictures(pictures, "picture"))
    if not len(seen_NK):
        raise ConceptError(f"'{name}': no pictures. Expected one or more.")
    told = [mark(fact, name, where="facts") for fact in facts]
    return in_pictures(base, name, seen_NK, facts=" ".join(told))
