"""The losses of a run, and its scores beside those of its controls, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from unictoken.core.errors import UserError
from unictoken.core.printing import one_line
from unictoken.core.reading import read_json_lines
from unictoken.measure.sheet import GREY, INK, PAPER, Font, fonts

WIDTH, HEIGHT = 720, 260  # pixels of the losses
LEFT, EDGE, BAR = 170, 30, 12
LONGEST_METRIC = 27  # letters of 'recognition_near_duplicates'
COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189), (140, 86, 75))
RAW, RULE = (200, 215, 230), (225, 225, 225)
SMOOTHED = 10  # the running mean is over such a part of a run: a tenth
UNIT = 1.0001  # scores up to here go from 0 to 1; others (psnr, palette) are not shown


@dataclass(frozen=True)
class Step:
    """The loss of a step, and the name of its stage."""

    step: int
    loss: float
    stage: str


def read_steps(log: Path) -> list[Step]:
    """The steps of a run's `log.jsonl`; none where there is no such file."""
    lines = read_json_lines(log, UserError, "a log of steps")
    return [
        Step(said["step"], float(said["loss"]), str(said.get("stage", "")))
        for _, said in lines
        if isinstance(said, dict) and {"step", "loss"} <= set(said)
    ]


def curves(steps: Sequence[Step], scores: Mapping[str, Mapping[str, float]]) -> Image.Image:
    """Losses by step above, scores from 0 to 1 as bars below; what is empty is left out.

    Args:
        steps: Of the run, in order.
        scores: By method (the run's own first, then controls), then by metric.
    """
    parts = [_losses(steps)] if steps else []
    shown = {
        metric: {name: row[metric] for name, row in scores.items() if metric in row}
        for metric in dict.fromkeys(metric for row in scores.values() for metric in row)
    }
    # One scale for all bars: a distance in RGB or dB would make every other bar a dot.
    shown = {m: of for m, of in shown.items() if all(0 <= v <= UNIT for v in of.values())}
    if shown:
        parts.append(_bars(shown, list(scores)))
    whole = Image.new("RGB", (WIDTH, max(1, sum(part.height for part in parts))), PAPER)
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def _losses(steps: Sequence[Step]) -> Image.Image:
    """Each step's loss in light, their running mean in dark, a rule where a stage begins."""
    _, label, small = fonts()
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((LEFT, 6), "loss by step, and its running mean", INK, label)
    first, last = steps[0].step, steps[-1].step
    # A run whose loss is 0 throughout is a line at the bottom, not a division by 0.
    most = max(step.loss for step in steps) or 1.0
    bottom, height, width = HEIGHT - EDGE, HEIGHT - 2 * EDGE, WIDTH - LEFT - EDGE

    def place(step: float, loss: float) -> tuple[float, float]:
        # A run of one step has no length: it stands at the left.
        along = (step - first) / max(last - first, 1)
        return LEFT + along * width, bottom - loss / most * height

    for share in (0, 0.25, 0.5, 0.75, 1):
        _, y = place(first, share * most)
        pen.line([(LEFT, y), (LEFT + width, y)], RULE)
        pen.text((LEFT - 8, y), f"{share * most:.3g}", GREY, small, anchor="rm")
        step = round(first + share * (last - first))
        pen.text((place(step, 0)[0], bottom + 6), str(step), GREY, small, anchor="ma")
    for before, after in zip(steps, steps[1:], strict=False):
        if before.stage != after.stage:
            x, _ = place(after.step, 0)
            pen.line([(x, EDGE), (x, bottom)], GREY)
            pen.text((x + 3, EDGE), one_line(after.stage, 40), GREY, small)
    # First, so that the mean lies above it.
    pen.line([place(step.step, step.loss) for step in steps], RAW)
    means = running_mean([step.loss for step in steps])
    pen.line(
        [place(step.step, mean) for step, mean in zip(steps, means, strict=True)], COLOURS[0], 2
    )
    return picture


def running_mean(values: Sequence[float]) -> list[float]:
    """The mean of each value and of those before it, a tenth of all.

    >>> running_mean([4.0, 2.0])
    [4.0, 2.0]
    """
    size = max(1, len(values) // SMOOTHED)
    parts = (values[max(0, end - size) : end] for end in range(1, len(values) + 1))
    return [sum(part) / len(part) for part in parts]


def _bars(shown: Mapping[str, Mapping[str, float]], methods: Sequence[str]) -> Image.Image:
    """A group of bars for each metric, a bar for each method that has it."""
    _, label, small = fonts()
    rows = sum(len(of) for of in shown.values())
    picture = Image.new("RGB", (WIDTH, 2 * EDGE + 20 + BAR * rows + 8 * len(shown)), PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((LEFT, 6), "scores, from 0 to 1", INK, label)
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(methods)}
    _legend(pen, colour, small)
    top = EDGE + 20
    for metric, of in shown.items():
        pen.text((LEFT - 8, top), one_line(metric, LONGEST_METRIC), INK, small, anchor="ra")
        for name, value in of.items():
            end = LEFT + value * (WIDTH - LEFT - 3 * EDGE)
            pen.rectangle([LEFT, top, end, top + BAR - 3], colour[name])
            pen.text((end + 6, top + BAR / 2 - 1), f"{value:.2f}", GREY, small, anchor="lm")
            top += BAR
        top += 8
    return picture


def _legend(
    pen: ImageDraw.ImageDraw, colour: Mapping[str, tuple[int, int, int]], font: Font
) -> None:
    x = float(LEFT)
    for name, shade in colour.items():
        said = one_line(name, 24)
        pen.rectangle([x, EDGE, x + 8, EDGE + 8], shade)
        pen.text((x + 12, EDGE - 2), said, GREY, font)
        x += 24 + pen.textlength(said, font)
