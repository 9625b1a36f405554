"""What this machine can do at most, and how long a call takes on it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import transformers

from unictoken.measure.results import commit


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The most that the machine can do, each a second."""

    fp32: float
    """Operations in matrix products."""
    bf16: float
    bandwidth: float
    """Bytes of memory read."""

    def limit(self, operations: int, read: int) -> float:
        """The least seconds for so many operations and bytes."""
        return max(operations / max(self.fp32, self.bf16), read / self.bandwidth)


def seconds(call: Callable[[], object]) -> float:
    """Wall time of a call, whatever it has queued on a GPU included."""
    _wait_for_gpu()
    began = time.perf_counter()
    call()
    _wait_for_gpu()
    return time.perf_counter() - began


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure_machine(device: str) -> Machine:
    """Matrix products and reading memory, each at its fastest."""
    size = 8192 if device == "cuda" else 1024  # large enough to keep it busy
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        rates[name] = 2 * size**3 / least(partial(torch.matmul, left, right))
    return Machine(**rates, bandwidth=measure_bandwidth(device))


def measure_bandwidth(device: str) -> float:
    """Bytes of memory that are read in a second."""
    numbers = torch.ones(2**26, device=device)  # 256 MB, more than a cache holds
    return numbers.nbytes / least(numbers.sum)


def least(call: Callable[[], object]) -> float:
    """The least of six times, of fewer where they take long."""
    taken: list[float] = []
    while len(taken) < 6 and sum(taken) < 1:
        taken.append(seconds(call))
    return min(taken)


def describe(machine: Machine, device: str) -> list[str]:
    """What the table was measured on."""
    spins = os.environ.get("GOMP_SPINCOUNT", "default")
    capability = torch.backends.cpu.get_cpu_capability()
    threads = f"{torch.get_num_threads()} threads, {capability}, GOMP_SPINCOUNT {spins}"
    chips = f"{_processor()}, {os.cpu_count()} cores ({threads})"
    if device == "cuda":
        chips = f"{torch.cuda.get_device_name()}; {chips}"
    rates = f"fp32 {machine.fp32 / 1e9:.3g} GFLOP/s, bf16 {machine.bf16 / 1e9:.3g}"
    memory = f"reading memory {machine.bandwidth / 1e9:.3g} GB/s"
    return [
        f"Machine: {chips}.",
        f"Measured in this run: matrix products in {rates}; {memory}. Processes that were running"
        f" or waiting to run in the minute before: {os.getloadavg()[0]:.1f}.",
        f"torch {torch.__version__}, transformers {transformers.__version__}, unictoken {commit()}.",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
