"""Every line that refuses something says what to do about it, wherever it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    file
    for folder in ("unictoken", "train", "eval", "benchmarks")
    for file in (ROOT / folder).rglob("*.py")
)
# A sentence, or its part after ';', that begins with one of these says what to do; as does a hint
# such as `--base`.
ADVICE = re.compile(
    r"(?:^|[.;,:(] |`|or )(?:Add|Ask|Begin|Call|Change|Choose|Close|Copy|Crop|End|Expected|Fetch|Find|Give|Import|Keep|Learn|Leave|Load|Look|Make|Mend|Move|Name|Not published|Pass|Put|Read|Remove|Rename|Replace|Save|Say|Set|Start|Take|Unpack|Update|Use|Wait|Write"
    r"|add|ask|begin|choose|did you mean|end|expected|fetch|give|install|known keys|learn|leave|look|mend|name|put|remove|save|say|set|start|take|use|write|--)",
)


def refusals(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each `raise SomeError(...)` of ours; values in it are '...'."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: str(node.value.value)
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        call = node.exc if isinstance(node, ast.Raise) else None
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = ast.unparse(call.func).split(".")[-1]
        if re.fullmatch(r"\w+Error|refusal|Other\w+", name) and name not in BUILTIN:
            yield node.lineno, _text(call.args[0], constants)


BUILTIN = {n for n, v in vars(__import__("builtins")).items() if isinstance(v, type)}


def _text(node: ast.AST, constants: dict[str, str]) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return constants.get(node.value.id, "...")
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.BinOp):
        return _text(node.left, constants) + _text(node.right, constants)
    return "..."


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_refusal_says_what_to_do(file):
    without = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for line, text in refusals(file)
        # A sentence that is made elsewhere is that place's.
        if not ADVICE.search(text) and not re.search(r"(?:^|[.:;] )(?:\.{3}|None)\.?$", text)
    ]
    assert not without, "\n".join(without)
