"""Sampling text and pictures, in batches, with a key-value cache and classifier-free guidance.

What prompts have in common is read once: equal prompts, and equal beginnings (a picture that several
questions are about, a concept's introduction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

import torch
import torch.nn.functional as F

from unictoken.core.errors import UserError
from unictoken.core.progress import bar, progress
from unictoken.model.draw import Draw
from unictoken.model.pick import Lot, pick, uniform
from unictoken.model.products import threads_for
from unictoken.model.protocol import LanguageModel

TEXT_BATCH = 128
ANSWER_IDS = 64  # that an answer may have, where nobody says how many
PICTURE_BATCH = 16
GUESSED = 12  # columns that are read at once for one picture, at most
TOGETHER = 32  # columns that are read at once for a few, at most
FEW = 4  # pictures; of more, nothing is guessed
LOST = 128  # columns that pictures may skip because others had guessed better
CACHE_BYTES = 5 * 2**30  # of keys and values at once: four pictures of a 7B with guidance
LOOK_EVERY = 8  # words, on a GPU: to see which answers have ended, the CPU waits for it

Prompt = tuple[int, ...]
Hear = Callable[[int, list[int]], None]
"""Called while answers are said, with a prompt's number and the ids of its answer so far."""


class _Continuation:
    """Sequences that are read and continued together.

    Attributes: `ids` [B, T] (the sequences, padded on the left), `hidden` [B, D] (after the last
    id of each).

    Args:
        speaker: What reads them.
        prompts: Ids of each.
        more_ids: Ids that may be appended to each.
    """

    def __init__(self, speaker: LanguageModel, prompts: Sequence[Prompt], more_ids: int = 0):
        self.speaker, self.device = speaker, speaker.device
        different = list(dict.fromkeys(prompts))
        begun = beginnings(different)
        first = list(dict.fromkeys(begun))
        if len(first) == len(different):  # nothing is shared
            first, begun = different, different
        rests = [p[len(b) :] for p, b in zip(different, begun, strict=True)]

        columns = max(map(len, first)) + max(map(len, rests)) + more_ids
        self.reading = speaker.reading(len(first), columns)
        self._read(first)
        if any(rests):
            self._select([first.index(b) for b in begun])
            self._read(rests)
        self._select([different.index(p) for p in prompts])
        self.ids, _ = self._padded(prompts)

    def _padded(self, pieces: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids [B, S], padded on the left, so that the last one of each stands in the last column;
        and where there are ids, None for everywhere.
        """
        length = max(map(len, pieces))
        rows = [[self.speaker.vocab.pad] * (length - len(p)) + list(p) for p in pieces]
        ids_BS = torch.tensor(rows, device=self.device)
        if min(map(len, pieces)) == length:
            return ids_BS, None
        given = [[False] * (length - len(p)) + [True] * len(p) for p in pieces]
        return ids_BS, torch.tensor(given, device=self.device)

    def _read(self, pieces: Sequence[Prompt]) -> None:
        ids_BS, seen_BS = self._padded(pieces)
        self.hidden = self.reading.read(self.speaker.embed(ids_BS), seen_BS)[:, -1]

    def _select(self, rows: Sequence[int]) -> None:
        self.reading.select(rows)
        self.hidden = self.hidden[rows]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sequences alone."""
        self._select(rows)
        self.ids = self.ids[rows]

    def look(self, next_BS: torch.Tensor) -> torch.Tensor:
        """Hidden states [B, S, D] of the next columns, which `take_back` may undo."""
        return self.reading.read(self.speaker.embed(next_BS))

    def take_back(self, columns_B: Sequence[int]) -> None:
        """Take back so many of the last columns of each sequence."""
        self.reading.take_back(columns_B)

    def append(self, next_B: torch.Tensor) -> None:
        self.ids = torch.cat([self.ids, next_B[:, None]], 1)
        self.hidden = self.reading.read(self.speaker.embed(next_B[:, None]))[:, -1]


def beginnings(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The beginning of each prompt that is read once for all that share it.

    Prompts share one where it is at least half of each. The last id of a prompt is never in it.

    >>> beginnings([(1, 2, 3, 4), (1, 2, 3, 5), (7, 8)])
    [(1, 2, 3), (1, 2, 3), (7,)]
    """
    begun: dict[Prompt, Prompt] = {}
    members: list[Prompt] = []
    common: Prompt = ()
    for prompt in sorted(prompts):  # neighbours have most in common
        common = _shared(common, prompt[:-1])
        if 2 * len(common) < max(map(len, [prompt, *members])):
            members, common = [], prompt[:-1]
        members.append(prompt)
        begun |= dict.fromkeys(members, common)
    return [begun[prompt] for prompt in prompts]


def _shared(one: Prompt, other: Prompt) -> Prompt:
    """What two prompts begin with."""
    return tuple(
        a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )


def _parts(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    most: int,
    *,
    more_ids: int = 0,
    copies: int = 1,
) -> Iterator[tuple[list[int], list[Prompt]]]:
    """Prompts in parts that are sampled together, each with the numbers of its prompts.

    Prompts that begin alike are in one part. A part is smaller than `most` where the cache of a
    large base would outgrow CACHE_BYTES.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        most: Prompts that a part may have.
        more_ids: Ids that are sampled after each prompt.
        copies: Sequences that are read for each prompt: 2 with guidance.
    """
    longest = max(map(len, prompts), default=0) + more_ids
    if longest > speaker.longest:
        raise UserError(
            f"prompt: {longest - more_ids:,} ids and {more_ids} of an answer; this base reads at"
            f" most {speaker.longest:,}. Say less."
        )
    size = max(1, min(most, CACHE_BYTES // max(1, copies * speaker.cache_bytes(longest))))
    given = [tuple(prompt) for prompt in prompts]
    order = sorted(range(len(given)), key=given.__getitem__)
    for start in range(0, len(order), size):
        numbers = order[start : start + size]
        yield numbers, [given[i] for i in numbers]


@torch.no_grad()
def next_logits(speaker: LanguageModel, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Scores of what comes next, [B, V] in fp32, for prompts of any lengths."""
    parts = list(_parts(speaker, prompts, TEXT_BATCH))
    scores = []
    for _, part in progress(parts, f"reading {len(prompts)} prompts"):
        read = _Continuation(speaker, part)
        scores.append(speaker.logits(read.hidden, read.ids).float().cpu())
        del read  # its cache, before the next part reads into another
    order = torch.tensor([number for numbers, _ in parts for number in numbers])
    return torch.cat(scores)[order.argsort()]


@torch.no_grad()
def sample_text(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_ids: int = ANSWER_IDS,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    hear: Hear | None = None,
) -> list[list[int]]:
    """The ids that follow each prompt, up to the end of the answer (left out). Image ids, and what
    else is no text, are never sampled here.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        max_ids: Ids that an answer may have.
        temperature: 0 takes the likeliest id at every place.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        seed: Of the sampling.
        hear: Is told each answer as it grows, and the prompt's number; None: nobody is.
    """
    ends = speaker.vocab.ends
    answers: dict[int, list[int]] = {}

    def ended(numbers: list[int], said_NT: torch.Tensor) -> Iterator[tuple[int, list[int]]]:
        for number, ids in zip(numbers, said_NT.tolist(), strict=True):
            yield number, list(takewhile(lambda i: i not in ends, ids))

    for numbers, part in _parts(speaker, prompts, TEXT_BATCH, more_ids=max_ids):
        uniform_NT = uniform([(seed, n) for n in numbers], max_ids).to(speaker.device)
        what = f"answering {len(part)} of {len(prompts)} questions"
        talk = _Continuation(speaker, part, max_ids)

        def tell(said_NT: torch.Tensor, numbers: list[int] = numbers) -> None:
            if hear is not None:
                for number, ids in ended(numbers, said_NT):
                    hear(number, ids)

        with threads_for(talk.hidden.numel(), speaker.device):
            said_NT = _said(talk, uniform_NT, temperature, top_p, what, tell if hear else None)
        del talk  # its cache, before the next part reads into another
        answers |= ended(numbers, said_NT)
    return [answers[number] for number in range(len(prompts))]


def _said(
    talk: _Continuation,
    uniform_NT: torch.Tensor,
    temperature: float,
    top_p: float,
    what: str,
    tell: Callable[[torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """The ids that follow each prompt, [N, T], up to the end of the answer; anything follows that.

    Args:
        talk: The prompts, read.
        uniform_NT: Decides what is sampled.
        temperature: 0 takes the likeliest id at every place.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        what: Is shown to people meanwhile.
        tell: Is given what is said so far, [N, t], after each id; None: nobody is told.
    """
    vocab, device = talk.speaker.vocab, talk.device
    no_text, ends = (torch.tensor(ids, device=device) for ids in (vocab.no_text, vocab.ends))
    said_NT = torch.full(uniform_NT.shape, vocab.end_turn, device=device)
    rows = torch.arange(len(said_NT), device=device)  # whose answers go on
    open_B = torch.ones(len(said_NT), dtype=torch.bool, device=device)
    look_every = 1 if device.type == "cpu" else LOOK_EVERY
    for step in progress(range(said_NT.shape[1]), what, unit="word"):
        logits = talk.speaker.text_logits(talk.hidden, talk.ids).float()
        logits = logits.index_fill(1, no_text, -torch.inf)
        chosen_B = pick(logits, temperature, top_p, uniform_NT[rows, step])
        said_NT[rows, step] = chosen_B
        if tell is not None:
            tell(said_NT[:, : step + 1])
        open_B &= ~torch.isin(chosen_B, ends)
        if step % look_every == 0:
            left = open_B.nonzero()[:, 0].tolist()
            if not left:
                break
            # To leave costs a copy of the cache.
            if len(left) <= len(open_B) / 2:
                talk.keep(left)
                rows, open_B, chosen_B = rows[left], open_B[left], chosen_B[left]
        if step + 1 < said_NT.shape[1]:
            talk.append(chosen_B)
    return said_NT


@torch.no_grad()
def sample_pictures(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    length: int,
    how: Draw,
    *,
    lots: Sequence[Lot] | None = None,
    hear: Hear | None = None,
) -> torch.Tensor:
    """Image ids [N, K] of one picture for each prompt; begin_image is forced, then image ids only.

    Guidance compares with the unconditional prompt, bos + begin_image, in the same batch.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        length: K, the image ids of a picture.
        how: Temperature, guidance, seed and so on.
        lots: Of each picture, where not all are of one seed; None: that of `how`, numbered in order.
        hear: Is told the ids of each picture as it grows, and the prompt's number; None: nobody is.
    """
    lots = [(how.seed, number) for number in range(len(prompts))] if lots is None else lots
    vocab, device = speaker.vocab, speaker.device
    image_ids = vocab.image_ids.to(device)
    drawn_NK = torch.empty(len(prompts), length, dtype=torch.long)
    guided = how.guidance != 1
    for numbers, part in _parts(
        speaker, prompts, PICTURE_BATCH, more_ids=length + 1, copies=2 if guided else 1
    ):
        told = [tuple(vocab.to_draw(prompt)) for prompt in part]
        # In the second half of the batch, where `chunk` finds them.
        blind = [tuple(vocab.blind_prompt)] * len(part) if guided else []
        at_once = _columns_at_once(len(part), device)
        lost = LOST if at_once > 1 and len(part) > 1 else 0
        picture = _Continuation(speaker, told + blind, length + at_once + lost)
        uniform_NK = uniform([lots[n] for n in numbers], length).to(device)
        what = f"drawing {len(part)} of {len(prompts)} pictures"

        def tell(ids_Nt: torch.Tensor, numbers: list[int] = numbers) -> None:
            if hear is not None:
                for number, ids in zip(numbers, ids_Nt.tolist(), strict=True):
                    hear(number, ids)

        with threads_for(at_once * picture.hidden.numel(), device):
            drawn = _drawn(
                picture, image_ids, uniform_NK, how, what, at_once, tell if hear else None
            )
            drawn_NK[numbers] = drawn.cpu()
    return drawn_NK


def _drawn(
    picture: _Continuation,
    image_ids: torch.Tensor,
    uniform_NK: torch.Tensor,
    how: Draw,
    what: str,
    most: int,
    tell: Callable[[torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Image ids [N, K] that follow N prompts.

    Args:
        picture: The prompts, read; with guidance, as many unconditional ones after them.
        image_ids: Id of each code.
        uniform_NK: Decides what is sampled.
        how: Temperature, guidance and so on.
        what: Is shown to people meanwhile.
        most: Columns that are read together, at most.
        tell: Is given what is drawn so far, [N, t], before each pass; None: nobody is.
    """
    guided, (count, length) = how.guidance != 1, uniform_NK.shape
    uniform_NK = F.pad(uniform_NK, (0, most))

    def picked(hidden_BSD: torch.Tensor, uniform_NS: torch.Tensor) -> torch.Tensor:
        if guided:
            told, free = hidden_BSD.chunk(2)
            # Before the head, which is linear: half as many scores.
            hidden_BSD = torch.lerp(free, told, how.guidance)
        scores = picture.speaker.image_logits(hidden_BSD.flatten(0, 1)).float()
        codes = pick(scores, how.temperature, how.top_p, uniform_NS.flatten())
        return image_ids[codes].view_as(uniform_NS)

    # What is drawn, and guesses after it: at first the picture's first id.
    ids_NK = picked(picture.hidden[:, None], uniform_NK[:, :1]).repeat(1, length + most)
    done, drawn = [1] * count, 1  # ids of each picture, and of the one that has fewest
    with bar(what, length) as shown:
        # Nothing follows the last id: its forward pass is left out.
        while drawn < length:
            if tell is not None:
                tell(ids_NK[:, :drawn])
            # As many as leave a column for each id that may still be read one by one.
            at_once = min(most, picture.reading.columns_left - (length - drawn) + 1)
            place_NS = torch.tensor(done)[:, None] - 1 + torch.arange(at_once)
            place_NS = place_NS.to(picture.device)
            read_NS = ids_NK.gather(1, place_NS)
            # Both halves read what was drawn.
            hidden_BSD = picture.look(read_NS.repeat(2 if guided else 1, 1))
            found_NS = picked(hidden_BSD, uniform_NK.gather(1, place_NS + 1))
            ids_NK.scatter_(1, place_NS + 1, found_NS)
            right = [0] * count if at_once == 1 else _guessed_right(read_NS[:, 1:], found_NS)
            # A picture that is done goes on with the others, and guesses nothing.
            kept = [1 + (n if ids < length else 0) for n, ids in zip(right, done, strict=True)]
            picture.take_back([at_once - n for n in kept] * (2 if guided else 1))
            done = [min(ids + n, length) for ids, n in zip(done, kept, strict=True)]
            shown(min(done) - drawn)
            drawn = min(done)
    return ids_NK[:, :length]


def _columns_at_once(pictures: int, device: torch.device) -> int:
    """Columns that are read together of each of so many pictures; all but the first are guesses.

    A guess is kept where what was read before it proves right (Jacobi decoding: Song et al. 2021,
    arXiv 2002.03629; of pictures, Teng et al. 2024, arXiv 2410.01699). What stands at a place
    depends on what is before it and on a number given to the place, so that the picture is that of
    one column after another: only rounding may differ. A few columns cost hardly more than one;
    many would. On a GPU of several pictures only one each, since the CPU would wait for guesses.
    """
    if pictures > (FEW if device.type == "cpu" else 1):
        return 1
    return min(GUESSED, TOGETHER // pictures)


def _guessed_right(guessed_NS: torch.Tensor, found_NS: torch.Tensor) -> list[int]:
    """How many of each picture's guesses, from the first on, are what was then found there."""
    return (guessed_NS == found_NS[:, :-1]).long().cumprod(1).sum(1).tolist()
