"""A concept as its owner gives it: what a person, a folder, a dataset and a drawn world give alike,
and what every method learns from.

Other types hold a part of a concept's way, and none of them is given to a method:

    ConceptConfig   (learn)    where a config says that the concept is; `read_concept` reads it
    Prepared        (learn)    what one run of learning works with: learner, examples, notes
    Material        (tasks)    the concept as ids, with the base's own answers
    Subject         (tasks)    the concept beside its test, the test's pictures encoded
    ConceptTokens   (tokens)   what was learned; it holds no picture and no text of the owner
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from unictoken.core.pictures import ImageSource, read_together
from unictoken.data.kinds import USER, Kind
from unictoken.tokens.file import check_name, check_noun


@dataclass(frozen=True, kw_only=True)
class Concept:
    """Everything about a concept before it is learned.

    Texts call it by its marker: "what is <bo> wearing?". Pictures are files until they are needed
    (`read`), so that a thousand concepts take no memory.
    """

    name: str
    class_noun: str = ""
    """Its ordinary kind, without an article: dog, mug. '': not known."""
    kind: Kind | None = None
    """What sort of thing it is, where its owner or its dataset says so. A person needs consent,
    whatever the class noun."""
    pictures: tuple[ImageSource, ...] = ()
    """Reference pictures."""
    crops: tuple[ImageSource, ...] = ()
    """The same cut to the concept, for methods that draw those first."""
    description: str = ""
    """It in words: for a control that has no tokens. Nothing is learned from it."""
    facts: tuple[str, ...] = ()
    """Sentences about it that no picture shows."""
    questions: tuple[tuple[str, str], ...] = ()
    """(question, answer) about what no picture shows."""
    about_pictures: tuple[tuple[int, str, str], ...] = ()
    """(number of the picture, question, answer) about one of `pictures`."""
    negatives: Mapping[str, tuple[ImageSource, ...]] = field(default_factory=dict)
    """Pictures of others by grade: easy, hard, near_duplicate."""
    consent: bool = False
    """The person in the pictures agreed to be learned."""
    truth: object | None = None
    """What is exactly true of it, for a concept of a drawn world (data/worlds.py), which alone looks
    inside. Never used to learn, only to measure.
    """

    def __post_init__(self) -> None:
        check_name(self.name)  # folders and files are named so
        if self.class_noun:
            noun = check_noun(self.class_noun, where=f"'{self.name}'")
            object.__setattr__(self, "class_noun", noun)

    @property
    def marker(self) -> str:
        """How texts name it: '<bo>'."""
        return f"<{self.name}>"

    def learned_texts(self) -> Iterator[str]:
        """Every text that is learned from."""
        yield from self.facts
        for pair in self.questions:
            yield from pair
        for _, question, answer in self.about_pictures:
            yield from (question, answer)

    def read(self) -> Concept:
        """The same with every picture in memory, none larger than any base can use.

        Raises `PictureError` for a file that cannot be read.
        """
        negatives = {
            grade: tuple(read_together(pictures)) for grade, pictures in self.negatives.items()
        }
        return replace(
            self,
            pictures=tuple(read_together(self.pictures)),
            crops=tuple(read_together(self.crops)),
            negatives=negatives,
        )

    def digest(self) -> str:
        """Says what it is learned from (reference pictures, name, class noun; of a user also what
        they said of each), in whatever order its pictures are given.
        """
        own = [
            hashlib.sha256(f"{p.mode} {p.size}".encode() + p.tobytes()).hexdigest()
            for p in read_together(self.pictures)
        ]
        decisive: list[object] = [self.name, self.class_noun, sorted(own)]
        # Two users who say the opposite of the same pictures are not one.
        if self.kind == USER:
            said = [(own[i], *asked) for i, *asked in self.about_pictures]
            decisive.append(sorted([*said, *(("", *asked) for asked in self.questions)]))
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def with_first(self, count: int | None) -> Concept:
        """The same with its first pictures and crops only, and what is asked about those; None: all
        of them.
        """
        if count is None:
            return self
        return replace(
            self,
            pictures=self.pictures[:count],
            crops=self.crops[:count],
            about_pictures=tuple(asked for asked in self.about_pictures if asked[0] < count),
        )
