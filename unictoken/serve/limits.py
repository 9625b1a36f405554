"""How much one request may bring, and how many wait."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a server. What is beyond them is refused before it costs anything."""

    body: int = 8 * MIB
    """Bytes of a request's body."""
    pixels: int = 25_000_000
    """Of a picture: 75 MB when it is decoded."""
    letters: int = 4000
    """Of a question or a prompt."""
    turns: int = 200
    """Of a conversation."""
    answer_ids: int = 256
    """That an answer may have; a request for more gets so many."""
    pictures: int = 10
    """That one request may have drawn."""
    concepts: int = 8
    """That one request may name."""
    shelf: int = 1000
    """Concept files in the folder, beyond which none is taken."""
    open: int = 64
    """Requests whose bodies are read, that wait, or that are answered."""
    waiting: int = 48
    """Requests in the queue."""
    batch: int = 32
    """Requests that are answered together."""
    gather: float = 0.005
    """Seconds that the first request of a batch waits for others."""
    body_seconds: float = 20.0
    """In which a request's body must have come."""
    seconds: float = 120.0
    """In which a request must be answered, waiting included."""
