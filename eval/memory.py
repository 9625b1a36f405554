"""A memory of 1 to 256 concepts: who is in the photo, captions, questions and drawings, with each
preset, without the memory, and with an oracle that is told who is there.

    python eval/memory.py --learned runs/eval --out results/memory.md     (about 20 minutes)
    python eval/memory.py --sizes 1 4 --photos 8 --learn 0 --out /tmp/memory.md

The first ten concepts are those of the toy benchmark, with learned tokens; all others are pictures
and words. Of these every fourth is a near-duplicate of one of the ten.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unictoken.core import config
from unictoken.core.printing import say
from unictoken.core.program import interruptible, run_program

if __name__ == "__main__":
    interruptible("eval/memory.py")  # in the seconds of the imports below

import numpy as np
from tqdm import tqdm

from unictoken.api import learn
from unictoken.core.disk import write_aside
from unictoken.core.errors import UserError
from unictoken.core.text import code_line, markdown
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.measure.learned import learned_before
from unictoken.measure.results import check_page, commit
from unictoken.model.base import load_base
from unictoken.model.draw import Draw
from unictoken.model.malloc import keep_freed_memory
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.condition import Condition, answer_each
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.presets import PRESETS
from unictoken.personalize.memory.recall import Recall, Seen
from unictoken.personalize.memory.session import Nobody
from unictoken.personalize.query import Query, queries_of
from unictoken.scoring.metrics import estimate, exact, mean, says
from unictoken.toy.concepts import truth_of
from unictoken.toy.crowd import PETS, SITUATIONS, Photo, crowd, fact_question, photos
from unictoken.toy.exam import identity_share
from unictoken.toy.judge import load_judge

PROGRAM = "eval/memory.py"
NONE, ORACLE = "no memory", "oracle"
DRAWN_WITH = ("tokens", "rap", "pekit", "ego")  # pvit and r2p draw as rap does
PLACES = ("in the snow", "on the beach", "in the forest", "at home")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One memory size: its concepts and what is asked."""

    base: PersonalBase
    concepts: Sequence[Concept]
    memory: Memory
    photos: Sequence[Photo]
    image_ids: Sequence[tuple[int, ...]]
    facts: Sequence[tuple[str, str]]
    """Questions in words with their answers."""


class Oracle(Recall):
    """Is told who is in each photo; all else is as with the preset 'tokens'."""

    def __init__(self, base: PersonalBase, memory: Memory, truth: Mapping[tuple[int, ...], Seen]):
        super().__init__(base, memory)
        self.truth = truth

    def see(self, queries: Sequence[Query]) -> list[Seen]:
        return [self.truth[query.image_ids or ()] for query in queries]


def main(arguments: list[str] | None = None) -> None:
    run_program(PROGRAM, measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    out = check_page(options.out)
    keep_freed_memory()
    base = load_base(options.base, kind=PersonalBase)
    largest = crowd(options.seed, max(options.sizes))
    with tempfile.TemporaryDirectory(prefix="unictoken-memory-") as work:
        tokens = _tokens(base, largest[: options.learn], options, Path(work))
        rows = []
        for size in options.sizes:
            trial = _trial(base, largest[:size], tokens, options)
            ways = _ways(trial, options.presets)
            for way in tqdm(ways, desc=f"{size} concepts"):
                rows.append({"concepts": size, "preset": way, **_score(trial, ways[way])})
        drawn = _drawings(base, trial, options) if options.drawings else {}
    command = shlex.join(["python", PROGRAM, *arguments])
    _write(out, rows, drawn, _about(options, command, len(tokens)))
    say(str(out))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config.Parser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16, 64, 256], metavar="N")
    parser.add_argument("--presets", nargs="+", default=[*PRESETS], choices=[*PRESETS])
    parser.add_argument("--photos", type=int, default=48, metavar="N", help="of each memory")
    parser.add_argument("--facts", type=int, default=16, metavar="N", help="questions in words")
    parser.add_argument("--drawings", type=int, default=8, metavar="N", help="0: none")
    parser.add_argument("--learn", type=int, default=PETS, metavar="N", help="with tokens")
    parser.add_argument("--learned", metavar="DIR", help="where concept files may lie already")
    parser.add_argument("--method", default="joint", help="of the tokens")
    parser.add_argument("--steps", type=int, help="of the last stage; the method's own by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="results/memory.md", metavar="FILE")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    for name, most in (("photos", 10_000), ("facts", 10_000), ("drawings", 1000), ("learn", PETS)):
        config.within(f"--{name}", getattr(options, name), 0, most)
    if any(not 1 <= size <= 10_000 for size in options.sizes) or not options.photos:
        raise UserError("--sizes and --photos: expected 1 or more, sizes of at most 10,000.")
    return options


# ---- what is asked -------------------------------------------------------------------------------


def _tokens(
    base: PersonalBase, concepts: Sequence[Concept], options: argparse.Namespace, work: Path
) -> dict[str, Path]:
    """The concept file of each concept: one that lies in `--learned`, else it is learned now."""
    found = {}
    for concept in concepts:
        path = options.learned and learned_before(
            base, options.learned, concept.name, method=options.method, seed=options.seed
        )
        if not path:
            tokens = learn(
                base,
                list(concept.pictures),
                name=concept.name,
                class_noun=concept.class_noun,
                facts=list(concept.facts[1:]),  # the first says how it looks: pictures do
                negatives=dict(concept.negatives),
                consent=concept.consent,
                method=options.method,
                steps=options.steps,
                seed=options.seed,
                verbose=False,
            )
            path = tokens.save(work)
        found[concept.name] = path
    return found


def _trial(
    base: PersonalBase,
    concepts: Sequence[Concept],
    tokens: Mapping[str, Path],
    options: argparse.Namespace,
) -> Trial:
    """One memory with its photos and questions.

    Args:
        base: That is asked.
        concepts: In the memory.
        tokens: Concept files by name.
        options: The command line.
    """
    # In RAM: the disk is no part of what is measured here.
    memory = Memory()
    for concept in concepts:
        memory.add(concept, tokens=tokens.get(concept.name), source="toy")
    shown = photos(concepts, seed=options.seed, count=options.photos)
    ids_NK = base.encode([photo.picture for photo in shown])
    rng = np.random.default_rng([options.seed, len(concepts)])
    facts = [
        fact_question(concepts[int(rng.integers(len(concepts)))], rng) for _ in range(options.facts)
    ]
    return Trial(
        base=base,
        concepts=concepts,
        memory=memory,
        photos=shown,
        image_ids=[tuple(ids) for ids in ids_NK.tolist()],
        facts=facts,
    )


def _ways(trial: Trial, presets: Sequence[str]) -> dict[str, Recall | Nobody]:
    truth = {
        ids: Seen(candidates=photo.names, found=photo.names)
        for photo, ids in zip(trial.photos, trial.image_ids, strict=True)
    }
    made: dict[str, Recall | Nobody] = {
        preset: Recall(trial.base, trial.memory, preset) for preset in presets
    }
    # Made once, before anything is timed: what is stored with a picture when it is remembered.
    for recall in made.values():
        recall.sight.vectors(), recall.sight.codes()
    return {**made, NONE: Nobody(trial.base), ORACLE: Oracle(trial.base, trial.memory, truth)}


# ---- scores --------------------------------------------------------------------------------------


def _score(trial: Trial, way: Recall | Nobody) -> dict[str, object]:
    """Every number of one memory used in one way."""
    began = time.perf_counter()
    asked = [Query(templates.WHO[0], ids, "names") for ids in trial.image_ids]
    found = [condition.names for condition in way.conditions(asked)]
    seconds = (time.perf_counter() - began) / len(asked)
    # Who is there is known by now: a memory keeps what it found in a picture.
    captions, ids = _answers(way, [Query(templates.CAPTION[0], ids) for ids in trial.image_ids])
    named = [
        tuple(c.name for c in trial.concepts if says(text, c.name, marked=False))
        for text in captions
    ]
    pictured = [
        (photo.answer, Query(photo.question, ids))
        for photo, ids in zip(trial.photos, trial.image_ids, strict=True)
        if photo.question
    ]
    facts = [(answer, Query(question)) for question, answer in trial.facts]
    truth = [photo.names for photo in trial.photos]
    return {
        **_named("who", found, truth),
        **_by_situation(trial.photos, found),
        **_named("caption", named, truth),
        "vqa": _right(way, pictured),
        "facts": _right(way, facts),
        "seconds": seconds,
        "ids": ids,
    }


def _answers(way: Recall | Nobody, queries: Sequence[Query]) -> tuple[list[str], float]:
    """Answers, and the mean number of ids of their prompts."""
    conditions: list[Condition] = list(way.conditions(queries))
    pairs = list(zip(queries, conditions, strict=True))
    ids = [len(condition.question(query.text, query.image_ids)) for query, condition in pairs]
    return answer_each(pairs, max_ids=ANSWER_IDS), mean(ids)


def _right(way: Recall | Nobody, asked: Sequence[tuple[str, Query]]) -> list[float]:
    """Which answers have exactly the right words; nobody knows a name without a memory, and is asked
    with it as a word.
    """
    if not asked:
        return []
    queries = [query for _, query in asked]
    if isinstance(way, Nobody):
        queries = [
            Query(query.text.replace("<", "").replace(">", ""), query.image_ids)
            for query in queries
        ]
    answers, _ = _answers(way, queries)
    return [float(exact(answer, right)) for answer, (right, _) in zip(answers, asked, strict=True)]


def _named(
    what: str, found: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]
) -> dict[str, object]:
    """Precision and recall over all names, and the F1 of each photo; where nobody is there, 1 if
    nobody is named.
    """
    right = sum(len(set(f) & set(t)) for f, t in zip(found, truth, strict=True))
    said, there = sum(map(len, found)), sum(map(len, truth))
    return {
        f"{what}_precision": right / said if said else 1.0,
        f"{what}_recall": right / there if there else 1.0,
        f"{what}_f1": [_f1(set(f), set(t)) for f, t in zip(found, truth, strict=True)],
    }


def _f1(found: set[str], truth: set[str]) -> float:
    if not found and not truth:
        return 1.0
    return 2 * len(found & truth) / (len(found) + len(truth))


def _by_situation(shown: Sequence[Photo], found: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """Whether exactly those who are there were found, by situation."""
    right: dict[str, list[float]] = {situation: [] for situation in SITUATIONS}
    for photo, names in zip(shown, found, strict=True):
        right[photo.situation].append(float(set(names) == set(photo.names)))
    return right


def _drawings(
    base: PersonalBase, trial: Trial, options: argparse.Namespace
) -> dict[str, list[float]]:
    """The share of each concept's looks that the judge sees in drawings of it, by preset; the
    largest memory's.
    """
    judge = load_judge("toy")
    concepts = trial.concepts[: options.drawings]
    prompts = [
        f"a photo of {concept.marker} {PLACES[i % len(PLACES)]}."
        for i, concept in enumerate(concepts)
    ]
    shares = {}
    for preset in (name for name in DRAWN_WITH if name in options.presets):
        recall = Recall(base, trial.memory, preset)
        # A prompt names whom it draws: nothing is looked for.
        conditions = recall.conditions(queries_of(prompts, wanted="picture"))
        how = Draw(seed=options.seed)
        pictures = [
            condition.draw([prompt], how)[0]
            for condition, prompt in zip(conditions, prompts, strict=True)
        ]
        shares[preset] = [
            identity_share(reading.members, truth_of(concept).subject)
            for reading, concept in zip(judge.read(pictures), concepts, strict=True)
        ]
    return shares


# ---- the table -----------------------------------------------------------------------------------

COLUMNS = {
    "who_precision": "precision",
    "who_recall": "recall",
    "who_f1": "F1",
    "one": "one",
    "two": "two",
    "near_duplicate": "near-duplicate",
    "stranger": "stranger",
    "caption_f1": "caption F1",
    "vqa": "questions",
    "facts": "facts",
    "seconds": "s",
    "ids": "ids",
}


def _about(options: argparse.Namespace, command: str, learned: int) -> list[str]:
    return [
        "# A memory of many concepts",
        "",
        code_line(command),
        "",
        f"Toy world, base {markdown(options.base)}, seed {options.seed}, commit {commit()}. Of each memory the"
        f" first {learned} concepts have learned tokens ({markdown(options.method)}); all others are pictures"
        f" and words. {options.photos} photos a memory: one of it, two of it, a near-duplicate of one"
        " of it, a stranger, in turn. Every second four show those who have tokens.",
        "",
        "precision, recall: over all names that are found. F1: of each photo, 1 where nobody is there"
        " and nobody is named. one, two, near-duplicate, stranger: photos of which exactly those who"
        " are there were found. caption F1: the same of the names in captions. questions: what"
        " somebody in the photo wears or does, by name; facts: what only words told; exactly the right"
        " words. s: seconds to find who is there, a photo (pictures of the memory were encoded when"
        " they were remembered). ids: of the prompt of a caption. ±: half-width of the 95 % t interval"
        " over photos or questions.",
    ]


def _write(
    path: Path,
    rows: Sequence[Mapping[str, object]],
    drawn: Mapping[str, list[float]],
    about: list[str],
) -> None:
    """The tables, and the same numbers as JSON beside them.

    Args:
        path: Of the tables.
        rows: Of each memory and preset.
        drawn: The shares of looks in drawings, by preset.
        about: The lines above.
    """
    lines = list(about)
    for size in dict.fromkeys(row["concepts"] for row in rows):
        lines += ["", f"## {size} concept{'s' if size != 1 else ''}", ""]
        lines.append(f"| | {' | '.join(COLUMNS.values())} |")
        lines.append("|---" * (len(COLUMNS) + 1) + "|")
        for row in rows:
            if row["concepts"] == size:
                cells = " | ".join(_cell(row[column]) for column in COLUMNS)
                lines.append(f"| {row['preset']} | {cells} |")
    if drawn:
        lines += [
            "",
            "## Drawings",
            "",
            "Share of looks that the judge sees, in drawings by name.",
            "",
        ]
        lines += ["| preset | looks |", "|---|---|"]
        lines += [f"| {preset} | {_cell(shares)} |" for preset, shares in drawn.items()]
    write_aside(path, ("\n".join(lines) + "\n").encode())
    kept = {"rows": rows, "drawings": drawn}
    write_aside(path.with_suffix(".json"), (json.dumps(kept, indent=1) + "\n").encode())


def _cell(value: object) -> str:
    if isinstance(value, list):
        if not value:
            return ""
        found = estimate(value)
        half = "" if found.half_width is None else f" ± {found.half_width:.2f}"
        return f"{found.mean:.2f}{half}"
    assert isinstance(value, float)
    return f"{value:.0f}" if value > 10 else f"{value:.2f}"


if __name__ == "__main__":
    main()
