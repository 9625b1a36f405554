"""The only file that imports DeepSpeed. Joins the processes, and makes a step of a stage over all of
them.
"""

from __future__ import annotations

import os

import torch

# read when DeepSpeed is imported
os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
# DeepSpeed 0.19 decorates an optimiser that is not used here with torch.compile, whose import takes
# a second and ends the run where the locale is not UTF-8 (torch 2.13 reads its templates in the
# locale's encoding). Nothing here is compiled.
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import deepspeed
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)

from unictoken.core.launch import launch
from unictoken.data.sequence import Batch
from unictoken.learn.engine import MOMENTS, TorchEngine, adamw_settings, loss_of
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.learn.run import base_dtype
from unictoken.learn.settings import RunConfig
from unictoken.model.processes import meeting, take_share_of_machine
from unictoken.model.protocol import Base


def start_processes() -> int:
    """Join the other processes; a plain `python train/run.py` is a world of one. Gives this
    process's rank.
    """
    here = launch()
    # Also for one process: without these variables DeepSpeed asks for mpi4py.
    os.environ.update(here.join())
    take_share_of_machine(here)
    # DeepSpeed (0.19.8) would compile an operator that only its inference uses; a process that is
    # killed meanwhile leaves a lock behind, for which every later one waits forever. There is no
    # switch for it. Until DeepSpeed stops; tests/train/test_deepspeed_insides.py sees it move.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    with meeting():
        deepspeed.init_distributed(verbose=False)
    # Without this every process would use the first GPU.
    deepspeed.accelerator.get_accelerator().set_device(here.local_rank)
    return torch.distributed.get_rank()


def leave_processes() -> None:
    """Wait for the other processes, then leave the group; this process is alone from here on."""
    # Else the first process to leave would close the group while others still use it.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    launch().leave()


def world_size() -> int:
    return torch.distributed.get_world_size()


def everywhere(value: float | torch.Tensor, how: torch.distributed.ReduceOp) -> float:
    """A number reduced over all processes."""
    tensor = torch.as_tensor(
        value,
        dtype=torch.float32,
        device=deepspeed.accelerator.get_accelerator().current_device_name(),
    )
    torch.distributed.all_reduce(tensor, how)
    return tensor.item()


def anywhere(seen: bool) -> bool:
    """Whether any process has seen it; all get the same answer."""
    return everywhere(float(seen), torch.distributed.ReduceOp.MAX) > 0


class DeepSpeedEngine(TorchEngine):
    """One optimiser step over all processes. The optimiser holds the concept's rows and nothing
    else.
    """

    def __init__(self, learner: Learner, stage: Stage, settings: RunConfig):
        super().__init__(learner, stage)
        # else DeepSpeed steps the optimiser as it is
        self.sharded = settings.zero.shards_optimiser
        learner.base.set_image_tokenizer_apart()
        self.engine, *_ = deepspeed.initialize(
            model=learner,
            model_parameters=[learner.rows],
            optimizer=self.optimiser,
            config=deepspeed_config(stage, settings, learner.rows.numel()),
        )

    def step(self, batch: Batch, lr: float) -> float:
        self._set_lr(lr)
        loss = loss_of(self.engine, batch, self.engine.device)
        self.engine.backward(loss)
        self.engine.step()
        # Shares are equally large: the mean over processes is the loss of the whole batch.
        return everywhere(loss.detach().float(), torch.distributed.ReduceOp.SUM) / world_size()

    def _set_lr(self, lr: float) -> None:
        for group in self.engine.optimizer.param_groups:
            group["lr"] = lr

    def state(self) -> dict[str, torch.Tensor]:
        if not self.sharded:
            return super().state()
        rows = self.learner.rows
        return {
            "rows": safe_get_full_fp32_param(rows),
            **{m: safe_get_full_optimizer_state(rows, m) for m in MOMENTS},
        }

    def load(self, tensors: dict[str, torch.Tensor], steps: int) -> None:
        """Put rows and moments back: a step of nothing creates Adam's state, then everything is
        overwritten.
        """
        if not self.sharded:
            return super().load(tensors, steps)
        rows = self.learner.rows
        # DeepSpeed (0.19.8) creates Adam's state in its first step. One with the rate 0, of an
        # example of weight 0, changes nothing.
        nothing = torch.zeros(1, 2, dtype=torch.long, device=self.engine.device)
        self._set_lr(0.0)
        self.engine.backward(
            self.engine(nothing, nothing, torch.zeros(1, device=self.engine.device))
        )
        self.engine.step()
        # First the optimiser's own rows, in fp32, and their moments.
        safe_set_full_fp32_param(rows, tensors["rows"])
        for moment in MOMENTS:
            safe_set_full_optimizer_state(rows, tensors[moment], moment)
        # Then the rows that the forward pass reads: else the first loss is that of the old ones.
        with torch.no_grad(), deepspeed.zero.GatheredParameters([rows], modifier_rank=0):
            rows.copy_(tensors["rows"])
        # And Adam's number of steps, which has counted the step of nothing.
        for state in self.optimiser.state.values():
            state["step"] = torch.tensor(float(steps)) if torch.is_tensor(state["step"]) else steps

    def begin(self, stage: Stage) -> None:
        """Another stage with the same learner, as a new optimiser would begin it."""
        for group in self.engine.optimizer.param_groups:
            group.update(adamw_settings(stage))
        # What earlier stages have learned, in fp32; `learner.rows` may be rounded or sharded.
        rows = self.learner.frozen
        self.load({"rows": rows, **{moment: torch.zeros_like(rows) for moment in MOMENTS}}, 0)


class OneEngine:
    """Gives every stage the same engine: an earlier stage's own would leave its hooks on the rows,
    and reduce their gradients a second time.
    """

    def __init__(self, settings: RunConfig):
        self.settings, self.engine = settings, None

    def __call__(self, learner: Learner, stage: Stage) -> DeepSpeedEngine:
        if self.engine:
            self.engine.begin(stage)
        else:
            self.engine = DeepSpeedEngine(learner, stage, self.settings)
        return self.engine


def drop_shards(base: Base) -> None:
    """Free the memory of a sharded base that is no longer used; DeepSpeed itself keeps references
    to the modules.

    A parameter's shard is its `ds_tensor` (DeepSpeed 0.19.8; it has no way to drop one).
    tests/train/test_engines.py sees it move.
    """
    for parameter in base.model.parameters():
        for held in (parameter, getattr(parameter, "ds_tensor", parameter)):
            held.data = held.data.new_empty(0)
    torch.cuda.empty_cache()  # does nothing without a GPU


def deepspeed_config(stage: Stage, settings: RunConfig, rows_size: int) -> dict:
    """DeepSpeed's settings, from ours, once; `rows_size` values are trained."""
    return {
        # Of all processes together: DeepSpeed divides it.
        "train_batch_size": stage.batch,
        "gradient_accumulation_steps": 1,
        # No clipping. Without this key DeepSpeed clips at 1.0.
        "gradient_clipping": 0.0,
        "zero_optimization": settings.zero.config(rows_size, pin_memory=torch.cuda.is_available()),
        "bf16": {"enabled": base_dtype(settings) == torch.bfloat16},
        # torch's AdamW; DeepSpeed's own would be compiled first (80 s on a CPU).
        "zero_allow_untested_optimizer": True,
        # Practically never: our own bar shows the progress.
        "steps_per_print": 10**9,
    }
