"""Products with a frozen weight, packed once for the CPU.

Drawing multiplies a few rows with every weight, again and again. torch's product in fp32 (MKL) packs
the weight anew in each, and on AMD's CPUs is half as fast as oneDNN's, which takes a packed copy. That
one also gives a row the same digits whatever rows stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from math import inf
from time import perf_counter

import torch
import torch.nn.functional as F

from unictoken.model.internals import packed_product, packed_weight

FEW = 2048  # values of what is multiplied: threads would wait for each other longer than they work


class Product:
    """Rows times a weight, transposed, or several weights side by side.

    Args:
        weights: [N, D] each; they may change between two products.
        packed: Whether a packed copy may be made of them.
    """

    def __init__(self, *weights: torch.Tensor, packed: bool):
        self.weights, self.may_pack = weights, packed and _can_pack(*weights)
        self.packed: torch.Tensor | None = None
        self.version: tuple[int, ...] = ()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self.may_pack or x.requires_grad:
            found = [F.linear(x, weight) for weight in self.weights]
            return found[0] if len(found) == 1 else torch.cat(found, -1)
        version = tuple(weight._version for weight in self.weights)
        if version != self.version:
            self.packed, self.version = packed_weight(torch.cat(self.weights)), version
        return packed_product(x, self.packed)


def _can_pack(*weights: torch.Tensor) -> bool:
    return packed_weight is not None and all(
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and not weight.is_inference()
        for weight in weights
    )


@contextmanager
def threads_for(values: int, device: torch.device) -> Iterator[None]:
    """Within it, products of so few values are not shared out over threads."""
    before = torch.get_num_threads()
    if device.type != "cpu" or values > FEW or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def cpu_is_faster_in_bf16() -> bool:
    """Whether this CPU multiplies matrices faster in bf16 than in fp32: measured, in milliseconds.

    With AVX-512 BF16 or AMX it is four to six times as fast, without them many times slower, so
    that every run finds the same, on a busy machine too.
    """
    least = {torch.float32: inf, torch.bfloat16: inf}
    # In turn, so that a busy moment slows both.
    for _, dtype in product(range(10), least):
        left, right = torch.ones(256, 512, dtype=dtype), torch.ones(1024, 512, dtype=dtype)
        began = perf_counter()
        F.linear(left, right)
        least[dtype] = min(least[dtype], perf_counter() - began)
    return 1.5 * least[torch.bfloat16] < least[torch.float32]
