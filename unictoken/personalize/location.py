"""Where in a picture a concept is: at the places whose image ids its tokens make likelier.

With the concept's prompt ('a photo of <bo>.') the ids that show the concept become likelier than
with its class noun ('a photo of a dog.'), and those of the background do not (`gain.py`). MC-LLaVA
finds the place by the similarity of visual features instead, which needs stored features of the
reference pictures; here the concept file is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.core.pictures import large_enough
from unictoken.personalize.condition import Condition
from unictoken.personalize.gain import PLAIN, gain

MOST = 1.0  # nats that one id counts: a stranger's ids may be surprising by far more
NEAR = 8  # ids count with their neighbours, as far as this part of a side
INSIDE = 0.95  # of the share lies in the box
DIMMED = 0.25  # of a pixel's brightness is left where the concept is not


@dataclass(frozen=True, eq=False)
class Location:
    """Where one concept is in one picture.

    >>> where = Location("bo", np.array([[0.0, 0, 0, 0], [0, 0, 0, 9], [0, 0, 0, 0], [0, 0, 0, 0]]))
    >>> where.side, where.box
    ('right', (0.5, 0.0, 1.0, 0.75))
    """

    name: str
    gain_HW: np.ndarray
    """How much likelier each image id is with the concept than without, in nats; row 0 is the
    top."""

    @cached_property
    def share_HW(self) -> np.ndarray:
        """How much of the concept is where, with the sum 1: gains of at most one nat, averaged with
        those of their neighbours, as far as they are above 0. Equal shares where none is.
        """
        from scipy.ndimage import uniform_filter  # Imported here: it takes a tenth of a second.

        reach = 2 * max(1, max(self.gain_HW.shape) // NEAR) + 1
        near_HW = uniform_filter(self.gain_HW.clip(-MOST, MOST), reach, mode="constant")
        positive = near_HW.clip(min=0)
        total = positive.sum()
        return positive / total if total else np.full_like(positive, 1 / positive.size)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y), from 0 at the left and the top to 1 at the right and the bottom."""
        height, width = self.share_HW.shape
        x = float(self.share_HW.sum(0) @ (np.arange(width) + 0.5)) / width
        y = float(self.share_HW.sum(1) @ (np.arange(height) + 0.5)) / height
        return x, y

    @property
    def side(self) -> str:
        """The half of the picture with the centre: 'left' or 'right'."""
        return "left" if self.centre[0] < 0.5 else "right"

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom), each from 0 to 1: of the boxes that hold at least 0.95 of the
        share the smallest.
        """
        height, width = self.share_HW.shape
        # sums[y, x]: of everything above and left of the corner (y, x).
        sums = np.zeros((height + 1, width + 1))
        sums[1:, 1:] = self.share_HW.cumsum(0).cumsum(1)
        # The whole picture always holds enough; of equal areas the one that stands more to the left.
        best = (height * width, 0, 0, width, height)
        for top in range(height):
            for bottom in range(top + 1, height + 1):
                rows_W = sums[bottom] - sums[top]
                # [left, right]: of the columns from left to right, without the right one.
                inside = rows_W[None] - rows_W[:, None] >= INSIDE
                for left, right in zip(*inside.nonzero(), strict=True):
                    area = (bottom - top) * int(right - left)
                    best = min(best, (area, int(left), top, int(right), bottom))
        _, left, top, right, bottom = best
        return left / width, top / height, right / width, bottom / height

    def shown_on(self, picture: Image.Image) -> Image.Image:
        """The picture, dark where the concept is not."""
        picture = large_enough(picture.convert("RGB"))
        strength = self.share_HW / self.share_HW.max()
        mask = Image.fromarray((255 * strength).astype(np.uint8)).resize(
            picture.size, Image.Resampling.BICUBIC
        )
        dark = picture.point(lambda value: int(DIMMED * value))
        return Image.composite(picture, dark, mask)

    def __repr__(self) -> str:
        left, top, right, bottom = (f"{edge:.2f}" for edge in self.box)
        return f"<Location of '{self.name}': {self.side}, box {left} {top} {right} {bottom}>"


def locate(condition: Condition, image_ids_NK: torch.Tensor) -> list[Location]:
    """Where a concept is in each picture, whether it is there or not.

    Args:
        condition: Of one concept, by a method that learns to draw.
        image_ids_NK: Of the pictures, [N, K].
    """
    side = math.isqrt(image_ids_NK.shape[1])
    if side * side != image_ids_NK.shape[1]:
        raise UserError(
            f"locate: '{condition.base.name}' cuts a picture into {image_ids_NK.shape[1]} ids, which"
            " is no square. Use a base of square pictures."
        )
    gain_NK = gain(condition, PLAIN.format(name=f"<{condition.name}>"), image_ids_NK)
    # Image ids stand row by row, from the top left.
    maps_NHW = gain_NK.view(-1, side, side).double().numpy()
    return [Location(condition.name, gain_HW) for gain_HW in maps_NHW]
