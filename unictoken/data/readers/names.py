"""Concepts in texts: '<sks>', 'sks', '<Alex>' and 'billy dog' all become a marker such as
'<alex>'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unictoken.core.text import check_length, misspelt
from unictoken.data.records import DataError
from unictoken.tokens.file import check_name

PLACEHOLDER = "sks"
_MARKER = re.compile(r"<([A-Za-z0-9_-]+)>")


@dataclass(frozen=True)
class Names:
    """Concepts by what stands for them in a dataset's texts."""

    by_folder: dict[str, str]

    @classmethod
    def of(cls, folders: Iterable[str], where: Path) -> Names:
        """Names of concepts from those of their folders: 'Alex' -> 'alex'."""
        names: dict[str, str] = {}
        for folder in folders:
            name = check_name(folder.strip().lower().replace(" ", "_"))
            if name in names.values():
                raise DataError(
                    f"{where}: two concepts are named '{name}'. Give each its own name."
                )
            names[folder] = name
        return cls(names)

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(self.by_folder)

    def __getitem__(self, folder: str) -> str:
        return self.by_folder[folder]

    def mark(self, text: str, own: str, where: str, *, words: Iterable[str] = ()) -> str:
        """A text in which concepts stand by their markers; '<image>' is removed.

        Args:
            text: As the dataset has it.
            own: The name of the concept itself, for '<sks>' and for 'sks' as a whole word.
            where: The text's place, for the error where it names no concept of this dataset.
            words: Other whole words that mean the concept itself; upper and lower case are alike.
        """
        check_length(text, where, DataError)
        known = {folder.lower(): name for folder, name in self.by_folder.items()} | {
            PLACEHOLDER: own,
            own: own,
        }

        def marker(found: re.Match) -> str:
            name = known.get(found[1].lower())
            if name is None:
                raise DataError(
                    f"{where}: '{found[0]}' is no concept of this dataset. Expected '<{own}>' or"
                    f" '<{PLACEHOLDER}>'."
                )
            return f"<{name}>"

        text = _MARKER.sub(marker, text.replace("<image>", "")).strip()
        if wrong := misspelt(_MARKER.sub("", text), known):
            raise DataError(f"{where}: {wrong}. Expected '<{own}>' or '<{PLACEHOLDER}>'.")
        # The longest first: a regular expression takes the first alternative that fits.
        bare = "|".join(
            re.escape(word) for word in sorted((PLACEHOLDER, *words), key=len, reverse=True)
        )
        # Neither a part of a longer word nor a marker, which was made above.
        return re.sub(rf"(?<![\w<-])(?:{bare})(?![\w>-])", f"<{own}>", text, flags=re.IGNORECASE)

    def named_in(self, text: str, own: str) -> tuple[str, ...]:
        """The concept itself, and then the others that a marked text names."""
        others = dict.fromkeys(_MARKER.findall(text))
        return (own, *(name for name in others if name != own))
