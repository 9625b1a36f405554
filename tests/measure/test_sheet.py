"""The contact sheet and the curves of a run."""

import numpy as np
import pytest
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.measure.curves import Step, curves, read_steps, running_mean
from unictoken.measure.sheet import Cell, Row, contact_sheet

RED, BLUE = (200, 0, 0), (0, 0, 200)


def plain(colour, size=(4, 4)) -> Image.Image:
    return Image.new("RGB", size, colour)


def count(sheet, colour) -> int:
    return int((np.asarray(sheet) == colour).all(-1).sum())


def test_every_picture_stands_on_the_sheet_as_large_as_its_square():
    rows = [
        Row("a", [Cell(plain(RED)), Cell(plain(RED, (300, 300)))]),
        Row("b", [Cell(plain(BLUE))]),
    ]
    sheet = contact_sheet("title", rows, side=64)
    assert count(sheet, RED) == 2 * 64 * 64 and count(sheet, BLUE) == 64 * 64


def test_labels_and_captions_are_drawn():
    bare = contact_sheet("", [Row("", [Cell(plain(RED))])])
    said = contact_sheet("<bo>", [Row("drawn", [Cell(plain(RED), "a hat")])])
    dark = [(np.asarray(sheet).max(-1) < 160).sum() for sheet in (bare, said)]
    assert dark[0] == 0 < dark[1]
    assert said.height > bare.height  # room for the caption


def test_a_long_or_strange_text_stays_inside_and_is_one_line():
    rows = [Row("x" * 5000, [Cell(plain(RED), "long words " * 500), Cell(None, "\x1b[2J\n\ufeff")])]
    sheet = contact_sheet("y" * 5000, rows, side=64)
    pixels = np.asarray(sheet)
    assert (pixels[:, -10:] == 255).all() and sheet.height < 200


def test_an_empty_sheet_is_its_title():
    assert contact_sheet("nothing", []).width > 0


def test_a_runs_steps_are_read_from_its_log(tmp_path):
    log = tmp_path / "log.jsonl"
    assert read_steps(log) == []
    log.write_text('{"step": 1, "loss": 2, "stage": "a"}\n{"other": 1}\n', encoding="utf-8")
    assert read_steps(log) == [Step(1, 2.0, "a")]
    log.write_text("{\n", encoding="utf-8")
    with pytest.raises(UserError, match="a log of steps"):
        read_steps(log)


def test_the_running_mean_is_over_a_tenth():
    assert running_mean([4.0, 2.0]) == [4.0, 2.0]
    assert running_mean([float(i) for i in range(20)])[-2:] == [17.5, 18.5]


def test_losses_and_scores_are_drawn_and_what_is_empty_is_left_out():
    steps = [Step(i, 1 / i, "one" if i < 5 else "two") for i in range(1, 10)]
    scores = {"joint": {"vqa": 1.0, "psnr": 27.0}, "none": {"vqa": 0.25}}
    whole, losses, bars = curves(steps, scores), curves(steps, {}), curves([], scores)
    assert whole.height == losses.height + bars.height
    first, second = (31, 119, 180), (255, 127, 14)
    # Bars by length: a perfect score is four times a quarter; psnr is not from 0 to 1.
    width = [(np.asarray(bars)[45:] == colour).all(-1).any(0).sum() for colour in (first, second)]
    assert width[0] == pytest.approx(4 * width[1], abs=4)
    assert curves([], {}).size[1] == 1


@pytest.mark.parametrize("loss", [0.0, 1e9])
def test_a_flat_or_huge_loss_is_no_problem(loss):
    assert curves([Step(1, loss, "a")], {}).size == curves([Step(1, 1.0, "a")] * 3, {}).size
