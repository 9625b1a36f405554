"""Talking with a base about a concept: with its tokens, or with what the tokens are compared to.

A condition says what stands for the concept in a prompt: its learned tokens, its bare name, its
class noun, or a description in words. Everything that is asked, recognised, captioned or drawn goes
through one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import torch
from PIL import Image

from unictoken.core.config import MOST_BEST_OF, within
from unictoken.core.pictures import ImageSource
from unictoken.core.text import ConceptError, british, check_markers, mark, picture_prompt
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.pointing import pointings
from unictoken.data.prompts import drawing_prompt
from unictoken.data.sequence import user_turn
from unictoken.model.draw import Draw
from unictoken.model.pick import Lot
from unictoken.model.protocol import Base, LanguageModel
from unictoken.model.sampling import (
    ANSWER_IDS,
    next_logits,
    sample_pictures,
    sample_text,
)
from unictoken.model.vocab import Vocab
from unictoken.personalize.query import Query, queries_of
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.tokens import ConceptTokens, Prompts

SURE = 0.5  # an answer is known where the model finds it likelier than all others together
NOT_DRAWN = (232, 232, 232)  # the colour of what is not drawn yet
Found = TypeVar("Found")
_SLOT = re.compile(r"{(\w+)}")
_FROM_A_MARKER = re.compile(r"(?=<[\w-]+>)")


@dataclass(frozen=True)
class Condition:
    """A base, and what stands for one concept in its prompts.

    It is the simplest personalization, too: it answers every query itself. Conditions are equal
    where the same stands before the same prompt.
    """

    base: Base
    name: str
    prompts: Prompts = field(default_factory=Prompts)
    tokens: ConceptTokens | None = None
    word: str = ""
    """What stands for the name where no tokens were learned."""
    shown: tuple[int, ...] = ()
    """Ids that stand before everything else: reference pictures in context."""
    alias: int | None = None
    """A free id that stands for the name where no tokens were learned, and is read as its marker;
    None: the ids of `word`.
    """
    pictures: tuple[ImageSource, ...] = field(default=(), compare=False, repr=False, kw_only=True)
    """Those in `shown`, for who compares pictures by another encoder."""
    shared: Speaker | None = field(default=None, compare=False, repr=False, kw_only=True)
    """The base with concepts of other conditions on it, too, so that their prompts can stand in one
    batch; None: with its own only.
    """

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions that it is made of, one for each concept."""
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts that it introduces."""
        return (self.name,)

    @property
    def concepts(self) -> tuple[ConceptTokens, ...]:
        """Those that were learned."""
        return (self.tokens,) if self.tokens else ()

    def reference(self, name: str) -> Concept:
        """Its class noun, and the pictures that it is shown by."""
        noun = self.tokens.class_noun if self.tokens else ""
        return Concept(name=name, class_noun=noun, pictures=self.pictures)

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        """Itself for each query; of nobody, where names are wanted of a picture that does not show
        it.
        """
        pictured = [q.image_ids if q.wanted == "names" else None for q in queries]
        seen = list(dict.fromkeys(filter(None, pictured)))  # once, however often it is asked about
        if not seen:
            return [self] * len(queries)
        found = zip(seen, self.recognise(torch.tensor(seen)), strict=True)
        shown: dict[tuple[int, ...] | None, bool] = {
            ids: p > templates.RECOGNISED for ids, p in found
        }
        nobody = together(self.base, ())
        return [self if shown.get(ids, True) else nobody for ids in pictured]

    @cached_property
    def speaker(self) -> Speaker:
        """The base with the learned rows on it, if there are some; made once."""
        return self.shared or Speaker(self.base, self.concepts, kept=self.aliases)

    @property
    def aliases(self) -> frozenset[int]:
        """Free ids that stand for names: no learned row may stand there."""
        return frozenset(part.alias for part in self.parts if part.alias is not None)

    @cached_property
    def slots(self) -> dict[str, list[int]]:
        """The ids of each slot of the prompts."""
        if self.tokens:
            return self.speaker.slots(self.tokens)
        if self.alias is not None:
            return {"{name}": [self.alias]}
        return {"{name}": self.base.vocab.encode(self.word)}

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
            if self.tokens
            else replace(self, prompts=replace(self.prompts, generation=self.prompts.understanding))
        )

    def _user(self, ids: list[int], first: str) -> list[int]:
        """A whole user turn, and what the answer begins with."""
        return user_turn(ids, self.base.vocab) + self.base.vocab.encode(first, self.slots)

    def question(self, text: str, image_ids: Sequence[int] | None = None) -> list[int]:
        """Prompt ids of a question about the concept, after a picture or several.

        Args:
            text: The question.
            image_ids: Of one picture, [K], or of the frames of a clip, one after the other, [F * K];
                None: it is about no picture.
        """
        vocab, slots, codes = self.base.vocab, self.slots, self.base.codes_per_picture
        ids = image_ids or ()
        seen = [i for at in range(0, len(ids), codes) for i in vocab.picture(ids[at : at + codes])]
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
        asked = [(query, self) for query in queries_of(questions, images_NK)]
        return answer_each(asked, max_ids=max_ids)

    def read(self, ids: Sequence[int]) -> str:
        """An answer as text, with a concept's marker where the model said its name."""
        marker_of = {p.alias: f"<{p.name}>" for p in self.parts if p.alias is not None}
        if not self.concepts and not marker_of:
            return self.base.vocab.decode(ids)
        for concept in self.concepts:
            # Only the name is read; a soft token that is said means nothing.
            marker_of |= dict.fromkeys(self.speaker.ids[concept.name], "")
            marker_of[self.speaker.slots(concept)["{name}"][0]] = concept.marker
        return self.base.vocab.decode_marked(ids, marker_of)

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
            # Of the codes as they are, without decoding: what is drawn is what is looked at.
            likeness = torch.tensor(self.recognise(ids_NK)).view(-1, best_of)
            ids_NK = ids_NK.view(len(texts), best_of, -1)[
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
        return self.read(answer) if certainty(self.speaker, prompt, answer) >= SURE else None

    def prompts_to_draw(self, prompts: Sequence[str], *, recaption: bool = False) -> list[str]:
        """Prompts as they are drawn: whole ('a photo of <bo>.') and in the spelling of the base.

        With `recaption` what the model knows is said in them. A prompt that is given again stays.
        """
        # Each prompt once, however many pictures of it are drawn: asking takes seconds on a large
        # base.
        # A set has no order that two processes share; each prompt is asked by itself.
        asked = {prompt: self.recaption(prompt) if recaption else prompt for prompt in set(prompts)}
        return [picture_prompt(self._spelt(asked[prompt])) for prompt in prompts]

    def _spelt(self, text: str) -> str:
        """A text in the spelling of the base: of two it has one word whole, the other in pieces."""
        return spelt_as(self.base.vocab, text)

    def draw_ids(self, prompts: Sequence[str], how: Draw | None = None) -> torch.Tensor:
        """Image ids [N, K] of a picture for each prompt."""
        self.need_drawing()
        texts = self.prompts_to_draw(prompts)
        whole = list(map(self.drawing, texts))
        return sample_pictures(self.speaker, whole, self.base.codes_per_picture, how or Draw())

    def drawing(self, text: str) -> list[int]:
        """Prompt ids of a picture; the text is one that `prompts_to_draw` gave."""
        return self._user([*self.shown, *self._drawing(text)], self.prompts.generation_answer)

    def _drawing(self, text: str) -> list[int]:
        """Ids of a prompt for a picture, after its introduction."""
        return drawing_prompt(self.base.vocab, self.prompts, self.slots, self.marked(text))

    def need_prompt(self) -> None:
        """Nothing, where the method learned prompts for pictures; else an error that names it."""
        if self.prompts.generation is None:
            method = self.tokens.method if self.tokens else ""
            raise ConceptError(
                f"'{self.name}': method '{method}' learns to understand, not to draw."
                " Learn it with 'joint'."
            )

    def need_drawing(self) -> None:
        """Nothing, where this can draw; else an error that says what cannot."""
        self.need_prompt()
        self.base.need_decoder()


@dataclass(frozen=True)
class Aside(Condition):
    """Sentences about nobody who has a name, such as the user's own; they stand before questions."""

    @property
    def names(self) -> tuple[str, ...]:
        return ()


def aside(base: Base, sentences: str) -> Condition:
    """What a base is told before questions beside concepts."""
    return Aside(base, "user", Prompts(understanding=sentences, generation=""))


@dataclass(frozen=True)
class Together(Condition):
    """Concepts that are spoken of together; without any, the base alone.

    A prompt begins with the introduction of each. A member's slot `{name}` is called `{bo:name}`
    here, so that `<bo>` and `<mia>` in one text become different ids.
    """

    members: tuple[Condition, ...] = ()

    @property
    def parts(self) -> tuple[Condition, ...]:
        return self.members

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for member in self.members for name in member.names)

    @property
    def concepts(self) -> tuple[ConceptTokens, ...]:
        return tuple(concept for member in self.members for concept in member.concepts)

    @cached_property
    def slots(self) -> dict[str, list[int]]:
        slots: dict[str, list[int]] = {}
        for member in self.members:
            own = dict(replace(member, shared=self.speaker).slots)
            own["{subject}"] = self.base.vocab.encode(member.prompts.subject, own)
            slots |= {_owned(slot, member.name): ids for slot, ids in own.items()}
        return slots

    def marked(self, text: str) -> str:
        return self._with_slots(text, "name")

    def _drawing(self, text: str) -> list[int]:
        asked = f"{self.prompts.generation} {self._with_slots(text, 'subject')}"
        return self.base.vocab.encode(asked, self.slots)

    def _with_slots(self, text: str, role: str) -> str:
        check_markers(text, self.names, where="prompt")
        # Written by the user, it would become learned tokens.
        if stray := next((slot for slot in self.slots if slot in text), None):
            raise ConceptError(f"prompt: '{stray}' is a slot of a method's prompts. Leave it out.")
        for name in self.names:
            text = text.replace(f"<{name}>", f"{{{name}:{role}}}")
        return text

    def need_prompt(self) -> None:
        for member in self.members:
            member.need_prompt()

    def knowing(self) -> Condition:
        # Each by itself: tokens know what they know, words must be told.
        return together(self.base, [member.knowing() for member in self.members])

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        """For each picture, the probability of the member that is least likely to be in it; 0 where
        nobody is introduced.
        """
        # `zip` of no members would give nothing, and not one number a picture.
        named = [member for member in self.members if member.names]
        if not named:
            return [0.0] * len(images_NK)
        return [min(each) for each in zip(*(m.recognise(images_NK) for m in named), strict=True)]

    def recaption(self, prompt: str) -> str:
        """The prompt in which 'its hat' is what the concept named last before it has."""
        parts = _FROM_A_MARKER.split(prompt)
        return "".join(self._recaption_part(part) for part in parts)

    def _recaption_part(self, part: str) -> str:
        owner = next((m for m in self.members if part.startswith(f"<{m.name}>")), None)
        return owner.recaption(part) if owner else part


def spelt_as(vocab: Vocab, text: str) -> str:
    """A text in the spelling of a vocabulary: of two spellings the one that it has whole."""
    return british(text, lambda word: len(vocab.inside(word)) == 1)


def together(base: Base, conditions: Iterable[Condition]) -> Condition:
    """What speaks of all their concepts: of one, that one as it is; of none, the base alone.

    Args:
        base: That of the conditions.
        conditions: Of one concept or several; each concept's name is its own.
    """
    members = tuple(part for condition in conditions for part in condition.parts)
    if len(members) == 1:
        return members[0]
    if tuned := next((member for member in members if member.base is not base), None):
        raise ConceptError(
            f"'{tuned.name}': its adapters make another base, on which no other concept was learned."
            " Load it alone."
        )

    def joined(prompt_of: Callable[[Prompts], str | None]) -> str:
        owned = ((prompt_of(member.prompts), member.name) for member in members)
        return " ".join(_owned(prompt, name) for prompt, name in owned if prompt)

    draws = all(member.prompts.generation is not None for member in members)
    prompts = Prompts(
        understanding=joined(lambda prompts: prompts.understanding),
        generation=joined(lambda prompts: prompts.generation) if draws else None,
        understanding_answer=joined(lambda prompts: prompts.understanding_answer),
        generation_answer=joined(lambda prompts: prompts.generation_answer),
    )
    shown = tuple(i for member in members for i in member.shown)
    name = " and ".join(member.name for member in members)
    return Together(base, name, prompts, shown=shown, members=members)


def _owned(prompt: str, name: str) -> str:
    """A member's prompt with its slots called by its name.

    >>> _owned("{name} is {shared}.", "bo")
    '{bo:name} is {bo:shared}.'
    """
    return _SLOT.sub(rf"{{{name}:\1}}", prompt)


def by_condition(
    conditions: Sequence[Condition], make: Callable[[Condition, list[int]], Sequence[Found]]
) -> list[Found]:
    """What `make(condition, places)` gives for all places of each condition, in the order of
    `conditions`.

    >>> bo, mia = Condition(base, "bo"), Condition(base, "mia")
    >>> by_condition([bo, mia, bo], lambda condition, places: [(condition.name, i) for i in places])
    [('bo', 0), ('mia', 1), ('bo', 2)]
    """
    # A dict keeps the order of first sight, so that the batches are the same every time.
    places_of: dict[Condition, list[int]] = {}
    for i, condition in enumerate(conditions):
        places_of.setdefault(condition, []).append(i)
    made: dict[int, Found] = {}
    for condition, places in places_of.items():
        made |= zip(places, make(condition, places), strict=True)
    return [made[i] for i in range(len(conditions))]


@dataclass(frozen=True)
class Said:
    """An answer, and how many ids its prompt and it have."""

    text: str
    prompt_ids: int
    ids: int


def say_each(
    asked: Sequence[tuple[Query, Condition]],
    *,
    max_ids: int,
    hear: Sequence[Callable[[str], None] | None] = (),
) -> list[Said]:
    """The answer to each question under its own condition. All stand in one batch, whatever concepts
    they are about; the likeliest words are taken.

    Args:
        asked: Questions, and conditions on one base.
        max_ids: Ids that an answer may have.
        hear: For each question, what is told its answer as it grows, or None; (): nobody is told.
    """
    if not asked:
        return []
    conditions, prompts = _prompts_in_one_batch(asked)

    def tell(number: int, ids: list[int]) -> None:
        if listener := hear[number]:
            listener(conditions[number].read(ids))

    told = tell if any(hear) else None
    answers = sample_text(conditions[0].speaker, prompts, max_ids=max_ids, hear=told)
    return [
        Said(condition.read(ids), len(prompt), len(ids))
        for condition, prompt, ids in zip(conditions, prompts, answers, strict=True)
    ]


def answer_each(asked: Sequence[tuple[Query, Condition]], *, max_ids: int) -> list[str]:
    """The texts alone of what `say_each` gives.

    Args:
        asked: Questions, and conditions on one base.
        max_ids: Ids that an answer may have.
    """
    return [said.text for said in say_each(asked, max_ids=max_ids)]


def draw_each(
    asked: Sequence[tuple[str, Condition]],
    how: Draw,
    lots: Sequence[Lot],
    *,
    hear: Sequence[Callable[[Image.Image], None] | None] = (),
) -> list[Image.Image]:
    """A picture of each prompt under its own condition, sampled in one batch, whatever concepts they
    are about.

    Args:
        asked: Prompts as a user writes them, and conditions on one base.
        how: Temperature and guidance of all of them.
        lots: The seed of each picture, and its number among those of that seed.
        hear: For each picture, what is shown it as it grows, row by row, or None; (): nobody is.
    """
    if not asked:
        return []
    for _, condition in asked:
        condition.need_drawing()
    conditions = _in_one_batch([condition for _, condition in asked])
    prompts = [
        condition.drawing(*condition.prompts_to_draw([text]))
        for condition, (text, _) in zip(conditions, asked, strict=True)
    ]
    base = conditions[0].base
    side = math.isqrt(base.codes_per_picture)
    rows_of = [0] * len(prompts)

    def tell(number: int, ids: list[int]) -> None:
        # Once for each whole row: decoding takes longer than an id.
        rows = len(ids) // side
        if (listener := hear[number]) and rows > rows_of[number]:
            rows_of[number] = rows
            listener(unfinished(base, ids[: rows * side]))

    ids_NK = sample_pictures(
        conditions[0].speaker,
        prompts,
        base.codes_per_picture,
        how,
        lots=lots,
        hear=tell if any(hear) else None,
    )
    # One by one: what a picture is decoded with changes no pixel of it.
    return [picture for i in range(len(ids_NK)) for picture in base.decode(ids_NK[i : i + 1])]


def unfinished(base: Base, ids: Sequence[int]) -> Image.Image:
    """A picture of which only the first ids are drawn; the rest is grey.

    Args:
        base: What drew them.
        ids: One or more, and at most K.
    """
    number = base.codes_per_picture
    # What is not drawn yet is decoded as more of the last code, and is painted over.
    (picture,) = base.decode(torch.tensor([[*ids, *[ids[-1]] * (number - len(ids))]]))
    top = picture.height * len(ids) // number
    picture.paste(NOT_DRAWN, (0, top, picture.width, picture.height))
    return picture


def yes_each(asked: Sequence[tuple[Query, Condition]]) -> list[float]:
    """P(yes) against P(no) as the answer to each question under its own condition, in one batch."""
    if not asked:
        return []
    conditions, prompts = _prompts_in_one_batch(asked)
    return yes_probability(conditions[0].speaker, prompts).tolist()


def _prompts_in_one_batch(
    asked: Sequence[tuple[Query, Condition]],
) -> tuple[list[Condition], list[list[int]]]:
    """The conditions of questions, all with one speaker, and the questions' prompt ids."""
    conditions = _in_one_batch([condition for _, condition in asked])
    prompts = [
        condition.question(query.text, query.image_ids)
        for condition, (query, _) in zip(conditions, asked, strict=True)
    ]
    return conditions, prompts


def _in_one_batch(conditions: Sequence[Condition]) -> list[Condition]:
    """The same conditions, all with one speaker; equal ones are one object."""
    first, *others = dict.fromkeys(conditions)
    if not others:
        return [first] * len(conditions)
    concepts = dict.fromkeys(c for condition in (first, *others) for c in condition.concepts)
    aliases = frozenset(i for condition in (first, *others) for i in condition.aliases)
    speaker = Speaker(first.base, tuple(concepts), kept=aliases)
    placed = {condition: replace(condition, shared=speaker) for condition in (first, *others)}
    return [placed[condition] for condition in conditions]


def certainty(speaker: LanguageModel, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """The probability of an answer, and of its end, after a prompt."""
    # All beginnings of the answer at once: what comes next after each, the end after the last.
    steps = [[*prompt, *answer[:said]] for said in range(len(answer) + 1)]
    probabilities = next_logits(speaker, steps).softmax(-1)
    ended = probabilities[-1, list(speaker.vocab.ends)].sum()
    return float(probabilities[range(len(answer)), list(answer)].prod() * ended)


def yes_probability(speaker: LanguageModel, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """P(yes) against P(no) as the next word after each prompt, [N]."""
    # The first id of each word: both are one token in every base that was tried.
    yes, no = (speaker.vocab.encode(word)[0] for word in (templates.YES, templates.NO))
    return next_logits(speaker, prompts)[:, [yes, no]].softmax(-1)[:, 0]
