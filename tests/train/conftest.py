"""Where the tests of one file launch train/run.py on the tiny base."""

from __future__ import annotations

import contextlib
import socket

import pytest
from launching import CONFIG, STEPS, Launches


@pytest.fixture(scope="module")
def launches(base_folder, toy_folder, tmp_path_factory) -> Launches:
    config = CONFIG.format(pictures=toy_folder, base=base_folder, half=STEPS // 2)
    return Launches(tmp_path_factory.mktemp("launches"), config)


@pytest.fixture(scope="module")
def port_taken():
    """What every DeepSpeed launch on this machine is told, held by another."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody holds it already
            other.bind(("", 29500))
            other.listen()
        yield
