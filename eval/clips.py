"""Clips of learned concepts: is it there, what does it do, what does it wear, on which side is it?
And photos: which of them shows it?

    python eval/clips.py --learned runs/eval --concepts 3

A clip is two to four frames of the toy world in one turn. Beside the tokens: a description and the
bare name; each with the frames in order and shuffled, which only what it does should mind. The
concepts are those of the toy benchmark (configs/eval/toy.yaml), learned by eval/run.py. A table in
`--out`, and the same as JSON beside it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/clips.py")  # in the seconds of the imports below

from tqdm import tqdm

from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.measure.learned import learned_before
from unictoken.measure.results import check_page, commit, write_means
from unictoken.model.base import load_base
from unictoken.model.malloc import keep_freed_memory
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.query import Personalization
from unictoken.personalize.tokens import learned
from unictoken.personalize.words import in_words
from unictoken.toy.clips import clips_of, encoded, questions_of, score_clips, shuffled
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.line_up import line_ups_of, score_line_ups
from unictoken.toy.world.descriptions import describe

PROGRAM = "eval/clips.py"


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    out = check_page(options.out)
    keep_freed_memory()
    base = load_base(options.base, kind=PersonalBase)
    concepts = [toy_concept(options.seed, i) for i in range(options.concepts)]
    files = {concept.name: _file(base, concept, options) for concept in concepts}
    ways: dict[str, Callable[[Concept], Personalization]] = {
        options.method: lambda c: learned(base, files[c.name]),
        "text_prompt": lambda c: in_words(base, c.name, _told(c)),
        "none": lambda c: in_words(base, c.name, ""),
    }
    rows, counts = [], []
    for concept in tqdm(concepts, desc="concepts"):
        clips = clips_of(concept, options.seed, options.clips)
        ids = encoded(base, clips)
        line_ups = line_ups_of(concept, options.seed, options.line_ups)
        in_order = {"": clips, ", shuffled": shuffled(clips, options.seed)}
        for way, put_on in ways.items():
            for order, shown in in_order.items():
                asked = questions_of(shown, concept.name)
                counts.append(len(asked))
                numbers = score_clips(base, put_on(concept), shown, ids, asked)
                if shown is clips:
                    numbers |= score_line_ups(base, put_on(concept), line_ups, concept.name)
                rows.append({"concept": concept.name, "way": f"{way}{order}", **numbers})
    about = (
        f"{len(concepts)} toy concepts (seed {options.seed}), {options.clips} clips of two to four"
        " frames in which each acts, and as many in which a look-alike does the same; about"
        f" {counts[0]} questions a concept. *existence*: whether yes is likelier than no, half of"
        " the answers are no. *name*, *action*: asked what happens in the photos, whether it says"
        " the name where the concept acts and not where the look-alike does, and whether it says"
        " what the concept does. *appearance*, *location*: what it wears, and on which side it is,"
        " in a frame that the question names: exactly the right words; the base was taught such"
        " questions only after it had told what happens. *shuffled*: the frames in another order,"
        f" with the answers of the right one. *which*: {options.line_ups} times which of two to four"
        " photos shows it, or none, among near-duplicates and others: photo by photo, as a session"
        " asks; *which_at_once*: all photos in one question;"
        f" commit {commit()}. ±: half-width of the 95 % t"
        " interval over concepts."
    )
    write_means(
        out,
        "Clips of a concept",
        about,
        rows,
        way="way",
        command=shlex.join(["python", PROGRAM, *arguments]),
    )
    say(str(out))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--learned", default="runs/eval", metavar="DIR", help="concept files")
    parser.add_argument("--concepts", type=int, default=3, metavar="N", help="the first N")
    parser.add_argument("--clips", type=int, default=22, metavar="N", help="in which each acts")
    parser.add_argument(
        "--line-ups", type=int, default=40, metavar="N", help="of photos, one of which shows it"
    )
    parser.add_argument("--method", default="joint", help="of the tokens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="results/clips.md", metavar="FILE")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    config.within("--concepts", options.concepts, 1, 100)
    config.within("--clips", options.clips, 1, 1000)
    config.within("--line-ups", options.line_ups, 1, 1000)
    return options


def _file(base: PersonalBase, concept: Concept, options: argparse.Namespace) -> Path:
    """The concept's file below `--learned`."""
    found = learned_before(
        base,
        options.learned,
        concept.name,
        method=options.method,
        seed=options.seed,
        class_noun=concept.class_noun,
    )
    if found is None:
        raise UserError(
            f"--learned {options.learned}: found no file of '{concept.name}', a"
            f" {concept.class_noun}, by '{options.method}' with seed {options.seed} on this base."
            " Learn it: python eval/run.py --config configs/eval/toy.yaml"
        )
    return found


def _told(concept: Concept) -> str:
    return f"{{name}} is {describe(truth_of(concept).subject)}."


if __name__ == "__main__":
    main()
