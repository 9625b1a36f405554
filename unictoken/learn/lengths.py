"""Lengths are checked before anything is learned: texts that a base cannot read whole, or could
never give as an answer, are refused.

A sequence has at most `base.longest` ids, those of an answer included; an answer that is asked for
ends after ANSWER_IDS ids. Every text is measured as it will stand in an example, with the concept's
tokens, the picture and the answer around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from unictoken.core.disk import quoted
from unictoken.core.text import mark, unmark
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.prompts import noun_prompt
from unictoken.data.sequence import join_turns
from unictoken.data.source import SourceError
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS
from unictoken.tasks.material import Material
from unictoken.tasks.teaching import Phrasing

FEWER = "Use fewer tokens (`method.tokens`)"  # where the text is not the owner's


class Lengths:
    """Measures texts for one concept on one base; each check refuses, in one line, the first that
    is too long.
    """

    def __init__(self, base: Base, phrasing: Phrasing, name: str):
        self.base, self.phrasing, self.name = base, phrasing, name
        self.picture = base.any_picture.tolist()

    def fits_an_answer(self, text: str) -> bool:
        return len(self.phrasing.say(text)) <= ANSWER_IDS

    def check_concept(self, concept: Concept) -> tuple[str, ...]:
        """Check all that the owner wrote. Returns warnings about answers that are learned, but too
        long to be given.
        """
        self._check_noun(concept.class_noun)
        self._check_tokens()
        for number, fact in enumerate(concept.facts, 1):
            if not self.fits_an_answer(fact):
                self._refuse(
                    f"fact {number}, {self._shown(fact)}, has {len(self.phrasing.say(fact)):,} ids,"
                    f" and an answer has at most {ANSWER_IDS}, so that it could never be said."
                    " Shorten it, or split it into several facts"
                )
        for question, answer in concept.questions:
            self._check_asked(question, answer, None)
        for _, question, answer in concept.about_pictures:
            self._check_asked(question, answer, self.picture)
        return self._too_long_to_say(
            [*concept.questions, *(pair for _, *pair in concept.about_pictures)]
        )

    def check_material(self, material: Material) -> None:
        """Check the base's own answers about the pictures."""
        for scene in material.observations.scenes:
            for question, answer in (material.observations.concept | scene).items():
                self._check_asked(question, answer, self.picture, advice=FEWER)
        others = [said for said, _ in (*material.captions_of_others, *material.drawn_positives)]
        for said in (*material.observations.captions, *others):
            # The longer one of the two.
            self._check_asked(templates.CAPTION[1], said, self.picture, advice=FEWER)
        if self.phrasing.prompts.generation is not None:
            for phrase in material.observations.phrases:
                for form in templates.GENERATE:
                    self._check_drawn(templates.with_scene(form, phrase), phrase, advice=FEWER)
            for prompt, _ in material.told_drawings:
                self._check_drawn(f"a picture of {prompt}.", prompt, advice=FEWER)

    def check_config(self, questions: Sequence[str], prompts: Sequence[str]) -> None:
        """Check the config's questions and prompts, which are asked and drawn at the end."""
        for question in questions:
            self._check_asked(mark(question, self.name, where="questions"), "", None)
        for prompt in prompts if self.phrasing.prompts.generation is not None else ():
            # Never shorter than what `picture_prompt` makes of it.
            self._check_drawn(f"a photo of {mark(prompt, self.name, where='prompts')}.", prompt)

    def _check_noun(self, noun: str) -> None:
        """It stands in questions and in prompts; so long a one is no ordinary word."""
        ids = len(self.base.vocab.inside(noun))
        if ids > ANSWER_IDS:
            self._refuse(
                f"the class noun {quoted(noun)} has {ids:,} ids, expected at most {ANSWER_IDS}. "
                "Give an ordinary word for the concept, such as 'dog', and say the rest as facts"
            )
        self._check_length(
            len(noun_prompt(self.base.vocab, noun)) + len(self.base.vocab.picture(self.picture)),
            f"a picture of the class noun {quoted(noun)}",
        )

    def _check_tokens(self) -> None:
        """The method's own tokens in every question and prompt, with a picture."""
        for question in (*templates.RECOGNISE, *templates.CAPTION):
            self._check_asked(question, templates.YES, self.picture, advice=FEWER)
        if self.phrasing.prompts.generation is not None:
            for form in templates.GENERATE:
                self._check_drawn(templates.with_scene(form, ""), "", advice=FEWER)

    def _check_asked(
        self, question: str, answer: str, picture: list[int] | None, *, advice: str = "Shorten it"
    ) -> None:
        """A question with its answer as it is learned, and with the longest answer that may be
        given.
        """
        asked, said = self.phrasing.ask(question, answer, picture)
        first = self.phrasing.say(self.phrasing.prompts.understanding_answer)
        learned = len(join_turns([asked, said], self.base.vocab).ids)
        used = len(join_turns([asked], self.base.vocab).ids) + len(first) + ANSWER_IDS
        shown = (
            f"the question {self._shown(question)} with its"
            f" answer{' and a picture' if picture else ''}"
        )
        self._check_length(max(learned, used), shown, advice=advice)

    def _check_drawn(self, text: str, prompt: str, *, advice: str = "Shorten it") -> None:
        turns = self.phrasing.draw(text, self.picture)
        length = len(join_turns(turns, self.base.vocab).ids)
        self._check_length(
            length, f"the prompt {self._shown(prompt or text)} with its picture", advice=advice
        )

    def _check_length(self, ids: int, what: str, *, advice: str = "Shorten it") -> None:
        if ids > self.base.longest:
            self._refuse(
                f"{what} takes {ids:,} ids, and this base reads at most {self.base.longest:,}."
                f" {advice}"
            )

    def _too_long_to_say(self, asked: Sequence[Sequence[str]]) -> tuple[str, ...]:
        wrong = [
            (question, answer) for question, answer in asked if not self.fits_an_answer(answer)
        ]
        if not wrong:
            return ()
        question, answer = wrong[0]
        ids = len(self.phrasing.say(answer))
        line = (
            f"'{self.name}': {len(wrong)} of {len(asked)} answers are longer than the {ANSWER_IDS}"
            f" ids that are said, that to {self._shown(question)} first ({ids:,} ids): they are"
            " learned whole, and only their beginning is said."
        )
        return (line,)

    def _shown(self, text: str) -> str:
        return quoted(unmark(text, self.name))

    def _refuse(self, what: str) -> None:
        raise SourceError(f"'{self.name}': {what}.")
