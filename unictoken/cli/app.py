"""app: a page in the browser where concepts are learned, asked about, drawn and compared."""

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

PASSWORD = "UNICTOKEN_APP_PASSWORD"
EXTRA = ("gradio", "fastapi", "uvicorn")
SHORTEST = 8  # letters of a password


def app(options: argparse.Namespace) -> None:
    need_extra("app", EXTRA)
    shipped.find_base(options.base)
    check_folder(options.concepts, UserError, where="--concepts")
    check_folder(options.runs, UserError, where="--runs")
    login = _login(options)

    # What is wrong with the command line is said before a base is loaded.
    from unictoken.app.site import App, check_open_host

    check_open_host(options.host, login)

    from unictoken.api import load

    how = {"device": options.device, "dtype": options.dtype}
    base = load(options.base, vq_decoder=options.vq_decoder, **how)
    folders = Path(options.concepts), Path(options.runs)
    with App(base, *folders, host=options.host, port=options.port, login=login) as running:
        say(f"{running.url}: the page, with {base.name}. Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):  # it is how a server is ended, and no failure
            running.wait()


def _login(options: argparse.Namespace) -> tuple[str, str] | None:
    """Name and password; None: none is asked for."""
    text, where = read_secret(options.password_file, PASSWORD, "a file with a password")
    password = text.strip()
    if not options.user:
        if options.password_file:
            raise UserError("--password-file: found no name. Give it too: --user NAME.")
        return None
    if len(password) < SHORTEST:
        raise UserError(
            f"{where}: found a password of {len(password)} letters, expected {SHORTEST} or more."
            " Make one: openssl rand -hex 16"
        )
    return options.user, password


def add(commands: Commands) -> None:
    made = command(
        commands, "app", app, "learn, ask, draw and compare on a page in the browser: unictoken app"
    )
    made.add_argument("--base", default=shipped.USUAL_BASE, metavar="NAME", help="what is used")
    made.add_argument(
        "--concepts",
        default=str(shipped.LEARNED),
        metavar="FOLDER",
        help="concept files; also where what is learned goes",
    )
    made.add_argument("--runs", default="runs", metavar="FOLDER", help="where runs are kept")
    made.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; any but a loopback one needs --user",
    )
    made.add_argument("--port", type=int, default=7860, help="0 takes a free one")
    made.add_argument("--user", metavar="NAME", help="who may log in")
    made.add_argument(
        "--password-file", metavar="FILE", help=f"holds the password of --user; else ${PASSWORD}"
    )
    add_vq_decoder(made)
    made.add_argument("--dtype", choices=DTYPES, default="auto")
    add_device(made)
