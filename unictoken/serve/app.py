"""The addresses of the server, in OpenAI's form."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL import Image
from starlette.exceptions import HTTPException

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.core.pictures import large_enough
from unictoken.core.text import check_markers
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Said
from unictoken.personalize.drawing import Drawing
from unictoken.serve.gate import App, Gate, body_of
from unictoken.serve.limits import Limits
from unictoken.serve.refusal import RequestError, of_status, response, shape, told
from unictoken.serve.request import Chat, Images, read_chat, read_images
from unictoken.serve.shelf import Entry, Shelf
from unictoken.serve.worker import Worker

READERS = 2  # requests that are parsed at once: each may hold a large picture
Found = TypeVar("Found")


class Service:
    """What the addresses do.

    Args:
        base: What answers and draws.
        shelf: The concepts.
        worker: What owns the base.
        limits: Of requests.
    """

    def __init__(self, base: Base, shelf: Shelf, worker: Worker, limits: Limits):
        self.base, self.shelf, self.worker, self.limits = base, shelf, worker, limits
        # A folder's place on this machine is nobody else's business.
        self.model = Path(base.name).name if Path(base.name).is_absolute() else base.name
        self.began = int(time.time())
        self._readers = CapacityLimiter(READERS)

    async def health(self) -> Response:
        if not self.worker.alive:
            raise RequestError("the worker has ended. Start the server again.", status=500)
        return JSONResponse({"status": "ok"})

    async def models(self) -> Response:
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def one_model(self, name: str) -> Response:
        self._check_model(name)
        return JSONResponse(self._model())

    async def concepts(self) -> Response:
        entries = await self._in_thread(self.shelf.entries)
        return JSONResponse({"object": "list", "data": [_concept(each) for each in entries]})

    async def add_concept(self, request: Request) -> Response:
        said = request.query_params.get("replace", "false")
        if said not in ("true", "false"):
            raise RequestError(f"replace: found {quoted(said)}, expected true or false. Say one.")
        data = await body_of(request, self.limits)
        added = partial(self.shelf.add, data, replace=said == "true")
        return JSONResponse(_concept(await self._in_thread(added)), 201)

    async def remove_concept(self, name: str) -> Response:
        await self._in_thread(partial(self.shelf.remove, name))
        return JSONResponse({"id": name, "object": "concept", "deleted": True})

    async def chat(self, request: Request) -> Response:
        body = await body_of(request, self.limits)
        asked = await self._in_thread(partial(self._read_chat, body))
        answer = _Answer(self.model, asked)
        question = asked.question
        if asked.stream:
            question = replace(question, hear=answer.hear)
        done = self.worker.submit(question)
        if not asked.stream:
            return JSONResponse(answer.whole(await self._result(done)))
        pieces = answer.pieces(done, self.limits.seconds)
        # A question that is refused has a status; after the first word it is too late for one.
        first = await anext(pieces)
        events = answer.events(first, pieces)
        return StreamingResponse(events, media_type="text/event-stream")

    async def images(self, request: Request) -> Response:
        body = await body_of(request, self.limits)
        asked = await self._in_thread(partial(self._read_images, body))
        # The thread of the worker draws; PNG is made in another one, so that it goes on.
        drawn = await self._result(self.worker.submit(asked.order))
        data = await self._in_thread(partial(_as_json, drawn))
        return JSONResponse({"created": int(time.time()), "data": data, "output_format": "png"})

    def _read_chat(self, body: bytes) -> Chat:
        asked = read_chat(body, self.limits)
        self._check(asked.model, asked.question.text, asked.question.concepts, "question")
        return asked

    def _read_images(self, body: bytes) -> Images:
        asked = read_images(body, self.limits)
        self._check(asked.model, asked.order.prompt, asked.order.concepts, "prompt")
        self.base.need_decoder()
        side = large_enough(Image.new("1", (self.base.picture_side,) * 2)).width
        if asked.size not in (None, "auto", f"{side}x{side}"):
            raise RequestError(
                f"size: found {quoted(asked.size)}, expected {side}x{side} of this model. Leave it"
                " out."
            )
        return asked

    def _check(self, model: str | None, text: str, names: tuple[str, ...], where: str) -> None:
        """Refuse early what the worker would refuse: another model, a concept that is not there."""
        if model is not None:
            self._check_model(model)
        # Loads them too: the worker then finds them in memory.
        self.shelf.conditions(names)
        check_markers(text, names, where=where)

    def _check_model(self, name: str) -> None:
        if name != self.model:
            raise RequestError(
                f"model: found {quoted(name)}, expected '{self.model}'. Name it, or leave it out.",
                status=404,
                code="model_not_found",
            )

    def _model(self) -> dict[str, Any]:
        made = {"id": self.model, "object": "model", "created": self.began}
        return {**made, "owned_by": "unictoken"}

    async def _in_thread(self, call: Callable[[], Found]) -> Found:
        return await to_thread.run_sync(call, limiter=self._readers)

    async def _result(self, done: Future[Any]) -> Any:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(done), self.limits.seconds)
        except TimeoutError:
            raise _too_slow(self.limits.seconds) from None


class _Answer:
    """An answer as it is sent: whole, or in pieces of whole words."""

    def __init__(self, model: str, asked: Chat):
        self.asked = asked
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.about = {"id": self.id, "created": int(time.time()), "model": model}
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[str | None] = asyncio.Queue()
        self._said: Said | None = None

    def hear(self, text: str | None) -> None:
        """Called in the worker's thread with the answer so far; None: it has ended."""
        with suppress(RuntimeError):  # the server has ended meanwhile
            self._loop.call_soon_threadsafe(self._heard.put_nowait, text)

    async def pieces(self, done: Future[Any], seconds: float) -> AsyncIterator[str]:
        """The answer in pieces that end where a word does; the last one is the rest."""
        done.add_done_callback(lambda _: self.hear(None))
        ends, sent = self._loop.time() + seconds, ""
        try:
            while (text := await self._next(ends, seconds)) is not None:
                # The last word may go on, and a comma takes the space before it away.
                words = text.rpartition(" ")[0]
                if len(words) > len(sent) and words.startswith(sent):
                    yield words[len(sent) :]
                    sent = words
            self._said = done.result()
            yield self._said.text.removeprefix(sent)
        finally:
            done.cancel()

    async def _next(self, ends: float, seconds: float) -> str | None:
        try:
            return await asyncio.wait_for(self._heard.get(), ends - self._loop.time())
        except TimeoutError:
            raise _too_slow(seconds) from None

    async def events(self, first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        """Server-sent events: the pieces, why the answer ended, and the end."""
        yield self._event({"role": "assistant", "content": ""})
        yield self._event({"content": first})
        try:
            async for piece in pieces:
                yield self._event({"content": piece})
        except Exception as error:
            yield _data(shape(told(error)))
            return
        assert self._said, "the last piece is sent after the answer"
        yield self._event({}, self._finish(self._said))
        if self.asked.usage:
            chunk = {**self.about, "object": "chat.completion.chunk", "choices": []}
            yield _data({**chunk, "usage": _usage(self._said)})
        yield "data: [DONE]\n\n"

    def whole(self, said: Said) -> dict[str, Any]:
        message = {"role": "assistant", "content": said.text}
        choice = {"index": 0, "message": message, "finish_reason": self._finish(said)}
        about = {**self.about, "object": "chat.completion"}
        return {**about, "choices": [choice], "usage": _usage(said)}

    def _finish(self, said: Said) -> str:
        return "length" if said.ids >= self.asked.question.max_ids else "stop"

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data({**self.about, "object": "chat.completion.chunk", "choices": [choice]})


def _data(value: dict[str, Any]) -> str:
    # JSON of one line: no text of an answer can begin another event.
    return f"data: {json.dumps(value)}\n\n"


def _usage(said: Said) -> dict[str, int]:
    counted = {"prompt_tokens": said.prompt_ids, "completion_tokens": said.ids}
    return {**counted, "total_tokens": said.prompt_ids + said.ids}


def _concept(entry: Entry) -> dict[str, Any]:
    return {"id": entry.name, "object": "concept", **asdict(entry)}


def _as_json(drawings: list[Drawing]) -> list[dict[str, str]]:
    return [{"b64_json": _png(drawing)} for drawing in drawings]


def _png(drawing: Drawing) -> str:
    data = io.BytesIO()
    drawing.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode("ascii")


def _too_slow(seconds: float) -> RequestError:
    message = f"found no answer after {seconds:g} s. Ask again later, or for less."
    return RequestError(message, status=504, code="timeout")


async def _refused(request: Request, error: Exception) -> Response:
    return response(told(error))


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    made = response(of_status(error.status_code, request.method, request.url.path))
    made.headers.update(error.headers or {})  # a refused method comes with those that are known
    return made


def app_of(
    base: Base, shelf: Shelf, worker: Worker, limits: Limits, token: str | None = None
) -> App:
    """The server as an ASGI app.

    Args:
        base: What answers and draws.
        shelf: The concepts.
        worker: What owns the base.
        limits: Of requests.
        token: That each request must bear; None: none is asked for.
    """
    service = Service(base, shelf, worker, limits)
    # No page that shows the addresses: it would have a browser fetch scripts from elsewhere.
    app = FastAPI(title="unictoken", docs_url=None, redoc_url=None, openapi_url=None)
    for method, path, action in (
        ("GET", "/health", service.health),
        ("GET", "/v1/models", service.models),
        ("GET", "/v1/models/{name:path}", service.one_model),
        ("GET", "/v1/concepts", service.concepts),
        ("POST", "/v1/concepts", service.add_concept),
        ("DELETE", "/v1/concepts/{name}", service.remove_concept),
        ("POST", "/v1/chat/completions", service.chat),
        ("POST", "/v1/images/generations", service.images),
    ):
        app.add_api_route(path, action, methods=[method], response_model=None)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(Exception, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    return Gate(app, token, limits)
