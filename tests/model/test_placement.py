"""A base over several devices. Here is one CPU: by the names "cpu" and `torch.device("cpu")` it
stands for two, between which accelerate moves what the layers read.
"""

import pytest
import small
import torch
from transformers import PreTrainedTokenizerFast

import unictoken
from unictoken.model import placement
from unictoken.model.chameleon import Chameleon
from unictoken.model.protocol import BaseError
from unictoken.model.reading import TheirLayers

FIRST, SECOND = "cpu", torch.device("cpu")


@pytest.fixture
def spread(base, tokenizer: PreTrainedTokenizerFast) -> Chameleon:
    model = small.model(tokenizer)
    model.load_state_dict(base.model.state_dict())
    half = sum(value.numel() * value.element_size() for value in model.parameters())
    made = Chameleon(model, tokenizer, "small")
    made.spread({FIRST: half, SECOND: half})
    return made


def test_layers_are_shared_out_and_everything_else_stands_on_the_first_device(spread):
    layers = spread.model.model.layers
    assert isinstance(spread.reading(1, 4).layers, TheirLayers)
    assert all(hasattr(layer, "_hf_hook") for layer in layers)
    assert spread.model.model.embed_tokens._hf_hook.execution_device == FIRST
    assert {layer._hf_hook.execution_device for layer in layers} <= {FIRST, SECOND}
    assert spread.device == torch.device("cpu")


def test_a_spread_base_says_the_same(spread, base):
    ids = torch.tensor([[0, 5, 9, 7, 3]])
    with torch.no_grad():
        want, got = (each.logits(each.hidden(each.embed(ids)), ids) for each in (base, spread))
        torch.testing.assert_close(got, want)
        first, second = base.reading(2, 5), spread.reading(2, 5)
        rows = base.embed(ids.repeat(2, 1))
        for part in (rows[:, :3], rows[:, 3:4]):
            torch.testing.assert_close(second.read(part), first.read(part))
        for each in (first, second):
            each.select([1])
        torch.testing.assert_close(second.read(rows[:1, 4:]), first.read(rows[:1, 4:]))


GB = 2**30


@pytest.mark.parametrize(
    ("memory", "counts"),
    [
        ({0: 40 * GB}, [32]),
        ({0: 40 * GB, 1: 40 * GB}, [15, 17]),
        ({0: 4 * GB, 1: 40 * GB}, [6, 26]),
        ({0: 6 * GB, 1: 6 * GB, 2: 6 * GB}, [10, 11, 11]),
    ],
)
def test_a_7b_is_shared_out_evenly_and_within_each_memory(memory, counts):
    layers, rest = [400 * 2**20] * 32, int(1.2 * GB)
    places = placement.share_out(layers, rest, memory)
    assert places == sorted(places)
    assert [places.count(device) for device in memory] == pytest.approx(counts, abs=1)
    for i, (device, size) in enumerate(memory.items()):
        used = places.count(device) * layers[0] + (0 if i else rest)
        assert used <= size


def test_what_does_not_fit_is_said_in_one_line():
    with pytest.raises(BaseError, match=r"has 13.7 GiB of weights, .* into 0: 6.0 GiB, 1: 6.0 GiB"):
        placement.share_out([400 * 2**20] * 32, int(1.2 * GB), {0: 6 * GB, 1: 6 * GB})


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ("20GiB", "max_memory: found '20GiB', expected sizes by device"),
        ({}, "max_memory: found {}, expected sizes by device"),
        ({"cpu": "much"}, "max_memory: cpu: found 'much', expected bytes"),
        ({"cpu": -1}, "max_memory: cpu: found -1, expected bytes"),
        ({"disk": "1GiB"}, "max_memory: found the device 'disk'"),
        ({True: "1GiB"}, "max_memory: found the device True"),
    ],
)
def test_a_wrong_memory_is_refused_in_one_line(memory, said):
    with pytest.raises(BaseError, match=said.replace("{", r"\{")) as refused:
        placement.memory_of(memory)
    assert "\n" not in str(refused.value)


def test_where_no_gpu_is_the_base_stands_in_the_cpus_memory(base_folder):
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    loaded = unictoken.load(base_folder, device_map="auto")
    assert loaded.device == torch.device("cpu")
    assert not hasattr(loaded.model.model.layers[0], "_hf_hook")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"device_map": "balanced"}, "device_map: found 'balanced', expected 'auto'"),
        ({"device_map": "auto", "device": "cpu"}, "device: found 'cpu' beside device_map"),
        ({"max_memory": {0: "1GiB"}}, "max_memory: found it without device_map"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(named, said, base_folder):
    with pytest.raises(BaseError, match=said):
        unictoken.load(base_folder, **named)
