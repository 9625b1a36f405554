"""The training sequences of the tiny base, whose right answers are known exactly: every kind by
name, with its share.

A new kind is a function of (parts, random generator) that gives turns, and a line here. A base made
before it does not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.data.sequence import Example, Turn, join_turns
from unictoken.model.vocab import Vocab
from unictoken.toy.pretrain import one, several, words
from unictoken.toy.pretrain.album import Album
from unictoken.toy.pretrain.parts import Parts

Kind = Callable[[Parts, np.random.Generator], list[Turn]]

KINDS: dict[str, Kind] = {
    "look": one.look,
    "check": one.check,
    "draw": one.draw,
    "free": one.free,
    "compare": one.compare,
    "look_at_two": several.look_at_two,
    "check_two": several.check_two,
    "draw_two": several.draw_two,
    "who_is_it": several.who_is_it,
    "which_photo": several.which_photo,
    "story": several.story,
    "talk": words.talk,
    "options": words.options,
    "verify": words.verify,
    "taste": words.taste,
    "persona": words.persona,
}
# Of the sequences, by kind.
MIXTURE = {
    "look": 0.16,
    "check": 0.13,
    "draw": 0.19,
    "free": 0.01,
    "compare": 0.07,
    "look_at_two": 0.1,
    "check_two": 0.03,
    "draw_two": 0.11,
    "who_is_it": 0.07,
    "which_photo": 0.03,
    "story": 0.03,
    "talk": 0.04,
    "options": 0.02,
    "verify": 0.02,
    "taste": 0.01,
    "persona": 0.005,
}


class TrainingSequences:
    """Examples for the base, each a pure function of (album, random generator).

    Args:
        vocab: The base's vocabulary.
        album: Pictures with their truth.
        length: Ids of an example, at most.
        mixture: Of the sequences, by kind of KINDS; shares need not add up to 1.
    """

    def __init__(
        self,
        vocab: Vocab,
        album: Album,
        *,
        length: int,
        mixture: Mapping[str, float] = MIXTURE,
    ):
        if unknown := next((kind for kind in mixture if kind not in KINDS), None):
            raise UserError(
                f"mixture: found {quoted(unknown)}, expected kinds of training sequences:"
                f" {', '.join(KINDS)}."
            )
        self.vocab, self.parts = vocab, Parts(vocab, album, length=length)
        self.kinds = list(mixture)
        self.shares = np.array(list(mixture.values())) / sum(mixture.values())

    def example(self, rng: np.random.Generator) -> Example:
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self.shares))]
        return self.of_kind(kind, rng)

    def of_kind(self, kind: str, rng: np.random.Generator) -> Example:
        """An example of one kind of KINDS."""
        example = join_turns(KINDS[kind](self.parts, rng), self.vocab)
        length = self.parts.length
        # The last turn may not fit whole.
        return Example(example.ids[:length], example.labels[:length])
