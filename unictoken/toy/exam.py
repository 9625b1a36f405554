"""The exam of a base of the toy world: the first question of training sequences about subjects that
it never saw, each put by itself and answered freely.

Only the first question of a sequence is asked, so that no earlier answer gives the next one away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from einops import rearrange
from PIL import Image

from unictoken.data import templates
from unictoken.data.sequence import Turn, user_turn
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_pictures, sample_text
from unictoken.personalize.captions import best_captions
from unictoken.personalize.condition import together, yes_probability
from unictoken.personalize.which import told
from unictoken.scoring.metrics import mean
from unictoken.toy.judge import Judge, MemberReading, Reading
from unictoken.toy.pretrain import several
from unictoken.toy.pretrain.album import AlbumSettings, make_album
from unictoken.toy.pretrain.parts import LENGTH, Parts
from unictoken.toy.pretrain.sequences import KINDS
from unictoken.toy.world.groups import Group, Member
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
# How somebody is; 'codes' are 8 to 20 of their image ids.
INTRODUCED = ("words", "codes", "pictures")
CAPTIONS = 7  # of a picture, of which the best is kept
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
        drawings: Pictures of two that are drawn, for each way to introduce them; 0: none.
    """
    album = make_album(ALBUM, partial(encoded, base), seed=seed, unseen=True)
    parts = Parts(base.vocab, album, length=LENGTH)
    numbers: dict[str, float] = {}
    for kind in ASKED:
        papers = [
            _paper(parts, kind, np.random.default_rng([seed, i, len(kind)])) for i in range(count)
        ]
        numbers |= _marked(base, papers)
    for how in INTRODUCED:
        numbers |= _line_ups(base, parts, how, count, seed)
    numbers |= _captions_of_two(base, judge, parts, count, seed)
    if judge and drawings:
        for how in INTRODUCED:
            numbers |= _drawn_twos(base, judge, parts, how, drawings, seed)
    return numbers


def bounds(numbers: Mapping[str, float]) -> list[str]:
    """What of the exam's numbers the base alone does not decide, in words."""
    seen = numbers.get("caption_of_two_judge")
    if seen is None:
        return []
    return [
        "Captions of two are bounded by the image tokenizer: from the same image ids the judge sees"
        f" all that they say in {seen:.3f} of the pictures. And 8 to 20 image ids in random order do"
        " not say everything of somebody, nor tell every look-alike apart; concept tokens are learned"
        " from whole pictures (`results/several.md`)."
    ]


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


# ---- which of several photos --------------------------------------------------------------------


def _line_ups(base: Base, parts: Parts, how: str, count: int, seed: int) -> dict[str, float]:
    """Which of two to four photos show somebody: in one question, and photo by photo, as a session
    asks (`personalize/which.py`).

    Args:
        base: What is asked.
        parts: What its questions are made of.
        how: One of INTRODUCED.
        count: Questions.
        seed: Decides whom and what the photos show.
    """
    rng = np.random.default_rng([seed, 83, INTRODUCED.index(how)])
    line_ups = [several.line_up(parts, how, rng) for _ in range(count)]
    papers, one_by_one = [], []
    for asked in line_ups:
        photos = [parts.picture(shot) for shot in asked.shots]
        name, seen = asked.known.name, [i for photo in photos for i in photo]
        which = user_turn(
            [*asked.about(seen), *parts.say(templates.WHICH[0], name=name)], base.vocab
        )
        papers.append(Paper(f"which_photo_{how}", which, parts.say(asked.answer)))
        one_by_one += [
            user_turn([*asked.about(photo), *parts.say(form, name=name)], base.vocab)
            for photo in photos
            for form in templates.RECOGNISE
        ]
    of_form = yes_probability(base, one_by_one).view(-1, len(templates.RECOGNISE))
    found = of_form.mean(1).split([len(asked.shots) for asked in line_ups])
    right = [told(p.tolist()) == a.answer for p, a in zip(found, line_ups, strict=True)]
    return _marked(base, papers) | {f"which_photo_{how}_apart": mean(right)}


# ---- captions of two ----------------------------------------------------------------------------


def _captions_of_two(
    base: Base, judge: Judge | None, parts: Parts, count: int, seed: int
) -> dict[str, float]:
    """The share of captions that say everything of two right: the likeliest words, the best of
    several (`personalize/captions.py`), and what the judge sees after the image tokenizer, which
    none of them can be expected to pass by much.

    Args:
        base: What is asked.
        judge: None: it is not asked.
        parts: What the questions are made of.
        count: Pictures.
        seed: Decides what they show, and the captions that are sampled.
    """
    rng = np.random.default_rng([seed, 81])
    shots, papers = [], []
    for _ in range(count):
        _, shot = several.couple(parts, rng)
        turns = parts.after(parts.picture(shot), parts.caption(shot.group, rng))
        shots.append(shot)
        papers.append(_first(parts, "caption_of_two", turns))
    numbers = _marked(base, papers)
    ids_NK = torch.from_numpy(np.stack([shot.ids for shot in shots])).long()
    said = best_captions(together(base, ()), ids_NK, CAPTIONS, seed=seed)
    right = [s == parts.vocab.decode(p.answer) for s, p in zip(said, papers, strict=True)]
    numbers[f"caption_of_two_best_of_{CAPTIONS}"] = mean(right)
    if judge:
        seen = zip(judge.read(base.decode(ids_NK)), shots, strict=True)
        numbers["caption_of_two_judge"] = mean([_all_seen(r, shot.group) for r, shot in seen])
    return numbers


def _all_seen(reading: Reading, group: Group) -> bool:
    """Whether the judge sees everything that the caption of a picture says."""
    at = {member.position: member.values for member in reading.members}
    return (reading.place, reading.time) == (group.place, group.time) and all(
        _shown(member).items() <= at.get(member.position, {}).items() for member in group.members
    )


def _shown(member: Member) -> dict[str, str]:
    """What a caption says of somebody; a thing wears nothing."""
    shown = {"pose": member.pose}
    if not member.is_thing:
        shown |= {"accessory": member.accessory, "accessory_colour": member.accessory_colour}
    return member.subject.nameable | shown


# ---- drawings of two ----------------------------------------------------------------------------


def _drawn_twos(
    base: Base, judge: Judge, parts: Parts, how: str, count: int, seed: int
) -> dict[str, float]:
    """Drawings of two who were introduced, 'a photo of tom and mia in the snow', as the judge reads
    them: the share of each one's identity, and of drawings with both whole.

    Args:
        base: What draws.
        judge: What reads the drawings.
        parts: What the prompts are made of.
        how: One of INTRODUCED.
        count: Drawings.
        seed: Decides who they are, and the drawings.
    """
    # A stream of its own: other numbers of questions leave the drawings as they are.
    rng = np.random.default_rng([seed, 82])
    prompts, wanted = [], []
    for _ in range(count):
        chosen, shot = several.couple(parts, rng)
        known = several.named(parts, chosen.who, rng, how)
        asked = parts.say("a photo of {a} and {b} in the snow.", a=known[0].name, b=known[1].name)
        prompts.append(user_turn([*several.intros(known), *asked], base.vocab))
        wanted.append(shot.group)
    ids_NK = sample_pictures(base, prompts, base.codes_per_picture, Draw(seed=seed))
    shares = []
    for reading, group in zip(judge.read(base.decode(ids_NK)), wanted, strict=True):
        shares.append([identity_share(reading.members, member.subject) for member in group.members])
    return {
        f"drawn_of_two_{how}": mean([share for both in shares for share in both]),
        f"drawn_of_two_{how}_whole": mean([min(both) == 1 for both in shares]),
        f"drawn_of_two_{how}_half": mean([min(both) >= 0.75 for both in shares]),
    }


def identity_share(seen: Sequence[MemberReading], subject: Subject) -> float:
    """The share of a subject's own attributes that the likest of those who are seen has."""
    own = subject.nameable
    return max((mean([s.values.get(k) == v for k, v in own.items()]) for s in seen), default=0.0)
