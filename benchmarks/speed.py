"""How fast learning, drawing and asking are, beside how others do the same (peers.py): one table.

    python benchmarks/speed.py --out results/speed.md       (minutes)
    python benchmarks/speed.py --repeats 1 --only drawing asking
    python benchmarks/speed.py --concept --evaluation       (also a whole concept, a whole evaluation)

Each repeat runs every row once, each beside its peers, so that a busy minute slows them all.
Seconds are medians; 'faster by' is the median of the repeats' own ratios. 'limit' is the least that
this machine could take for the same operations: its fastest matrix product, or reading the weights
as often as they are needed, both measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import prod
from pathlib import Path
from statistics import median

from unictoken.core import config
from unictoken.core.program import interruptible, run_program
from unictoken.core.progress import bars

if __name__ == "__main__":
    interruptible("benchmarks/speed.py")  # in the seconds of the imports below

import torch
from machine import Machine, describe, measure_machine, seconds
from peers import Generate, Recipe, load_model
from PIL import ImageOps
from torch.utils.flop_counter import FlopCounterMode

from unictoken.api import load
from unictoken.core.disk import write_aside
from unictoken.data import templates
from unictoken.data.prompts import drawing_prompt
from unictoken.data.sequence import user_turn
from unictoken.data.source import read_concept
from unictoken.learn.prepare import prepare
from unictoken.learn.run import base_of
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.learn.stages import learn, learning_rate
from unictoken.model.draw import Draw
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.pixels import prepare as cut
from unictoken.model.pixels import to_pixels
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import learned
from unictoken.tokens.bank import give_ids

PROGRAM = "benchmarks/speed.py"
ROOT = Path(__file__).resolve().parents[1]
LEARNED = ROOT / "configs" / "bo.yaml"
PARTS = ("learning", "drawing", "asking", "recognising", "startup")
AT_ONCE = (1, 4, 16)  # drawings
ASKED = 100  # questions, or pictures
WARM_UP = 12  # steps of learning that are not timed: most pictures are read in them
MOST_REPEATS = 100  # one step each
UNTIMED = 2  # calls of `measure`
PROMPT = "<mia> wearing a red party hat in the snow"
COLOURS = ("red", "blue", "green", "yellow", "purple", "white", "grey", "black", "brown", "orange")
THINGS = ("hat", "cap", "bow", "fur", "nose", "collar", "ear", "eye", "tail", "face")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that is timed, and what it is timed beside."""

    what: str
    ours: Callable[[], object]
    peers: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    read: int = 0
    """Bytes of weights that are read, at least."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What was found of a row: seconds of every repeat, by peer; '' is unictoken."""

    row: Row
    taken: Mapping[str, Sequence[float]]
    operations: Mapping[str, int]


# ---- the rows ------------------------------------------------------------------------------------


def learning(device: str) -> list[Row]:
    """A step of LEARNED: examples made, gradient, optimiser."""
    settings = config.load(RunConfig, LEARNED, ["dtype=auto"])
    concept, base, method = concept_of(settings), base_of(settings), settings.method
    lesson = prepare(base, concept, method, seed=settings.seed)
    stage = method.stages[0]
    make = partial(lesson.objective.batch, stage, policy=lesson.learner, share=slice(None))
    batches = [make(step) for step in range(WARM_UP + UNTIMED + MOST_REPEATS)]

    ids = give_ids(base, sum(method.tokens.counts.values()))
    side = base.picture_side
    pixels = [to_pixels(cut(picture, side)) for picture in concept.pictures]
    recipe = Recipe(
        load_model(settings.base, ids, lesson.learner.current(), device=device),
        ids,
        stage,
        pixels_NCHW=torch.stack(pixels * stage.batch)[: stage.batch].to(device),
        longest=max(batch.ids_BT.shape[1] for batch in batches),
        vocab=base.vocab,
    )
    ours, theirs = learn(lesson.learner, method, lesson.objective), iter(enumerate(batches))
    for _ in range(WARM_UP):
        next(ours)
        next(theirs)  # both are then at the same step

    def recipe_step() -> None:
        step, batch = next(theirs)
        recipe.step(batch, learning_rate(stage, step))

    return [
        Row(
            what=f"a step of learning, {stage.batch} examples",
            ours=partial(next, ours),
            peers={"the published recipe": recipe_step},
            read=2 * weight_bytes(base),
        ),
        Row(what="of it, making the examples", ours=partial(make, WARM_UP)),
    ]


class Using:
    """What the shipped concept is asked and drawn with, here and by `generate`."""

    def __init__(self, device: str):
        self.base = load(device=device)
        self.spoken = learned(self.base, "mia")
        concept, vocab = self.spoken.tokens, self.base.vocab
        rows = torch.stack([concept.rows_in, concept.rows_out])
        ids = give_ids(self.base, len(concept.rows_in))
        self.generate = Generate(load_model(self.base.name, ids, rows, device=device), vocab)
        self.read = weight_bytes(self.base)
        # The same in the faster dtype, where that is another one.
        fast = load(device=device, dtype="fast")
        self.fast = None if fast.dtype == self.base.dtype else learned(fast, "mia")

    def drawing(self) -> list[Row]:
        """Guided pictures of one prompt, without the decoder."""
        rows = self._drawings(self.spoken, "")
        return rows + self._drawings(self.fast, ", dtype: fast") if self.fast else rows

    def _drawings(self, spoken: Condition, said: str) -> list[Row]:
        length, how = self.base.codes_per_picture, Draw()
        prompt = drawing_ids(self.spoken, PROMPT)
        return [
            Row(
                what=f"drawing {count}, guided{said}",
                ours=partial(spoken.draw_ids, [PROMPT] * count, how),
                peers={
                    "`generate`": partial(self.generate.draw, [prompt] * count, length, how),
                    "`generate`, static cache": partial(
                        self.generate.draw, [prompt] * count, length, how, cache="static"
                    ),
                },
                read=length * weight_bytes(spoken.base),
            )
            for count in AT_ONCE
        ]

    def asking(self) -> list[Row]:
        """Questions about one picture, and one question about many pictures."""
        pictures_NK = self._pictures()
        questions = [f"does <mia> have a {c} {t}?" for c in COLOURS for t in THINGS][:ASKED]
        first_NK, same = pictures_NK[:1].expand(ASKED, -1), ["what is <mia> wearing?"] * ASKED
        return [
            self._answers(f"{ASKED} questions about 1 picture", questions, first_NK),
            self._answers(f"1 question about {ASKED} pictures", same, pictures_NK),
        ]

    def _answers(self, what: str, questions: list[str], pictures_NK: torch.Tensor) -> Row:
        pairs = zip(questions, pictures_NK.tolist(), strict=True)
        prompts = [self.spoken.question(question, picture) for question, picture in pairs]
        return Row(
            what=what,
            ours=partial(self.spoken.ask, questions, pictures_NK),
            peers={"`generate`": partial(self.generate.answer, prompts, ANSWER_IDS)},
            read=2 * self.read,  # the prompts, and an answer of one word
        )

    def recognising(self) -> list[Row]:
        pictures_NK = self._pictures()
        prompts = [
            self.spoken.question(question, picture)
            for picture in pictures_NK.tolist()
            for question in templates.RECOGNISE
        ]
        return [
            Row(
                what=f"recognising in {ASKED} pictures",
                ours=partial(self.spoken.recognise, pictures_NK),
                peers={"whole prompts": partial(self.generate.next_scores, prompts)},
                read=self.read,
            )
        ]

    def _pictures(self) -> torch.Tensor:
        """Image ids of different pictures: of data/bo, and the same mirrored."""
        bo = read_concept(ROOT / "data" / "bo", name="bo")
        found = [*bo.pictures, *(p for grade in bo.negatives.values() for p in grade)]
        return self.base.encode([*found, *map(ImageOps.mirror, found)][:ASKED])


def drawing_ids(spoken: Condition, text: str) -> list[int]:
    """The whole prompt that `Condition.draw_ids` makes of a text."""
    (whole,) = spoken.prompts_to_draw([text])
    ids = drawing_prompt(spoken.base.vocab, spoken.prompts, spoken.slots, spoken.marked(whole))
    first = spoken.base.vocab.encode(spoken.prompts.generation_answer, spoken.slots)
    return user_turn(ids, spoken.base.vocab) + first


def weight_bytes(base: Base) -> int:
    """Of the transformer, but for the embedding, of which few rows are read."""
    model = base.model.model
    parts = [*model.layers.parameters(), *model.norm.parameters(), *base.model.lm_head.parameters()]
    return sum(part.nbytes for part in parts)


# ---- measuring -----------------------------------------------------------------------------------


def measure(rows: Sequence[Row], repeats: int) -> list[Timed]:
    """Every row and its peers, once to count operations, then `repeats` times."""
    calls = [{"": row.ours, **row.peers} for row in rows]
    operations = [{name: count_operations(call) for name, call in each.items()} for each in calls]
    if torch.cuda.is_available():  # what is compiled is so where nothing counts
        for call in chain.from_iterable(each.values() for each in calls):
            call()
    taken = [{name: [] for name in each} for each in calls]
    for _ in range(repeats):
        for each, times in zip(calls, taken, strict=True):
            for name, call in each.items():
                times[name].append(seconds(call))
    found = zip(rows, taken, operations, strict=True)
    return [Timed(row=row, taken=times, operations=counted) for row, times, counted in found]


Shape = Sequence[int]


def _of_attention(query: Shape, key: Shape, *_: object, **__: object) -> int:
    """Two products; what a mask leaves out is counted too, as torch does it."""
    batch, heads, places, width = query
    return 4 * batch * heads * places * key[2] * width


def _of_its_gradient(gradient: Shape, query: Shape, key: Shape, *_: object, **__: object) -> int:
    """Five products, one of them computed again."""
    return 5 * _of_attention(query, key) // 2


def _of_packed_product(rows: Shape, *_: object, out_shape: Shape, **__: object) -> int:
    return 2 * prod(out_shape) * rows[-1]


# torch (2.13) counts attention on GPUs only, and no products with packed weights
ON_CPU = {
    torch.ops.mkldnn._linear_pointwise: _of_packed_product,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _of_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _of_its_gradient,
}


def count_operations(call: Callable[[], object]) -> int:
    """Of matrix products, convolutions and attention; also warms the call up."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        call()
    return counter.get_total_flops()


def table(found: Sequence[Timed], machine: Machine) -> str:
    """Markdown, a line for each row and peer."""
    lines = [
        "| what | s | beside | its s | faster by | GFLOP | its GFLOP | of fp32 | of bf16 | limit, s |",
        "|---" * 10 + "|",
    ]
    for timed in found:
        own = median(timed.taken[""])
        operations = timed.operations[""]
        speed = operations / own
        limit = machine.limit(operations, timed.row.read)
        counted = f"{operations / 1e9:.3g}" if operations else ""
        shares = [f"{speed / rate:.0%}" for rate in (machine.fp32, machine.bf16)]
        ends = [*shares, f"{limit:.2g}"] if operations else ["", "", ""]
        for peer in timed.row.peers or ("",):
            beside = ["", ""] if not peer else [peer, f"{median(timed.taken[peer]):.3g}"]
            ratio = f"{faster_by(timed, peer):.2f}x" if peer else ""
            theirs = f"{timed.operations[peer] / 1e9:.3g}" if peer else ""
            cells = [timed.row.what, f"{own:.3g}", *beside, ratio, counted, theirs, *ends]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def faster_by(timed: Timed, peer: str) -> float:
    """The peer's seconds by ours, repeat by repeat; the median of these."""
    return median(b / a for a, b in zip(timed.taken[""], timed.taken[peer], strict=True))


# ---- whole commands ------------------------------------------------------------------------------


def startup(repeats: int) -> str:
    """The table of benchmarks/startup.py."""
    return _printed_by("benchmarks/startup.py", "--runs", str(repeats)).strip()


def whole(arguments: Sequence[str]) -> str:
    """A line with what a whole command took. {work} in it is a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="unictoken-speed-") as work:
        given = [word.replace("{work}", work) for word in arguments]
        taken = seconds(partial(_printed_by, *given))
        logs = [log.read_text(encoding="utf-8") for log in Path(work).glob("*/log.jsonl")]
    steps = [json.loads(line)["seconds"] for log in logs for line in log.splitlines()]
    learned = f", of which {sum(steps):.0f} s in {len(steps)} steps" if steps else ""
    return f"`python {shlex.join(arguments)}`: {taken:.0f} s{learned}."


CONCEPT = (
    *("-m", "unictoken", "learn", "data/bo", "--name", "bo", "--out", "{work}/bo"),
    *("--set", "concepts={work}"),
)
EVALUATION = (
    *("eval/run.py", "--config", "configs/eval/unifybench-toy.yaml", "--methods", "joint"),
    *("--set", "num_concepts=2", "--set", "work={work}", "--set", "out={work}/table.json"),
    *("--set", "page=null"),
)


def _printed_by(*arguments: str) -> str:
    """What a program of ours prints, started in the repository."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    if ended.returncode:  # it has said why on stderr
        raise SystemExit(ended.returncode)
    return ended.stdout


# ---- the program ---------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, _main, arguments)


def _main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for whatever asks for the usual device, too
    elif not torch.cuda.is_available():
        raise config.ConfigError("--device cuda: found no GPU. Use --device cpu.")
    keep_freed_memory()
    # By this block alone: a test calls this in a process where others still draw theirs.
    with bars(shown=False):
        _measure(arguments, options)


def _measure(arguments: Sequence[str], options: argparse.Namespace) -> None:
    parts = options.only or PARTS
    machine = measure_machine(options.device)
    rows = learning(options.device) if "learning" in parts else []
    if using := [part for part in parts if part in ("drawing", "asking", "recognising")]:
        use = Using(options.device)
        rows += [row for part in using for row in getattr(use, part)()]
    sections = [
        f"Made by `{shlex.join(['python', PROGRAM, *arguments])}`; {options.repeats} repeats.",
        *describe(machine, options.device),
    ]
    if rows:
        sections.append(table(measure(rows, options.repeats), machine))
    if "startup" in parts:
        sections.append(startup(options.repeats))
    sections += [whole(CONCEPT)] if options.concept else []
    sections += [whole(EVALUATION)] if options.evaluation else []
    text = "\n\n".join(["# Speed", *sections]) + "\n"
    print(text)
    if options.out:
        write_aside(Path(options.out), text.encode())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="7 by default")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="these rows")
    parser.add_argument("--concept", action="store_true", help="time a whole learning too")
    parser.add_argument("--evaluation", action="store_true", help="time a whole evaluation too")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="the GPU where there is one")
    parser.add_argument("--out", metavar="FILE", help="also write the table there")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.within("--repeats", options.repeats, 1, MOST_REPEATS)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return options


if __name__ == "__main__":
    main()
