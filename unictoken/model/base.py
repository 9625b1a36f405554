"""The frozen base model: loading it, and its logits.

`EarlyFusionModel` is `transformers`' Chameleon with the VQ decoder and with logits for image ids (Chameleon's own forward
sets them to the minimum). It never looks at how large it is: the tiny base and a 7B take the same path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoTokenizer, ChameleonForConditionalGeneration
from transformers.cache_utils import Cache

from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.pixels import prepare, to_picture, to_pixels
from unictoken.model.vocab import Vocab


class BaseError(ValueError):
    """A base model that cannot be used: where, what was found, what was expected."""


class EarlyFusionModel(ChameleonForConditionalGeneration):
    """Chameleon with `model.vqmodel.decoder`; parameter names as in Anole's checkpoints."""

    def __init__(self, config):
        super().__init__(config)
        self.model.vqmodel = ImageTokenizer._from_config(config.vq_config)

    def hidden(self, embeds_BTD: torch.Tensor, cache: Cache | None = None, mask_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states [B, T, D], after the final norm, of sequences given as input rows.

        `mask_BT` (1 to see, 0 for padding on the left) covers what is in the cache as well.
        """
        return self.model(
            inputs_embeds=embeds_BTD, attention_mask=mask_BT, past_key_values=cache, use_cache=cache is not None
        ).last_hidden_state


class Base:
    """A frozen early-fusion model with its vocabulary: what reads, answers and draws.

    `name` is where it came from; `fingerprint` says which rows a concept was learned against (sha256 of the input embedding
    and the head, in fp32).
    """

    def __init__(self, model: EarlyFusionModel, tokenizer, name: str, *, can_draw: bool = True):
        self.model = model.eval().requires_grad_(False)
        self.vocab = Vocab(tokenizer)
        self.name = name
        self.can_draw = can_draw

    @property
    def device(self) -> torch.device:
        return self.model.lm_head.weight.device

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def codes_per_picture(self) -> int:
        return self.model.model.vqmodel.codes_per_side ** 2

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for rows in (self.model.model.embed_tokens.weight, self.model.lm_head.weight):
            digest.update(rows.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Input rows [B, T, D]."""
        return self.model.model.embed_tokens(ids_BT)

    def hidden(self, embeds_BTD: torch.Tensor, cache: Cache | None = None, mask_BT: torch.Tensor | None = None) -> torch.Tensor:
        return self.model.hidden(embeds_BTD, cache, mask_BT)

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Scores of the whole vocabulary, image ids included: [..., D] to [..., V]. A base does not ask what was said before."""
        return self.model.lm_head(hidden)

    @torch.no_grad()
    def encode(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Image ids, LongTensor [N, K], of pictures of any size."""
        vq = self.model.model.vqmodel
        pixels = torch.stack([to_pixels(prepare(picture, vq.config.resolution)) for picture in pictures])
        codes = [vq.to_codes(part.to(self.device, vq.quantize.embedding.weight.dtype)).cpu() for part in pixels.split(64)]
        return self.vocab.image_ids[torch.cat(codes)]

    @torch.no_grad()
    def decode(self, image_ids_NK: torch.Tensor) -> list[Image.Image]:
        """Pictures of image ids [N, K]."""
        codes = self.vocab.code_of_id[image_ids_NK.cpu()]
        if (codes < 0).any():
            raise BaseError(f"decode: {int((codes < 0).sum())} of {codes.numel()} ids are not image ids. Give image ids only.")
        vq = self.model.model.vqmodel
        pixels = torch.cat([vq.to_pixels(part.to(self.device)).float().cpu() for part in codes.split(64)])
        return [to_picture(p) for p in pixels]


def load_base(path: str | Path, *, device: str | None = None, dtype: torch.dtype | None = None) -> Base:
    """The base at a local folder (or a Hub name), on the GPU where there is one; the image tokenizer stays in fp32."""
    if Path(path).exists() and not (Path(path) / "config.json").is_file():
        raise BaseError(f"{path}: no config.json. Expected a folder that save_pretrained wrote, such as checkpoints/tiny-chameleon.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model, loaded = EarlyFusionModel.from_pretrained(path, dtype=dtype or torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path)
    except OSError as error:
        raise BaseError(f"base '{path}' cannot be loaded: {str(error).splitlines()[0]}") from None
    model.model.vqmodel.float()
    lacking = sorted(loaded["missing_keys"])
    if strays := [key for key in lacking if ".decoder." not in key]:
        raise BaseError(f"base '{path}': {len(strays)} weights are missing, '{strays[0]}' first. Fetch the checkpoint again.")
    return Base(model.to(device), tokenizer, str(path), can_draw=not lacking)
