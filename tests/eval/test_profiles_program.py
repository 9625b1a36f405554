"""eval/profiles.py, from its config to its page."""

import importlib.util
from pathlib import Path

import pytest

from unictoken.core.errors import Refused

PROGRAM = Path(__file__).parents[2] / "eval" / "profiles.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("eval_profiles", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_call_writes_the_page_and_its_numbers(program, base_folder, tmp_path):
    settings = tmp_path / "small.yaml"
    settings.write_text(
        f"base: {base_folder}\nusers: 1\nper_user: 1\nconcepts: 1\nmax_ids: 2\n"
        "ways: [none, bm25]\nparts: [answers, extraction]\n",
        encoding="utf-8",
    )
    out = tmp_path / "profiles.md"
    program.main(["--config", str(settings), "--set", f"out={out}"])
    page = out.read_text(encoding="utf-8")
    assert "| bm25 |" in page and "## Persona prediction" in page
    assert out.with_suffix(".json").is_file()


def test_a_mistake_in_the_config_is_one_line(program, tmp_path, capsys):
    settings = tmp_path / "wrong.yaml"
    settings.write_text("uzers: 1\n", encoding="utf-8")
    with pytest.raises(Refused):
        program.main(["--config", str(settings)])
    said = capsys.readouterr().err.strip()
    assert "unknown key 'uzers'" in said and "\n" not in said
