"""Many calls through the Python API: memory stays flat, and threads that share a session get the
answers that one thread gets.

    python tests/faults/calls.py --calls 10000 --threads 8 --seed 1

The calls are drawn by lot from a seed: questions about nothing and about pictures, captions,
recognition, drawings, new sessions of tokens, words and pictures, concept files written and read,
and mistakes, which are refused. First one thread makes all of them, and memory is looked at every
hundred; then the same calls on the same session are shared out among threads.
"""

from __future__ import annotations

import argparse
import gc
import queue
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import psutil
import small
import torch

import unictoken
from unictoken.core.errors import UserError
from unictoken.personalize.base import PersonalBase
from unictoken.toy.concepts import toy_concept, write_toy_folder
from unictoken.toy.pretrain import language

SETTLED = 1000  # calls after which memory must not grow
EVERY = 100
QUESTIONS = ("what colour is <bo>?", "what animal is <bo>?", "what is in the photo?", "is it day?")
PROMPTS = ("<bo>", "<bo> wearing a hat", "<bo> on the beach at night")
MOST_IDS = 4  # of an answer: those of a base that was never trained end at random


class Calls:
    """The calls of a seed, on one session."""

    def __init__(self, base: PersonalBase, concept: object, folder: Path, seed: int):
        self.base, self.folder, self.seed = base, folder, seed
        write_toy_folder(toy_concept(0, 0), folder / "pet")
        self.pictures = sorted((folder / "pet").glob("*.png"))
        self.concept, self.chat = concept, base.with_concepts(concept)
        kinds: list[tuple[Callable[[random.Random], object], int]] = [
            (self._ask, 8), (self._ask_many, 3), (self._ask_about, 6), (self._caption, 3), (self._recognise, 6),
            (self._draw, 2), (self._recaption, 2), (self._words, 2), (self._shown, 1), (self._again, 2), (self._mistake, 3),
        ]  # fmt: skip
        self.kinds = [kind for kind, share in kinds for _ in range(share)]

    def call(self, number: int) -> object:
        """What the call of this number gives; the same whenever and wherever it is made."""
        rng = random.Random(f"{self.seed} {number}")
        return rng.choice(self.kinds)(rng)

    def _ask(self, rng: random.Random) -> object:
        return self.chat.ask(rng.choice(QUESTIONS), max_ids=MOST_IDS)

    def _ask_many(self, rng: random.Random) -> object:
        return self.chat.ask(rng.sample(QUESTIONS, 2), max_ids=MOST_IDS)

    def _ask_about(self, rng: random.Random) -> object:
        return self.chat.ask(rng.choice(QUESTIONS), rng.choice(self.pictures), max_ids=MOST_IDS)

    def _caption(self, rng: random.Random) -> object:
        if rng.random() < 0.2:
            return self.chat.caption(_picture(rng))
        return self.chat.ask("what is in the photo?", _picture(rng), max_ids=MOST_IDS)

    def _recognise(self, rng: random.Random) -> object:
        return round(self.chat.recognise(rng.choice(self.pictures)), 4)

    def _draw(self, rng: random.Random) -> object:
        return self.chat.draw(rng.choice(PROMPTS), seed=rng.randrange(5)).tobytes()

    def _recaption(self, rng: random.Random) -> object:
        return self.chat.recaption(rng.choice((*PROMPTS, "<bo> with its hat")))

    def _words(self, rng: random.Random) -> object:
        chat = self.base.with_words(rng.choice(("<mia> is a fox.", "<mia> is a red fox.")))
        return chat.ask("what is <mia>?", max_ids=MOST_IDS)

    def _shown(self, rng: random.Random) -> object:
        chat = self.base.with_pictures("mia", rng.choice(self.pictures))
        return chat.ask("what is <mia>?", max_ids=MOST_IDS)

    def _again(self, rng: random.Random) -> object:
        path = self.folder / f"{threading.get_ident()}.safetensors"
        self.concept.save(path)
        again = self.base.with_concepts(unictoken.load_concept(path))
        return again.ask(rng.choice(QUESTIONS), max_ids=MOST_IDS)

    def _mistake(self, rng: random.Random) -> object:
        wrong = rng.choice(("what is <nobody>?", "", "<bo is half", "a" * 30_000))
        try:
            return self.chat.ask(wrong)
        except UserError as refused:
            return str(refused)


def _picture(rng: random.Random) -> np.ndarray:
    numbers = np.random.default_rng(rng.randrange(20))
    return numbers.integers(0, 256, (32, 32, 3), dtype=np.uint8)


def memory() -> float:
    """Bytes that this process holds."""
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def alone(calls: Calls, number: int, settled: int) -> tuple[list[object], list[tuple[int, float]]]:
    """What each call gives, made by one thread, and memory after so many of them.

    Args:
        calls: The calls.
        number: How many are made.
        settled: After how many memory is looked at first.
    """
    given, held = [], []
    for i in range(number):
        given.append(_digest(calls.call(i)))
        if i + 1 >= settled and (i + 1) % EVERY == 0:
            held.append((i + 1, memory()))
    return given, held


def shared(calls: Calls, number: int, threads: int) -> list[object]:
    """What each call gives where threads share the session."""
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(number):
        todo.put(i)
    given: list[object] = [None] * number

    def work() -> None:
        while True:
            try:
                i = todo.get_nowait()
            except queue.Empty:
                return
            try:
                given[i] = _digest(calls.call(i))
            except Exception as error:  # a thread that dies would be silent
                given[i] = repr(error)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return given


def _digest(value: object) -> object:
    """A small thing that is equal where the value is: a drawing's bytes would be kept."""
    return hash(value) if isinstance(value, bytes) else value


def base_and_concept(name: str, folder: Path) -> tuple[PersonalBase, object]:
    if name != "small":
        base = unictoken.load(name)
        return base, unictoken.learn(
            base, "data/bo", name="bo", class_noun="dog", steps=1, verbose=False
        )
    tokenizer = small.tokenizer()
    language.save(small.model(tokenizer), tokenizer, folder / "base")
    base = unictoken.load(folder / "base", device="cpu")
    return base, small.concept(base, shared=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--settled", type=int, default=SETTLED)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base", default="small", help="small (never trained), tiny, a folder")
    parser.add_argument("--most", type=float, default=0.02, help="growth that is let through")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        base, concept = base_and_concept(options.base, Path(work))
        calls = Calls(base, concept, Path(work), options.seed)
        given, held = alone(calls, options.calls, options.settled)
        first, most = held[0][1], max(bytes_ for _, bytes_ in held)
        for i, bytes_ in held[:: max(1, len(held) // 10)]:
            print(f"after {i:,} calls: {bytes_ / 1e6:.1f} MB", flush=True)
        growth = most / first - 1
        print(f"most after the first {options.settled:,}: {most / 1e6:.1f} MB, {growth:+.2%}")
        others = shared(calls, options.calls, options.threads)
        wrong = [i for i, (a, b) in enumerate(zip(given, others, strict=True)) if a != b]
        for i in wrong[:5]:
            print(f"call {i}: {str(given[i])[:200]!r} alone, {str(others[i])[:200]!r} shared")
        print(f"{options.threads} threads on one session: {len(wrong)} of {options.calls:,} differ")
    sys.exit(bool(wrong) or growth > options.most)


if __name__ == "__main__":
    main()
