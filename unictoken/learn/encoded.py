"""The method whose rows an encoder makes in one pass; learning may go on from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from unictoken.core.config import ConfigError
from unictoken.data.concept import Concept
from unictoken.data.source import SourceError, check_learnable
from unictoken.learn.method import Learned, Run
from unictoken.learn.methods import EncodedMethod
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.outside import decibels_of, note_of
from unictoken.learn.prepare import RowsOf, tokens_of
from unictoken.model.protocol import Base
from unictoken.personalize import encoder_file
from unictoken.personalize.encode import ConceptEncoder, encode

NOT_TOLD = (
    "made from pictures alone: it does not know its facts. `unictoken tell` tells it one; so does"
    " learning, `--set method.refine=100`."
)


class EncodeRows(OptimizeRows):
    """Makes rows in one pass. With `refine` they are where `OptimizeRows` begins, in the place of
    the base's own description: the stages, the objective and the examples are the same.
    """

    settings: EncodedMethod

    def rows(self, base: Base, concept: Concept) -> RowsOf:
        return partial(encode, self._encoder(base), base, class_noun=concept.class_noun)

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> Learned:
        if self.settings.refine:
            return super().fit(base, concepts, run=run)
        (given,) = concepts
        concept = check_learnable(given).read()
        if not concept.pictures:
            raise SourceError(f"'{concept.name}': no pictures. Expected one to five of them.")
        rows = self.rows(base, concept)
        run.folder.find(base, concept)
        pictures_NK = base.encode(concept.pictures)
        made = rows(pictures_NK)
        run.folder.begin(0)
        tokens = tokens_of(base, concept, self.settings, *made, seed=run.seed)
        told = concept.facts or concept.questions
        seen = note_of(base, decibels_of(base, concept.pictures, pictures_NK))
        notes = tuple(filter(None, [seen, NOT_TOLD if told else ""]))
        signature = run.folder.signature
        named = replace(tokens, notes=notes, source=concept.digest(), run=signature)
        return Learned(base, named, concept)

    def _encoder(self, base: Base) -> ConceptEncoder:
        """The encoder of this base, if it makes the rows that the method has."""
        file, settings = self.settings.encoder_file, self.settings
        encoder = encoder_file.load(file, base)
        shape = encoder.shape
        counts = {role: count for role, count in settings.tokens.counts.items() if count}
        made = {role: count for role, count in shape.counts.items() if count}
        if made != counts or shape.prompts != settings.prompts:
            listed = [", ".join(f"{n} {role}" for role, n in c.items()) for c in (made, counts)]
            raise ConfigError(
                f"method '{settings.name}': {file} makes {listed[0]} rows for the prompt"
                f" '{shape.prompts.understanding}', the method has {listed[1]} rows and"
                f" '{settings.prompts.understanding}'. Give the method the same `tokens` and"
                " `prompts`, or another encoder."
            )
        return encoder
