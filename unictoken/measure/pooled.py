"""Several benchmarks' tables as one: other seeds have other concepts, and other runs other methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unictoken.core import reading
from unictoken.core.errors import UserError
from unictoken.core.shapes import Fields, Line, ListOf, Number, Text, Whole, check
from unictoken.core.text import code_line, markdown
from unictoken.measure import page
from unictoken.measure.controls import CONTROLS
from unictoken.measure.results import differences, over_concepts
from unictoken.scoring.metrics import Estimate

DISTANCES = ("palette", "palette_best_of")  # of which less is better
_ROW = Fields({"concept": Line(), "method": Line()}, others=Number())
_SHAPE = Fields(
    {
        "command": Line(),
        "seed": Whole(0, 2**63),
        "base": Text(),
        "rows": ListOf(_ROW, 100_000, least=1),
    },
    others=True,
    said="a benchmark's numbers",
)


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Numbers of concepts from several tables, each concept named with its seed."""

    rows: tuple[Mapping[str, Any], ...]
    """concept, method and metrics; of each concept and method one row."""
    commands: tuple[str, ...]
    """That made the tables."""


def pool(tables: Sequence[Path]) -> Pooled:
    """The rows of tables that `eval/run.py` wrote. Of a concept and method that two of them have,
    the first table's count.

    Raises `UserError` for a file that is no such table, and for tables of two bases.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    commands, bases = [], {}
    for path in tables:
        advice = "Give files that `eval/run.py` wrote as `out`."
        told = check(
            reading.read_json(path, UserError), _SHAPE, str(path), UserError, advice=advice
        )
        bases[told["base"]] = path
        commands.append(told["command"])
        for row in told["rows"]:
            concept = f"{row['concept']} of seed {told['seed']}"
            found.setdefault((concept, row["method"]), {**row, "concept": concept})
    if len(bases) > 1:
        one, other = list(bases.values())[:2]
        raise UserError(f"{other}: found another base than that of {one}. Give tables of one base.")
    # Methods before what they are compared to, each in the order of the tables.
    rows = sorted(found.values(), key=lambda row: row["method"] in CONTROLS)
    return Pooled(rows=tuple(rows), commands=tuple(commands))


def of_methods(pooled: Pooled, methods: Sequence[str]) -> Pooled:
    """The rows of these methods and controls, in this order."""
    rows = [row for name in methods for row in pooled.rows if row["method"] == name]
    return replace(pooled, rows=tuple(rows))


def worst(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Method -> metric -> the worst concept's number: the least, of a distance the greatest."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        own = found.setdefault(row["method"], {})
        for column in columns:
            if column in row:
                choose = max if column in DISTANCES else min
                own[column] = choose(own.get(column, row[column]), row[column])
    return found


def text_of(pooled: Pooled, title: str, columns: Sequence[str], first: str) -> str:
    """A page of three tables: means with intervals, the worst concepts, and differences from the
    first method.

    Args:
        pooled: The numbers.
        title: Its heading.
        columns: Metrics.
        first: The method that the others are compared with.
    """
    means = over_concepts(pooled.rows)
    compared = differences(pooled.rows, first, columns)
    commands = "\n".join(map(code_line, dict.fromkeys(pooled.commands)))
    counts = ", ".join(f"{markdown(name)} {_count(own)}" for name, own in means.items())
    least = worst(pooled.rows, columns)
    return "\n\n".join(
        [
            f"# {markdown(title)}",
            commands,
            f"Concepts: {counts}.",
            page.table(means, columns, controls=CONTROLS),
            "## The worst concept of each",
            "The least of a column; of palette, a distance, the greatest.",
            page.table(least, columns, controls=CONTROLS),
            f"## {markdown(first)} beside the others",
            "Paired over the concepts that both were measured on; of palette less is better.",
            page.table(compared, columns, signed=True),
            "",
        ]
    )


def _count(estimates: Mapping[str, Estimate]) -> int:
    return max(estimate.n for estimate in estimates.values())
