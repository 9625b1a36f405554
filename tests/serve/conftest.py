"""A server on loopback with the small base and two concepts; and the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens


@pytest.fixture(scope="module")
def concepts(make_concept):
    return {name: make_concept(name, shared=1) for name in ("rocky", "chester")}


@pytest.fixture(scope="module")
def shelf_folder(concepts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shelf")
    for name, concept in concepts.items():
        concept.save(folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def server(base, shelf_folder) -> Iterator[Any]:
    from unictoken.serve.server import Server

    with Server(base, shelf_folder, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    import openai

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def session(base, concepts):
    """The session of the Python API with these concepts."""
    return lambda *names: Session(
        base, Several(base, [with_tokens(base, concepts[n]) for n in names])
    )
