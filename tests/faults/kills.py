"""Runs of learning that die: killed at moments of a seeded schedule, or two at once in one folder.
Whatever happened, the files of the run that then ends are those of one that nobody disturbed.

    python tests/faults/kills.py --kills 100 --pairs 10 --seed 1

A moment is one at which files change (before a file is opened, in the middle of what is written,
before and after it is renamed, ...), or any time at all. Each run is a fork of this process, which
has read the libraries and the base once: killed with SIGKILL, it leaves what it leaves.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import small
import torch

from unictoken.core.errors import REFUSED, UserError
from unictoken.learn import board  # noqa: F401  # read once, here
from unictoken.learn.folder import held
from unictoken.learn.methods import Distractors, Method, Stage, Tokens
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.measure import report
from unictoken.model import sampling
from unictoken.model.base import Chameleon
from unictoken.model.protocol import Base
from unictoken.toy.concepts import toy_concept, write_toy_folder
from unictoken.toy.profile import PROFILE

LIMIT = 3600.0  # seconds that a run may take: on a busy machine, at nice 19, some took five minutes
EVENTS = {  # of the audit of Python that change files, and which of their arguments is a place
    "open": 0,
    "os.rename": 1,
    "os.remove": 0,
    "os.mkdir": 0,
    "os.rmdir": 0,
    "os.truncate": 0,
}


class Trial:
    """One config with its places below a folder; what is held out is written, and not measured."""

    def __init__(self, base: Base, folder: Path, pictures: Path):
        self.base, self.folder = base, folder
        self.settings = RunConfig(
            concept=ConceptConfig(name="tom", pictures=(str(pictures),)),
            method=Method(tokens=Tokens(shared=2), stages=(Stage(steps=4, batch=2),)),
            out=str(folder / "run"),
            concepts=str(folder / "concepts"),
            prompts=("<{name}>",),
            questions=("what is <{name}>?",),
            distractors=Distractors(world=6),
            save_every=2,
            show_every=2,
            other=None,
        )

    def fork(self, before: Callable[[], None] = lambda: None) -> int:
        """Start the run in another process, after it has done something; gives its number."""
        sys.stdout.flush()
        if number := os.fork():
            return number
        status = 1
        try:
            signal.alarm(int(LIMIT))
            said = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(said, 1), os.dup2(said, 2)
            before()
            status = self.learn()
        finally:
            os._exit(status)  # and never back into the caller's code

    def learn(self) -> int:
        """The run, as the programs do it; gives its exit status."""
        report._held_out_rows = _held_out
        try:
            source = concept_of(self.settings)
            with held(self.settings, source):
                report.learn_and_report(self.base, self.settings, source)
        except UserError as refusal:
            print(f"refused: {refusal}", flush=True)
            return REFUSED
        return 0

    def files(self) -> dict[str, bytes]:
        """Every file that the run left and what it holds; of the log, what does not tell the time.
        TensorBoard's tell nothing else.
        """
        found = {}
        for file in sorted(self.folder.rglob("*")):
            name = file.relative_to(self.folder).as_posix()
            if file.is_file() and name != "said" and "/tensorboard/" not in name:
                data = file.read_bytes().replace(str(self.folder).encode(), b"FOLDER")
                found[name] = _without_times(data) if name.endswith("log.jsonl") else data
        return found


def _without_times(log: bytes) -> bytes:
    lines = [json.loads(line) for line in log.splitlines()]
    return json.dumps(
        [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
    ).encode()


def _held_out(base, concept, source, settings, root: Path) -> dict[str, dict[str, float]]:
    for place in (
        "concept/test/tom/rec.json",
        "concept/test/tom/0.png",
        "drawings/tom/joint/00.png",
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(place.encode() * 500)
    return {concept.method: {"identity": 0.5}}


def watch_files(below: Path, moment: Callable[[], None]) -> None:
    """From here on `moment` is called whenever this process changes files below a folder."""

    def audit(event: str, arguments: tuple) -> None:
        place = arguments[EVENTS[event]] if event in EVENTS else None
        reads = event == "open" and not _writes(arguments)
        if (
            isinstance(place, str | bytes | os.PathLike)
            and not reads
            and os.fsdecode(place).startswith(str(below))
        ):
            moment()

    write, replace_, fsync = os.write, os.replace, os.fsync

    def in_halves(descriptor: int, data: bytes) -> int:
        if descriptor <= 2:
            return write(descriptor, data)
        written = write(descriptor, data[: len(data) // 2 + 1])
        moment()
        return written

    def then(*arguments) -> None:
        replace_(*arguments)
        moment()

    def first(descriptor: int) -> None:
        moment()
        fsync(descriptor)

    sys.addaudithook(audit)
    os.write, os.replace, os.fsync = in_halves, then, first


def _writes(arguments: tuple) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def signals_itself(
    number: int, what: signal.Signals, below: Path, counts: Callable[[], bool] = lambda: True
) -> Callable[[], None]:
    """What lets a process send itself a signal at its so-and-so-manieth moment.

    Args:
        number: Which moment, from 1.
        what: The signal.
        below: Whose files count.
        counts: Whether a moment is one.
    """

    def begin() -> None:
        left = [number]

        def moment() -> None:
            left[0] -= counts()
            if not left[0]:
                left[0] = -1
                os.kill(os.getpid(), what)

        watch_files(below, moment)

    return begin


def ended(number: int) -> int:
    """The exit status of a process, once it has ended; below 0: the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


class Schedule:
    """Trials in folders of their own, beside one that nobody disturbs."""

    def __init__(self, work: Path, seed: int):
        torch.set_num_threads(1)
        self.work, self.random = work, random.Random(seed)
        # Answers of a base that was never trained do not end by themselves.
        sampling.sample_text.__wrapped__.__kwdefaults__["max_ids"] = 4
        words = small.tokenizer()
        self.base = Chameleon(small.model(words), words, "tiny", profile=PROFILE)
        write_toy_folder(toy_concept(0, 0), work / "pictures")
        straight, moments = self.trial("straight"), work / "moments"

        def count() -> None:
            with open(moments, "ab", buffering=0) as counted:
                counted.write(b".")

        began = time.monotonic()
        status = ended(straight.fork(lambda: watch_files(straight.folder, count)))
        assert status == 0, (straight.folder / "said").read_text(encoding="utf-8")
        self.seconds, self.expected = time.monotonic() - began, straight.files()
        self.moments = moments.stat().st_size

    def trial(self, name: str) -> Trial:
        folder = self.work / name
        folder.mkdir()
        return Trial(self.base, folder, self.work / "pictures")

    def plan(self) -> list[int | float]:
        """When a trial is killed, one to three times: at moments, or after shares of the time that a
        run takes.
        """
        draw = self.random
        return [
            draw.randint(1, self.moments) if draw.random() < 0.6 else draw.random()
            for _ in range(draw.choice((1, 1, 2, 3)))
        ]

    def kill(self, name: str) -> tuple[str, bool]:
        """Kill a run one to three times and let it end; what was done, and whether its files are
        the expected ones.
        """
        trial, told = self.trial(name), []
        for at in self.plan():
            if isinstance(at, int):
                told.append(f"moment {at}")
                status = ended(trial.fork(signals_itself(at, signal.SIGKILL, trial.folder)))
            else:
                seconds = at * self.seconds
                told.append(f"{seconds:.2f} s")
                running = trial.fork()
                time.sleep(seconds)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running, signal.SIGKILL)
                status = ended(running)
            assert status in (0, -signal.SIGKILL), f"{told}: {status}, {trial.folder}"
        if status := ended(trial.fork()):
            return f"{', '.join(told)}; then it ended with {status}", False
        return ", ".join(told), self._same(trial)

    def pair(self, name: str) -> tuple[str, bool]:
        """Two runs in one folder: at some moment the first one is halted while another one tries."""
        trial, number = self.trial(name), self.random.randint(1, self.moments // 2)
        lock = trial.folder / "run" / ".lock"
        first = trial.fork(
            signals_itself(number, signal.SIGSTOP, trial.folder, counts=lock.is_file)
        )
        halted = os.WIFSTOPPED(os.waitpid(first, os.WUNTRACED)[1])
        own, trial.settings = trial.settings, replace(trial.settings, seed=1, resume="never")
        # Halted while it wrote who it is, it cannot be named.
        is_named = halted and lock.read_bytes().endswith(b"}")
        second = ended(trial.fork())
        trial.settings = own
        os.kill(first, signal.SIGCONT)
        said = (trial.folder / "said").read_text(encoding="utf-8").splitlines()
        lines = [line for line in said if line.startswith("refused: ")]
        who = f"process {first} on" if is_named else "another process"
        one_line = len(lines) == 1 and who in lines[0]
        whole = (halted, second, ended(first), one_line) == (True, REFUSED, 0, True)
        return f"the first one at moment {number}", whole and self._same(trial)

    def _same(self, trial: Trial) -> bool:
        found = trial.files()
        for name in sorted(found.keys() | self.expected.keys()):
            if found.get(name) != self.expected.get(name):
                print(f"{trial.folder / name}: not as expected", flush=True)
        return found == self.expected


def work_folder(given: str | None) -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(given) if given else tempfile.TemporaryDirectory()


def trials(
    schedule: Schedule, kills: int, pairs: int, first: int = 0
) -> Iterator[tuple[str, str, bool]]:
    """What was done, when, and whether the files are the expected ones.

    Args:
        schedule: Of the seed.
        kills: How many runs are killed.
        pairs: How many are disturbed by another one.
        first: The number of the kill to begin with: those before it are only drawn.
    """
    for _ in range(first):
        schedule.plan()
    for i in range(first, kills):
        yield "killed", *schedule.kill(f"kill-{i}")
    for i in range(pairs):
        yield "two at once", *schedule.pair(f"pair-{i}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the kill to begin with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", help="a folder that is kept; else what is made goes")
    options = parser.parse_args()
    equal: dict[str, list[bool]] = {}
    with work_folder(options.work) as work:
        schedule = Schedule(Path(work), options.seed)
        for kind, told, whole in trials(schedule, options.kills, options.pairs, options.first):
            equal.setdefault(kind, []).append(whole)
            print(
                f"{kind} {len(equal[kind])}: {told}: {'equal' if whole else 'NOT EQUAL'}",
                flush=True,
            )
    for kind, found in equal.items():
        print(f"{kind}: {sum(found)} of {len(found)} with equal files (seed {options.seed})")
    sys.exit(not all(map(all, equal.values())))


if __name__ == "__main__":
    main()
