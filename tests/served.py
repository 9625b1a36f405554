"""Requests as they stand, to a server of a test."""

from __future__ import annotations

import base64
import http.client
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from unictoken.serve.server import Server


@dataclass(frozen=True)
class Answer:
    """What a raw request got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        """The line of a refusal."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error["message"]


def send(
    server: Server, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """A request as it stands: no client mends it."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        connection.request(method, path, data, headers or {})
        got = connection.getresponse()
        named = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, named, got.read())
    finally:
        connection.close()


def ask(text: str, **more: Any) -> dict[str, Any]:
    """A body for a chat of one turn; few ids, since the small base ends its answers at random."""
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 8} | more


def same(picture: Image.Image, other: Image.Image) -> bool:
    """The same ids, decoded in batches of different sizes: some CPUs' convolutions then round a
    value of 255 otherwise.
    """
    apart = np.subtract(picture, other, dtype=int)
    return bool(np.abs(apart).max() <= 1 and (apart != 0).mean() < 0.01)


def picture(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def data_url(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def shown(image: Image.Image) -> dict[str, Any]:
    """The part of a message that is a picture."""
    return {"type": "image_url", "image_url": {"url": data_url(image)}}
