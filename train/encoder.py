"""Train a concept encoder of a base of the toy world: one to five pictures to a concept's rows, in
one pass. Resumable; the base stays as it is.

    python train/encoder.py --config configs/encoder.yaml [--set encoder.steps=100]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unictoken.core.program import interruptible, keeping, run_program

if __name__ == "__main__":
    interruptible("train/encoder.py")  # in the seconds of the imports below

from unictoken.core import config, shipped
from unictoken.core.config import Place
from unictoken.core.disk import make_folder
from unictoken.core.lock import hold
from unictoken.learn.stop import StopSignal
from unictoken.model.base import dtype_named, load_base
from unictoken.model.malloc import keep_freed_memory
from unictoken.personalize import encoder_file
from unictoken.toy.pretrain import encoder
from unictoken.toy.pretrain.optimise import logger

PROGRAM = "train/encoder.py"


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Everything about training an encoder."""

    base: Place = shipped.USUAL_BASE
    out: str = "checkpoints/encoder.safetensors"
    """The encoder's file."""
    work: str = "runs/encoder"
    """Progress and log; resumed from there."""
    seed: int = 0
    encoder: encoder.EncoderSettings = field(default_factory=encoder.EncoderSettings)

    def __post_init__(self) -> None:
        config.check_seed(self.seed)


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, train_from, arguments)


def train_from(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/encoder.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    settings = config.load(EncoderConfig, options.config, options.set)
    with (
        keeping(lambda: f"what was saved is kept in {settings.work}; the same command goes on."),
        hold(Path(settings.work) / ".lock", settings.work, instead="Or choose another `work:`"),
    ):
        train(settings)


def train(settings: EncoderConfig) -> None:
    work = Path(settings.work)
    make_folder(work)
    # `fast`: what the base says of the pictures takes half the time in bf16.
    base = load_base(settings.base, dtype=dtype_named("fast", None))
    own = settings.encoder
    lessons = encoder.make_lessons(base, own, seed=settings.seed, cache=work)
    # Only now: the pictures are encoded in blocks of changing size, all of which would be kept.
    keep_freed_memory()
    made = encoder.build(base, own, seed=settings.seed)
    with StopSignal() as stop:
        encoder.train(
            made,
            lessons,
            seed=settings.seed,
            # Of another base, seed or shape nothing can be gone on with.
            progress=work / f"progress-{lessons.key}.safetensors",
            log=logger("encoder", work),
            stop_asked=stop,
        )
    encoder_file.save(made, base, Path(settings.out), steps=own.total_steps)


if __name__ == "__main__":
    main()
