"""Run a benchmark: learn held-out concepts, measure them beside their controls, write a table.

    python eval/run.py --config configs/eval/toy.yaml --set seed=1 --set num_concepts=10
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from unictoken import config
from unictoken.concept.file import write_aside
from unictoken.concept.tokens import ConceptTokens
from unictoken.learn.concept import learn_concept
from unictoken.learn.methods import Method
from unictoken.measure import toy
from unictoken.measure.judge import Judge, load_judge
from unictoken.model.base import Base, load_base
from unictoken.model.memory import keep_freed_memory
from unictoken.model.pixels import grid


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """One benchmark run."""

    base: str = "checkpoints/tiny-chameleon"
    judge: str = "checkpoints/judge/model.safetensors"
    methods: tuple[str, ...] = ("configs/methods/joint.yaml",)
    """Files with a `method:`; each is learned on every concept."""
    seed: int = 1
    num_concepts: int = 10
    out: str = "results/toy.json"
    pictures: str | None = "results/toy.png"
    """A page of references and drawings, a row for each concept; null: none."""


@dataclass(frozen=True, kw_only=True)
class MethodFile:
    """A file that holds a method."""

    method: Method


def evaluate(settings: EvalConfig) -> tuple[list[dict], list[Image.Image]]:
    """A row for each concept and conditioning, and the pictures of the page."""
    if settings.num_concepts < 2:
        raise config.ConfigError(f"num_concepts: found {settings.num_concepts}, expected 2 or more (wrong_concept needs another one).")
    keep_freed_memory()
    base, judge = load_base(settings.base), load_judge(settings.judge)
    methods = [config.load(MethodFile, path).method for path in settings.methods]
    names = [method.name for method in methods]
    if len(set(names)) < len(names) or set(names) & set(toy.CONTROLS):
        raise config.ConfigError(f"methods: found names {names}; expected different ones, none of {', '.join(toy.CONTROLS)}.")
    concepts = [toy.toy_concept(settings.seed, i) for i in range(settings.num_concepts)]
    learned: list[list[ConceptTokens]] = []
    for concept in tqdm(concepts, desc="learning"):
        learned.append([learn_concept(base, concept.source, method, seed=settings.seed) for method in methods])
    rows, page = [], []
    for i, concept in enumerate(tqdm(concepts, desc="measuring")):
        wrong = learned[(i + 1) % len(learned)][0]
        measured, pictures = measure_concept(base, judge, concept, learned[i], wrong, settings.seed)
        rows += [{"concept": i, "name": concept.source.name, "method": method, **numbers} for method, numbers in measured.items()]
        page += pictures
    return rows, page


def measure_concept(base: Base, judge: Judge, concept: toy.ToyConcept, own: list[ConceptTokens], wrong: ConceptTokens, seed: int):
    """Numbers by conditioning, and five references beside five drawings of the first method."""
    test = toy.make_test_set(base, concept.pet, concept.seed)
    compared = toy.conditionings(base, concept.source, own[0], wrong)
    compared |= {tokens.method: toy.with_tokens(base, tokens) for tokens in own}
    numbers, drawn = {}, {}
    for name, conditioning in compared.items():
        numbers[name], drawn[name] = toy.measure(conditioning, judge, concept.pet, concept.facts, test, seed=seed)
    return numbers, [*concept.source.pictures, *drawn[own[0].method][:5]]


def mean_by_method(rows: list[dict]) -> dict[str, dict[str, float]]:
    """The mean of every metric over concepts, by method."""
    means: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        metrics = [key for key in own[0] if key not in ("concept", "name", "method")]
        means[method] = {m: round(sum(row[m] for row in own) / len(own), 4) for m in metrics}
    return means


def commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        settings = config.load(EvalConfig, options.config, options.set)
        rows, page = evaluate(settings)
    except (ValueError, OSError) as error:
        sys.exit(f"eval/run.py: {error}")
    command = " ".join(["python", "eval/run.py", *(arguments or sys.argv[1:])])
    means = mean_by_method(rows)
    result = {"command": command, "commit": commit(), "seed": settings.seed, "mean": means, "rows": rows}
    out = Path(settings.out)
    write_aside(out, (json.dumps(result, indent=1) + "\n").encode())
    shown = toy.table(means, [*toy.METRICS, "positive", "negative_easy", "negative_hard", "negative_twin"])
    out.with_suffix(".md").write_text(f"`{command}` at {result['commit']}, mean over {settings.num_concepts} concepts:\n\n{shown}\n")
    if settings.pictures:
        Path(settings.pictures).parent.mkdir(parents=True, exist_ok=True)
        grid(page, columns=10, side=96).save(settings.pictures)
    print(shown)


if __name__ == "__main__":
    main()
