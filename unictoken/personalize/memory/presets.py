"""How a memory is used, as data: who is looked for, how that is decided, and what of them stands
before a query. Each preset is what one published system does, on a frozen base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from unictoken.core.config import ConfigError, within
from unictoken.core.registry import Registry

Shows = Literal["tokens", "pictures", "words", "codes"]
Decides = Literal["yes", "says", "attributes", "regions", "likeness"]
MOST = 64  # concepts before one query: more fit into no context
ALL = 0  # of `most`: everybody


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One way to use a memory."""

    shows: tuple[Shows, ...] = ("tokens", "pictures", "words")
    """What stands for a concept before a query: the first of these that it has. codes: the picture
    codes that tell it from the others."""
    facts: bool = True
    """Whether what was said about a concept stands before questions, too."""
    most: int = 4
    """How many concepts are looked at for a picture, the likest first; 0: all of them."""
    decides: Decides = "yes"
    """How those are found among them that a picture shows.

    yes: the base's P(yes) to "is <bo> in the photo?", each introduced alone.
    says: the base answers "who is in the photo?" after the introductions of all.
    attributes: its mean log P(yes) to what each looks like; where that and likeness disagree, the
    two are compared by pictures.
    regions: a window of the picture's codes is like the concept's.
    likeness: the cosine of the features alone.
    """
    introduces: Literal["found", "candidates"] = "found"
    """Who stands before a question that names nobody: who was found, or who was looked at, and the
    base sees for itself."""
    beside_named: bool = False
    """Whether those who are seen stand also beside concepts that a question names."""
    pictures: int = 1
    """Reference pictures of each concept that is shown by them."""
    codes: int = 16
    """Picture codes of each concept that is shown by them."""
    says_where: bool = False
    """Whether questions are told where somebody was found: '<bo> is on the left.'"""
    declines: bool = False
    """Whether a name that nobody introduced is passed to the base, which is to say that it does not
    know it; else it is refused as a mistake."""
    ids: int | None = None
    """Ids that may stand before a query, the picture and the answer included; None: as many as the
    base can read."""

    def __post_init__(self) -> None:
        within("most", self.most, 0, MOST)
        within("pictures", self.pictures, 1, MOST)
        within("codes", self.codes, 1, 1024)
        for shown in self.shows:
            if shown not in get_args(Shows):
                known = ", ".join(get_args(Shows))
                raise ConfigError(f"shows: found '{shown}', expected one of {known}.")
        if self.decides not in get_args(Decides):
            known = ", ".join(get_args(Decides))
            raise ConfigError(f"decides: found '{self.decides}', expected one of {known}.")


PRESETS: Registry[Preset] = Registry(
    "preset",
    {
        # Ours: learned tokens where there are some, else pictures, else words.
        "tokens": Preset(),
        # RAP-MLLM (2410.13360): the likest entries' pictures and info, which the model reads itself.
        "rap": Preset(
            shows=("pictures", "words"),
            most=3,
            decides="says",
            introduces="candidates",
            beside_named=True,
        ),
        # R2P (2503.18623): attributes as fingerprints, pairs of pictures where they disagree.
        "r2p": Preset(shows=("pictures", "words"), decides="attributes"),
        # PeKit (2502.02452): regions against stored features, and the base is told where.
        "pekit": Preset(shows=("words",), most=16, decides="regions", says_where=True),
        # PVIT (2410.07113): everybody is introduced, and who was not is declined.
        "pvit": Preset(
            shows=("pictures", "words"),
            facts=False,
            most=ALL,
            decides="says",
            introduces="candidates",
            beside_named=True,
            declines=True,
        ),
        # Ego (2603.09771): the picture codes that tell most are the memory.
        "ego": Preset(shows=("codes", "words")),
    },
)
USUAL = "tokens"
