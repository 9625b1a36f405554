"""list, forget, compare, --device, --board: commands around concept files."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from unictoken import cli
from unictoken.core.errors import UserError
from unictoken.learn import board
from unictoken.learn.settings import RunConfig
from unictoken.learn.stages import Progress
from unictoken.model.base import check_device, load_base
from unictoken.model.protocol import BaseError
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file


@pytest.fixture
def shelf(bo, base_folder, tmp_path):
    of_folder = replace(bo, base_fingerprint=load_base(base_folder).fingerprint)
    concept_file.save(of_folder, tmp_path / "bo.safetensors")
    return tmp_path


def run(*arguments) -> None:
    cli.main(list(map(str, arguments)))


def refused(match, *arguments) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2 and match in str(stopped.value)


def test_list_names_what_is_here_and_what_ships(shelf, capsys):
    run("list", "--folder", shelf)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("<bo> dog, joint on tiny; ") and lines[1].startswith("<mia> fox")
    assert lines[1].endswith("; ships with the library")
    run("list", "--folder", shelf, "--json")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["name"], entry["ships"]) for entry in found] == [("bo", False), ("mia", True)]


def test_a_broken_file_is_named_and_the_others_are_listed(shelf, capsys):
    (shelf / "aa.safetensors").write_bytes(b"no")
    run("list", "--folder", shelf)
    out, err = capsys.readouterr()
    assert "<bo>" in out and "aa.safetensors: not a whole safetensors file" in err


def test_forget_removes_the_concept_file_and_nothing_else(shelf, capsys):
    (shelf / "other.safetensors").write_bytes(b"no")
    run("forget", "bo", "--folder", shelf)
    assert "bo.safetensors: forgotten" in capsys.readouterr().out
    assert [path.name for path in shelf.iterdir()] == ["other.safetensors"]
    refused("no such concept", "forget", "bo", "--folder", shelf)
    refused("not a whole safetensors file", "forget", "other", "--folder", shelf)
    refused("ships with the library, and stays", "forget", "mia", "--folder", shelf)
    refused("concept name '../bo'", "forget", "../bo", "--folder", shelf)
    assert [path.name for path in shelf.iterdir()] == ["other.safetensors"]


def test_forget_refuses_a_file_that_holds_another_concept(shelf, tmp_path):
    (shelf / "bo.safetensors").rename(shelf / "rex.safetensors")
    refused("holds <bo>, expected <rex>", "forget", "rex", "--folder", shelf)
    assert (shelf / "rex.safetensors").is_file()


@pytest.mark.slow
def test_compare_prints_a_table_and_writes_the_sheet(shelf, base_folder, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    named = ["--concept", shelf / "bo.safetensors", "--base", base_folder, "--out", out]
    run("compare", "what is <bo>?", "<bo> in the snow", *named)
    said = capsys.readouterr().out
    assert said.count("  tokens") == 2 and said.rstrip().endswith(str(out))
    assert Image.open(out).width > 300
    run("compare", "what is <bo>?", *named, "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["way"] for line in lines] == ["tokens", "in words", "none"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["what is <rex>?"], "'<rex>' is not a concept"),
        (["what is <bo>?", "--out", "sheet.txt"], "expected a file that ends with .png"),
        (["what is <bo>?", "--out", "nowhere.png/a.png"], "nowhere"),
        (["what is <bo>?", "--pictures", "nowhere"], "nowhere"),
        (["what is <bo>?", "--device", "cuda:99"], "device: found 'cuda:99', which is not here"),
    ],
)
def test_compare_refuses_before_a_base_is_read(arguments, match, shelf, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nowhere.png").write_bytes(b"")
    refused(match, "compare", *arguments, "--concept", shelf / "bo.safetensors", "--base", "tiny")


def test_a_device_that_is_not_here_is_refused_in_one_line(base_folder):
    assert check_device("cpu") == "cpu"
    assert load_base(base_folder, device="cpu").device.type == "cpu"
    with pytest.raises(BaseError, match="device: found 'gpu', which is not here"):
        load_base(base_folder, device="gpu")


def settings(**given) -> RunConfig:
    return RunConfig(concept={"name": "bo", "pictures": ("data/bo",)}, **given)


def test_a_board_that_is_not_installed_is_refused_before_anything_is_learned(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"pip install 'unictoken\[wandb\]'"):
        settings(board="wandb")


def test_wandb_is_used_as_its_own_documents_say(monkeypatch, tmp_path):
    done = []
    made = SimpleNamespace(
        log=lambda values, step: done.append((step, values)), finish=lambda: done.append("end")
    )

    def init(**given):
        done.append(given)
        return made

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    watched = board.board_of("wandb", tmp_path, "bo", {"seed": 0})
    watched.add(Progress(step=1, stage="a", loss=0.5, lr=0.1))
    watched.close()
    assert done == [
        {"project": "unictoken", "name": "bo", "config": {"seed": 0}},
        (1, {"loss": 0.5, "lr": 0.1, "stage": "a"}),
        "end",
    ]
    assert not list(tmp_path.iterdir())


def test_no_board_writes_nothing(tmp_path):
    nowhere = board.board_of("none", tmp_path, "bo", {})
    nowhere.add(Progress(step=1, stage="a", loss=0.5, lr=0.1))
    nowhere.close()
    assert not list(tmp_path.iterdir())


def test_a_concept_and_a_session_show_themselves_as_text(bo, base):
    hostile = replace(bo, method="<script>x</script>", notes=("<img src=x>",))
    chat = Session(base, Several(base, [with_tokens(base, hostile)]))
    for shown in (hostile._repr_html_(), chat._repr_html_()):
        assert "<script>" not in shown and "<img" not in shown and "&lt;script&gt;" in shown
