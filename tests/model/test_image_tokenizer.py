import pytest
import torch
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig

from unictoken.model.image_tokenizer import Decoder, ImageTokenizer


@pytest.fixture(scope="module")
def published() -> ImageTokenizer:
    """Chameleon's 7B image tokenizer, without memory."""
    with torch.device("meta"):
        return ImageTokenizer(
            ChameleonVQVAEConfig(
                embed_dim=256,
                latent_channels=256,
                num_embeddings=8192,
                resolution=512,
                base_channels=128,
                channel_multiplier=[1, 1, 2, 2, 4],
                num_res_blocks=2,
            )
        )


def parameters(part: torch.nn.Module) -> int:
    return sum(p.numel() for p in part.parameters())


def test_the_published_configuration_has_the_published_sizes(published):
    assert parameters(published.decoder) == 39_294_851
    assert parameters(published.encoder) == 27_194_880
    assert parameters(published.quantize) == 2_097_152
    assert parameters(published.quant_conv) + parameters(published.post_quant_conv) == 131_584
    assert published.codes_per_side == 32


def test_the_decoder_has_the_parameter_names_of_real_checkpoints(published):
    names = {
        f"up.{i}.block.{j}.{part}"
        for i in range(5)
        for j in range(3)
        for part in ("norm1", "conv1", "norm2", "conv2")
    }
    names |= {f"up.{i}.upsample.conv" for i in range(1, 5)} | {
        "up.3.block.0.nin_shortcut",
        "up.1.block.0.nin_shortcut",
    }
    names |= {
        f"mid.{block}.{part}"
        for block in ("block_1", "block_2")
        for part in ("norm1", "conv1", "norm2", "conv2")
    }
    names |= {f"mid.attn_1.{part}" for part in ("norm", "q", "k", "v", "proj_out")} | {
        "conv_in",
        "norm_out",
        "conv_out",
    }
    expected = {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
    assert set(published.decoder.state_dict()) == expected
    assert len(expected) == 164


def test_the_decoder_has_the_published_shapes(published):
    shapes = {name: tuple(t.shape) for name, t in published.decoder.state_dict().items()}
    assert shapes["conv_in.weight"] == (512, 256, 3, 3)
    assert shapes["up.4.block.0.conv1.weight"] == (512, 512, 3, 3)
    assert shapes["up.3.block.0.nin_shortcut.weight"] == (256, 512, 1, 1)
    assert shapes["up.1.block.0.nin_shortcut.weight"] == (128, 256, 1, 1)
    assert shapes["conv_out.weight"] == (3, 128, 3, 3)


def test_decoding_enlarges_by_two_for_each_level_but_the_first():
    config = ChameleonVQVAEConfig(
        embed_dim=4,
        latent_channels=4,
        num_embeddings=8,
        resolution=32,
        base_channels=32,
        channel_multiplier=[1, 1, 2],
        num_res_blocks=0,
    )
    assert Decoder(config)(torch.zeros(2, 4, 3, 5)).shape == (2, 3, 12, 20)


def test_pictures_become_codes_and_codes_become_pictures(base):
    vq = base.model.model.vqmodel
    codes = vq.to_codes(torch.rand(2, 3, 32, 32) * 2 - 1)
    assert codes.shape == (2, 64) and codes.min() >= 0 and codes.max() < 64
    pixels = vq.to_pixels(codes)
    assert pixels.shape == (2, 3, 32, 32) and pixels.abs().max() <= 1


def test_codes_run_row_by_row(base):
    """A change in the top right corner of the picture of codes changes the top right corner of the
    picture.
    """
    vq = base.model.model.vqmodel
    codes = torch.zeros(1, 64, dtype=torch.long)
    codes[0, 7] = 1
    changed = (vq.to_pixels(codes) - vq.to_pixels(torch.zeros_like(codes))).abs().sum(1)[0]
    assert changed[:8, 24:].mean() > changed[8:, :24].mean()


def test_codes_are_the_ones_that_transformers_finds():
    torch.manual_seed(0)
    config = ChameleonVQVAEConfig(
        embed_dim=8,
        latent_channels=8,
        num_embeddings=300,
        resolution=32,
        base_channels=32,
        channel_multiplier=[1, 1, 2],
        num_res_blocks=0,
    )
    tokenizer, pixels = ImageTokenizer(config), torch.rand(9, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        tokenizer.quantize.embedding.weight.normal_()
        assert torch.equal(
            tokenizer.to_codes(pixels), tokenizer.encode(pixels).image_tokens.view(9, 64)
        )
