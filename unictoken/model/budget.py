"""GPU memory that a base needs to learn a concept and to draw it, by arithmetic. Bytes; 1 GiB =
2^30.

Activations of a layer were counted from what autograd keeps when the weights are frozen (a test
counts again). The rest is sizes of tensors; what CUDA and its allocator take on top is an
assumption (SLACK). No number here was measured on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unictoken.core.zero import Zero

GIB = 2**30
BF16, FP32 = 2, 4
SLACK = 1.5 * GIB  # CUDA context, workspaces, fragments
# of pictures read once (learn/picture_cache.py), unless a single one is larger
PICTURE_CACHE_LIMIT = GIB // 2
# of one score at its peak: bf16 twice (scored, concept's laid over), fp32, log-softmax, its
# gradient in fp32 and bf16
LOGIT_BYTES = 18
DECODER_TENSORS = 4  # of full size alive at once in the last level of the VQGAN


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a base; the defaults are those of Chameleon-7B and Anole-7B."""

    width: int = 4096
    layers: int = 32
    heads: int = 32
    ffn_width: int = 11008
    vocabulary: int = 65536
    codes: int = 8192
    side: int = 512
    """Of a picture, in pixels."""
    vq_channels: int = 128
    vq_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    vq_width: int = 256
    vq_blocks: int = 2
    vq_parameters: int = 68_718_467

    @property
    def ids_per_picture(self) -> int:
        return (self.side // 2 ** (len(self.vq_multipliers) - 1)) ** 2

    @property
    def parameters(self) -> int:
        """Of the transformer, embedding and head included."""
        # Attention's q, k, v and o; the feed-forward's gate, up and down; two RMS norms (2 D), and
        # Chameleon's norms of queries and keys, weight and bias (4 D).
        layer = 4 * self.width**2 + 3 * self.width * self.ffn_width + 6 * self.width
        # The embedding, the head, and the norm before it.
        return 2 * self.vocabulary * self.width + self.layers * layer + self.width


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one GPU does: steps of learning, then drawing."""

    processes: int = 1
    zero_stage: int = 2
    offload: bool = False
    recompute: bool = False
    """Gradient checkpointing."""
    batch: int = 4
    """Examples of a step on this GPU."""
    drawings: int = 3
    """Of those, examples of drawing, which supervise a whole picture."""
    length: int = 1126
    """Ids of an example: a picture (1,026) and a hundred of words and tokens."""
    rows: int = 33  # the name and joint's 32
    pictures: int = 4
    """Drawn at once, each beside an unconditional one (guidance)."""
    prompt: int = 60  # ids, the rows' own included
    drawn: int | None = None
    """Ids of each picture that are drawn; None: all, and the pictures are decoded."""
    key_bytes: int = BF16
    """Of a number among the keys and values that drawing keeps; 4 on a CPU."""

    @property
    def zero(self) -> Zero:
        return Zero(
            stage=self.zero_stage,
            offload="cpu" if self.offload else "none",
            gradient_checkpointing=self.recompute,
        )


def activation_bytes(shape: Shape, ids: int) -> int:
    """What one layer keeps for its backward pass, weights frozen, in bf16: about 20 D + 6 F a
    position.

    Two RMS norms in fp32 (8 D), layer norms of queries and keys (4 D), attention's q, k, v and
    output (8 D), the two branches of the feed-forward and the gate (6 F).
    """
    return ids * (20 * shape.width + 6 * shape.ffn_width)


def picture_cache_bytes(shape: Shape, limit: int = PICTURE_CACHE_LIMIT) -> int:
    """Keys and values that stay from step to step: at most `limit`, but always those of one picture
    with bos and its two ends.
    """
    return max(limit, (shape.ids_per_picture + 3) * shape.layers * 2 * shape.width * BF16)


def weights(shape: Shape) -> dict[str, float]:
    return {
        "base, bf16": BF16 * shape.parameters,
        "image tokenizer, fp32": FP32 * shape.vq_parameters,
    }


def learning(shape: Shape, job: Job) -> dict[str, float]:
    """Bytes on one GPU in a step of learning, by what they are for.

    Activations are counted for whole examples. That is more than a step with cached pictures
    needs, even with the copies of their keys and values. The cache itself is counted in every step,
    one of drawing as well.
    """
    held = weights(shape)
    layer = held["base, bf16"] / shape.layers
    if job.zero.shards_base:  # a layer is gathered while it is used, the next one meanwhile
        held["base, bf16"] = 2 * layer + (0 if job.offload else held["base, bf16"] / job.processes)
    ids = job.batch * job.length
    # With gradient checkpointing: the inputs of all layers, and the activations of one at a time.
    between = shape.layers * ids * shape.width * BF16
    kept = (
        between + activation_bytes(shape, ids)
        if job.recompute
        else shape.layers * activation_bytes(shape, ids)
    )
    # rows and gradient; in fp32 the optimiser's own rows and two moments
    rows = 2 * job.rows * shape.width * (2 * BF16 + 3 * FP32)
    # A drawing supervises its picture and both ends of it; an answer has about 16 ids.
    supervised = job.drawings * (shape.ids_per_picture + 2) + (job.batch - job.drawings) * 16
    return held | {
        "rows, gradient, moments": rows,
        "activations": kept,
        "pictures read once": (picture_cache_bytes(shape) if job.zero.caches_pictures else 0),
        "scores of supervised ids": supervised * shape.vocabulary * LOGIT_BYTES,
        "CUDA (assumed)": SLACK,
    }


def drawing(shape: Shape, job: Job) -> dict[str, float]:
    """Bytes on one GPU while pictures are drawn with guidance, then decoded."""
    sequences = 2 * job.pictures
    ids = job.prompt + (job.drawn or shape.ids_per_picture) + 1
    cache = sequences * ids * shape.layers * 2 * shape.width * job.key_bytes
    decoder = job.pictures * DECODER_TENSORS * shape.side**2 * shape.vq_channels * FP32
    if job.drawn is not None:
        decoder = 0
    return weights(shape) | {
        "key-value cache": cache,
        "VQGAN decoder": decoder,
        "CUDA (assumed)": SLACK,
    }


CASES = (
    ("1 x 24 GB", 24, Job(batch=1, drawings=1)),
    ("1 x 24 GB", 24, Job()),
    ("1 x 24 GB, gradient_checkpointing", 24, Job(recompute=True)),
    (
        "2 x 24 GB, zero_stage 3, gradient_checkpointing",
        24,
        Job(processes=2, zero_stage=3, batch=4, recompute=True),
    ),
    ("1 x 80 GB", 80, Job()),
    ("1 x 80 GB, gradient_checkpointing", 80, Job(batch=16, drawings=11, recompute=True)),
    ("8 x 80 GB", 80, Job(processes=8)),
    ("8 x 80 GB, zero_stage 3", 80, Job(processes=8, zero_stage=3)),
)


def gib(terms: Mapping[str, float], *, without: Sequence[str] = ()) -> float:
    """The sum of the terms in GiB, `without` some of them."""
    return sum(size for name, size in terms.items() if name not in without) / GIB


def table(shape: Shape | None = None, cases: Sequence[tuple[str, int, Job]] = CASES) -> str:
    """Markdown: each case with its terms in GiB, and whether they fit."""
    shape = shape or Shape()
    lines = [
        "| GPUs | batch a GPU | base | activations | scores | learning | drawing 4 | fits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, room, job in cases:
        step, pictures = learning(shape, job), drawing(shape, job)
        numbers = [
            step["base, bf16"] / GIB,
            step["activations"] / GIB,
            step["scores of supervised ids"] / GIB,
            gib(step),
            gib(pictures),
        ]
        fits = "yes" if max(gib(step), gib(pictures)) < room else "no"
        lines.append(
            f"| {name} | {job.batch} | " + " | ".join(f"{n:.1f}" for n in numbers) + f" | {fits} |"
        )
    return "\n".join(lines)
