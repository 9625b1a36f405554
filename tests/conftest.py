"""One tiny base of the real class, with random weights from a fixed seed, and one concept to put on
it.

Fixtures import what they make: xdist's first process runs no test, and needs no torch.
"""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that looks something up on the network fails at once

import pytest

from unictoken.core.progress import bars_are_hidden

if TYPE_CHECKING:
    from unictoken.data.concept import Concept
    from unictoken.learn.methods import Method
    from unictoken.model.chameleon import EarlyFusionModel
    from unictoken.model.protocol import Base
    from unictoken.tokens.tokens import ConceptTokens

# Nothing that imports and collection make is garbage, and looking for some takes two seconds.
gc.disable()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def hears_ctrl_c():
    """Shells start jobs in the background deaf to Ctrl-C, and tests of interruptions send it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def no_power_cut():
    """Nothing waits for the disk, which takes milliseconds for each of thousands of files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def tokenizer():
    import small

    return small.tokenizer()


@pytest.fixture(scope="session")
def model(tokenizer) -> EarlyFusionModel:
    import small

    return small.model(tokenizer)


@pytest.fixture(scope="session")
def base(model, tokenizer) -> Base:
    from unictoken.model.chameleon import Chameleon
    from unictoken.toy.profile import PROFILE

    return Chameleon(model, tokenizer, "tiny", profile=PROFILE)


@pytest.fixture(scope="session")
def base_folder(model, tokenizer, tmp_path_factory):
    """The same base, saved as `transformers` saves it."""
    from unictoken.toy.pretrain import language

    folder = tmp_path_factory.mktemp("tiny-base")
    language.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def toy() -> Concept:
    from unictoken.toy.concepts import toy_concept

    return toy_concept(0, 0)


@pytest.fixture(scope="session")
def toy_folder(toy, tmp_path_factory):
    """The toy concept as its owner's folder of pictures."""
    from unictoken.toy.concepts import write_toy_folder

    folder = tmp_path_factory.mktemp("toy")
    write_toy_folder(toy, folder)
    return folder


@pytest.fixture(scope="module")
def small_world(toy):
    """A toy benchmark of a few pictures. `toy` is made before, in its usual size."""
    from unictoken.toy import concepts
    from unictoken.toy import dataset as toy_dataset

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concepts, "TEST_PICTURES", 2)
        patch.setattr(concepts, "DRAWINGS", 1)
        patch.setattr(concepts, "TRAINING_NEGATIVES", 2)
        patch.setattr(toy_dataset, "RANDOM_IMAGES", 3)
        yield


@pytest.fixture(scope="module")
def dataset(small_world, tmp_path_factory):
    """The folder of a toy benchmark with the concepts <tom> and <mia>."""
    from unictoken.toy.dataset import write_dataset

    folder = tmp_path_factory.mktemp("toy") / "bench"
    write_dataset(folder, seed=1, num_concepts=2)
    return folder


@pytest.fixture(scope="session")
def make_concept(base):
    """Concepts with random rows: name, and the rows of each role."""
    import small

    return lambda name="bo", **counts: small.concept(base, name, **counts)


@pytest.fixture(scope="session")
def bo(make_concept) -> ConceptTokens:
    return make_concept("bo")


@pytest.fixture(scope="session")
def short_method() -> Method:
    """Six steps of every task, on five rows."""
    from unictoken.learn.methods import Method, Stage, Tokens

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


def pytest_collection_finish() -> None:
    gc.freeze()  # what is there now stays to the end, and is not looked through again
    gc.enable()


@pytest.fixture(autouse=True)
def bars_stay():
    """No test leaves the bars of its process hidden: one after it looks at some."""
    yield
    assert not bars_are_hidden()
