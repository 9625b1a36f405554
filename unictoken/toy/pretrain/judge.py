"""Training the judge on drawn pictures and on their round trips through the image tokenizer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from unictoken.core.config import one_or_more
from unictoken.core.disk import make_folder, write_aside
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.memory import keep_freed_memory
from unictoken.model.pixels import from_bytes
from unictoken.toy.judge import ATTRIBUTES, Judge
from unictoken.toy.pretrain.optimise import Log, MuonAdamW
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import sample_pet, sample_scene


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """How the judge is made."""

    pictures: int = 30_000
    steps: int = 3000
    batch: int = 64
    muon_lr: float = 0.02
    adamw_lr: float = 2e-3

    def __post_init__(self):
        one_or_more(self, "pictures", "batch")


@dataclass(frozen=True)
class Labelled:
    """Pixels [N, 3, 32, 32] in [-1, 1], the right index of every attribute [N], and the palette [N,
    6] (NaN: no second colour).
    """

    pixels: torch.Tensor
    indices: dict[str, torch.Tensor]
    palette: torch.Tensor


def draw_labelled(count: int, *, seed: int) -> Labelled:
    rng = np.random.default_rng(seed)
    # Held-out combinations too: the judge has to read what the base was not trained on.
    pairs = [(sample_pet(rng), sample_scene(rng)) for _ in range(count)]
    pictures = torch.from_numpy(np.stack([np.asarray(draw(p, s)) for p, s in pairs])).permute(
        0, 3, 1, 2
    )
    indices = {
        name: torch.tensor(
            [values.index(getattr(p, name, None) or getattr(s, name)) for p, s in pairs]
        )
        for name, values in ATTRIBUTES.items()
    }
    palette = (
        torch.tensor([[*p.fur_rgb, *(p.second_rgb or [float("nan")] * 3)] for p, _ in pairs])
        / 127.5
        - 1
    )
    return Labelled(from_bytes(pictures), indices, palette)


@torch.no_grad()
def round_trip(tokenizer: ImageTokenizer, pixels: torch.Tensor) -> torch.Tensor:
    return torch.cat([tokenizer.to_pixels(tokenizer.to_codes(part)) for part in pixels.split(256)])


def train(settings: JudgeSettings, tokenizer: ImageTokenizer, *, seed: int, log: Log) -> Judge:
    """Train the judge; every batch is half drawn, half round trips.

    Args:
        settings: How many pictures and steps, the batch, the learning rates.
        tokenizer: The image tokenizer of the round trips, on the CPU.
        seed: Decides the first weights, the pictures and the batches.
        log: Called with the last loss, every 500 steps.
    """
    torch.manual_seed(seed)
    judge = Judge().train()
    optimiser = MuonAdamW(
        judge.named_parameters(),
        muon_lr=settings.muon_lr,
        adamw_lr=settings.adamw_lr,
        steps=settings.steps,
        # Muon is for hidden layers; its authors advise AdamW for the outputs.
        by_adamw=("heads", "palette"),
    )
    data = draw_labelled(settings.pictures, seed=seed)
    # it will judge what the base draws, which has always been through the decoder
    seen_again = round_trip(tokenizer, data.pixels)
    keep_freed_memory()
    for step in range(settings.steps):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        chosen = torch.randint(len(data.pixels), (settings.batch,), generator=generator)
        half = len(chosen) // 2
        pixels = torch.cat([data.pixels[chosen[:half]], seen_again[chosen[half:]]])
        # bf16 for the network only: the losses below convert its output to fp32.
        with torch.autocast("cpu", torch.bfloat16):
            scores, palette = judge(pixels)
        loss = sum(
            F.cross_entropy(s.float(), data.indices[name][chosen]) for name, s in scores.items()
        )
        target = data.palette[chosen]
        # plain pets have no second colour: NaN, which would make the whole loss NaN
        known = ~target.isnan()
        # Weight 5: this one loss stands beside the sum of 13 cross-entropies.
        loss = loss + 5 * F.smooth_l1_loss(palette.float()[known], target[known], beta=0.05)
        loss.backward()
        optimiser.step(step)
        if (step + 1) % 500 == 0:
            log(step + 1, loss=loss.item())
    return judge.eval()


@torch.no_grad()
def accuracy(judge: Judge, pixels: torch.Tensor, truth: Labelled) -> dict[str, float]:
    """Share right by attribute, their mean, and the mean RGB distance (0 to 441) of the fur."""
    parts = [judge(part) for part in pixels.split(256)]
    right = {
        name: (
            (torch.cat([scores[name] for scores, _ in parts]).argmax(-1) == truth.indices[name])
            .float()
            .mean()
            .item()
        )
        for name in ATTRIBUTES
    }
    palette = torch.cat([p for _, p in parts])
    # [:, :3] is the fur's colour, scaled back to the range of RGB.
    fur = ((palette - truth.palette)[:, :3] * 127.5).norm(dim=1).mean().item()
    return {**right, "mean": sum(right.values()) / len(right), "fur_rgb_distance": fur}


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
    make_folder(folder)
    save_file(
        {name: t.contiguous() for name, t in judge.state_dict().items()},
        folder / "model.safetensors",
    )
    write_aside(
        folder / "accuracy.json",
        (json.dumps({"drawn": drawn, "round_trip": round_trip}, indent=1) + "\n").encode(),
    )
