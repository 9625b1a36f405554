"""How pictures are sampled."""

from __future__ import annotations

from dataclasses import dataclass

from unictoken.core.config import check_seed, within

LEAST_TEMPERATURE, MOST_GUIDANCE = 1e-3, 100  # beyond them scores are no numbers any more
LEAST_TOP_P = 1e-6  # a smaller one is 0 among probabilities of fp32, and keeps no id at all


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How pictures are sampled. Temperature and top_p follow Chameleon's original code."""

    temperature: float = 0.7
    """0 takes the likeliest id; on large bases that collapses to blank patches."""
    top_p: float = 0.9
    guidance: float = 1.5
    """unconditional + guidance (conditional - unconditional), Ho & Salimans 2022; 1 turns it off.
    1.5 is what draws the included base's concepts best (dev/LOG.md); Anole's config says 3.
    """
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature:
            within(
                "drawing: temperature (0 takes the likeliest)", self.temperature, LEAST_TEMPERATURE
            )
        within("drawing: top_p", self.top_p, LEAST_TOP_P, 1)
        within("drawing: guidance (1 for none)", self.guidance, -MOST_GUIDANCE, MOST_GUIDANCE)
        check_seed(self.seed, "drawing: seed")
