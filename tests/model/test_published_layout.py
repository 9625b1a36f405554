"""Our class against the published 7B checkpoints: every tensor's name and shape, counted without
memory (the `meta` device).

The expected list is built here from the published architecture, not from our class. No weights are
read; that a real file loads is not proven by this, only that it has nothing that the class lacks,
and the other way round.
"""

from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import ChameleonConfig

from unictoken.model.chameleon import EarlyFusionModel

pytestmark = pytest.mark.real

D, LAYERS, HEADS, FFN, VOCABULARY = 4096, 32, 32, 11008, 65536
WIDTHS = [128, 128, 256, 256, 512]  # of the VQGAN's levels, from fine to coarse
Z, CODES = 256, 8192
# As the published converter writes it: Chameleon's params.json, and all of vqgan.yaml under both
# names.
CONFIG = {
    "architectures": ["ChameleonForConditionalGeneration"],
    "model_type": "chameleon",
    "hidden_size": D,
    "intermediate_size": FFN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "max_position_embeddings": 4096,
    "model_parallel_size": 1,
    "swin_norm": False,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": VOCABULARY,
    "image_token_id": 8711,
    "boi_token_id": 8197,
    "eoi_token_id": 8196,
    "vocabulary_map": {"<image>": 8711, "IMGIMGAZ": 4},
    "vq_config": {
        "model_type": "chameleon_vqgan",
        "embed_dim": Z,
        "num_embeddings": CODES,
        "latent_channels": Z,
        "double_latent": False,
        "resolution": 512,
        "in_channels": 3,
        "out_channels": 3,
        "base_channels": 128,
        "channel_multiplier": [1, 1, 2, 2, 4],
        "num_res_blocks": 2,
        "attn_resolutions": [],
        "dropout": 0.0,
        "ch": 128,
        "ch_mult": [1, 1, 2, 2, 4],
        "n_embed": CODES,
        "z_channels": Z,
        "double_z": False,
        "out_ch": 3,
    },
}


def conv(name: str, into: int, out: int, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into, side, side), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def residual_block(name: str, into: int, out: int) -> dict[str, tuple[int, ...]]:
    made = (
        norm(f"{name}.norm1", into)
        | conv(f"{name}.conv1", into, out, 3)
        | norm(f"{name}.norm2", out)
        | conv(f"{name}.conv2", out, out, 3)
    )
    return made | (conv(f"{name}.nin_shortcut", into, out, 1) if into != out else {})


def middle(name: str, width: int) -> dict[str, tuple[int, ...]]:
    made = (
        residual_block(f"{name}.block_1", width, width)
        | residual_block(f"{name}.block_2", width, width)
        | norm(f"{name}.attn_1.norm", width)
    )
    for part in ("q", "k", "v", "proj_out"):
        made |= conv(f"{name}.attn_1.{part}", width, width, 1)
    return made


def encoder() -> dict[str, tuple[int, ...]]:
    made = conv("encoder.conv_in", 3, WIDTHS[0], 3)
    width = WIDTHS[0]
    for level, out in enumerate(WIDTHS):
        for i in range(2):
            made |= residual_block(f"encoder.down.{level}.block.{i}", width, out)
            width = out
        if level < 4:
            made |= conv(f"encoder.down.{level}.downsample.conv", out, out, 3)
    return (
        made
        | middle("encoder.mid", width)
        | norm("encoder.norm_out", width)
        | conv("encoder.conv_out", width, Z, 3)
    )


def decoder() -> dict[str, tuple[int, ...]]:
    width = WIDTHS[-1]
    made = conv("decoder.conv_in", Z, width, 3) | middle("decoder.mid", width)
    for level in reversed(range(5)):
        for i in range(3):
            made |= residual_block(f"decoder.up.{level}.block.{i}", width, WIDTHS[level])
            width = WIDTHS[level]
        if level > 0:
            made |= conv(f"decoder.up.{level}.upsample.conv", width, width, 3)
    return made | norm("decoder.norm_out", width) | conv("decoder.conv_out", width, 3, 3)


def codes_and_quant_convs() -> dict[str, tuple[int, ...]]:
    return (
        {"quantize.embedding.weight": (CODES, Z)}
        | conv("quant_conv", Z, Z, 1)
        | conv("post_quant_conv", Z, Z, 1)
    )


def language_model() -> dict[str, tuple[int, ...]]:
    made = {
        "model.embed_tokens.weight": (VOCABULARY, D),
        "model.norm.weight": (D,),
        "lm_head.weight": (VOCABULARY, D),
    }
    for i in range(LAYERS):
        layer = f"model.layers.{i}"
        made |= {f"{layer}.self_attn.{p}_proj.weight": (D, D) for p in "qkvo"}
        made |= {
            f"{layer}.self_attn.{p}_norm.{kind}": (HEADS, D // HEADS)
            for p in "qk"
            for kind in ("weight", "bias")
        }
        made |= {f"{layer}.mlp.{p}_proj.weight": (FFN, D) for p in ("gate", "up")} | {
            f"{layer}.mlp.down_proj.weight": (D, FFN)
        }
        made |= {f"{layer}.{p}_layernorm.weight": (D,) for p in ("input", "post_attention")}
    return made


def in_checkpoint(vq: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {f"model.vqmodel.{name}": shape for name, shape in vq.items()}


CHAMELEON = language_model() | in_checkpoint(encoder() | codes_and_quant_convs())
ANOLE = CHAMELEON | in_checkpoint(decoder())


def size(tensors: dict[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in tensors.values())


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> dict[str, tuple[int, ...]]:
    """Of our class, made from the published configuration file."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    with torch.device("meta"):
        model = EarlyFusionModel(ChameleonConfig.from_pretrained(folder))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def test_our_class_holds_the_712_tensors_of_anole(shapes):
    assert len(ANOLE) == 712
    assert shapes == ANOLE


def test_chameleon_7b_has_548_of_them_and_lacks_the_decoder_only(shapes):
    assert len(CHAMELEON) == 548
    assert set(shapes) - set(CHAMELEON) == {
        name for name in shapes if name.startswith("model.vqmodel.decoder.")
    }


def test_the_published_counts_of_parameters(shapes):
    counted = {
        part: size({n: s for n, s in shapes.items() if n.startswith(f"model.vqmodel.{part}")})
        for part in ("encoder", "decoder", "quantize")
    }
    assert counted == {"encoder": 27_194_880, "decoder": 39_294_851, "quantize": 2_097_152}
    assert size({n: s for n, s in shapes.items() if "quant_conv" in n}) == 131_584
    assert size({n: s for n, s in shapes.items() if ".vqmodel." not in n}) == 7_013_666_816


def test_the_published_files_have_the_sizes_of_these_tensors():
    """In gigabytes: the transformer in bf16, the VQGAN in fp32; headers are small."""
    vq = encoder() | codes_and_quant_convs()
    assert (2 * size(language_model()) + 4 * size(vq)) / 1e9 == pytest.approx(14.145, abs=1e-3)
    assert (2 * size(language_model()) + 4 * size(vq | decoder())) / 1e9 == pytest.approx(
        14.302, abs=1e-3
    )
    assert 4 * size(vq | decoder()) / 1e6 == pytest.approx(275, abs=1)
