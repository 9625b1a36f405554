"""The same question or prompt put to a concept's tokens and to what they are compared to."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from PIL import Image

from unictoken.core.printing import one_line
from unictoken.core.text import ConceptError, a, check_markers
from unictoken.data.source import Some, named_pictures
from unictoken.measure.sheet import Cell, Row, contact_sheet
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.drawing import Drawing, Drawings, drawings_of
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.sentences import sentences_by_name
from unictoken.personalize.tokens import learned
from unictoken.personalize.words import in_words
from unictoken.tokens.tokens import ConceptTokens

TOKENS, WORDS, PICTURE, NOTHING = "tokens", "in words", "one picture in context", "none"
_QUESTION = re.compile(r"\?\s*$")


@dataclass(frozen=True)
class Given:
    """What one way of telling a base about the concept gave for one text."""

    answer: str = ""
    """To a question; '' for a drawing."""
    drawing: Drawing | None = None
    """Of a prompt; None where it was a question, or where this way cannot draw."""
    recognised: float | None = None
    """The probability, by the tokens, that the drawing shows the concept."""

    def __str__(self) -> str:
        if self.drawing is None:
            return self.answer
        return f"drawn, recognised {self.recognised:.2f}"


@dataclass(frozen=True)
class Comparison:
    """What each way gave: `given` by text, then by way. A notebook shows it as a table."""

    name: str
    told: Mapping[str, str]
    """Ways by name, and what stands for the concept in each."""
    given: Mapping[str, Mapping[str, Given]]

    def __repr__(self) -> str:
        return f"<Comparison of <{self.name}>: {len(self.given)} texts, {', '.join(self.told)}>"

    def lines(self) -> list[str]:
        """The table in plain text: each text, and below it a line for each way."""
        width = max(map(len, self.told))
        lines = []
        for text, by_way in self.given.items():
            lines.append(one_line(text))
            lines += [f"  {way:{width}}  {one_line(str(said))}" for way, said in by_way.items()]
        return lines

    def sheet(self, *, side: int = 128) -> Image.Image:
        """Everything as one labelled picture; `side`: pixels of each drawing's square."""
        rows = [Row(f"{way}: {said}", []) for way, said in self.told.items()]
        for text, by_way in self.given.items():
            cells = [Cell(said.drawing, f"{way}: {said}") for way, said in by_way.items()]
            rows.append(Row(text, cells))
        return contact_sheet(f"<{self.name}>, told in {len(self.told)} ways", rows, side=side)

    def _repr_html_(self) -> str:
        # Names, texts and answers may come from files: all of it is escaped.
        head = "".join(f"<th>{html.escape(way)}</th>" for way in self.told)
        body = "".join(
            f"<tr><th>{html.escape(text)}</th>{''.join(map(_cell, by_way.values()))}</tr>"
            for text, by_way in self.given.items()
        )
        return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _cell(given: Given) -> str:
    shown = Drawings([given.drawing])._repr_html_() + "<br>" if given.drawing else ""
    return f"<td>{shown}{html.escape(str(given))}</td>"


def compare(
    base: Base,
    concept: str | PathLike[str] | ConceptTokens,
    texts: str | Sequence[str],
    *,
    words: Sequence[str] = (),
    pictures: Some | None = None,
    how: Draw | None = None,
) -> Comparison:
    """The same texts put to a base with the concept's tokens, told in words, shown one picture, and
    told nothing.

    Args:
        base: The concept's.
        concept: A concept file, the name of one, or what `learn` gave.
        texts: Questions, which end with a question mark and are answered, and prompts, which are
            drawn. They name the concept, as '<bo> wearing a hat' does.
        words: Sentences about '<bo>' for the way in words; (): what its class noun says.
        pictures: Of the concept; the first one is shown in context. None: not compared.
        how: Of drawing; None: the usual way. Every way draws with the same seed.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    tokens = learned(base, concept)
    for text in texts:
        check_markers(text, tokens.names, where="compare")
    if not texts:
        raise ConceptError("compare: found no text. Give a question or a prompt, or several.")
    ways = ways_of(base, tokens, words, pictures)
    questions = [text for text in dict.fromkeys(texts) if _QUESTION.search(text)]
    prompts = [text for text in dict.fromkeys(texts) if not _QUESTION.search(text)]
    # In the order in which they were asked, whatever is done first.
    given: dict[str, dict[str, Given]] = {text: {} for text in texts}
    for way, condition in ways.items():
        for question, answer in zip(questions, condition.ask(questions), strict=True):
            given[question][way] = Given(answer)
        for prompt, drawn in zip(prompts, _drawn(tokens, condition, prompts, how), strict=True):
            given[prompt][way] = drawn
    return Comparison(tokens.name, {way: _told(c) for way, c in ways.items()}, given)


def ways_of(
    base: Base, tokens: Condition, words: Sequence[str], pictures: Some | None
) -> dict[str, Condition]:
    """The ways to tell a base about a concept, by name.

    Args:
        base: The base.
        tokens: The concept as it was learned.
        words: Sentences about it; (): what its class noun says.
        pictures: Of it; None: no such way.
    """
    name = tokens.name
    said = sentences_by_name(words)
    if strays := sorted(set(said) - {name}):
        raise ConceptError(f"words: found one about <{strays[0]}>, expected <{name}>'s only.")
    assert tokens.tokens  # `learned` gives no other condition
    sentences = said.get(name) or [f"{{name}} is {a(tokens.tokens.class_noun)}."]
    ways = {TOKENS: tokens, WORDS: in_words(base, name, " ".join(sentences))}
    if pictures is not None:
        # One: several in each prompt may be longer than a base of 1,024 ids a picture can read.
        _, first = next(named_pictures(pictures, "picture"))
        facts = " ".join(said.get(name, ()))
        ways[PICTURE] = in_pictures(base, name, base.encode([first]), facts=facts)
    return {**ways, NOTHING: in_words(base, name, "")}


def _told(condition: Condition) -> str:
    """What stands for the concept, for people."""
    if condition.tokens:
        return f"{len(condition.tokens.rows_in)} learned tokens"
    told = condition.prompts.understanding.replace("{name}", f"<{condition.name}>")
    parts = [*(["a picture"] if condition.shown else []), *([told] if told else [])]
    return ", ".join(parts) or "only its name"


def _drawn(
    tokens: Condition, condition: Condition, prompts: Sequence[str], how: Draw | None
) -> list[Given]:
    """A drawing of each prompt, and whether the tokens recognise it."""
    if not prompts:
        return []
    if not condition.can_draw:
        return [Given("cannot draw") for _ in prompts]
    # Ids are recognised as they are drawn: a decoded picture that is encoded again has other ones.
    drawn_NK = condition.draw_ids(prompts, how)
    pictures = drawings_of(condition.base.decode(drawn_NK), prompts)
    found = tokens.recognise(drawn_NK)
    return [Given("", picture, p) for picture, p in zip(pictures, found, strict=True)]
