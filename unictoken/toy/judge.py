"""The judge: a small network of its own that reads every attribute, and the exact palette, of
everybody in a picture.

It never sees the base's drawings while it is trained (`pretrain/judge.py`), only drawn pictures and
their round trips through the image tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from unictoken.core import shipped
from unictoken.core.disk import is_file
from unictoken.core.errors import UserError
from unictoken.core.reading import read_json, read_safetensors_header
from unictoken.core.shapes import Fields, Number, check
from unictoken.learn.settings import check_judge_file
from unictoken.model.pixels import prepare, to_pixels
from unictoken.scoring.metrics import mean
from unictoken.scoring.verdict import Claim, ColourReading, Verdict
from unictoken.toy.concepts import ToyTruth
from unictoken.toy.world.attributes import (
    NONE,
    PERSON_ATTRIBUTES,
    PET_ATTRIBUTES,
    PLACES,
    POSITIONS,
    SCENE_ATTRIBUTES,
    SPECIES,
    THING_ATTRIBUTES,
    THINGS,
    TIMES,
)
from unictoken.toy.world.drawing import SIDE
from unictoken.toy.world.groups import THING_POSES
from unictoken.toy.world.labels import MEMBER_LABELS, OWN
from unictoken.toy.world.subjects import main_rgb

PICTURE_LABELS = {"place": PLACES, "time": TIMES}
MEMBER_CLASSES = {name: (NONE, *classes) for name, classes in MEMBER_LABELS.items()}
# In this order in `accuracy.json`: what `pretrain/judge.py: accuracy` measures.
MEASURED = (*MEMBER_LABELS, "position", *PICTURE_LABELS)
_SHARE = Number(0, 1)
_ACCURACIES = Fields(
    dict.fromkeys([*MEASURED, "mean"], _SHARE) | {"main_rgb_distance": Number(0, 1000)}
)
ACCURACY = Fields({"drawn": _ACCURACIES, "round_trip": _ACCURACIES}, said="what `make base` wrote")
EXPECTED = "the judge's weights"
MOST_BYTES = 64 * 2**20  # of its file; ours has 5 MB
PALETTE = (2, 3)  # of each member: main and second colour, RGB, each in [-1, 1]
AT_ONCE = 256  # pictures that go through the network together

# What can be said of a member, by the kind that it is seen to be: its own attributes and how it is
# shown.
_SHOWN = {name: SCENE_ATTRIBUTES[name] for name in ("pose", "accessory", "accessory_colour")}
_THING_SHOWN = {"pose": THING_POSES, "accessory": (NONE,), "accessory_colour": (NONE,)}
_ATTRIBUTES_BY_CLASS: dict[str, Mapping[str, tuple[str, ...]]] = {
    "animal": PET_ATTRIBUTES | _SHOWN,
    "object": THING_ATTRIBUTES | _THING_SHOWN,
    "person": PERSON_ATTRIBUTES | _SHOWN,
}
_CLASS_OF = dict.fromkeys(SPECIES, "animal") | dict.fromkeys(THINGS, "object")
_CLASS_OF["person"] = "person"
_EVERY_NAME = tuple(dict.fromkeys(n for names in _ATTRIBUTES_BY_CLASS.values() for n in names))


@dataclass(frozen=True, kw_only=True)
class MemberReading:
    """Somebody or something in a picture, as the judge sees it."""

    position: str
    kind: str
    """'animal', 'object' or 'person'."""
    values: Mapping[str, str]
    """By the attribute names of a pet (species, fur, ...), a thing (kind, colour, ...) or a person
    (hair, style, ...), and pose, accessory and accessory_colour."""
    main_rgb: tuple[float, ...]
    second_rgb: tuple[float, ...]
    """Means nothing where there is no second colour."""
    there: float
    """How sure it is that anybody stands there, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the judge sees in one picture. Colours are RGB from 0 to 255."""

    place: str
    time: str
    members: tuple[MemberReading, ...]
    """Left to right; nobody where it sees nobody."""
    likeliest: MemberReading
    """Of the three positions, the one where most likely somebody stands."""

    @property
    def values(self) -> dict[str, str]:
        """The likeliest member's and the picture's values by attribute; 'none' for attributes of
        other kinds.
        """
        return self.values_of(self.likeliest)

    @property
    def fur_rgb(self) -> tuple[float, ...]:
        """The likeliest member's main colour: fur, paint, shirt."""
        return self.likeliest.main_rgb

    def values_of(self, member: MemberReading) -> dict[str, str]:
        """A member's and the picture's values by attribute; 'none' for attributes of other kinds."""
        return {
            **dict.fromkeys(_EVERY_NAME, NONE),
            **member.values,
            "position": member.position,
            "place": self.place,
            "time": self.time,
        }

    def at(self, position: str) -> MemberReading | None:
        """Who or what is seen there."""
        return next((m for m in self.members if m.position == position), None)


def _allowed() -> dict[str, torch.Tensor]:
    """By label, which of its classes a member of each kind can have: bool [kinds, classes]."""
    kinds = MEMBER_LABELS["kind"]
    allowed = {}
    for label, classes in MEMBER_CLASSES.items():
        rows = torch.zeros(len(kinds), len(classes), dtype=torch.bool)
        for row, kind in zip(rows, kinds, strict=True):
            said = _ATTRIBUTES_BY_CLASS[_CLASS_OF[kind]]
            own = next((said[name] for name in said if OWN.get(name, name) == label), (NONE,))
            row[[classes.index(value) for value in own]] = True
        allowed[label] = rows
    return allowed


ALLOWED = {label: rows for label, rows in _allowed().items() if label != "kind"}


class Judge(nn.Module):
    """Pixels [B, 3, 32, 32] in [-1, 1] to scores by label and the palette.

    Scores of the picture's labels are [B, classes], those of members [B, 3, classes], left to
    right; the palette is [B, 3, 2, 3]. One reader looks at the three positions in turn: figures are
    moved by whole features, so that what it learns at one it knows at all.
    """

    def __init__(self, width: int = 32):
        super().__init__()

        def layer(i: int, o: int, stride: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.GroupNorm(8, o), nn.SiLU())

        w = width
        # Two strides of 2: 32 x 32 pixels become 8 x 8 places of 4 w features.
        self.features = nn.Sequential(
            layer(3, w, 1),
            layer(w, 2 * w, 2),
            layer(2 * w, 2 * w, 1),
            layer(2 * w, 4 * w, 2),
            layer(4 * w, 4 * w, 1),
            layer(4 * w, 4 * w, 1),
        )
        # of a figure's 4 places in width, and one more at each side: 6 x 8 become 3 x 4
        self.member = layer(4 * w, 4 * w, 2)
        self.mix = nn.Linear(4 * w * 3 * (SIDE // 8), 8 * w)
        self.whole = layer(4 * w, w, 2)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(8 * w, len(values)) for name, values in MEMBER_CLASSES.items()}
            | {
                name: nn.Linear(w * (SIDE // 8) ** 2, len(values))
                for name, values in PICTURE_LABELS.items()
            }
        )
        self.palette = nn.Linear(8 * w, PALETTE[0] * PALETTE[1])

    def forward(self, pixels_B3HW: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        features = self.features(pixels_B3HW)
        whole = self.whole(features).flatten(1)
        padded = F.pad(features, (1, 1))
        # Middles of figures are 8 pixels apart (`drawing/canvas.py: COLUMN`), which is 2 features.
        columns = torch.stack([padded[..., 2 * i : 2 * i + 6] for i in range(3)], 1)
        read = self.member(columns.flatten(0, 1)).flatten(1)
        x = F.silu(self.mix(read)).unflatten(0, (-1, 3))
        scores = {
            name: head(whole if name in PICTURE_LABELS else x) for name, head in self.heads.items()
        }
        return scores, self.palette(x).unflatten(-1, PALETTE)

    def read(self, pictures: Sequence[Image.Image]) -> list[Reading]:
        """Who and what is in each picture."""
        pixels = [to_pixels(prepare(picture, SIDE)) for picture in pictures]
        return self.read_pixels(torch.stack(pixels))

    @torch.no_grad()
    def read_pixels(self, pixels_B3HW: torch.Tensor) -> list[Reading]:
        """The same of pixels in [-1, 1]."""
        device = self.palette.weight.device
        return [
            reading
            for part in pixels_B3HW.split(AT_ONCE)
            for reading in _readings(*self(part.to(device)))
        ]


def _readings(scores: Mapping[str, torch.Tensor], palette: torch.Tensor) -> list[Reading]:
    """The network's output in words: of each member only what its kind can have."""
    place, time = (scores[name].argmax(-1).tolist() for name in PICTURE_LABELS)
    kind_scores = scores["kind"].float().cpu()
    there = (1 - kind_scores.softmax(-1)[..., 0]).tolist()
    kinds = kind_scores[..., 1:].argmax(-1)  # without 'none': of the likeliest it is said too
    chosen = {
        name: scores[name].cpu().masked_fill(~rows[kinds], -torch.inf).argmax(-1).tolist()
        for name, rows in ALLOWED.items()
    }
    # The palette is learned in [-1, 1], like pixels.
    colours = ((palette.float().cpu() + 1) * 127.5).tolist()

    def member(i: int, j: int) -> MemberReading:
        said = MEMBER_LABELS["kind"][int(kinds[i, j])]
        values = {}
        for name in _ATTRIBUTES_BY_CLASS[_CLASS_OF[said]]:
            label = OWN.get(name, name)
            values[name] = said if label == "kind" else MEMBER_CLASSES[label][chosen[label][i][j]]
        main, second = colours[i][j]
        return MemberReading(
            position=POSITIONS[j],
            kind=_CLASS_OF[said],
            values=values,
            main_rgb=tuple(main),
            second_rgb=tuple(second),
            there=there[i][j],
        )

    readings = []
    for i in range(len(place)):
        members = [member(i, j) for j in range(len(POSITIONS))]
        readings.append(
            Reading(
                place=PLACES[place[i]],
                time=TIMES[time[i]],
                members=tuple(m for m in members if m.there > 0.5),
                likeliest=max(members, key=lambda m: m.there),
            )
        )
    return readings


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
    if not is_file(file):
        return []
    found = check(read_json(file, UserError), ACCURACY, file, UserError)
    drawn, coded = found["drawn"], found["round_trip"]
    worst = min(MEASURED, key=coded.get)
    return [
        f"The judge itself reads {drawn['mean']:.3f} of the attributes of held-out pictures right,"
        f" and {coded['mean']:.3f} of those that went through the image tokenizer (the worst"
        f" attribute, '{worst}', {coded[worst]:.3f}); there it is {coded['main_rgb_distance']:.0f}"
        " (RGB) off the exact shade."
    ]


@dataclass(frozen=True)
class WorldJudge:
    """The toy world's truth: attributes as the judge network reads them off a picture."""

    judge: Judge
    name: str = "toy world"

    def check(self, pictures: Sequence[Image.Image], claims: Sequence[Claim]) -> list[Verdict]:
        """The share of each claim's attributes that its picture has.

        Where several are in the picture, the claim is about the one that fits it best: in who it
        is first (`Claim.who`), then in what it wears and where.
        """
        return [
            _verdict(
                reading.values_of(best_member(reading, {**claim.who, **claim.attributes})),
                claim.attributes,
            )
            for reading, claim in zip(self.judge.read(pictures), claims, strict=True)
        ]

    def read_colour(self, picture: Image.Image, truth: ToyTruth) -> ColourReading:
        """The main colour of the member that is most like the concept, and the concept's own."""
        (reading,) = self.judge.read([picture])
        member = best_member(reading, truth.subject.nameable)
        return ColourReading(member.main_rgb, main_rgb(truth.subject))


def best_member(reading: Reading, sought: Mapping[str, str]) -> MemberReading:
    """The member that has most of the sought attributes of who it is, then of all; of equals the
    likeliest.
    """

    def fit(member: MemberReading) -> tuple[int, int, float]:
        seen = reading.values_of(member)
        right = [name for name, value in sought.items() if seen.get(name) == value]
        who = [name for name in right if name not in SCENE_ATTRIBUTES]
        return len(who), len(right), member.there

    return max(reading.members or (reading.likeliest,), key=fit)


def match_members(
    reading: Reading, sought: Sequence[Mapping[str, str]]
) -> list[MemberReading | None]:
    """For each concept that is sought its own member of the picture, no member for two: those that
    have most of the attributes together. None where the picture shows fewer.
    """
    members = [*reading.members, *[None] * len(sought)]

    def fit(chosen: Sequence[MemberReading | None]) -> int:
        return sum(
            member.values.get(name) == value
            for member, own in zip(chosen, sought, strict=True)
            if member is not None
            for name, value in own.items()
        )

    return list(max(permutations(members, len(sought)), key=fit))


@dataclass(frozen=True, kw_only=True)
class TogetherVerdict:
    """What a drawing of several concepts shows."""

    identity: tuple[float, ...]
    """Of each, the share of the attributes of who it is that its member has."""
    wishes: float | None
    """The share of what the prompt asks to see; None: it asks for nothing."""

    @property
    def all_there(self) -> bool:
        """Everybody is drawn, and right in everything."""
        return min(self.identity) == 1


def check_together(
    reading: Reading,
    identities: Sequence[Mapping[str, str]],
    wishes: Sequence[Mapping[str, str]],
    place: str | None = None,
) -> TogetherVerdict:
    """Whether a picture shows several concepts, each as it is asked for.

    Args:
        reading: Of the picture.
        identities: The attributes of each concept (`subjects.identity`).
        wishes: What the prompt asks to see of each, as attributes of a scene.
        place: Where the prompt says that it is.
    """
    members = match_members(reading, identities)

    def shares(sought: Mapping[str, str], member: MemberReading | None) -> list[bool]:
        seen = {} if member is None else reading.values_of(member)
        return [seen.get(name) == value for name, value in sought.items()]

    wished = [] if place is None else [reading.place == place]
    for member, wish in zip(members, wishes, strict=True):
        wished += shares(wish, member)
    return TogetherVerdict(
        identity=tuple(
            mean(shares(own, member)) for own, member in zip(identities, members, strict=True)
        ),
        wishes=mean(wished) if wished else None,
    )


def _verdict(seen: Mapping[str, str], sought: Mapping[str, str]) -> Verdict:
    """The share of the sought attributes that are seen; no score where none is sought."""
    own = {name: seen[name] for name in sought}
    return Verdict(
        mean([own[name] == value for name, value in sought.items()]) if sought else None, str(own)
    )
