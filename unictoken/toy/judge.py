"""The judge: a small network of its own that reads every attribute, and the exact palette, off a
picture.

It never sees the base's drawings while it is trained (`pretrain/judge.py`), only drawn pictures and
their round trips through the image tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from unictoken.core import shipped
from unictoken.core.errors import UserError
from unictoken.core.reading import read_json, read_safetensors_header
from unictoken.core.shapes import Fields, Number, check
from unictoken.learn.settings import check_judge_file
from unictoken.model.pixels import prepare, to_pixels
from unictoken.scoring.metrics import mean
from unictoken.scoring.verdict import Claim, ColourReading, Verdict
from unictoken.toy.concepts import ToyTruth
from unictoken.toy.world.attributes import PET_ATTRIBUTES, SCENE_ATTRIBUTES
from unictoken.toy.world.drawing import SIDE

ATTRIBUTES = {**PET_ATTRIBUTES, **SCENE_ATTRIBUTES}
_SHARE = Number(0, 1)
_ACCURACIES = Fields(
    dict.fromkeys([*ATTRIBUTES, "mean"], _SHARE) | {"fur_rgb_distance": Number(0, 1000)}
)
ACCURACY = Fields({"drawn": _ACCURACIES, "round_trip": _ACCURACIES}, said="what `make base` wrote")
EXPECTED = "the judge's weights"
MOST_BYTES = 64 * 2**20  # of its file; ours has 6 MB
PALETTE = 6  # fur RGB, second colour RGB, each in [-1, 1]


@dataclass(frozen=True)
class Reading:
    """What the judge sees in one picture: values by attribute, and the two exact colours (RGB, 0 to
    255).
    """

    values: dict[str, str]
    fur_rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float]


class Judge(nn.Module):
    """Pixels [B, 3, 32, 32] in [-1, 1] to scores by attribute and the palette."""

    def __init__(self, width: int = 32):
        super().__init__()

        def layer(i: int, o: int, stride: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.GroupNorm(8, o), nn.SiLU())

        w = width
        # Three strides of 2: 32 x 32 pixels become 4 x 4 places of 4 w features.
        self.features = nn.Sequential(
            layer(3, w, 1),
            layer(w, 2 * w, 2),
            layer(2 * w, 2 * w, 1),
            layer(2 * w, 4 * w, 2),
            layer(4 * w, 4 * w, 1),
            layer(4 * w, 4 * w, 2),
        )
        self.mix = nn.Linear(4 * w * (SIDE // 8) ** 2, 8 * w)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(8 * w, len(values)) for name, values in ATTRIBUTES.items()}
        )
        self.palette = nn.Linear(8 * w, PALETTE)

    def forward(self, pixels_B3HW: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        # flattened, not averaged over places: where the pet stands is one of the attributes
        x = F.silu(self.mix(self.features(pixels_B3HW).flatten(1)))
        return {name: head(x) for name, head in self.heads.items()}, self.palette(x)

    @torch.no_grad()
    def read(self, pictures: Sequence[Image.Image]) -> list[Reading]:
        """What is in each picture."""
        pixels = torch.stack([to_pixels(prepare(picture, SIDE)) for picture in pictures])
        scores, palette = self(pixels)
        chosen = {name: s.argmax(-1).tolist() for name, s in scores.items()}
        # The palette is learned in [-1, 1], like pixels.
        colours = ((palette + 1) * 127.5).tolist()
        return [
            Reading(
                {name: ATTRIBUTES[name][chosen[name][i]] for name in ATTRIBUTES},
                tuple(colours[i][:3]),
                tuple(colours[i][3:]),
            )
            for i in range(len(pictures))
        ]


def load_judge(path: str | Path) -> Judge:
    """The judge of this name (`toy` ships) or in this file."""
    check_judge_file(path)
    read_safetensors_header(shipped.find_judge(path), UserError, EXPECTED, most=MOST_BYTES)
    judge = Judge()
    try:
        judge.load_state_dict(load_file(shipped.find_judge(path)))
    # load_state_dict raises RuntimeError for the names or shapes of another network
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"{path}: not the judge's weights ({' '.join(str(error).split())[:200]}). Fetch them,"
            " or make them, again."
        ) from None
    return judge.eval()


def own_accuracy(path: str | Path) -> list[str]:
    """How often the judge at `path` is right itself, as a sentence to print beside its scores;
    nothing where `make base` wrote no accuracy.json.
    """
    file = shipped.find_judge(path).with_name("accuracy.json")
    if not file.is_file():
        return []
    found = check(read_json(file, UserError), ACCURACY, file, UserError)
    drawn, coded = found["drawn"], found["round_trip"]
    worst = min(ATTRIBUTES, key=coded.get)
    return [
        f"The judge itself reads {drawn['mean']:.3f} of the attributes of held-out pictures right,"
        f" and {coded['mean']:.3f} of those that went through the image tokenizer (the worst"
        f" attribute, '{worst}', {coded[worst]:.3f}); there it is {coded['fur_rgb_distance']:.0f}"
        " (RGB) off the fur's shade."
    ]


@dataclass(frozen=True)
class WorldJudge:
    """The toy world's truth: attributes as the judge network reads them off a picture."""

    judge: Judge
    name: str = "toy world"

    def check(self, pictures: Sequence[Image.Image], claims: Sequence[Claim]) -> list[Verdict]:
        """The share of each claim's attributes that its picture has."""
        return [
            _verdict(reading.values, claim.attributes)
            for reading, claim in zip(self.judge.read(pictures), claims, strict=True)
        ]

    def read_colour(self, picture: Image.Image, truth: ToyTruth) -> ColourReading:
        """The fur's colour, and the pet's own."""
        return ColourReading(self.judge.read([picture])[0].fur_rgb, truth.pet.fur_rgb)


def _verdict(seen: Mapping[str, str], sought: Mapping[str, str]) -> Verdict:
    """The share of the sought attributes that are seen; no score where none is sought."""
    own = {name: seen[name] for name in sought}
    return Verdict(
        mean([own[name] == value for name, value in sought.items()]) if sought else None, str(own)
    )
