"""Things that are chosen by name, and how another one is made known."""

from __future__ import annotations

from typing import TypeVar

from unictoken.core.config import ConfigError

Thing = TypeVar("Thing")


class Registry(dict[str, Thing]):
    """Things by name. `what` is what one of them is called in messages.

    >>> colours = Registry("colour", {"red": 0xFF0000})
    >>> colours.register("blue", 0x0000FF)
    >>> colours.find("green")
    Traceback (most recent call last):
    unictoken.core.config.ConfigError: colour: found 'green', expected one of red, blue. Choose one.
    """

    def __init__(self, what: str, known: dict[str, Thing] | None = None):
        super().__init__(known or {})
        self.what = what

    def register(self, name: str, thing: Thing) -> None:
        """Make another one known by a name that is free."""
        # Two of one name would make the same config mean two things.
        if name in self:
            raise ConfigError(f"{self.what} '{name}': there is one of this name. Choose another.")
        self[name] = thing

    def find(self, name: str) -> Thing:
        """The one of this name."""
        # Said with what there is: a name is mostly misspelt, or its module was not imported.
        if name not in self:
            raise ConfigError(
                f"{self.what}: found '{name}', expected one of {', '.join(self)}. Choose one."
            )
        return self[name]
