"""An encoder that was sharpened for some concepts: a small projection on its frozen features tells
them from look-alikes (personalized-rep, 2412.16156, section 3.2).

There LoRA on a ViT is tuned by InfoNCE on synthetic positives and negatives of one concept. Here the
encoder stays frozen, the low-rank part is added to its features, and one projection may know several
concepts. `learn/sharpen.py` makes one from pictures that the base draws itself.

    header: unictoken_sharpened = {"format": 1, "encoder": "asked", "base": ..., "names": [...], "sha256": ..., ...}
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy, normalize

from unictoken.core.config import within
from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.core.shapes import Fields, ListOf, Text, Whole
from unictoken.model.encoders import ASKED, OF_BASE, Encoder, EncoderOfIds, load_encoder
from unictoken.model.protocol import Base
from unictoken.personalize.weights_file import WeightsFile
from unictoken.tokens.file import check_name

FORMAT = 1
OF_A_BASE = (OF_BASE, ASKED)  # encoders that need no other weights
MOST_FEATURES, MOST_RANK, MOST_NAMES = 2**20, 1024, 1000
_WORDS, _DIGEST = Text(1000), Text(200)


class SharpenedError(UserError):
    """A projection that cannot be learned or used: where, what was found, what was expected."""


FILE = WeightsFile(
    key="unictoken_sharpened",
    header=Fields(
        {
            "format": Whole(FORMAT, FORMAT),
            "encoder": _WORDS,
            "base": _WORDS,
            "base_fingerprint": _DIGEST,
            "names": ListOf(_WORDS, MOST_NAMES),
            "features": Whole(1, MOST_FEATURES),
            "rank": Whole(1, MOST_RANK),
            "sha256": _DIGEST,
        }
    ),
    what="the projection",
    expected="a projection's file",
    maker="`unictoken memory sharpen`",
    again="Make it again (`unictoken memory sharpen`).",
    refusal=SharpenedError,
    most=64 * 2**20,
)


@dataclass(frozen=True, kw_only=True)
class Sharpening:
    """How a projection is learned."""

    rank: int = 16
    """Of what is added to the features."""
    steps: int = 100
    lr: float = 3e-3
    """Adam's."""
    temperature: float = 0.07
    """Of InfoNCE, as in the paper."""
    weight_decay: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        within("sharpen: rank", self.rank, 1, MOST_RANK)
        within("sharpen: steps", self.steps, 1, 100_000)
        within("sharpen: lr", self.lr, above=True)
        within("sharpen: temperature", self.temperature, above=True)
        within("sharpen: weight_decay", self.weight_decay)


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """x -> y + up(down(y)) with y = (x - centre) / norm: features of norm 1, as they are compared."""

    centre_F: torch.Tensor
    """What the pictures that it was learned from share."""
    down_FR: torch.Tensor
    up_RF: torch.Tensor

    def __call__(self, features_NF: torch.Tensor) -> torch.Tensor:
        """Features [N, F] as this projection sees them, each of norm 1."""
        unit_NF = normalize(features_NF - self.centre_F, dim=-1)
        return normalize(unit_NF + unit_NF @ self.down_FR @ self.up_RF, dim=-1)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return {"centre": self.centre_F, "down": self.down_FR, "up": self.up_RF}


def info_nce(
    features_NF: torch.Tensor, owners_N: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    """The mean over pairs of pictures of one concept of -log(their likeness / the sum of it and those
    with every picture of others), likenesses being exp(cosine / temperature) (van den Oord et al.
    2018, equation 4).

    Args:
        features_NF: Of norm 1.
        owners_N: The number of each picture's concept; -1: nobody's, who is other than all.
        temperature: Small ones look at the likest others alone.
    """
    scores_NN = features_NF @ features_NF.T / temperature
    same_NN = (owners_N[:, None] == owners_N[None]) & (owners_N[:, None] >= 0)
    others_N = scores_NN.masked_fill(same_NN, -torch.inf).fill_diagonal_(-torch.inf).logsumexp(1)
    pairs = (same_NN & ~torch.eye(len(owners_N), dtype=torch.bool)).nonzero()
    own_P, against_P = scores_NN[pairs[:, 0], pairs[:, 1]], others_N[pairs[:, 0]]
    choices_P2 = torch.stack([own_P, against_P], 1)
    return cross_entropy(choices_P2, torch.zeros(len(pairs), dtype=torch.long))


def sharpen(
    own: Sequence[np.ndarray], others_MF: np.ndarray, how: Sharpening | None = None
) -> Projection:
    """A projection in which pictures of one concept are alike, and others unlike them. It begins as
    none: the same angles as without it.

    Args:
        own: Features [N, F] of each concept's pictures, two or more of one of them.
        others_MF: Of pictures of nobody among them, [M, F].
        how: Rank, steps and so on; None: the usual ones.
    """
    how = how or Sharpening()
    if not any(len(features) > 1 for features in own) or not len(others_MF):
        raise SharpenedError(
            f"sharpen: found {sum(map(len, own))} pictures of {len(own)} concepts, and"
            f" {len(others_MF)} of others. Expected two or more of a concept, and one of others."
        )
    features_NF = torch.from_numpy(np.concatenate([*own, others_MF]).astype(np.float32))
    owners = [i for i, features in enumerate(own) for _ in features] + [-1] * len(others_MF)
    generator = torch.Generator().manual_seed(how.seed)
    count = features_NF.shape[1]
    down_FR = torch.randn(count, how.rank, generator=generator) / count**0.5
    up_RF = torch.zeros(how.rank, count)
    made = Projection(
        centre_F=features_NF.mean(0),
        down_FR=down_FR.requires_grad_(),
        up_RF=up_RF.requires_grad_(),
    )
    optimiser = torch.optim.AdamW(
        [made.down_FR, made.up_RF], lr=how.lr, weight_decay=how.weight_decay
    )
    for _ in range(how.steps):
        optimiser.zero_grad()
        loss = info_nce(made(features_NF), torch.tensor(owners), temperature=how.temperature)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    # As a file keeps it: what was just made and what is loaded see the same.
    centre, down, up = (w.detach().half().float() for w in made.weights.values())
    return Projection(centre_F=centre, down_FR=down, up_RF=up)


@dataclass(frozen=True, kw_only=True, eq=False)
class SharpenedEncoder:
    """An encoder's features behind a projection. It stands wherever an encoder does."""

    encoder: Encoder
    projection: Projection
    names: tuple[str, ...]
    """Of the concepts that it was sharpened for."""

    @cached_property
    def name(self) -> str:
        """With a digest: features by another projection mean something else, and a memory keeps
        them apart.
        """
        seen = hashlib.sha256()
        for weights in self.projection.weights.values():
            seen.update(weights.numpy().tobytes())
        return f"{self.encoder.name}-sharpened-{seen.hexdigest()[:12]}"

    @property
    def base(self) -> Base | None:
        """The base whose features they are; None: those of a published encoder."""
        found: Base | None = getattr(self.encoder, "base", None)
        return found

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return self._projected(self.encoder.pictures(pictures))

    def of_ids(self, ids_NK: torch.Tensor) -> np.ndarray:
        """The same of pictures that are encoded already, by an encoder that reads ids."""
        assert isinstance(self.encoder, EncoderOfIds)
        return self._projected(self.encoder.of_ids(ids_NK))

    def _projected(self, features_NF: np.ndarray) -> np.ndarray:
        found, expected = features_NF.shape[1], len(self.projection.centre_F)
        if found != expected:
            raise SharpenedError(
                f"encoder '{self.encoder.name}': found {found:,} features of a picture, expected the"
                f" {expected:,} of the projection. {FILE.again}"
            )
        with torch.no_grad():
            projected: np.ndarray = self.projection(torch.from_numpy(features_NF)).numpy()
        return projected


def save(encoder: SharpenedEncoder, path: Path) -> Path:
    """Write the projection's file; the same projection gives the same bytes."""
    base = encoder.base
    features, rank = encoder.projection.down_FR.shape
    header = {
        "format": FORMAT,
        "encoder": encoder.encoder.name,
        "base": base.name if base else "",
        "base_fingerprint": base.fingerprint if base else "",
        "names": list(encoder.names),
        "features": features,
        "rank": rank,
    }
    return FILE.write(path, header, encoder.projection.weights)


def load(path: Path, base: Base, *, encoder: Encoder | None = None) -> SharpenedEncoder:
    """The encoder of a projection's file; one of another base's features is refused.

    Args:
        path: The file.
        base: Whose features it projects, where it was made of a base's.
        encoder: The published one that it was made of, which a file alone does not fetch; None: it
            was made of the base's.
    """
    header, tensors = FILE.read(path)
    for name in header["names"]:
        check_name(name)
    made_of = header["encoder"]
    frozen = encoder or (load_encoder(made_of, base=base) if made_of in OF_A_BASE else None)
    if frozen is None or frozen.name != made_of:
        raise SharpenedError(
            f"{path}: made of encoder {quoted(made_of)}, found"
            f" {quoted(frozen.name) if frozen else 'none'}. Name that one (`--encoder`), or make it"
            " again."
        )
    if made_of in OF_A_BASE and header["base_fingerprint"] != base.fingerprint:
        raise SharpenedError(
            f"{path}: made on base {quoted(header['base'])} ({header['base_fingerprint'][:12]}), this"
            f" one is '{base.name}' ({base.fingerprint[:12]}). Make it again on this one (`unictoken"
            " memory sharpen`)."
        )
    features, rank = header["features"], header["rank"]
    FILE.check_shapes(
        path, tensors, {"centre": (features,), "down": (features, rank), "up": (rank, features)}
    )
    centre, down, up = (
        torch.from_numpy(tensors[name]).float() for name in ("centre", "down", "up")
    )
    return SharpenedEncoder(
        encoder=frozen,
        projection=Projection(centre_F=centre, down_FR=down, up_RF=up),
        names=tuple(header["names"]),
    )
