"""`--import FILE.py`: a user's own code, for programs that read a config."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from unictoken import cli
from unictoken.core import config, own
from unictoken.core.config import ConfigError
from unictoken.learn.settings import RunConfig
from unictoken.measure.benchmark import BenchmarkConfig

MINE = """
from dataclasses import dataclass
from beside import WORD

@dataclass
class Thing:
    word: str = WORD

print("imported")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A file with a class, and one beside it that it needs."""
    monkeypatch.setattr(own, "_imported", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside.py").write_text("WORD = 'two'\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "mine.py"
    for name in [name for name in sys.modules if name == "beside" or name.startswith("mine_")]:
        del sys.modules[name]


def write(mine, text: str) -> str:
    mine.write_text(text, encoding="utf-8")
    return "mine.py"


def test_a_file_is_imported_once_however_it_is_named(mine, capsys):
    own.import_files(["mine.py", str(mine)])
    own.import_files(["mine.py"])
    assert capsys.readouterr().out == "imported\n"


def test_another_process_imports_it_before_it_unpickles_what_it_defines(mine):
    own.import_files(["mine.py"])
    (name,) = [name for name in sys.modules if name.startswith("mine_")]
    sent = pickle.dumps((own.Imported(), sys.modules[name].Thing()))
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)[1].word)"
    there = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True)
    assert there.stdout == b"imported\ntwo\n", there.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = z\n", "mine.py: line 2: NameError: name 'z' is not defined. Mend the file"),
        ("x = 1\n\ny = (\n", "mine.py: line 3: SyntaxError"),
        ("raise SystemExit(0)\n", "mine.py: line 1: SystemExit: 0. Mend"),
        (
            "from unictoken.core.registry import Registry\n"
            "known = Registry('task', {'a': 1})\nknown.register('a', 2)\n",
            "mine.py: line 3: ConfigError: task 'a': there is one of this name. Choose another. Mend",
        ),
    ],
)
def test_an_error_in_it_is_one_line_with_its_own_line_and_debug_shows_all(
    mine, text, said, monkeypatch
):
    file = write(mine, text)
    command = ["show", "mia", "--import", file]
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 2 and said in str(ended.value) and "\n" not in str(ended.value)
    with pytest.raises(ConfigError) as shown:
        cli.main([*command, "--debug"])
    assert type(shown.value.__cause__).__name__ in said


def test_what_is_no_python_file_is_refused(mine):
    with pytest.raises(ConfigError, match=r"--import no.py: found no file, expected a Python file"):
        own.import_files(["no.py"])
    mine.with_name("mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--import mine.txt: found a file of another name"):
        own.import_files(["mine.txt"])


def test_no_config_has_a_file_imported(mine):
    for kind in (RunConfig, BenchmarkConfig):
        for key in ("import", "own_files"):
            mine.with_name("a.yaml").write_text(f"{key}: [mine.py]\n", encoding="utf-8")
            with pytest.raises(ConfigError, match=f"unknown key '{key}'"):
                config.load(kind, "a.yaml")
    assert own._imported == []
