"""All that we take from inside `transformers` and `huggingface_hub`, beyond what they document.

These names may move in any minor version, so the rest of the package takes them from here and
`tests/model/test_internals.py` fails when one moves. setup.py keeps out versions that nobody tried.
What we take from inside DeepSpeed is in `train/engine.py`: `drop_shards` and `start_processes`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import logging as hub_logging
from transformers import Cache, ChameleonModel, DynamicCache
from transformers.models.chameleon.modeling_chameleon import (
    ChameleonDecoderLayer,
    ChameleonSwinDecoderLayer,
    ChameleonVQVAEEncoderAttnBlock,
    ChameleonVQVAEEncoderResnetBlock,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from unictoken.core.printing import PrintableAs

__all__ = [
    "CACHE_KEYWORD",
    "PLAIN_LAYER",
    "SWIN_LAYER",
    "ChameleonVQVAEEncoderAttnBlock",
    "ChameleonVQVAEEncoderResnetBlock",
    "HTTPError",
    "KeysAndValues",
    "cache_of",
    "cached_file",
    "holds_cache",
    "keys_and_values",
    "packed_product",
    "packed_weight",
    "make_printable",
    "quiet_loading",
]


def make_printable(library: str) -> None:
    """From here on what a library logs changes no terminal."""
    for handler in logging.getLogger(library).handlers:
        if not isinstance(handler.formatter, PrintableAs):
            handler.setFormatter(PrintableAs(handler.formatter or logging.Formatter()))


# Both libraries write to stderr themselves, and quote what files say.
for _name in ("transformers", "huggingface_hub"):
    make_printable(_name)

# The blocks of the image tokenizer's encoder, of which our decoder is built as well: transformers
# (5.20 to 5.24) does not export them.

# huggingface_hub.errors.HTTPError is the HTTP library's own (httpx up to 1.x, httpx2 from 2.0): no
# connection, or a timeout. The hub lets it through, and it is no OSError.

# Norms stand before a plain layer's two halves, and after a Swin layer's (`swin_norm`, Chameleon-30B).
PLAIN_LAYER, SWIN_LAYER = ChameleonDecoderLayer, ChameleonSwinDecoderLayer

KeysAndValues = list[tuple[torch.Tensor, torch.Tensor]]  # of each layer, [B, heads, T, D / heads]

# The name until transformers 5.23, and from 5.24, which warns of the old one. Goes when setup.py's
# range begins at 5.24.
CACHE_KEYWORD = (
    "cache"
    if "cache" in inspect.signature(ChameleonModel.forward).parameters
    else "past_key_values"
)


# oneDNN's products with a packed weight, which torch's own compiler calls; not documented. None
# where torch was built without it.
packed_weight: Callable[[torch.Tensor], torch.Tensor] | None = None
if torch.backends.mkldnn.is_available():
    packed_weight = torch.ops.mkldnn._reorder_linear_weight


def packed_product(x: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
    """`F.linear` with a weight that `packed_weight` gave."""
    return torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def holds_cache(args: Sequence, kwargs: dict) -> bool:
    """Whether a cache is among a layer's arguments, by any name or none; an empty one counts."""
    return any(isinstance(value, Cache) for value in chain(args, kwargs.values()))


def keys_and_values(cache: Cache) -> KeysAndValues:
    """What a cache holds. Its layers (since transformers 4.54) have no documented reader."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def cache_of(layers: KeysAndValues) -> DynamicCache:
    """A cache that holds copies of `layers`.

    `update` is the documented way in; the constructor's `ddp_cache_data` is meant for replicas.
    """
    cache = DynamicCache()
    for index, (keys, values) in enumerate(layers):
        cache.update(keys, values, index)
    return cache


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Within it, loading draws no bar, reports no missing weights and no second try of the Hub.

    Missing weights are refused by us; `transformers` would advise to train them. Bars of a
    download are the Hub's, and are drawn: it may take minutes.
    """
    verbosity, hub_verbosity = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    # transformers (5.20 to 5.24) has no switch for the bar of one call: disable_progress_bar is for
    # the process, and takes the Hub's bars with it.
    hook = transformers_logging.set_tqdm_hook(_no_bar)
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        transformers_logging.set_tqdm_hook(hook)


def _no_bar(
    factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> transformers_logging.EmptyTqdm:
    return transformers_logging.EmptyTqdm(*args, **kwargs)
