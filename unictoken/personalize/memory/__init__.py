"""What is remembered of concepts and of the user, found again where a question needs it, and
forgotten on request.

    memory = Memory.open("me.memory")
    chat = base.with_memory(memory)          ->  chat.remember("<bo> likes fish."), chat.ask(...)

Only the store is imported here, which needs no torch.
"""

from __future__ import annotations

from unictoken.personalize.memory.entry import Entry, Found, StoreError
from unictoken.personalize.memory.store import Memory

__all__ = ["Entry", "Found", "Memory", "StoreError"]
