"""A benchmark's results for its readers: the numbers, the table with intervals, the differences
between methods, the page.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from unictoken.core.disk import check_folder, is_folder, write_aside
from unictoken.core.errors import UserError
from unictoken.core.text import code_line, markdown
from unictoken.data.concept import Concept
from unictoken.measure import page
from unictoken.measure.benchmark import Benchmark, table_file
from unictoken.measure.keys import without_secrets
from unictoken.measure.similarity import COPIED
from unictoken.scoring.metrics import Estimate, estimate, paired_difference
from unictoken.tasks import asked
from unictoken.tasks.generate import DRAWN
from unictoken.tasks.text_qa import TextQa


def commit() -> str:
    """The version of this code; 'unknown' outside its repository."""
    # --dirty: results of code that was not committed say so.
    asked = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(
            asked, cwd=Path(__file__).parent, capture_output=True, check=True, encoding="utf-8"
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def over_concepts(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Estimate]]:
    """Method -> metric -> mean over concepts with its 95 % interval."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for metric, value in row.items():
            if metric not in ("concept", "method"):
                found.setdefault(row["method"], {}).setdefault(metric, []).append(value)
    return {
        method: {metric: estimate(values) for metric, values in metrics.items()}
        for method, metrics in found.items()
    }


def check_page(out: str, *, where: str = "--out") -> Path:
    """The place of a page, whose numbers lie beside it as JSON; refused before anything is measured
    where they could not be written.
    """
    path = Path(out)
    check_folder(path.parent, UserError, where=where)
    if not path.name or path.suffix == ".json" or is_folder(path):
        raise UserError(
            f"{where} {out}: expected a file of text, such as results/it.md; its numbers go into the"
            " .json beside it. Name one."
        )
    if is_folder(path.with_suffix(".json")):
        raise UserError(
            f"{where} {out}: {path.with_suffix('.json')} is a folder, and the numbers go there."
            " Choose another file."
        )
    return path


def write_means(
    path: Path,
    title: str,
    about: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    way: str,
    command: str,
    notes: Sequence[str] = (),
) -> None:
    """A table of each way's means with 95 % intervals, as Markdown, and the rows as JSON beside it.

    Args:
        path: Of the table.
        title: Its heading.
        about: What the numbers are, in Markdown.
        rows: Numbers, by column; texts are no columns. The first has every column; another way may
            lack some, and its cell is then empty.
        way: The key that names a row's way.
        command: That made it; its keys are left out.
        notes: What a dataset says of itself: texts, and no Markdown.
    """
    columns = [key for key, value in rows[0].items() if not isinstance(value, str)]
    lines = [f"# {title}", "", code_line(without_secrets(command)), ""]
    for paragraph in (about, *map(markdown, notes)):
        lines += [paragraph, ""]
    lines += [f"| | {' | '.join(map(markdown, columns))} |", "|---|" + "---|" * len(columns)]
    for name in dict.fromkeys(row[way] for row in rows):
        its = [row for row in rows if row[way] == name]
        cells = [_cell([row[column] for row in its if column in row]) for column in columns]
        lines.append(f"| {markdown(name)} | {' | '.join(cells)} |")
    write_aside(path, ("\n".join(lines) + "\n").encode())
    write_aside(path.with_suffix(".json"), (json.dumps(rows, indent=1) + "\n").encode())


def _cell(numbers: Sequence[float]) -> str:
    if not numbers:
        return "-"
    value = estimate(numbers)
    # One number alone has no interval.
    half = "" if value.half_width is None else f" ± {value.half_width:.3f}"
    return f"{value.mean:.3f}{half}"


def differences(
    rows: Sequence[Mapping[str, Any]], first: str, columns: Sequence[str]
) -> dict[str, dict[str, Estimate]]:
    """The first method minus each other one, paired over the concepts that both were measured
    on.
    """
    by_method: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["concept"]] = row
    own = by_method.pop(first)
    found: dict[str, dict[str, Estimate]] = {}
    for method, others in by_method.items():
        for column in columns:
            # A control may lack a metric, and some concepts lack a task.
            both = [c for c in own if c in others and column in own[c] and column in others[c]]
            if both:
                pair = (
                    {concept: scored[concept][column] for concept in both}
                    for scored in (own, others)
                )
                found.setdefault(f"{first} - {method}", {})[column] = paired_difference(*pair)
    return found


def write_results(benchmark: Benchmark, *, command: str) -> str:
    """Write the numbers, the table and the page of what was measured; gives the table.

    What is written is shared: of `command` it holds neither keys nor what an address keeps secret.
    """
    command = without_secrets(command)
    settings, rows = benchmark.settings, list(benchmark.rows())
    means = over_concepts(rows)
    columns = _columns(means)
    # The config's first method is compared with each other one and with the controls.
    compared = differences(rows, next(iter(benchmark.methods)), columns)

    commits = " and ".join(benchmark.commits())
    header = {
        "command": command,
        "commit": commits,
        "scored_at": benchmark.commit,
        "seed": settings.seed,
        "run": benchmark.run,
        "base": benchmark.base.fingerprint,
        "notes": benchmark.notes(),
    }
    numbers = {
        "mean": _each(means, "mean"),
        "half_width": _each(means, "half_width"),
        "difference": _each(compared, "mean"),
        "difference_half_width": _each(compared, "half_width"),
        "rows": rows,
    }
    out = Path(settings.out)
    write_aside(out, (json.dumps(header | numbers, indent=1) + "\n").encode())

    origin = (
        f"{command} at {commits}, scored at {benchmark.commit}, seed {settings.seed},"
        f" {len(benchmark.concepts)} concepts."
    )
    notes = (origin, *benchmark.notes())
    shown = page.table(means, columns, controls=settings.controls)
    parts = [
        *map(markdown, notes),
        shown,
        "Paired over concepts (palette is a distance: less is better):",
        page.table(compared, columns, signed=True),
        "",
    ]
    write_aside(table_file(settings), "\n\n".join(parts).encode())
    if settings.page:
        page.write(_page(benchmark, notes, means, columns), settings.page)
    return shown


def _columns(means: Mapping[str, Mapping[str, Estimate]]) -> tuple[str, ...]:
    """The metrics that some method has, in the order of the tasks."""
    columns = [column for task in asked().values() for column in task.columns]
    # Scores by encoders carry their printed names, and scores by shift the shift: no list knows
    # these.
    told_more = [metric for numbers in means.values() for metric in numbers if "(" in metric]
    known = dict.fromkeys([*columns, COPIED, *told_more])
    return tuple(c for c in known if any(c in numbers for numbers in means.values()))


def _page(
    benchmark: Benchmark,
    notes: tuple[str, ...],
    means: Mapping[str, Mapping[str, Estimate]],
    columns: tuple[str, ...],
) -> page.Page:
    settings = benchmark.settings
    sheets = tuple(sheet(benchmark, c) for c in benchmark.concepts[: settings.page_concepts])
    return page.Page(
        title=Path(settings.out).stem,
        notes=(*notes, *_left_out(len(sheets), len(benchmark.concepts))),
        scores=means,
        metrics=columns,
        controls=settings.controls,
        concepts=sheets,
    )


def _left_out(shown: int, measured: int) -> tuple[str, ...]:
    """A note where the page shows fewer concepts than the scores are of."""
    if shown == measured:
        return ()
    note = (
        f"The scores are of {measured} concepts; the first {shown} are shown below. "
        "With page_concepts: null in the config, all are."
    )
    return (note,)


def sheet(benchmark: Benchmark, concept: Concept) -> page.ConceptSheet:
    """What the page shows of a concept: its references, every method's drawings, and the answers
    without a picture.
    """
    made = benchmark.of(concept)
    drawn = {name: [p for p in found if p.task == DRAWN] for name, found in made.items()}
    return page.ConceptSheet(
        name=concept.name,
        references=concept.pictures,
        drawn={
            name: tuple(benchmark.folder / p.picture for p in found if p.picture)
            for name, found in drawn.items()
            if found
        },
        # The same for every method: those of the first that drew.
        prompts=tuple(p.question for p in next(filter(None, drawn.values()), [])),
        answers=tuple(p for found in made.values() for p in found if p.task in TextQa.kinds),
    )


def _each(
    means: Mapping[str, Mapping[str, Estimate]], part: Literal["mean", "half_width"]
) -> dict[str, dict[str, float | None]]:
    """Method -> metric -> one part of its estimate, rounded: further digits differ between
    machines.
    """

    def rounded(number: Estimate) -> float | None:
        value = number.mean if part == "mean" else number.half_width
        return None if value is None else round(value, 4)

    return {
        method: {metric: rounded(number) for metric, number in numbers.items()}
        for method, numbers in means.items()
    }
