"""Make the tiny base: image tokenizer, judge (a minute or two, from its beginning), transformer.
Resumable; logs what it reached.

    python train/base.py --config configs/base.yaml [--parts tokenizer judge language measure] [--set language.steps=100]
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.core.program import interruptible, keeping, run_program

if __name__ == "__main__":
    interruptible("train/base.py")  # in the seconds of the imports below

import torch

from unictoken.core import config
from unictoken.core.disk import files_aside, is_folder
from unictoken.core.errors import UserError
from unictoken.core.lock import hold
from unictoken.learn.stop import StopSignal
from unictoken.model.base import load_base, usual_device
from unictoken.model.chameleon import Chameleon
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.vocab import ChameleonVocab
from unictoken.toy.abilities import measure_base
from unictoken.toy.exam import bounds, examine
from unictoken.toy.judge import load_judge, own_accuracy
from unictoken.toy.pretrain import image_tokenizer, judge, language, vocabulary
from unictoken.toy.pretrain.card import write_card
from unictoken.toy.pretrain.optimise import logger

if TYPE_CHECKING:
    from unictoken.model.chameleon import EarlyFusionModel

PROGRAM = "train/base.py"
PARTS = ("tokenizer", "judge", "language", "measure")


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """Everything about making the base."""

    out: str = "checkpoints/tiny-chameleon"
    judge_out: str = "checkpoints/judge"
    work: str = "runs/base"
    seed: int = 0
    tokenizer: image_tokenizer.TokenizerSettings = field(
        default_factory=image_tokenizer.TokenizerSettings
    )
    language: language.LanguageSettings = field(default_factory=language.LanguageSettings)
    judge: judge.JudgeSettings = field(default_factory=judge.JudgeSettings)

    def __post_init__(self) -> None:
        config.check_seed(self.seed)


def make_tokenizer(settings: BaseConfig, device: str) -> None:
    work = Path(settings.work)
    made = image_tokenizer.train(
        settings.tokenizer,
        seed=settings.seed,
        device=device,
        work=work,
        log=logger("tokenizer", work),
    )
    with files_aside(work / "image_tokenizer") as aside:
        made.cpu().save_pretrained(aside)


def made_tokenizer(settings: BaseConfig) -> ImageTokenizer:
    folder = Path(settings.work) / "image_tokenizer"
    if not is_folder(folder):
        raise UserError(f"{folder}: no such folder. Make the part 'tokenizer' first.")
    return ImageTokenizer.from_pretrained(folder).eval()


def make_judge(settings: BaseConfig, device: str) -> None:
    tokenizer, work, out = made_tokenizer(settings), Path(settings.work), Path(settings.judge_out)
    made = judge.train(
        settings.judge, tokenizer, seed=settings.seed, device=device, log=logger("judge", work)
    )
    # another seed than that of its training pictures
    held_out = judge.draw_labelled(2000, seed=settings.seed + 1)
    judge.save(
        made,
        out,
        drawn=judge.accuracy(made, held_out.pixels, held_out),
        round_trip=judge.accuracy(made, judge.round_trip(tokenizer, held_out.pixels), held_out),
    )


def make_language(settings: BaseConfig, device: str) -> None:
    """Train the transformer; every 5th save watches what it can do on a few held-out pets."""
    work, words = Path(settings.work), vocabulary.build(settings.tokenizer.num_codes)
    tokenizer = made_tokenizer(settings).to(device)
    sequences = language.make_sequences(
        settings.language,
        ChameleonVocab(words),
        tokenizer,
        seed=settings.seed,
        device=device,
        cache=work,
    )
    # Only now: encoding hundreds of thousands of pictures makes blocks of changing size, all of
    # which would be kept.
    keep_freed_memory()
    # Right before `build`, which draws the first weights: what ran before must not change them.
    torch.manual_seed(settings.seed)
    model = language.build(settings.language, words, tokenizer)

    def watch(step: int, model: EarlyFusionModel) -> dict[str, float]:
        if (step // settings.language.save_every) % 5:
            return {}
        return measure_base(Chameleon(model, words, "watched"), None, count=32, seed=settings.seed)

    with StopSignal() as stop:
        language.train(
            model,
            settings.language,
            sequences,
            seed=settings.seed,
            device=device,
            progress=work / "language.safetensors",
            log=logger("language", work),
            watch=watch,
            stop_asked=stop,
        )
    language.save(model, words, Path(settings.out))


def measure(settings: BaseConfig) -> None:
    """Write what the base reached beside its weights."""
    base, judged_by = load_base(settings.out), Path(settings.judge_out) / "model.safetensors"
    # Another seed than that of the pets that the training was watched on.
    judge, seed = load_judge(judged_by), settings.seed + 1
    # 300: the 95 % interval of a share of .9 is ± .03.
    numbers = measure_base(base, judge, count=300, seed=seed, drawings=96)
    numbers |= examine(base, judge, count=300, seed=seed, drawings=96)
    logger("measure", Path(settings.work))(0, **numbers)
    command = shlex.join(["python", *sys.argv])
    write_card(
        Path(settings.out),
        numbers,
        command,
        fingerprint=base.fingerprint,
        notes=[*own_accuracy(judged_by), *bounds(numbers)],
    )


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, make_from, arguments)


def make_from(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/base.yaml")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    settings = config.load(BaseConfig, options.config, options.set)
    with keeping(
        lambda: f"the parts that were finished are kept in {settings.work} and {settings.out}."
    ):
        lock = Path(settings.work) / ".lock"
        with hold(lock, settings.work, instead="Or choose another `work:`"):
            make(settings, options.parts)


def make(settings: BaseConfig, parts: Collection[str]) -> None:
    device = usual_device()
    if "tokenizer" in parts:
        make_tokenizer(settings, device)
    if "judge" in parts:
        make_judge(settings, device)
    if "language" in parts:
        make_language(settings, device)
    if "measure" in parts:
        measure(settings)


if __name__ == "__main__":
    main()
