"""What the page asks of the base: answers and drawings as they grow, the same prompt in four ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from PIL import Image

from unictoken.app.turn import Turn
from unictoken.core.pictures import large_enough, read_shrunk
from unictoken.core.text import a, check_markers, mark, markers
from unictoken.measure.controls import controls
from unictoken.model.draw import Draw
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.condition import Condition
from unictoken.serve.refusal import RequestError
from unictoken.serve.request import check_said
from unictoken.serve.worker import Order, Question, Worker, session_of

WAYS = ("tokens", "in words", "one picture", "nothing")
"""How a concept is given to the base, as the page calls it."""
_CONTROLS = {"in words": "text_prompt", "one picture": "image_prompt_1", "nothing": "none"}
# Nothing that is heard is it.
_ENDED = object()


@dataclass(frozen=True, kw_only=True)
class Given:
    """A concept as it is compared: what it was learned from, or what its owner says."""

    name: str
    words: str = ""
    """Sentences about '<name>'; '': nothing is compared with words."""
    picture: Image.Image | None = None
    """None: nothing is compared with a picture."""


class Talk:
    """Questions and orders of the page.

    Args:
        worker: What answers them.
        turn: Is held while the base is used.
    """

    def __init__(self, worker: Worker, turn: Turn):
        self.worker, self.turn = worker, turn
        self.base, self.shelf, self.limits = worker.base, worker.shelf, worker.limits
        # One a file, so that opening a tab again takes no time.
        self._previews: dict[tuple[Path, int], Image.Image] = {}

    def ask(self, text: str, chosen: Sequence[str], picture: Path | None = None) -> Iterator[str]:
        """The answer as it grows.

        Args:
            text: A question, which may name concepts.
            chosen: Names of concepts that it is about, too.
            picture: That it is about; None: about none.
        """
        # Before the queue: what is refused waits for nobody.
        names = self._names(text, chosen, "question")
        question = Question(
            text=text,
            concepts=names,
            image=read_shrunk(picture) if picture else None,
            max_ids=ANSWER_IDS,
        )
        for pieces, said in self._heard(lambda hear: replace(question, hear=hear)):
            yield said.text if said else pieces[-1]

    def draw(
        self,
        prompt: str,
        chosen: Sequence[str],
        *,
        number: int = 1,
        how: Draw | None = None,
        best_of: int = 1,
        recaption: bool = False,
    ) -> Iterator[list[Image.Image]]:
        """Drawings as they grow, row by row; only whole ones where the best of several is kept.

        Args:
            prompt: A text, which may name concepts.
            chosen: Names of concepts that are loaded, too.
            number: Of drawings.
            how: Seed, guidance and so on; None: the usual ones.
            best_of: Drawings of which each is the best recognised one.
            recaption: Whether the model is first asked what 'its hat' is.
        """
        names = self._names(prompt, chosen, "prompt")
        if not 1 <= number <= self.limits.pictures:
            raise RequestError(
                f"drawings: found {number}, expected 1 to {self.limits.pictures}. Change the number."
            )
        order = Order(
            prompt=prompt,
            concepts=names,
            number=number,
            how=how or Draw(),
            best_of=best_of,
            recaption=recaption,
        )
        grown: dict[int, Image.Image] = {}
        for pieces, drawn in self._heard(lambda hear: replace(order, hear=_numbered(hear))):
            # Pieces come picture by picture; what is shown is all of them.
            grown |= {i: large_enough(picture) for i, picture in pieces}
            yield list(drawn) if drawn else [grown[i] for i in sorted(grown)]

    def untaught(self, text: str, chosen: Sequence[str]) -> str:
        """A line about words that mean nothing to the base; '' where there are none."""
        names = self._names(text, chosen, "text")
        session = session_of(self.base, self.shelf.conditions(names))
        words = ", ".join(f"'{word}'" for word in session.untaught(text))
        return f"{self.base.name} was never taught {words}; expect nothing of it." if words else ""

    def compare_drawings(self, given: Given, prompt: str, how: Draw) -> dict[str, Image.Image]:
        """A drawing of the same prompt and seed for each way that can be compared."""
        ways = self._ways(given, prompt)
        done = {
            way: self.worker.submit(
                Order(prompt=prompt, concepts=(), members=(condition,), number=1, how=how)
            )
            for way, condition in ways.items()
        }
        return {way: drawn.result()[0] for way, drawn in done.items()}

    def compare_answers(
        self, given: Given, question: str, picture: Path | None = None
    ) -> dict[str, str]:
        """The answer to the same question for each way that can be compared."""
        ways = self._ways(given, question)
        image = read_shrunk(picture) if picture else None
        done = {
            way: self.worker.submit(
                Question(
                    text=question,
                    concepts=(),
                    members=(condition,),
                    image=image,
                    max_ids=ANSWER_IDS,
                )
            )
            for way, condition in ways.items()
        }
        return {way: said.result().text for way, said in done.items()}

    def preview(self, name: str) -> Image.Image | None:
        """A drawing of a concept, made once for each file; None where it cannot be drawn."""
        path = self.shelf.path(name)
        # Another file of the same name is another concept.
        key = path, path.stat().st_mtime_ns
        if key not in self._previews:
            (condition,) = self.shelf.conditions([name])
            if not condition.can_draw:
                return None
            # Only the whole one is of use here.
            *_, (drawing,) = self.draw(f"a photo of <{name}>", [name])
            self._previews[key] = drawing
        return self._previews[key]

    def noun(self, name: str) -> str:
        """What a concept on the shelf is: 'dog'."""
        (condition,) = self.shelf.conditions([name])
        assert condition.tokens, "the shelf holds learned concepts"
        return condition.tokens.class_noun

    def _names(self, text: str, chosen: Sequence[str], where: str) -> tuple[str, ...]:
        """The concepts of a text, refused early where one is not on the shelf."""
        check_said(text, where, self.limits)
        names = tuple(dict.fromkeys((*markers(text), *chosen)))
        self.shelf.conditions(names)
        check_markers(text, names, where=where)
        return names

    def _ways(self, given: Given, text: str) -> dict[str, Condition]:
        """What stands for the concept in each way, by the way's name."""
        check_said(text, "prompt", self.limits)
        # One concept is compared: others would have no words or picture.
        check_markers(text, [given.name], where="prompt")
        (tokens,) = self.shelf.conditions([given.name])
        noun = self.noun(given.name)
        words = given.words.strip() or f"<{given.name}> is {a(noun)}."
        seen_NK = None
        if given.picture:
            with self.turn:
                seen_NK = self.base.encode([given.picture])
        made = controls(
            self.base,
            given.name,
            class_noun=noun,
            description=mark(words, given.name, where="in words"),
            pictures_NK=seen_NK,
        )
        ways = {"tokens": tokens}
        return ways | {way: made[c] for way, c in _CONTROLS.items() if c in made}

    def _heard(
        self, asked_of: Callable[[Callable[[Any], None]], Question | Order]
    ) -> Iterator[tuple[list[Any], Any]]:
        """The pieces that are heard of a question or an order since the last look, and None; at last
        none, and its result.
        """
        # Filled in the worker's thread, read in the page's.
        queue: SimpleQueue[Any] = SimpleQueue()
        done: Future[Any] = self.worker.submit(asked_of(queue.put))
        # After the last piece: the worker sets the result when it has drawn.
        done.add_done_callback(lambda _: queue.put(_ENDED))
        try:
            while (pieces := [queue.get(), *_waiting(queue)])[-1] is not _ENDED:
                yield pieces, None
            yield [], done.result()
        finally:
            done.cancel()  # the page was closed: what has not begun is not done


def _waiting(queue: SimpleQueue[Any]) -> Iterator[Any]:
    """Everything that is in a queue now."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _numbered(hear: Callable[[Any], None]) -> Callable[[int, Image.Image], None]:
    return lambda number, picture: hear((number, picture))
