"""Hostile inputs, tried in numbers: python tests/fuzz/fuzz.py --number 5000 --seed 1

Each case is read in a process of its own kind: forked once all libraries are there, watched from
outside, and ended where it takes too much. What counts as a failure: an exception that is no
`UserError`, more than 10 s of CPU or 1.5 GB of memory, a file written outside the case's folder, a
control sequence printed, and a refusal that is not one line with a place and advice. The table says
for each entry point how many cases were tried, refused in one line, taken, and failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).resolve().parent
for place in (HERE, HERE.parent, HERE.parent / "data"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
os.environ["HF_HUB_OFFLINE"] = "1"

import entries
import psutil
import torch
from entries import ENTRIES, Entry, Kit, cases

from unictoken.core.errors import REFUSED, UserError

CPU_S, MEMORY = 10.0, 1.5e9
LONGEST_LINE = 2100  # letters
# What tells somebody what to do: a sentence, or its part after ';', that begins with one of these.
ADVICE = re.compile(
    r"(?:^|[.;,:(] |`|or )(?:Add|Ask|Call|Change|Choose|Copy|Crop|Expected|Fetch|Find|Give|Import|Keep|Learn|Leave|Look|Make|Mend|Move|Name|Put|Remove|Rename|Replace|Save|Say|Set|Take|Unpack|Update|Use|Write"
    r"|expected|did you mean|known keys|fetch|give|mend|name|remove|--|use|write|take)",
)
WRITES = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
)


@dataclass(frozen=True)
class Outcome:
    """What became of a case: refused, taken or failed; and how."""

    entry: str
    what: str
    why: str = ""
    case: int | None = None  # where it failed: what --only and --case take


class Outside(Exception):
    """A file was written, or a program started, outside the case's folder."""


_inside: Path | None = None


def _watch(event: str, arguments: tuple) -> None:
    """An audit hook: refuses writes outside the folder of the case that runs."""
    if _inside is None:
        return
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect"):
        raise Outside(f"{event} {arguments[:1]}")
    if event == "open":
        path, mode, flags = arguments
        writes = any(c in (mode or "") for c in "wxa+") or (flags or 0) & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT
        )
        if not writes or isinstance(path, int):
            return
    elif event not in WRITES:
        return
    path = arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0]
    if isinstance(path, int) or os.fsdecode(path) == os.devnull:
        return
    place = Path(os.path.realpath(os.fsdecode(path)))
    if not place.is_relative_to(_inside):
        raise Outside(f"{event} {place}")


def tried(entry: Entry, rng, folder: Path, kit: Kit) -> Outcome:
    """One case, in this process."""
    global _inside
    os.chdir(folder)
    action = entry.make(rng, folder, kit)
    before = time.process_time()
    _reset_peak()
    with _all_that_is_printed() as printed:
        _inside = folder
        try:
            outcome = _ended(entry.name, action)
        finally:
            _inside = None
    took, peak = time.process_time() - before, _peak()
    if took > CPU_S:
        return Outcome(entry.name, "failed", f"took {took:.0f} s of CPU ({outcome.why[:200]})")
    if peak > MEMORY:
        return Outcome(entry.name, "failed", f"took {peak / 1e9:.1f} GB ({outcome.why[:200]})")
    if strange := re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said := "".join(printed).replace("\r", "")
    ):
        near = said[max(0, strange.start() - 100) : strange.end() + 200]
        return Outcome(entry.name, "failed", f"printed {strange[0]!r}: {near!r}")
    return outcome


@contextlib.contextmanager
def _all_that_is_printed() -> Iterator[list[str]]:
    """What this block prints, once it has ended: libraries of C and Rust print past `sys.stdout`."""
    printed: list[str] = []
    said = io.StringIO()
    with tempfile.TemporaryFile() as caught:
        kept = [os.dup(stream) for stream in (1, 2)]
        try:
            for stream in (1, 2):
                os.dup2(caught.fileno(), stream)
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                yield printed
        finally:
            sys.__stdout__.flush(), sys.__stderr__.flush()
            for stream, before in zip((1, 2), kept, strict=True):
                os.dup2(before, stream)
                os.close(before)
            caught.seek(0)
            printed += [said.getvalue(), caught.read().decode(errors="replace")]


def _ended(name: str, action: Callable[[], object]) -> Outcome:
    try:
        action()
    except UserError as error:
        return _refused(name, str(error))
    except SystemExit as end:
        if end.code == REFUSED:
            return (
                _refused(name, str(end)) if str(end) != str(REFUSED) else Outcome(name, "refused")
            )
        return Outcome(name, "taken" if not end.code else "failed", f"exit {end.code}")
    except Outside as error:
        return Outcome(name, "failed", f"wrote outside: {error}")
    except BaseException as error:  # pyo3's panics are no Exception
        where = [
            line
            for line in traceback.extract_tb(error.__traceback__)
            if "tests/fuzz" not in line.filename
        ]
        at = next(
            (line for line in reversed(where) if "/unictoken/" in line.filename),
            where[-1] if where else None,
        )
        place = f"{Path(at.filename).name}:{at.name}" if at else "?"
        return Outcome(
            name,
            "failed",
            f"{type(error).__name__} at {place}: {' '.join(str(error).split())[:150]}",
        )
    return Outcome(name, "taken")


def _refused(name: str, line: str) -> Outcome:
    lacks = (
        "is not one line" if not line.isprintable() and "\u200d" not in line
        else f"has {len(line)} letters" if len(line) > LONGEST_LINE
        else "names no place" if not re.match(r"[^ ].*?: |'|<|[\w-]+ '", line)
        else "gives no advice" if not ADVICE.search(line)
        else ""
    )  # fmt: skip
    return (
        Outcome(name, "failed", f"the line {lacks}: {line[:300]!a}")
        if lacks
        else Outcome(name, "refused", line[:300])
    )


def _reset_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _peak() -> float:
    """The most memory that this process took since `_reset_peak`; 0 where the system does not say."""
    with (
        contextlib.suppress(OSError, StopIteration),
        open("/proc/self/status", encoding="ascii") as file,
    ):
        return 1024 * float(next(line for line in file if line.startswith("VmHWM")).split()[1])
    return 0.0


# ---- in processes that can be ended --------------------------------------------------------------


def _work(todo: list[tuple[str, int]], seed: int, place: Path, kit: Kit, said: Connection) -> None:
    """The cases one after another; each is announced before it begins."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process above
    sys.addaudithook(_watch)
    torch.set_num_threads(1)
    for number, (name, i) in enumerate(todo):
        said.send(("begins", number))
        folder = place / f"{os.getpid()}-{number}"
        folder.mkdir()
        try:
            outcome = tried(ENTRIES[name], entries.case(seed, name, i), folder, kit)
        finally:
            os.chdir(place)
            shutil.rmtree(folder, ignore_errors=True)
        if outcome.what == "failed":
            outcome = replace(outcome, case=i)
        said.send(("ends", outcome))
    said.send(("done", None))


def run(todo: Sequence[tuple[str, int]], seed: int, kit: Kit, place: Path) -> Iterator[Outcome]:
    """Outcomes of cases, each the number of a case of an entry point. A process that hangs or eats
    memory is ended, and the next one goes on behind its case.
    """
    todo = list(todo)
    context = multiprocessing.get_context("fork")
    while todo:
        heard, said = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(todo, seed, place, kit, said), daemon=True)
        worker.start()
        said.close()
        at, ended = 0, ""
        watched, began = psutil.Process(worker.pid), 0.0
        try:
            while not ended:
                if heard.poll(0.05):
                    try:
                        what, value = heard.recv()
                    except EOFError:
                        ended = "the process died"
                        break
                    if what == "done":
                        ended = what
                    elif what == "begins":
                        at, began = value, _cpu(watched)
                    else:
                        yield value
                    continue
                ended = _too_much(watched, began)
        finally:
            if ended != "done":
                worker.kill()
            worker.join()
        if ended == "done":
            return
        yield Outcome(todo[at][0], "failed", ended, todo[at][1])
        todo = todo[at + 1 :]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _too_much(process: psutil.Process, began: float) -> str:
    """Why a case is ended from outside; '' while it may go on."""
    try:
        if _cpu(process) - began > 3 * CPU_S:
            return f"a hang of over {3 * CPU_S:.0f} s of CPU"
        if process.memory_info().rss > 3 * MEMORY:
            return f"over {3 * MEMORY / 1e9:.1f} GB"
    except psutil.NoSuchProcess:
        return "the process died"
    return ""


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each entry point."""
    rows = {name: Counter(o.what for o in outcomes if o.entry == name) for name in ENTRIES}
    lines = [
        "| entry point | tried | refused in one line | taken | failed |",
        "|---|---|---|---|---|",
    ]
    for name, row in [*rows.items(), ("all", sum(rows.values(), Counter()))]:
        if row.total():
            lines.append(
                f"| {name} | {row.total()} | {row['refused']} | {row['taken']} | {row['failed']} |"
            )
    return "\n".join(lines)


def _kind(outcome: Outcome) -> tuple[str, str]:
    """Alike for failures of one cause: without numbers and without the case's folder."""
    why = re.sub(r"/tmp/\S*?/\d+-\d+/", "", re.sub(r"\d\d+", "N", outcome.why))
    return outcome.entry, why[:230]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="entry points whose name holds this")
    parser.add_argument("--case", type=int, help="one case by its number, with its traceback")
    options = parser.parse_args()
    todo = [(name, i) for name, i in cases(options.number) if options.only in name]
    # So that a run that is cut off has tried some of everything.
    random.Random(options.seed).shuffle(todo)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as aside:
        place = Path(os.path.realpath(aside))
        kit = Kit(place / "kit")
        kit.folder.mkdir()
        kit.make()
        if options.case is not None:
            os.chdir(place)
            entries.ENTRIES[todo[0][0]].make(
                entries.case(options.seed, todo[0][0], options.case), place, kit
            )()
            return
        outcomes: list[Outcome] = []
        with contextlib.suppress(KeyboardInterrupt):  # what was tried until then is told
            for outcome in run(todo, options.seed, kit, place):
                outcomes.append(outcome)
    found = [o for o in outcomes if o.what == "failed"]
    for (name, why), group in groupby(sorted(found, key=_kind), key=_kind):
        numbers = [o.case for o in group]
        print(f"{len(numbers):4} x {name}: {why} (case {numbers[0]})")
    print(table(outcomes))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
