"""Runs and talk of the page with the small base; and the whole page, with a browser."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

from unictoken.app.runs import Runs, Wanted
from unictoken.app.talk import Talk
from unictoken.app.turn import Turn
from unictoken.serve.limits import Limits
from unictoken.serve.shelf import Shelf
from unictoken.serve.worker import Worker

METHOD = """
method:
  name: short
  tokens: {shared: 4}
  stages: [{steps: 4, batch: 4}]
"""


@pytest.fixture(scope="session")
def method_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("method") / "short.yaml"
    file.write_text(METHOD, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def wanted(toy_folder, method_file):
    """A form that is filled in, with other values where a test says so."""
    others = sorted((toy_folder / "negative_example").iterdir())[::9]

    def filled(name="rex", **more):
        pictures = tuple(sorted(toy_folder.glob("*.png"))[:3])
        said = {"name": name, "class_noun": "dog", "pictures": pictures, "others": tuple(others)}
        return Wanted(**said | {"method": str(method_file)} | more)

    return filled


@pytest.fixture
def make_runs(base, tmp_path):
    """Makes the runs of one program after another, in the same folders."""
    made = []

    def make(turn=None, folder="runs"):
        runs = Runs(base, tmp_path / "shelf", tmp_path / folder, turn or Turn())
        made.append(runs)
        return runs

    yield make
    for runs in made:
        runs.close(20)


@pytest.fixture(scope="module")
def talk(base, make_concept, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("rocky", "chester"):
        make_concept(name, shared=1).save(folder / f"{name}.safetensors")
    turn, limits = Turn(), Limits()
    worker = Worker(base, Shelf(base, folder, limits), limits, turn)
    worker.start()
    yield Talk(worker, turn)
    worker.close(5)
