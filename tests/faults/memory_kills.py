"""A memory whose writer is killed in the middle of its writes: whatever happened, the file is whole,
and holds of every write all or nothing.

    python tests/faults/memory_kills.py --kills 20 --writes 1000 --seed 1

Each writer is a fork of this process. It is killed after a share of the time that undisturbed
writes take, and the next one goes on in the same file.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from PIL import Image

from unictoken.data.concept import Concept
from unictoken.personalize.memory import Memory

FACTS = 3  # of one write: there are all of them, or none
FORGET_EVERY = 7  # so-manieth write forgets a concept
LIMIT = 600  # seconds that a writer may take


def write(path: Path, first: int, count: int) -> None:
    """So many writes: a concept with a picture and FACTS facts each, now and then one is forgotten."""
    picture = Image.new("RGB", (64, 64), "red")
    with Memory.open(path) as memory:
        for i in range(first, first + count):
            facts = tuple(f"<c{i}> likes number {i} and {j}." for j in range(FACTS))
            memory.add(Concept(name=f"c{i}", class_noun="dog", pictures=(picture,), facts=facts))
            if (i - first) % FORGET_EVERY == FORGET_EVERY - 1:
                memory.forget(f"c{i - 1}")


def fork(path: Path, first: int, count: int) -> int:
    sys.stdout.flush()
    if number := os.fork():
        return number
    status = 1
    try:
        signal.alarm(LIMIT)
        write(path, first, count)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # and never back into the caller's code


def whole(path: Path) -> str:
    """'' where the file is whole, else what is wrong with it."""
    with Memory.open(path) as memory:
        entries = memory.list()
        for entry in entries:
            if entry.pictures != 1 or len(entry.facts) != FACTS:
                return f"{entry.name}: {entry.pictures} pictures, {len(entry.facts)} facts"
            memory.pictures(entry.name)
        names = {entry.name for entry in entries}
        found = memory.search("likes", most=10**6)
        if {one.name for one in found} != names or len(found) != FACTS * len(names):
            return f"{len(found)} facts are found of {len(names)} concepts"
    connection = sqlite3.connect(path)
    try:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        said = str(error)
    finally:
        connection.close()
    return "" if said == "ok" else said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, failed = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        assert os.waitpid(fork(Path(folder) / "straight", 0, 50), 0)[1] == 0
        each = (time.monotonic() - began) / 50
        for kill in range(options.kills):
            path = Path(folder) / f"{kill % 4}.memory"  # several kills in one file
            writer = fork(path, 10**6 * kill, options.writes)
            # In the first writes, which make the file, or after many.
            time.sleep(each * draw.choice((2, 20, 100)) * draw.random())
            os.kill(writer, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])
            wrong = whole(path) if status == -signal.SIGKILL else f"it ended with {status}"
            failed += bool(wrong)
            with Memory.open(path) as memory:
                count = len(memory)
            print(f"kill {kill}: status {status}, {count} concepts: {wrong or 'whole'}", flush=True)
    print(f"{options.kills - failed} of {options.kills} files whole (seed {options.seed})")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
