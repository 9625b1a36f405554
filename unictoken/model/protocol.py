"""What the rest of the package asks of a base. A family of models is one class that answers it, in
a file of its own that imports this one and `reading.py`: `chameleon.py` is one. `FAMILIES` in
base.py lists them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import Cache

from unictoken.core.errors import UserError
from unictoken.model.gradient import PackedLayers
from unictoken.model.profile import Profile
from unictoken.model.reading import Reading
from unictoken.model.vocab import Vocab

DeviceMemory = Mapping[str | int | torch.device, int | str]
"""What weights may take of each device: bytes, or a size such as '20GiB'."""

REASON = 200  # letters of another library's message


class BaseError(UserError):
    """A base model that cannot be used: where, what was found, what was expected."""


class LanguageModel(Protocol):
    """What is sampled from: a `Base`, or a base with concepts on it (`Speaker`)."""

    vocab: Vocab

    @property
    @abstractmethod
    def device(self) -> torch.device: ...

    @property
    @abstractmethod
    def longest(self) -> int:
        """How many ids a sequence may have."""

    @abstractmethod
    def cache_bytes(self, ids: int) -> int:
        """Keys and values of one sequence of so many ids."""

    @abstractmethod
    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Input rows [B, T, D]."""

    @abstractmethod
    def hidden(self, embeds_BTD: torch.Tensor) -> torch.Tensor:
        """Last hidden states [B, T, D]."""

    @abstractmethod
    def reading(self, rows: int, columns: int) -> Reading:
        """Sequences that are read a few columns at a time.

        Args:
            rows: How many sequences.
            columns: How many ids there may be of each.
        """

    @abstractmethod
    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
        """Logits [B, ..., V] of hidden states [B, ..., D], after the sequences `ids_BT`."""

    @abstractmethod
    def text_logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
        """`logits` with -inf for image ids."""

    @abstractmethod
    def image_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [..., C] of hidden states [..., D], of image ids alone, by code."""


# Inherited from, and not only matched: what every family shares is written here once.
class Base(LanguageModel, Protocol):
    """A frozen early-fusion model with its vocabulary: what reads, answers and draws.

    A family's class inherits from this one; Python then refuses one in which something is missing.

    Attributes: `name` (where it came from), `can_draw`, `profile` (what it was trained to do),
    `model` (all its weights, frozen, as one module: what an engine moves and shards).
    """

    name: str
    can_draw: bool
    profile: Profile
    model: nn.Module

    @classmethod
    @abstractmethod
    def load(
        cls,
        path: str | Path,
        name: str,
        *,
        vq_decoder: str | Path | None,
        device: str,
        dtype: torch.dtype,
    ) -> Self:
        """The base of a checkpoint of this family.

        Args:
            path: A folder, or USER/NAME on the Hub.
            name: What it is called.
            vq_decoder: What completes a base that has no decoder; None: nothing.
            device: Of torch.
            dtype: Of the transformer.
        """

    def __repr__(self) -> str:
        draws = "draws" if self.can_draw else "cannot draw"
        loaded = f"on {self.device}, {str(self.dtype).removeprefix('torch.')}"
        made = f"width {self.width}, {self.codes_per_picture} ids a picture, {draws}; {loaded}"
        return f"<{type(self).__name__} '{self.name}': {made}>"

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Of the transformer."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, of input rows, hidden states and head rows alike."""

    @property
    @abstractmethod
    def vocabulary_size(self) -> int:
        """V, rows of the embedding; the tokenizer may have fewer ids."""

    @property
    @abstractmethod
    def codes_per_picture(self) -> int:
        """K."""

    @property
    @abstractmethod
    def picture_side(self) -> int:
        """Pixels of a picture's side, as the image tokenizer sees and draws it."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Says which base a concept was learned on: it changes with any weight, and not with the
        dtype that the base is loaded in.
        """

    @property
    def row_fingerprints(self) -> tuple[str, ...]:
        """What concept files of format 1, which only Chameleons have, may say instead."""
        return ()

    @property
    @abstractmethod
    def decoder_digest(self) -> str:
        """A sha256 of the decoder that draws, wherever it came from."""

    def packed_layers(self) -> PackedLayers | None:
        """The layers as they learn faster than by `hidden` here, in bf16; None: they do not."""
        return None

    @abstractmethod
    def hidden(self, embeds_BTD: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Last hidden states [B, T, D], after the final norm, of sequences given as input rows.
        `cache` holds what was read before them; they are added to it.
        """

    @abstractmethod
    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Scores of the whole vocabulary, image ids included: [..., D] to [..., V]. `ids_BT` is not
        used: a base scores the same ids after any sequence.
        """

    def text_logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        image_ids_C = self.vocab.image_ids.to(hidden.device)
        return self.logits(hidden).index_fill(-1, image_ids_C, -torch.inf)

    def image_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of image ids alone, by code: [..., D] to [..., C]. Linear in `hidden`: guidance
        mixes hidden states and not scores.
        """
        return self.logits(hidden)[..., self.vocab.image_ids.to(hidden.device)]

    @abstractmethod
    def head_rows(self, ids_N: torch.Tensor) -> torch.Tensor:
        """The rows [N, D] by which `logits` scores these ids of text."""

    @abstractmethod
    def encode(self, pictures: Iterable[Image.Image]) -> torch.Tensor:
        """Image ids, LongTensor [N, K], of pictures of any size.

        Pictures may come from a stream: each is needed only until the next is asked for.
        """

    @property
    def any_picture(self) -> torch.Tensor:
        """Image ids [K] of some picture, where only their number counts: all are of one length."""
        # The first code, whatever it shows.
        return self.vocab.image_ids[:1].repeat(self.codes_per_picture)

    @abstractmethod
    def decode(self, image_ids_NK: torch.Tensor) -> list[Image.Image]:
        """Pictures of image ids [N, K]."""

    @abstractmethod
    def need_decoder(self) -> None:
        """Nothing, where the base can draw; else an error that names what completes it."""

    @abstractmethod
    def recompute_activations(self) -> None:
        """From here on a backward pass computes each layer again rather than keep what it computed;
        the gradients are the same.
        """

    def spread(self, memory: DeviceMemory | None) -> None:
        """Put the layers onto several devices (placement.py says what `memory` is).

        Of a base in the CPU's memory.
        """
        raise BaseError(
            f"base '{self.name}': device_map: its family is not spread over devices. Leave"
            " `device_map` out."
        )

    @abstractmethod
    def set_image_tokenizer_apart(self) -> None:
        """Take the image tokenizer out of `model`'s submodules: learning does not use it, and an
        engine would round it to bf16 and shard it.
        """


@contextmanager
def reading_files(path: str | Path, what: str) -> Iterator[None]:
    """Makes one `BaseError` of whatever reading a file of the base raises: `transformers` meets
    arbitrary JSON, and fails in many ways and many lines.
    """
    try:
        yield
    # The first says itself what is wrong; the second is no fault of the base.
    except (UserError, MemoryError):
        raise
    except (OSError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BaseError(
            f"base '{path}' cannot be loaded: {reason}. Name a folder that holds it, or fetch the"
            " checkpoint again."
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:REASON]
        raise BaseError(
            f"base '{path}': {what} ({type(error).__name__}: {reason}). Fetch the checkpoint again."
        ) from None
