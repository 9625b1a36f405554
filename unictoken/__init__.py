"""unictoken: teach a frozen early-fusion model your concept, and keep it in one small safe file.

    import unictoken

    base = unictoken.load("tiny")
    bo = unictoken.learn(base, "data/bo", name="bo", class_noun="dog")
    bo.save("bo.safetensors")
    chat = base.with_concepts(bo, "mia")
    chat.draw("<bo> wearing a hat")
    chat.ask("what colour is <bo>?")
    chat.ask("who is in the photo?", image="party.jpg")

What is named here is imported when it is first used, so that `import unictoken` takes no time.

Shapes in docstrings and tensor names use one legend:
B batch, T sequence, P concept rows, D width, V vocabulary, K image ids per picture.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from unictoken import learn

if TYPE_CHECKING:
    import inspect

    from unictoken import tasks as tasks
    from unictoken.api import learn as learn
    from unictoken.api import load as load
    from unictoken.api import tell as tell
    from unictoken.core import config as config
    from unictoken.core.errors import UserError as UserError
    from unictoken.hub import from_pretrained as from_pretrained
    from unictoken.learn.methods import Method as Method
    from unictoken.measure.compare import compare as compare
    from unictoken.model.stock import for_transformers as for_transformers
    from unictoken.personalize.session import Session as Session
    from unictoken.tokens.file import load as load_concept
    from unictoken.tokens.file import read_header as read_header
    from unictoken.tokens.tokens import ConceptTokens as ConceptTokens

__version__ = "0.2.0"

_PLACES = {
    "load": ("unictoken.api", "load"),
    "tell": ("unictoken.api", "tell"),
    "compare": ("unictoken.measure.compare", "compare"),
    "config": ("unictoken.core.config", ""),
    "for_transformers": ("unictoken.model.stock", "for_transformers"),
    "from_pretrained": ("unictoken.hub", "from_pretrained"),
    "load_concept": ("unictoken.tokens.file", "load"),
    "read_header": ("unictoken.tokens.file", "read_header"),
    "ConceptTokens": ("unictoken.tokens.tokens", "ConceptTokens"),
    "Method": ("unictoken.learn.methods", "Method"),
    "Session": ("unictoken.personalize.session", "Session"),
    "UserError": ("unictoken.core.errors", "UserError"),
    "tasks": ("unictoken.tasks", ""),
}
__all__ = [
    "ConceptTokens",
    "Method",
    "Session",
    "UserError",
    "__version__",
    "compare",
    "config",
    "for_transformers",
    "from_pretrained",
    "learn",
    "load",
    "load_concept",
    "read_header",
    "tasks",
    "tell",
]


class _Learn(ModuleType):
    """The package `unictoken.learn`, which can be called.

    Python makes a package an attribute of the one above it as soon as any of its modules is
    imported. A function `unictoken.learn` would be gone then.
    """

    def __call__(self, *arguments: Any, **more: Any) -> ConceptTokens:
        """Learn a concept: `unictoken.api.learn`."""
        return importlib.import_module("unictoken.api").learn(*arguments, **more)

    @property
    def __signature__(self) -> inspect.Signature:
        """What notebooks and `inspect` show."""
        import inspect  # takes a moment, which nobody else needs

        return inspect.signature(importlib.import_module("unictoken.api").learn)


learn.__class__ = _Learn


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, inside = _PLACES[name]
    found = importlib.import_module(module)
    return getattr(found, inside) if inside else found


def __dir__() -> list[str]:
    return sorted(__all__)
