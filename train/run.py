"""Learn a concept with DeepSpeed, on one process or many, CPU or GPU.

deepspeed train/run.py --config configs/bo.yaml [--set seed=1] [--set concept.pictures=photos/ --set concept.class_noun=dog]
python train/run.py --config configs/bo.yaml          (one process, the same)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from unictoken.core.launch import heed_launcher, launch, leave_with_launcher, say_last, says
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("train/run.py")  # in the seconds of the imports below
    leave_with_launcher("train/run.py")

from unictoken.core import config
from unictoken.core.own import add_import, import_files
from unictoken.learn.settings import RunConfig

PROGRAM = "train/run.py"


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, learn, arguments, says=says, say_last=say_last)


def learn(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    add_import(parser)
    parser.add_argument("--local_rank", "--local-rank", metavar="N", help="given by launchers")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    heed_launcher(__file__, arguments, options.local_rank)
    import_files(options.own_files)
    settings = config.load(RunConfig, options.config, options.set)
    if settings.device is not None:
        raise config.ConfigError(
            f"device: found '{settings.device}', expected null: DeepSpeed gives each process its"
            " own (CUDA_VISIBLE_DEVICES, DS_ACCELERATOR). Leave it out, or use `unictoken learn`."
        )
    launch()  # refuses what is left over from another launch
    # Only now: torch and DeepSpeed take seconds in every process, and a mistake is said before.
    from learning import learn_together

    learn_together(settings)


if __name__ == "__main__":
    main()
