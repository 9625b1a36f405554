"""Imports point one way, up this list:

programs -> cli -> app -> serve -> api -> toy -> measure -> learn -> tasks -> personalize -> scoring -> data
-> tokens -> model -> core
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unictoken"
LAYERS = (
    "unictoken.core",
    "unictoken.core.printing",
    "unictoken.core.errors",
    "unictoken.core.system",
    "unictoken.core.program",
    "unictoken.core.progress",
    "unictoken.core.disk",
    "unictoken.core.lock",
    "unictoken.core.reading",
    "unictoken.core.shapes",
    "unictoken.core.shipped",
    "unictoken.core.config",
    "unictoken.core.registry",
    "unictoken.core.own",
    "unictoken.core.zero",
    "unictoken.core.launch",
    "unictoken.core.text",
    "unictoken.core.pictures",
    "unictoken.model",
    "unictoken.tokens",
    "unictoken.data",
    "unictoken.scoring",
    "unictoken.personalize",
    "unictoken.tasks",
    "unictoken.learn",
    "unictoken.measure",
    "unictoken.toy",
    "unictoken.hub",
    "unictoken.api",
    "unictoken.serve",
    "unictoken.app",
    "unictoken.cli",
)
TOP = ("__init__.py", "__main__.py")  # of the package: they stand above every layer
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.name not in TOP)
PROGRAMS = sorted(
    file for folder in ("train", "eval", "benchmarks") for file in (ROOT / folder).glob("*.py")
)


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function; `from a import b` counts
    as a and a.b.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it points"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found - {"unictoken.__version__"}


def layer(module: str) -> int:
    """The place of the most special layer that holds the module."""
    holding = [name for name in LAYERS if module == name or module.startswith(name + ".")]
    assert holding, f"{module} has no place in LAYERS"
    return LAYERS.index(max(holding, key=len))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_points_up(path):
    here = layer(name_of(path))
    upward = [m for m in imported(path) if m.startswith("unictoken.") and layer(m) > here]
    assert not upward, f"{name_of(path)} imports {upward}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_programs_know_deepspeed_and_nothing_knows_the_programs(path):
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & {"deepspeed", "train", "eval", "tests"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=name_of)
def test_the_core_imports_no_torch(path):
    assert not {module.split(".")[0] for module in imported(path)} & {"torch", "transformers"}


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_programs_are_leaves(path):
    assert not {module.split(".")[0] for module in imported(path)} & {
        "train",
        "eval",
        "tests",
        "run",
        "base",
    }


def test_only_train_knows_deepspeed():
    assert [name_of(p) for p in PROGRAMS if "deepspeed" in imported(p)] == ["train.engine"]


# Programs and files that are about the toy world.
OF_TOY = {
    "unictoken.data.worlds", "train.base", "train.encoder", "eval.several", "eval.memory", "eval.find",
    "eval.clips", "eval.sharpen",
}  # fmt: skip
GENERIC = [
    path
    for path in (*MODULES, *(PACKAGE / name for name in TOP), *PROGRAMS)
    if not name_of(path).startswith(("unictoken.toy", "unictoken.cli"))
    and name_of(path) not in OF_TOY
]


@pytest.mark.parametrize("path", GENERIC, ids=name_of)
def test_no_generic_file_knows_the_toy_room(path):
    """The one hook is data/worlds.py; the command and programs about the toy world alone may."""
    assert "unictoken.toy" not in path.read_text(encoding="utf-8")


def test_readme_lists_the_parts_in_this_order():
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("README.md is not in this archive")
    listed = re.findall(r"^(unictoken/\w+)", readme.read_text(encoding="utf-8"), re.MULTILINE)
    assert [part.replace("/", ".") for part in listed] == [
        name for name in LAYERS if name.count(".") == 1
    ]


INTO_A_FAMILY = re.compile(r"\bbase\.model\.|\.model\.model\b|\.model\.lm_head\b")
# Of `base.model` a test may ask what every torch module has.
INTO_LAYERS = re.compile(r"\.model\.(model|lm_head)\b")
# Benchmarks measure one family's layers beside other code.
ANY_FAMILY = [
    path
    for path in sorted({*MODULES, *PROGRAMS})
    if not name_of(path).startswith(("unictoken.model.", "benchmarks."))
    and name_of(path) != "train.engine"
]


@pytest.mark.parametrize("path", ANY_FAMILY, ids=name_of)
def test_only_families_know_what_a_base_is_made_of(path):
    """All else asks through `Base` (model/protocol.py)."""
    assert not INTO_A_FAMILY.findall(path.read_text(encoding="utf-8"))


# Those of a family, of how the tiny base is made, and of what engines and benchmarks measure.
TESTS_OF_A_FAMILY = ("model", "toy", "benchmarks", "fuzz", "train")
TESTS = sorted(
    path
    for path in (ROOT / "tests").rglob("*.py")
    if path.relative_to(ROOT / "tests").parts[0] not in (*TESTS_OF_A_FAMILY, Path(__file__).name)
)


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_ask_through_a_base_too(path):
    """What a test does with a base, another family's must allow."""
    assert not INTO_LAYERS.findall(path.read_text(encoding="utf-8"))
