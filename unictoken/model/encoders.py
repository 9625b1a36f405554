"""Picture and text encoders behind one small interface: they rank look-alikes, and drawings are
scored with them.

    load_encoder("clip-vit-b32").pictures(pictures)      ->  features [N, F]       (or from a folder that save_pretrained wrote)
    BaseEncoder(base).pictures(pictures)                 ->  features [N, D], always at hand
    AskedEncoder(base).pictures(pictures)                ->  features [N, Q x D], to find whom a memory knows
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

from unictoken.core.errors import UserError
from unictoken.core.shipped import here_or_on_hub
from unictoken.model.base import usual_device
from unictoken.model.protocol import Base
from unictoken.model.saved import check_saved, check_weights, refusing

BATCH = 16
OF_BASE = "base"  # the name of a base's own features, which need no other weights
ASKED = "asked"  # of its features as it is asked about a picture


class EncoderError(UserError):
    """An encoder that cannot be loaded or used: which, what was found, what to do."""


class Encoder(Protocol):
    """What turns pictures into features: `name`, and rows [N, F] that are compared by their
    angle.
    """

    @property
    def name(self) -> str: ...

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray: ...


@runtime_checkable
class EncoderOfIds(Protocol):
    """One that reads a base's image ids, so that a picture is encoded once."""

    @property
    def base(self) -> Base | None: ...

    def of_ids(self, ids_NK: torch.Tensor) -> np.ndarray: ...


class TextEncoder(Encoder, Protocol):
    """One that turns texts into features of the same space too."""

    def texts(self, texts: Sequence[str]) -> np.ndarray: ...


def text_half(encoder: Encoder) -> TextEncoder | None:
    """The encoder as one of texts, where those are compared with pictures; None: it has no such half.

    A base's rows of a text are not of the space of its pictures.
    """
    if isinstance(encoder, BaseEncoder) or not hasattr(encoder, "texts"):
        return None
    return cast(TextEncoder, encoder)


@dataclass(frozen=True)
class BaseEncoder:
    """The base's own features: its last hidden state after it has read a picture's image ids.
    Always there, comparable with no paper.

    That state tells two pictures of one pet from a look-alike's better than the mean over the image
    ids or the mean of their rows (area under the curve .74, .64, .56 on 24 unseen pets of the tiny
    base).
    """

    base: Base
    name: str = OF_BASE

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return self.of_ids(self.base.encode(pictures))

    @torch.no_grad()
    def of_ids(self, ids_NK: torch.Tensor) -> np.ndarray:
        """The same of pictures that are encoded already."""
        vocab = self.base.vocab
        # All are equally long: nothing is padded.
        ids = torch.tensor(
            [[*vocab.begin, *vocab.picture(picture)] for picture in ids_NK.tolist()],
            device=self.base.device,
        )
        read = [self.base.hidden(self.base.embed(part))[:, -1] for part in ids.split(BATCH)]
        return torch.cat(read).float().cpu().numpy()

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """The mean of the base's input rows of a text: [N, D], not of the space of `pictures`.

        It finds the item that answers a question among the first 4 of 16 in .77 of cases; the mean
        of the last hidden states in .52, the last one in .38 (240 questions, tiny base).
        """
        read = []
        for text in texts:
            # An empty text has no row: zeros, which are like nothing.
            ids = torch.tensor([self.base.vocab.encode(text)], device=self.base.device)
            rows_TD = self.base.embed(ids.long())[0]
            read.append(rows_TD.mean(0) if len(rows_TD) else rows_TD.new_zeros(self.base.width))
        return torch.stack(read).float().cpu().numpy()


@dataclass(frozen=True)
class AskedEncoder:
    """The base's own features as it is asked about a picture: its last hidden state at the end of
    each question, each of norm 1, side by side [N, Q x D]. The questions follow one another after
    the picture without answers, so that a picture is read once.

    What a base is about to answer says who is seen, whatever stands around it: among 64 unseen
    subjects of the tiny base, five pictures each, the right one is nearest for .979 of other
    pictures (`BaseEncoder` .844, the mean of all states .12), and among the three nearest for all.
    """

    base: Base
    questions: tuple[str, ...] = ("what is it?", "what colour is it?", "describe the photo.")
    name: str = ASKED

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return self.of_ids(self.base.encode(pictures))

    @torch.no_grad()
    def of_ids(self, ids_NK: torch.Tensor) -> np.ndarray:
        """The same of pictures that are encoded already."""
        vocab = self.base.vocab
        asked = [vocab.turn(vocab.encode(question)) for question in self.questions]
        rest = [i for turn in asked for i in turn]
        rows = [[*vocab.begin, *vocab.picture(ids), *rest] for ids in ids_NK.tolist()]
        # Counted from the end: where a picture's frame ends is the family's own matter.
        ends = (torch.tensor([0, *map(len, asked)]).cumsum(0)[1:] - 1 - len(rest)).tolist()
        read = [
            self.base.hidden(self.base.embed(part))[:, ends]
            for part in torch.tensor(rows, device=self.base.device).split(BATCH)
        ]
        states_NQD = torch.nn.functional.normalize(torch.cat(read).float(), dim=-1)
        return states_NQD.flatten(1).cpu().numpy()


class ClipEncoder:
    """CLIP: pictures and texts in one space, after its projections (Radford et al. 2021)."""

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(CLIPModel, name, weights)
        self.processor, self.tokenizer = (
            _image_processor(name, weights),
            _part(AutoTokenizer, name, weights),
        )

    @property
    def patch(self) -> int:
        return self.model.config.vision_config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(
            pictures,
            # Since transformers 5 an object, whose `pooler_output` is the projected feature.
            lambda part: self.model.get_image_features(**_pixels(self, part)).pooler_output,
        )

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        longest = self.model.config.text_config.max_position_embeddings

        def features(part: Sequence[str]) -> torch.Tensor:
            # CLIP has 77 positions: the end of a longer text is not compared.
            ids = self.tokenizer(
                list(part), padding=True, truncation=True, max_length=longest, return_tensors="pt"
            )
            return self.model.get_text_features(**ids.to(self.model.device)).pooler_output

        return _in_batches(texts, features)


class DinoEncoder:
    """DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023): the class token after the last
    norm.
    """

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(AutoModel, name, weights)
        self.processor = _image_processor(name, weights)

    @property
    def patch(self) -> int:
        return self.model.config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(
            pictures, lambda part: self.model(**_pixels(self, part)).last_hidden_state[:, 0]
        )


@dataclass(frozen=True)
class Weights:
    """An encoder of a known name: its kind, where its weights are published, how it is printed,
    pixels of a patch's side.
    """

    kind: type[ClipEncoder] | type[DinoEncoder]
    published: str
    printed: str
    patch: int


ENCODERS = {
    "clip-vit-b32": Weights(ClipEncoder, "openai/clip-vit-base-patch32", "ViT-B/32", 32),
    "clip-vit-l14": Weights(ClipEncoder, "openai/clip-vit-large-patch14", "ViT-L/14", 14),
    "dino-vit-s16": Weights(DinoEncoder, "facebook/dino-vits16", "ViT-S/16", 16),
    "dinov2-vit-s14": Weights(DinoEncoder, "facebook/dinov2-small", "ViT-S/14", 14),
}


_PUBLISHED = {known.published for known in ENCODERS.values()}
_EXPECTED = "Give a folder that save_pretrained wrote, with safetensors, or leave its scores out"


def load_encoder(
    name: str, weights: str | Path | None = None, *, base: Base | None = None
) -> Encoder:
    """An encoder of ENCODERS, on the GPU where there is one; or 'base' or 'asked', a base's own
    features.

    Args:
        name: Which.
        weights: A folder; None: where it is published.
        base: Whose features 'base' and 'asked' are.
    """
    if name == OF_BASE and base is not None:
        return BaseEncoder(base)
    if name == ASKED and base is not None:
        return AskedEncoder(base)
    if name not in ENCODERS:
        raise EncoderError(f"encoder '{name}': unknown. Expected one of {', '.join(ENCODERS)}.")
    known = ENCODERS[name]
    place = here_or_on_hub(weights or known.published, f"encoder '{name}'")
    if isinstance(place, Path):
        check_saved(place, EncoderError, whose="the encoder's")
    encoder = known.kind(name, place)
    # A folder may hold another size of this encoder, whose scores compare with nobody's.
    if encoder.patch != known.patch:
        raise EncoderError(
            f"encoder '{name}': patches of {encoder.patch} pixels at '{weights}', expected"
            f" {known.patch}. Give {known.published}."
        )
    return encoder


class _Pretrained(Protocol):
    """A class of `transformers` that loads what `save_pretrained` wrote."""

    def from_pretrained(self, weights: str | Path, /, **how: Any) -> Any: ...


def _part(kind: _Pretrained, name: str, weights: str | Path, **how: Any) -> Any:
    """A part of an encoder as `transformers` saved it."""
    said = f"encoder '{name}': nothing to load at '{weights}'"
    with refusing(EncoderError, said, advice=_EXPECTED):
        # Said outright: left out, transformers asks whether code of the folder may be run.
        return kind.from_pretrained(weights, trust_remote_code=False, **how)


def _image_processor(name: str, weights: str | Path) -> Any:
    """Always the one on Pillow: with torchvision installed, the default would give other scores."""
    return _part(AutoImageProcessor, name, weights, backend="pil")


def _model(kind: _Pretrained, name: str, weights: str | Path) -> Any:
    """The frozen model in fp32, every weight of it there, on the GPU where there is one."""
    if isinstance(weights, Path):
        _check_size(name, weights)
    # Never a pickle, but where the weights are published as nothing else.
    safe = None if str(weights) in _PUBLISHED else True
    how = {"output_loading_info": True, "dtype": torch.float32, "use_safetensors": safe}
    model, loaded = _part(kind, name, weights, **how)
    # DINO's published weights have no pooler; the class token is taken before that.
    if lacking := sorted(key for key in loaded["missing_keys"] if not key.startswith("pooler.")):
        raise EncoderError(
            f"encoder '{name}': {len(lacking)} weights are missing at '{weights}', '{lacking[0]}'"
            " first. Fetch them again."
        )
    check_weights(model, f"encoder '{name}'", EncoderError, advice=_EXPECTED)
    return model.eval().requires_grad_(False).to(usual_device())


def _check_size(name: str, folder: Path) -> None:
    """Refuse settings that ask for more weights than the files can hold: transformers makes all of
    them before it compares.
    """
    config = _part(AutoConfig, name, folder)
    held = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    said = f"encoder '{name}': nothing to load at '{folder}'"
    with refusing(EncoderError, said, advice=_EXPECTED), torch.device("meta"):
        model = AutoModel.from_config(config, trust_remote_code=False)
    asked = sum(weight.numel() for weight in model.parameters())
    if asked > held > 0:  # a number takes a byte or more
        raise EncoderError(
            f"encoder '{name}': the settings at '{folder}' ask for {asked:,} weights, and its"
            f" .safetensors have {held:,} bytes. {_EXPECTED}."
        )


def _pixels(encoder: ClipEncoder | DinoEncoder, pictures: Sequence[Image.Image]):
    """Pictures as the encoder's own processor makes them, on its device."""
    rgb = [picture.convert("RGB") for picture in pictures]
    return encoder.processor(images=rgb, return_tensors="pt").to(encoder.model.device)


def _in_batches(inputs: Sequence, features: Callable) -> np.ndarray:
    parts = [inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH)]
    if not parts:
        raise EncoderError(
            "encoder: found nothing to encode. Expected one picture or text, or more."
        )
    # Whole settings may fit no picture: a processor of other pixels than the model's.
    with refusing(EncoderError, "encoder: its settings fit no input", advice=_EXPECTED):
        return torch.cat([features(part) for part in parts]).float().cpu().numpy()
