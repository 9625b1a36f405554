"""The protocols: what a conditioning is asked about one concept of a dataset, and how each answer
is scored.

Every protocol gives predictions (`predictions.py`), and every number is made of predictions alone
(`scores.py`), so that anyone can recount. Tasks of predictions:

    positive, negative_<grade>     recognition: yes or no, by its probability
    vqa, text_qa, facts            free answers; facts are what the owner told and no picture shows
    vqa_judged, ...                how far they say what was expected, as a model behind an endpoint sees it
    choice, vqa_choice, text_qa_choice      the same with options
    caption, caption_other         whether a caption names the concept: of its pictures, of others (None: it cannot be told)
    attributes                     share of a scene's attributes that a caption says
    drawn                          a picture that was drawn, and its kind of prompt
    identity, prompt, palette, knowledge    what is drawn, as a judge sees it (palette: RGB distance, less is better)
    knowledge_recaption            the same, the model asked first what the prompt points at
    identity_preview, ...          the same, of several drawings the one that the tokens recognise best
    unchanged                      whether a prompt that does not name the concept has the base's own logits, bit for bit, with it loaded
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unictoken.conditioning import Conditioning, in_words
from unictoken.core.pictures import read_shrunk, write_picture
from unictoken.core.text import a
from unictoken.data import templates
from unictoken.data.records import KNOWLEDGE, Concept, Record
from unictoken.data.sequence import user_turn
from unictoken.data.templates import NO, YES
from unictoken.data.worlds import world
from unictoken.measure import metrics
from unictoken.measure.endpoint import EndpointJudge
from unictoken.measure.predictions import Prediction
from unictoken.measure.verdict import AnyJudge, Claim, ColourJudge, Truth
from unictoken.model.base import Base
from unictoken.model.draw import Draw
from unictoken.model.sampling import next_logits

MAX_ANSWER = 24  # ids


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A concept of a dataset made ready to be asked about: its test pictures encoded once, its
    truth where it is known.
    """

    concept: Concept
    root: Path
    ids: Mapping[Path, torch.Tensor]
    """Image ids [K] by test picture."""
    references: tuple[Image.Image, ...]
    truth: Truth | None = None

    def images(self, records: Sequence[Record]) -> torch.Tensor:
        """Image ids [N, K] of each record's picture."""
        return torch.stack([self.ids[file] for file in _files(records)])


def make_ready(base: Base, concept: Concept, root: Path, truth: Truth | None = None) -> Subject:
    """Encode every picture that the concept's test shows.

    Args:
        base: What encodes them.
        concept: The concept and its records.
        root: The dataset's folder.
        truth: What the drawn world knows of the test; None: nothing is known.
    """
    # A picture stands in many records; each is encoded once.
    files = list(
        dict.fromkeys(
            file for record in concept.records if record.split == "test" for file in record.pictures
        )
    )
    encoded = base.encode(map(read_shrunk, files))
    references = tuple(map(read_shrunk, concept.pictures))
    return Subject(
        concept=concept,
        root=root,
        ids=dict(zip(files, encoded, strict=True)),
        references=references,
        truth=truth,
    )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One conditioning on one concept. `drawings`: where its pictures are kept."""

    method: str
    spoken: Conditioning
    subject: Subject
    judge: AnyJudge | None
    drawings: Path
    seed: int
    list_options: bool = True
    """Of multiple choice, after the question; else the question is asked alone, and what is
    answered is looked for among the options.
    """
    previews: int = 1
    """Tokens draw everything once more, and of so many drawings the one is judged that they
    recognise best; 1: they do not.
    """

    def predictions(self) -> list[Prediction]:
        """Every protocol that the dataset has records for."""
        answers = [*self.answer("vqa"), *self.answer("text_qa"), *self.choose()]
        return [*self.recognise(), *answers, *self.caption(), *self.draw(), *self.unchanged()]

    def recognise(self) -> list[Prediction]:
        """Yes or no at probability .5, averaged over the ways to ask."""
        asked = self._pictured()
        said = self.spoken.recognise(self.subject.images(asked)) if asked else []
        return [
            self._prediction(
                "positive" if record.answer == YES else f"negative_{record.grade or 'other'}",
                record,
                question=templates.RECOGNISE[0],
                given=f"{YES if p > 0.5 else NO} ({p:.3f})",
                score=float((YES if p > 0.5 else NO) == record.answer),
            )
            for record, p in zip(asked, said, strict=True)
        ]

    def answer(self, task: str) -> list[Prediction]:
        """Free answers, right when they have the words of the expected one and no others."""
        asked = [record for record in self._records(task) if not record.options]
        told = {record.question for record in self.subject.concept.select("text_qa", split="train")}
        said = self._ask([record.question for record in asked], asked)
        made = []
        for record, given in zip(asked, said, strict=True):
            # a question that was trained on: what is learned by heart is counted apart
            name = "facts" if record.question in told and not record.pictures else task
            made.append(
                self._prediction(
                    name, record, given=given, score=float(metrics.exact(given, record.answer))
                )
            )
            if isinstance(self.judge, EndpointJudge):
                score = self.judge.compare(record.question, record.answer, given).score
                made.append(self._prediction(f"{name}_judged", record, given=given, score=score))
        return made

    def choose(self) -> list[Prediction]:
        """Multiple choice, about pictures and without them."""
        made = []
        for task in ("choice", "vqa", "text_qa"):
            asked = [record for record in self._records(task) if record.options]
            choices = [shuffled(record, self.subject.root) for record in asked]
            pairs = zip(asked, choices, strict=True)
            questions = [
                f"{record.question} {_listed(choice)}" if self.list_options else record.question
                for record, choice in pairs
            ]
            said = self._ask(questions, asked)
            name = "choice" if task == "choice" else f"{task}_choice"
            made += [
                self._prediction(
                    name,
                    record,
                    given=given,
                    score=float(metrics.chosen(given, c.options) == c.right),
                    question=question,
                )
                for record, question, c, given in zip(asked, questions, choices, said, strict=True)
            ]
        return made

    def caption(self) -> list[Prediction]:
        """Captions of every picture of the recognition test: whether they name the concept, and
        what of the scene they say.
        """
        asked = self._pictured()
        said = self.spoken.caption(self.subject.images(asked)) if asked else []
        made = []
        for record, given, named in zip(asked, said, self._named(asked, said), strict=True):
            own = record.answer == YES
            task = "caption" if own else "caption_other"
            score = None if named is None else float(named == own)
            made.append(
                self._prediction(task, record, given=given, score=score, question="caption")
            )
            if own and self.subject.truth:
                phrases = self.subject.truth.said_in(record.pictures[0].name)
                score, expected = (
                    metrics.attribute_recall([given], [phrases])["attributes"],
                    "; ".join(phrases.values()),
                )
                made.append(
                    self._prediction(
                        "attributes",
                        record,
                        given=given,
                        score=score,
                        question="caption",
                        expected=expected,
                    )
                )
        return made

    def _named(self, asked: list[Record], captions: list[str]) -> list[bool | None]:
        """Whether each caption names the concept.

        Tokens say its marker. Who was told of it in words says the plain word of its name, which
        may be an ordinary one ('red', 'will'): where the base says that word of these pictures also
        when it was told of nobody, it cannot be told (None).
        """
        name = self.subject.concept.name
        if self.spoken.concept is not None:
            return [metrics.says(caption, name) for caption in captions]
        named = [metrics.says(caption, name, marked=False) for caption in captions]
        if not any(named):
            return named
        untold = in_words(self.spoken.base, name, "").caption(self.subject.images(asked))
        is_ordinary = any(metrics.says(caption, name, marked=False) for caption in untold)
        return [None] * len(captions) if is_ordinary else named

    def draw(self) -> list[Prediction]:
        """One picture for each prompt, kept as a file, and what the judge says of it."""
        asked = self._records("generate")
        if not asked or not self.spoken.can_draw:
            return []
        pictures = [*self._drawn([r for r in asked if r.kind != KNOWLEDGE], self.spoken)]
        # 'its hat' can be drawn only by who knows the facts
        pictures += self._drawn([r for r in asked if r.kind == KNOWLEDGE], self.spoken.knowing())
        made = []
        for i, (record, picture) in enumerate(pictures):
            kept = self._kept(picture, f"{i:02d}")
            made.append(
                self._prediction("drawn", record, given=record.kind, score=None, picture=kept)
            )
            made += self._judged(record, picture, kept)
        if self.judge is None:  # the further drawings are made to be judged only
            return made
        helped = self._recaptioned([r for r in asked if r.kind == KNOWLEDGE])
        return [*made, *helped, *self._previewed(asked)]

    def _recaptioned(self, asked: list[Record]) -> list[Prediction]:
        """Knowledge-driven prompts again, where the model is first asked what they only point at
        (`Conditioning.recaption`).
        """
        drawn = self._drawn(asked, self.spoken.knowing(), recaption=True)
        return [
            p
            for record, picture in drawn
            for p in self._judged(record, picture, option="_recaption")
        ]

    def _previewed(self, asked: list[Record]) -> list[Prediction]:
        """Every prompt again, where of several drawings the one is kept that the tokens recognise
        best.
        """
        if self.previews == 1 or self.spoken.concept is None:
            return []
        drawn = self._drawn(asked, self.spoken, previews=self.previews)
        kept = [
            self._kept(picture, f"{i:02d}-of-{self.previews}")
            for i, (_, picture) in enumerate(drawn)
        ]
        return [
            p
            for (record, picture), file in zip(drawn, kept, strict=True)
            for p in self._judged(record, picture, file, option="_preview")
        ]

    def _kept(self, picture: Image.Image, name: str) -> str:
        """The path of a drawing, now that it is a file, as predictions say it."""
        file = self.drawings / self.subject.concept.name / self.method / f"{name}.png"
        write_picture(picture, file)
        return str(file.relative_to(self.drawings.parent))

    def _drawn(
        self, records: list[Record], spoken: Conditioning, **options
    ) -> list[tuple[Record, Image.Image]]:
        drawn = (
            spoken.draw([record.question for record in records], Draw(seed=self.seed), **options)
            if records
            else []
        )
        return list(zip(records, drawn, strict=True))

    def _judged(
        self, record: Record, picture: Image.Image, file: str | None = None, *, option: str = ""
    ) -> list[Prediction]:
        """What a drawing shows: who it is, what the prompt asked for, or the hat that only a fact
        tells. `option`: how it was drawn.
        """
        if self.judge is None:
            return []
        claims = self._claims(record)
        verdicts = self.judge.check([picture] * len(claims), list(claims.values()))
        made = [
            self._prediction(
                task + option,
                record,
                given=verdict.said,
                score=verdict.score,
                expected=claims[task].text,
                picture=file,
            )
            for task, verdict in zip(claims, verdicts, strict=True)
        ]
        truth = self.subject.concept.truth
        if record.kind == KNOWLEDGE or truth is None or not isinstance(self.judge, ColourJudge):
            return made
        colour = self.judge.read_colour(picture, truth)
        palette = self._prediction(
            "palette" + option,
            record,
            given=str([round(v) for v in colour.seen]),
            score=float(np.linalg.norm(np.subtract(colour.seen, colour.exact))),
            expected=str(list(colour.exact)),
            picture=file,
        )
        return [*made, palette]

    def _claims(self, record: Record) -> dict[str, Claim]:
        """What is to be checked of a drawing, by task."""
        concept, truth, references = (
            self.subject.concept,
            self.subject.truth,
            self.subject.references,
        )

        def shows(what: str) -> str:
            return without_name(
                f"The picture shows '{record.question}'{what}", concept.name, concept.class_noun
            )

        if record.kind == KNOWLEDGE:
            text = shows(f", where {' '.join(concept.facts)}")
            return {
                "knowledge": Claim(
                    text=text, attributes=truth.hat if truth else {}, references=references
                )
            }
        who = {} if concept.truth is None else world().identity(concept.truth)
        claims = {
            "identity": Claim(
                text=f"It is the {concept.class_noun} of the reference pictures.",
                attributes=who,
                references=references,
            )
        }
        wished = truth.prompts.get(record.question, {}) if truth else {}
        # 'a photo of <bo>' asks a drawn world for nothing beside the concept
        if wished or not truth:
            claims["prompt"] = Claim(text=shows("."), attributes=wished)
        return claims

    def unchanged(self) -> list[Prediction]:
        """Whether the next logits after a caption's question, without the concept's name, are the
        base's own with the concept loaded.
        """
        if self.spoken.concept is None:
            return []
        base, question = self.spoken.base, templates.CAPTION[0]
        asked = [r for r in self._pictured() if r.answer == YES]
        form = base.vocab.encode(question)
        prompts = [
            user_turn([*base.vocab.picture(ids), *form], base.vocab)
            for ids in map(self.subject.ids.get, _files(asked))
        ]
        pairs = (
            zip(
                asked,
                next_logits(base, prompts),
                next_logits(self.spoken.speaker, prompts),
                strict=True,
            )
            if prompts
            else ()
        )
        made = []
        for record, before, after in pairs:
            # virtual ids stand after the base's own
            same, difference = metrics.same_logits(before, after[: len(before)])
            made.append(
                self._prediction(
                    "unchanged",
                    record,
                    given=str(difference),
                    score=float(same),
                    question=question,
                    expected="0.0",
                )
            )
        return made

    def _records(self, task: str) -> list[Record]:
        """The test records that are about this concept alone: only its tokens are loaded."""
        return [
            r
            for r in self.subject.concept.select(task, split="test")
            if r.concepts == (self.subject.concept.name,)
        ]

    def _pictured(self) -> list[Record]:
        """One record for each picture of the recognition test, however often it is asked about."""
        return list(
            {
                (record.pictures[0], record.answer): record for record in self._records("recognise")
            }.values()
        )

    def _ask(self, questions: list[str], records: list[Record]) -> list[str]:
        """Answers in order; records of one task are all about pictures, or all about none."""
        if not records:
            return []
        seen = self.subject.images(records) if records[0].pictures else None
        return self.spoken.ask(questions, seen, max_ids=MAX_ANSWER)

    def _prediction(
        self, task: str, record: Record, *, given: str, score: float | None, **other
    ) -> Prediction:
        shown = str(record.pictures[0].relative_to(self.subject.root)) if record.pictures else None
        known = {"question": record.question, "expected": record.answer, "picture": shown} | other
        return Prediction(
            concept=self.subject.concept.name,
            method=self.method,
            task=task,
            given=given,
            score=score,
            **known,
        )


def shuffled(record: Record, root: Path) -> metrics.Choice:
    """A record's options in an order of its own place, the same wherever the dataset lies."""
    place = str(record.where).removeprefix(str(root))
    return metrics.shuffle(
        metrics.Choice(record.options, record.options.index(record.answer)), record=place
    )


def without_name(text: str, name: str, noun: str) -> str:
    """A text for who was never told of the concept: 'a <bo> by <bo>' becomes 'a dog by the dog'."""
    with_article = re.sub(
        rf"\b(a|an|the) <{re.escape(name)}>",
        lambda found: f"the {noun}" if found[1] == "the" else a(noun),
        text,
    )
    return with_article.replace(f"<{name}>", f"the {noun}")


def _listed(choice: metrics.Choice) -> str:
    return " ".join(
        f"{letter}. {option}"
        for letter, option in zip(metrics.LETTERS, choice.options, strict=False)
    )


def _files(records: Sequence[Record]) -> list[Path]:
    return [record.pictures[0] for record in records]
