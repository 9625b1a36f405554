"""What a request asks, checked: from JSON of OpenAI's form to a `Question` or an `Order`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from unictoken.core.config import LARGEST_SEED
from unictoken.core.disk import quoted
from unictoken.core.pictures import decode_picture
from unictoken.core.reading import parse_json
from unictoken.core.shapes import (
    Anything,
    Fields,
    Flag,
    ListOf,
    Maybe,
    Number,
    OneOf,
    Shape,
    Text,
    Unlike,
    Whole,
    check,
)
from unictoken.core.text import check_length, markers
from unictoken.model.draw import Draw
from unictoken.model.sampling import ANSWER_IDS
from unictoken.serve.limits import MIB, Limits
from unictoken.serve.refusal import RequestError
from unictoken.serve.worker import Order, Question
from unictoken.tokens.file import NAME

GROUPS = 20_000  # lists and mappings of a body: a conversation of 200 turns has fewer
_DATA = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.ASCII | re.IGNORECASE)
_TEXT = Text(MIB, said="a text")  # bounded in letters once it is known which one is asked
_URL = Text(64 * MIB, said="a text")  # the body was bounded already
_CONCEPTS = Maybe(ListOf(Text(64, pattern=NAME, said="a concept's name"), said="a list of names"))
# What changes nothing where the likeliest words are taken, or is about the caller.
_IGNORED: Mapping[str, Shape] = {
    key: Anything() for key in ("user", "metadata", "store", "service_tier", "safety_identifier")
}


class Content:
    """A message's content: a text, or a list of parts."""

    parts = ListOf(
        Fields(
            {"type": OneOf(("text", "image_url"))},
            {
                "text": _TEXT,
                "image_url": Fields({"url": _URL}, {"detail": Anything()}, said="{'url': ...}"),
            },
        ),
        most=100,
        said="a text or a list of parts",
    )

    def see(self, value: Any) -> None:
        (_TEXT if isinstance(value, str) else self.parts).see(value)
        for i, part in enumerate(value if isinstance(value, list) else ()):
            if part["type"] not in part:
                raise Unlike(None, "this key to be there", f"[{i}].{part['type']}")


MESSAGE = Fields(
    {"role": OneOf(("system", "developer", "user", "assistant"))},
    {"content": Maybe(Content()), "name": Maybe(_TEXT), "refusal": Anything()},
)
CHAT = Fields(
    {"messages": ListOf(MESSAGE, said="a list of messages")},
    {
        **_IGNORED,
        "model": Maybe(Text(300)),
        "concepts": _CONCEPTS,
        "stream": Maybe(Flag()),
        "stream_options": Maybe(Fields({}, {"include_usage": Maybe(Flag())})),
        "max_tokens": Maybe(Whole(1)),
        "max_completion_tokens": Maybe(Whole(1)),
        "n": Maybe(Whole(1, 1)),
        "temperature": Maybe(Number()),
        "top_p": Maybe(Number(0, 1)),
        "seed": Maybe(Whole()),
    },
)
IMAGES = Fields(
    {"prompt": _TEXT},
    {
        **_IGNORED,
        "model": Maybe(Text(300)),
        "concepts": _CONCEPTS,
        "n": Maybe(Whole(1)),
        "size": Maybe(Text(20)),
        "response_format": Maybe(OneOf(("b64_json",))),
        "output_format": Maybe(OneOf(("png",))),
        "seed": Maybe(Whole(0, LARGEST_SEED)),
        "guidance": Maybe(Number()),
        "temperature": Maybe(Number()),
        "top_p": Maybe(Number()),
    },
)


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A request for an answer."""

    question: Question
    model: str | None
    stream: bool
    usage: bool
    """Whether a stream ends with how many ids there were."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """A request for pictures."""

    order: Order
    model: str | None
    size: str | None


@dataclass(frozen=True)
class _Turn:
    """What a user said once."""

    where: str
    text: str
    urls: tuple[tuple[str, str], ...]
    """Pictures as data: URLs, each after its place."""


def read_chat(body: bytes, limits: Limits) -> Chat:
    """What a body for /v1/chat/completions asks: the last turn of the user, about its picture or the
    last one before it.
    """
    asked = check(_json(body), CHAT, "body", RequestError)
    _check_greedy(asked)
    turns = _user_turns(asked["messages"], limits)
    last = turns[-1]
    check_said(last.text, last.where, limits)
    shown = next((turn.urls for turn in reversed(turns) if turn.urls), ())
    if len(shown) > 1:
        raise RequestError(
            f"{shown[1][0]}: found {len(shown)} pictures in one turn, expected one. Leave the others"
            " out."
        )
    more = asked.get("max_completion_tokens") or asked.get("max_tokens") or ANSWER_IDS
    question = Question(
        text=last.text,
        concepts=_concepts(asked, last.text, limits),
        image=_picture(*shown[0], limits) if shown else None,
        max_ids=min(more, limits.answer_ids),
    )
    options = asked.get("stream_options") or {}
    return Chat(
        question=question,
        model=asked.get("model"),
        stream=bool(asked.get("stream")),
        usage=bool(options.get("include_usage")),
    )


def read_images(body: bytes, limits: Limits) -> Images:
    """What a body for /v1/images/generations asks."""
    asked = check(_json(body), IMAGES, "body", RequestError)
    prompt = asked["prompt"]
    check_said(prompt, "prompt", limits)
    number = asked.get("n") or 1
    if number > limits.pictures:
        raise RequestError(
            f"n: found {number:,}, expected at most {limits.pictures}. Ask several times."
        )
    given = ("seed", "guidance", "temperature", "top_p")
    how = Draw(**{key: asked[key] for key in given if asked.get(key) is not None})
    order = Order(prompt=prompt, concepts=_concepts(asked, prompt, limits), number=number, how=how)
    return Images(order=order, model=asked.get("model"), size=asked.get("size"))


def _json(body: bytes) -> Any:
    try:
        return parse_json(body.decode("utf-8"), groups=GROUPS)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"body: found no JSON ({error}), expected a mapping. Send application/json."
        ) from None


def _check_greedy(asked: Mapping[str, Any]) -> None:
    if asked.get("temperature"):
        raise RequestError(
            f"temperature: found {quoted(asked['temperature'])}, expected 0: the likeliest words are"
            " taken. Leave it out."
        )


def check_said(text: str, where: str, limits: Limits) -> None:
    check_length(text, where, RequestError, most=limits.letters)
    if not text.strip():
        raise RequestError(f"{where}: found no text, expected words. Write some.")


def _user_turns(messages: Sequence[Mapping[str, Any]], limits: Limits) -> list[_Turn]:
    """What the user said, at least one turn."""
    if len(messages) > limits.turns:
        raise RequestError(
            f"messages: found {len(messages):,}, expected at most {limits.turns}. Leave old ones out."
        )
    turns = [
        _turn(f"messages[{i}]", message.get("content"))
        for i, message in enumerate(messages)
        if message["role"] == "user"
    ]
    if not turns:
        raise RequestError("messages: found none of the user's, expected a question. Add one.")
    return turns


def _turn(where: str, content: str | list[dict[str, Any]] | None) -> _Turn:
    if content is None or isinstance(content, str):
        return _Turn(where, content or "", ())
    texts = [part["text"] for part in content if part["type"] == "text"]
    urls = tuple(
        (f"{where}.content[{i}].image_url", part["image_url"]["url"])
        for i, part in enumerate(content)
        if part["type"] == "image_url"
    )
    for place, url in urls:
        _data_of(place, url)
    return _Turn(where, " ".join(texts), urls)


def _data_of(where: str, url: str) -> str:
    """The part of a data: URL that holds the picture."""
    if not (found := _DATA.match(url)):
        raise RequestError(
            f"{where}: found {quoted(url)}, expected a picture as data:image/png;base64,...: no"
            " address is fetched and no file is read. Put the picture itself there."
        )
    return url[found.end() :]


def _picture(where: str, url: str, limits: Limits) -> Image.Image:
    try:
        data = base64.b64decode(_data_of(where, url), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(
            f"{where}: found no base64 after the comma, expected a picture. Encode it again."
        ) from None
    return decode_picture(data, where=where, most=limits.pixels)


def _concepts(asked: Mapping[str, Any], text: str, limits: Limits) -> tuple[str, ...]:
    """The names that a text says, and those that the request adds."""
    names = tuple(dict.fromkeys((*markers(text), *(asked.get("concepts") or ()))))
    if len(names) > limits.concepts:
        raise RequestError(
            f"concepts: found {len(names):,} names, expected at most {limits.concepts}. Name fewer."
        )
    return names
