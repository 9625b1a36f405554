"""Every example in a docstring runs, and gives what it says."""

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import unictoken

ROOT = Path(__file__).parents[1]


def modules_with_examples() -> list[str]:
    modules = pkgutil.walk_packages(unictoken.__path__, "unictoken.")
    files = {m.name: Path(importlib.util.find_spec(m.name).origin) for m in modules}
    return sorted(name for name, file in files.items() if ">>>" in file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def given():
    """What examples may use without saying where it comes from."""
    vocab = SimpleNamespace(begin=(0,), turn=lambda ids: [*ids, 6])
    return {"base": unictoken.load("tiny", device="cpu"), "vocab": vocab}


@pytest.mark.slow
@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_are_true(name, given, monkeypatch):
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs=given, optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
