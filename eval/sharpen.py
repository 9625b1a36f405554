"""Who is in the picture, by features alone: a memory's encoder as it is, and sharpened from what the
base draws of the concept (`unictoken memory sharpen`).

    python eval/sharpen.py --concepts 3 --references 1

For each toy concept a memory with its first pictures; the likeness of held-out pictures of it and of
others by grade. A table in `--out`, and the same as JSON beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/sharpen.py")  # in the seconds of the imports below

from PIL import Image
from tqdm import tqdm

from unictoken.core import shipped
from unictoken.data.concept import Concept
from unictoken.learn.from_tree import draw_from_tree
from unictoken.learn.methods import Tree
from unictoken.learn.sharpen import sharpen_memory
from unictoken.measure.results import check_page, commit, write_means
from unictoken.model.base import load_base
from unictoken.model.encoders import ASKED, OF_BASE, Encoder, load_encoder
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.protocol import Base
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.sight import Sight
from unictoken.scoring.ranking import area_under_curve
from unictoken.toy.concepts import NEGATIVES, HeldOut, held_out_of, toy_concept

PROGRAM = "eval/sharpen.py"
ENCODERS = (ASKED, OF_BASE)


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--concepts", type=int, default=3, metavar="N")
    parser.add_argument("--references", type=int, default=1, metavar="N", help="of each concept")
    parser.add_argument("--drawn", type=int, default=16, metavar="N", help="of each kind; 16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base", default=shipped.USUAL_BASE)
    parser.add_argument("--out", default="results/sharpen.md", metavar="FILE")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.within("--concepts", options.concepts, 1, config.MOST_CONCEPTS)
    config.within("--references", options.references, 1, config.MOST_PICTURES)
    tree = Tree(positives=options.drawn, negatives=options.drawn)
    out = check_page(options.out)
    keep_freed_memory()
    base = load_base(options.base)
    rows = []
    for i in tqdm(range(options.concepts), desc="concepts"):
        concept = toy_concept(options.seed, i, references=options.references)
        shown = held_out_of(concept, (options.seed, i))
        for way, numbers in score_concept(base, concept, shown, tree, seed=options.seed).items():
            rows.append({"concept": concept.name, "way": way, **numbers})
    about = (
        f"{options.concepts} toy concepts (seed {options.seed}), {options.references} picture(s) of each"
        f" in a memory. Area under the curve of the likeness of 12 held-out pictures of it against 12"
        f" of each grade of others; .5 is by lot. Sharpened: from {options.drawn} drawn pictures of"
        f" each kind, none of them a test's. Commit {commit()}. ±: half-width of the 95 % t interval"
        " over concepts."
    )
    write_means(
        out,
        "Features, sharpened",
        about,
        rows,
        way="way",
        command=shlex.join(["python", PROGRAM, *arguments]),
    )
    say(str(out))


def score_concept(
    base: Base, concept: Concept, shown: HeldOut, tree: Tree, *, seed: int
) -> dict[str, dict[str, float]]:
    """Areas under the curve by grade of others, of each encoder as it is and sharpened.

    Args:
        base: Draws, and has the features.
        concept: Its pictures are those that are remembered.
        shown: What it is tested on.
        tree: How much is drawn.
        seed: Of what is drawn.
    """
    memory = Memory()
    memory.add(replace(concept, negatives={}))
    pictures_NK = base.encode(concept.pictures)
    drawn = {concept.name: draw_from_tree(base, pictures_NK, concept.class_noun, tree, seed=seed)}
    numbers = {}
    for name in ENCODERS:
        frozen = load_encoder(name, base=base)
        sharp = sharpen_memory(base, memory, encoder=frozen, drawn=drawn)
        for way, encoder in ((name, frozen), (f"{name}, sharpened", sharp)):
            numbers[way] = _areas(base, memory, encoder, shown)
    return numbers


def _areas(base: Base, memory: Memory, encoder: Encoder, shown: HeldOut) -> dict[str, float]:
    vectors = Sight(base, memory, encoder).vectors()

    def likeness(pictures: Sequence[Image.Image]) -> np.ndarray:
        found: np.ndarray = vectors.unit(encoder.pictures(pictures)) @ vectors.concepts_EF[0]
        return found

    own = likeness(shown.positives).tolist()
    return {
        grade: area_under_curve(own, likeness(shown.negatives[grade]).tolist())
        for grade in reversed(NEGATIVES)
    }


if __name__ == "__main__":
    main()
