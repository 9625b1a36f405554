"""Whether reference pictures lie outside a base's world: known as soon as they are encoded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from unictoken.model.pixels import prepare, psnr, to_pixels
from unictoken.model.protocol import Base


def round_trip_psnr(
    base: Base, pictures: Sequence[Image.Image], image_ids_NK: torch.Tensor
) -> float:
    """Picture in, picture out, dB, of pictures of any size and their image ids."""
    side = base.picture_side
    back = base.decode(image_ids_NK)
    # Both prepared: only the middle square, which the image tokenizer saw, is compared.
    return psnr(
        *(torch.stack([to_pixels(prepare(p, side)) for p in shown]) for shown in (pictures, back))
    )


def decibels_of(
    base: Base, pictures: Sequence[Image.Image], image_ids_NK: torch.Tensor
) -> tuple[float, ...]:
    """How well the image tokenizer gives each picture back; () for a base that has no decoder."""
    # `split` of no ids would give one empty part.
    if not base.can_draw or not pictures:
        return ()
    pairs = zip(pictures, image_ids_NK.split(1), strict=True)
    return tuple(round_trip_psnr(base, [picture], ids_1K) for picture, ids_1K in pairs)


def say_decibels(decibels: Sequence[float]) -> str:
    """'16.5 dB (14.2 the worst)'."""
    return f"{sum(decibels) / len(decibels):.1f} dB ({min(decibels):.1f} the worst)"


def note_of(base: Base, decibels: Sequence[float]) -> str:
    """A warning where pictures lie outside what the base was trained on (`Profile.least_psnr`);
    else ''.
    """
    least = base.profile.least_psnr
    if least is None or not decibels or min(decibels) >= least:
        return ""
    return (
        "These pictures lie outside this base's world: its image tokenizer gives them back at"
        f" {say_decibels(decibels)}, those of its own world above {least:.0f} dB. What it"
        " draws and says of them is not to be believed. Use a base that knows photographs."
    )
