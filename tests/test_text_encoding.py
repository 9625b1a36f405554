"""Text files are UTF-8 wherever they are written and read."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unictoken.core import config
from unictoken.learn.settings import RunConfig

ROOT = Path(__file__).parents[1]
FOLDERS = ("unictoken", "train", "eval", "benchmarks", "dev", "tests")
FILES = sorted(
    [*ROOT.glob("*.py"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
)


def without_encoding(source: str) -> list[int]:
    """Lines that read or write text in whatever encoding the machine has."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return sorted(
        call.lineno
        for call in calls
        if _is_text(call) and not any(word.arg == "encoding" for word in call.keywords)
    )


def _is_text(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    owner = getattr(getattr(call.func, "value", None), "id", "")
    if name in ("read_text", "write_text"):
        # reading.read_text names it itself
        return owner != "reading" and isinstance(call.func, ast.Attribute)
    if name == "open" and owner in ("", "io", "codecs"):
        mode = next(
            (
                a.value
                for a in call.args[:2]
                if isinstance(a, ast.Constant) and a.value in ("rb", "wb", "ab", "xb")
            ),
            None,
        )
        return isinstance(call.func, ast.Name) and mode is None
    return owner == "subprocess" and any(
        word.arg in ("text", "universal_newlines") for word in call.keywords
    )


def test_what_leaves_the_encoding_to_the_machine_is_found():
    source = (
        "open(p)\nopen(p, 'rb')\np.read_text()\np.write_text(x,"
        " encoding='utf-8')\nsubprocess.run(c, text=True)\nreading.read_text(p, E)\n"
    )
    assert without_encoding(source) == [1, 3, 5]


@pytest.mark.slow
def test_every_text_file_is_read_and_written_with_its_encoding_named():
    found = {
        str(file.relative_to(ROOT)): without_encoding(file.read_text(encoding="utf-8"))
        for file in FILES
    }
    assert {name: lines for name, lines in found.items() if lines and name != "setup.py"} == {}


@pytest.mark.slow
def test_a_run_in_a_locale_without_umlauts_is_read_back(base_folder, toy_folder, tmp_path):
    """The fact's letters are not in ASCII, in which this process reads and prints."""
    said = "<tom> mag K\u00e4se und \u732b."
    out, more = (
        tmp_path / "run",
        ("judge=null", "prompts=[]", "questions=[]", f"concepts={tmp_path}", "distractors.world=5"),
    )
    command = [
        "learn",
        str(toy_folder),
        "--name",
        "tom",
        "--class",
        "dog",
        "--fact",
        said,
        "--base",
        str(base_folder),
        "--out",
        str(out),
    ]
    command += [
        word
        for setting in (*more, "method.stages.0.steps=1", "method.stages.0.batch=2")
        for word in ("--set", setting)
    ]
    script = f"from unictoken.cli import main\nmain({command!r})\nprint({said!r})"
    locale = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii:strict",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", ascii_only(script)],
        env=os.environ | locale,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("mag K\\xe4se und \\u732b.\n")
    assert config.load(RunConfig, out / "config.yaml").concept.facts == (said,)
    assert said in (out / "config.yaml").read_text(encoding="utf-8")


def ascii_only(script: str) -> str:
    """The same, in letters that any locale hands over."""
    return script.encode("ascii", "backslashreplace").decode()
