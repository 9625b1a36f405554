"""Talking with a base about a concept: with its tokens, or with what the tokens are compared to.

A conditioning says what stands for the concept in a prompt: its learned tokens, its bare name, its
class noun, or a description in words. Everything that is asked, recognised, captioned or drawn goes
through one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image

from unictoken.core.config import within
from unictoken.core.pictures import PictureError, read_shrunk
from unictoken.core.text import ConceptError, british, mark, picture_prompt
from unictoken.data import templates
from unictoken.data.pointing import pointings
from unictoken.data.prompts import drawing_prompt
from unictoken.data.sequence import user_turn
from unictoken.model.base import Base
from unictoken.model.draw import Draw
from unictoken.model.sampling import (
    ANSWER_IDS,
    LanguageModel,
    next_logits,
    sample_pictures,
    sample_text,
)
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.tokens import ConceptTokens, Prompts

MOST_BEST_OF = 1000  # of one picture
ANSWERED_AT_ONCE = 16  # pictures
SURE = 0.5  # an answer is known where the model finds it likelier than all others together
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Condition:
    """A base, and what stands for one concept in its prompts."""

    base: Base
    name: str
    prompts: Prompts = field(default_factory=Prompts)
    concept: ConceptTokens | None = None
    words: dict[str, str] = field(default_factory=dict)
    """Text for a slot, where no tokens were learned: {'{name}': 'the dog'}."""
    shown: tuple[int, ...] = ()
    """Ids that stand before everything else: reference pictures in context."""

    @cached_property
    def speaker(self) -> Speaker:
        """The base with the learned rows on it, if there are some; made once."""
        return Speaker(self.base, [self.concept] if self.concept else [])

    @cached_property
    def slots(self) -> dict[str, list[int]]:
        return self.slots_on(self.speaker)

    def slots_on(self, speaker: Speaker) -> dict[str, list[int]]:
        """The ids of each slot, where `speaker` may hold other concepts too."""
        learned = speaker.slots(self.concept) if self.concept else {}
        said = {slot: self.base.vocab.encode(text) for slot, text in self.words.items()}
        return {**learned, **said}

    def marked(self, text: str) -> str:
        """A user's text with a slot where the concept's marker stands."""
        return mark(text, self.name, where="prompt")

    @property
    def can_draw(self) -> bool:
        """Whether the method learned to draw, and the base has a decoder."""
        return self.prompts.generation is not None and self.base.can_draw

    def knowing(self) -> Condition:
        """The same, told before drawing too what it is told before questions; tokens know what they
        know.
        """
        return (
            self
            if self.concept
            else replace(self, prompts=replace(self.prompts, generation=self.prompts.understanding))
        )

    def _user(self, ids: list[int], first: str) -> list[int]:
        """A whole user turn, and what the answer begins with."""
        return user_turn(ids, self.base.vocab) + self.base.vocab.encode(first, self.slots)

    def question(self, text: str, image_ids: Sequence[int] | None = None) -> list[int]:
        """Prompt ids of a question about the concept, after a picture if there is one."""
        vocab, slots = self.base.vocab, self.slots
        seen = vocab.picture(image_ids) if image_ids is not None else []
        text = self._spelt(self.marked(text))
        asked = vocab.encode(f"{self.prompts.understanding} {text}", slots)
        return self._user([*self.shown, *seen, *asked], self.prompts.understanding_answer)

    def ask(
        self,
        questions: Sequence[str],
        images_NK: torch.Tensor | None = None,
        *,
        max_ids: int = ANSWER_IDS,
    ) -> list[str]:
        """Answers to questions, each about its own picture (image ids [N, K]) or about none. The
        likeliest words are taken.
        """
        ids = [None] * len(questions) if images_NK is None else images_NK.tolist()
        prompts = [self.question(q, i) for q, i in zip(questions, ids, strict=True)]
        return [
            self._read(answer) for answer in sample_text(self.speaker, prompts, max_ids=max_ids)
        ]

    def _read(self, ids: list[int]) -> str:
        """An answer as text, with a concept's marker where the model said its name."""
        speaker = self.speaker
        if not speaker.concepts:
            return self.base.vocab.decode(ids)
        own = {i for given in speaker.ids.values() for i in given}
        marker_of = {speaker.slots(c)["{name}"][0]: c.marker for c in speaker.concepts}
        pieces, words = [], []
        # None ends the last run of words.
        for i in [*ids, None]:
            if i is None or i in own:
                pieces.append(self.base.vocab.decode(words))
                pieces.append(marker_of.get(i, ""))
                words = []
            else:
                words.append(i)
        # Pieces are joined by spaces, and none stands before a comma or at a sentence's end.
        return re.sub(r" (?=[,.?])", "", " ".join(piece for piece in pieces if piece))

    def caption(self, images_NK: torch.Tensor) -> list[str]:
        return self.ask([templates.CAPTION[0]] * len(images_NK), images_NK)

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        """For each picture, the probability that it shows the concept.

        P(yes) against P(no) as the next word, averaged over the ways to ask.
        """
        prompts = [self.question(q, ids) for ids in images_NK.tolist() for q in templates.RECOGNISE]
        return yes_probability(self.speaker, prompts).view(len(images_NK), -1).mean(1).tolist()

    def draw(
        self,
        prompts: Sequence[str],
        how: Draw | None = None,
        *,
        recaption: bool = False,
        best_of: int = 1,
    ) -> list[Image.Image]:
        """A picture for each prompt, such as '<bo> wearing a hat'.

        Two ways in which understanding helps drawing (UniCTokens, knowledge-driven generation):
        the model is first asked for what a prompt only points at ('its hat' becomes 'a red party
        hat'); of several pictures the one is kept that it recognises best. `prompts_to_draw` gives
        the prompts as they are drawn.

        Args:
            prompts: Texts that may name the concept.
            how: Temperature, guidance, seed and so on; None: the usual ones.
            recaption: Ask the model first.
            best_of: Draw so many for each picture and keep the best.
        """
        within("best_of", best_of, 1, MOST_BEST_OF)
        texts = self.prompts_to_draw(prompts, recaption=recaption)
        # Those of one prompt stand next to each other, as `view` and `unflatten` take them.
        ids_NK = self.draw_ids([text for text in texts for _ in range(best_of)], how)
        if best_of > 1:
            likeness = torch.tensor(self.recognise(ids_NK)).view(-1, best_of)
            ids_NK = ids_NK.unflatten(0, (-1, best_of))[
                torch.arange(len(texts)), likeness.argmax(1)
            ]
        return self.base.decode(ids_NK)

    def recaption(self, prompt: str) -> str:
        """The prompt with what the model knows in the place of 'its hat' and the like.

        Words stay where they are not surely the concept's ('a girl and her dog <bo>'), where the
        model is not sure of its answer, and where that is not of the kind asked for ('its side').
        """
        # From the end: words that are put in there move no place before them.
        for pointing in reversed(pointings(prompt, self.name)):
            answer = self.known(pointing.question.format(it=f"<{self.name}>"))
            if answer and (filled := pointing.filled(answer)):
                prompt = prompt[: pointing.start] + filled + prompt[pointing.end :]
        return prompt

    def known(self, question: str) -> str | None:
        """The answer to a question without a picture; None where the model is not sure of it."""
        prompt = self.question(question)
        answer = sample_text(self.speaker, [prompt], max_ids=16)[0]
        return self._read(answer) if certainty(self.speaker, prompt, answer) >= SURE else None

    def prompts_to_draw(self, prompts: Sequence[str], *, recaption: bool = False) -> list[str]:
        """Prompts as they are drawn: whole ('a photo of <bo>.') and in the spelling of the base.

        With `recaption` what the model knows is said in them. A prompt that is given again stays.
        """
        # Each prompt once, however many pictures of it are drawn: asking takes seconds on a large
        # base.
        asked = {prompt: self.recaption(prompt) if recaption else prompt for prompt in set(prompts)}
        return [picture_prompt(self._spelt(asked[prompt])) for prompt in prompts]

    def _spelt(self, text: str) -> str:
        """A text in the spelling of the base: of two it has one word whole, the other in pieces."""
        return british(text, lambda word: len(self.base.vocab.inside(word)) == 1)

    def draw_ids(self, prompts: Sequence[str], how: Draw | None = None) -> torch.Tensor:
        """Image ids [N, K] of a picture for each prompt."""
        self.need_drawing()
        texts = self.prompts_to_draw(prompts)
        whole = [
            self._user([*self.shown, *self._drawing(text)], self.prompts.generation_answer)
            for text in texts
        ]
        return sample_pictures(self.speaker, whole, self.base.codes_per_picture, how or Draw())

    def need_drawing(self) -> None:
        """Nothing, where this can draw; else an error that says what cannot."""
        if self.prompts.generation is None:
            raise ConceptError(
                f"'{self.name}': method '{self.concept.method}' learns to understand, not to draw."
                " Learn it with 'joint'."
            )
        self.base.need_decoder()

    def _drawing(self, text: str) -> list[int]:
        """Ids of a prompt for a picture, after its introduction."""
        return drawing_prompt(self.base.vocab, self.prompts, self.slots, self.marked(text))


def with_tokens(base: Base, concept: ConceptTokens) -> Condition:
    """The learned concept."""
    return Condition(base, concept.name, concept.prompts, concept)


def in_words(base: Base, name: str, introduction: str, *, facts: str = "") -> Condition:
    """No tokens: an introduction in words stands before each prompt.

    Args:
        base: What reads it.
        name: What stands for the concept in a prompt.
        introduction: '{name} is a brown dog.', or ''.
        facts: Sentences that stand before questions only.
    """
    prompts = Prompts(understanding=f"{introduction} {facts}".strip(), generation=introduction)
    return Condition(base, name, prompts, words={"{name}": name})


def in_pictures(base: Base, name: str, images_NK: torch.Tensor, *, facts: str = "") -> Condition:
    """No tokens: reference pictures in context, '<bo> is <picture> <picture>.', stand before each
    prompt.

    Args:
        base: What reads them.
        name: What stands for the concept in a prompt.
        images_NK: Their image ids.
        facts: Sentences that stand before questions only.
    """
    pictures = [i for ids in images_NK.tolist() for i in base.vocab.picture(ids)]
    shown = base.vocab.encode(
        templates.INTRODUCTION, {"{name}": base.vocab.encode(name), "{tokens}": pictures}
    )
    return Condition(
        base,
        name,
        Prompts(understanding=facts, generation=""),
        words={"{name}": name},
        shown=tuple(shown),
    )


def of_each(
    base: Base, files: Sequence[Path], answer: Callable[[torch.Tensor], Sequence[Answer]]
) -> Iterator[tuple[Path, Answer | PictureError]]:
    """Each picture file with its answer, or with the error of one that cannot be read, in order.

    However many there are, one at a time is in memory at its full size, and the first answers are
    there before the last picture is read.

    Args:
        base: What encodes the pictures.
        files: Picture files.
        answer: One answer for each row of image ids [N, K], such as `Condition.recognise`.
    """
    for start in range(0, len(files), ANSWERED_AT_ONCE):
        part = files[start : start + ANSWERED_AT_ONCE]
        refused: dict[int, PictureError] = {}
        # `encode` reads the pictures one by one; `refused` is whole when it returns.
        seen_NK = base.encode(_readable(part, refused))
        answers = iter(answer(seen_NK) if len(seen_NK) else ())
        for i, file in enumerate(part):
            yield file, refused[i] if i in refused else next(answers)


def _readable(files: Sequence[Path], refused: dict[int, PictureError]) -> Iterator[Image.Image]:
    """The pictures that can be read; `refused` gets the errors of the others, by their number."""
    for i, file in enumerate(files):
        try:
            picture = read_shrunk(file)
        except PictureError as error:
            refused[i] = error
        else:
            yield picture


def certainty(speaker: LanguageModel, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """The probability of an answer, and of its end, after a prompt."""
    # All beginnings of the answer at once: what comes next after each, the end after the last.
    steps = [[*prompt, *answer[:said]] for said in range(len(answer) + 1)]
    probabilities = next_logits(speaker, steps).softmax(-1)
    ended = probabilities[-1, list(speaker.vocab.ends)].sum()
    return float(probabilities[range(len(answer)), list(answer)].prod() * ended)


def yes_probability(speaker: LanguageModel, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """P(yes) against P(no) as the next word after each prompt, [N]."""
    yes, no = (speaker.vocab.encode(word)[0] for word in (templates.YES, templates.NO))
    return next_logits(speaker, prompts)[:, [yes, no]].softmax(-1)[:, 0]
