"""Chameleon and Anole: the family of bases whose image ids are rows of one embedding and one head.

`EarlyFusionModel` is `transformers`' Chameleon with the VQ decoder and with logits for image ids
(Chameleon's own forward sets them to the minimum). It never looks at how large it is: the tiny base
and a 7B take the same path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from transformers import (
    Cache,
    ChameleonConfig,
    ChameleonForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from unictoken.core.disk import is_file, is_folder, is_there
from unictoken.core.progress import progress
from unictoken.core.reading import read_weight_map
from unictoken.model import fingerprint, placement, products
from unictoken.model.architecture import check_size, read_config
from unictoken.model.gradient import PackedLayers, has_packed_layers
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.internals import CACHE_KEYWORD, cached_file, quiet_loading
from unictoken.model.pixels import prepare, to_picture, to_pixels
from unictoken.model.products import Product
from unictoken.model.profile import Profile, load_profile
from unictoken.model.protocol import Base, BaseError, DeviceMemory, reading_files
from unictoken.model.reading import SMALL, Reading, dtype_of_attention, recomputed
from unictoken.model.vocab import ChameleonVocab
from unictoken.model.vq_decoder import add_decoder

# through the image tokenizer: four pictures of 512 x 512 (about 3 GB of activations)
PIXELS_AT_ONCE = 2**20
PICTURES_AT_ONCE = 64


class EarlyFusionModel(ChameleonForConditionalGeneration):
    """Chameleon with `model.vqmodel.decoder`; parameter names as in Anole's checkpoints."""

    # Published in fp32 beside a transformer in bf16; rounded, it finds other codes. The name is
    # private to transformers (5.20 to 5.24; no public one), tests/model/test_checkpoints.py sees
    # it move.
    _keep_in_fp32_modules_strict = ["vqmodel"]

    def __init__(self, config: ChameleonConfig):
        super().__init__(config)
        self.model.vqmodel = ImageTokenizer(config.vq_config)

    def hidden(self, embeds_BTD: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Last hidden states [B, T, D], after the final norm, of sequences given as input rows."""
        return self.model(
            inputs_embeds=embeds_BTD,
            # Chameleon makes a cache by default: learning needs none.
            use_cache=cache is not None,
            **{CACHE_KEYWORD: cache},
        ).last_hidden_state


class Chameleon(Base):
    """Chameleon and Anole: image ids are rows of one embedding and of one head.

    Args:
        model: With all its weights.
        tokenizer: The `transformers` tokenizer that goes with it.
        name: Where it came from.
        can_draw: False where its image tokenizer has no decoder.
        files: The safetensors files that hold its weights; none for a base that was made in memory.
        profile: What it was trained to do; None: a general base.
    """

    def __init__(
        self,
        model: EarlyFusionModel,
        tokenizer: PreTrainedTokenizerFast,
        name: str,
        *,
        can_draw: bool = True,
        files: Sequence[Path] = (),
        profile: Profile | None = None,
    ):
        self.model = model.eval().requires_grad_(False)
        self.vocab = ChameleonVocab(tokenizer)
        self.name = name
        self.can_draw = can_draw
        self.profile = profile or Profile()
        self.stored = fingerprint.StoredWeights(files) if files else None
        self._heads: dict[tuple[int | None, int | None], tuple[torch.Tensor, Product]] = {}

    @classmethod
    def load(
        cls,
        path: str | Path,
        name: str,
        *,
        vq_decoder: str | Path | None,
        device: str,
        dtype: torch.dtype,
    ) -> Self:
        """A base of this family.

        Args:
            path: A folder, or a name on the Hub.
            name: What it is called in messages and concept files.
            vq_decoder: What completes an image tokenizer without a decoder; None: nothing.
            device: Where it goes.
            dtype: Of the transformer.
        """
        return _read_chameleon(cls, path, name, vq_decoder, device, dtype)

    @property
    def device(self) -> torch.device:
        return self.model.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def vocabulary_size(self) -> int:
        """Rows of the embedding and of the head; the tokenizer may have fewer ids.

        From the config: ZeRO 3 leaves the weights themselves empty between two steps.
        """
        return self.model.config.vocab_size

    @property
    def codes_per_picture(self) -> int:
        return self.model.model.vqmodel.codes_per_side**2

    @property
    def picture_side(self) -> int:
        return self.model.model.vqmodel.config.resolution

    @property
    def longest(self) -> int:
        return self.model.config.max_position_embeddings

    def cache_bytes(self, ids: int) -> int:
        config = self.model.config
        # Grouped-query attention has fewer heads for keys than for queries.
        width = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
        # 2: keys and values.
        size = dtype_of_attention(self.model.lm_head.weight).itemsize
        return 2 * ids * config.num_hidden_layers * width * size

    @cached_property
    def fingerprint(self) -> str:
        """Says which base a concept was learned on: a sha256 of every weight as it is stored.

        The same in whatever dtype the base is loaded. A decoder that was given apart (`vq_decoder`)
        is not in it: it only draws codes.
        """
        if self.stored:
            return self.stored.fingerprint()
        return fingerprint.of_tensors(self.model.state_dict())

    @cached_property
    def row_fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of concept files of format 1: of the embedding and the head only."""
        if self.stored:
            return self.stored.row_fingerprints()
        rows = self.model.model.embed_tokens.weight, self.model.lm_head.weight
        return fingerprint.rows_of_tensors(*rows)

    @property
    def decoder_digest(self) -> str:
        return fingerprint.of_tensors(self.model.model.vqmodel.decoder.state_dict())

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        return self.model.model.embed_tokens(ids_BT)

    def hidden(self, embeds_BTD: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        return self.model.hidden(embeds_BTD, cache)

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        return self.model.lm_head(hidden)

    def text_logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        """`logits` with -inf for image ids, whose rows of the head are not read if it can be."""
        rows = self._image_rows
        if rows is None:
            return super().text_logits(hidden)
        logits = hidden.new_full((*hidden.shape[:-1], self.vocabulary_size), -torch.inf)
        for part in (slice(rows.start), slice(rows.stop, None)):
            logits[..., part] = self._head(part)(hidden)
        return logits

    def image_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        rows = self._image_rows
        if rows is None:
            return super().image_logits(hidden)
        return self._head(rows)(hidden)

    def _head(self, rows: slice) -> Product:
        """The product with some rows of the head."""
        weight = self.model.lm_head.weight
        kept = self._heads.get((rows.start, rows.stop))
        if kept is None or kept[0] is not weight:
            part = weight.detach()[rows]
            kept = weight, Product(part, packed=weight.numel() < SMALL)
            self._heads[rows.start, rows.stop] = kept
        return kept[1]

    @property
    def _image_rows(self) -> slice | None:
        """Where the head has the rows of image ids; None where they cannot be taken by themselves.

        ZeRO 3 leaves weights empty: only the head's own forward fetches them.
        """
        return self.vocab.image_rows if self.model.lm_head.weight.numel() else None

    def packed_layers(self) -> PackedLayers | None:
        model = self.model.model
        if not (has_packed_layers(model) and products.cpu_is_faster_in_bf16()):
            return None
        return PackedLayers(model, self.model.lm_head)

    def reading(self, rows: int, columns: int) -> Reading:
        return Reading(self.model.model, rows, columns)

    def head_rows(self, ids_N: torch.Tensor) -> torch.Tensor:
        return self.model.lm_head.weight[ids_N]

    @torch.no_grad()
    def encode(self, pictures: Iterable[Image.Image]) -> torch.Tensor:
        """Image ids, LongTensor [N, K], of pictures of any size.

        Pictures may come from a stream: each is needed only until the next is asked for, and of
        their pixels no more are kept than go through the image tokenizer at once.
        """
        vq = self.model.model.vqmodel
        dtype = vq.quantize.embedding.weight.dtype
        shown = progress(pictures, "encoding pictures", unit="picture")
        pixels = (to_pixels(prepare(picture, vq.config.resolution)) for picture in shown)
        # `torch.cat` takes no empty list: no pictures give ids [0, K].
        codes = [torch.empty(0, self.codes_per_picture, dtype=torch.long)]
        while part := list(islice(pixels, self._pictures_at_once)):
            codes.append(vq.to_codes(torch.stack(part).to(self.device, dtype)).cpu())
        return self.vocab.image_ids[torch.cat(codes)]

    @torch.no_grad()
    def decode(self, image_ids_NK: torch.Tensor) -> list[Image.Image]:
        """Pictures of image ids [N, K]."""
        self.need_decoder()
        codes = self.vocab.code_of_id[image_ids_NK.cpu()]
        if (codes < 0).any():
            raise BaseError(
                f"decode: {int((codes < 0).sum())} of {codes.numel()} ids are not image ids. Give"
                " image ids only."
            )
        vq = self.model.model.vqmodel
        pixels = torch.cat(
            [
                vq.to_pixels(part.to(self.device)).float().cpu()
                for part in codes.split(self._pictures_at_once)
            ]
        )
        return [to_picture(p) for p in pixels]

    @property
    def _pictures_at_once(self) -> int:
        return max(
            1,
            min(PICTURES_AT_ONCE, PIXELS_AT_ONCE // self.model.model.vqmodel.config.resolution**2),
        )

    def need_decoder(self) -> None:
        if not self.can_draw:
            raise BaseError(
                f"base '{self.name}': its image tokenizer has no decoder, so it answers but cannot"
                " draw. Complete it with `vq_decoder` (facebook/chameleon-7b:"
                " leloy/Anole-7b-v0.1-vqvae-hf or the original download's tokenizer/vqgan.ckpt),"
                " or use a base that has one, such as leloy/Anole-7b-v0.1-hf."
            )

    def recompute_activations(self) -> None:
        for layer in self.model.model.layers:
            layer.forward = partial(recomputed, layer.forward)

    def spread(self, memory: DeviceMemory | None) -> None:
        placement.spread(self.model, self.model.model.layers, memory)

    def set_image_tokenizer_apart(self) -> None:
        model = self.model.model
        if "vqmodel" in model._modules:
            # Not by nn.Module's `__setattr__`, which would register it as a submodule again.
            object.__setattr__(model, "vqmodel", model._modules.pop("vqmodel"))


def _read_chameleon(
    kind: type[Chameleon],
    path: str | Path,
    name: str,
    vq_decoder: str | Path | None,
    device: str,
    dtype: torch.dtype,
) -> Chameleon:
    """`Chameleon.load`, as a base of the class `kind`."""
    with quiet_loading():
        with reading_files(path, "its config.json is not Chameleon's"):
            config = read_config(path, BaseError)
        if config.vocabulary_map is None:
            raise BaseError(
                f"base '{path}': its config.json has no 'vocabulary_map'. Expected the config of a"
                " Chameleon-style model."
            )
        with reading_files(path, "its tokenizer.json or tokenizer_config.json cannot be used"):
            # tokenizer.json as it is: a published `tokenizer_class` (LlamaTokenizerFast) would
            # split Chameleon's text in another way.
            tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
        if isinstance(path, Path):
            _shards(path)
        with reading_files(path, "its weights, or their index, do not go with its config.json"):
            if isinstance(path, Path):  # of the Hub they are not fetched yet
                check_size(config, weight_files(path, config), path, BaseError)
            model, loaded = EarlyFusionModel.from_pretrained(
                path,
                config=config,
                dtype=dtype,
                # Never a pickle (pytorch_model.bin), which could run code.
                use_safetensors=True,
                output_loading_info=True,
                # So that they are listed: `_check_shapes` refuses them in one line.
                ignore_mismatched_sizes=True,
            )
    # A damaged checkpoint is refused before a decoder is fetched for it.
    _check_shapes(loaded["mismatched_keys"], path)
    lacking = _lacks_decoder(model, loaded["missing_keys"], path)
    _check_strays(loaded["unexpected_keys"], path)
    if vq_decoder:
        add_decoder(model.model.vqmodel, vq_decoder)
    model = model.to(device)  # not among what is read: a GPU that is full is no fault of the base
    _check_numbers(model, path)
    # `_commit_hash` is private to transformers (5.20 to 5.24, no public name): the commit that a
    # name on the Hub led to, so that all files are of one version.
    profile = load_profile(path, revision=getattr(config, "_commit_hash", None))
    with reading_files(path, "its weights cannot be found again"):
        files = weight_files(path, config)
    with reading_files(path, "its tokenizer.json has names that are not Chameleon's"):
        can_draw = not lacking or bool(vq_decoder)
        base = kind(model, tokenizer, name, can_draw=can_draw, files=files, profile=profile)
    _check_sizes(base)
    return base


def weight_files(path: str | Path, config: ChameleonConfig) -> list[Path]:
    """The safetensors files that `transformers` loads: one, or those that an index names.

    Of a Hub name those in the snapshot that `config` came from; none where the Hub converted them
    on the way, whose fingerprint is then that of the weights as they are loaded.
    """
    folder = Path(path)
    if not is_folder(folder):
        commit = getattr(config, "_commit_hash", None)
        folder = Path(
            cached_file(str(path), "config.json", revision=commit, local_files_only=True)
        ).parent
    single = folder / "model.safetensors"
    return [single] if is_file(single) else _shards(folder)


def _shards(folder: Path) -> list[Path]:
    """The files that an index of weights names; [] where there is none, or one file has them all."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    # The single file wins, as in transformers, if both are there.
    if is_file(single) or not is_there(index):
        return []
    return [folder / name for name in read_weight_map(index, BaseError, whose="the base's")]


def _check_shapes(mismatched: Collection[tuple], path: str | Path) -> None:
    if mismatched:
        name, found, expected = min(mismatched)
        raise BaseError(
            f"base '{path}': '{name}' has shape {tuple(found)}, its config.json makes it"
            f" {tuple(expected)}. Fetch the checkpoint again."
        )


def _lacks_decoder(model: EarlyFusionModel, missing: set[str], path: str | Path) -> bool:
    """Whether the checkpoint came without a decoder. Anything else that is missing is an error."""
    decoder = {name for name in model.state_dict() if name.startswith("model.vqmodel.decoder.")}
    # All of it or nothing: half a decoder is a damaged file.
    lacking = decoder <= set(missing)
    if strays := sorted(set(missing) - decoder if lacking else missing):
        raise BaseError(
            f"base '{path}': {len(strays)} weights are missing, '{strays[0]}' first. Fetch the"
            " checkpoint again."
        )
    return lacking


def _check_strays(unexpected: Collection[str], path: str | Path) -> None:
    """Refuse weights that the config does not use: a base with fewer layers than it was trained
    with would answer nonsense.

    `rotary_emb.inv_freq` of old files is not among them: `transformers` drops it.
    """
    if unexpected:
        raise BaseError(
            f"base '{path}': {len(unexpected)} weights are not used by its config.json,"
            f" '{min(unexpected)}' first. Fetch the checkpoint again."
        )


def _check_numbers(model: EarlyFusionModel, path: str | Path) -> None:
    """A weight that is no finite number would silently make every answer nonsense. The sum of a
    tensor shows it, and needs no memory.
    """
    for name, weight in model.named_parameters():
        # In fp32: the sum of finite numbers in fp16 could overflow.
        if not weight.sum(dtype=torch.float32).isfinite():
            raise BaseError(
                f"base '{path}': '{name}' holds NaN or infinity. Fetch the checkpoint again."
            )


def _check_sizes(base: Base) -> None:
    """What tokenizer.json and config.json both say; else the first picture or word would fail."""
    config, vq, ids, codes = (
        base.model.config,
        base.model.model.vqmodel,
        base.vocab.size,
        len(base.vocab.image_ids),
    )
    found = None
    if ids > config.vocab_size:
        found = f"tokenizer.json has ids up to {ids - 1}, its config.json {config.vocab_size} rows"
    elif codes != vq.config.num_embeddings:
        found = (
            f"tokenizer.json has {codes} image tokens, its config.json {vq.config.num_embeddings}"
            " codes"
        )
    elif vq.codes_per_side < 1:
        found = f"config.json makes pictures of {vq.config.resolution} pixels, too few for one code"
    if found:
        raise BaseError(f"base '{base.name}': its {found}. Fetch the checkpoint again.")
