"""Tasks: one file each, with one class that teaches a concept, asks about it and scores the answers.

A task of your own is a class, and one call:

    import unictoken
    from unictoken.tasks.task import Asked, Taught

    class Ears(Taught, Asked):
        name = "ears"
        columns = ("ears",)

        def teach(self, teaching, rng):
            return teaching.phrasing.ask("how many ears does {name} have?", "two")

        def ask(self, trial):
            asked = trial.pictured()
            question = f"how many ears does {trial.marker} have?"
            told = {"question": question, "expected": "two"}
            said = trial.answers([question] * len(asked), asked)
            return [
                trial.prediction(self.name, record, given=a, score=float(a == "two"), **told)
                for record, a in zip(asked, said)
            ]

    unictoken.tasks.register(Ears())

From then on a method's stages may name it (`tasks: {ears: 0.1, generate: 0.9}`), and a benchmark
measures it where its `tasks` name it: the programs import your file first (`--import ears.py`). The
mean score of a task's predictions is its number; `score` adds others.

Modules here import no torch at their top: a config is checked before torch is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError
from unictoken.tasks.caption import Caption, CaptionOthers
from unictoken.tasks.choice import Choice
from unictoken.tasks.clip import Clip
from unictoken.tasks.generate import Generate
from unictoken.tasks.knowledge import Knowledge
from unictoken.tasks.opinion import Opinion
from unictoken.tasks.recognise import Recognise
from unictoken.tasks.task import Asked, Prediction, Task, Taught
from unictoken.tasks.text_qa import TextQa
from unictoken.tasks.trial import Trial
from unictoken.tasks.unchanged import Unchanged
from unictoken.tasks.verify import Verify
from unictoken.tasks.vqa import Vqa


class TaskError(UserError):
    """A task that cannot be registered: what was found, what was expected."""


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Recognise(),
        Vqa(),
        TextQa(),
        Choice(),
        Clip(),
        Caption(),
        CaptionOthers(),
        Generate(),
        Knowledge(),
        Opinion(),
        Unchanged(),
        Verify(),
    )
}
"""Every task by name, in the order in which a benchmark asks and tables show them."""

USUAL = ("recognise", "vqa", "text_qa", "choice", "clip", "caption", "generate", "unchanged")
"""What a benchmark measures that does not say what."""


def register(task: Task) -> Task:
    """Make a task of your own known by its name; gives the task."""
    if not isinstance(task, Taught | Asked):
        raise TaskError(f"task: found {quoted(task)}, expected an instance of Taught or Asked.")
    if task.name in TASKS:
        raise TaskError(f"task '{task.name}': there is one of this name. Choose another.")
    TASKS[task.name] = task
    return task


def taught() -> dict[str, Taught]:
    """The tasks that a stage can learn from, by name."""
    return {name: task for name, task in TASKS.items() if isinstance(task, Taught)}


def asked() -> dict[str, Asked]:
    """The tasks that a benchmark can measure, by name."""
    return {name: task for name, task in TASKS.items() if isinstance(task, Asked)}


def predictions(trial: Trial, names: Sequence[str] = USUAL) -> list[Prediction]:
    """Everything that the tasks of these names ask one condition about one concept."""
    return [p for name, task in asked().items() if name in names for p in task.ask(trial)]
