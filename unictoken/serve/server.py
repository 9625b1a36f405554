"""The server while it runs."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from unictoken.core.errors import UserError
from unictoken.model.protocol import Base
from unictoken.serve.app import app_of
from unictoken.serve.gate import App, check_open_host
from unictoken.serve.limits import Limits
from unictoken.serve.shelf import Shelf
from unictoken.serve.worker import Worker

A_MOMENT = 0.02  # seconds
TO_END = 5.0  # seconds that requests get when the server ends
MOST_CONNECTIONS = 512  # beyond them a connection is refused before anything of it is read


class Site:
    """An app that is served in a thread of its own, as long as a `with` block.

    Args:
        app: What answers.
        worker: What owns the base.
        host: The address of this machine that it listens on.
        port: 0 takes one that is free.
        **settings: Further ones of uvicorn.
    """

    def __init__(self, app: App, worker: Worker, *, host: str, port: int, **settings: Any):
        self.worker, self.host, self.port = worker, host, port
        how = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=int(TO_END),
            **settings,
        )
        self._server = uvicorn.Server(how)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        listening = _listening(self.host, self.port)
        self.port = listening.getsockname()[1]
        # Not the main thread: signals stay the program's.
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="unictoken-serve", daemon=True
        )
        self.worker.start()
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(A_MOMENT)
        return self

    def wait(self) -> None:
        """Until the server ends, which it does not by itself."""
        while self._thread.is_alive():
            # In short waits: a signal must find Python awake.
            self._thread.join(1.0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # First no new requests, then the answers that are still made.
        self._server.should_exit = True
        self._thread.join(2 * TO_END)
        self.worker.close(TO_END)


class Server(Site):
    """A base with a folder of concepts, over HTTP.

        with Server(base, Path("shelf")) as server:
            print(server.url)  # http://127.0.0.1:8000

    Args:
        base: What answers and draws; nobody else may use it meanwhile.
        concepts: The folder of concept files.
        host: The address of this machine that it listens on.
        port: 0 takes one that is free.
        token: That each request must bear; needed where the host is not a loopback one.
        limits: Of requests.
    """

    def __init__(
        self,
        base: Base,
        concepts: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        limits: Limits | None = None,
    ):
        check_open_host(host, token)
        limits = limits or Limits()
        worker = Worker(base, Shelf(base, concepts, limits), limits)
        app = app_of(base, worker.shelf, worker, limits, token)
        super().__init__(app, worker, host=host, port=port, lifespan="off")


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({why}). Choose another port or"
            " address."
        ) from None
