"""A second family of bases, for which no file of unictoken is opened: a Llama of `transformers` with
a head of its own for pictures, a tokenizer of its own, and an image tokenizer of 64 colours. Used by
test_families.py.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from unictoken.model import fingerprint
from unictoken.model.internals import CACHE_KEYWORD
from unictoken.model.profile import Profile
from unictoken.model.protocol import Base
from unictoken.model.reading import Reading, recomputed
from unictoken.model.vocab import Vocab

SPECIAL = ["[go]", "[pad]", "[over]", "[look]", "[seen]", "[?]"]
SIDE, LEVELS = 4, 4  # pixels of a picture's side; of a colour's three channels
CONFIG = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "initializer_range": 0.3,  # else nothing that it reads changes what it says
}  # fmt: skip


class TwoHeads(nn.Module):
    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.layers = LlamaModel(config)
        self.says = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.paints = nn.Linear(config.hidden_size, LEVELS**3, bias=False)
        for head in (self.says, self.paints):
            nn.init.normal_(head.weight, std=config.initializer_range)


class Llama(Base):
    can_draw, profile = True, Profile()
    codes_per_picture, picture_side = SIDE**2, SIDE
    decoder_digest = "64 colours"
    width, longest = CONFIG["hidden_size"], CONFIG["max_position_embeddings"]
    vocabulary_size = property(lambda self: self.model.says.out_features)
    device = property(lambda self: self.model.says.weight.device)
    dtype = property(lambda self: self.model.says.weight.dtype)
    fingerprint = cached_property(lambda self: fingerprint.of_tensors(self.model.state_dict()))

    def __init__(self, model: TwoHeads, tokenizer: PreTrainedTokenizerFast, name: str):
        self.model, self.name = model.eval().requires_grad_(False), name
        self.vocab = vocab_of(tokenizer)

    @classmethod
    def load(cls, path, name, *, vq_decoder, device, dtype):
        model = TwoHeads(LlamaConfig.from_pretrained(path))
        model.load_state_dict(load_file(path / "model.safetensors"))
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
        return cls(model.to(device, dtype), tokenizer, name)

    def cache_bytes(self, ids):
        return 2 * ids * CONFIG["num_hidden_layers"] * self.width // 2 * 4

    def embed(self, ids_BT):
        return self.model.layers.embed_tokens(ids_BT)

    def hidden(self, embeds_BTD, cache=None):
        return self.model.layers(
            inputs_embeds=embeds_BTD, use_cache=cache is not None, **{CACHE_KEYWORD: cache}
        ).last_hidden_state

    def reading(self, rows, columns):
        return Reading(self.model.layers, rows, columns)

    def logits(self, hidden, ids_BT=None):
        columns_C = self.vocab.image_ids.to(hidden.device)
        return self.model.says(hidden).index_copy(-1, columns_C, self.image_logits(hidden))

    def image_logits(self, hidden):
        return self.model.paints(hidden)

    def head_rows(self, ids_N):
        return self.model.says.weight[ids_N]

    def encode(self, pictures):
        small = [picture.convert("RGB").resize((SIDE, SIDE)).tobytes() for picture in pictures]
        levels_NK3 = torch.tensor([list(p) for p in small]).view(-1, SIDE**2, 3) * LEVELS // 256
        return self.vocab.image_ids[levels_NK3 @ torch.tensor([LEVELS**2, LEVELS, 1])]

    def decode(self, image_ids_NK):
        codes = self.vocab.code_of_id[image_ids_NK]
        levels = torch.stack([codes // LEVELS**2, codes // LEVELS % LEVELS, codes % LEVELS], -1)
        colours = (levels * (255 // (LEVELS - 1))).byte().view(-1, SIDE, SIDE, 3)
        return [Image.fromarray(picture.numpy()) for picture in colours]

    def need_decoder(self):
        """It can draw."""

    def recompute_activations(self):
        for layer in self.model.layers.layers:
            layer.forward = partial(recomputed, layer.forward)

    def set_image_tokenizer_apart(self):
        """It has no weights."""


def tokenizer_of(words: list[str]) -> PreTrainedTokenizerFast:
    """Other names than Chameleon's, in another order, and no id that was kept free."""
    names = [*(f"[colour {code}]" for code in reversed(range(LEVELS**3)))]
    table = {name: i for i, name in enumerate([*names, *SPECIAL, *words])}
    made = Tokenizer(models.WordLevel(table, unk_token="[?]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[?]", pad_token="[pad]")


def vocab_of(tokenizer: PreTrainedTokenizerFast) -> Vocab:
    bos, pad, end_turn, begin_image, end_image, unknown = tokenizer.convert_tokens_to_ids(SPECIAL)
    codes = [f"[colour {code}]" for code in range(LEVELS**3)]
    return Vocab(
        tokenizer,
        bos=bos,
        pad=pad,
        begin_image=begin_image,
        end_image=end_image,
        end_turn=end_turn,
        image_ids=tokenizer.convert_tokens_to_ids(codes),
        no_text=[unknown],
    )
