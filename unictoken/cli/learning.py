"""learn: a concept from your own pictures, in this process. `train/run.py` does the same with
DeepSpeed.
"""

from __future__ import annotations

import argparse

from unictoken.cli.command import Commands, command
from unictoken.core import config, shipped
from unictoken.core.printing import say
from unictoken.data.concept import Concept
from unictoken.learn.methods import MethodFile
from unictoken.learn.settings import RunConfig, concept_of


def learn(options: argparse.Namespace) -> None:
    settings = config.lay(RunConfig, _settings(options), options.set, "unictoken learn")
    concept = concept_of(settings)  # its errors are reported before torch is imported
    # Only to refuse an unknown base, before torch is imported.
    shipped.find_base(settings.base)
    _learn(settings, concept)


def _learn(settings: RunConfig, concept: Concept) -> None:
    from unictoken.learn.run import base_of
    from unictoken.measure.report import learn_and_report
    from unictoken.model.memory import keep_freed_memory

    keep_freed_memory()
    say(learn_and_report(base_of(settings), settings, concept))


def _settings(options: argparse.Namespace) -> dict:
    """The command line as a config would say it; what is not given is left to the config's own
    defaults.
    """
    strange = [said for said in options.set if said.split("=")[0] in ("zero_stage", "offload")]
    if strange:
        raise config.ConfigError(
            f"--set {strange[0]}: only train/run.py, with DeepSpeed, spreads a base over processes."
        )
    who = {"name": options.name, "class_noun": options.class_noun, "consent": options.consent}
    concept = {**who, "pictures": options.pictures, "facts": options.fact}
    given = {key: getattr(options, key) for key in ("base", "vq_decoder", "dtype", "out", "seed")}
    # None: the flag was not given, so that the config's default counts.
    given["replace"] = options.replace or None
    if options.method:
        method = config.load(MethodFile, shipped.find_method(options.method)).method
        # As plain keys and values: `--set method....` can change some of them.
        given["method"] = config.plain(method)
    return {"concept": concept, **{key: value for key, value in given.items() if value is not None}}


def add(commands: Commands) -> None:
    made = command(
        commands,
        "learn",
        learn,
        "learn a concept: unictoken learn photos/*.jpg --name rex --class dog",
    )
    made.add_argument(
        "pictures",
        nargs="+",
        metavar="PHOTO",
        help="pictures of the concept, or a folder of them; three to five are enough",
    )
    made.add_argument("--name", required=True, help="people then write <NAME>")
    made.add_argument(
        "--class", dest="class_noun", metavar="NOUN", help="its ordinary kind: dog, mug, person"
    )
    made.add_argument(
        "--fact",
        action="append",
        default=[],
        metavar="SENTENCE",
        help='what no picture shows: "<rex> has a red hat."',
    )
    made.add_argument(
        "--method",
        metavar="NAME",
        help=f"{', '.join(shipped.methods())}, or a YAML file; joint by default",
    )
    made.add_argument(
        "--base", metavar="NAME", help="tiny (by default), a local folder, or USER/NAME on the Hub"
    )
    made.add_argument(
        "--vq-decoder",
        metavar="FROM",
        help="what completes a base that cannot draw: a Hub name, a folder, or vqgan.ckpt",
    )
    made.add_argument(
        "--dtype", choices=config.DTYPES, help="of the base; auto: bf16 on a GPU, fp32 without one"
    )
    made.add_argument(
        "--consent", action="store_true", help="the person in the pictures agreed to be learned"
    )
    made.add_argument(
        "--replace",
        action="store_true",
        help="another concept of this name is there already, and may go",
    )
    made.add_argument("--out", metavar="DIR", help="run folder; runs/NAME by default")
    made.add_argument("--seed", type=int)
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of a config, such as method.stages.0.steps=100",
    )
