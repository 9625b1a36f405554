"""Training the image tokenizer, in two halves that do not disturb each other.

A code is the k-means centre of a raw 4 x 4 patch, in which colour counts more than brightness: else
half of a patch's colour is lost before a shade of its outline is (dev/LOG.md). First the encoder
learns to output its patch (so that the same patch has the same code at every place); from then on
codes are fixed. Then the decoder learns to draw from codes and their neighbours, which restores
more than the patches alone: neighbours hold what a code lost. A latent space that was learned first
and quantized afterwards took longer and lost the colours (dev/LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from transformers import ChameleonVQVAEConfig

from unictoken.core.config import one_or_more
from unictoken.model.image_tokenizer import ImageTokenizer, nearest
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.pixels import from_bytes, psnr
from unictoken.tokens.start import k_means
from unictoken.toy.pretrain.optimise import Log, MuonAdamW, load_progress, save_progress
from unictoken.toy.pretrain.pictures import draw_groups, sample_groups
from unictoken.toy.world.drawing import SIDE

PATCH = 4  # pixels of a code, each way
CHROMA = 1.5  # what a difference of colour counts beside one of brightness
K_MEANS_PICTURES, K_MEANS_PATCHES = 40_000, 500_000  # of 60,000 pictures; of 2.56 million


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """How the image tokenizer is made."""

    width: int = 64
    """Channels at every resolution."""
    num_codes: int = 16_384
    encoder_steps: int = 2000
    decoder_steps: int = 4500
    batch: int = 96
    pictures: int = 60_000
    """Distinct training pictures, drawn once."""
    muon_lr: float = 0.05
    adamw_lr: float = 2e-3

    def __post_init__(self):
        one_or_more(self, "width", "num_codes", "batch", "pictures")


def build(settings: TokenizerSettings) -> ImageTokenizer:
    return ImageTokenizer(
        ChameleonVQVAEConfig(
            # A latent vector is one raw patch: 4 x 4 pixels, 3 channels.
            embed_dim=3 * PATCH**2,
            latent_channels=3 * PATCH**2,
            num_embeddings=settings.num_codes,
            resolution=SIDE,
            base_channels=settings.width,
            # Two halvings: 32 pixels give 8 x 8 codes.
            channel_multiplier=[1, 1, 1],
            # One block a level in the decoder and none in the encoder: 17.8 dB in 40 s, where one
            # block more gave 15.1 (dev/LOG.md).
            num_res_blocks=0,
            attn_resolutions=[],
        )
    )


def patches(pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """The 4 x 4 patches as flat vectors, [B, 48, H / 4, W / 4]: of each pixel the grey, and CHROMA
    times what differs from it.
    """
    grey_B1HW = pixels_B3HW.mean(1, keepdim=True)
    return rearrange(
        grey_B1HW + CHROMA * (pixels_B3HW - grey_B1HW),
        "b c (h p) (w q) -> b (p q c) h w",
        p=PATCH,
        q=PATCH,
    )


def says_patches(tokenizer: ImageTokenizer, pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """The encoder's loss: its vectors against the patches."""
    return F.mse_loss(
        tokenizer.quant_conv(tokenizer.encoder(pixels_B3HW)).float(), patches(pixels_B3HW)
    )


def draws_from_codes(tokenizer: ImageTokenizer, pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """The decoder's loss: what it draws from the patches' codes against the pixels."""
    codebook_CD = tokenizer.quantize.embedding.weight
    target = patches(pixels_B3HW)
    # The codes of the patches themselves, not of the encoder: its errors are not the decoder's.
    codes = nearest(rearrange(target, "b d h w -> (b h w) d"), codebook_CD)
    latent = rearrange(codebook_CD[codes], "(b h w) d -> b d h w", b=len(target), h=target.shape[2])
    output = tokenizer.decoder(tokenizer.post_quant_conv(latent)).float()
    return F.mse_loss(output, pixels_B3HW) + 0.1 * F.l1_loss(output, pixels_B3HW)


@dataclass(frozen=True)
class Half:
    """One half of the training: which modules are trained, how long, and by which loss."""

    name: str
    modules: tuple[str, ...]
    steps: int
    loss: Callable[[ImageTokenizer, torch.Tensor], torch.Tensor]


def train(
    settings: TokenizerSettings, *, seed: int, device: str, work: Path, log: Log
) -> ImageTokenizer:
    """Train the tokenizer, or resume its training.

    Args:
        settings: Shapes, steps and learning rates.
        seed: Decides the first weights, the pictures and the batches.
        device: 'cpu' or 'cuda'.
        work: The folder of the progress files, one for each half.
        log: Called with the loss and the PSNR (dB) on held-out pictures, every 200 steps.
    """
    torch.manual_seed(seed)
    tokenizer = build(settings).to(device)
    # Another seed, so that the held-out pictures are not those of training.
    pictures, held_out = (
        draw_groups(sample_groups(settings.pictures, seed=seed)).to(device),
        from_bytes(draw_groups(sample_groups(512, seed=seed + 1))),
    )
    halves = (
        Half("encoder", ("encoder", "quant_conv"), settings.encoder_steps, says_patches),
        Half("decoder", ("post_quant_conv", "decoder"), settings.decoder_steps, draws_from_codes),
    )
    for half in halves:
        train_half(
            tokenizer,
            half,
            settings,
            pictures,
            held_out,
            seed=seed,
            progress=work / f"{half.name}.safetensors",
            log=log,
        )
    return tokenizer.eval()


def train_half(
    tokenizer: ImageTokenizer,
    half: Half,
    settings: TokenizerSettings,
    pictures: torch.Tensor,
    held_out: torch.Tensor,
    *,
    seed: int,
    progress: Path,
    log: Log,
) -> None:
    """Train one half, resumed from its progress file; all parameters are frozen afterwards.

    Args:
        tokenizer: Changed in place; only `half.modules` are trained.
        half: Which half.
        settings: The batch, the learning rates, the number of codes.
        pictures: Training pictures, uint8 [N, 3, 32, 32].
        held_out: Pictures that the PSNR is of, [M, 3, 32, 32] in [-1, 1].
        seed: Decides the batches, together with the step's number, and the codebook.
        progress: The file that this half is resumed from.
        log: See `train`.
    """
    moving = {
        n: p
        for n, p in tokenizer.named_parameters()
        if n.startswith(tuple(f"{m}." for m in half.modules))
    }
    tokenizer.requires_grad_(False)
    for parameter in moving.values():
        parameter.requires_grad_(True)
    optimiser = MuonAdamW(
        moving.items(), muon_lr=settings.muon_lr, adamw_lr=settings.adamw_lr, steps=half.steps
    )
    first, saved = load_progress(progress)
    if saved:
        tokenizer.load_state_dict(saved["model"])
        optimiser.load_state(saved["optimiser"])
    elif half.name == "encoder":
        # the decoder is trained on the same codes, so only the first half makes them
        tokenizer.quantize.embedding.weight.copy_(
            patch_codebook(pictures, settings.num_codes, seed)
        )
    keep_freed_memory()
    device = tokenizer.quantize.embedding.weight.device
    for step in range(first, half.steps):
        # from the step's number alone: a resumed run sees the batches that it would have seen
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        chosen = torch.randint(len(pictures), (settings.batch,), generator=generator)
        pixels = from_bytes(pictures[chosen.to(device)])
        # bf16 for the network only: the losses convert its output to fp32.
        with torch.autocast(device.type, torch.bfloat16):
            loss = half.loss(tokenizer, pixels)
        loss.backward()
        optimiser.step(step)
        if (step + 1) % 200 == 0 or step + 1 == half.steps:
            # 64 at once: with blocks of changing size `keep_freed_memory` would keep all of them.
            back = torch.cat(
                [
                    tokenizer.to_pixels(tokenizer.to_codes(part.to(device))).cpu()
                    for part in held_out.split(64)
                ]
            )
            log(step + 1, loss=loss.item(), psnr=psnr(back, held_out))
            save_progress(
                progress, step + 1, model=tokenizer.state_dict(), optimiser=optimiser.state()
            )
    tokenizer.requires_grad_(False)


def patch_codebook(pictures: torch.Tensor, num_codes: int, seed: int) -> torch.Tensor:
    """The k-means centres [C, 48] of the patches of the pictures."""
    generator = torch.Generator().manual_seed(seed)
    points = rearrange(patches(from_bytes(pictures[:K_MEANS_PICTURES])), "b d h w -> (b h w) d")
    distinct, times = points.unique(dim=0, return_counts=True)
    times = times.cpu()  # The generator's device.
    # Common patches (the sky) count less than they stand, and centres start on distinct patches:
    # else half of the codes were the sky's.
    chosen = times.sqrt().multinomial(K_MEANS_PATCHES, replacement=True, generator=generator)
    points = distinct[chosen.to(distinct.device)]
    distinct, times = points.unique(dim=0, return_counts=True)
    times = times.cpu()
    # A random choice of the first centres, weighted by frequency. The least factor, .05, keeps the
    # most common patches from being lost by chance.
    order = (times * torch.rand(len(times), generator=generator).clamp_min(0.05)).argsort(
        descending=True
    )
    centres = distinct[order[:num_codes].to(distinct.device)]
    return k_means(points, num_codes, generator, rounds=12, centres=centres)
