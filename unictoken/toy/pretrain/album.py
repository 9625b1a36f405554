"""The album: every picture that the tiny base's transformer is trained on, with its truth.

Families are who is introduced, recognised and drawn; couples are two of them in one picture; tales
are actions over a few pictures. Each is a pure function of (seed, number), so that processes make
parts of an album side by side.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from unictoken.core.config import one_or_more
from unictoken.core.disk import write_aside
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.pixels import from_bytes
from unictoken.toy.pretrain.pictures import draw_groups, sample_any
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


def family_subjects(seed: int, number: int) -> tuple[Subject, Subject, Subject]:
    """The three of a family; none is a combination that is held out of training."""
    rng = np.random.default_rng([seed, 1, number])
    while True:
        subject = sample_any(rng, taught_only=True)
        trio = (subject, near_duplicate(subject, rng), hard_negative(subject, rng))
        # A hard negative may land on a held-out combination.
        if not any(map(held_out, trio)):
            return trio


def family_groups(seed: int, number: int) -> list[Group]:
    """What the pictures of a family show, SHOTS of each of the three."""
    rng = np.random.default_rng([seed, 2, number])
    trio = family_subjects(seed, number)
    return [sample_group([subject], rng) for subject in trio for _ in range(SHOTS)]


def _someone(rng: np.random.Generator, families: int) -> Someone:
    return Someone(int(rng.integers(families)), int(rng.integers(3)))


def couple(seed: int, number: int, families: int) -> tuple[tuple[Someone, Someone], list[Group]]:
    """Two of different families, and what their pictures show."""
    rng = np.random.default_rng([seed, 3, number])
    while True:
        who = _someone(rng, families), _someone(rng, families)
        both = [family_subjects(seed, w.family)[w.which] for w in who]
        # Two that look exactly alike could not be told apart by anything.
        if both[0] != both[1]:
            return who, [sample_group(both, rng) for _ in range(COUPLE_SHOTS)]


def tale(seed: int, number: int, families: int) -> tuple[tuple[Someone, ...], Story]:
    """One of a family, or two of different ones, and what the first of them does."""
    rng = np.random.default_rng([seed, 4, number])
    while True:
        who = tuple(_someone(rng, families) for _ in range(1 if rng.random() < ALONE else 2))
        both = [family_subjects(seed, w.family)[w.which] for w in who]
        if len(set(both)) == len(both) and possible_actions(both):
            return who, sample_story(both, rng)


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


def _family(number: int, *, seed: int) -> tuple[object, list[Group]]:
    return family_subjects(seed, number), family_groups(seed, number)


def _couple(number: int, *, seed: int, families: int) -> tuple[object, list[Group]]:
    return couple(seed, number, families)


def _tale(number: int, *, seed: int, families: int) -> tuple[object, list[Group]]:
    who, story = tale(seed, number, families)
    return (who, story), list(story.frames)


def _empty(number: int) -> tuple[object, list[Group]]:
    place, rest = divmod(number, len(TIMES) * DETAILS)
    time, detail = divmod(rest, DETAILS)
    group = Group(place=PLACES[place], time=TIMES[time], detail=detail, members=())
    return None, [group]


def _parts(settings: AlbumSettings, seed: int) -> Iterator[_Part]:
    kinds = (
        (partial(_family, seed=seed), settings.families),
        (partial(_couple, seed=seed, families=settings.families), settings.couples),
        (partial(_tale, seed=seed, families=settings.families), settings.tales),
        (_empty, len(PLACES) * len(TIMES) * DETAILS),
    )
    for make, count in kinds:
        for start in range(0, count, AT_ONCE):
            yield _Part(make, range(start, min(start + AT_ONCE, count)))


@torch.no_grad()
def _encoded(
    tokenizer: ImageTokenizer, pixels: np.ndarray, image_ids: torch.Tensor, device: str
) -> np.ndarray:
    """Image ids, int32 [N, K]."""
    codes = [
        tokenizer.to_codes(from_bytes(part.to(device))).cpu()
        # On a CPU blocks of one size, which memory is kept for; a GPU is full with a few thousand.
        for part in torch.from_numpy(pixels).split(64 if device == "cpu" else 4096)
    ]
    return image_ids[torch.cat(codes)].numpy().astype(np.int32)


def make_album(
    settings: AlbumSettings,
    tokenizer: ImageTokenizer,
    image_ids: torch.Tensor,
    *,
    seed: int,
    device: str,
    cache: Path,
) -> Album:
    """The album of a seed.

    Args:
        settings: How much it holds.
        tokenizer: What encodes the pictures, on `device`.
        image_ids: The vocabulary's id of each code, [C].
        seed: Decides everything.
        device: Where pictures are encoded.
        cache: A folder for the image ids. A file there is used again only where a sample of the
            pictures, the settings and the encoder are the same.
    """
    parts = list(_parts(settings, seed))
    file = cache / f"album-{_digest(settings, seed, tokenizer)}.npy"
    kept = np.load(file) if file.is_file() else None
    content: list[tuple[object, list[Group]]] = []
    ids: list[np.ndarray] = []
    processes = min(os.cpu_count() or 1, len(parts))
    # 'spawn': a fork of a process whose torch has threads may wait for ever.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        if kept is not None:
            for made in pool.imap(_content, parts):
                content += made
        else:
            for made, pixels in pool.imap(_made, parts):
                content += made
                ids.append(_encoded(tokenizer, pixels, image_ids, device))
    if kept is None:
        kept = np.concatenate(ids)
        made = io.BytesIO()
        # Ids fit in 16 bits.
        np.save(made, kept.astype(np.uint16))
        write_aside(file, made.getvalue())
    return _album(settings, content, kept.astype(np.int64))


def _content(part: _Part) -> list[tuple[object, list[Group]]]:
    return [part.make(number) for number in part.numbers]


def _album(
    settings: AlbumSettings, content: Sequence[tuple[object, list[Group]]], ids_NK: np.ndarray
) -> Album:
    """An album from its parts in the order of `_parts`, and the image ids of all pictures."""
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


def _digest(settings: AlbumSettings, seed: int, tokenizer: ImageTokenizer) -> str:
    """Of all that image ids depend on: the counts, a sample of the pictures, and the image
    tokenizer's encoding half.
    """
    # A sample: drawing all of them takes minutes, and a change of the world's code changes many.
    sample = AlbumSettings(families=40, couples=40, tales=40)
    seen = hashlib.sha256(repr((settings, seed)).encode())
    for part in _parts(sample, seed):
        made, pixels = _made(part)
        seen.update(repr(made).encode())
        seen.update(pixels.tobytes())
    # The decoder is left out: training it further changes no id.
    for name, tensor in sorted(tokenizer.state_dict().items()):
        if name.startswith(("encoder", "quant_conv", "quantize")):
            seen.update(tensor.cpu().numpy().tobytes())
    return seen.hexdigest()[:16]
