"""Golden values: what the shipped base learns, draws and answers for fixed seeds, to the last
digit.

    python dev/golden.py record      writes dev/golden.json (on the commit before code is moved)
    python dev/golden.py check       runs the same again and prints every difference; exit status 1 if there is one
    python dev/golden.py check joint benchmark      a part of it: methods, and 'benchmark'

Everything goes through the commands, so that the same script runs before and after the code is
moved. Five minutes on two cores. Values belong to one kind of CPU (AVX2, AVX512: torch adds up in
another order) and one set of locked packages. The file holds one set for each kind; `record`
replaces that of this machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "dev" / "golden.json"
LOSS_TOLERANCE = 1e-6
STEPS = {
    "joint": (50,),
    "unictokens": (20, 15, 15),
    "yochameleon": (50,),
    "yollava": (50,),
}
PARTS = (*STEPS, "benchmark")
QUESTIONS = ("what animal is <bo>?", "what colour is <bo>?", "what hat does <bo> have?")
PROMPTS = ("<bo> wearing a hat", "<bo> in the snow")


def call(*arguments: str) -> str:
    """What a Python program of the repository prints."""
    # Two threads, as when the values were recorded: another number adds up in another order.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def kind_of_cpu() -> str:
    """What decides the order in which torch adds up: 'AVX2', 'AVX512'."""
    return call("-c", "import torch; print(torch.backends.cpu.get_cpu_capability())").strip()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rows_of(path: Path) -> str:
    """A digest of a concept file's tensors; its header may gain keys."""
    # The rows alone: scores and notes in the header may change without a row changing.
    tensors = load_file(path)
    return sha256(b"".join(key.encode() + tensors[key].tobytes() for key in sorted(tensors)))


def learned(method: str, steps: tuple[int, ...], folder: Path) -> dict:
    """Losses, rows, answers and drawings of <bo> under a preset."""
    # Few steps: enough for every stage to begin and to hand its rows on.
    stages = [f"--set=method.stages.{i}.steps={n}" for i, n in enumerate(steps)]
    call(
        "-m", "unictoken", "learn", "data/bo", "--name", "bo", "--class", "dog",
        "--method", f"configs/methods/{method}.yaml", "--out", str(folder / "run"),
        "--set", f"concepts={folder}", "--set", "judge=null", "--set", "prompts=[]",
        "--set", "dtype=fp32", *stages,
    )  # fmt: skip
    lines = (folder / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    concept = ["--concept", str(folder / "bo.safetensors")]
    answers = [call("-m", "unictoken", "ask", *concept, q).strip() for q in QUESTIONS]
    seen = call("-m", "unictoken", "caption", *concept, "data/bo").splitlines()
    recognised = call("-m", "unictoken", "recognize", *concept, "data/bo").splitlines()
    found = {
        "losses": [json.loads(line)["loss"] for line in lines],
        "rows": rows_of(folder / "bo.safetensors"),
        "answers": answers,
        "captions": [line.partition(": ")[2] for line in seen],
        "recognised": [line.partition(": ")[2] for line in recognised],
    }
    if method == "yollava":  # learns to understand only
        return found
    for prompt in PROMPTS:
        call("-m", "unictoken", "draw", *concept, prompt, "--num-images", "2", "--seed", "3",
             "--out", str(folder / "drawn"))  # fmt: skip
    pictures = sorted((folder / "drawn").glob("*.png"))
    found["drawings"] = [sha256(np.asarray(Image.open(path)).tobytes()) for path in pictures]
    return found


def benchmarked(folder: Path) -> list[dict]:
    """Scores of two toy concepts, learned for 30 steps."""
    call(
        "eval/run.py", "--config", "configs/eval/toy.yaml", "--set", "num_concepts=2",
        "--set", f"work={folder}", "--set", f"out={folder / 'toy.json'}", "--set", "page=null", "--set", "dtype=fp32",
        "--set", "methods.0=configs/methods/joint.yaml method.stages.0.steps=30",
    )  # fmt: skip
    return json.loads((folder / "toy.json").read_text(encoding="utf-8"))["rows"]


def measured(parts: Sequence[str]) -> dict:
    """The values of methods, and of 'benchmark'."""
    # Outside the repository, whose state is part of what commands record.
    folder = Path(tempfile.mkdtemp(prefix="golden-"))
    try:
        return {
            part: learned(part, STEPS[part], folder / part)
            if part in STEPS
            else benchmarked(folder / part)
            for part in parts
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def differences(before, after, where: str = "") -> list[str]:
    """Every place in which two values differ; numbers by more than LOSS_TOLERANCE."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return [d for k in keys for d in differences(before.get(k), after.get(k), f"{where}/{k}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{where}[{i}]")]
    if isinstance(before, float) and isinstance(after, float):
        return [] if abs(before - after) <= LOSS_TOLERANCE else [f"{where}: {before} -> {after}"]
    return [] if before == after else [f"{where}: {before} -> {after}"]


def main() -> None:
    kept, kind = json.loads(KEPT.read_text(encoding="utf-8")), kind_of_cpu()
    if sys.argv[1:] == ["record"]:
        kept[kind] = measured(PARTS)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return
    asked = sys.argv[2:] or PARTS
    if sys.argv[1:2] != ["check"] or not set(asked) <= set(PARTS):
        sys.exit(__doc__)
    if kind not in kept:
        sys.exit(f"{KEPT}: holds {', '.join(kept)}, not {kind}. Record on the commit before first.")
    found = differences({part: kept[kind][part] for part in asked}, measured(asked))
    print("\n".join(found) or "every golden value is the same")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
