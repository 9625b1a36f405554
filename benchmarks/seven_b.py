"""What a base of 7B's true shapes costs: ids a second when learning, seconds a picture, memory.
Random weights; nothing is fetched.

    python benchmarks/seven_b.py --out results/seven_b.json          (one GPU of 24 GB or more)
    python benchmarks/seven_b.py --size tiny --out tiny.json         (any machine; shows only that it runs)

The same `Learner`, `Speaker` and sampling as everywhere else, one process, no DeepSpeed. Speed and
memory do not depend on the weights; what is drawn is noise.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import ChameleonConfig, PreTrainedTokenizerFast

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
from unictoken.model.base import Base, EarlyFusionModel, usual_device
from unictoken.model.budget import GIB, Job, Shape
from unictoken.model.draw import Draw
from unictoken.model.sampling import sample_pictures
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
}
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
    return Base(model, tokenizer, "random")


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


def measured(device: str, run: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and the peak of memory in GiB: of the GPU, or of this process so far where there is
    none.
    """
    if device == "cuda":
        torch.cuda.synchronize()  # kernels that were queued before would count as this run's
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = (
        torch.cuda.max_memory_allocated()
        if device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # it is in KiB on Linux
    )
    return seconds, peak / GIB


def measure_learning(base: Base, shape: Shape, job: Job, steps: int) -> dict:
    """What a step of learning costs: speed, and memory beside what `model/budget.py` counts.

    Args:
        base: With layers recomputed or not, as `job.recompute` says.
        shape: Of the base.
        job: Sequences of a step, their length, and the concept's rows.
        steps: How many are timed, after one that is not.
    """
    concept = random_concept(base, job.rows)
    learner = Learner(
        base, base.vocab.reserved[: job.rows], concept.rows_in, concept.rows_out, loss=cross_entropy
    )
    engine, batch = (
        TorchEngine(learner, Stage(steps=steps, batch=job.batch)),
        random_batch(base, job),
    )
    engine.step(batch, 1e-3)  # not timed: the first one allocates memory and picks kernels
    seconds, peak = measured(
        str(base.device.type), lambda: [engine.step(batch, 1e-3) for _ in range(steps)]
    )
    return {
        "batch": job.batch,
        "recompute": job.recompute,
        "ids_per_second": steps * batch.ids_BT.numel() / seconds,
        "seconds_per_step": seconds / steps,
        "peak_gib": peak,
        "counted_gib": budget.gib(budget.learning(shape, job)),
    }


def measure_drawing(base: Base, shape: Shape, job: Job) -> dict:
    speaker = Speaker(base, [random_concept(base, job.rows)])
    prompt = [
        base.vocab.bos,
        *speaker.ids["bo"],
        *base.vocab.words[: job.prompt - job.rows - 2],
        base.vocab.end_turn,
    ]
    length = base.codes_per_picture
    seconds, peak = measured(
        str(base.device.type),
        lambda: base.decode(
            sample_pictures(speaker, [prompt] * job.pictures, length, Draw(seed=0))
        ),
    )
    return {
        "pictures": job.pictures,
        "seconds_per_picture": seconds / job.pictures,
        "peak_gib": peak,
        "counted_gib": budget.gib(budget.drawing(shape, job)),
    }


def as_table(found: dict) -> str:
    lines = [
        "| | at once | ids a second | seconds | peak GiB | by arithmetic |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["learning"]:
        name = "a step, layers recomputed" if row["recompute"] else "a step"
        lines.append(
            _line(name, row["batch"], f"{row['ids_per_second']:.0f}", row["seconds_per_step"], row)
        )
    drawn = found["drawing"]
    return "\n".join(
        [*lines, _line("a picture", drawn["pictures"], "", drawn["seconds_per_picture"], drawn)]
    )


def _line(name: str, at_once: int, speed: str, seconds: float, row: dict) -> str:
    return (
        f"| {name} | {at_once} | {speed} | {seconds:.2f} | {row['peak_gib']:.1f} |"
        f" {row['counted_gib']:.1f} |"
    )


def main(arguments: list[str] | None = None) -> None:
    run_program("benchmarks/seven_b.py", measure, arguments)


def measure(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="7b")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", metavar="FILE", default="results/seven_b.json")
    options = parser.parse_args(arguments)
    if options.batch < 1 or options.steps < 1:
        raise UserError(
            f"--batch {options.batch}, --steps {options.steps}; expected 1 or more of each."
        )
    device = usual_device()
    if options.size == "7b" and device == "cpu":
        sys.exit(
            "benchmarks/seven_b.py: no GPU found; 7B needs one of 24 GB or more. `--size tiny` runs"
            " anywhere.\n\n" + budget.table()
        )
    shape = SIZES[options.size]
    # Three drawings in four examples, rounded up, as `Job` has by default. 102: both ends of a
    # picture, and a hundred of words and tokens.
    job = Job(
        batch=options.batch, drawings=-(-options.batch * 3 // 4), length=shape.ids_per_picture + 102
    )
    base = random_base(shape, device)
    plain = measure_learning(base, shape, job, options.steps)
    # Only now, since it cannot be undone. Drawing uses a cache, with which nothing is computed
    # again.
    base.model.recompute_activations()
    again = Job(batch=job.batch, drawings=job.drawings, length=job.length, recompute=True)
    found = {
        "command": shlex.join(["python", "benchmarks/seven_b.py", *arguments]),
        "commit": commit(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "size": options.size,
        "learning": [plain, measure_learning(base, shape, again, options.steps)],
        "drawing": measure_drawing(base, shape, job),
    }
    write_aside(Path(options.out), (json.dumps(found, indent=1) + "\n").encode())
    print(as_table(found))


if __name__ == "__main__":
    main()
