"""The bar that learning draws."""

from __future__ import annotations

from tqdm import tqdm

from unictoken.core.progress import bars_are_hidden
from unictoken.learn.stages import Progress


class Bar:
    """Steps of all stages, with the stage and its loss; a resumed run begins where it was."""

    def __init__(self, steps: int):
        self.steps = steps
        self.drawn: tqdm | None = None  # until the first step other bars show what is prepared

    def show(self, progress: Progress) -> None:
        if self.drawn is None:
            self.drawn = tqdm(
                total=self.steps,
                initial=progress.step - 1,
                disable=bars_are_hidden(),
                unit="step",
                mininterval=2,
                delay=0.1,
            )
        self.drawn.set_postfix(stage=progress.stage, loss=f"{progress.loss:.3f}", refresh=False)
        self.drawn.update(progress.step - self.drawn.n)

    def close(self) -> None:
        if self.drawn is not None:
            self.drawn.close()
