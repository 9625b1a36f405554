"""A base's `config.json`: its numbers are bounded before anything is made of their size.

Of the file only the keys that are declared here reach `transformers`: others can change what a
forward pass gives, or name code to fetch.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import ChameleonConfig

from unictoken.core.disk import is_folder, is_there
from unictoken.core.errors import UserError
from unictoken.core.reading import MIB, check_file, check_keys, read_json
from unictoken.core.shapes import Anything, Fields, Flag, ListOf, MapOf, Maybe, Number, Text, Whole
from unictoken.core.shapes import check as check_shape
from unictoken.model.internals import cached_file

FILE = "config.json"
MOST_BYTES = 64 * MIB  # of each JSON file of a base; Chameleon's tokenizer has 4 MB
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
WIDEST, DEEPEST, LARGEST_VOCABULARY = 2**15, 512, 2**20
LONGEST = 2**21  # ids of a sequence
LARGEST_PICTURE = 1024  # pixels of a side
_ID = Maybe(Whole(0, LARGEST_VOCABULARY))
IMAGE_TOKENIZER = Fields(
    {},
    {
        "attn_resolutions": Maybe(ListOf(Whole(0, LARGEST_PICTURE), 32)),
        "attn_type": Maybe(Text(50)),
        "base_channels": Whole(1, 1024),
        "channel_multiplier": ListOf(Whole(1, 64), 10),
        "double_latent": Flag(),
        "dropout": Number(0, 1),
        "embed_dim": Whole(1, 4096),
        "in_channels": Whole(1, 16),
        "latent_channels": Whole(1, 4096),
        "num_embeddings": Whole(1, LARGEST_VOCABULARY),
        "num_res_blocks": Whole(0, 16),
        "resolution": Whole(1, LARGEST_PICTURE),
    },
    others=True,
    said="the settings of an image tokenizer",
)
CONFIG = Fields(
    {},
    {
        "attention_bias": Maybe(Flag()),
        "attention_dropout": Maybe(Number(0, 1)),
        "bos_token_id": _ID,
        "eos_token_id": Maybe(Anything()),
        "hidden_act": Text(50),
        "hidden_size": Whole(1, WIDEST),
        "initializer_range": Number(0, 1),
        "intermediate_size": Whole(1, 4 * WIDEST),
        "max_position_embeddings": Whole(1, LONGEST),
        "mlp_bias": Flag(),
        "model_parallel_size": Maybe(Whole(1, 1024)),
        "model_type": Text(50),
        "num_attention_heads": Whole(1, 1024),
        "num_hidden_layers": Whole(1, DEEPEST),
        "num_key_value_heads": Maybe(Whole(1, 1024)),
        "pad_token_id": _ID,
        "rms_norm_eps": Number(0, 1),
        "rope_parameters": Maybe(MapOf(Anything(), 32)),
        "rope_scaling": Maybe(MapOf(Anything(), 32)),
        "rope_theta": Number(1, 1e12),
        "swin_norm": Maybe(Flag()),
        "tie_word_embeddings": Flag(),
        "vocab_size": Whole(1, LARGEST_VOCABULARY),
        "vocabulary_map": Maybe(MapOf(Whole(0, LARGEST_VOCABULARY), LARGEST_VOCABULARY)),
        "vq_config": Maybe(IMAGE_TOKENIZER),
    },
    others=True,
    said="the config of a Chameleon-style model",
)


def read_config(path: str | Path, refusal: type[UserError]) -> ChameleonConfig:
    """The config of a base in a folder or on the Hub, of the keys that are declared here.

    A Hub's keeps its commit (`_commit_hash`), from which `transformers` then takes the other files.
    """
    folder = Path(path)
    is_here = is_folder(folder)
    file = folder / FILE if is_here else Path(cached_file(str(path), FILE))
    check_file(file, refusal, f"a base's {FILE}", most=MOST_BYTES)
    for name in TOKENIZER_FILES:
        # `transformers` reads these by itself, without any bound.
        if place := _file_beside(file, name, None if is_here else str(path)):
            check_file(place, refusal, f"a base's {name}", most=MOST_BYTES)
            check_keys(read_json(place, refusal, most=MOST_BYTES), place, refusal)
    said = read_json(file, refusal, most=MOST_BYTES)
    check_shape(said, CONFIG, file, refusal, advice="Fetch the checkpoint again.")
    config = ChameleonConfig.from_dict(_declared(said))
    # Set by hand: `from_dict` does not know where the config came from.
    config._commit_hash = None if is_here else file.parent.name
    return config


def _file_beside(config: Path, name: str, repository: str | None) -> Path | None:
    """Another file of a base, if it has it; of one on the Hub it is fetched, of the same commit."""
    place = config.with_name(name)
    if repository and not is_there(place):
        with suppress(OSError):  # the repository has none
            cached_file(repository, name, revision=config.parent.name)
    return place if is_there(place) else None


def _declared(said: dict[str, Any]) -> dict[str, Any]:
    # What is not declared is dropped: no key may choose code, a kernel or quantisation.
    kept = {key: value for key, value in said.items() if key in CONFIG.sometimes}
    if vq := kept.get("vq_config"):
        kept["vq_config"] = {k: v for k, v in vq.items() if k in IMAGE_TOKENIZER.sometimes}
    return kept


def check_size(
    config: ChameleonConfig, files: list[Path], path: str | Path, refusal: type[UserError]
) -> None:
    """Refuse a config that asks for more weights than the files could hold: they would be made
    before anybody saw that they are missing.

    Args:
        config: Of the base.
        files: Its weight files; none: not checked.
        path: Where the base is, for the error's text.
        refusal: The error that is raised.
    """
    least, found = least_parameters(config), sum(file.stat().st_size for file in files)
    if files and least > found:
        raise refusal(
            f"base '{path}': its config.json makes {least:,} parameters or more, its weight files"
            f" have {found:,} bytes. Fetch the checkpoint again."
        )


def least_parameters(config: ChameleonConfig) -> int:
    """How many parameters a model of this config surely has; a decoder is not counted."""
    width, vq = config.hidden_size, config.vq_config
    layer = 2 * width**2 + 3 * width * config.intermediate_size
    channels = [vq.base_channels * times for times in vq.channel_multiplier]
    levels = sum(9 * many**2 for many in channels[:-1])  # each is sampled down by a 3 x 3 kernel
    middle = 36 * channels[-1] ** 2 if channels else 0  # two blocks of two such kernels
    codes = vq.num_embeddings * vq.embed_dim
    text = config.num_hidden_layers * layer + config.vocab_size * width
    return int(text + levels + middle + codes)
