"""The album: every picture that the tiny base's transformer is trained on, with its truth.

Families are who is introduced, recognised and drawn; couples are two of them in one picture; tales
are actions over a few pictures. Each is a pure function of (seed, number), so that processes make
parts of an album side by side.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from unictoken.core.config import one_or_more
from unictoken.core.disk import is_file, write_aside
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.pixels import from_bytes
from unictoken.toy.pretrain.pictures import draw_groups, mapped_over, sample_any
from unictoken.toy.world.attributes import PLACES, TIMES
from unictoken.toy.world.groups import Group, Member, sample_group
from unictoken.toy.world.stories import Story, possible_actions, sample_story
from unictoken.toy.world.subjects import Subject, hard_negative, held_out, near_duplicate

SHOTS = 4  # pictures of each subject: up to three introduce it, another is looked at or drawn
COUPLE_SHOTS = 2  # pictures of each couple
DETAILS = 2  # layouts of a place
ALONE = 0.55  # of the tales have one subject
AT_ONCE = 250  # families, couples or tales that a process makes before it is given more


@dataclass(frozen=True, kw_only=True)
class AlbumSettings:
    """How much an album holds."""

    families: int = 16_000
    """Of a subject, a near-duplicate and a hard negative, SHOTS pictures of each."""
    couples: int = 24_000
    tales: int = 8_000

    def __post_init__(self):
        one_or_more(self, "families", "couples", "tales")


# Of which a digest is made: drawing all takes minutes, and a change of the world's code changes many.
SAMPLE = AlbumSettings(families=40, couples=40, tales=40)


@dataclass(frozen=True)
class Shot:
    """One picture: its truth, and its image ids [K]."""

    group: Group
    ids: np.ndarray

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Who and what is shown."""
        return tuple(member.subject for member in self.group.members)

    @property
    def only(self) -> Member:
        """Who a picture of one subject shows."""
        (member,) = self.group.members
        return member


@dataclass(frozen=True)
class Family:
    """A subject and two look-alikes, each with its shots: 0 the subject, 1 a near-duplicate, 2 a
    hard negative.
    """

    subjects: tuple[Subject, Subject, Subject]
    shots: tuple[tuple[Shot, ...], ...]


@dataclass(frozen=True)
class Someone:
    """One subject of a family: the family's number, and which of its three."""

    family: int
    which: int


@dataclass(frozen=True)
class Couple:
    """Two subjects of different families, and pictures of both."""

    who: tuple[Someone, Someone]
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Tale:
    """An action, the image ids of its frames, and whose it is; the actor comes first."""

    who: tuple[Someone, ...]
    story: Story
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Album:
    """Everything that sequences are made of."""

    families: Sequence[Family]
    couples: Sequence[Couple]
    tales: Sequence[Tale]
    empty: dict[tuple[str, str, int], np.ndarray] = field(repr=False)
    """The image ids of each place, time and detail with nobody there."""

    def subject(self, who: Someone) -> Subject:
        return self.families[who.family].subjects[who.which]

    def shots(self, who: Someone) -> tuple[Shot, ...]:
        return self.families[who.family].shots[who.which]


# ---- who and what, from the seed and a number ---------------------------------------------------


@dataclass(frozen=True)
class Maker:
    """What an album of a seed holds, by number.

    Args:
        seed: Decides everything.
        families: How many there are, for couples and tales to choose from.
        unseen: Families of combinations that are held out of training, to examine a base on; their
            hard negatives may be of others.
    """

    seed: int
    families: int
    unseen: bool = False

    def _random(self, kind: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, kind, number])

    def subjects(self, number: int) -> tuple[Subject, Subject, Subject]:
        """The three of a family; of training none is a combination that is held out of it."""
        rng = self._random(1, number)
        while True:
            subject = sample_any(rng, unseen=self.unseen)
            trio = (subject, near_duplicate(subject, rng), hard_negative(subject, rng))
            # A hard negative may land on a held-out combination.
            if self.unseen or not any(map(held_out, trio)):
                return trio

    def family(self, number: int) -> tuple[object, list[Group]]:
        """The three of a family, and what their pictures show, SHOTS of each."""
        rng, trio = self._random(2, number), self.subjects(number)
        return trio, [sample_group([subject], rng) for subject in trio for _ in range(SHOTS)]

    def couple(self, number: int) -> tuple[object, list[Group]]:
        """Two of different families, and what their pictures show."""
        rng = self._random(3, number)
        while True:
            who = self._someone(rng), self._someone(rng)
            both = self._subjects_of(who)
            # Two that look exactly alike could not be told apart by anything.
            if both[0] != both[1]:
                return who, [sample_group(both, rng) for _ in range(COUPLE_SHOTS)]

    def tale(self, number: int) -> tuple[object, list[Group]]:
        """One of a family, or two of different ones, what the first of them does, and its frames."""
        rng = self._random(4, number)
        while True:
            who = tuple(self._someone(rng) for _ in range(1 if rng.random() < ALONE else 2))
            both = self._subjects_of(who)
            if len(set(both)) == len(both) and possible_actions(both):
                story = sample_story(both, rng)
                return (who, story), list(story.frames)

    def empty(self, number: int) -> tuple[object, list[Group]]:
        """A place at a time with nobody there."""
        place, rest = divmod(number, len(TIMES) * DETAILS)
        time, detail = divmod(rest, DETAILS)
        group = Group(place=PLACES[place], time=TIMES[time], detail=detail, members=())
        return None, [group]

    def _someone(self, rng: np.random.Generator) -> Someone:
        return Someone(int(rng.integers(self.families)), int(rng.integers(3)))

    def _subjects_of(self, who: Sequence[Someone]) -> list[Subject]:
        return [self.subjects(w.family)[w.which] for w in who]


# ---- drawing and encoding -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Some numbers of one kind of content, with everything that a process needs to make them."""

    make: Callable[[int], tuple[object, list[Group]]]
    numbers: range


def _made(part: _Part) -> tuple[list[tuple[object, list[Group]]], np.ndarray]:
    """The content of a part, and its pictures in the same order, uint8 [N, 3, 32, 32]."""
    made = [part.make(number) for number in part.numbers]
    groups = [group for _, shown in made for group in shown]
    return made, draw_groups(groups, processes=1).numpy()


def _parts(settings: AlbumSettings, seed: int, unseen: bool) -> Iterator[_Part]:
    maker = Maker(seed, settings.families, unseen)
    kinds = (
        (maker.family, settings.families),
        (maker.couple, settings.couples),
        (maker.tale, settings.tales),
        (maker.empty, len(PLACES) * len(TIMES) * DETAILS),
    )
    for make, count in kinds:
        for start in range(0, count, AT_ONCE):
            yield _Part(make, range(start, min(start + AT_ONCE, count)))


Encode = Callable[[np.ndarray], np.ndarray]
"""Pictures, uint8 [N, 3, 32, 32], to image ids [N, K]."""


def encoder(tokenizer: ImageTokenizer, image_ids: torch.Tensor, device: str) -> Encode:
    """What an image tokenizer makes of pictures.

    Args:
        tokenizer: The image tokenizer, on `device`.
        image_ids: The vocabulary's id of each code, [C].
        device: Where pictures are encoded.
    """
    # On a CPU blocks of one size, which memory is kept for; a GPU is full with a few thousand.
    at_once = 64 if device == "cpu" else 4096

    def encode(pixels: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(pixels).split(at_once)
        codes = [tokenizer.to_codes(from_bytes(part.to(device))).cpu() for part in parts]
        return image_ids[torch.cat(codes)].numpy()

    return encode


def make_album(
    settings: AlbumSettings,
    encode: Encode,
    *,
    seed: int,
    file: Path | None = None,
    unseen: bool = False,
) -> Album:
    """The album of a seed.

    Args:
        settings: How much it holds.
        encode: What makes image ids of pictures.
        seed: Decides everything.
        file: Where the image ids are kept; where it is there they are read from it, so that its name
            should tell what they depend on (`digest`). None: they are not kept.
        unseen: Of combinations that are held out of training, to examine a base on.
    """
    # The order of parts is that of the image ids in the file.
    parts = list(_parts(settings, seed, unseen))
    kept = np.load(file) if file and is_file(file) else None
    content: list[tuple[object, list[Group]]] = []
    ids: list[np.ndarray] = []
    with mapped_over(len(parts)) as mapped:
        if kept is not None:
            for made in mapped(_content, parts):
                content += made
        else:
            for made, pixels in mapped(_made, parts):
                content += made
                ids.append(encode(pixels).astype(np.int32))
    if kept is None:
        kept = np.concatenate(ids)
    if file and not is_file(file):
        saved = io.BytesIO()
        # Ids fit in 16 bits.
        np.save(saved, kept.astype(np.uint16))
        write_aside(file, saved.getvalue())
    return _album(settings, content, kept.astype(np.int64))


def _content(part: _Part) -> list[tuple[object, list[Group]]]:
    return [part.make(number) for number in part.numbers]


def _album(
    settings: AlbumSettings, content: Sequence[tuple[object, list[Group]]], ids_NK: np.ndarray
) -> Album:
    """An album from its parts in the order of `_parts`, and the image ids of all pictures."""
    # The rows have no labels: only this order says whose picture each one is.
    rows = iter(ids_NK)
    shown = [tuple(Shot(group, next(rows)) for group in groups) for _, groups in content]
    said = [what for what, _ in content]
    first, second = settings.families, settings.families + settings.couples
    third = second + settings.tales
    return Album(
        families=[
            Family(said[i], tuple(shown[i][k : k + SHOTS] for k in range(0, 3 * SHOTS, SHOTS)))
            for i in range(first)
        ],
        couples=[Couple(said[i], shown[i]) for i in range(first, second)],
        tales=[Tale(*said[i], shown[i]) for i in range(second, third)],
        empty={
            (shot.group.place, shot.group.time, shot.group.detail): shot.ids
            for (shot,) in shown[third:]
        },
    )


def digest(settings: AlbumSettings, seed: int, tokenizer: ImageTokenizer) -> str:
    """A digest of all that image ids depend on: the counts, a sample of the pictures, and the image
    tokenizer's encoding half.
    """
    seen = hashlib.sha256(repr((settings, seed)).encode())
    for part in _parts(SAMPLE, seed, unseen=False):
        made, pixels = _made(part)
        seen.update(repr(made).encode())
        seen.update(pixels.tobytes())
    # The decoder is left out: training it further changes no id.
    for name, tensor in sorted(tokenizer.state_dict().items()):
        if name.startswith(("encoder", "quant_conv", "quantize")):
            seen.update(tensor.cpu().numpy().tobytes())
    return seen.hexdigest()[:16]
