"""Real photographs on the shipped base, as a newcomer would try them first."""

from pathlib import Path

import pytest

from unictoken import cli
from unictoken.tokens import file as concept_file

ROOT = Path(__file__).parents[1]
PHOTOS = sorted((ROOT.parent / "shared" / "data" / "photos" / "dog6").glob("*.jpg"))

pytestmark = [pytest.mark.real, pytest.mark.slow]
SHORT = ("method.stages.0.steps=2", "distractors.world=12", "prompts=[]")


@pytest.mark.parametrize("world", ["photographs", "toy"])
def test_a_report_says_whether_the_pictures_are_of_the_bases_world(
    world, tmp_path, monkeypatch, caplog, capsys
):
    if world == "photographs" and not PHOTOS:
        pytest.skip("no shared/data/photos/dog6")
    pictures = PHOTOS if world == "photographs" else sorted((ROOT / "data" / "bo").glob("*.png"))
    monkeypatch.chdir(ROOT)
    more = [part for key in (*SHORT, f"concepts={tmp_path}") for part in ("--set", key)]
    cli.main(
        [
            "learn",
            *map(str, pictures),
            "--name",
            "rex",
            "--class",
            "dog",
            "--out",
            str(tmp_path / "run"),
            *more,
        ]
    )
    printed = capsys.readouterr()
    told = "These pictures lie outside this base's world"
    assert (told in caplog.text, told in printed.out) == (
        world == "photographs",
        world == "photographs",
    )
    report = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert ("These pictures lie outside this base's world" in report) == (world == "photographs")
    assert ("Picture in, picture out" in report) == (world == "toy")
    assert (
        concept_file.load(tmp_path / "rex.safetensors").class_noun == "dog"
        and "report.md" in printed.out
    )
