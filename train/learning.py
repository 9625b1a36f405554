"""What train/run.py does once its command line is read: the processes join, each takes its share of
every batch, and the first one writes.
"""

from __future__ import annotations

import logging
from contextlib import closing, nullcontext

from engine import (
    OneEngine,
    anywhere,
    drop_shards,
    leave_processes,
    start_processes,
    world_size,
)

from unictoken.core import config
from unictoken.core.errors import REFUSED
from unictoken.core.launch import launch
from unictoken.core.printing import say
from unictoken.core.program import keeping
from unictoken.data.concept import Concept
from unictoken.learn import checkpoint
from unictoken.learn.bar import Bar
from unictoken.learn.folder import held
from unictoken.learn.run import Learned, base_of, run
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.learn.stop import StopSignal, kept_of_learning, kept_of_measuring
from unictoken.measure.report import check_report, finish
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.processes import ProcessesError, is_lost_connection
from unictoken.model.protocol import Base


class StopEverywhere(StopSignal):
    """The same, agreed on by all processes at the end of a step: signals reach ranks one after
    another.
    """

    def __call__(self) -> bool:
        return anywhere(self.seen)


def learn_together(settings: RunConfig) -> None:
    """Learn, then (on the first process) write the concept file, the pictures, the answers and the
    report.
    """
    try:
        _learn(settings)
    except RuntimeError as error:
        # Another process has ended and printed why; this one only lost its connection.
        if launch().somebody_ended:
            raise SystemExit(REFUSED) from None
        if is_lost_connection(error):
            raise gone(settings) from None
        raise


def gone(settings: RunConfig) -> ProcessesError:
    """What is said where another process is no more, and had no time to say why."""
    log, newest = settings.folder / "log.jsonl", checkpoint.newest(settings.folder / "checkpoints")
    goes_on = f"goes on from {newest}" if newest else "begins again"
    return ProcessesError(
        f"rank {launch().rank} lost another process, which has crashed or was ended from outside."
        f" What it said stands above, and the log of the run is {log}. Look whether memory was short"
        f" (`dmesg`); the same command {goes_on}."
    )


def _learn(settings: RunConfig) -> None:
    keep_freed_memory()
    rank = start_processes()
    if rank:  # warnings of all processes are the same: rank 0 prints them
        logging.getLogger("unictoken").setLevel(logging.ERROR)
    # After joining: only now is the number of processes known.
    check_batches(settings)

    concept = concept_of(settings)  # its errors are reported before a base is read
    with held(settings, concept) if rank == 0 else nullcontext():
        base = base_of(settings)
        if rank == 0:
            say(config.to_yaml(settings))
        with keeping(lambda: kept_of_learning(settings)):
            check_report(base, settings, concept)
            learned = run_together(base, settings, concept, rank)
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
                " processes. Start another number of them, or set another batch."
            )


def run_together(base: Base, settings: RunConfig, concept: Concept, rank: int) -> Learned:
    """Learn with all processes, each on its share of every batch.

    Args:
        base: The frozen base; at ZeRO stage 3 it is sharded afterwards.
        settings: The config.
        concept: As its owner gives it.
        rank: Of this process; the first one (0) writes files and draws the bar.
    """
    with StopEverywhere() as stop, closing(Bar(settings.method.total_steps)) as bar:
        return run(
            base,
            settings,
            concept=concept,
            engine=OneEngine(settings),
            # Every n-th example, from this process's rank on: each process gets some of every task.
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
        say(finish(base, settings, learned))
