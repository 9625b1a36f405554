"""The exam of a base of the toy world: the first question of training sequences about subjects that
it never saw, each put by itself and answered freely.

Only the first question of a sequence is asked, so that no earlier answer gives the next one away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from einops import rearrange
from PIL import Image

from unictoken.data import templates
from unictoken.data.sequence import Turn, user_turn
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_pictures, sample_text
from unictoken.scoring.metrics import mean
from unictoken.toy.judge import Judge, MemberReading
from unictoken.toy.pretrain import several
from unictoken.toy.pretrain.album import AlbumSettings, make_album
from unictoken.toy.pretrain.parts import LENGTH, Parts
from unictoken.toy.pretrain.sequences import KINDS
from unictoken.toy.world.subjects import Subject

ALBUM = AlbumSettings(families=120, couples=240, tales=120)
# Kinds of sequences whose first question has an answer in words.
ASKED = (
    "look_at_two",
    "check_two",
    "who_is_it",
    "which_photo",
    "story",
    "talk",
    "options",
    "verify",
    "taste",
    "persona",
    "compare",
)
LONGEST_ANSWER = 80  # ids; a caption of two has the most


@dataclass(frozen=True)
class Paper:
    """One question: its prompt's ids, and the ids of the right answer."""

    kind: str
    prompt: list[int]
    answer: list[int]


def examine(
    base: Base, judge: Judge | None, *, count: int, seed: int, drawings: int = 0
) -> dict[str, float]:
    """The share of right answers by kind of question; of drawings of two, what the judge reads.

    Args:
        base: A base that was made by `train/base.py`.
        judge: What reads the drawings; None: nothing is drawn.
        count: Questions of each kind.
        seed: Decides subjects, pictures, questions and drawings.
        drawings: Pictures of two that are drawn; 0: none.
    """
    album = make_album(ALBUM, partial(encoded, base), seed=seed, unseen=True)
    parts = Parts(base.vocab, album, length=LENGTH)
    numbers: dict[str, float] = {}
    for kind in ASKED:
        papers = [
            _paper(parts, kind, np.random.default_rng([seed, i, len(kind)])) for i in range(count)
        ]
        numbers |= _marked(base, papers)
    numbers |= _marked(base, _captions_of_two(parts, count, seed))
    if judge and drawings:
        numbers |= _drawn_twos(base, judge, parts, drawings, seed)
    return numbers


def encoded(base: Base, pixels: np.ndarray) -> np.ndarray:
    """Image ids [N, K] of pictures, uint8 [N, 3, H, W]."""
    return base.encode(map(Image.fromarray, rearrange(pixels, "n c h w -> n h w c"))).numpy()


def _paper(parts: Parts, kind: str, rng: np.random.Generator) -> Paper:
    turns = KINDS[kind](parts, rng)
    return _first(parts, _subkind(parts, kind, turns), turns)


def _first(parts: Parts, kind: str, turns: Sequence[Turn]) -> Paper:
    asked, answered = turns[0], turns[1]
    return Paper(kind, user_turn(asked.ids, parts.vocab), list(answered.ids))


def _subkind(parts: Parts, kind: str, turns: Sequence[Turn]) -> str:
    """What a question is called: of who it is, apart what is declined, and yes or no."""
    if kind != "who_is_it":
        return kind
    said = parts.vocab.decode(turns[1].ids)
    if said == templates.NOBODY:
        return "who_is_nobody"
    if said.startswith(templates.UNKNOWN.split("{")[0]):
        return "who_is_unknown"
    return "who_is_there" if said in (templates.YES, templates.NO) else "who_is_it"


def _captions_of_two(parts: Parts, count: int, seed: int) -> list[Paper]:
    rng = np.random.default_rng([seed, 81])
    papers = []
    for _ in range(count):
        _, shot = several.couple(parts, rng)
        turns = parts.after(parts.picture(shot), parts.caption(shot.group, rng))
        papers.append(_first(parts, "caption_of_two", turns))
    return papers


def _marked(base: Base, papers: Sequence[Paper]) -> dict[str, float]:
    """The share of exactly right answers by kind."""
    # Fifty at once: their caches fit into the memory of a laptop.
    given: list[list[int]] = []
    for i in range(0, len(papers), 50):
        prompts = [paper.prompt for paper in papers[i : i + 50]]
        given += sample_text(base, prompts, max_ids=LONGEST_ANSWER)
    right: dict[str, list[bool]] = {}
    for paper, ids in zip(papers, given, strict=True):
        right.setdefault(paper.kind, []).append(list(ids) == paper.answer)
    return {kind: mean(flags) for kind, flags in right.items()}


# ---- drawings of two ----------------------------------------------------------------------------


def _drawn_twos(base: Base, judge: Judge, parts: Parts, count: int, seed: int) -> dict[str, float]:
    """Drawings of two who were introduced by image ids, 'a photo of tom and mia in the snow', as the
    judge reads them: the share of each one's identity, and of drawings with both whole.
    """
    # A stream of its own: other numbers of questions leave the drawings as they are.
    rng = np.random.default_rng([seed, 82])
    prompts, wanted = [], []
    for _ in range(count):
        chosen, shot = several.couple(parts, rng)
        known = several.named(parts, chosen.who, rng, "codes")
        asked = parts.say("a photo of {a} and {b} in the snow.", a=known[0].name, b=known[1].name)
        prompts.append(user_turn([*several.intros(known), *asked], base.vocab))
        wanted.append(shot.group)
    ids_NK = sample_pictures(base, prompts, base.codes_per_picture, Draw(seed=seed))
    shares = []
    for reading, group in zip(judge.read(base.decode(ids_NK)), wanted, strict=True):
        shares.append([identity_share(reading.members, member.subject) for member in group.members])
    return {
        "drawn_of_two": mean([share for both in shares for share in both]),
        "drawn_of_two_whole": mean([min(both) == 1 for both in shares]),
        "drawn_of_two_half": mean([min(both) >= 0.75 for both in shares]),
    }


def identity_share(seen: Sequence[MemberReading], subject: Subject) -> float:
    """The share of a subject's own attributes that the likest of those who are seen has."""
    own = subject.nameable
    return max((mean([s.values.get(k) == v for k, v in own.items()]) for s in seen), default=0.0)
