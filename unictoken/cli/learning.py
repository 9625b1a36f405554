"""learn: concepts from your own pictures, each in one process. `train/run.py` learns one with
DeepSpeed, in many.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from unictoken.cli.command import Commands, add_device, add_kind, add_vq_decoder, command
from unictoken.core import config, shipped
from unictoken.core.disk import is_folder
from unictoken.core.printing import say
from unictoken.data.concept import Concept
from unictoken.data.kinds import USER, LearnedKind
from unictoken.learn.methods import MethodFile
from unictoken.learn.settings import RunConfig, concept_of, going_on
from unictoken.tokens import file as concept_file


def learn(options: argparse.Namespace) -> None:
    from unictoken.core.launch import launch

    if options.cross_negatives and not options.each:
        raise config.ConfigError(
            "--cross-negatives: found one concept. Learn several, each from a folder (--each), or"
            " name the others' pictures (--negatives)."
        )
    if options.start:
        if options.each:
            raise config.ConfigError(
                "--from: found --each. A concept file is of one concept: learn one."
            )
        # What its file says need not be said again.
        header = concept_file.read_header(shipped.find_concept(options.start))
        options.name = options.name or header["name"]
        options.class_noun = options.class_noun or header["class_noun"]
        options.consent = options.consent or header.get("consent", False)
        if USER in header.get("sections", {}):
            options.kind = options.kind or USER
        if not options.pictures:
            options.pictures = [str(_portrait(options, header))]
    if not options.pictures:
        raise config.ConfigError(
            "learn: found no pictures. Give three to five of the concept, or a finished one that goes"
            " on learning from what it draws of itself (--from)."
        )
    if options.each:
        return _learn_each([_checked(one)[0] for one in _each(options)])
    if options.name is None:
        raise config.ConfigError(
            "--name: found none. Give the concept one (--name rex), or learn each folder as a"
            " concept that is called as its folder is (--each)."
        )
    if launch().world_size > 1:
        raise config.ConfigError(
            f"found {launch().world_size} processes, and `learn` spreads concepts over them (--each)."
            " One concept is spread by train/run.py."
        )
    _learn(*_checked(options))


def _portrait(options: argparse.Namespace, header: dict[str, Any]) -> Path:
    """A folder of what a finished concept draws of itself, beside the run's own.

    Args:
        options: The command line.
        header: Of the concept's file.
    """
    if options.kind == USER:
        raise config.ConfigError(
            f"--from: '{header['name']}' is a user, who draws nothing to learn from. Give their labels:"
            " a folder of likes/ and dislikes/, or a JSON file."
        )
    concept_file.check_base_known(header, options.start)
    run = Path(options.out or f"runs/{options.name}")

    from unictoken.api import load
    from unictoken.learn.portrait import portrait

    base = load(options.base or header["base"], vq_decoder=options.vq_decoder)
    tokens = concept_file.load(shipped.find_concept(options.start), base)
    return portrait(base, tokens, run.with_name(f"{run.name}-drawn"), seed=options.seed or 0)


def _checked(options: argparse.Namespace) -> tuple[RunConfig, Concept]:
    """Settings of a run, and its concept; what is wrong with them is said before torch is
    imported.
    """
    settings = config.lay(RunConfig, _settings(options), options.set, "unictoken learn")
    concept = concept_of(settings)
    # Only to refuse an unknown base, before torch is imported.
    shipped.find_base(settings.base)
    return settings, concept


def _each(options: argparse.Namespace) -> list[argparse.Namespace]:
    """The command line of each folder by itself."""
    if options.name is not None or options.fact:
        raise config.ConfigError(
            "--each: each concept is called as its folder is, and the folder's info.json holds its"
            " facts. Leave out --name and --fact."
        )
    lines = []
    for place in options.pictures:
        if not is_folder(place):
            raise config.ConfigError(
                f"{place}: no folder. Expected folders of pictures, one for each concept (--each)."
            )
        name = Path(place).resolve().name
        out = options.out and str(Path(options.out) / name)
        own = {"name": name, "pictures": [place], "out": out}
        lines.append(argparse.Namespace(**{**vars(options), **own}))
        if options.cross_negatives:
            others = [other for other in options.pictures if other != place]
            lines[-1].negatives = [*options.negatives, *others]
    names = [line.name for line in lines]
    if twice := [name for name in names if names.count(name) > 1]:
        raise config.ConfigError(
            f"--each: two folders are called '{twice[0]}', and so would both concepts be. Rename"
            " one."
        )
    return lines


def _learn(settings: RunConfig, concept: Concept) -> None:
    from unictoken.learn.folder import held
    from unictoken.learn.run import base_of
    from unictoken.measure.report import learn_and_report
    from unictoken.model.malloc import keep_freed_memory

    keep_freed_memory()
    with held(settings, concept):
        say(learn_and_report(base_of(settings), settings, concept))


def _learn_each(runs: Sequence[RunConfig]) -> None:
    from unictoken.learn.run import base_of
    from unictoken.measure.many import learn_each
    from unictoken.model.processes import Processes

    processes = Processes.of_this_launch()
    base = base_of(runs[0])  # they differ in name, pictures and folder alone
    table = learn_each(base, runs, processes)
    if processes.first:
        say(table)
    processes.leave()


def _settings(options: argparse.Namespace) -> dict:
    """The command line as a config would say it; what is not given is left to the config's own
    defaults.
    """
    strange = [said for said in options.set if said.split("=")[0] in ("zero_stage", "offload")]
    if strange:
        raise config.ConfigError(
            f"--set {strange[0]}: only train/run.py, with DeepSpeed, spreads a base over processes."
        )
    if options.method == USER:
        # It learns nothing else.
        options.kind = options.kind or USER
    who = {"name": options.name, "class_noun": options.class_noun, "kind": options.kind}
    told = {
        "facts": options.fact,
        "negatives": options.negatives,
        "consent": options.consent,
    }
    concept = {**who, **told, "pictures": options.pictures}
    plain = ("base", "vq_decoder", "device", "dtype", "board", "out", "seed")
    given = {key: getattr(options, key) for key in plain}
    # None: the flag was not given, so that the config's default counts.
    given["replace"] = options.replace or None
    if options.kind == USER:
        # The usual ones are about pets, and drawn by methods that draw.
        given |= {"prompts": [], "questions": []}
        options.method = options.method or USER
    if options.method or options.start:
        place = shipped.find_method(options.method or "joint")
        method = config.load(MethodFile, place).method
        if options.start:
            method = going_on(method, shipped.find_concept(options.start))
        # As plain keys and values: `--set method....` can change some of them.
        given["method"] = config.plain(method)
    if options.tree is not None:
        config.within("--tree", options.tree, 1, config.MOST_PICTURES)
        said = given.get("method", {})
        # Beside what a method's file says: how many are drawn for each that is kept.
        tree = {"positives": options.tree, "negatives": options.tree}
        given["method"] = said | {"tree": said.get("tree", {}) | tree}
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
        nargs="*",
        metavar="PHOTO",
        help="pictures of the concept, or a folder of them; three to five are enough. None with"
        " --from: it draws itself",
    )
    made.add_argument("--name", help="people then write <NAME>")
    made.add_argument(
        "--each",
        action="store_true",
        help="each folder is a concept of its own, called as the folder is; several processes"
        " share them: torchrun --nproc_per_node 2 -m unictoken learn pets/* --each",
    )
    made.add_argument(
        "--cross-negatives",
        action="store_true",
        help="with --each: the pictures of each concept are pictures of others to all the rest, so"
        " that they are told apart (MC-LLaVA)",
    )
    made.add_argument(
        "--negatives",
        action="append",
        default=[],
        metavar="PHOTOS",
        help="a folder or file of pictures that show others, beside PHOTO/negative_example/",
    )
    made.add_argument(
        "--tree",
        type=int,
        metavar="N",
        help="for one to three photos and no pictures of others: the base reads the concept's"
        " attributes, and draws N pictures of it elsewhere and N look-alikes of each grade, which are"
        " learned from too (tree.json and tree.png in the run folder)",
    )
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
        "--from",
        dest="start",
        metavar="CONCEPT",
        help="go on from a finished concept: its file, or its name. With --method repic or sync_r1"
        " it answers and draws by itself, and learns from what that is worth",
    )
    made.add_argument(
        "--base", metavar="NAME", help="tiny (by default), a local folder, or USER/NAME on the Hub"
    )
    add_vq_decoder(made)
    made.add_argument(
        "--dtype",
        choices=config.DTYPES,
        help="auto: bf16 on a GPU; on a CPU that is faster with it, learning alone is in bf16;"
        " fp32: everything; fast: on such a CPU drawings and answers too are in bf16",
    )
    add_device(made)
    made.add_argument(
        "--board",
        choices=("tensorboard", "wandb", "none"),
        help="where losses are shown: tensorboard by default, its files in the run folder",
    )
    made.add_argument(
        "--consent", action="store_true", help="the person in the pictures agreed to be learned"
    )
    add_kind(
        made,
        get_args(LearnedKind),
        "; user: somebody's likes/ and dislikes/ in one folder, or a JSON file, are learned",
    )
    made.add_argument(
        "--replace",
        action="store_true",
        help="another concept of this name is there already, and may go",
    )
    made.add_argument(
        "--out", metavar="DIR", help="run folder, runs/NAME by default; with --each DIR/NAME"
    )
    made.add_argument("--seed", type=int)
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of a config, such as method.stages.0.steps=100",
    )
