"""Asking and drawing: a base with one concept or several, as people use it.

One text gives one answer, a list gives a list. A picture is a path, a PIL image, or a numpy array of
uint8, [height, width, 3].
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image

from unictoken.core import config
from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.core.pictures import ImageSource, PictureError, as_picture
from unictoken.core.text import ConceptError, check_markers
from unictoken.data import templates
from unictoken.data.clips import FRAMES, Clip, frames_of, photos_of
from unictoken.data.concept import Concept
from unictoken.data.source import Some, named_pictures, noun_of
from unictoken.model.draw import Draw
from unictoken.model.encoders import Encoder
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.captions import best_captions
from unictoken.personalize.condition import Condition, answer_each, by_condition, spelt_as
from unictoken.personalize.drawing import Drawing, Drawings, drawings_of
from unictoken.personalize.features import By, FeatureSearch, Referring, in_order
from unictoken.personalize.gain import gains
from unictoken.personalize.location import Location, locate
from unictoken.personalize.query import Personalization, Query, Seen, queries_of
from unictoken.personalize.user import likes
from unictoken.personalize.which import check_photos, sought, told

Texts = str | Sequence[str]
Picture = str | PathLike[str] | Image.Image | np.ndarray[Any, Any]
Pictures = Picture | Sequence[Picture] | Seen | torch.Tensor
"""One picture or a list; or those that are encoded, as `Seen` or as image ids [N, K] of
`base.encode`, which count as a list.
"""
_WORD, _MARKER = re.compile(r"[^\W\d_]+"), re.compile(r"<[\w-]+>")
_WHO = re.compile(r"\s*who\b", re.IGNORECASE)
_BESIDE = re.compile(r"\s*who is (beside|next to|with) <", re.IGNORECASE)
_WHAT = re.compile(r"\s*what is on the (left|right)\s*\??$", re.IGNORECASE)
_ON_A_SIDE = re.compile(r"\bon the (left|right)\b", re.IGNORECASE)
NOBODY = "nobody that I know"


class Session:
    """A base with concepts on it: `base.with_concepts(...)` makes one.

    >>> chat = base.with_concepts("mia")
    >>> chat
    <Session on 'tiny' with <mia>>
    >>> chat.ask("what animal is <mia>?")
    'a fox'
    >>> chat.ask(["what colour is <mia>?", "what animal is <mia>?"])[1]
    'a fox'
    >>> hat = chat.draw("<mia> wearing a hat", seed=1)
    >>> hat
    <Drawing '<mia> wearing a hat', 256 x 256>
    >>> chat.recognise(hat, "mia") > 0.5
    True

    Who is introduced to the base is chosen by the personalization: of several concepts as `Several`
    says. 'who is in the photo?' is answered by the names of those that are recognised, from left to
    right, and 'who is on the left?' by those among them who stand there, on every base alike. So is
    'what is on the left?' where a concept stands there; what else does, the base says.
    """

    def __init__(self, base: Base, personalization: Personalization):
        self.base, self.personalization = base, personalization

    @property
    def names(self) -> tuple[str, ...]:
        return self.personalization.names

    def __repr__(self) -> str:
        marked = ", ".join(f"<{name}>" for name in self.names)
        return f"<Session on '{self.base.name}' with {marked}>"

    def _repr_html_(self) -> str:
        """For notebooks: the base, and each concept that was learned."""
        # Not by a query: a memory would note that it was asked.
        members = getattr(self.personalization, "members", ())
        learned = [one for member in members for one in getattr(member, "concepts", ())]
        shown = "".join(concept._repr_html_() for concept in learned)
        return f"<p>{html.escape(repr(self))}</p>{shown}"

    def ask(
        self, question: Texts, image: Pictures | None = None, *, max_ids: int = ANSWER_IDS
    ) -> str | list[str]:
        """The answer to a question, about a picture or about none. The likeliest words are taken.

        Args:
            question: A text that may name concepts ('what colour is <bo>?'), or a list of them.
            image: A picture, or a list of them. One picture goes with each question, one question
                with each picture; of two lists, each question has its own picture.
            max_ids: Ids that an answer may have.

        Returns:
            A text; a list of them where a list was given.
        """
        questions, many_questions = texts_of(question, "question")
        config.check_count("max_ids", max_ids)
        seen, many_images = None, False
        if image is not None:
            seen, many_images = self._seen(image)
            if not many_questions:
                # One question about each picture.
                questions = questions * len(seen)
            elif not many_images:
                seen = seen.repeated(len(questions))
            if len(questions) != len(seen):
                raise UserError(
                    f"ask: found {len(questions)} questions and {len(seen)} pictures. "
                    "Give as many of both, or one of either."
                )
        answers = self._answers(questions, seen, max_ids)
        return answers if many_questions or many_images else answers[0]

    def watch(
        self,
        question: Texts,
        clip: Clip,
        *,
        frames: int = FRAMES,
        max_ids: int = ANSWER_IDS,
    ) -> str | list[str]:
        """The answer to a question about a clip, which the base sees as pictures in one turn: it has
        no other sense of time (PVChat's questions, without its video encoder).

        'Which photo shows <bo>?' is answered by recognising the concept in each photo of a folder or
        a list by itself, of up to 64.

        Args:
            question: A text that may name concepts ('what does <bo> do?'), or a list of them.
            clip: A folder of frames, a video file, or pictures in the order of time.
            frames: So many are taken, evenly spread. The tiny base was taught up to four.
            max_ids: Ids that an answer may have.

        Returns:
            A text; a list of them where a list was given.
        """
        questions, many = texts_of(question, "question")
        for text in questions:
            check_markers(text, self.names, where="question")
        answers = self._which(questions, clip)
        others = [i for i in range(len(questions)) if i not in answers]
        if others:
            asked = [questions[i] for i in others]
            said = self._watched(asked, frames_of(clip, frames), max_ids)
            answers |= zip(others, said, strict=True)
        return [answers[i] for i in range(len(questions))] if many else answers[0]

    def _which(self, questions: Sequence[str], clip: Clip) -> dict[int, str]:
        """The answers to 'which photo shows <bo>?', by the question's number."""
        names = {i: name for i, text in enumerate(questions) if (name := sought(text))}
        photos = photos_of(clip) if names else None
        if not photos:
            return {}
        check_photos(len(photos))
        seen, _ = self._seen(photos)
        found = {name: self.recognise(seen, name) for name in dict.fromkeys(names.values())}
        return {i: told(np.atleast_1d(found[name]).tolist()) for i, name in names.items()}

    def _watched(
        self, questions: Sequence[str], pictures: Sequence[ImageSource], max_ids: int
    ) -> list[str]:
        """Answers to questions about pictures that stand in one turn."""
        seen, _ = self._seen(list(pictures))
        # A gate or a memory looks at one picture: at the middle one.
        middle = len(seen) // 2
        looked_at = Seen(seen.ids_NK[[middle]], (pictures[middle],)).repeated(len(questions))
        conditions = self.personalization.conditions(queries_of(questions, looked_at))
        # One row of ids: the frames of one clip stand in one turn.
        whole = queries_of(questions, seen.ids_NK.reshape(1, -1).expand(len(questions), -1))
        return answer_each(list(zip(whole, conditions, strict=True)), max_ids=max_ids)

    def untaught(self, text: str) -> tuple[str, ...]:
        """The words of a text that the base was never taught, each once; none for a general base.

        >>> base.with_concepts("mia").untaught("<mia> wearing a scarf")
        ('scarf',)
        """
        if self.base.profile.world is None:
            return ()
        # A base of a drawn world has whole in its vocabulary what its training said.
        words = _WORD.findall(spelt_as(self.base.vocab, _MARKER.sub(" ", text)).lower())
        unknown = (word for word in words if len(self.base.vocab.inside(word)) > 1)
        return tuple(dict.fromkeys(unknown))

    def caption(self, image: Pictures, *, best_of: int = 1, seed: int = 0) -> str | list[str]:
        """What a picture shows; concepts that are recognised in it are called by their names.

        Args:
            image: A picture, or a list of them.
            best_of: Write so many captions of each picture and keep the one that it fits best, as an
                answer and as a prompt that it was drawn after. Of two in a picture the tiny base
                then says more captions wholly right (`checkpoints/tiny-chameleon/README.md`).
            seed: Of captions beside the first.

        Returns:
            A text; a list of them where a list was given.
        """
        config.within("best_of", best_of, 1, config.MOST_BEST_OF)
        seen, many = self._seen(image)
        questions = [templates.CAPTION[0]] * len(seen)
        if best_of == 1:
            captions = self._answers(questions, seen, ANSWER_IDS)
        else:
            conditions = self.personalization.conditions(queries_of(questions, seen))

            def written(condition: Condition, places: list[int]) -> list[str]:
                return best_captions(condition, seen.ids_NK[places], best_of, seed=seed)

            captions = by_condition(conditions, written)
        return captions if many else captions[0]

    def recognise(self, image: Pictures, name: str | None = None) -> float | list[float]:
        """The probability that a picture shows the concept.

        Args:
            image: A picture, or a list of them.
            name: Which concept; None: the only one.

        Returns:
            A number from 0 to 1; a list of them where a list was given.
        """
        # The marker alone as a text: it names whom to look for, so that nobody else is introduced.
        marker = f"<{self._known(name)}>"
        seen, many = self._seen(image)
        queries = queries_of([marker] * len(seen), seen, "probability")

        def recognise(condition: Condition, places: list[int]) -> list[float]:
            return condition.recognise(seen.ids_NK[places])

        found = by_condition(self.personalization.conditions(queries), recognise)
        return found if many else found[0]

    def locate(self, image: Pictures, name: str | None = None) -> Location | list[Location]:
        """Where in a picture the concept is, whether it is there or not: ask `recognise` first.

        Args:
            image: A picture, or a list of them.
            name: Which concept; None: the only one.

        Returns:
            A `Location`; a list of them where a list was given.
        """
        marker = f"<{self._known(name)}>"
        seen, many = self._seen(image)
        queries = queries_of([marker] * len(seen), seen, "probability")

        def locate_all(condition: Condition, places: list[int]) -> list[Location]:
            return locate(condition, seen.ids_NK[places])

        found = by_condition(self.personalization.conditions(queries), locate_all)
        return found if many else found[0]

    def likes(self, image: Pictures, name: str | None = None) -> float | list[float]:
        """The probability that a user likes a picture, who was learned with `kind: user`. Pictures
        are ranked by it.

        Args:
            image: A picture, or a list of them.
            name: Which user; None: the only concept that is loaded.

        Returns:
            A number from 0 to 1; a list of them where a list was given.
        """
        marker = f"<{self._known(name)}>"
        seen, many = self._seen(image)
        queries = queries_of([marker] * len(seen), seen, "probability")

        def liking(condition: Condition, places: list[int]) -> list[float]:
            return likes(condition, seen.ids_NK[places])

        found = by_condition(self.personalization.conditions(queries), liking)
        return found if many else found[0]

    def find(
        self,
        prompt: str,
        images: Sequence[Picture] | Seen,
        *,
        by: By = "likelihood",
        encoder: Encoder | None = None,
        references: Mapping[str, Some] | None = None,
    ) -> list[tuple[int, float]]:
        """Pictures by how well a prompt fits them, the best first: retrieval by words with a concept
        in them (PALAVRA, ConCon-Chi).

        Args:
            prompt: What is looked for: '<bo> on the beach'.
            images: Those to look through.
            by: 'likelihood': how much likelier the prompt makes a picture; 'features': the cosine of
                a picture's features with those of the concept's pictures and of the words.
            encoder: What makes features (`load_encoder`), with a text half where there are words
                beside names; None: the base, which has none.
            references: The concepts' pictures by name, for features; None: those of a memory or of
                `with_pictures`.

        Returns:
            (its number among `images`, by how many nats the prompt makes an id of it likelier than
            the class noun alone does, or its cosine), of every picture.
        """
        check_text(prompt, "prompt")
        return self.find_each([prompt], images, by=by, encoder=encoder, references=references)[0]

    def find_each(
        self,
        prompts: Sequence[str],
        images: Sequence[Picture] | Seen,
        *,
        by: By = "likelihood",
        encoder: Encoder | None = None,
        references: Mapping[str, Some] | None = None,
    ) -> list[list[tuple[int, float]]]:
        """What `find` gives of each prompt; what the class noun alone gives, and the pictures'
        features, are computed once for all of them.

        Args:
            prompts: What is looked for.
            images: Those to look through.
            by: As in `find`, and so are `encoder` and `references`.
            encoder: For features.
            references: For features.
        """
        if by not in get_args(By):
            raise UserError(f"find: by {quoted(by)}. Expected one of {', '.join(get_args(By))}.")
        if by == "features":
            search = self.by_features(encoder, references)
            for prompt in prompts:
                check_markers(prompt, self.names, where="prompt")
            queries = [search.query(prompt) for prompt in prompts]
            return [in_order(of_N) for of_N in search.scores(queries, self._seen(images)[0])]
        if encoder is not None or references is not None:
            raise UserError("find: an encoder and references compare features. Give by='features'.")
        seen, _ = self._seen(images)
        if not len(seen):
            return [[] for _ in prompts]

        def fits(condition: Condition, places: list[int]) -> list[list[float]]:
            texts = [prompts[i] for i in places]
            return [of_NK.mean(1).tolist() for of_NK in gains(condition, texts, seen.ids_NK)]

        return [in_order(scores) for scores in by_condition(self._to_draw(prompts), fits)]

    def by_features(
        self, encoder: Encoder | None = None, references: Mapping[str, Some] | None = None
    ) -> FeatureSearch:
        """What `find` looks with by features, for many pictures a few at a time.

        Args:
            encoder: What makes features; None: the base.
            references: The concepts' pictures by name, beside those that are known.
        """
        given = references or {}
        for name in given:
            self._known(name, where="references")
        knows = self.personalization

        def reference(name: str) -> Concept:
            found = knows.reference(name) if isinstance(knows, Referring) else None
            known = found or Concept(name=name)
            if name not in given:
                return known
            pictures = tuple(picture for _, picture in named_pictures(given[name], "reference"))
            noun = known.class_noun or noun_of(given[name])
            return replace(known, class_noun=noun, pictures=pictures)

        return FeatureSearch(self.base, encoder, reference)

    def draw(
        self,
        prompt: Texts,
        *,
        num_images: int | None = None,
        seed: int = Draw.seed,
        guidance: float = Draw.guidance,
        temperature: float = Draw.temperature,
        top_p: float = Draw.top_p,
        recaption: bool = False,
        best_of: int = 1,
    ) -> Drawing | Drawings:
        """A picture of a prompt such as '<bo> wearing a hat'.

        The same seed draws the same pictures. Pictures of one prompt in a list differ.

        Args:
            prompt: A text that may name concepts, or a list of them.
            num_images: So many pictures of each prompt, as a list; None: one.
            seed: Of the sampling.
            guidance: How closely a picture follows its prompt; 1 turns guidance off.
            temperature: Of the sampling; 0 takes the likeliest id at every place.
            top_p: Ids are sampled from the smallest set that holds this much of the probability.
            recaption: Ask the model first what 'its hat' is, and draw that.
            best_of: Draw so many for each picture and keep the one that is recognised best.

        Returns:
            A `Drawing`, which is a PIL image; `Drawings`, a list, where a list was given or
            `num_images`.
        """
        prompts, many = texts_of(prompt, "prompt")
        asked = {"seed": seed, "guidance": guidance, "temperature": temperature, "top_p": top_p}
        # Checked as a config is, so that the errors are the same as of the command line.
        how = config.build(Draw, asked, "draw")
        if num_images is not None:
            config.check_count("num_images", num_images, config.MOST_PICTURES)
            # Pictures of one prompt stand beside each other, as the caller expects them back.
            prompts, many = [text for text in prompts for _ in range(num_images)], True
        # Bounded before anything of this size is made.
        config.within("prompts times num_images", len(prompts), 0, config.MOST_PICTURES)
        config.check_count("best_of", best_of)
        conditions = self._to_draw(prompts)

        def draw(condition: Condition, places: list[int]) -> list[Image.Image]:
            texts = [prompts[i] for i in places]
            if not condition.names:  # nobody to ask about, or to recognise
                return condition.draw(texts, how)
            return condition.draw(texts, how, recaption=recaption, best_of=best_of)

        drawn = drawings_of(by_condition(conditions, draw), prompts)
        return drawn if many else drawn[0]

    def recaption(self, prompt: str) -> str:
        """The prompt with what the model answers in the place of 'its hat' and the like."""
        return self._to_draw([prompt])[0].recaption(prompt)

    def _to_draw(self, prompts: Sequence[str]) -> Sequence[Condition]:
        """The condition of each prompt for a drawing."""
        names = self.names
        for prompt in prompts:
            check_markers(prompt, names, where="prompt")
        return self.personalization.conditions(queries_of(prompts, wanted="picture"))

    def _known(self, name: str | None, *, where: str = "recognise") -> str:
        """The concept to recognise."""
        names = self.names
        known = ", ".join(names)
        if name is None and len(names) > 1:
            raise ConceptError(f"{where}: which concept? Give the name of one: {known}.")
        if name is not None and name not in names:
            raise ConceptError(
                f"{where}: {quoted(name)} is not a concept that is loaded. Loaded: {known}. Name"
                " one of them."
            )
        return name or names[0]

    def _answers(self, questions: Sequence[str], seen: Seen | None, max_ids: int) -> list[str]:
        """An answer to each question, each about its own picture or all about none."""
        understood = self._understood_each(questions, seen)
        # All that are answered in words go to the model together, whatever their concepts are.
        in_words = [each for each in understood if not isinstance(each, str)]
        said = iter(answer_each(in_words, max_ids=max_ids))
        return [each if isinstance(each, str) else next(said) for each in understood]

    def understood(
        self, question: str, image: Picture | None = None
    ) -> str | tuple[Query, Condition]:
        """A question as it goes to the model, with its condition; or its answer, where that is made
        of names. Questions to several sessions of one base are then answered in one batch
        (`condition.say_each`).

        Args:
            question: A text that may name concepts.
            image: A picture that it is about; None: about none.
        """
        texts_of(question, "question")
        seen = None if image is None else self._seen(image)[0]
        return self._understood_each([question], seen)[0]

    def _understood_each(
        self, questions: Sequence[str], seen: Seen | None
    ) -> list[str | tuple[Query, Condition]]:
        """What `understood` gives of each question, each about its own picture or all about none."""
        queries = [self._understood(query) for query in queries_of(questions, seen)]
        known = self._named_if_known(queries)
        pairs = list(zip(queries, self.personalization.conditions(queries), strict=True))
        asked = {i: pair for i, pair in enumerate(pairs) if pair[0].wanted == "names"}
        names = _names_asked_for([*asked.values()])
        known |= {i: _listed(one) for i, one in zip(asked, names, strict=True)}
        return [known.get(i, pair) for i, pair in enumerate(pairs)]

    def to_draw(self, prompt: str) -> Condition:
        """What stands before a prompt for a drawing; drawings of several sessions are then made in
        one batch (`condition.draw_each`).
        """
        texts_of(prompt, "prompt")
        return self._to_draw([prompt])[0]

    def _named_if_known(self, queries: Sequence[Query]) -> dict[int, str]:
        """The answers to 'who is beside <bo>?' and 'what is on the left?', by the query's number, where
        a concept is recognised there. Who or what else is there the model says in its words.
        """
        meant = {i: one for i, query in enumerate(queries) if (one := _for_names(query))}
        if not meant:
            return {}
        conditions = self.personalization.conditions(list(meant.values()))
        asked = {
            i: (query, condition)
            for (i, query), condition in zip(meant.items(), conditions, strict=True)
            # Of who cannot be located nobody knows the side.
            if _can_locate(condition) or not _ON_A_SIDE.search(query.text)
        }
        answers = {}
        for i, names in zip(asked, _names_asked_for([*asked.values()]), strict=True):
            named = queries[i].named(self.names)
            if others := [name for name in names if name not in named]:
                answers[i] = _listed(others)
        return answers

    def _understood(self, query: Query) -> Query:
        """A question as it is meant: that of who is in a picture wants names."""
        named = check_markers(query.text, self.names, where="question")
        # "who is <bo>?" names somebody, and is an ordinary question.
        if named or query.image_ids is None or not _WHO.match(query.text):
            return query
        return replace(query, wanted="names")

    def _seen(self, image: Pictures) -> tuple[Seen, bool]:
        """The pictures with their ids, and whether a list was given."""
        if isinstance(image, Seen):
            return image, True
        if isinstance(image, torch.Tensor):
            # A tensor of pixels would be read as ids, and nobody would see it.
            if image.dtype != torch.long or image.ndim != 2:
                found = f"a tensor of {image.dtype}, {list(image.shape)}"
                raise PictureError(
                    f"image: found {found}, expected image ids [N, K], a path or a PIL image."
                )
            return Seen(image), True
        many = isinstance(image, list | tuple)
        given: Sequence[Any] = image if isinstance(image, list | tuple) else [image]
        where = (f"image {i}" if many else "image" for i in range(len(given)))
        read: list[ImageSource] = []

        def one_by_one() -> Iterator[Image.Image]:
            for one, said in zip(given, where, strict=True):
                picture = as_picture(one, where=said)
                # A file is read again by who looks at it: large pictures are not kept in memory.
                is_file = isinstance(one, str | PathLike)
                read.append(Path(os.path.expanduser(one)) if is_file else picture)
                yield picture

        ids_NK = self.base.encode(one_by_one())
        return Seen(ids_NK, tuple(read)), many


def texts_of(given: Texts, what: str) -> tuple[list[str], bool]:
    """Texts, and whether a list was given."""
    many = isinstance(given, list | tuple)
    texts: list[Any] = list(given) if many else [given]
    for i, text in enumerate(texts):
        where = f"{what} {i}" if many else what
        check_text(text, where, expected="a text" if many else "a text, or a list of texts")
    return texts, many


def check_text(text: object, where: str, expected: str = "a text") -> None:
    """Refuse what is no text, and one without words."""
    if not isinstance(text, str):
        raise UserError(f"{where}: found {type(text).__name__}, expected {expected}.")
    # An empty prompt is almost always a variable that was never filled.
    if not text.strip():
        raise UserError(f"{where}: found an empty text, expected words.")


def _for_names(query: Query) -> Query | None:
    """A question about a picture that names may answer as one that wants them; None: no such one."""
    if not query.image_ids:
        return None
    if _BESIDE.match(query.text):
        # Of the whole picture: the name in the question would be the only one that is looked for.
        return replace(query, text=templates.WHO[0], wanted="names")
    return replace(query, wanted="names") if _WHAT.match(query.text) else None


def _names_asked_for(asked: Sequence[tuple[Query, Condition]]) -> list[list[str]]:
    """For each query about a picture the names of who was recognised, from left to right; of those
    on one side, where the question says which.
    """
    places = _places([pair for pair in asked if _asks_for_places(*pair)])
    answers = []
    for query, condition in asked:
        if not _asks_for_places(query, condition):
            answers.append(list(condition.names))
            continue
        side = _ON_A_SIDE.search(query.text)
        found = [places[id(part), query.image_ids] for part in condition.parts]
        found.sort(key=lambda where: where.centre)
        answers.append([w.name for w in found if not side or w.side == side[1].lower()])
    return answers


def _asks_for_places(query: Query, condition: Condition) -> bool:
    """Whether it matters where the concepts stand: the place of one alone is not asked for, and who
    cannot be located keeps the order given.
    """
    return bool(_ON_A_SIDE.search(query.text)) or (
        len(condition.parts) > 1 and _can_locate(condition)
    )


def _can_locate(condition: Condition) -> bool:
    """Whether each of its concepts was learned to be drawn, too."""
    return all(part.prompts.generation is not None for part in condition.parts)


_Ids = tuple[int, ...] | None


def _places(asked: Sequence[tuple[Query, Condition]]) -> dict[tuple[int, _Ids], Location]:
    """Where each concept is in each picture, by the part's id() and the picture's ids.

    One concept at a time, each looked for as if it were there alone; all its pictures in one batch,
    and each once, however many questions are asked about it.
    """
    parts = {id(part): part for _, condition in asked for part in condition.parts}
    places: dict[tuple[int, _Ids], Location] = {}
    for key, part in parts.items():
        own = (
            query.image_ids
            for query, condition in asked
            if any(part is one for one in condition.parts)
        )
        pictures = list(dict.fromkeys(own))
        found = locate(part, torch.tensor(pictures))
        places |= {(key, ids): where for ids, where in zip(pictures, found, strict=True)}
    return places


def _listed(names: Sequence[str]) -> str:
    """Names as an answer: '<bo>', '<bo> and <mia>', '<bo>, <mia> and <rex>'."""
    marked = [f"<{name}>" for name in names]
    first = ", ".join(marked[:-1])
    return f"{first} and {marked[-1]}" if first else marked[0] if marked else NOBODY
