"""Pictures to codes and back: Chameleon's VQ-VAE with the decoder that `transformers` leaves out.

Architecture and parameter names are VQGAN's (Esser et al. 2021), as in Chameleon's and Anole's
checkpoints, so that `model.vqmodel.decoder.*` of a real file loads unchanged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from transformers import ChameleonVQVAE, ChameleonVQVAEConfig

from unictoken.model.internals import (
    ChameleonVQVAEEncoderAttnBlock,
    ChameleonVQVAEEncoderResnetBlock,
)


def nearest(points_ND: torch.Tensor, centres_CD: torch.Tensor) -> torch.Tensor:
    """For each point the index of its nearest centre, LongTensor [N]; never rounded by autocast."""
    # argmin of |x - c|^2 is argmin of |c|^2 / 2 - x c: |x|^2 is the same for every centre.
    half_norm_C = centres_CD.square().sum(1) / 2
    with torch.autocast(points_ND.device.type, enabled=False):
        # Few points at a time: their scores stay in the processor's cache (several times faster
        # than all at once). A GPU is only busy with many.
        at_once = 256 if points_ND.device.type == "cpu" else 16_384
        return torch.cat(
            [
                torch.addmm(half_norm_C, part, centres_CD.T, alpha=-1).argmin(1)
                for part in points_ND.split(at_once)
            ]
        )


class Upsample(nn.Module):
    """Nearest-neighbour doubling, then a 3 x 3 convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return self.conv(F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest"))


class Decoder(nn.Module):
    """Latents [B, latent_channels, H, W] to pixels [B, 3, f H, f W], unclamped (no tanh)."""

    def __init__(self, config: ChameleonVQVAEConfig):
        super().__init__()
        widths = [config.base_channels * m for m in config.channel_multiplier]
        width = widths[-1]
        self.conv_in = nn.Conv2d(config.latent_channels, width, kernel_size=3, padding=1)
        # Bare modules, since parameters bear the names of the checkpoints: 'mid.block_1',
        # 'up.0.block.0'.
        self.mid = nn.Module()
        self.mid.block_1 = ChameleonVQVAEEncoderResnetBlock(config, width, width)
        self.mid.attn_1 = ChameleonVQVAEEncoderAttnBlock(width)
        self.mid.block_2 = ChameleonVQVAEEncoderResnetBlock(config, width, width)
        levels = []
        for level in reversed(range(len(widths))):
            up = nn.Module()
            up.block = nn.ModuleList()
            # VQGAN: one block more at each level than in the encoder.
            for _ in range(config.num_res_blocks + 1):
                up.block.append(ChameleonVQVAEEncoderResnetBlock(config, width, widths[level]))
                width = widths[level]
            if level > 0:
                up.upsample = Upsample(width)
            levels.append(up)
        # stored from fine to coarse, run from coarse to fine
        self.up = nn.ModuleList(reversed(levels))
        # VQGAN's eps; torch's default is 1e-5.
        self.norm_out = nn.GroupNorm(num_groups=32, num_channels=width, eps=1e-6)
        self.conv_out = nn.Conv2d(width, config.in_channels, kernel_size=3, padding=1)

    def forward(self, z_BCHW: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(z_BCHW)
        x = self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))
        for up in reversed(self.up):
            for block in up.block:
                x = block(x)
            if hasattr(up, "upsample"):
                x = up.upsample(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class ImageTokenizer(ChameleonVQVAE):
    """Chameleon's VQ-VAE, both ways. Pixels are in [-1, 1]."""

    def __init__(self, config: ChameleonVQVAEConfig):
        super().__init__(config)
        self.decoder = Decoder(config)
        self.post_init()

    @property
    def codes_per_side(self) -> int:
        # Every level but the first halves the side.
        return self.config.resolution // 2 ** (len(self.config.channel_multiplier) - 1)

    @torch.no_grad()
    def to_codes(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """Codes [B, K], row by row, each in 0..num_embeddings - 1: the nearest rows of the
        codebook, as `encode` finds them.
        """
        z_ND = rearrange(self.quant_conv(self.encoder(pixels_B3HW)), "b d h w -> (b h w) d")
        return nearest(z_ND, self.quantize.embedding.weight).view(len(pixels_B3HW), -1)

    @torch.no_grad()
    def to_pixels(self, codes_BK: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, H, W], clamped to [-1, 1]."""
        z = self.quantize.embedding(codes_BK)
        z = rearrange(z, "b (h w) d -> b d h w", h=self.codes_per_side)
        return self.decoder(self.post_quant_conv(z)).clamp(-1, 1)
