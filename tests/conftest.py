"""One tiny base of the real class, with random weights from a fixed seed, and one concept to put on
it.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that looks something up on the network fails at once

import pytest
import small
import torch

from unictoken.core.progress import bars_are_hidden
from unictoken.data.concept import Concept
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.model.chameleon import Chameleon, EarlyFusionModel
from unictoken.model.protocol import Base
from unictoken.tokens.tokens import ConceptTokens
from unictoken.toy import concepts
from unictoken.toy import dataset as toy_dataset
from unictoken.toy.concepts import toy_concept, write_toy_folder
from unictoken.toy.pretrain import language
from unictoken.toy.profile import PROFILE

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return small.tokenizer()


@pytest.fixture(scope="session")
def model(tokenizer) -> EarlyFusionModel:
    return small.model(tokenizer)


@pytest.fixture(scope="session")
def base(model, tokenizer) -> Base:
    return Chameleon(model, tokenizer, "tiny", profile=PROFILE)


@pytest.fixture(scope="session")
def base_folder(model, tokenizer, tmp_path_factory):
    """The same base, saved as `transformers` saves it."""
    folder = tmp_path_factory.mktemp("tiny-base")
    language.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def toy() -> Concept:
    return toy_concept(0, 0)


@pytest.fixture(scope="session")
def toy_folder(toy, tmp_path_factory):
    """The toy concept as its owner's folder of pictures."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_folder(toy, folder)
    return folder


@pytest.fixture(scope="module")
def small_world(toy):
    """A toy benchmark of a few pictures. `toy` is made before, in its usual size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concepts, "TEST_PICTURES", 2)
        patch.setattr(concepts, "DRAWINGS", 1)
        patch.setattr(concepts, "TRAINING_NEGATIVES", 2)
        patch.setattr(toy_dataset, "RANDOM_IMAGES", 3)
        yield


@pytest.fixture(scope="module")
def dataset(small_world, tmp_path_factory):
    """The folder of a toy benchmark with the concepts <tom> and <mia>."""
    folder = tmp_path_factory.mktemp("toy") / "bench"
    toy_dataset.write_dataset(folder, seed=1, num_concepts=2)
    return folder


@pytest.fixture(scope="session")
def make_concept(base):
    """Concepts with random rows: name, and the rows of each role."""

    return lambda name="bo", **counts: small.concept(base, name, **counts)


@pytest.fixture(scope="session")
def bo(make_concept) -> ConceptTokens:
    return make_concept("bo")


@pytest.fixture(scope="session")
def short_method() -> Method:
    """Six steps of every task, on five rows."""
    return Method(tokens=Tokens(shared=4), stages=(Stage(steps=6, batch=4),))


def pytest_configure(config: pytest.Config) -> None:
    # Else xdist takes files with many tests first, and the slow ones, of few tests, come last.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: whole files go to one process, and one that came last would run
    alone while the other process waits.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def bars_stay():
    """No test leaves the bars of its process hidden: one after it looks at some."""
    yield
    assert not bars_are_hidden()
