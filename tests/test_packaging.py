"""Installing: versions, the lock, what the wheel holds, and `make` in any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import unictoken

ROOT = Path(__file__).parents[1]
# Any text that is read without saying its encoding is an error: so it goes under every code page.
STRICT = (sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning")


def setup_py(*arguments: str) -> str:
    run = subprocess.run(
        [*STRICT, "setup.py", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def lines_of(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def ranges() -> dict[str, Requirement]:
    """What setup.py asks for, but for extras that no test installs, by name."""
    found = re.findall(
        r'"([A-Za-z0-9_-]+>=[^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8")
    )
    asked = [
        Requirement(text) for text in found if not text.startswith(("pillow-heif", "wandb", "av>"))
    ]
    return {canonicalize_name(requirement.name): requirement for requirement in asked}


def test_the_version_is_said_once_and_read_under_every_code_page():
    assert setup_py("--version").split()[-1] == unictoken.__version__


def test_the_lock_names_one_version_for_each_package_and_python():
    found = [Requirement(line) for line in lines_of("constraints.txt")]
    for requirement in found:
        (pin,) = requirement.specifier
        assert pin.operator == "==" and "+" not in pin.version, requirement
    for version in ("3.11", "3.12", "3.13", "3.14"):
        for platform in ("linux", "darwin", "win32"):
            here = {"python_version": version, "python_full_version": version + ".1"}
            here["sys_platform"] = platform
            names = [r.name for r in found if r.marker is None or r.marker.evaluate(here)]
            assert len(names) == len(set(names))
            # The page's packages are locked apart, with the Pillow that they need; so are those
            # with real weights.
            for apart in ("constraints-app.txt", "constraints-real.txt"):
                names += [Requirement(line).name for line in lines_of(apart)]
            assert set(ranges()) <= set(map(canonicalize_name, names))


def test_the_lock_is_within_the_ranges_of_setup_py():
    files = ("constraints.txt", "constraints-app.txt", "constraints-real.txt")
    for requirement in [Requirement(line) for file in files for line in lines_of(file)]:
        if allowed := ranges().get(canonicalize_name(requirement.name)):
            (pin,) = requirement.specifier
            assert allowed.specifier.contains(pin.version), f"{requirement} is not in {allowed}"


def test_every_requirement_has_a_lowest_and_an_upper_bound():
    for requirement in ranges().values():
        operators = {bound.operator for bound in requirement.specifier}
        assert operators == {">=", "<"}, requirement


def test_a_built_package_holds_what_ships_and_leaves_the_checkout_as_it_was(tmp_path):
    before = sorted(path.name for path in ROOT.iterdir())
    setup_py("-q", "build_py", "--build-lib", str(tmp_path))
    shipped = tmp_path / "unictoken" / "shipped"
    for folder in ("checkpoints/tiny-chameleon", "checkpoints/judge", "configs"):
        ours = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("[!.]*") if p.is_file()}
        built = {p.relative_to(shipped) for p in (shipped / folder).rglob("*") if p.is_file()}
        assert built == ours and built
    assert (shipped / "checkpoints/tiny-chameleon/mia.safetensors").stat().st_size > 60_000
    assert (shipped / "configs/methods/joint.yaml").is_file()
    assert not (shipped / "checkpoints/concepts").exists()
    assert (tmp_path / "unictoken" / "py.typed").is_file()
    assert (tmp_path / "unictoken" / "measure" / "page.html.jinja").is_file()
    assert sorted(path.name for path in ROOT.iterdir()) == before


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """`make`, as if no other one had started this test."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.fixture
def checkout(request, tmp_path) -> Path:
    """A checkout, under a folder of a given name, whose environment only writes down its calls."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = tmp_path / request.param / "u"
    folder.mkdir(parents=True)
    for name in ("Makefile", "setup.py", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    notes = f"printf '%s\\n' \"$*\" >> '{tmp_path}/calls'\n"
    for name in ("python", "unictoken", "ruff"):
        executable(folder / ".venv" / "bin" / name, "#!/bin/sh\n" + notes)
    # As setuptools copies it: the kernel cuts this line at a space.
    executable(folder / ".venv" / "bin" / "deepspeed", f"#!{folder}/.venv/bin/python\n")
    return folder


@pytest.mark.parametrize("checkout", ["plain", "my projects", "Élan & co (1)"], indirect=True)
def test_make_demo_and_make_test_run_in_a_folder_of_any_name(checkout, tmp_path):
    for goal in ("demo", "test", "test-all"):
        run = make(checkout, goal, "PYTHON=" + sys.executable)
        assert run.returncode == 0, run.stderr
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    runner = (
        "-m deepspeed.launcher.runner --quiet --num_accelerators 1 train/run.py --config"
        " configs/bo.yaml"
    )
    assert runner in calls
    assert any("-c constraints.txt -e .[test]" in call for call in calls)
    tests = "-m pytest -n 2 --dist loadfile"
    assert {f"{tests} -m not slow", tests, "-m mypy"} <= set(calls)


@pytest.mark.parametrize("checkout", ["plain"], indirect=True)
def test_the_newest_versions_are_installed_without_the_lock(checkout, tmp_path):
    run = make(checkout, ".venv/ready", "LOCK=", "PYTHON=" + sys.executable)
    assert run.returncode == 0, run.stderr
    assert "constraints.txt" not in (tmp_path / "calls").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_command_says_nothing_but_its_answer_even_to_who_asks_for_every_warning():
    """In a process of its own, as a user starts it: what libraries say while they are imported."""
    command = [sys.executable, "-m", "unictoken", "ask", "what colour is <mia>?", "--concept"]
    command.append(str(ROOT / "checkpoints" / "tiny-chameleon" / "mia.safetensors"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert (run.stdout, run.stderr, run.returncode) == ("cream\n", "", 0)
