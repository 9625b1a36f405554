"""The one thread that owns the base: requests that come together are answered together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any, TypeVar

from PIL import Image

from unictoken.core.progress import bars
from unictoken.model.draw import Draw
from unictoken.model.malloc import give_freed_memory_back
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, Said, draw_each, say_each, together
from unictoken.personalize.drawing import Drawing, drawings_of
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.serve.limits import Limits
from unictoken.serve.refusal import busy
from unictoken.serve.shelf import Shelf

TIDY = 64  # batches after which free memory goes back to the kernel


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is asked, checked."""

    text: str
    concepts: tuple[str, ...]
    """Names on the shelf."""
    members: tuple[Condition, ...] = ()
    """Concepts that are on no shelf, such as one in words."""
    image: Image.Image | None = None
    max_ids: int
    """Ids that the answer may have."""
    hear: Callable[[str], None] | None = None
    """Is told the answer so far, in the worker's thread, after each word."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """Pictures that are to be drawn, checked."""

    prompt: str
    concepts: tuple[str, ...]
    """Names on the shelf."""
    members: tuple[Condition, ...] = ()
    """Concepts that are on no shelf, such as one in words."""
    number: int
    """Of pictures."""
    how: Draw
    best_of: int = 1
    """Pictures that are drawn for each, of which the best recognised one is kept."""
    recaption: bool = False
    """Whether the model is first asked what 'its hat' is."""
    hear: Callable[[int, Image.Image], None] | None = None
    """Is shown each picture as it grows, by its number, in the worker's thread; not where the best
    of several is kept."""


@dataclass(frozen=True, eq=False)
class Job:
    """A request in the queue, and what becomes of it: `Said`, or a list of `Drawing`."""

    asked: Question | Order
    done: Future[Any] = field(default_factory=Future)


Kind = TypeVar("Kind", bound=Hashable)
Ready = tuple[Job, Any]
"""A job, and what its session made of it."""


class Worker:
    """Answers what is put into its queue, in batches.

    Args:
        base: Nobody else may use it meanwhile.
        shelf: The concepts.
        limits: Of the queue, and of a batch.
        turn: Is held while the base is used; None: nobody else uses it.
    """

    def __init__(
        self,
        base: Base,
        shelf: Shelf,
        limits: Limits,
        turn: AbstractContextManager[Any] | None = None,
    ):
        self._turn = turn or nullcontext()
        self.base, self.shelf, self.limits = base, shelf, limits
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="unictoken-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, asked: Question | Order) -> Future[Any]:
        """What will be the answer; a refusal where the queue is full."""
        job = Job(asked)
        with self._changed:
            if self._ended:
                raise busy("the server is ending. Ask again later.")
            if len(self._queue) >= self.limits.waiting:
                raise busy(f"{self.limits.waiting:,} requests are waiting. Ask again later.")
            self._queue.append(job)
            self._changed.notify()
        return job.done

    def close(self, seconds: float) -> None:
        """Refuse what waits, and give what is being answered so many seconds."""
        with self._changed:
            self._ended = True
            left, self._queue = self._queue, deque()
            self._changed.notify()
        for job in left:
            if job.done.set_running_or_notify_cancel():
                job.done.set_exception(busy("the server is ending. Ask again later."))
        if self.alive:
            self._thread.join(seconds)

    def _work(self) -> None:
        with bars(shown=False):  # its batches are nobody's single command
            self._answer_all()

    def _answer_all(self) -> None:
        for number in count(1):
            if not (jobs := self._next()):
                return
            wanted = [job for job in jobs if job.done.set_running_or_notify_cancel()]
            with self._turn:
                # Questions first: drawings take longer.
                self._answer([job for job in wanted if isinstance(job.asked, Question)], say)
                self._answer([job for job in wanted if isinstance(job.asked, Order)], draw)
            if number % TIDY == 0:
                # Batches of all sizes leave holes, of which a server of many threads grows.
                give_freed_memory_back()

    def _next(self) -> list[Job]:
        """The jobs of the next batch; none when the work has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ended)
        # Without the lock: others put their requests into the queue meanwhile.
        time.sleep(self.limits.gather)
        with self._changed:
            # What came first is answered first, also where one batch does not hold all.
            number = min(len(self._queue), self.limits.batch)
            return [self._queue.popleft() for _ in range(number)]

    def _answer(
        self, jobs: Sequence[Job], give: Callable[[Sequence[Ready]], Iterable[Any]]
    ) -> None:
        """Answer jobs of one kind: together, or each by itself where that fails."""
        ready: list[Ready] = []
        # One look at the shelf: a file that changes meanwhile would be two concepts of one name.
        known: dict[str, Condition] = {}
        for job in jobs:
            with _failing(job):
                ready.append((job, self._prepared(job.asked, known)))
        # Sampling has one setting for a whole batch, and ends all answers at one length.
        for alike in _grouped(ready, lambda each: _batch_of(each[0].asked)):
            try:
                answers = list(give(alike))
            except Exception as error:
                if len(alike) == 1:
                    alike[0][0].done.set_exception(error)
                    continue
                # One of them is at fault, and the others are not to pay for it.
                # Words that were heard before are not sent again (`app._Answer.pieces`).
                for one in alike:
                    with _failing(one[0]):
                        one[0].done.set_result(*give([one]))
                continue
            for (job, _), answer in zip(alike, answers, strict=True):
                job.done.set_result(answer)

    def _prepared(self, asked: Question | Order, known: dict[str, Condition]) -> Any:
        for name in asked.concepts:
            if name not in known:
                (known[name],) = self.shelf.conditions([name])
        members = [*(known[name] for name in asked.concepts), *asked.members]
        session = session_of(self.base, members)
        if isinstance(asked, Question):
            return session.understood(asked.text, asked.image)
        return session.to_draw(asked.prompt)


def session_of(base: Base, members: Sequence[Condition]) -> Session:
    """A session with these concepts, or with the base alone."""
    return Session(base, Several(base, members) if members else together(base, ()))


def say(ready: Sequence[Ready]) -> list[Said]:
    """The answers to questions of one length, in one batch."""
    in_words = [(_question(each), each[1]) for each in ready if not isinstance(each[1], str)]
    said = iter(
        say_each(
            [made for _, made in in_words],
            max_ids=_question(ready[0]).max_ids,
            hear=[question.hear for question, _ in in_words],
        )
    )
    # Names were recognised, and no id was sampled for them.
    return [Said(made, 0, 0) if isinstance(made, str) else next(said) for _, made in ready]


def draw(ready: Sequence[Ready]) -> list[list[Drawing]]:
    """The pictures of orders of one kind, in one batch; each as if it were drawn alone."""
    orders = [(_order(each), each[1]) for each in ready]
    if orders[0][0].best_of > 1 or orders[0][0].recaption:
        return [_draw_best(order, made) for order, made in orders]
    asked = [(order.prompt, made) for order, made in orders for _ in range(order.number)]
    lots = [(order.how.seed, number) for order, _ in orders for number in range(order.number)]
    hear = [
        order.hear and partial(order.hear, number)
        for order, _ in orders
        for number in range(order.number)
    ]
    pictures = iter(draw_each(asked, orders[0][0].how, lots, hear=hear))
    return [
        drawings_of([next(pictures) for _ in range(order.number)], [order.prompt] * order.number)
        for order, _ in orders
    ]


def _draw_best(order: Order, condition: Condition) -> list[Drawing]:
    """The pictures of one order for which the model looks at what it draws, or is asked before."""
    prompts = [order.prompt] * order.number
    if not condition.names:  # nobody to ask about, or to recognise
        return drawings_of(condition.draw(prompts, order.how), prompts)
    drawn = condition.draw(prompts, order.how, recaption=order.recaption, best_of=order.best_of)
    return drawings_of(drawn, prompts)


def _question(ready: Ready) -> Question:
    assert isinstance(ready[0].asked, Question)
    return ready[0].asked


def _order(ready: Ready) -> Order:
    assert isinstance(ready[0].asked, Order)
    return ready[0].asked


def _batch_of(asked: Question | Order) -> Hashable:
    """Equal for what can stand in one batch."""
    if isinstance(asked, Question):
        return asked.max_ids
    return replace(asked.how, seed=0), asked.best_of, asked.recaption


def _grouped(ready: Sequence[Ready], key: Callable[[Ready], Kind]) -> Iterable[list[Ready]]:
    groups: dict[Kind, list[Ready]] = {}
    for each in ready:
        groups.setdefault(key(each), []).append(each)
    return groups.values()


@contextmanager
def _failing(job: Job) -> Iterator[None]:
    """What goes wrong in this block is what becomes of the job."""
    try:
        yield
    except Exception as error:
        job.done.set_exception(error)
