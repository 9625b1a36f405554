"""Run a benchmark: learn concepts with every method, ask them beside their controls, write a table.

    python eval/run.py --config configs/eval/toy.yaml --set seed=1 --set num_concepts=10
    python eval/run.py --config configs/eval/unifybench-toy.yaml --methods all
    torchrun --nproc_per_node 2 eval/run.py --config configs/eval/toy.yaml       (in two processes)

Stopped and started again, it goes on where it was, in however many processes. They may run on
several machines that share the folder `work`.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from unictoken.core import config
from unictoken.core.launch import heed_launcher, leave_with_launcher, say_last, says
from unictoken.core.own import add_import, import_files
from unictoken.core.printing import say
from unictoken.core.program import interruptible, keeping, run_program

if __name__ == "__main__":
    interruptible("eval/run.py")  # in the seconds of the imports below
    leave_with_launcher("eval/run.py")

from unictoken.measure.benchmark import Benchmark, BenchmarkConfig, load_methods
from unictoken.measure.results import commit, write_results
from unictoken.model.base import load_base
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.processes import Processes

PROGRAM = "eval/run.py"
LOCAL_RANK = ("--local_rank", "--local-rank")


def chosen(settings: BenchmarkConfig, names: str) -> dict:
    """The config's methods, or those of the names that are listed."""
    methods = load_methods(settings.methods)
    wanted = list(methods) if names == "all" else names.split(",")
    if strange := [name for name in wanted if name not in methods]:
        raise config.ConfigError(
            f"--methods: '{strange[0]}' is not among the config's: {', '.join(methods)}."
        )
    return {name: methods[name] for name in wanted}


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments, says=says, say_last=say_last)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument(
        "--methods", default="all", metavar="all|NAME,NAME", help="which of the config's methods"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument(*LOCAL_RANK, metavar="N", help="given by launchers")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    heed_launcher(__file__, arguments, options.local_rank)
    import_files(options.own_files)
    settings = config.load(BenchmarkConfig, options.config, options.set)
    # Before the base is read, which takes seconds: a wrong name is refused at once.
    methods = chosen(settings, options.methods)
    keep_freed_memory()
    with keeping(
        lambda: (
            f"what was finished is kept in {settings.work}, and the same command goes on from"
            " there."
        )
    ):
        processes = Processes.of_this_launch()
        base = load_base(settings.base, vq_decoder=settings.vq_decoder)
        # The first process writes the toy benchmark, where no data is given.
        with processes.first_goes_ahead():
            # The commit is asked once, at the start: files may change in the hours that this takes.
            benchmark = Benchmark(settings, base, methods, commit=commit(), processes=processes)
        processes.check_shared(benchmark.folder)
        with benchmark.held():
            benchmark.learn()
            benchmark.measure()
            if processes.first:
                own = [word for word in arguments if not word.startswith(LOCAL_RANK)]
                say(write_results(benchmark, command=shlex.join(["python", PROGRAM, *own])))
        processes.leave()


if __name__ == "__main__":
    main()
