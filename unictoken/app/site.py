"""The page over HTTP: who is let in, and what runs behind it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from fastapi import FastAPI

from unictoken.app.runs import Runs
from unictoken.app.talk import Talk
from unictoken.app.turn import Turn
from unictoken.core.errors import UserError
from unictoken.model.protocol import Base
from unictoken.serve.gate import Gate, is_loopback
from unictoken.serve.limits import MIB, Limits
from unictoken.serve.server import TO_END, Site
from unictoken.serve.shelf import Shelf
from unictoken.serve.worker import Worker

# The server's own limit is for requests that end.
OPEN = 512  # requests at once: a page that is open holds one or two
LARGEST_FILE = 64 * MIB


class App(Site):
    """The page in threads of its own, as long as a `with` block.

        with App(base, Path("shelf"), Path("runs")) as app:
            print(app.url)  # http://127.0.0.1:7860

    Args:
        base: What learns, answers and draws; nobody else may use it meanwhile.
        concepts: The folder of concept files.
        runs: The folder of runs of learning.
        host: The address of this machine that it listens on.
        port: 0 takes one that is free.
        login: Name and password that are asked for; needed where the host is not a loopback one.
    """

    def __init__(
        self,
        base: Base,
        concepts: Path,
        runs: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 7860,
        login: tuple[str, str] | None = None,
    ):
        check_open_host(host, login)
        limits = Limits(open=OPEN)
        # One for all: nobody uses the base beside it.
        turn = Turn()
        worker = Worker(base, Shelf(base, concepts, limits), limits, turn)
        self.runs = Runs(base, concepts, runs, turn)
        # Private: what is dropped on the page lies there.
        self._uploads = tempfile.TemporaryDirectory(prefix="unictoken-app-")
        app = _app_of(self.runs, Talk(worker, turn), login, Path(self._uploads.name))
        # With a login, gradio asks; without one, only pages of this machine are let in.
        gate = Gate(app, None, limits, checks=login is None)
        super().__init__(gate, worker, host=host, port=port, lifespan="on")

    def __enter__(self) -> Self:
        self.runs.start()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A run saves itself after its step, and can go on.
        self.runs.close(TO_END)
        super().__exit__(kind, error, trace)
        self._uploads.cleanup()


def check_open_host(host: str, login: tuple[str, str] | None) -> None:
    """Refuse to show the page to other machines without a login."""
    if login is None and not is_loopback(host):
        raise UserError(
            f"--host {host}: other machines can reach it. Ask for a name and a password: --user NAME,"
            " with $UNICTOKEN_APP_PASSWORD or --password-file FILE."
        )


def _app_of(runs: Runs, talk: Talk, login: tuple[str, str] | None, uploads: Path) -> FastAPI:
    """The page as an ASGI app."""
    # Read when gradio is imported: nothing is told to anybody, and files go where we say.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)

    import gradio as gr

    from unictoken.app.page import CSS, page, theme
    from unictoken.app.parts import Desk

    # To publish is for the owner of the Hub's token: whoever sits at this machine.
    desk = Desk(runs=runs, talk=talk, may_share=login is None)
    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    made: FastAPI = gr.mount_gradio_app(
        outer,
        page(desk).queue(max_size=OPEN, api_open=False),
        path="/",
        auth=login,
        theme=theme(),
        css=CSS,
        footer_links=[],
        run_history=False,
        # It would start a server of Node, if there is one.
        ssr_mode=False,
        max_file_size=LARGEST_FILE,
        enable_monitoring=False,
        # Errors are lines of ours; a message of a library's may quote anything.
        show_error=False,
    )
    return made
