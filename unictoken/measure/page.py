"""Scores as a Markdown table, and a benchmark as one HTML page to look at: scores, references,
drawings and answers.

The page holds everything in itself (pictures as data, no script, nothing fetched) and follows the
reader's light or dark setting.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from unictoken.core.disk import write_aside
from unictoken.core.pictures import read_picture
from unictoken.core.text import markdown
from unictoken.measure.metrics import Estimate
from unictoken.measure.predictions import Prediction

ONE_DECIMAL = ("palette", "palette_preview", "psnr")  # not from 0 to 1
SIDE = 256  # pixels; larger pictures are shown smaller
PIXEL_ART = 64  # pixels; pictures up to here are enlarged without smoothing
Scores = Mapping[str, Mapping[str, float | Estimate]]
"""By method, then by metric: a number, or a mean with its interval."""

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, CanvasText 22%, Canvas); --faint: color-mix(in srgb, CanvasText 65%, Canvas); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; background: Canvas; color: CanvasText; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
nav a { margin-right: .8em; }
code { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.scores td { text-align: right; white-space: nowrap; }
.control { font-style: italic; color: var(--faint); }
.wrong { text-decoration: underline wavy; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .3rem 0 1rem; }
figure { margin: 0; width: 7rem; }
figure img { width: 100%; display: block; }
figcaption, .note { font-size: .8rem; color: var(--faint); }
.pixels { image-rendering: pixelated; }
"""
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>"""


@dataclass(frozen=True, kw_only=True)
class ConceptSheet:
    """What the page shows of one concept."""

    name: str
    references: tuple[Path, ...]
    drawn: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Drawings by method."""
    prompts: tuple[str, ...] = ()
    """What each drawing was asked for, in the same order for every method; () says nothing under
    them.
    """
    answers: tuple[Prediction, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A benchmark's page."""

    title: str
    notes: tuple[str, ...] = ()
    """Paragraphs above the scores: the command, the commit, what the columns mean."""
    scores: Scores
    metrics: tuple[str, ...]
    controls: tuple[str, ...] = ()
    """Methods that the others are compared to."""
    concepts: tuple[ConceptSheet, ...] = ()


def table(
    scores: Scores,
    metrics: Sequence[str] | None = None,
    *,
    controls: Collection[str] = (),
    signed: bool = False,
) -> str:
    """A Markdown table, a row for each method, controls in italics; '-' where there is no such
    number.

    Names of methods and metrics are seen as they are, whatever they say. `signed` is for
    differences. The number of concepts and the kind of interval are said below, where there are
    intervals.

        {"joint": {"vqa": Estimate(.5, .1, 10)}, "none": {"vqa": .4}}   ->   | | vqa |
                                                                             |---|---|
                                                                             | joint | 0.500 ± 0.100 |
                                                                             | *none* | 0.400 |
    """
    metrics = _metrics(scores) if metrics is None else metrics
    lines = [_markdown_row(["", *map(markdown, metrics)]), "|---" * (len(metrics) + 1) + "|"]
    for method, numbers in scores.items():
        cells = [_number(numbers.get(metric), metric, signed=signed) for metric in metrics]
        name = markdown(method)
        lines.append(_markdown_row([f"*{name}*" if method in controls else name, *cells]))
    return "\n".join([*lines, *(["", note] if (note := _interval_note(scores)) else [])])


def write(page: Page, path: str | Path) -> Path:
    """Write the page as one HTML file. Raises `PictureError` for a picture that cannot be read."""
    parts = [
        f"<h1>{escape(page.title)}</h1>",
        *(f"<p>{escape(note)}</p>" for note in page.notes),
        _score_table(page),
    ]
    if page.concepts:
        links = (
            f'<a href="#concept-{i}">{escape(sheet.name)}</a>'
            for i, sheet in enumerate(page.concepts)
        )
        parts.append(f"<nav>{''.join(links)}</nav>")
    parts += [_section(sheet, i, page.controls) for i, sheet in enumerate(page.concepts)]
    html = "\n".join(
        [HEAD.format(title=escape(page.title), style=STYLE), *parts, "</body>", "</html>", ""]
    )
    write_aside(Path(path), html.encode())
    return Path(path)


def _metrics(scores: Scores) -> list[str]:
    """Every metric that some method has, in the order of their appearance."""
    return list(dict.fromkeys(metric for numbers in scores.values() for metric in numbers))


def _number(value: float | Estimate | None, metric: str, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    digits, sign = (1 if metric in ONE_DECIMAL else 3), ("+" if signed else "")
    if not isinstance(value, Estimate):
        return f"{value:{sign}.{digits}f}"
    within = "" if value.half_width is None else f" ± {value.half_width:.{digits}f}"
    return f"{value.mean:{sign}.{digits}f}{within}"


def _interval_note(scores: Scores) -> str:
    estimates = [
        value
        for numbers in scores.values()
        for value in numbers.values()
        if isinstance(value, Estimate)
    ]
    if all(estimate.half_width is None for estimate in estimates):  # as where there is one concept
        return ""
    said = " or ".join(map(str, sorted({estimate.n for estimate in estimates})))
    return f"±: half-width of the 95 % t interval over {said} concepts."


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells).strip() + " |"


def _score_table(page: Page) -> str:
    head = "".join(f"<th>{escape(metric)}</th>" for metric in page.metrics)
    rows = []
    for method, numbers in page.scores.items():
        cells = "".join(
            f"<td>{_number(numbers.get(metric), metric)}</td>" for metric in page.metrics
        )
        rows.append(
            f"<tr{_control(method, page.controls)}><th>{_label(method, page.controls)}</th>{cells}</tr>"
        )
    shown = (
        '<div class="wide"><table'
        f' class="scores"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'
    )
    note = _interval_note(page.scores)
    return shown + (f'<p class="note">{note}</p>' if note else "")


def _section(sheet: ConceptSheet, number: int, controls: Collection[str]) -> str:
    """A concept: references, drawings by method, answers."""
    parts = [f'<section id="concept-{number}"><h2>{escape(sheet.name)}</h2>', "<h3>references</h3>"]
    parts.append(_pictures(sheet.references, (), f"{sheet.name}, reference"))
    for method, paths in sheet.drawn.items():
        parts.append(f"<h3{_control(method, controls)}>{_label(method, controls)}</h3>")
        parts.append(_pictures(paths, sheet.prompts, f"{sheet.name}, {method}"))
    if sheet.answers:
        parts.append(_answers(sheet.answers, controls))
    return "\n".join([*parts, "</section>"])


def _control(method: str, controls: Collection[str]) -> str:
    return ' class="control"' if method in controls else ""


def _label(method: str, controls: Collection[str]) -> str:
    return escape(f"{method} (control)" if method in controls else method)


def _pictures(paths: Sequence[Path], prompts: Sequence[str], what: str) -> str:
    captions = prompts or [""] * len(paths)
    figures = []
    for path, caption in zip(paths, captions, strict=True):
        uri, small = _data_uri(path)
        said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        figures.append(
            f'<figure><img{small} alt="{escape(f"{what}: {caption}" if caption else what)}"'
            f' src="{uri}">{said}</figure>'
        )
    return f'<div class="row">{"".join(figures)}</div>'


def _data_uri(path: Path) -> tuple[str, str]:
    """A picture as data, and its class attribute where it is pixel art."""
    picture = read_picture(path)
    is_pixel_art = max(picture.size) <= PIXEL_ART
    kind = "png" if max(picture.size) <= SIDE else "jpeg"
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, kind)
    return (
        f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}",
        ' class="pixels"' if is_pixel_art else "",
    )


def _answers(answers: Sequence[Prediction], controls: Collection[str]) -> str:
    """A row for each question (about its picture), a column for each method; what is not fully
    right is underlined.
    """
    methods = list(dict.fromkeys(p.method for p in answers))
    rows: dict[tuple, dict[str, Prediction]] = {}
    for p in answers:
        rows.setdefault((p.task, p.question, p.picture, p.expected), {})[p.method] = p
    head = "".join(f"<th{_control(m, controls)}>{_label(m, controls)}</th>" for m in methods)
    lines = []
    for (task, question, picture, expected), given in rows.items():
        about = f"{task}, {Path(picture).name}" if picture else task
        asked = (
            f"<td>{escape(question)}<br><span"
            f' class="note">{escape(about)}</span></td><td>{escape(expected)}</td>'
        )
        lines.append(f"<tr>{asked}{''.join(_answer(given.get(m)) for m in methods)}</tr>")
    body = f"<tr><th>question</th><th>expected</th>{head}</tr>{''.join(lines)}"
    return (
        f"<details><summary>{len(rows)} questions</summary><div"
        f' class="wide"><table>{body}</table></div></details>'
    )


def _answer(p: Prediction | None) -> str:
    if p is None:
        return "<td>-</td>"
    wrong = ' class="wrong"' if p.score is not None and p.score < 1 else ""
    return f"<td><span{wrong}>{escape(p.given)}</span></td>"
