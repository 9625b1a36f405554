"""The image tokenizer against the published architecture, written anew: plain functions of a state
dict, nothing of ours.

VQGAN as in taming-transformers (Esser et al. 2021) with Chameleon's settings: five levels of widths
1, 1, 2, 2, 4, two residual blocks a level on the way down and three on the way up, attention in the
middle only. Every layer's output is compared.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig

from unictoken.model.image_tokenizer import ImageTokenizer

pytestmark = pytest.mark.real

LEVELS = 5
CLOSE = {"rtol": 1e-9, "atol": 1e-9}  # in double precision, so that only another formula can differ


class Reference:
    """Runs the published layers on a state dict and keeps what each gives, by its name."""

    def __init__(self, weights: dict[str, torch.Tensor]):
        self.weights, self.given = weights, {}

    def keep(self, name: str, x: torch.Tensor) -> torch.Tensor:
        self.given[name] = x
        return x

    def conv(
        self, name: str, x: torch.Tensor, *, stride: int = 1, padding: int | None = None
    ) -> torch.Tensor:
        weight = self.weights[f"{name}.weight"]
        same = weight.shape[-1] // 2
        return F.conv2d(
            x,
            weight,
            self.weights[f"{name}.bias"],
            stride=stride,
            padding=same if padding is None else padding,
        )

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(
            x, 32, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], eps=1e-6
        )

    def norm_swish(self, name: str, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(name, x)
        return x * torch.sigmoid(x)

    def block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        h = self.conv(f"{name}.conv1", self.norm_swish(f"{name}.norm1", x))
        h = self.conv(f"{name}.conv2", self.norm_swish(f"{name}.norm2", h))
        changes_width = f"{name}.nin_shortcut.weight" in self.weights
        return self.keep(name, (self.conv(f"{name}.nin_shortcut", x) if changes_width else x) + h)

    def attention(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """One head over all places."""
        h = self.norm(f"{name}.norm", x)
        q, k, v = (self.conv(f"{name}.{part}", h).flatten(2) for part in "qkv")  # [B, C, places]
        looks = torch.einsum("bci,bcj->bij", q, k).mul(q.shape[1] ** -0.5).softmax(-1)
        mixed = torch.einsum("bij,bcj->bci", looks, v).view_as(x)
        return self.keep(name, x + self.conv(f"{name}.proj_out", mixed))

    def middle(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.block(
            f"{name}.block_2", self.attention(f"{name}.attn_1", self.block(f"{name}.block_1", x))
        )

    def encoder(self, x: torch.Tensor) -> torch.Tensor:
        x = self.keep("encoder.conv_in", self.conv("encoder.conv_in", x))
        for level in range(LEVELS):
            for i in range(2):
                x = self.block(f"encoder.down.{level}.block.{i}", x)
            if level < LEVELS - 1:
                name = f"encoder.down.{level}.downsample"
                x = self.keep(
                    name, self.conv(f"{name}.conv", F.pad(x, (0, 1, 0, 1)), stride=2, padding=0)
                )
        x = self.norm_swish("encoder.norm_out", self.middle("encoder.mid", x))
        x = self.keep("encoder.conv_out", self.conv("encoder.conv_out", x))
        return self.keep("quant_conv", self.conv("quant_conv", x))

    def codes(self, z: torch.Tensor) -> torch.Tensor:
        places = z.permute(0, 2, 3, 1).flatten(0, 2)
        far = (places[:, None] - self.weights["quantize.embedding.weight"]).square().sum(-1)
        return far.argmin(1).view(len(z), -1)

    def decoder(self, codes_BK: torch.Tensor) -> torch.Tensor:
        side = int(codes_BK.shape[1] ** 0.5)
        z = (
            self.weights["quantize.embedding.weight"][codes_BK]
            .permute(0, 2, 1)
            .reshape(len(codes_BK), -1, side, side)
        )
        x = self.keep("post_quant_conv", self.conv("post_quant_conv", z))
        x = self.keep("decoder.conv_in", self.conv("decoder.conv_in", x))
        x = self.middle("decoder.mid", x)
        for level in reversed(range(LEVELS)):
            for i in range(3):
                x = self.block(f"decoder.up.{level}.block.{i}", x)
            if level > 0:
                name = f"decoder.up.{level}.upsample"
                x = self.keep(
                    name,
                    self.conv(f"{name}.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3)),
                )
        return self.keep(
            "decoder.conv_out",
            self.conv("decoder.conv_out", self.norm_swish("decoder.norm_out", x)),
        )


@pytest.fixture(scope="module")
def tokenizer() -> ImageTokenizer:
    """The published shape at a quarter of its width and an eighth of its side; every weight random,
    the norms' too.
    """
    torch.manual_seed(0)
    made = ImageTokenizer(
        ChameleonVQVAEConfig(
            embed_dim=64, latent_channels=64, num_embeddings=50, resolution=64, base_channels=32
        )
    )
    with torch.no_grad():
        for name, weight in made.named_parameters():
            weight.copy_(
                1 + 0.2 * torch.randn(weight.shape)
                if ".norm" in name and name.endswith("weight")
                else 0.05 * torch.randn(weight.shape)
            )
    return made.double()


def outputs_of(tokenizer: ImageTokenizer, run) -> dict[str, torch.Tensor]:
    """What each module gives while `run` runs, by its name."""
    given = {}
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, name=name: given.update({name: output.clone()})
        )
        for name, module in tokenizer.named_modules()
        if name
    ]
    run()
    for hook in hooks:
        hook.remove()
    return given


@torch.no_grad()
def test_every_layer_of_the_encoder_gives_what_the_published_one_gives(tokenizer):
    pixels = torch.rand(2, 3, 64, 64, dtype=torch.double) * 2 - 1
    reference = Reference(tokenizer.state_dict())
    z = reference.encoder(pixels)
    ours = outputs_of(tokenizer, lambda: tokenizer.to_codes(pixels))
    # conv_in, blocks, downsamples, middle, conv_out and quant_conv
    assert len(reference.given) == 1 + 2 * LEVELS + (LEVELS - 1) + 3 + 2
    for name, expected in reference.given.items():
        torch.testing.assert_close(
            ours[name], expected, **CLOSE, msg=lambda text, name=name: f"{name}: {text}"
        )
    codes = reference.codes(z)
    assert torch.equal(tokenizer.to_codes(pixels), codes) and len(codes.unique()) > 3


@pytest.mark.slow
@torch.no_grad()
def test_every_layer_of_the_decoder_gives_what_the_published_one_gives(tokenizer):
    codes = torch.randint(50, (2, 16))
    reference = Reference(tokenizer.state_dict())
    pixels = reference.decoder(codes)
    ours = outputs_of(tokenizer, lambda: tokenizer.to_pixels(codes))
    # two convs, middle, blocks, upsamples, conv_out
    assert len(reference.given) == 2 + 3 + 3 * LEVELS + (LEVELS - 1) + 1
    for name, expected in reference.given.items():
        torch.testing.assert_close(
            ours[name], expected, **CLOSE, msg=lambda text, name=name: f"{name}: {text}"
        )
    torch.testing.assert_close(tokenizer.to_pixels(codes), pixels.clamp(-1, 1), **CLOSE)
    assert pixels.shape == (2, 3, 64, 64) and pixels.std() > 0.01


@torch.no_grad()
def test_no_weight_is_left_unused_by_the_published_layers(tokenizer):
    """Each tensor of the state dict is read by the reference."""

    read = set()

    class Watched(dict):
        def __getitem__(self, name):
            read.add(name)
            return super().__getitem__(name)

    reference = Reference(Watched(tokenizer.state_dict()))
    reference.decoder(
        reference.codes(reference.encoder(torch.zeros(1, 3, 64, 64, dtype=torch.double)))
    )
    assert read == set(tokenizer.state_dict())
