"""What stands before every request: who may ask, and how much comes in."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.serve.limits import Limits
from unictoken.serve.refusal import RequestError, busy, response, told

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN_TO_ALL = "/health"
LEAST_TOKEN, MOST_TOKEN = 8, 512  # letters
# A browser takes nothing of what comes back for a page or a script.
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Gate:
    """An ASGI app before another one: refuses who has no token, and what a web page sends; counts
    requests; turns what goes wrong into a line.

    Args:
        app: What answers.
        token: That a request must bear; None: none is asked for, and then only requests that name
            this machine, and come from no web page of another place, are let in.
        limits: How many requests there are at once.
        checks: False: the app itself asks who somebody is.
    """

    def __init__(self, app: App, token: str | None, limits: Limits, *, checks: bool = True):
        self.app, self.limits, self.checks = app, limits, checks
        self._token = token.encode() if token else None
        self._open = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        self._open += 1
        try:
            self._let_in(scope)
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            pass  # nobody is there to be told
        except Exception as error:
            if not begun:  # else the app has answered it, and raised it again
                await response(told(error))(scope, receive, answer)
        finally:
            self._open -= 1

    def _let_in(self, scope: Message) -> None:
        headers = Headers(scope=scope)
        if self._token is None:
            if self.checks:
                _check_local(headers)
        elif scope["path"] != OPEN_TO_ALL:
            self._check_token(headers)
        if self._open > self.limits.open:
            raise busy(f"{self.limits.open:,} requests are open. Ask again later.")

    def _check_token(self, headers: Headers) -> None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        # In constant time: how long it takes tells nothing of the token.
        same = hmac.compare_digest(given.strip().encode(), self._token or b"")
        if kind.lower() != "bearer" or not same:
            raise RequestError(
                "authorization: found no token of this server, expected 'Bearer TOKEN'. Ask who runs"
                " it for the token.",
                status=401,
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )


def _check_local(headers: Headers) -> None:
    """Refuse what a web page has a browser send here, in its own name or in that of a name which its
    owner lets point to this machine.
    """
    host = headers.get("host", "")
    if not is_loopback(_name_of(host)):
        raise _forbidden(f"host: found {quoted(host)}, expected this machine's. Use 127.0.0.1.")
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        raise _forbidden(
            f"origin: found {quoted(origin)}, expected no web page. Start the server with a token."
        )


def _forbidden(message: str) -> RequestError:
    return RequestError(message, status=403, code="forbidden")


def _name_of(host: str) -> str:
    """A host without its port.

    >>> _name_of("127.0.0.1:8000"), _name_of("[::1]:8000")
    ('127.0.0.1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    >>> is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_open_host(host: str, token: str | None) -> None:
    """Refuse to listen to other machines without a token."""
    if token is None and not is_loopback(host):
        raise UserError(
            f"--host {host}: other machines can reach it. Set a token: --token-file FILE, or"
            " $UNICTOKEN_SERVE_TOKEN."
        )


def check_token(token: str, where: str) -> str:
    """The token itself, if it can stand in a header and is no short word."""
    token = token.strip()
    is_word = token.isascii() and token.isprintable() and " " not in token
    if not is_word or not LEAST_TOKEN <= len(token) <= MOST_TOKEN:
        raise UserError(
            f"{where}: expected a token of {LEAST_TOKEN} to {MOST_TOKEN} letters and digits, without"
            " spaces. Make one: openssl rand -hex 32"
        )
    return token


async def body_of(request: Request, limits: Limits) -> bytes:
    """A request's body, refused once it is too large or too slow."""
    too_large = RequestError(
        f"body: expected at most {limits.body:,} bytes. Send less, or a smaller picture.",
        status=413,
        code="too_large",
    )
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limits.body:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body:
                    raise too_large
    except TimeoutError:
        raise RequestError(
            f"body: found only a part of it after {limits.body_seconds:g} s, expected all of it. Send it again.",
            status=408,
            code="timeout",
        ) from None
    return bytes(body)
