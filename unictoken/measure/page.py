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
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from unictoken.core.disk import write_aside
from unictoken.core.pictures import ImageSource, read_image
from unictoken.core.text import markdown
from unictoken.scoring.metrics import Estimate
from unictoken.tasks.task import Prediction

ONE_DECIMAL = ("palette", "palette_best_of", "psnr")  # not from 0 to 1
SIDE = 256  # pixels; larger pictures are shown smaller
PIXEL_ART = 64  # pixels; pictures up to here are enlarged without smoothing
Scores = Mapping[str, Mapping[str, float | Estimate]]
"""By method, then by metric: a number, or a mean with its interval."""


@dataclass(frozen=True, kw_only=True)
class ConceptSheet:
    """What the page shows of one concept."""

    name: str
    references: tuple[ImageSource, ...]
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
    """A Markdown table, a row for each method; '-' where there is no such number.

    Names of methods and metrics are escaped, so that they are seen as they are. The number of
    concepts and the kind of interval stand below, where there are intervals.

    Args:
        scores: the numbers, by method and metric.
        metrics: the columns, in this order; None: every metric that some method has.
        controls: methods in italics.
        signed: every number with its sign, for differences.

        {"joint": {"vqa": Estimate(.5, .1, 10)}, "none": {"vqa": .4}}, with controls ("none",)  ->

        | | vqa |
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
    html = _TEMPLATE.render(page=page, interval_note=_interval_note(page.scores))
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
    counts = " or ".join(map(str, sorted({estimate.n for estimate in estimates})))
    return f"±: half-width of the 95 % t interval over {counts} concepts."


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells).strip() + " |"


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """A picture as the page shows it."""

    uri: str
    is_pixel_art: bool
    caption: str


def _figures(pictures: Sequence[ImageSource], prompts: Sequence[str]) -> list[_Figure]:
    captions = prompts or [""] * len(pictures)
    return [_figure(one, caption) for one, caption in zip(pictures, captions, strict=True)]


def _figure(given: ImageSource, caption: str) -> _Figure:
    picture = read_image(given, at_least=None).copy()  # it is made smaller below
    is_pixel_art = max(picture.size) <= PIXEL_ART
    # A photograph is much larger as PNG; a small drawing has stains as JPEG.
    kind = "png" if max(picture.size) <= SIDE else "jpeg"
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, kind)
    encoded = base64.b64encode(data.getvalue()).decode()
    uri = f"data:image/{kind};base64,{encoded}"
    return _Figure(uri=uri, is_pixel_art=is_pixel_art, caption=caption)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A row of the answers: what was asked, and every method's answer in the order of columns."""

    question: str
    about: str
    """The task, and the picture's name where there is one."""
    expected: str
    given: tuple[Prediction | None, ...]


def _by_question(answers: Sequence[Prediction]) -> tuple[list[str], list[_Question]]:
    """The methods, and a row for each question (about its picture)."""
    methods = list(dict.fromkeys(p.method for p in answers))
    found: dict[tuple[str, str, str | None, str], dict[str, Prediction]] = {}
    for p in answers:
        found.setdefault((p.task, p.question, p.picture, p.expected), {})[p.method] = p
    rows = [
        _Question(
            question=question,
            about=f"{task}, {Path(picture).name}" if picture else task,
            expected=expected,
            given=tuple(by_method.get(method) for method in methods),
        )
        for (task, question, picture, expected), by_method in found.items()
    ]
    return methods, rows


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,  # jinja2's default escapes nothing
    # A misspelt name in the template is an error, not an empty place.
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.globals |= {"number": _number, "figures": _figures, "by_question": _by_question}
_TEMPLATE = _ENVIRONMENT.get_template("page.html.jinja")
