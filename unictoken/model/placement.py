"""One base over several devices (`device_map="auto"`): its layers are shared out, and what a layer
reads comes to it. `accelerate` does the moving.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from accelerate import dispatch_model
from accelerate.utils import convert_file_size_to_int, get_max_memory
from torch import nn
from transformers import PreTrainedModel

from unictoken.core.disk import quoted
from unictoken.model.protocol import BaseError, DeviceMemory

Device = str | int | torch.device
# Of each GPU's free memory, what weights may take: activations and caches need the rest.
SHARE = 0.85


def memory_of(said: DeviceMemory | None) -> dict[Device, int]:
    """Bytes for weights on each device: what was said, or the GPUs' free memory; where there is no
    GPU, the CPU's.
    """
    if said is None:
        found = {device: size for device, size in get_max_memory().items() if device != "disk"}
        gpus = {device: int(SHARE * size) for device, size in found.items() if device != "cpu"}
        return gpus or found
    if not isinstance(said, Mapping) or not said:
        raise BaseError(
            f"max_memory: found {quoted(said)}, expected sizes by device, such as"
            " {0: '20GiB', 1: '20GiB'}."
        )
    return {device: _bytes(device, size) for device, size in said.items()}


def _bytes(device: object, size: object) -> int:
    try:
        if isinstance(device, bool) or not isinstance(device, int | str | torch.device):
            raise ValueError
        if torch.device(device).type in ("meta", "disk"):
            raise ValueError
    except (ValueError, RuntimeError):
        raise BaseError(
            f"max_memory: found the device {quoted(device)}, expected a GPU's number, or one of"
            " torch's names, such as 'cuda:1' or 'cpu'."
        ) from None
    try:
        if isinstance(size, bool) or not isinstance(size, int | str):
            raise ValueError
        found = convert_file_size_to_int(size)
        if found < 0:
            raise ValueError
    except ValueError:
        raise BaseError(
            f"max_memory: {device}: found {quoted(size)}, expected bytes, or a size such as"
            " '20GiB'."
        ) from None
    return int(found)


def share_out(layers: Sequence[int], rest: int, memory: Mapping[Device, int]) -> list[Device]:
    """The device of each layer, in order: as even as whole layers allow, none beyond its memory.

    Args:
        layers: Bytes of each layer.
        rest: Bytes of everything else, which stands on the first device.
        memory: Bytes that may stand on each device.
    """
    total, most = sum(layers) + rest, max(layers, default=0)
    even = total / len(memory)
    for limit in (
        even + most / 2,
        even + most,
        *(even * (1 + k / 20) for k in range(1, 20)),
        total,
    ):
        if places := _fill(layers, rest, {d: min(m, limit) for d, m in memory.items()}):
            return places
    room = ", ".join(f"{device}: {size / 2**30:.1f} GiB" for device, size in memory.items())
    raise BaseError(
        f"device_map: the base has {total / 2**30:.1f} GiB of weights, which do not fit into"
        f" {room}. Add a device, or raise `max_memory`."
    )


def _fill(layers: Sequence[int], rest: int, memory: Mapping[Device, float]) -> list[Device] | None:
    left, places = dict(memory), []
    devices = iter(left)
    here = next(devices)
    left[here] -= rest
    if left[here] < 0:
        return None
    for size in layers:
        while left[here] < size:
            if (after := next(devices, None)) is None:
                return None
            here = after
        left[here] -= size
        places.append(here)
    return places


def spread(model: PreTrainedModel, layers: nn.ModuleList, memory: DeviceMemory | None) -> None:
    """Put a model's layers onto several devices, and everything else onto the first of them.

    Args:
        model: In the CPU's memory.
        layers: Its layers, in order.
        memory: Bytes by device, or sizes such as '20GiB'; None: what the GPUs have.
    """
    given = memory_of(memory)
    sizes = [_size(layer.parameters()) for layer in layers]
    places = share_out(sizes, _size(model.parameters()) - sum(sizes), given)
    first = next(iter(given))
    if set(places) == {first}:
        model.to(torch.device(first))
        return
    at = dict(zip(layers, places, strict=True))
    for layer, place in at.items():
        layer.to(torch.device(place))
    dispatch_model(
        model,
        _map_of(model, at, first),
        main_device=first,
        skip_keys="past_key_values",  # each layer keeps its own where it is
        force_hooks=True,  # also where two names mean one device, as in its tests
    )


def _size(values: Iterable[torch.Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in values)


def _map_of(model: nn.Module, at: Mapping[nn.Module, Device], first: Device) -> dict[str, Device]:
    """The device of every module that holds weights, by name."""
    named: dict[str, Device] = {}
    inside = tuple(name for name, module in model.named_modules() if module in at)
    for name, module in model.named_modules():
        if module in at:
            named[name] = at[module]
        elif name and not any(name.startswith(f"{layer}.") for layer in inside):
            is_above = any(layer.startswith(f"{name}.") for layer in inside)
            is_below = any(name.startswith(f"{other}.") for other in named)
            if not is_above and not is_below:
                named[name] = first
    return named
