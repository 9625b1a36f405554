"""Learn a concept with DeepSpeed, on one process or many, CPU or GPU.

deepspeed train/run.py --config configs/bo.yaml [--set seed=1] [--set concept.pictures=photos/ --set concept.class_noun=dog]
python train/run.py --config configs/bo.yaml          (one process, the same)
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import NoReturn

from unictoken.core.program import interruptible, keeping, run_program

if __name__ == "__main__":
    interruptible("train/run.py")  # in the seconds of the imports below

from engine import (
    OneEngine,
    anywhere,
    drop_shards,
    launch,
    leave_processes,
    start_processes,
    world_size,
)

from unictoken.core import config
from unictoken.core.errors import REFUSED
from unictoken.core.launch import asked_of_accelerate
from unictoken.core.printing import say
from unictoken.core.progress import hide_bars
from unictoken.data.source import Source
from unictoken.learn.bar import Bar
from unictoken.learn.run import Learned, base_of, run
from unictoken.learn.settings import RunConfig, source_of
from unictoken.learn.stop import StopSignal, kept_of_learning, kept_of_measuring
from unictoken.measure.report import finish
from unictoken.model.base import Base
from unictoken.model.memory import keep_freed_memory

PROGRAM = "train/run.py"


def start_again(count: int, arguments: Sequence[str]) -> NoReturn:
    """Become torchrun, which starts this program so many times."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MASTER_ADDR", "MASTER_PORT")
    }
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc_per_node={count}",
    ]
    os.execve(sys.executable, [*command, __file__, *arguments], environment)


class StopEverywhere(StopSignal):
    """The same, agreed on by all processes at the end of a step: signals reach ranks one after
    another.
    """

    def __call__(self) -> bool:
        return anywhere(self.seen)


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, learn, arguments, says=says)


def says(line: str) -> bool:
    """Whether this process prints what ends it. Only who really is one of several leaves it to
    another.
    """
    try:
        return launch().says(line)
    except config.ConfigError:
        return True


def learn(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--local_rank", "--local-rank", metavar="N", help="given by launchers")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    if count := asked_of_accelerate():
        start_again(count, arguments)
    if options.local_rank:
        os.environ.setdefault("LOCAL_RANK", options.local_rank)
    try:
        learn_from(config.load(RunConfig, options.config, options.set))
    except RuntimeError:
        if launch().somebody_ended:  # and has said why; this process only misses it
            raise SystemExit(REFUSED) from None
        raise


def learn_from(settings: RunConfig) -> None:
    """Learn, then (on the first process) write the concept file, the pictures, the answers and the
    report.
    """
    keep_freed_memory()
    rank = start_processes()
    hide_bars(rank > 0)
    if rank:  # of what all processes would say, the first one says it
        logging.getLogger("unictoken").setLevel(logging.ERROR)
    check_batches(settings)

    source = source_of(settings)  # what is wrong with it is said before a base is read
    base = base_of(settings)
    if rank == 0:
        say(config.to_yaml(settings))
    with keeping(lambda: kept_of_learning(settings)):
        learned = learn_together(base, settings, source, rank)
        # the others need not wait for the report, which may take longer than they would
        leave_processes()
        if rank == 0:
            report(base, settings, learned)


def check_batches(settings: RunConfig) -> None:
    """Refuse a batch that the processes cannot share out."""
    for stage in settings.method.stages:
        if stage.batch % world_size():
            raise config.ConfigError(
                f"stage '{stage.name}': a batch of {stage.batch} does not divide by {world_size()}"
                " processes."
            )


def learn_together(base: Base, settings: RunConfig, source: Source, rank: int) -> Learned:
    """Learn with all processes, each on its share of every batch.

    Args:
        base: The frozen base; at ZeRO stage 3 it is sharded afterwards.
        settings: The config.
        source: The concept.
        rank: Of this process; the first one (0) writes files and draws the bar.
    """
    with StopEverywhere() as stop, closing(Bar(settings.method)) as bar:
        return run(
            base,
            settings,
            source=source,
            engine=OneEngine(settings),
            share=slice(rank, None, world_size()),
            first_process=rank == 0,
            stop_asked=stop,
            show=bar.show,
            show_drawings=settings.zero.draws_while_learning,
        )


def report(base: Base, settings: RunConfig, learned: Learned) -> None:
    """Measure what was learned, write it, and print the report."""
    if settings.zero.shards_base:  # the engine has sharded it, and only this process measures
        drop_shards(base)
        base = base_of(settings)
    with keeping(lambda: kept_of_measuring(settings)):
        say(finish(base, settings, *learned))


if __name__ == "__main__":
    main()
