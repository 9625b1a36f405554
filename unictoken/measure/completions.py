"""One question to a server that speaks OpenAI's chat completions: bounded in time and size, however
the server behaves.
"""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from unictoken.core.errors import UserError
from unictoken.core.reading import MIB, parse_json
from unictoken.core.shapes import Fields, ListOf, Text, check

MOST_BYTES = MIB  # of a reply; a verdict has a few hundred
# HTTP answers after which the same request may go through
BUSY = (408, 425, 429, 500, 502, 503, 504)
_COMPLETION = Fields(
    {
        "choices": ListOf(
            Fields({"message": Fields({"content": Text()}, others=True)}, others=True), 100
        )
    },
    others=True,
)


class Failed(Exception):
    """No completion, and why. `again`: another try may give one."""

    def __init__(self, why: str, *, again: bool):
        self.again = again
        super().__init__(why)


def complete(url: str, body: bytes, *, key: str | None, seconds: float) -> str:
    """What the model says. Raises `Failed`.

    Args:
        url: Root of the API.
        body: The request, as JSON.
        key: Sent as a bearer token; None: none is.
        seconds: For all of it: a server that drips is cut off.
    """
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{url.rstrip('/')}/chat/completions", body, headers)
    clock = _Clock()
    try:
        with clock.running(seconds), _opener(clock).open(request, timeout=seconds) as reply:
            data = reply.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise _refused(error, seconds) from None
    # no connection, a reply that broke off, or what is no HTTP at all
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if clock.is_over or isinstance(reason, TimeoutError):
            raise Failed(f"no answer within {seconds:g} s", again=True) from None
        said = str(reason) or type(reason).__name__
        raise Failed(first_words(said.encode()), again=True) from None
    if clock.is_over:  # what the cut left looks like the reply's end
        raise Failed(f"no answer within {seconds:g} s", again=True)
    return _said(data)


def _refused(error: urllib.error.HTTPError, seconds: float) -> Failed:
    """A status that is no success. Its text is read for a moment only."""
    words = b""
    with suppress(OSError, http.client.HTTPException, ValueError):
        words = error.read(MOST_BYTES)
    error.close()
    return Failed(f"HTTP {error.code} ({first_words(words)})", again=error.code in BUSY)


def _said(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise Failed(f"a reply of over {MOST_BYTES:,} bytes", again=False)
    try:
        value: Any = check(parse_json(data.decode()), _COMPLETION, "", UserError)
        return str(value["choices"][0]["message"]["content"])
    except (ValueError, IndexError):
        raise Failed(f"no chat completion ({first_words(data)})", again=False) from None


def first_words(data: bytes) -> str:
    """The beginning of a server's answer, in one line."""
    return " ".join(data[: 8 * 160].decode(errors="replace").split())[:160]


# ---- time -------------------------------------------------------------------------------------


class _Clock:
    """Cuts the connections of one request when its time is over.

    A socket's own timeout begins again with every byte, so that one byte a second keeps it busy for
    ever: in a header, in a body, or while keys are exchanged.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._open: list[socket.socket] = []

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            for watched in self._open:
                watched.close()

    def connect(self, *where: Any, **how: Any) -> socket.socket:
        """`socket.create_connection`, watched: a second name of the same connection is kept, since
        TLS takes the first one away.
        """
        made = socket.create_connection(*where, **how)
        self._open.append(made.dup())
        if self.is_over:
            self._cut()
        return made

    def _cut(self) -> None:
        self.is_over = True
        for watched in self._open:
            with suppress(OSError):
                watched.shutdown(socket.SHUT_RDWR)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(clock: _Clock) -> urllib.request.OpenerDirector:
    def watched(kind: type[http.client.HTTPConnection]) -> type[http.client.HTTPConnection]:
        class Watched(kind):  # type: ignore[valid-type, misc]
            def __init__(self, *where: Any, **how: Any):
                super().__init__(*where, **how)
                self._create_connection = clock.connect  # what http.client connects with

        return Watched

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(watched(http.client.HTTPConnection), request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(watched(http.client.HTTPSConnection), request)

    return urllib.request.build_opener(_NoRedirect, Http, Https)
