"""Training the image tokenizer.

First the codes are the k-means centres of raw patches, the encoder learns to say its patch, and the decoder learns to draw from
codes with their neighbours. Then all of it learns together, with a codebook that follows the encoder as an exponential moving
average (van den Oord et al. 2017, appendix A.1). Starting in the space of pixels is what makes hours into minutes: a learned
latent space that was quantized afterwards lost the colours and took longer (dev/LOG.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig

from unictoken.concept.start import k_means
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.pretrain.optimise import MuonAdamW, load_progress, save_progress
from unictoken.world.drawing import SIDE, draw
from unictoken.world.things import sample_pet_where, sample_scene


PATCH = 4  # pixels of a code, each way
K_MEANS_PATCHES = 150_000


class MovingCodebook:
    """Exponential-moving-average updates of `quantize.embedding`, with revival of dead codes."""

    def __init__(self, embedding_CD: torch.Tensor, decay: float = 0.95, dead_below: float = 0.08):
        self.embedding, self.decay, self.dead_below = embedding_CD, decay, dead_below
        self.count_C = torch.ones(len(embedding_CD), device=embedding_CD.device)
        self.total_CD = embedding_CD.clone()

    @torch.no_grad()
    def update(self, z_ND: torch.Tensor, codes_N: torch.Tensor) -> None:
        chosen_C = torch.bincount(codes_N, minlength=len(self.embedding)).float()
        summed_CD = torch.zeros_like(self.total_CD).index_add_(0, codes_N, z_ND)
        self.count_C.lerp_(chosen_C, 1 - self.decay)
        self.total_CD.lerp_(summed_CD, 1 - self.decay)
        dead = (self.count_C < self.dead_below).nonzero().flatten()
        if len(dead):
            fresh = z_ND[torch.randint(len(z_ND), (len(dead),), device=z_ND.device)]
            self.total_CD[dead], self.count_C[dead] = fresh, 1.0
        self.embedding.copy_(self.total_CD / self.count_C[:, None])


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pixels in [-1, 1], from the mean squared error over all of them."""
    return -10 * math.log10(F.mse_loss(a, b).item() / 4)


def encode_continuous(tokenizer: ImageTokenizer, pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """What the quantizer is given: [B, embed_dim, h, w]."""
    return tokenizer.quant_conv(tokenizer.encoder(pixels_B3HW))


def rotate_onto(z_BDHW: torch.Tensor, quantized_BDHW: torch.Tensor) -> torch.Tensor:
    """The codes' vectors, reached from the encoder's by a rotation and a scale that carry the gradient back.

    The rotation trick (Fifty et al. 2024, eq. 5) in place of a straight-through copy: within a code, gradients keep their angle.
    """
    e, q = F.normalize(z_BDHW, dim=1).detach(), F.normalize(quantized_BDHW, dim=1)
    r = F.normalize(e + q, dim=1)
    scale = quantized_BDHW.norm(dim=1, keepdim=True) / z_BDHW.norm(dim=1, keepdim=True).clamp_min(1e-6)
    rotated = z_BDHW - 2 * r * (r * z_BDHW).sum(1, keepdim=True) + 2 * q * (e * z_BDHW).sum(1, keepdim=True)
    return scale.detach() * rotated


def patches(pixels_B3HW: torch.Tensor) -> torch.Tensor:
    """The 4 x 4 patches as flat vectors, [B, 48, H / 4, W / 4]."""
    return rearrange(pixels_B3HW, "b c (h p) (w q) -> b (p q c) h w", p=PATCH, q=PATCH)


def quantize(z_BDHW: torch.Tensor, codebook_CD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(nearest codes' vectors [B, D, H, W], flat vectors [N, D], codes [N])."""
    flat = rearrange(z_BDHW, "b d h w -> (b h w) d").detach()
    codes = torch.cdist(flat, codebook_CD).argmin(1)
    return rearrange(codebook_CD[codes], "(b h w) d -> b d h w", h=z_BDHW.shape[2], w=z_BDHW.shape[3]), flat, codes


def reconstruct(tokenizer: ImageTokenizer, pixels_B3HW: torch.Tensor, *, together: bool):
    """(output, loss, flat vectors [N, D], codes [N]); `together`: the decoder's loss teaches the encoder too."""
    codebook = tokenizer.quantize.embedding.weight
    z = encode_continuous(tokenizer, pixels_B3HW).float()
    target = patches(pixels_B3HW)
    quantized, flat, codes = quantize(z if together else target, codebook)
    says_patch = F.mse_loss(z, target)
    latent = rotate_onto(z, quantized) if together else quantized
    output = tokenizer.decoder(tokenizer.post_quant_conv(latent)).float()
    loss = F.mse_loss(output, pixels_B3HW) + 0.1 * F.l1_loss(output, pixels_B3HW)
    near = F.mse_loss(z, quantized) if together else says_patch
    return output, loss + 0.25 * near, flat, codes


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """How the image tokenizer is made."""

    width: int = 64
    """Channels at every resolution."""
    num_codes: int = 4096
    steps: int = 2400
    patch_steps: int = 1600
    """First steps, in which codes are those of the raw patches."""
    batch: int = 32
    pictures: int = 40_000
    """Distinct training pictures, drawn once."""
    muon_lr: float = 0.05
    together_lr: float = 0.2
    """Of the learning rates, once everything learns together: the codebook must be able to follow the encoder."""
    adamw_lr: float = 2e-3


def build(settings: TokenizerSettings) -> ImageTokenizer:
    return ImageTokenizer(
        ChameleonVQVAEConfig(
            embed_dim=3 * PATCH**2,
            latent_channels=3 * PATCH**2,
            num_embeddings=settings.num_codes,
            resolution=SIDE,
            base_channels=settings.width,
            channel_multiplier=[1, 1, 1],
            num_res_blocks=0,
            attn_resolutions=[],
        )
    )


def train(settings: TokenizerSettings, *, seed: int, device: str, progress: Path, log) -> ImageTokenizer:
    """Train (or go on training) the tokenizer; `log(step, **numbers)` is called as it goes."""
    torch.manual_seed(seed)
    tokenizer = build(settings).to(device).train()
    tokenizer.quantize.embedding.weight.requires_grad_(False)
    optimiser = MuonAdamW(tokenizer.named_parameters(), muon_lr=settings.muon_lr, adamw_lr=settings.adamw_lr, steps=settings.steps)
    pictures, held_out = draw_pictures(settings.pictures, seed=seed), draw_pictures(512, seed=seed + 1).to(device)
    weight = tokenizer.quantize.embedding.weight
    first, saved = load_progress(progress)
    if saved:
        tokenizer.load_state_dict(saved["model"])
        optimiser.load_state(saved["optimiser"])
    else:
        weight.copy_(patch_codebook(pictures, settings.num_codes, seed))
    codebook = MovingCodebook(weight)
    if saved:
        codebook.count_C, codebook.total_CD = (saved["codebook"][k].to(device) for k in ("count", "total"))
    for step in range(first, settings.steps):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        pixels = to_pixels(pictures[torch.randint(len(pictures), (settings.batch,), generator=generator)].to(device))
        together = step >= settings.patch_steps
        with torch.autocast(device, torch.bfloat16):
            _, loss, z, codes = reconstruct(tokenizer, pixels, together=together)
        loss.backward()
        optimiser.step(step, scale=settings.together_lr if together else 1.0)
        if together:
            codebook.update(z, codes)
        if (step + 1) % 200 == 0 or step + 1 == settings.steps:
            with torch.no_grad(), torch.autocast(device, torch.bfloat16):
                output, _, _, codes = reconstruct(tokenizer, to_pixels(held_out), together=True)
            log(step + 1, loss=loss.item(), psnr=psnr(output, to_pixels(held_out)), codes=len(codes.unique()))
            book = {"count": codebook.count_C, "total": codebook.total_CD}
            save_progress(progress, step + 1, model=tokenizer.state_dict(), optimiser=optimiser.state(), codebook=book)
    return tokenizer.eval()


def patch_codebook(pictures: torch.Tensor, num_codes: int, seed: int) -> torch.Tensor:
    """The k-means centres [C, 48] of the patches of the pictures."""
    generator = torch.Generator().manual_seed(seed)
    points = rearrange(patches(to_pixels(pictures[:10_000])), "b d h w -> (b h w) d")
    points = points[torch.randperm(len(points), generator=generator)[:K_MEANS_PATCHES]]
    return k_means(points, num_codes, generator, rounds=12)


def draw_pictures(count: int, *, seed: int) -> torch.Tensor:
    """Random pets in random scenes, uint8 [count, 3, 32, 32]; never a held-out combination."""
    rng = np.random.default_rng(seed)
    drawn = [np.asarray(draw(sample_pet_where(rng, unseen=False), sample_scene(rng))) for _ in range(count)]
    return rearrange(torch.from_numpy(np.stack(drawn)), "b h w c -> b c h w")


def to_pixels(pictures_B3HW: torch.Tensor) -> torch.Tensor:
    """uint8 to [-1, 1], as Chameleon's original preprocessing has it (x / 127.5 - 1)."""
    return pictures_B3HW.float() / 127.5 - 1
