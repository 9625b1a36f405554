"""One tiny base of the real class, with random weights from a fixed seed, and one concept to put on
it.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that looks something up on the network fails at once

import pytest
import torch

from unictoken.data.concept import Concept
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.model.base import Base, EarlyFusionModel
from unictoken.tokens.tokens import ConceptTokens
from unictoken.toy import concepts
from unictoken.toy import dataset as toy_dataset
from unictoken.toy.concepts import toy_concept, write_toy_folder
from unictoken.toy.pretrain import image_tokenizer, language, vocabulary
from unictoken.toy.profile import PROFILE

CODES = 64

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return vocabulary.build(CODES)


@pytest.fixture(scope="session")
def model(tokenizer) -> EarlyFusionModel:
    torch.manual_seed(0)
    vq = image_tokenizer.build(image_tokenizer.TokenizerSettings(num_codes=CODES, width=32))
    made = language.build(
        language.LanguageSettings(width=32, layers=2, heads=2, ffn_width=64), tokenizer, vq
    )
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if ".vqmodel." not in name:
                parameter.copy_(parameter.bfloat16())  # what a saved base keeps
    return made


@pytest.fixture(scope="session")
def base(model, tokenizer) -> Base:
    return Base(model, tokenizer, "tiny", profile=PROFILE)


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

    def make(name: str = "bo", **counts: int) -> ConceptTokens:
        counts = {"name": 1, **(counts or {"shared": 4})}
        rows = torch.randn(
            2, sum(counts.values()), base.width, generator=torch.Generator().manual_seed(len(name))
        )
        return ConceptTokens(
            name=name,
            class_noun="dog",
            counts=counts,
            rows_in=rows[0],
            rows_out=rows[1],
            base_name=base.name,
            base_fingerprint=base.fingerprint,
        )

    return make


@pytest.fixture(scope="session")
def bo(make_concept) -> ConceptTokens:
    return make_concept("bo")


@pytest.fixture(scope="session")
def short_method() -> Method:
    """Six steps of every task, on five rows."""
    return Method(tokens=Tokens(shared=4), stages=(Stage(steps=6, batch=4),))
