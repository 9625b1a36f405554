"""The pictures that the tiny base, its image tokenizer and its judge are trained on."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from unictoken.toy.world.drawing import SIDE, draw_group
from unictoken.toy.world.groups import Group, sample_group
from unictoken.toy.world.subjects import SAMPLERS, Subject, sample_subject

# Of single subjects, by kind: pets have the most attributes, and the finest.
KIND_SHARES = {"animal": 0.6, "object": 0.22, "person": 0.18}
PAIRS = 0.35  # of the pictures show two
NOBODY = 0.005  # of the pictures show a place alone
AT_ONCE = 500  # pictures that a process draws before it is given more
WORTH_PROCESSES = 5  # parts from which on starting processes is worth its seconds


def sample_kind(rng: np.random.Generator, shares: Mapping[str, float] = KIND_SHARES) -> str:
    """A kind of subject, drawn by its share."""
    return str(rng.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))


def sample_any(rng: np.random.Generator, *, unseen: bool | None = False) -> Subject:
    """A subject of any kind.

    Args:
        rng: What it is drawn from.
        unseen: False: of a combination that the base is trained on; True: of one that is held out
            of its training; None: of either.
    """
    kind = sample_kind(rng)
    return SAMPLERS[kind](rng) if unseen is None else sample_subject(rng, kind=kind, unseen=unseen)


def sample_groups(count: int, *, seed: int, taught_only: bool = True) -> list[Group]:
    """Pictures of nobody, of one subject or of two, everything drawn at random.

    Args:
        count: How many.
        seed: Decides all of them.
        taught_only: Never a held-out combination. The judge has to read those too.
    """
    rng = np.random.default_rng(seed)
    groups = []
    for _ in range(count):
        lot = rng.random()
        members = 0 if lot < NOBODY else 2 if lot < NOBODY + PAIRS else 1
        subjects = [sample_any(rng, unseen=False if taught_only else None) for _ in range(members)]
        groups.append(sample_group(subjects, rng))
    return groups


@contextmanager
def mapped_over(parts: int, processes: int | None = None) -> Iterator[Callable[..., Any]]:
    """`map` over so many parts by several processes, its results in order.

    Args:
        parts: How many there are.
        processes: How many work; None: one for each core, or this one alone where there is little
            to do.
    """
    if processes is None:
        processes = 1 if parts < WORTH_PROCESSES else min(os.cpu_count() or 1, parts)
    if processes == 1:
        yield map
        return
    # 'spawn': a fork of a process whose torch has threads may wait for ever.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield pool.imap


def draw_groups(groups: Sequence[Group], *, processes: int | None = None) -> torch.Tensor:
    """The pictures, uint8 [N, 3, 32, 32], the same however many processes draw them.

    Args:
        groups: What each shows.
        processes: How many draw; None: one for each core where there is enough to draw.
    """
    parts = [groups[i : i + AT_ONCE] for i in range(0, len(groups), AT_ONCE)]
    with mapped_over(len(parts), processes) as mapped:
        drawn = list(mapped(_draw, parts))
    pixels = np.concatenate(drawn) if drawn else np.zeros((0, SIDE, SIDE, 3), np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _draw(groups: Sequence[Group]) -> np.ndarray:
    return np.stack([np.asarray(draw_group(group)) for group in groups])
