"""What a base of 7B's true shapes costs: ids a second when learning, seconds a picture, memory.
Random weights; nothing is fetched.

    python benchmarks/seven_b.py --out results/seven_b.json          (one GPU of 24 GB or more)
    python benchmarks/seven_b.py --side 128                          (a CPU with 18 GB free; half an hour on two cores)
    python benchmarks/seven_b.py --layers 8                          (8 of its 32 layers)
    python benchmarks/seven_b.py --size tiny --out tiny.json         (any machine; shows only that it runs)

The same `Learner`, `Speaker` and sampling as everywhere else, one process, no DeepSpeed. Memory and
the speed of a step do not depend on the weights. What is drawn is noise, of which no id is guessed
before it is drawn (`model/sampling.py`): of a trained base one picture takes less.

The peak of memory is that of the GPU, or of the whole process on a CPU. Beside it stands what
`model/budget.py` counts, without two of its terms: what CUDA takes (on a CPU the process before
there is a base stands in its place), and pictures read once, which these steps have none of.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from machine import least, measure_bandwidth, seconds
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import ChameleonConfig, PreTrainedTokenizerFast

from unictoken.core.config import Parser, within
from unictoken.core.disk import write_aside
from unictoken.core.errors import UserError
from unictoken.core.program import run_program
from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn.engine import TorchEngine
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.learn.objective import cross_entropy
from unictoken.measure.results import commit
from unictoken.model import budget
from unictoken.model.base import usual_device
from unictoken.model.budget import BF16, FP32, GIB, Job, Shape
from unictoken.model.chameleon import Chameleon, EarlyFusionModel
from unictoken.model.draw import Draw
from unictoken.model.malloc import give_freed_memory_back
from unictoken.model.protocol import Base
from unictoken.model.sampling import CACHE_BYTES, sample_pictures
from unictoken.model.vocab import image_token_name
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.tokens import ConceptTokens

TINY_VQ = {
    "codes": 64,
    "side": 32,
    "vq_channels": 32,
    "vq_multipliers": (1, 1, 2),
    "vq_width": 8,
    "vq_blocks": 0,
    "vq_parameters": 403_451,
}
NOT_HERE = ("CUDA (assumed)", "pictures read once")  # terms of the arithmetic
STEPS_OF_A_CONCEPT = Stage().steps
ROWS_AT_ONCE = 1024  # of a weight, where products are computed in fp32
SIZES = {
    "7b": Shape(),
    "tiny": Shape(width=64, layers=2, heads=2, ffn_width=128, vocabulary=512, **TINY_VQ),
}


def tokenizer_of(shape: Shape) -> PreTrainedTokenizerFast:
    """Words without meaning in the published layout: special, image tokens, `<eoss>`,
    `<racm3:break>`, reserved, `<image>`.
    """
    names = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *map(image_token_name, range(shape.codes)),
        "<eoss>",
        "<racm3:break>",
        "<reserved08706>",
        "<image>",
    ]
    names += [f"<reserved{i:05d}>" for i in range(8708, 8708 + shape.vocabulary // 8)]
    names += [f"word{i}" for i in range(shape.vocabulary - len(names))]
    words = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", pad_token="<pad>", sep_token="<reserved08706>"
    )


def random_base(shape: Shape, device: str) -> Base:
    """A base of these shapes, in bf16 with the image tokenizer in fp32, as a published one is
    held.
    """
    tokenizer = tokenizer_of(shape)
    config = ChameleonConfig(
        hidden_size=shape.width,
        intermediate_size=shape.ffn_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        vocab_size=shape.vocabulary,
        vocabulary_map=tokenizer.get_vocab(),
        vq_config={
            "embed_dim": shape.vq_width,
            "latent_channels": shape.vq_width,
            "num_embeddings": shape.codes,
            "resolution": shape.side,
            "base_channels": shape.vq_channels,
            "channel_multiplier": list(shape.vq_multipliers),
            "num_res_blocks": shape.vq_blocks,
        },
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)  # 7B in fp32 would not fit where it is to be measured
    try:
        with torch.device(device):
            model = EarlyFusionModel(config)
    finally:
        torch.set_default_dtype(before)
    # As in `load_base`: the image tokenizer stays in fp32, or the measured memory would be too
    # small.
    model.model.vqmodel.float()
    return Chameleon(model, tokenizer, "random")


def random_concept(base: Base, rows: int) -> ConceptTokens:
    values = torch.randn(2, rows, base.width) / 50
    return ConceptTokens(
        name="bo",
        class_noun="word0",
        counts={"name": 1, "shared": rows - 1},
        rows_in=values[0],
        rows_out=values[1],
    )


def random_batch(base: Base, job: Job) -> Batch:
    """Drawings, every image id supervised, and as long sequences with 16 ids supervised, as many as
    a short answer has.
    """
    ids = torch.randint(base.vocab.words[0], base.vocab.size, (job.batch, job.length))
    picture = base.codes_per_picture
    ids[:, -picture:] = base.vocab.image_ids[
        torch.randint(len(base.vocab.image_ids), (job.batch, picture))
    ]
    # the concept's own ids in every sequence, so that its rows have a gradient
    ids[:, 1 : 1 + job.rows] = torch.tensor(base.vocab.reserved[: job.rows])
    labels = torch.full_like(ids, IGNORE)
    labels[: job.drawings, -picture:] = ids[: job.drawings, -picture:]
    labels[job.drawings :, -16:] = ids[job.drawings :, -16:]
    return Batch(ids, labels, torch.ones(job.batch))


class ProductInFp32(torch.autograd.Function):
    """x W^T of bf16 tensors, computed in fp32 a few rows of W at a time, so that little more than
    the bf16 tensors is ever held. W is frozen.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        wide, out = states.float(), states.new_empty(*states.shape[:-1], len(weight))
        for first in range(0, len(weight), ROWS_AT_ONCE):
            rows = weight[first : first + ROWS_AT_ONCE].float()
            out[..., first : first + ROWS_AT_ONCE] = wide @ rows.T
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        parts = zip(gradient.split(ROWS_AT_ONCE, -1), weight.split(ROWS_AT_ONCE), strict=True)
        return sum(part.float() @ rows.float() for part, rows in parts).to(gradient.dtype), None


def is_slow_in_bf16() -> bool:
    """Whether products of bf16 are slower than those of fp32: on a CPU without instructions for
    them up to 200 times, for which a 7B cannot wait.
    """
    left, right = torch.randn(2, 256, 256)
    short = partial(torch.matmul, left.bfloat16(), right.bfloat16())
    return least(short) > least(partial(torch.matmul, left, right))


def compute_in_fp32(model: nn.Module) -> None:
    """From here on the linear layers in bf16 compute so."""
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.weight.dtype == torch.bfloat16:
            assert module.bias is None, "Chameleon's have none"
            module.forward = lambda states, own=module: ProductInFp32.apply(states, own.weight)


def measured(device: str, run: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the peak of memory meanwhile in GiB: of the GPU, or of this process where there
    is none.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return seconds(run), torch.cuda.max_memory_allocated() / GIB
    give_freed_memory_back()  # else what an earlier job freed would count for this one
    # 5: forget the peak so far (man 5 proc)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return seconds(run), process_gib("VmHWM")


def process_gib(name: str) -> float:
    """Memory of this process as Linux counts it: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kib) * 1024 / GIB


def free_gib() -> float:
    """Memory of this machine that processes could still take."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kib) * 1024 / GIB


def measure_learning(base: Base, shape: Shape, job: Job, steps: int) -> dict:
    """What a step of learning costs: speed, and memory beside what `model/budget.py` counts.

    Args:
        base: With layers recomputed or not, as `job.recompute` says.
        shape: Of the base.
        job: Sequences of a step, their length, and the concept's rows.
        steps: How many are timed; on a GPU after one that is not.
    """
    concept = random_concept(base, job.rows)
    learner = Learner(
        base, base.vocab.reserved[: job.rows], concept.rows_in, concept.rows_out, loss=cross_entropy
    )
    engine = TorchEngine(learner, Stage(steps=steps, batch=job.batch))
    batch, device = random_batch(base, job), base.device.type
    if device == "cuda":
        engine.step(batch, 1e-3)  # it allocates memory and picks kernels
    taken, peak = measured(device, lambda: [engine.step(batch, 1e-3) for _ in range(steps)])
    return {
        "batch": job.batch,
        "recompute": job.recompute,
        "ids_per_second": steps * batch.ids_BT.numel() / taken,
        "seconds_per_step": taken / steps,
        "minutes_per_concept": taken / steps * STEPS_OF_A_CONCEPT / 60,
        "peak_gib": peak,
        "counted_gib": budget.gib(budget.learning(shape, job), without=NOT_HERE),
    }


def load_libraries(device: str) -> None:
    """Make what libraries make when they are first used, so that it counts as the process's own."""
    shape, job = SIZES["tiny"], Job(batch=1, drawings=1, length=166)
    base = random_base(shape, device)
    measure_learning(base, shape, job, 1)
    measure_drawing(base, shape, replace(job, pictures=1, drawn=2), 1.0)


def measure_drawing(base: Base, shape: Shape, job: Job, bandwidth: float) -> dict:
    """What drawing costs, with guidance.

    Args:
        base: That draws.
        shape: Of the base.
        job: How many pictures, and how many ids of each.
        bandwidth: Bytes of memory that the device reads a second.
    """
    speaker = Speaker(base, [random_concept(base, job.rows)])
    prompt = [
        base.vocab.bos,
        *speaker.ids["bo"],
        *base.vocab.words[: job.prompt - job.rows - 2],
        base.vocab.end_turn,
    ]
    length = job.drawn or base.codes_per_picture

    def draw() -> None:
        ids_NK = sample_pictures(speaker, [prompt] * job.pictures, length, Draw(seed=0))
        if job.drawn is None:
            base.decode(ids_NK)

    taken, peak = measured(base.device.type, draw)
    # sampling draws fewer at once where more would outgrow its limit
    most = CACHE_BYTES // (2 * base.cache_bytes(len(prompt) + 1 + length))
    at_once = max(1, min(job.pictures, most))
    read = budget.weights(shape)["base, bf16"] * length * -(-job.pictures // at_once)
    together = replace(job, pictures=at_once)
    return {
        "pictures": job.pictures,
        "ids": length,
        "ids_per_second": job.pictures * length / taken,
        "seconds_per_picture": taken / job.pictures,
        "share_of_bandwidth": read / taken / bandwidth,
        "peak_gib": peak,
        "counted_gib": budget.gib(budget.drawing(shape, together), without=NOT_HERE),
    }


def as_table(found: dict) -> str:
    """Markdown, a line for each job."""
    lines = [
        "| | at once | ids a second | seconds | peak GiB | by arithmetic | peak / arithmetic |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["learning"]:
        name = "a step, layers recomputed" if row["recompute"] else "a step"
        lines.append(_line(name, row["batch"], row["seconds_per_step"], row))
    for row in found["drawing"]:
        name = f"{row['ids']} ids of a picture" if found["drawn"] else "a picture"
        lines.append(_line(name, row["pictures"], row["seconds_per_picture"], row))
    return "\n".join(lines)


def _line(name: str, at_once: int, taken: float, row: dict) -> str:
    peak, counted = row["peak_gib"], row["counted_gib"]
    return (
        f"| {name} | {at_once} | {row['ids_per_second']:.3g} | {taken:.2f} | {peak:.2f} |"
        f" {counted:.2f} | {peak / counted:.2f} |"
    )


def main(arguments: list[str] | None = None) -> None:
    run_program("benchmarks/seven_b.py", measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    options, device = _options(arguments), usual_device()
    shape = SIZES[options.size]
    shape = replace(shape, layers=options.layers or shape.layers, side=options.side or shape.side)
    # Three drawings in four examples, rounded up, as `Job` has by default. 102: both ends of a
    # picture, and a hundred of words and tokens.
    job = Job(
        batch=options.batch,
        drawings=-(-options.batch * 3 // 4),
        length=shape.ids_per_picture + 102,
        drawn=options.ids,
        key_bytes=FP32 if device == "cpu" else BF16,
    )
    before = 0.0
    if device == "cpu":
        load_libraries(device)
        before = process_gib("VmRSS")
        check_room(shape, job)
    base = random_base(shape, device)
    in_fp32 = device == "cpu" and is_slow_in_bf16()
    if in_fp32:
        compute_in_fp32(base.model)
    learning = [measure_learning(base, shape, job, options.steps)]
    # Only now, since it cannot be undone. Drawing uses a cache, with which nothing is computed
    # again.
    base.recompute_activations()
    learning.append(measure_learning(base, shape, replace(job, recompute=True), options.steps))
    bandwidth = measure_bandwidth(device)
    drawing = [
        measure_drawing(base, shape, replace(job, pictures=pictures), bandwidth)
        for pictures in options.pictures
    ]
    for row in (*learning, *drawing):
        row["counted_gib"] += before
    found = {
        "command": shlex.join(["python", "benchmarks/seven_b.py", *arguments]),
        "commit": commit(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "attention": base.model.config._attn_implementation,
        "products_in_fp32": in_fp32,
        "size": options.size,
        "layers": shape.layers,
        "side": shape.side,
        "drawn": job.drawn,
        "process_gib": before,
        "learning": learning,
        "drawing": drawing,
    }
    write_aside(Path(options.out), (json.dumps(found, indent=1) + "\n").encode())
    print(as_table(found))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmarks/seven_b.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    is_gpu = usual_device() == "cuda"
    parser.add_argument("--size", choices=SIZES, default="7b")
    parser.add_argument("--layers", type=int, metavar="N", help="of the transformer; all of them")
    parser.add_argument("--side", type=int, metavar="N", help="of a picture, in pixels; 512")
    parser.add_argument("--batch", type=int, default=1, metavar="N")
    parser.add_argument("--steps", type=int, default=10 if is_gpu else 1, metavar="N")
    parser.add_argument(
        "--pictures",
        type=int,
        nargs="+",
        default=[1, 4, 16] if is_gpu else [1],
        metavar="N",
        help="drawn together, one measurement for each number",
    )
    parser.add_argument(
        "--ids",
        type=int,
        default=None if is_gpu else 8,
        metavar="N",
        help="drawn of each picture; on a GPU all, and the pictures are decoded; 8 on a CPU",
    )
    parser.add_argument("--out", metavar="FILE", default="results/seven_b.json")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a mistake too")
    options = parser.parse_args(arguments)
    counts = {name: getattr(options, name) for name in ("layers", "side", "batch", "steps", "ids")}
    for name, count in [*counts.items(), *(("pictures", n) for n in options.pictures)]:
        if count is not None:
            within(f"--{name}", count, 1)
    return options


def check_room(shape: Shape, job: Job) -> None:
    """Refuse what would not fit into the memory of this machine."""
    terms = budget.learning(shape, job), budget.drawing(shape, job)
    needed, free = max(budget.gib(each, without=NOT_HERE) for each in terms), free_gib()
    if needed > free:
        raise UserError(
            f"seven_b.py: {shape.layers} layers need {needed:.1f} GiB, {free:.1f} are free. Use a"
            " GPU of 24 GB, or fewer layers (--layers 8)."
        )


if __name__ == "__main__":
    main()
