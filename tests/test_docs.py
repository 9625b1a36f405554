"""The pages of docs/: their code runs, and what they name is there.

Python blocks of a page share one namespace; lines of shell that begin with `unictoken` or
`python eval/run.py` run in this process. A block with a title is a file. What stands under
`<!-- not run: ... -->` is parsed, and its configs are read.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import glob
import importlib
import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from pages import DOCS, ROOT, Block, blocks_of, lines_of, text_of
from small_benchmark import SMALL

from unictoken import api, cli, tasks
from unictoken.core import config, own, shipped
from unictoken.data import records, source
from unictoken.learn import methods, run, settings
from unictoken.measure import benchmark, controls, users
from unictoken.model import base as bases
from unictoken.model import chameleon, draw
from unictoken.personalize import profile, retrieval
from unictoken.tasks import teaching
from unictoken.tokens import file as concept_file
from unictoken.tokens import tokens

PROGRAMS = {"train/run.py": settings.RunConfig, "eval/run.py": benchmark.BenchmarkConfig}
LAUNCHERS = {"--num_accelerators", "--nproc_per_node", "--logdir"}
SHELL = {"cat", "cd", "export", "tensorboard"}
QUICK = {"prompts": [], "questions": [], "judge": None, "other": None}
ONE_STEP = ("method.stages.0.steps=1", "method.stages.0.batch=2")
REGISTRIES = (
    records.ROWS, run.METHODS, methods.KINDS, methods.OBJECTIVES, controls.OWN, tasks.TASKS,
    retrieval.RETRIEVERS, bases.FAMILIES,
)  # fmt: skip
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
INLINE = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"([a-z_][\w.]*)(?:=|: )\S.*")
DOTTED = re.compile(r"(?<![\w/.'-])unictoken(?:\.[A-Za-z_]\w*)+")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Learning in one step, few toy pictures, each base loaded once, and what pages register gone
    afterwards.
    """
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(chameleon.Chameleon, "load", classmethod(_load))
    monkeypatch.setattr(api, "STEPS", 1)
    monkeypatch.setattr("unictoken.learn.tell.OTHERS", 4)
    monkeypatch.setattr("unictoken.learn.tell.OF_EACH_SCENE", 1)
    given, into = api.chosen_method, api._learn_into
    monkeypatch.setattr(api, "chosen_method", lambda *settings: _short(given(*settings)))
    monkeypatch.setattr(
        api, "_learn_into", lambda where, base, asked, one: into(where, base, asked | QUICK, one)
    )
    monkeypatch.setattr("unictoken.measure.report.finish", _keep)
    monkeypatch.setattr(own, "_imported", [])
    monkeypatch.setattr("unictoken.core.progress._hidden", False)  # programs may hide bars
    before = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, known in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(known)


def _keep(base, asked, learned):
    """The concept file alone: other tests look at reports."""
    path = concept_file.path_of(asked.concept.name, asked.concepts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(learned.save(path))


_plain_load = chameleon.Chameleon.load.__func__


@functools.cache
def _load(kind, path, name, **how):
    return _plain_load(kind, path, name, **how)


def _short(method):
    if not isinstance(method, methods.Method):
        return method
    stages = tuple(dataclasses.replace(s, steps=min(s.steps, 1), batch=2) for s in method.stages)
    return dataclasses.replace(method, stages=stages)


@functools.cache
def eval_program():
    spec = importlib.util.spec_from_file_location("eval_run_of_docs", ROOT / "eval" / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a page is followed: a checkout's programs and configs, and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "data", "eval"):
        os.symlink(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def served(request, tmp_path_factory):
    """The address of a server with the included concept, for the page about it."""
    from unictoken.serve.server import Server

    shelf = tmp_path_factory.mktemp("shelf")
    shutil.copy(shipped.find_concept("mia"), shelf)
    with Server(api.load("tiny", device="cpu"), shelf, port=0) as server:
        yield server.url


@pytest.mark.slow
@pytest.mark.parametrize("page", DOCS)
def test_the_blocks_of_a_page_run_in_their_order(page, folder, request):
    text = text_of(page)
    if "127.0.0.1:8000" in text:
        text = text.replace("http://127.0.0.1:8000", request.getfixturevalue("served"))
    namespace = {"__name__": "__docs__"}
    for block in blocks_of(text):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            code = compile(block.text, page, "exec")
            if block.why is None:
                exec(code, namespace)
        elif block.language == "bash":
            for words in lines_of(block.text):
                check(words)
                if block.why is None:
                    follow(words)


def follow(words: list[str]) -> None:
    """Run a line, where it is one of ours."""
    words = [part for word in words for part in sorted(glob.glob(word)) or [word]]
    if words[0] == "unictoken":
        cli.main(words[1:] + (_in_short(words) if words[1] == "learn" else []))
    elif words[:2] == ["python", "eval/run.py"]:
        eval_program().main(words[2:])
    else:
        assert words[0] in {"pip", "make", *SHELL}, f"{words}: say why it is not run"


def _in_short(words: list[str]) -> list[str]:
    """What makes a line of `unictoken learn` short, after its own settings."""
    own_method = words[words.index("--method") + 1] if "--method" in words else ""
    optimises = not own_method.endswith(".yaml") or "kind:" not in Path(own_method).read_text(
        encoding="utf-8"
    )
    keys = (*(ONE_STEP if optimises else ()), *(f"{key}={json.dumps(QUICK[key])}" for key in QUICK))
    return [part for key in keys for part in ("--set", key)]


def check(words: list[str]) -> None:
    """Refuse a line with a program, an option, a config or a key that is not there."""
    if words[0] == "unictoken":
        cli.parser().parse_args(words[1:])
    elif words[0] == "pip":
        for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
            assert f'"{extra}": ' in (ROOT / "setup.py").read_text(encoding="utf-8"), extra
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    elif words[0] not in SHELL:
        assert words[0] in ("python", "deepspeed", "torchrun"), words
        _check_program(words[1:])


def _check_program(words: list[str]) -> None:
    if "-m" in words:
        assert words[words.index("-m") + 1] == "unictoken"
        cli.parser().parse_args(words[words.index("-m") + 2 :])
        return
    program = next(word for word in words if word.endswith(".py"))
    given = words[words.index(program) + 1 :]
    said = {word for word in given if word.startswith("--")}
    assert said <= set(FLAG.findall((ROOT / program).read_text(encoding="utf-8"))) | {"--import"}
    pairs = list(zip(given, given[1:], strict=False))
    if program in PROGRAMS:
        own.import_files([value for flag, value in pairs if flag == "--import"])
        place = next(value for flag, value in pairs if flag == "--config")
        config.load(PROGRAMS[program], place, [value for flag, value in pairs if flag == "--set"])


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of its commands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for one in action.choices.values() for option in options_of(one)}
    return found


def keys_of_configs() -> set[str]:
    """The names of every setting, whatever config it stands in; and of info.json."""
    modules = (settings, methods, benchmark, users, draw, teaching, tokens, profile)
    kinds = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    return names | set(source.INFO_KEYS) | {*methods.OBJECTIVES, *tasks.TASKS, *run.METHODS}


@pytest.mark.parametrize("page", DOCS)
def test_every_option_that_a_page_names_is_there(page):
    more = ("eval/memory.py", "eval/profiles.py", "train/textual_inversion.py")
    programs = [ROOT / name for name in (*PROGRAMS, *more)]
    known = options_of(cli.parser()) | LAUNCHERS
    for program in (*programs, ROOT / "benchmarks" / "seven_b.py"):
        known |= set(FLAG.findall(program.read_text(encoding="utf-8")))
    text = re.sub("<!--.*?-->", "", text_of(page), flags=re.DOTALL)
    assert set(FLAG.findall(text)) - known == set()


@pytest.mark.parametrize("page", DOCS)
def test_every_setting_that_a_page_names_is_there(page):
    text = text_of(page)
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    said = [found for code in INLINE.findall(prose) if (found := SETTING.fullmatch(code))]
    paths = {found[1] for found in said} | {
        key for block in blocks_of(text) if block.language == "yaml" for key in _keys(block)
    }
    # Tasks and settings that the page's own files define.
    own_names = set(re.findall(r'name = "(\w+)"|^    (\w+): \w+ = ', text, re.MULTILINE))
    own_names = {name for pair in own_names for name in pair}
    parts = {path.split(".")[-1] for path in paths}
    assert parts - keys_of_configs() - own_names == set()


def _keys(block: Block) -> set[str]:
    def walk(value):
        if isinstance(value, dict):
            yield from value
            for one in value.values():
                yield from walk(one)
        elif isinstance(value, list):
            for one in value:
                yield from walk(one)

    return {str(key) for key in walk(yaml.safe_load(block.text))}


@pytest.mark.parametrize("page", DOCS)
def test_every_name_of_the_package_that_a_page_says_is_there(page):
    for name in set(DOTTED.findall(text_of(page))):
        assert _found(name) is not None, name


def _found(name: str) -> object:
    parts, value = name.split("."), importlib.import_module("unictoken")
    for i, part in enumerate(parts[1:], 2):
        # A module first: `unictoken.learn` is also a function.
        try:
            value = importlib.import_module(".".join(parts[:i]))
        except ModuleNotFoundError:
            value = getattr(value, part)
    return value


def test_the_navigation_names_every_page():
    said = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1].split("\n\n")[0]
    named = {f"docs/{page}" for page in re.findall(r"[\w/-]+\.md", said)}
    assert named == set(DOCS)


def test_a_docstring_is_shown_as_it_stands():
    pytest.importorskip("griffe", reason="pip install 'unictoken[docs]'")
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "docs" / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "Of <bo>, `<bo>`.\n\nArgs:\n    a: A <b>.\n\n    bo = 1\n\nAnd\n\n    x = '<bo>'\n\n>>> 1\n1"
    assert module.as_markdown(text) == (
        "Of &lt;bo>, `<bo>`.\n\nArgs:\n    a: A &lt;b>.\n\n    bo = 1\n\nAnd\n\n"
        "```python\nx = '<bo>'\n```\n\n```pycon\n>>> 1\n1\n```"
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_takes_nothing_from_the_network(
    tmp_path, monkeypatch, caplog
):
    mkdocs = pytest.importorskip("mkdocs.config", reason="pip install 'unictoken[docs]'")
    pytest.importorskip("mkdocstrings", reason="pip install 'unictoken[docs]'")
    from mkdocs.commands.build import build

    monkeypatch.chdir(ROOT)
    build(mkdocs.load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path)))
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []
    pages = list(Path(tmp_path).rglob("*.html"))
    assert len(pages) >= len(DOCS)
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?([^\s\">]+)", html)
        assert loaded and not [url for url in loaded if re.match(r"(https?:)?//", url)]
