"""LoRA adapters on a base (Hu et al. 2021), by peft and in peft's own format.

An adapted base is another base beside the first one: it has layers of its own, which share the
frozen weights, and the adapters. The first base is never touched.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from unictoken.core.config import ConfigError, within
from unictoken.core.disk import make_folder, quoted, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import read_json, read_safetensors_header
from unictoken.core.shapes import Fields, ListOf, Number, OneOf, Whole, check
from unictoken.model.protocol import Base, BaseError

LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # peft's name of the model that adapters are on
MOST_RANK = 1024
MOST_BYTES = 4 * 2**30  # of a file of adapters
# What of peft's config may say anything: it changes no number that the adapted base computes.
FREE = {
    "auto_mapping",  # names a class, which nothing here imports
    "base_model_name_or_path",
    "inference_mode",
    "peft_version",
    "revision",
    "task_type",
}
_SHAPE = Fields(
    {
        "r": Whole(1, MOST_RANK),
        "lora_alpha": Number(0, 2**20),
        "target_modules": ListOf(OneOf(LAYERS), len(LAYERS)),
    },
    others=True,
    said="a LoRA config of peft",
)
AnyBase = TypeVar("AnyBase", bound=Base)


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Which layers have adapters, and how large they are."""

    rank: int = 8
    alpha: float = 16.0
    """The adapters' output is multiplied by alpha / rank."""
    layers: tuple[str, ...] = LAYERS
    """Linear layers, by the last part of their names."""

    def __post_init__(self) -> None:
        within("lora: rank", self.rank, 1, MOST_RANK)
        within("lora: alpha", self.alpha, above=True)
        if unknown := sorted(set(self.layers) - set(LAYERS)) or not self.layers:
            raise ConfigError(
                f"lora: layers: found {quoted(unknown)}, expected some of {', '.join(LAYERS)}."
                " Choose among these."
            )


def adapted(base: AnyBase, lora: Lora, *, seed: int = 0) -> AnyBase:
    """The base with new adapters, which change nothing yet: their second halves are 0.

    Args:
        base: Frozen; it stays as it is.
        lora: Which adapters.
        seed: Of their first halves.
    """
    peft = _peft()
    config = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=sorted(lora.layers))
    # Taken now, so that the copy has it: the names of weights change below.
    _ = base.fingerprint
    other = copy.copy(base)
    # By deepcopy's memo a tensor that was seen is not copied: modules are new, weights are shared.
    shared = {id(t): t for t in (*base.model.parameters(), *base.model.buffers())}
    other.model = copy.deepcopy(base.model, shared)
    # The generator of all of torch is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, other.model)
    # peft makes its layers in training mode.
    other.model.eval()
    for parameter in parameters(other):
        # Small steps would be lost in bf16.
        parameter.data = parameter.data.float()
    return other


def parameters(base: Base) -> list[nn.Parameter]:
    """What of an adapted base is learned."""
    return [p for name, p in base.model.named_parameters() if ".lora_" in name]


def save(base: Base, folder: Path) -> None:
    """Write the adapters of an adapted base as peft does."""
    make_folder(folder)
    # Whole files: peft's own `save_pretrained` writes in place, and asks the Hub about the base.
    tensors = {
        PREFIX + name: t.detach().float().cpu().contiguous() for name, t in _tensors(base).items()
    }
    said = _plain(base.model.peft_config["default"].to_dict())
    said |= {"base_model_name_or_path": base.name, "inference_mode": True}
    write_aside(folder / WEIGHTS, to_bytes(tensors, metadata={"format": "pt"}))
    write_aside(folder / CONFIG, json.dumps(said, indent=2, sort_keys=True).encode())


def load(base: AnyBase, folder: Path) -> AnyBase:
    """The base with the adapters of a folder that peft, or `save`, wrote.

    Raises `BaseError` for adapters that compute anything else than plain LoRA on this base's layers.

    Args:
        base: That they were learned on; it stays as it is.
        folder: With adapter_config.json and adapter_model.safetensors.
    """
    # The config first: it is small, and says how large the other file may be.
    other = adapted(base, _read_config(folder / CONFIG))
    own, path = _tensors(other), folder / WEIGHTS
    found = read_safetensors_header(path, BaseError, "LoRA adapters", most=MOST_BYTES).tensors
    shapes = {PREFIX + name: tuple(t.shape) for name, t in own.items()}
    if strange := sorted(shapes.items() ^ {(key, tuple(t.shape)) for key, t in found.items()}):
        raise BaseError(
            f"{path}: '{strange[0][0]}' is not as base '{base.name}' has it, or missing. Expected"
            " adapters that were learned on this base; name its folder."
        )
    with torch.no_grad():
        for key, tensor in load_file(path).items():
            if not tensor.isfinite().all():
                raise BaseError(f"{path}: '{key}' holds NaN or infinity. Learn it again.")
            own[key.removeprefix(PREFIX)].copy_(tensor)
    return other


def _read_config(path: Path) -> Lora:
    """What a config says, if it is plain LoRA."""
    said = read_json(path, BaseError)
    check(said, _SHAPE, path, BaseError, advice="Expected what peft saves.")
    usual = _plain(_peft().LoraConfig().to_dict())
    free = {*FREE, "r", "lora_alpha", "target_modules"}
    # A key of a newer peft that this one does not know is refused like a value that it would use.
    for key, value in said.items():
        if key not in free and value != usual.get(key):
            raise BaseError(
                f"{path}: {quoted(key)} is {quoted(value)}, expected {quoted(usual.get(key))}: only"
                " plain LoRA is known here. Merge it with peft, and load what that gives as a base."
            )
    alpha, layers = float(said["lora_alpha"]), tuple(said["target_modules"])
    return Lora(rank=said["r"], alpha=alpha, layers=layers)


def _tensors(base: Base) -> dict[str, torch.Tensor]:
    """The adapters of an adapted base by their names in peft's files, but for PREFIX."""
    found: dict[str, torch.Tensor] = _peft().get_peft_model_state_dict(
        base.model, save_embedding_layers=False
    )
    return found


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """A config of peft as JSON has it."""

    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, set) else str(getattr(value, "value", value))

    # Through JSON, so that sets and enumerations compare with what a file says.
    again: dict[str, Any] = json.loads(json.dumps(dict(said), default=plain))
    return again


def _peft() -> ModuleType:
    """The library; where it is not installed, an error that says how."""
    # When it is used, and not above: whoever adapts no base does without it.
    try:
        return importlib.import_module("peft")
    except ModuleNotFoundError:
        raise UserError(
            "library 'peft': not installed, and adapters need it. Add it: pip install"
            " 'unictoken[lora]'."
        ) from None
