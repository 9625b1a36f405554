"""What does not name the concept stays as the base says it, bit for bit."""

from __future__ import annotations

from unictoken.data import templates
from unictoken.data.sequence import user_turn
from unictoken.data.templates import YES
from unictoken.scoring import metrics
from unictoken.tasks.task import Asked, Prediction
from unictoken.tasks.trial import Trial


class Unchanged(Asked):
    """Whether the next logits after a caption's question, without the concept's name, are the
    base's own with the concept loaded.
    """

    name = "unchanged"
    columns = ("unchanged",)

    def ask(self, trial: Trial) -> list[Prediction]:
        asked = [record for record in trial.pictured() if record.answer == YES]
        if trial.conditioning.concept is None or not asked:
            return []
        from unictoken.model.sampling import next_logits  # Imported here: it imports torch.

        base, question = trial.conditioning.base, templates.CAPTION[0]
        prompts = [
            user_turn([*base.vocab.picture(ids), *base.vocab.encode(question)], base.vocab)
            for ids in trial.subject.images(asked).tolist()
        ]
        speakers = base, trial.conditioning.speaker
        pairs = zip(*(next_logits(speaker, prompts) for speaker in speakers), strict=True)
        made = []
        for record, (before, after) in zip(asked, pairs, strict=True):
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
