"""`unictoken learn --each`: several folders, each a concept of its own, in one process or in several."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unictoken.cli import main, parser
from unictoken.cli.learning import _checked, _each
from unictoken.tokens import file as concept_file

ROOT = Path(__file__).parents[1]
LIMIT = 120  # seconds that one launch may take
QUICK = (
    "method.stages.0.steps=2",
    "method.stages.0.batch=2",
    "method.tokens.shared=2",
    "judge=null",
    "prompts=[]",
)


@pytest.fixture
def folders(toy_folder, tmp_path):
    """Two pets: the toy folder, and the same with fewer pictures."""
    made = [tmp_path / "pets" / name for name in ("tom", "kit")]
    for folder in made:
        shutil.copytree(toy_folder, folder)
    (made[1] / "0.png").unlink()
    info = made[1] / "info.json"
    info.write_text(info.read_text(encoding="utf-8").replace("<tom>", "<kit>"), encoding="utf-8")
    return made


@pytest.fixture
def command(base_folder, folders, tmp_path):
    """The command line that learns both into a folder below `tmp_path`."""

    def line(name: str) -> list[str]:
        out = tmp_path / name
        given = ["learn", *map(str, folders), "--each", "--base", str(base_folder)]
        settings = [*QUICK, f"concepts={out}"]
        return [*given, "--out", str(out), *(w for s in settings for w in ("--set", s))]

    return line


@pytest.mark.slow
def test_each_folder_is_a_concept_of_its_name_and_is_learned_once(command, tmp_path, capsys):
    main(command("one"))
    table = capsys.readouterr().out
    files = [tmp_path / "one" / f"{name}.safetensors" for name in ("tom", "kit")]
    assert [concept_file.read_header(file)["name"] for file in files] == ["tom", "kit"]
    assert (
        "| tom |" in table and "| kit |" in table and str(tmp_path / "one/kit/report.md") in table
    )

    (tmp_path / "one" / "kit" / "report.md").unlink()  # as if it had been stopped before
    before = [file.stat().st_mtime_ns for file in files]
    main(command("one"))
    after = [file.stat().st_mtime_ns for file in files]
    assert after[0] == before[0] and after[1] > before[1]
    assert capsys.readouterr().out == table


def test_each_concepts_pictures_are_negatives_of_the_others(folders):
    tom, kit = folders
    for picture in kit.glob("[0-9].png"):
        (tom / picture.name).unlink()  # one picture each, or more, that the other has not
    line = ["learn", str(tom), str(kit), "--each", "--cross-negatives"]
    options = parser().parse_args(line)
    found = [_checked(one)[1] for one in _each(options)]
    hard = [len(concept.negatives["hard"]) for concept in found]
    assert hard == [24 + len(found[1].pictures), 24 + len(found[0].pictures)]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(command, tmp_path, capsys):
    main(command("one"))
    # of the two launchers the one that gives the program an argument of its own
    launcher = ["-m", "deepspeed.launcher.runner", "--num_accelerators", "2", "--module"]
    own = {"PYTHONPATH": str(ROOT), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, *launcher, "unictoken", *command("two")],
        env={**os.environ, **own},
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
    )
    assert ended.returncode == 0, ended.stderr
    table = capsys.readouterr().out.replace(f"{tmp_path}/one", f"{tmp_path}/two")
    assert table.strip() in ended.stdout
    for name in ("tom", "kit"):
        one, two = (tmp_path / run / f"{name}.safetensors" for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{pets}/tom"], "--name: found none. .*--each"),
        (["{pets}/tom", "--each", "--name", "rex"], "--each: each concept is called as its folder"),
        (["{pets}/tom", "{pets}/tom/1.png", "--each"], "1.png: no folder. Expected folders"),
        (["{pets}/tom", "{pets}/../pets/tom", "--each"], "two folders are called 'tom'"),
        (["{pets}/tom", "{pets}/none", "--each"], "none: no folder"),
    ],
)
def test_what_cannot_be_learned_is_said_before_anything_is(folders, arguments, said):
    pets = str(folders[0].parent)
    with pytest.raises(SystemExit, match=f"^unictoken: .*{said}"):
        main(["learn", *(word.format(pets=pets) for word in arguments)])


def test_one_concept_in_two_processes_is_refused(folders, monkeypatch):
    from unictoken.core.launch import Launch

    monkeypatch.setattr("unictoken.core.launch.launch", lambda: Launch(1, 2, 1, 2))
    with pytest.raises(SystemExit, match="found 2 processes, and `learn` spreads concepts"):
        main(["learn", str(folders[0]), "--name", "tom"])
