"""serve: a base with a folder of concepts, over HTTP."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from unictoken.cli.command import (
    Commands,
    add_device,
    add_vq_decoder,
    command,
    need_extra,
    read_secret,
)
from unictoken.core import shipped
from unictoken.core.config import DTYPES
from unictoken.core.disk import check_folder
from unictoken.core.errors import UserError
from unictoken.core.printing import say

TOKEN = "UNICTOKEN_SERVE_TOKEN"
EXTRA = ("fastapi", "uvicorn")


def serve(options: argparse.Namespace) -> None:
    need_extra("serve", EXTRA)
    shipped.find_base(options.base)
    check_folder(options.concepts, UserError, where="--concepts")

    # What is wrong with the command line is said before torch is imported and a base is loaded.
    from unictoken.serve.gate import check_open_host

    token = _token(options)
    check_open_host(options.host, token)

    from unictoken.api import load
    from unictoken.serve.server import Server

    how = {"device": options.device, "dtype": options.dtype}
    base = load(options.base, vq_decoder=options.vq_decoder, **how)
    folder = Path(options.concepts)
    with Server(base, folder, host=options.host, port=options.port, token=token) as server:
        known = server.worker.shelf.names()
        marked = ", ".join(f"<{name}>" for name in known[:20]) or "none"
        say(f"{server.url}/v1: {base.name}; concepts: {marked}. Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):  # it is how a server is ended, and no failure
            server.wait()


def _token(options: argparse.Namespace) -> str | None:
    """The token of the file, or of the environment; None: none is set."""
    from unictoken.serve.gate import check_token

    said, where = read_secret(options.token_file, TOKEN, "a file with a token")
    return check_token(said, where) if options.token_file or said.strip() else None


def add(commands: Commands) -> None:
    made = command(
        commands,
        "serve",
        serve,
        "answer and draw over HTTP, as OpenAI's clients ask: unictoken serve --concepts shelf",
    )
    made.add_argument("--base", default=shipped.USUAL_BASE, metavar="NAME", help="what is served")
    made.add_argument(
        "--concepts",
        default=str(shipped.LEARNED),
        metavar="FOLDER",
        help="concept files, found by the names in a question; also where uploads go",
    )
    made.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; any but a loopback one needs a token",
    )
    made.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    made.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"holds the bearer token that requests must have; else ${TOKEN}, if it is set",
    )
    add_vq_decoder(made)
    made.add_argument("--dtype", choices=DTYPES, default="auto")
    add_device(made)
