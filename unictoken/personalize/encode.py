"""One to five pictures of a concept to its rows, in one pass of the frozen base and of a small
network: PLVM's Aligner (Pham et al. 2024, 2412.17610, section 3), PALAVRA's f_theta (Cohen et al.
2022, 2204.01694, section 4.1), with the base's own states in the place of DINOv2's or CLIP's.

    encoder = encoder_file.load(path, base)
    rows_in, rows_out = encode(encoder, base, base.encode(pictures), "dog")

Every row asks all places of all pictures (Perceiver, Jaegle et al. 2021), which do not know their
picture's number: their order says nothing, and any number of them can be read. A row is the class
noun's row and what the network adds, so that a network that has learned nothing gives the noun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from unictoken.core.config import within
from unictoken.core.text import ROLES
from unictoken.model.encoders import AskedEncoder
from unictoken.model.protocol import Base
from unictoken.tokens.tokens import Prompts

STRIP = 4  # neighbouring codes that are read as one place
MOST_WIDTH, MOST_LAYERS, MOST_HEADS, MOST_QUESTIONS = 8192, 64, 64, 64


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """What an encoder is made of, and what its rows are for."""

    width: int = 192
    """H, of the network's states."""
    layers: int = 3
    heads: int = 6
    counts: Mapping[str, int] = field(default_factory=lambda: {"name": 1, "shared": 32})
    """Rows by role."""
    prompts: Prompts = field(default_factory=Prompts)
    """In which the rows stand."""
    questions: tuple[str, ...] = AskedEncoder.questions
    """Asked one after the other about each picture, none answered: the base's state at the end of
    each is read.
    """

    @property
    def rows(self) -> int:
        """P."""
        return sum(self.counts.get(role, 0) for role in ROLES)

    def __post_init__(self) -> None:
        within("width", self.width, 1, MOST_WIDTH)
        within("layers", self.layers, 1, MOST_LAYERS)
        within("heads", self.heads, 1, MOST_HEADS)
        within("questions", len(self.questions), 1, MOST_QUESTIONS)
        within("width, in equal parts for the heads:", self.width % self.heads, 0, 0)


@dataclass(frozen=True)
class Seen:
    """What an encoder reads of the pictures of C concepts, N pictures of each at most.

    Attributes: `codes_CNKD` (input rows of the pictures' codes), `asked_CNQD` (states of the base
    at the end of each question, of norm 1), `given_CN` (which pictures there are), `noun_CD` and
    `head_CD` (the class noun's input row and head row).
    """

    codes_CNKD: torch.Tensor
    asked_CNQD: torch.Tensor
    given_CN: torch.Tensor
    noun_CD: torch.Tensor
    head_CD: torch.Tensor

    def to(self, device: torch.device) -> Seen:
        """The same on a device."""
        return Seen(*(getattr(self, part.name).to(device) for part in fields(self)))


class ConceptEncoder(nn.Module):
    """The network.

    Args:
        shape: Its size, and the rows that it gives.
        width: D, of the base.
        codes: K, of a picture.
        scale_in: About the size of a number in one of the base's input rows.
        scale_out: The same of head rows.
    """

    def __init__(
        self,
        shape: EncoderShape,
        *,
        width: int,
        codes: int,
        scale_in: float = 1.0,
        scale_out: float = 1.0,
    ):
        super().__init__()
        self.shape, own = shape, shape.width
        self.scales: torch.Tensor
        self.register_buffer("scales", torch.tensor([scale_in, scale_out]))
        self.read_codes = nn.Linear(STRIP * width, own)
        self.read_asked = nn.Linear(width, own)
        self.read_noun = nn.Linear(width, own)
        self.code_places = _small(-(-codes // STRIP), own)
        self.question_places = _small(len(shape.questions), own)
        self.row_states = _small(shape.rows, own)
        self.blocks = nn.ModuleList(_Block(own, shape.heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(own)
        self.say_in, self.say_out = nn.Linear(own, width), nn.Linear(own, width)
        for last in (self.say_in, self.say_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.own_in = nn.Parameter(torch.zeros(shape.rows, width))
        self.own_out = nn.Parameter(torch.zeros(shape.rows, width))

    def forward(self, seen: Seen) -> torch.Tensor:
        """Rows [2, C, P, D]: input rows, head rows."""
        scale_in, scale_out = self.scales
        asked = seen.asked_CNQD * seen.asked_CNQD.shape[-1] ** 0.5
        codes = self.read_codes(_strips(seen.codes_CNKD / scale_in)) + self.code_places
        asked = self.read_asked(asked) + self.question_places
        noun_C1H = self.read_noun(seen.noun_CD / scale_in)[:, None]
        of_pictures = torch.cat([codes, asked], 2)

        memory = torch.cat([noun_C1H, of_pictures.flatten(1, 2)], 1)
        each = seen.given_CN[:, :, None].expand(-1, -1, of_pictures.shape[2]).flatten(1)
        there = torch.cat([torch.ones_like(each[:, :1]), each], 1)
        states_CPH = self.row_states.expand(len(memory), -1, -1)
        for block in self.blocks:
            states_CPH = block(states_CPH, memory, there)

        states_CPH = self.norm(states_CPH)
        added_in = (self.say_in(states_CPH) + self.own_in) * scale_in
        added_out = (self.say_out(states_CPH) + self.own_out) * scale_out
        return torch.stack([seen.noun_CD[:, None] + added_in, seen.head_CD[:, None] + added_out])


def _strips(codes_CNKD: torch.Tensor) -> torch.Tensor:
    """Rows of neighbouring codes side by side, [C, N, K / STRIP, STRIP x D]."""
    # Zeros after the last code, where the number of codes is no multiple.
    lacking = -codes_CNKD.shape[2] % STRIP
    whole = F.pad(codes_CNKD, (0, 0, 0, lacking))
    return rearrange(whole, "c n (k s) d -> c n k (s d)", s=STRIP)


def _small(rows: int, width: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(rows, width))


class _Block(nn.Module):
    """Rows ask the pictures, then each other."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.of_memory = nn.LayerNorm(width)
        self.pictures, self.others = _Attention(width, heads), _Attention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(
        self, x_CPH: torch.Tensor, memory_CMH: torch.Tensor, there_CM: torch.Tensor
    ) -> torch.Tensor:
        x_CPH = x_CPH + self.pictures(x_CPH, self.of_memory(memory_CMH), there_CM)
        x_CPH = x_CPH + self.others(x_CPH)
        thought: torch.Tensor = self.down(F.gelu(self.up(self.norm(x_CPH))))
        return x_CPH + thought


class _Attention(nn.Module):
    """What rows take from a memory, or from each other."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(
        self,
        x_CPH: torch.Tensor,
        memory_CMH: torch.Tensor | None = None,
        there_CM: torch.Tensor | None = None,
    ) -> torch.Tensor:
        own = self.norm(x_CPH)
        memory_CMH = own if memory_CMH is None else memory_CMH
        query, key, value = (
            rearrange(part, "c p (h w) -> c h p w", h=self.heads)
            for part in (self.query(own), self.key(memory_CMH), self.value(memory_CMH))
        )
        mask = None if there_CM is None else there_CM[:, None, None]
        taken = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        given: torch.Tensor = self.output(rearrange(taken, "c h p w -> c p (h w)"))
        return given


# ---- what it reads, and what it gives ------------------------------------------------------------


def encoder_for(base: Base, shape: EncoderShape) -> ConceptEncoder:
    """An encoder that has learned nothing, of a base's sizes; torch's global generator decides its
    weights.
    """
    words = torch.tensor(base.vocab.words, device=base.device)
    scale_in, scale_out = (
        float(rows.float().std()) for rows in (base.embed(words), base.head_rows(words))
    )
    return ConceptEncoder(
        shape,
        width=base.width,
        codes=base.codes_per_picture,
        scale_in=scale_in,
        scale_out=scale_out,
    )


@torch.no_grad()
def rows_of_noun(base: Base, class_noun: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Input row and head row [D] of a class noun, in fp32 on the CPU: the mean of its ids'."""
    ids = torch.tensor(base.vocab.inside(class_noun), device=base.device)
    return base.embed(ids).float().mean(0).cpu(), base.head_rows(ids).float().mean(0).cpu()


def asked_of(base: Base, pictures_NK: torch.Tensor, questions: Sequence[str]) -> torch.Tensor:
    """States [N, Q, D] of the base at the end of each question about each picture, of norm 1."""
    features_NF = AskedEncoder(base, tuple(questions)).of_ids(pictures_NK)
    return rearrange(torch.from_numpy(features_NF), "n (q d) -> n q d", q=len(questions))


@torch.no_grad()
def encode(
    encoder: ConceptEncoder, base: Base, pictures_NK: torch.Tensor, class_noun: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input rows and head rows [P, D] of a concept, in fp32 on the CPU, as `start_rows` gives them.

    Args:
        encoder: One of this base.
        base: Frozen.
        pictures_NK: Image ids of one or more pictures; their order does not count.
        class_noun: The concept's ordinary kind.
    """
    noun_D, head_D = rows_of_noun(base, class_noun)
    seen = Seen(
        base.embed(pictures_NK.to(base.device)).float().cpu()[None],
        asked_of(base, pictures_NK, encoder.shape.questions)[None],
        torch.ones(1, len(pictures_NK), dtype=torch.bool),
        noun_D[None],
        head_D[None],
    )
    rows_in, rows_out = encoder(seen)[:, 0]
    return rows_in, rows_out
