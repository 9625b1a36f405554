"""The bar that learning draws."""

from __future__ import annotations

from tqdm import tqdm

from unictoken.learn.methods import Method
from unictoken.learn.stages import Progress


class Bar:
    """Steps of all stages, with the stage and its loss; a resumed run begins where it was. `hidden` on all processes but the first."""

    def __init__(self, method: Method, *, hidden: bool = False):
        steps = sum(stage.steps for stage in method.stages)
        self.drawn = tqdm(total=steps, disable=hidden, unit="step", mininterval=2, delay=0.1)

    def show(self, progress: Progress, total: int) -> None:
        self.drawn.set_postfix(stage=progress.stage, loss=f"{progress.loss:.3f}", refresh=False)
        self.drawn.update(progress.step - self.drawn.n)

    def close(self) -> None:
        self.drawn.close()
