"""Training the judge on drawn pictures and on their round trips through the image tokenizer."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save as to_bytes

from unictoken.core.config import one_or_more
from unictoken.core.disk import write_aside
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.pixels import from_bytes
from unictoken.scoring.metrics import mean
from unictoken.toy.judge import MEASURED, MEMBER_CLASSES, PICTURE_LABELS, Judge, MemberReading
from unictoken.toy.pretrain.optimise import Log, MuonAdamW
from unictoken.toy.pretrain.pictures import draw_groups, sample_groups
from unictoken.toy.world.attributes import POSITIONS
from unictoken.toy.world.groups import Group
from unictoken.toy.world.labels import OWN, label_indices, member_labels, palette
from unictoken.toy.world.subjects import main_rgb


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """How the judge is made."""

    pictures: int = 60_000
    steps: int = 4000
    batch: int = 128
    muon_lr: float = 0.02
    adamw_lr: float = 2e-3

    def __post_init__(self):
        one_or_more(self, "pictures", "batch")


@dataclass(frozen=True)
class Labelled:
    """Groups and their pictures, uint8 [N, 3, 32, 32]."""

    groups: list[Group]
    pixels: torch.Tensor


def draw_labelled(count: int, *, seed: int) -> Labelled:
    """Random pictures and what they show; drawn by several processes where there are many."""
    # Held-out combinations too: the judge has to read what the base was not trained on.
    groups = sample_groups(count, seed=seed, taught_only=False)
    return Labelled(groups, draw_groups(groups))


@torch.no_grad()
def round_trip(tokenizer: ImageTokenizer, pixels: torch.Tensor) -> torch.Tensor:
    """What the pictures are after the image tokenizer, uint8 on the pixels' device as they were."""
    device = tokenizer.quantize.embedding.weight.device
    parts = []
    for part in pixels.split(256):
        back = tokenizer.to_pixels(tokenizer.to_codes(from_bytes(part.to(device))))
        # As bytes, like the pictures that the base's drawings are saved as.
        parts.append(((back.float().clamp(-1, 1) + 1) * 127.5).round().byte().to(pixels.device))
    return torch.cat(parts)


def train(
    settings: JudgeSettings, tokenizer: ImageTokenizer, *, seed: int, device: str, log: Log
) -> Judge:
    """Train the judge; every batch is half drawn, half round trips.

    Args:
        settings: How many pictures and steps, the batch, the learning rates.
        tokenizer: The image tokenizer of the round trips, on any device; left where it is.
        seed: Decides the first weights, the pictures and the batches.
        device: 'cpu' or 'cuda', where it is trained; the judge comes back on the CPU.
        log: Called with the last loss, every 500 steps.
    """
    data = draw_labelled(settings.pictures, seed=seed)
    pixels = data.pixels.to(device)
    # it will judge what the base draws, which has always been through the decoder
    seen_again = round_trip(copy.deepcopy(tokenizer).to(device), pixels)
    indices = torch.from_numpy(np.stack([label_indices(g) for g in data.groups])).to(device)
    colours = torch.from_numpy(np.stack([palette(g) for g in data.groups])).to(device) / 127.5 - 1
    # Right before the first weights, which nothing above may change.
    torch.manual_seed(seed)
    judge = Judge().train().to(device)
    optimiser = MuonAdamW(
        judge.named_parameters(),
        muon_lr=settings.muon_lr,
        adamw_lr=settings.adamw_lr,
        steps=settings.steps,
        # Muon is for hidden layers; its authors advise AdamW for the outputs.
        by_adamw=("heads", "palette"),
    )
    keep_freed_memory()
    for step in range(settings.steps):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        chosen = torch.randint(len(pixels), (settings.batch,), generator=generator).to(device)
        half = len(chosen) // 2
        batch = torch.cat([pixels[chosen[:half]], seen_again[chosen[half:]]])
        # bf16 for the network only: the losses below convert its output to fp32.
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            scores, seen = judge(from_bytes(batch))
        loss = _loss(scores, indices[chosen])
        target = colours[chosen]
        # where nobody stands, and of what is plain, there is no colour: NaN, which would make the
        # whole loss NaN
        known = ~target.isnan()
        # Weight 10: this one loss stands beside the sum of 47 cross-entropies.
        loss = loss + 10 * F.smooth_l1_loss(seen.float()[known], target[known], beta=0.05)
        loss.backward()
        optimiser.step(step)
        if (step + 1) % 500 == 0:
            log(step + 1, loss=loss.item())
    return judge.eval().cpu()


def _loss(scores: dict[str, torch.Tensor], indices: torch.Tensor) -> torch.Tensor:
    """The sum of the cross-entropies of all labels; `indices` [B, labels], in the order of
    LABELS.
    """
    of_picture, of_members = indices[:, : len(PICTURE_LABELS)], indices[:, len(PICTURE_LABELS) :]
    right = dict(zip(PICTURE_LABELS, of_picture.unbind(-1), strict=True))
    each = of_members.unflatten(-1, (len(POSITIONS), -1))
    right |= dict(zip(MEMBER_CLASSES, each.unbind(-1), strict=True))
    return torch.stack(
        [
            F.cross_entropy(s.float().flatten(0, -2), right[name].flatten(), reduction="sum")
            for name, s in scores.items()
        ]
    ).sum() / len(indices)


def accuracy(judge: Judge, pixels: torch.Tensor, truth: Labelled) -> dict[str, float]:
    """Shares right by label, their mean, and the mean RGB distance (0 to 441) of the main colour.

    A label is counted over the members that have such an attribute, 'none' included: 'eyes' over
    pets, 'second' over everybody. One who is not seen at his place is wrong in everything.
    'position' is the share of pictures where exactly those are seen who stand there.

    Args:
        judge: The judge.
        pixels: Pictures, uint8 [N, 3, 32, 32].
        truth: What they show.
    """
    right: dict[str, list[bool]] = {name: [] for name in MEASURED}
    distances = []
    readings = judge.read_pixels(from_bytes(pixels))
    for reading, group in zip(readings, truth.groups, strict=True):
        right["place"].append(reading.place == group.place)
        right["time"].append(reading.time == group.time)
        stand = [[m.position for m in members] for members in (reading.members, group.members)]
        right["position"].append(stand[0] == stand[1])
        for member in group.members:
            seen = reading.at(member.position)
            for label, value in member_labels(member).items():
                right[label].append(seen is not None and _said(seen).get(label) == value)
            if seen is not None:
                distances.append(math.dist(seen.main_rgb, main_rgb(member.subject)))
    shares = {name: mean(flags) for name, flags in right.items()}
    return {
        **shares,
        "mean": mean(list(shares.values())),
        "main_rgb_distance": mean(distances),
    }


def _said(seen: MemberReading) -> dict[str, str]:
    """A member's values by label."""
    return {"kind": seen.kind} | {OWN.get(name, name): v for name, v in seen.values.items()}


def save(
    judge: Judge, folder: Path, *, drawn: dict[str, float], round_trip: dict[str, float]
) -> None:
    """The judge's weights and its own accuracy, on held-out drawings and on their round trips.

    Args:
        judge: The trained judge.
        folder: Where `model.safetensors` and `accuracy.json` go.
        drawn: What `accuracy` gave on pictures as they were drawn.
        round_trip: The same, on pictures that went through the image tokenizer.
    """
    weights = {name: t.contiguous() for name, t in judge.state_dict().items()}
    write_aside(folder / "model.safetensors", to_bytes(weights))
    write_aside(
        folder / "accuracy.json",
        (json.dumps({"drawn": drawn, "round_trip": round_trip}, indent=1) + "\n").encode(),
    )
