"""What we take from inside other libraries is still there, and does what we take it for."""

from __future__ import annotations

import ast
import warnings
from functools import partial
from pathlib import Path

import pytest
import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import DynamicCache
from transformers.utils import logging as transformers_logging

from unictoken.model.base import load_base
from unictoken.model.internals import (
    CACHE_KEYWORD,
    HTTPError,
    cache_of,
    holds_cache,
    keys_and_values,
    quiet_loading,
)
from unictoken.model.reading import recomputed

PACKAGE = Path(__file__).parents[2] / "unictoken"
INSIDES = ("transformers.models", "transformers.cache_utils", "transformers.utils")
INSIDES += ("huggingface_hub.errors", "huggingface_hub.utils.logging")


def imported(path: Path) -> set[str]:
    """Modules and names that a file imports from, as `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.slow
def test_only_one_file_reaches_inside_transformers_and_the_hub():
    files = (path for path in PACKAGE.rglob("*.py") if path.name != "internals.py")
    reaching = {path.name: [n for n in imported(path) if n.startswith(INSIDES)] for path in files}
    assert not {name: names for name, names in reaching.items() if names}


class FakeLayer:
    """A layer that squares its input and counts how often it is computed."""

    def __init__(self):
        self.calls = 0

    def forward(self, hidden, *args, **kwargs):
        self.calls += 1
        return hidden.square()


WAYS = {
    "by the name until 5.23": ((), {"past_key_values": DynamicCache()}),
    "by the name from 5.24": ((), {"cache": DynamicCache()}),
    "by a name of tomorrow": ((), {"memory": DynamicCache()}),
    "by place": ((None, None, DynamicCache()), {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_with_a_cache_is_computed_once_however_the_cache_is_handed_over(way):
    args, kwargs = WAYS[way]
    assert not any(WAYS[way][0]) and not any(kwargs.values())  # an empty cache is false
    layer = FakeLayer()
    rows = torch.ones(1, 2, 3, requires_grad=True)
    recomputed(layer.forward, rows, *args, **kwargs).sum().backward()
    assert layer.calls == 1 and holds_cache(args, kwargs)


@pytest.mark.parametrize(
    "more", [{}, {"cache": None, "past_key_values": None}, {"mask": torch.ones(2)}]
)
def test_a_layer_without_a_cache_is_computed_again(more):
    layer = FakeLayer()
    rows = torch.ones(1, 2, 3, requires_grad=True)
    recomputed(layer.forward, rows, None, **more).sum().backward()
    assert layer.calls == 2 and torch.equal(rows.grad, torch.full_like(rows, 2))


@pytest.mark.parametrize("read_before", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("way", ["keyword", "place"])
def test_recomputing_adds_nothing_twice_to_a_cache_of_the_installed_transformers(
    base_folder, way, read_before
):
    """Each layer of the real model, called with the cache by its keyword and by its place."""
    gradients, lengths = [], []
    for recompute in (False, True):
        base = load_base(base_folder, device="cpu")
        if recompute:
            base.recompute_activations()
        if way == "place":
            for layer in base.model.model.layers:
                layer.forward = partial(by_place, layer.forward)
        cache = DynamicCache()
        if read_before:
            with torch.no_grad():
                base.hidden(base.embed(torch.tensor([[0, 70]])), cache)
        rows = base.embed(torch.tensor([[9, 11, 12]])).requires_grad_()
        base.logits(base.hidden(rows, cache)).sum().backward()
        gradients.append(rows.grad)
        lengths.append(cache.get_seq_length())
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0
    assert lengths == [5 if read_before else 3] * 2


def by_place(forward, hidden, *, attention_mask, position_ids, use_cache, **kwargs):
    """As `ChameleonDecoderLayer.forward` orders them."""
    cache = kwargs.pop(CACHE_KEYWORD)
    kwargs.pop("output_attentions", None)
    return forward(hidden, attention_mask, position_ids, cache, **kwargs)


def test_reading_with_a_cache_warns_of_nothing(base):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        base.hidden(base.embed(torch.tensor([[0, 70]])), DynamicCache())


def test_a_cache_made_of_keys_and_values_goes_on_as_the_one_they_were_taken_from(base):
    read = DynamicCache()
    base.hidden(base.embed(torch.tensor([[0, 70, 71]])), read)
    layers = keys_and_values(read)
    made = cache_of(layers)
    assert [k.shape for k, _ in layers] == [(1, 2, 3, 16)] * 2
    assert made.get_seq_length() == 3
    after = [base.hidden(base.embed(torch.tensor([[9]])), cache) for cache in (read, made)]
    assert torch.equal(*after)
    assert layers[0][0].shape[2] == 3  # what was kept has not grown


def test_the_hubs_http_error_is_no_oserror_and_is_the_one_its_own_errors_come_from():
    from huggingface_hub.utils import HfHubHTTPError

    assert issubclass(HfHubHTTPError, HTTPError) and not issubclass(HTTPError, OSError)


def test_quiet_loading_gives_everything_back_after_an_error_too():
    before = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    theirs = transformers_logging.set_tqdm_hook(None)
    with pytest.raises(KeyError), quiet_loading():
        assert transformers_logging.get_verbosity() == transformers_logging.ERROR
        raise KeyError
    assert (transformers_logging.get_verbosity(), hub_logging.get_verbosity()) == before
    assert transformers_logging.set_tqdm_hook(theirs) is None
