"""What ships with the library, found by name from any folder: bases, judges, methods, concepts.

    tiny      checkpoints/tiny-chameleon                   mia     checkpoints/tiny-chameleon/mia.safetensors
    toy       checkpoints/judge/model.safetensors          joint   configs/methods/joint.yaml (and each file beside it)
    an encoder is called as its base: tiny                 checkpoints/tiny-chameleon/encoder.safetensors

In a checkout these lie in the repository's top folders; `setup.py` copies them into the wheel, as
`unictoken/shipped/`. A name that stands here wins over a file of that name: write `./tiny` for a
folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from unictoken.core.disk import is_file, is_folder, is_there, quoted, real_path
from unictoken.core.errors import UserError

BASES = {"tiny": "checkpoints/tiny-chameleon"}
USUAL_BASE = "tiny"  # the default
JUDGES = {"toy": "checkpoints/judge/model.safetensors"}
CONCEPTS = {"mia": "checkpoints/tiny-chameleon/mia.safetensors"}
ENCODERS = {"tiny": "checkpoints/tiny-chameleon/encoder.safetensors"}  # by their base
MOST_ENCODER = 256 * 2**20  # bytes of an encoder's file; that of the tiny base has 5 MB
METHODS = "configs/methods"
LEARNED = Path("checkpoints/concepts")  # where concept files go by default
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LONGEST_HUB_NAME = 96  # letters, as huggingface_hub has it
_FOLDERS = ("checkpoints", "configs", "data", "runs", "results")  # of this project: no user's name


class PlaceError(UserError):
    """A name that leads to nothing: what was found, what is known."""


def root() -> Path:
    """The folder that holds `checkpoints/` and `configs/`: the repository, or the installed
    package's own.
    """
    package = Path(__file__).resolve().parents[1]
    # Two tests, since another project's setup.py may lie beside an installed package.
    is_checkout = is_file(package.parent / "setup.py") and is_folder(package.parent / METHODS)
    return package.parent if is_checkout else package / "shipped"


def find_base(name: str | Path) -> str | Path:
    """Where the base of this name lies: a shipped one, a folder here, or the name itself for the
    Hub.

    Raises `PlaceError` for what is a path and not there: the Hub is asked for a Hub's names only.
    """
    if (shipped := _shipped(str(name), BASES)) is not None:
        return shipped
    return here_or_on_hub(name, "base", f"a folder, {_listed(BASES)}, which ships,")


def here_or_on_hub(name: str | Path, what: str, expected: str = "a folder") -> str | Path:
    """A path that is there, or the name itself if it can be one of the Hub's (USER/NAME).

    Raises `PlaceError` for everything else, so that the Hub is never asked for a local path.
    """
    said = str(name)
    place = Path(os.path.expanduser(said))
    if is_there(place):
        return place
    is_hub_name = _HUB_NAME.fullmatch(said) and len(said) <= LONGEST_HUB_NAME
    # 'checkpoints/rex' has the form of a Hub's name, and means a folder.
    if not is_hub_name or said.split("/")[0] in _FOLDERS:
        raise PlaceError(
            f"{what} {quoted(said)}: no such file or folder here. Expected {expected} or USER/NAME"
            " on the Hub."
        )
    return said


def name_of_base(place: str | Path) -> str:
    """What a base is called in concept files: its name if it ships, else its place as it was
    given.
    """
    if str(place) in BASES:
        return str(place)
    path = Path(os.path.expanduser(place))
    for name, inside in BASES.items():
        if is_there(path) and real_path(path) == real_path(root() / inside):
            return name
    return str(place)


def find_judge(name: str) -> Path:
    """The weights of a judge: a shipped one by name, or a file."""
    return _shipped(name, JUDGES) or Path(os.path.expanduser(name))


def find_encoder(name: str | Path) -> Path:
    """The file of a concept encoder: a shipped one by its base's name, or a file."""
    return _shipped(str(name), ENCODERS) or Path(os.path.expanduser(name))


def find_concept(name: str | Path) -> Path:
    """A concept file: the file itself, a shipped one by name, or one that was learned here by
    name.
    """
    place = Path(os.path.expanduser(name))
    if (shipped := _shipped(str(name), CONCEPTS)) is not None:
        return shipped
    learned = LEARNED / f"{name}.safetensors"
    # a folder of pictures may have it too
    is_name = place.name == str(name) and not is_file(place)
    return learned if is_name and is_file(learned) else place


def find_method(name: str) -> Path:
    """The YAML file of a method: a file, or a shipped one by name."""
    place = Path(os.path.expanduser(name))
    shipped = root() / METHODS / f"{name}.yaml"
    if place.name == name and is_file(shipped):
        return shipped
    # 'configs/methods/joint.yaml', as this repository's files say it, where only the package is
    # installed.
    if not is_there(place) and place.parent == Path(METHODS) and is_file(shipped := root() / place):
        return shipped
    if not is_there(place):
        raise PlaceError(
            f"method {name}: no such file. Expected a YAML file, or one of {', '.join(methods())}."
        )
    return place


def methods() -> list[str]:
    """Names of the methods that ship."""
    return sorted(path.stem for path in (root() / METHODS).glob("*.yaml"))


def is_name(said: str) -> bool:
    """Whether something ships under this name."""
    return said in BASES or said in JUDGES or said in CONCEPTS or said in methods()


def _shipped(said: str, known: dict[str, str]) -> Path | None:
    """A shipped thing by its name, or by its place in the repository where nothing of that place is
    here.
    """
    if said in known:
        return root() / known[said]
    if said in known.values() and not is_there(said):
        return root() / said
    return None


def _listed(known: dict[str, str]) -> str:
    return " or ".join(f"'{name}'" for name in known)
