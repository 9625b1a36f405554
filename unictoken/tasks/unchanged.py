"""What does not name the concept stays as the base says it, bit for bit."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

from unictoken.data import templates
from unictoken.data.sequence import user_turn
from unictoken.data.templates import YES
from unictoken.scoring import metrics
from unictoken.tasks.task import Asked, Prediction
from unictoken.tasks.trial import Trial

if TYPE_CHECKING:
    import torch

    from unictoken.personalize.condition import Condition


class Unchanged(Asked):
    """Whether the next logits after a caption's question, without the concept's name, are the
    base's own with the concept loaded.
    """

    name = "unchanged"
    columns = ("unchanged",)

    def ask(self, trial: Trial) -> list[Prediction]:
        asked = [record for record in trial.pictured() if record.answer == YES]
        question, vocab = templates.CAPTION[0], trial.base.vocab
        conditions = trial.conditions([question] * len(asked), asked)
        # Words and pictures put no row on the base: nothing could change.
        learned = [bool(condition.concepts) for condition in conditions]
        asked = list(compress(asked, learned))
        if not asked:
            return []
        prompts = [
            user_turn([*vocab.picture(ids), *vocab.encode(question)], vocab)
            for ids in trial.subject.seen(asked).ids_NK.tolist()
        ]

        def pairs(
            condition: Condition, places: list[int]
        ) -> list[tuple[torch.Tensor, torch.Tensor]]:
            own = [prompts[i] for i in places]
            both = (trial.next_logits(own, speaker) for speaker in (None, condition))
            return list(zip(*both, strict=True))

        from unictoken.personalize.condition import by_condition  # Imported here: it imports torch.

        made = []
        found = by_condition(list(compress(conditions, learned)), pairs)
        for record, (before, after) in zip(asked, found, strict=True):
            # virtual ids stand after the base's own
            same, difference = metrics.same_logits(before, after[: len(before)])
            made.append(
                trial.prediction(
                    "unchanged",
                    record,
                    given=str(difference),
                    score=float(same),
                    question=question,
                    expected="0.0",
                )
            )
        return made
