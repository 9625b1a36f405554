"""The base's own answers about the reference pictures: training answers that nobody had to write.

Answers about the concept are decided by a vote over all pictures. Each picture keeps its own
answers about its scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from unictoken.data import templates
from unictoken.data.interviews import GENERAL, Interview
from unictoken.data.sequence import user_turn
from unictoken.data.worlds import world
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_text
from unictoken.tasks.material import Observations


def captions(base: Base, image_ids_NK: torch.Tensor) -> list[str]:
    """Captions that the base gives pictures without any concept in its prompt."""
    # 48: the longest caption of the toy world has 33 ids.
    return _answers(base, image_ids_NK, templates.CAPTION[:1], it="it", max_ids=48)


def observe(base: Base, image_ids_NK: torch.Tensor, class_noun: str) -> Observations:
    """Ask the base every question of the interview for its world about every picture."""
    interview = interview_of(base, class_noun)
    rows = interviewed(base, image_ids_NK, interview, class_noun, interview.questions)
    # A vote over the pictures; a tie goes to the answer that came first.
    concept = {
        q: Counter(row[q] for row in rows).most_common(1)[0][0] for q in interview.about_concept
    }
    scenes = [{q: row[q] for q in interview.about_scene} for row in rows]
    # In the order of the interview's questions, by which `phrase` and `caption` take them.
    answers = [list(scene.values()) for scene in scenes]
    return Observations(
        concept,
        interview.description(list(concept.values())),
        scenes,
        phrases=list(map(interview.phrase, answers)),
        captions=list(map(interview.caption, answers)),
    )


def readings(base: Base, image_ids_NK: torch.Tensor, class_noun: str) -> list[str]:
    """What the base reads in each picture beside the concept: the scene as the end of a prompt; as
    a caption, where this base's answers make no such end.
    """
    interview, answers = _scenes(base, image_ids_NK, class_noun)
    prompts = any(map(interview.phrase, answers))
    return [(interview.phrase if prompts else interview.caption)(said) for said in answers]


def named_captions(base: Base, image_ids_NK: torch.Tensor, class_noun: str) -> list[str]:
    """A caption of each picture of the concept, which names it, from the base's own answers."""
    interview, answers = _scenes(base, image_ids_NK, class_noun)
    return list(map(interview.caption, answers))


def _scenes(
    base: Base, image_ids_NK: torch.Tensor, class_noun: str
) -> tuple[Interview, list[list[str]]]:
    """The interview, and for each picture its answers about the scene, in the order of the
    questions.
    """
    interview = interview_of(base, class_noun)
    rows = interviewed(base, image_ids_NK, interview, class_noun, interview.about_scene)
    return interview, [list(row.values()) for row in rows]


def interview_of(base: Base, class_noun: str) -> Interview:
    """What this base is asked about such a concept."""
    known = base.profile.world
    return world(known).interview(class_noun) if known else GENERAL


def interviewed(
    base: Base,
    image_ids_NK: torch.Tensor,
    interview: Interview,
    class_noun: str,
    questions: Sequence[str],
) -> list[dict[str, str]]:
    """Answers about each picture, by question.

    Args:
        base: Is asked.
        image_ids_NK: The pictures.
        interview: Says how.
        class_noun: The concept's.
        questions: Those of the interview that are asked.
    """
    it = interview.it.format(noun=class_noun)
    said = _answers(base, image_ids_NK, questions, it=it, max_ids=interview.max_ids)
    learned = iter(interview.answer(text, class_noun) for text in said)
    return [{question: next(learned) for question in questions} for _ in image_ids_NK]


def _answers(
    base: Base, image_ids_NK: torch.Tensor, questions: Sequence[str], *, it: str, max_ids: int
) -> list[str]:
    """What the base answers to every question about every picture, all of one picture's after each
    other.
    """
    prompts = [asked(base, ids, q, it=it) for ids in image_ids_NK.tolist() for q in questions]
    answers = sample_text(base, prompts, max_ids=max_ids)
    return [
        # An answer of `max_ids` ids was cut off.
        base.vocab.decode(ids) if len(ids) < max_ids else whole_sentences(base.vocab.decode(ids))
        for ids in answers
    ]


def asked(base: Base, ids: Sequence[int], question: str, *, it: str) -> list[int]:
    """Prompt ids of a question about a picture.

    Args:
        base: What is asked.
        ids: The picture's image ids.
        question: With {it} where it is named.
        it: What stands there.
    """
    words = base.vocab.encode(question, {"{it}": base.vocab.encode(it)})
    return user_turn([*base.vocab.picture(ids), *words], base.vocab)


def whole_sentences(said: str) -> str:
    """What was cut off in the middle, up to the end of its last whole sentence; all of it where
    none is whole.
    """
    return said[: said.rfind(".") + 1] or said
