"""Reading settings: dataclass defaults, then strict YAML, then `--set a.b=c`.

The dataclasses live beside the code that uses them; this file only fills them in, checks every key
and every type, and says in one line what is wrong.
"""

from __future__ import annotations

import argparse
import collections.abc
import dataclasses
import difflib
import functools
import math
import os
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from unictoken.core import disk, reading, shipped
from unictoken.core.disk import is_file, real_path
from unictoken.core.errors import UsageError, UserError
from unictoken.core.printing import one_line

if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance  # what dataclasses.fields takes; no module of its own

Settings = typing.TypeVar("Settings", bound="DataclassInstance")

LONGEST_KEY = 100  # letters of a key that is compared with the known ones
LARGEST_SEED = LARGEST_INT = 2**63 - 1  # what numpy and torch hold in an int64
Dtype = typing.Literal["auto", "fp32", "bf16", "fast"]
DTYPES = typing.get_args(Dtype)  # of a base as it is loaded (model/base.py: dtype_named)
MANY = 1_000_000  # at most so many of what is held in memory at once; a number beyond it is a slip
MOST_PICTURES = 1000  # that are drawn by one call: of a 7B they take 800 MB
MOST_BEST_OF = 1000  # of one drawing, or one caption, that the best is chosen from
MOST_CONCEPTS = 1000  # of a benchmark
MOST_PROCESSES = 256  # of a machine
MOST_YAML = 2**18  # bytes of a config; the longest of ours has 2,000
MOST_DEPTH = 32  # groups within each other; a config has five
EXPECTED = "a YAML configuration such as configs/bo.yaml"
# A '#' that begins a comment in YAML; and texts in quotes, in which it does not.
_COMMENT, _QUOTED = re.compile(r"(^|\s)#"), re.compile(r"""'[^']*'|"[^"]*\"""")


class ConfigError(UserError):
    """A setting that cannot be used: where, what was found, what was expected."""


class _Once(argparse.Action):
    """Stores a flag's value, and refuses a second one: argparse would silently drop the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("_given", set())
        if option_string and self.dest in given:
            parser.error(f"{option_string} is given twice. Expected it once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A command line whose errors are one line, as all others are; an empty argument is an
    error.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        # argparse looks actions up by name; None is the name where `add_argument` gets no `action`.
        for kind in (None, "store"):
            self.register("action", kind, _Once)

    def parse_args(  # type: ignore[override]  # argparse's overloads, in one
        self,
        arguments: typing.Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> argparse.Namespace:
        for argument in sys.argv[1:] if arguments is None else arguments:
            if not argument.strip():
                self.error("found an empty argument, expected a name, a place or a text")
            # bytes that Python could not read
            if any("\ud800" <= letter <= "\udfff" for letter in argument):
                read_as = sys.getfilesystemencoding()
                advice = "Set PYTHONUTF8=1, or rename the file"
                self.error(f"{argument!a} holds bytes that are no text in {read_as}. {advice}")
        return super().parse_args(arguments, namespace)

    def error(self, message: str) -> typing.NoReturn:
        raise UsageError(f"{self.prog}: {message}. Look at `{self.prog} --help`.")


def within(
    where: str, value: float, low: float = 0, high: float = math.inf, *, above: bool = False
) -> None:
    """Refuse a number outside [low, high]; infinity and nan always.

    Args:
        where: the setting, as the error message calls it.
        value: what was found.
        low: the least number that is allowed, 0 unless another is given.
        high: the greatest one; infinity: no bound.
        above: `low` itself is refused too.
    """
    # nan fails the first comparison, so it is refused. inf is not greater than a bound of inf, so
    # it has a test of its own.
    if not (low < value if above else low <= value) or value > high or value == math.inf:
        least = f"above {low}" if above else f"{low} or more" if high == math.inf else f"{low}"
        most = "" if high == math.inf else f" {'up ' if above else ''}to {high}"
        finite = " and finite" if value == math.inf and not most else ""
        raise ConfigError(
            f"{where}: found {disk.quoted(value)}, expected {least}{most}{finite}. Give such a"
            " number."
        )


def check_count(where: str, count: int, most: int = MANY) -> None:
    """Refuse what is no whole number from 1 to `most`."""
    # Not isinstance: True is an int too.
    if type(count) is not int:
        raise ConfigError(
            f"{where}: found {disk.quoted(count)}, expected a whole number. Give one."
        )
    within(where, count, 1, most)


def one_or_more(settings: object, *names: str) -> None:
    """Refuse settings whose fields of these names are below 1."""
    for name in names:
        within(f"{type(settings).__name__}: {name}", getattr(settings, name), 1)


def check_seed(seed: int, where: str = "seed") -> int:
    """The seed itself, if numpy and torch both take it."""
    within(where, seed, 0, LARGEST_SEED)
    return seed


NULLS = ("", "~", "null", "Null", "NULL")  # YAML 1.1: nothing; within quotes they are text

Place = typing.Annotated[str, "place"]
"""A field that names a file or folder to read. In a YAML file it is relative to that file, where
something is there; else, and on the command line, to the current folder."""
PlaceAndMore = typing.Annotated[str, "place and more"]
"""The same with other words after it, as in `methods: ["mine.yaml seed=1"]`."""


class _Loader(yaml.SafeLoader):
    """YAML in which every scalar is text or None: types come from the fields.

    A key given twice, an alias (a few lines of them say more than memory holds), a tag, and groups
    within more than MOST_DEPTH others are errors.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise self._refused(event, f"the alias '*{event.anchor}'. Write out what it stands for")
        if getattr(event, "tag", None) not in (None, "!"):
            raise self._refused(event, f"the tag {disk.quoted(event.tag)}. Write the value alone")
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self._refused(event, f"more than {MOST_DEPTH} groups within each other")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refused(self, event: yaml.Event, found: str) -> yaml.YAMLError:
        mark = typing.cast(yaml.Mark, event.start_mark)
        return yaml.composer.ComposerError(None, None, f"found {found}", mark)


# PyYAML would read 'no' as False, and 1e-4 as text. A new dict: SafeLoader's own serves everybody
# else who reads YAML in this process.
_Loader.yaml_implicit_resolvers = {}


def _scalar_or_none(loader: _Loader, node: yaml.ScalarNode) -> str | None:
    if "\0" in node.value:
        raise yaml.constructor.ConstructorError(
            None, None, "found the letter of number 0, which no text has", node.start_mark
        )
    # style None: written without quotes.
    return None if node.style is None and node.value in NULLS else node.value


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG, _scalar_or_none)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be one word", key.start_mark
            )
        if key.value in made:
            twice = f"key {disk.quoted(key.value)} is given twice. Keep one"
            raise yaml.constructor.ConstructorError(None, None, twice, key.start_mark)
        made[key.value] = loader.construct_object(value, deep=True)
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: str | Path) -> Any:
    """What a YAML file holds, scalars as text: a mapping, unless somebody wrote something else."""
    text = reading.read_text(Path(path), ConfigError, EXPECTED, most=MOST_YAML)
    return {} if (value := _parse(text, str(path))) is None else value


def _parse(text: str, where: str) -> Any:
    """The value in a YAML text; None for nothing."""
    try:
        return _Loader(text).get_single_data()
    # IndexError: PyYAML at the end of some texts that break off
    except (yaml.YAMLError, ValueError, IndexError) as error:
        raise ConfigError(f"{where}{_reason(error)} Mend that line.") from None


def _reason(error: Exception) -> str:
    """Where and why PyYAML refuses a text: ':3: not valid YAML (...).'"""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"{line}: not valid YAML ({one_line(str(problem), 200)})."


def load(kind: type[Settings], path: str | Path, overrides: typing.Sequence[str] = ()) -> Settings:
    """An instance of the dataclass `kind` from a YAML file and `a.b=c` overrides.

    A file may name another one under `extends:` (relative to itself, or a method that ships, such
    as joint); its own keys are laid on top. Fields of type `Place` are relative to the file that
    holds them.
    """
    files = _with_parents(Path(path))
    # Only all files together say which fields there are: one may say the `kind:` of a method, and
    # another one that extends it a place. The places of each are relative to itself.
    whole = functools.reduce(_merge, [settings for settings, _ in files])
    settled = [_settled(kind, settings, folder, whole) for settings, folder in files]
    return lay(kind, functools.reduce(_merge, settled), overrides, str(path))


def lay(
    kind: type[Settings], settings: dict[str, Any], overrides: typing.Sequence[str], where: str
) -> Settings:
    """An instance of `kind` from plain settings with `a.b=c` overrides laid on top.

    Args:
        kind: the dataclass.
        settings: keys of `kind` with values as a YAML file holds them; the overrides change it.
        overrides: each `a.b=c`, as after `--set`.
        where: what an error message begins with, such as the file's path.
    """
    for override in overrides:
        _set(kind, settings, override)
    return build(kind, settings, where)


def _with_parents(path: Path, below: tuple[Path, ...] = ()) -> list[tuple[dict[str, Any], Path]]:
    """What a file and those that it extends hold, each with its folder; later ones lie on top."""
    # `below`: the files that led here, which a circle comes back to.
    if real_path(path) in below:
        chain = " extends ".join(map(str, [path, *reversed(below[below.index(real_path(path)) :])]))
        raise ConfigError(f"{chain}, in a circle. Remove `extends:` from one of the files.")
    if below and not is_file(path):
        raise ConfigError(
            f"{below[-1]}: extends '{path}', and there is no such file. Expected a YAML file; name it"
            " relative to the one that says it."
        )
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path}: found {type(settings).__name__}, expected a mapping of keys to values. Write"
            " KEY: VALUE."
        )
    parent = settings.pop("extends", None)
    if parent is not None and not isinstance(parent, str):
        raise ConfigError(
            f"{path}: extends: found {disk.quoted(parent)}, expected a file. Name one."
        )
    if not parent:
        return [(settings, path.parent)]
    above = path.parent / parent
    # A file beside this one wins over the method of that name that ships.
    if not is_file(above) and parent in shipped.methods():
        above = shipped.find_method(parent)
    return [*_with_parents(above, (*below, real_path(path))), (settings, path.parent)]


def _settled(kind: Any, value: Any, folder: Path, whole: Any) -> Any:
    """A file's settings, with each path that exists relative to its folder made relative to the
    current one.

    Args:
        kind: their type.
        value: the settings, as the file holds them.
        folder: the file's.
        whole: what all files together say in this place.
    """
    if typing.get_origin(kind) is typing.Annotated:
        if not isinstance(value, str):
            return value
        # Only the first word is a path.
        place, space, more = value.partition(" ") if kind == PlaceAndMore else (value, "", "")
        return _from_here(place, folder) + space + more
    kind = _variant(kind, whole)
    within_whole = whole if isinstance(whole, dict) else {}
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        # Without include_extras a `Place` would read as a plain str.
        hints = typing.get_type_hints(kind, include_extras=True)
        return {
            key: _settled(hints.get(key), item, folder, within_whole.get(key))
            for key, item in value.items()
        }
    if (inner := _inner(kind)) is not None and isinstance(value, list):
        # Lists are not merged: each item is whole.
        return [_settled(inner, item, folder, item) for item in value]
    if inner is not None and isinstance(value, dict):
        return {
            key: _settled(inner, item, folder, within_whole.get(key)) for key, item in value.items()
        }
    return value if inner is None else _settled(inner, value, folder, whole)


def _variant(kind: Any, settings: Any) -> Any:
    """The class that settings are of, where a dataclass says that its fields depend on a value of
    them (`variant`, a class method); else `kind`.
    """
    # By its name alone: this module knows no settings, and none of its classes has another use
    # for the name.
    variant = getattr(kind, "variant", None)
    return variant(settings) if variant and isinstance(settings, dict) else kind


def _inner(kind: Any) -> Any:
    """What a tuple or a mapping holds, what an optional type may be; None for any other type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        # Settings have unions for optional types only, so that there is one other type.
        return next(k for k in inner if k is not type(None))
    if origin is tuple:
        return inner[0]
    return inner[1] if origin in (dict, collections.abc.Mapping) else None


def _from_here(place: str, folder: Path) -> str:
    """A path that a file in `folder` holds, as a path from the current folder; unchanged where
    nothing exists there.
    """
    if shipped.is_name(place) or Path(place).is_absolute() or not place:
        return place
    path = folder / os.path.expanduser(place)
    if not disk.is_there(path):
        return place
    return (
        os.path.relpath(path)
        if real_path(path).is_relative_to(Path.cwd())
        else str(real_path(path))
    )


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _set(kind: Any, settings: dict[str, Any], override: str) -> None:
    """Lay one `a.b=c` on top; a number picks an item of a list: `method.stages.0.steps=0`."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"--set {override}: expected KEY=VALUE. Write it so, for example --set seed=1."
        )
    *parents, last = key.split(".")
    group: Any = settings
    of = kind
    for parent in parents:
        # `method:` with nothing after it is None in YAML, and filled like a key that is missing.
        if isinstance(group, dict) and group.get(parent) is None:
            group[parent] = _default_group(of, parent)
        # One key down, in the settings and in their types: the type says how the value is read.
        group, of = group[_index(group, parent, override)], _field_type(of, parent)
        of = _variant(of, group)
        if not isinstance(group, dict | list):
            raise ConfigError(
                f"--set {override}: '{parent}' is a value, expected a group of keys. Leave out what follows it."
            )
    group[_index(group, last, override)] = _said(_field_type(of, last), value, f"--set {override}")


def _default_group(kind: Any, key: str) -> Any:
    """What a field holds before anything is set: its default list, or a group without keys."""
    while typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = _inner(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
    default = fields[key].default if key in fields else None
    return plain(default) if isinstance(default, tuple) else {}


def _field_type(kind: Any, key: str) -> Any:
    """The type of one field of a dataclass, or of one item of a list or mapping; None: unknown."""
    while typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = _inner(kind)
    return typing.get_type_hints(kind).get(key) if dataclasses.is_dataclass(kind) else _inner(kind)


def _said(kind: Any, value: str, where: str) -> Any:
    """A value of the command line: a single value is taken as it stands, lists and groups are read
    as YAML.

    For a list of texts, '[...]' is a YAML list and anything else is its one item.
    """
    while typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = _inner(kind)
    if typing.get_origin(kind) is tuple and not (value.startswith("[") and value.endswith("]")):
        kind = _inner(kind)
    if not dataclasses.is_dataclass(kind) and _inner(kind) is None:
        # Not NULLS[0]: `--set key=` means an empty text; of an optional number `_convert` makes it
        # None.
        return None if value in NULLS[1:] else value
    if _COMMENT.search(_QUOTED.sub("", value)):  # YAML would silently drop the rest
        raise ConfigError(
            f"{where}: ' #' begins a comment in YAML. Put the text that holds it in quotes."
        )
    return _parse(value, where)


def _index(group: dict[str, Any] | list[Any], key: str, override: str) -> str | int:
    return key if isinstance(group, dict) else _place(group, key, override)


def _place(items: list[Any], number: str, override: str) -> int:
    if not number.isascii() or not number.isdecimal():
        raise ConfigError(
            f"--set {override}: '{number}' is no place in a list of {len(items)}. Expected a number"
            " from 0; give one, or say the keys in the file."
        )
    if len(number) > len(str(len(items))) or int(number) >= len(items):
        raise ConfigError(
            f"--set {override}: '{number}' picks nothing out of a list of {len(items)}. Expected a"
            " place; give one, from 0."
        )
    return int(number)


def build(kind: type[Settings], settings: Any, where: str) -> Settings:
    """An instance of the dataclass `kind`; every key must be a field, every value of its type."""
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{where}: expected keys of {kind.__name__}, found"
            f" {disk.quoted(settings)}. Write them below it."
        )
    kind = _variant(kind, settings)
    # Here a `Place` is a text like any other: only a file's are relative to it (`_settled`).
    hints = typing.get_type_hints(kind)
    for key in settings:
        if key not in hints:
            near = difflib.get_close_matches(str(key)[:LONGEST_KEY], hints, n=1)
            hint = (
                f"did you mean '{near[0]}'?"
                if near
                else f"known keys: {', '.join(hints)}. Remove it."
            )
            raise ConfigError(f"{where}: unknown key {disk.quoted(key)}; {hint}")
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in settings and _required(f)]
    if missing:
        raise ConfigError(f"{where}: missing key '{missing[0]}' of {kind.__name__}. Add it.")
    return kind(
        **{key: _convert(hints[key], value, f"{where}: {key}") for key, value in settings.items()}
    )


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return build(kind, {} if value is None else value, where)
    if origin in (typing.Union, types.UnionType):
        may_be_none = type(None) in inner
        if may_be_none and (
            value is None or str(value).lower() == "none" or (value == "" and str not in inner)
        ):
            return None
        return _convert(_inner(kind), value, where)
    if origin is typing.Literal:
        # By their texts: YAML says '3' where the choice is 3.
        chosen = next((choice for choice in inner if str(choice) == str(value)), None)
        if chosen is None:
            raise ConfigError(
                f"{where}: found {_found(value)}, expected one of {', '.join(map(str, inner))}. Choose"
                " one."
            )
        return chosen
    if origin is tuple:
        # One item without brackets is a list of one.
        items = value if isinstance(value, list | tuple) else [] if value in (None, "") else [value]
        return tuple(_convert(inner[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict | None):
            raise ConfigError(
                f"{where}: expected a mapping, found {disk.quoted(value)}. Write KEY: VALUE below it."
            )
        return {
            key: _convert(inner[1], item, f"{where}.{key}") for key, item in (value or {}).items()
        }
    return _scalar(kind, value, where)


def _found(value: object) -> str:
    return "nothing" if value is None else disk.quoted(value)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if isinstance(value, dict | list):
        raise ConfigError(
            f"{where}: expected one {kind.__name__}, found {disk.quoted(value)}. Write one."
        )
    if value is None:
        raise ConfigError(
            f"{where}: found nothing, expected {kind.__name__}. Give a value, or remove the key."
        )
    # Not bool(value): bool('false') is True.
    if kind is bool:
        if str(value).lower() not in ("true", "false"):
            raise ConfigError(
                f"{where}: found {disk.quoted(value)}, expected true or false. Write one of them."
            )
        return str(value).lower() == "true"
    try:
        converted = kind(value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{where}: found {disk.quoted(value)}, expected {kind.__name__}. Write one."
        ) from None
    if kind is float and not math.isfinite(converted):
        raise ConfigError(
            f"{where}: found {disk.quoted(value)}, expected a finite number. Write one."
        )
    if kind is int and abs(converted) > LARGEST_INT:
        raise ConfigError(
            f"{where}: found {disk.quoted(converted)}, expected a whole number of at most 64"
            " bits. Write a smaller one."
        )
    return converted


def to_yaml(settings: object) -> str:
    """The resolved settings as YAML that `load` reads back."""
    return str(yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True))


def plain(value: Any) -> Any:
    """Settings as mappings and lists, as a YAML file holds them."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
