"""Reading settings: dataclass defaults, then strict YAML, then `--set a.b=c`.

The dataclasses live beside the code that uses them; this file only fills them in, checks every key and every type, and
says in one line what is wrong.
"""

from __future__ import annotations

import argparse
import collections.abc
import dataclasses
import difflib
import math
import sys
import types
import typing
from pathlib import Path

import yaml

from unictoken.core import disk
from unictoken.core.errors import UsageError, UserError

LARGEST_SEED = LARGEST_INT = 2**63 - 1
MANY = 1_000_000  # at most so many of what is held in memory at once; a number beyond it is a slip


class ConfigError(UserError):
    """A setting that cannot be used: where, what was found, what was expected."""


class Parser(argparse.ArgumentParser):
    """A command line whose mistakes are told in one line, as all others are; an empty argument is one."""

    def parse_args(self, arguments=None, namespace=None):
        for argument in sys.argv[1:] if arguments is None else arguments:
            if not argument.strip():
                self.error("found an empty argument, expected a name, a place or a text")
            if any("\ud800" <= letter <= "\udfff" for letter in argument):  # bytes that Python could not read
                read_as = sys.getfilesystemencoding()
                advice = "Set PYTHONUTF8=1, or rename the file"
                self.error(f"{argument!a} holds bytes that are no text in {read_as}. {advice}")
        return super().parse_args(arguments, namespace)

    def error(self, message: str) -> typing.NoReturn:
        raise UsageError(f"{self.prog}: {message}. `{self.prog} --help` says more.")


def within(where: str, value: float, low: float = 0, high: float = math.inf, *, above: bool = False) -> None:
    """Refuse a number outside [low, high], or ]low, high] with `above`; infinity and nan always."""
    if not (low < value if above else low <= value) or value > high or value == math.inf:
        least = f"above {low}" if above else f"{low} or more" if high == math.inf else f"{low}"
        most = "" if high == math.inf else f" {'up ' if above else ''}to {high}"
        finite = " and finite" if value == math.inf and not most else ""
        raise ConfigError(f"{where}: found {value}, expected {least}{most}{finite}.")


def one_or_more(settings, *names: str) -> None:
    """Refuse settings whose fields of these names are below 1."""
    for name in names:
        within(f"{type(settings).__name__}: {name}", getattr(settings, name), 1)


def check_seed(seed: int, where: str = "seed") -> int:
    """The seed itself, if numpy and torch both take it."""
    within(where, seed, 0, LARGEST_SEED)
    return seed


class _Loader(yaml.SafeLoader):
    """YAML in which every scalar stays text (types come from the fields) and a key given twice is an error."""


_Loader.yaml_implicit_resolvers = {}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    if complex_keys := [key for key, _ in node.value if not isinstance(key, yaml.ScalarNode)]:
        raise yaml.constructor.ConstructorError(None, None, "a key must be one word", complex_keys[0].start_mark)
    keys = [key.value for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{node.start_mark.name}: key '{key}' is given twice. Keep one.")
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: str | Path) -> dict:
    """The mapping in a YAML file, scalars as text."""
    text = disk.read_text(Path(path), ConfigError, "a YAML configuration such as configs/bo.yaml")
    return _parse(text, str(path))


def _parse(text: str, where: str):
    try:
        loader = _Loader(text)
        loader.name = where
        value = loader.get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    return {} if value is None else value


def load(kind: type, path: str | Path, overrides: typing.Sequence[str] = ()):
    """An instance of the dataclass `kind` from a YAML file and `a.b=c` overrides.

    A file may name another one under `extends:` (relative to itself); its own keys are laid on top.
    """
    return lay(kind, _with_parents(Path(path)), overrides, str(path))


def lay(kind: type, settings: dict, overrides: typing.Sequence[str], where: str):
    """An instance of `kind` from plain settings with `a.b=c` overrides laid on top."""
    for override in overrides:
        _set(settings, override)
    return build(kind, settings, where)


def _with_parents(path: Path, below: tuple[Path, ...] = ()) -> dict:
    if path.resolve() in below:
        chain = " extends ".join(map(str, [path, *reversed(below[below.index(path.resolve()) :])]))
        raise ConfigError(f"{chain}, in a circle. Remove `extends:` from one of the files.")
    if below and not path.is_file():
        raise ConfigError(f"{below[-1]}: extends '{path}', and there is no such file. Expected a YAML file, relative to the one that says it.")
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, found {type(settings).__name__}.")
    parent = settings.pop("extends", None)
    if parent is not None and not isinstance(parent, str):
        raise ConfigError(f"{path}: extends: found {disk.quoted(parent)}, expected one file name.")
    return _merge(_with_parents(path.parent / parent, (*below, path.resolve())), settings) if parent else settings


def _merge(under: dict, over: dict) -> dict:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _set(settings: dict, override: str) -> None:
    """Lay one `a.b=c` on top; a number picks an item of a list: `method.stages.0.steps=0`."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected KEY=VALUE, for example --set seed=1.")
    *parents, last = key.split(".")
    group = settings
    for parent in parents:
        group = group.setdefault(parent, {}) if isinstance(group, dict) else group[_place(group, parent, override)]
        if not isinstance(group, dict | list):
            raise ConfigError(f"--set {override}: '{parent}' is a value, not a group of keys.")
    group[last if isinstance(group, dict) else _place(group, last, override)] = _parse(value, f"--set {override}") if value else ""


def _place(items: list, number: str, override: str) -> int:
    if not number.isdigit():
        raise ConfigError(f"--set {override}: '{number}' is no place in a list of {len(items)}. Expected a number from 0, or keys in the file there.")
    if int(number) >= len(items):
        raise ConfigError(f"--set {override}: '{number}' picks nothing out of a list of {len(items)}. Places begin at 0.")
    return int(number)


def build(kind: type, settings: dict, where: str):
    """An instance of the dataclass `kind`; every key must be a field, every value of its type."""
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: expected keys of {kind.__name__}, found {settings!r}.")
    hints = typing.get_type_hints(kind)
    for key in settings:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(hints)}."
            raise ConfigError(f"{where}: unknown key '{key}'; {hint}")
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in settings and _required(f)]
    if missing:
        raise ConfigError(f"{where}: missing key '{missing[0]}' of {kind.__name__}.")
    return kind(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in settings.items()})


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _convert(kind, value, where: str):
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if origin in (typing.Union, types.UnionType):
        nothing = (None, "null", "none") if str in inner else (None, "null", "none", "")  # an empty text is a text
        if value in nothing and type(None) in inner:
            return None
        return _convert(next(k for k in inner if k is not type(None)), value, where)
    if origin is typing.Literal:
        chosen = next((choice for choice in inner if str(choice) == str(value)), None)
        if chosen is None:
            raise ConfigError(f"{where}: found '{value}', expected one of {', '.join(map(str, inner))}.")
        return chosen
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [] if value is None else [value]
        return tuple(_convert(inner[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected a mapping, found {value!r}.")
        return {key: _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(kind, value, where)


def _scalar(kind, value, where: str):
    if isinstance(value, dict | list):
        raise ConfigError(f"{where}: expected one {kind.__name__}, found {value!r}.")
    if kind is bool:
        if str(value).lower() not in ("true", "false"):
            raise ConfigError(f"{where}: found '{value}', expected true or false.")
        return str(value).lower() == "true"
    try:
        converted = kind(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: found '{value}', expected {kind.__name__}.") from None
    if kind is float and not math.isfinite(converted):
        raise ConfigError(f"{where}: found '{value}', expected a finite number.")
    if kind is int and abs(converted) > LARGEST_INT:
        raise ConfigError(f"{where}: found {disk.quoted(converted)}, expected a whole number of at most 64 bits.")
    return converted


def to_yaml(settings) -> str:
    """The resolved settings as YAML that `load` reads back."""
    return yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True)


def plain(value):
    """Settings as mappings and lists, as a YAML file holds them."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
