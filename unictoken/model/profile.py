"""What a base was trained to do: `profile.json` beside its weights.

A base without this file is a general one, which `Profile()` describes. No number of a base depends
on its profile, and neither does its fingerprint.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError

from unictoken.core import config
from unictoken.core.disk import is_file, is_folder, write_aside
from unictoken.core.reading import read_json

FILE = "profile.json"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What generic code asks before it puts questions to a base; the defaults are a general
    base's.
    """

    world: str | None = None
    """The drawn world (data/worlds.py) that is all it knows: it is asked that world's questions.
    None: a base of photographs.
    """
    least_psnr: float | None = None
    """dB. Pictures that its image tokenizer gives back worse lie outside what it knows. None: no
    such limit is known.
    """
    reads_options: bool = True
    """Whether a multiple choice question lists its options."""
    tells_facts: bool = True
    """Whether it can tell several facts in one answer ("what do you know about <bo>?")."""
    taught_ids: int | None = None
    """Ids of the longest sequence that it was taught on: what stands before a question is kept
    below. None: as many as it can read."""


def save_profile(profile: Profile, folder: Path) -> None:
    """Write the profile beside the weights of a base."""
    write_aside(folder / FILE, (json.dumps(asdict(profile), indent=1) + "\n").encode())


def load_profile(path: str | Path, *, revision: str | None = None) -> Profile:
    """The profile of a base in a folder or on the Hub; the general one where it has none.

    Args:
        path: A local folder, or USER/NAME on the Hub.
        revision: The commit on the Hub that the base's other files came from.
    """
    file = Path(path) / FILE
    # A name on the Hub: `load_base` has refused everything else by now.
    if not is_folder(path):
        try:
            file = Path(hf_hub_download(str(path), FILE, revision=revision))
        except EntryNotFoundError:  # not in the repository, or offline and never fetched
            return Profile()
    if not is_file(file):
        return Profile()
    return config.build(Profile, read_json(file, config.ConfigError), str(file))
