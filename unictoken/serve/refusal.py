"""Refusals of the server: each is an HTTP status and one line, in the form of OpenAI's errors."""

from __future__ import annotations

import http
import logging
import secrets
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

from unictoken.core.errors import UserError
from unictoken.core.printing import one_line

LOG = logging.getLogger("unictoken.serve")
RETRY_AFTER = "1"  # seconds, of a server that is busy
BUG = "server_error"


class RequestError(UserError):
    """A request that is refused.

    Args:
        message: Where, what was found, what was expected, what to do.
        status: Of HTTP.
        code: OpenAI's word for it.
        headers: That go with the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request",
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


def busy(message: str) -> RequestError:
    """The refusal of a server that has no room now."""
    return RequestError(message, status=503, code="busy", headers={"Retry-After": RETRY_AFTER})


def told(error: BaseException) -> RequestError:
    """A refusal for whatever went wrong. A bug of ours is known by a number, and what it was stands
    in the log alone.
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, UserError):
        return RequestError(str(error))
    number = secrets.token_hex(6)
    for line in "".join(traceback.format_exception(error)).splitlines():
        # Line by line: a message of the log is one line.
        LOG.error("error %s: %s", number, line)
    return RequestError(
        f"error {number} of the server. Ask who runs it to look into its log.",
        status=500,
        code=BUG,
    )


def shape(refusal: RequestError) -> dict[str, Any]:
    """The JSON of a refusal.

    >>> shape(RequestError("n: found 0. Give one."))["error"]["message"]
    'n: found 0. Give one.'
    """
    kind = BUG if refusal.status >= 500 else "invalid_request_error"
    said = {"message": str(refusal), "type": kind, "param": None, "code": refusal.code}
    return {"error": said}


def response(refusal: RequestError) -> JSONResponse:
    return JSONResponse(shape(refusal), refusal.status, refusal.headers)


def of_status(status: int, method: str, path: str) -> RequestError:
    """The refusal of an address or a method that is not known."""
    phrase = http.HTTPStatus(status).phrase.lower()
    found = one_line(f"{method} {path}", 200)
    return RequestError(
        f"{found}: {phrase}. Expected POST /v1/chat/completions, POST /v1/images/generations,"
        " GET /v1/models, GET or POST /v1/concepts, DELETE /v1/concepts/NAME or GET /health.",
        status=status,
        code="not_found" if status == 404 else "invalid_request",
    )
