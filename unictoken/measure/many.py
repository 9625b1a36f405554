"""Several concepts, each learned by itself: one after the other, or side by side in the processes of
a launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unictoken.core.disk import is_file
from unictoken.data.concept import Concept
from unictoken.learn.folder import held
from unictoken.learn.resume import identity, signature
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.measure import page
from unictoken.measure.report import learn_and_report
from unictoken.model.malloc import keeping_freed_memory
from unictoken.model.processes import Processes
from unictoken.model.protocol import Base
from unictoken.tokens import file as concept_file


def learn_each(base: Base, runs: Sequence[RunConfig], processes: Processes) -> str:
    """Learn concepts and write their reports; gives a table of their scores.

    What is finished stays as it is, and what was begun goes on. Each process takes the next concept
    when it has finished one; they learn what one process would.

    Args:
        base: On which all are learned.
        runs: Each with its concept and a folder of its own.
        processes: Those that share out the concepts.
    """
    for folder in dict.fromkeys(settings.concepts for settings in runs):
        processes.check_shared(Path(folder))
    # Concepts are read again one by one: pictures of one at a time are in memory.
    todo = [
        (str(number),)
        for number, settings in enumerate(runs)
        if processes.first and not is_finished(base, settings, concept_of(settings))
    ]
    for (number,) in processes.share_out(todo, "learning concepts"):
        settings = runs[int(number)]
        concept = concept_of(settings)
        with held(settings, concept), keeping_freed_memory():
            learn_and_report(base, settings, concept)
    processes.wait_for_all()
    scores = {run.concept.name: concept_file.read_header(_file(run))["scores"] for run in runs}
    reports = [str(_report(settings)) for settings in runs]
    return "\n".join([page.table(scores), "", *reports])


def is_finished(base: Base, settings: RunConfig, concept: Concept) -> bool:
    """Whether this very run has written its concept file and, after it, its report."""
    file, report = _file(settings), _report(settings)
    if settings.resume == "never" or not (is_file(file) and is_file(report)):
        return False
    own = signature(identity(settings, base, concept), settings.method.total_steps)
    is_later = report.stat().st_mtime_ns >= file.stat().st_mtime_ns
    return concept_file.read_header(file).get("run") == own and is_later


def _file(settings: RunConfig) -> Path:
    return concept_file.path_of(settings.concept.name, settings.concepts)


def _report(settings: RunConfig) -> Path:
    return settings.folder / "report.md"
