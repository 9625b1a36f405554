"""Started by test_engines.py in two processes: the same steps with each way of spreading the base, and
without DeepSpeed. The first one writes JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "train"))

import engine as distributed

from unictoken.data.sequence import Batch
from unictoken.learn.engine import Engine, TorchEngine
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.learn.objective import cross_entropy
from unictoken.learn.run import base_of
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.model.gradient import PackedLayers
from unictoken.model.protocol import Base

WAYS = {
    "zero 0": {"zero_stage": 0},
    "zero 1": {"zero_stage": 1},
    "zero 0, packed in bf16": {"zero_stage": 0, "packed": True},
    "zero 1, packed in bf16": {"zero_stage": 1, "packed": True},
    "zero 2": {"zero_stage": 2},
    "zero 2, bf16": {"zero_stage": 2, "dtype": "bf16"},
    "zero 3": {"zero_stage": 3},
    "zero 3, recomputed": {"zero_stage": 3, "gradient_checkpointing": True},
    "zero 3, offloaded": {"zero_stage": 3, "offload": "cpu"},
}
STAGE = Stage(steps=4, batch=4, lr=1e-2)


def learner_of(base: Base, *, packed: bool = False) -> Learner:
    """Three rows on a base, always the same.

    With `packed` it learns as larger bases do on a CPU that is faster in bf16, whatever this is.
    """
    rows = torch.randn(2, 3, base.width, generator=torch.Generator().manual_seed(0)) / 10
    learner = Learner(base, base.vocab.reserved[:3], *rows, loss=cross_entropy)
    if packed:
        learner.packed_layers = PackedLayers(base.model.model, base.model.lm_head)
    return learner


def batch_of(base: Base) -> Batch:
    """Four sequences with the concept's ids inside, everything learned."""
    ids = torch.randint(
        base.vocab.size, (STAGE.batch, 24), generator=torch.Generator().manual_seed(1)
    )
    ids[:, 2:5] = torch.tensor(base.vocab.reserved[:3])
    return Batch(ids, ids, torch.ones(STAGE.batch))


def held(base: Base) -> int:
    """Values of the transformer that this process holds."""
    own = [p for name, p in base.model.named_parameters() if ".vqmodel." not in name]
    return sum(p.numel() + (p.ds_tensor.numel() if hasattr(p, "ds_tensor") else 0) for p in own)


def try_way(folder: str, way: dict) -> dict:
    """Losses of four steps, of the same with a break after two, of a second stage's three steps,
    and what the process holds.
    """
    keys = {"dtype": "fp32"} | way
    packed = keys.pop("packed", False)
    settings = RunConfig(concept=ConceptConfig(name="bo", pictures=()), base=folder, **keys)
    base, engines, engine = start(settings, packed=packed)
    whole = {name: tensor.clone() for name, tensor in base.model.model.vqmodel.state_dict().items()}
    losses = steps(base, engine, 2)
    saved = {name: tensor.detach().clone() for name, tensor in engine.state().items()}
    losses += steps(base, engine, 2)
    image_tokenizer = base.model.model.vqmodel.state_dict()
    second = steps(base, second_stage(engines, engine), 3)
    again, _, resumed = start(settings, packed=packed)
    resumed.load(saved, 2)
    resumed_losses = steps(again, resumed, 2)
    distributed.drop_shards(again)
    return {
        "losses": losses,
        "resumed": resumed_losses,
        "second stage": second,
        "frozen": distributed.everywhere(held(base), torch.distributed.ReduceOp.MAX),
        "held after dropping": held(again),
        "image tokenizer is whole": all(
            torch.equal(image_tokenizer[name], tensor) for name, tensor in whole.items()
        ),
    }


def start(
    settings: RunConfig, *, packed: bool
) -> tuple[Base, distributed.OneEngine, distributed.DeepSpeedEngine]:
    base = base_of(settings)
    engines = distributed.OneEngine(settings)
    return base, engines, engines(learner_of(base, packed=packed), STAGE)


def without_deepspeed(folder: str) -> dict:
    """Losses of four steps and of a second stage's three, each process for itself."""
    base = base_of(
        RunConfig(concept=ConceptConfig(name="bo", pictures=()), base=folder, dtype="fp32")
    )
    engine = TorchEngine(learner_of(base), STAGE)
    losses = steps(base, engine, 4, share=slice(None))
    return {
        "losses": losses,
        "second stage": steps(base, second_stage(TorchEngine, engine), 3, share=slice(None)),
    }


def second_stage(engines: Callable[[Learner, Stage], Engine], first: TorchEngine) -> Engine:
    """The engine of a next stage, after a first one is over as stages.py ends it."""
    learner = first.learner
    learner.settle(first.state()["rows"])
    learner.begin_stage([True] * 3)
    return engines(learner, STAGE)


def steps(base: Base, engine: Engine, count: int, *, share: slice | None = None) -> list[float]:
    """Losses of steps on a share of the batch; None: this process's."""
    batch, share = (
        batch_of(base),
        share or slice(torch.distributed.get_rank(), None, distributed.world_size()),
    )
    part = batch.each(itemgetter(share))
    return [engine.step(part, STAGE.lr) for _ in range(count)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("out")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    options = parser.parse_args()
    rank = distributed.start_processes()
    found = {
        "without": without_deepspeed(options.base),
        "ways": {name: try_way(options.base, way) for name, way in WAYS.items()},
    }
    if rank == 0:
        Path(options.out).write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    distributed.launch().leave()
