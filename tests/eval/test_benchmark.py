import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_benchmark import SMALL, write_config

from unictoken import tasks
from unictoken.core import own
from unictoken.core.lock import hold
from unictoken.measure import controls
from unictoken.toy.dataset import write_dataset


@pytest.fixture(scope="module")
def program():
    """eval/run.py, which is a program beside the package."""
    spec = importlib.util.spec_from_file_location(
        "eval_run", Path(__file__).parents[2] / "eval" / "run.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_run"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def config_file(base_folder, tmp_path, monkeypatch):
    """A small benchmark: two concepts, one picture of each kind, one drawing."""
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    return write_config(
        tmp_path,
        base_folder,
        controls="[none, text_prompt, wrong_concept]",
        page=tmp_path / "toy.html",
    )


@pytest.mark.slow
def test_a_benchmark_writes_its_table_with_controls(program, config_file, capsys):
    program.main(["--config", str(config_file), "--methods", "joint"])
    result = json.loads(config_file.with_name("toy.json").read_text(encoding="utf-8"))
    assert list(result["mean"]) == ["joint", "none", "text_prompt", "wrong_concept"]
    assert (
        result["seed"] == 1
        and len(result["rows"]) == 8
        and result["command"].startswith("python eval/run.py --config")
    )
    own = [row["vqa"] for row in result["rows"] if row["method"] == "joint"]
    assert result["mean"]["joint"]["vqa"] == round(sum(own) / 2, 4)
    shown = capsys.readouterr().out
    assert "| joint |" in shown and shown.strip() in config_file.with_name("toy.md").read_text(
        encoding="utf-8"
    )
    assert "<figure>" in config_file.with_name("toy.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_one_concept_is_measured_without_a_wrong_one(program, config_file):
    write_dataset(data := config_file.with_name("one"), seed=5, num_concepts=1)
    for settings in ((f"data={data}",), ("num_concepts=1",)):
        program.main(
            ["--config", str(config_file), *(part for key in settings for part in ("--set", key))]
        )
        result = json.loads(config_file.with_name("toy.json").read_text(encoding="utf-8"))
        assert list(result["mean"]) == ["joint", "none", "text_prompt"] and len(result["rows"]) == 3
        assert any(
            note.startswith("wrong_concept: left out, as there is one concept")
            for note in result["notes"]
        )
        assert set(result["half_width"]["joint"].values()) == {None}
        table = config_file.with_name("toy.md").read_text(encoding="utf-8")
        assert "| joint |" in table and "*wrong_concept*" not in table and "±" not in table


@pytest.fixture
def registered(monkeypatch):
    """Tasks and controls as they are, whatever a test adds."""
    monkeypatch.setattr(own, "_imported", [])
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    monkeypatch.setattr(controls, "OWN", {})


@pytest.mark.slow
def test_two_workers_find_what_one_does_and_a_mistake_of_one_is_one_line(
    program, config_file, registered
):
    """With a task and a control of a user's own file, which each worker reads."""
    found, of_own = {}, ("--import", str(Path(__file__).with_name("ears.py")))

    def asked(*more: str) -> list[str]:
        return ["--config", str(config_file), *(part for key in more for part in ("--set", key))]

    def written() -> dict:
        return json.loads(config_file.with_name("toy.json").read_text(encoding="utf-8"))

    for workers in (1, 2):
        work = config_file.with_name(f"work-{workers}")
        usual = ",".join(tasks.USUAL)
        alike = "controls=[none, wrong_concept, said]", f"tasks=[{usual},ears]"
        command = asked(f"workers={workers}", f"work={work}", *alike)
        if workers == 1:
            with pytest.raises(SystemExit, match="unknown 'said'"):
                program.main(command)
        program.main([*command, *of_own])
        numbers = written()
        found[workers] = {key: numbers[key] for key in ("mean", "rows", "run")}
    assert found[1] == found[2] and "--import" in numbers["command"]
    assert list(numbers["mean"]) == ["joint", "none", "wrong_concept", "said"]
    assert len(numbers["rows"]) == 8
    assert all(row["ears"] == 0.0 and "text_qa" in row for row in numbers["rows"])
    ears = asked(f"work={work}", "controls=[none, said]", "tasks=[ears]", "page=null")
    program.main([*ears, *of_own])  # what was learned is there
    numbers = written()
    assert list(numbers["mean"]) == ["joint", "none", "said"] and len(numbers["rows"]) == 6
    assert all(row["ears"] == 0.0 and "text_qa" not in row for row in numbers["rows"])
    for file in work.glob("*/concepts/*/tom.safetensors"):
        file.write_bytes(b"not rows")
    for file in work.glob("*/predictions/*.jsonl"):
        file.unlink()
    with pytest.raises(
        SystemExit, match="^eval/run.py: .*tom.safetensors: not a whole safetensors file"
    ) as stopped:
        program.main([*command, *of_own])
    assert "\n" not in str(stopped.value) and stopped.value.code == 2


@pytest.mark.slow
def test_two_processes_write_the_table_of_one_though_one_of_them_was_killed(program, config_file):
    program.main(["--config", str(config_file)])
    of_one = json.loads(config_file.with_name("toy.json").read_text(encoding="utf-8"))
    work = config_file.with_name("work-of-two")
    launched(config_file, work, status=1, DIES="1")
    (left,) = work.glob("*/predictions/*.1")
    measured = left.read_text(encoding="utf-8").splitlines()
    config_file.with_name("toy.json").unlink()

    printed = launched(config_file, work, status=0)
    assert printed.count("| joint |") == 1 and "Traceback" not in printed
    of_two = json.loads(config_file.with_name("toy.json").read_text(encoding="utf-8"))
    assert of_one.pop("command") != of_two.pop("command") and of_one == of_two
    kept = left.with_suffix("").read_text(encoding="utf-8").splitlines()
    assert measured and set(measured) <= set(kept) and len(kept) == len(set(kept))
    assert files_of(work) == files_of(config_file.with_name("work"))


def files_of(work: Path) -> set[str]:
    return {str(file.relative_to(work)) for file in work.rglob("*") if file.is_file()}


def launched(config_file: Path, work: Path, *, status: int, **environment: str) -> str:
    """What the benchmark prints that torchrun starts in two processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    program = [str(Path(__file__).with_name("small_benchmark.py")), "--config", str(config_file)]
    own = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, *launcher, *program, "--set", f"work={work}"],
        env={**os.environ, **own, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=240,
    )
    assert ended.returncode == status, ended.stdout
    return ended.stdout


@pytest.mark.slow
def test_the_page_shows_so_many_concepts_and_says_what_it_left_out(program, config_file):
    command = ["--config", str(config_file), "--set", "controls=[none]"]
    shown = {}
    for number in (3, 1):
        program.main([*command, "--set", f"page_concepts={number}"])
        shown[number] = config_file.with_name("toy.html").read_text(encoding="utf-8")
    assert [html.count("<section") for html in shown.values()] == [2, 1]
    said = "The scores are of 2 concepts; the first 1 are shown below."
    assert said not in shown[3] and said in shown[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--set", "num_concepts=0"), "num_concepts: found 0, expected 1 to 1000"),
        (("--set", "workers=0"), "workers: found 0, expected 1 to 256"),
        (("--set", "page_concepts=-1"), "page_concepts: found -1, expected 0 or more"),
        (("--set", f"references={10**30}"), "references: found 100000"),
        (("--set", "sede=1"), "unknown key 'sede'; did you mean 'seed'"),
        (
            ("--set", "controls=[nothing]"),
            "controls: unknown 'nothing', expected some of none, class_noun",
        ),
        (("--methods", "joynt"), "--methods: 'joynt' is not among the config's: joint"),
        (("--set", "data=nowhere"), "nowhere: no such folder"),
        (("--set", "out=."), "out: .: it, or the table beside it, is a folder"),
        (
            ("--set", "similarity=[clip_i]", "--set", "encoder_weights={clip-vit-b32: nowhere}"),
            "nowhere",
        ),
    ],
)
def test_a_mistake_is_said_in_one_line(program, config_file, more, said):
    with pytest.raises(SystemExit, match=f"^eval/run.py: .*{re.escape(said)}"):
        program.main(["--config", str(config_file), *more])


@pytest.mark.slow
def test_a_second_benchmark_of_the_same_config_is_told_who_runs_it(program, config_file):
    work = config_file.with_name("work")
    program.main(["--config", str(config_file), "--methods", "joint"])
    [folder] = work.iterdir()
    kept = (folder / "predictions").iterdir()
    before = {file.name: file.read_bytes() for file in kept}
    told = pytest.raises(SystemExit, match=f"{folder}: process {os.getpid()} on .* `work:`")
    with hold(folder / ".lock", "another", instead=""), told:
        program.main(["--config", str(config_file)])
    assert before == {file.name: file.read_bytes() for file in (folder / "predictions").iterdir()}
    assert not list(folder.rglob(".lock"))
