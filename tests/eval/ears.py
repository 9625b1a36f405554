"""A task and a control of a user's own, in one file:

python eval/run.py --import tests/eval/ears.py --config mine.yaml
"""

from __future__ import annotations

from unictoken import tasks
from unictoken.measure import controls
from unictoken.personalize.words import in_words
from unictoken.tasks.task import Asked


class Ears(Asked):
    """How many ears it has: always two."""

    name = "ears"
    columns = ("ears",)

    def ask(self, trial):
        asked = trial.records("text_qa")
        question = f"how many ears does {trial.marker} have?"
        said = trial.answers([question] * len(asked), asked)
        return [
            trial.prediction(
                self.name,
                record,
                given=given,
                score=float(given == "two"),
                question=question,
                expected="two",
            )
            for record, given in zip(asked, said, strict=True)
        ]


tasks.register(Ears())
controls.register("said", lambda base, one: in_words(base, one.name, "{name} has two ears."))
