"""Facts about a user out of what they said (persona prediction, arXiv 2111.15093): items that a
profile or a memory can keep. Nothing is trained: by rules, or by asking any base.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unictoken.data import templates
from unictoken.data.item import Item
from unictoken.data.sequence import user_turn
from unictoken.model.likelihood import likelihoods
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_text
from unictoken.personalize.condition import spelt_as
from unictoken.scoring.metrics import exact

LONGEST_FACT = 24  # ids of an answer that is asked for
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
# 'i like', 'i am', 'i'm', 'my dog is', 'we have': what says something about the speaker.
_FIRST_PERSON = re.compile(r"(?:i|my|we|our|i'?m|i'?ve|mine)\b", re.IGNORECASE)
# What is said of the moment, of the other, or of nothing.
_NO_FACT = re.compile(
    r"i (?:see|agree|know|think so|hope|guess|mean|bet|wonder|understand|do not know|don'?t know)\b"
    r"|i'?m (?:sorry|sure|fine|good|well|glad)\b|i am (?:sorry|sure|fine|good|well|glad)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?:well|oh|yes|no|yeah|hi|hello|hey|ok|okay|and|but|so|also|actually)\b[ ,!]*)+", re.I
)


def by_rules(said: Sequence[str], *, source: str = "") -> list[Item]:
    """What a user's own utterances state about them: sentences in the first person that are no
    questions and no talk of the moment ('i see', 'i am sorry').

    Args:
        said: The user's utterances, in the order of time.
        source: Of the items.

    >>> [item.text for item in by_rules(["hi , i like dogs . do you ?", "my cat is red. i see ."])]
    ['i like dogs .', 'my cat is red.']
    """
    found: dict[str, Item] = {}
    for time, utterance in enumerate(said, 1):
        for sentence in _SENTENCE.findall(utterance):
            text = _OPENING.sub("", sentence.strip(), count=1).strip()
            fact = _FIRST_PERSON.match(text) and not text.endswith("?")
            if fact and not _NO_FACT.match(text):
                # Said again, it is newer.
                found[text.lower()] = Item(text=text, time=float(time), source=source)
    return list(found.values())


def by_questions(
    base: Base,
    said: Sequence[str],
    forms: Mapping[str, str],
    *,
    source: str = "",
    margin: float = 0.5,
) -> list[Item]:
    """What a base answers about a user when it has read what they said: a fact for each question
    whose answer depends on it.

    An answer counts where the base does not say that it does not know, and finds the answer
    likelier with what was said than without it, by `margin` nats per id: what it would have
    answered anyway is no fact about this user.

    Args:
        base: Any base.
        said: The user's utterances, in the order of time; the newest stand last.
        forms: By question the sentence that holds its answer: {"where do i live?": "i live {}."}.
        source: Of the items.
        margin: Nats per id.
    """
    if not said:
        return []
    vocab, questions = base.vocab, list(forms)

    def prompt(question: str, before: str) -> list[int]:
        return user_turn(vocab.encode(spelt_as(vocab, f"{before} {question}".strip())), vocab)

    told = [prompt(question, " ".join(said)) for question in questions]
    untold = [prompt(question, "") for question in questions]
    # The likeliest words: a fact is not drawn by lot.
    answers = sample_text(base, told, max_ids=LONGEST_FACT)
    with_it, without = (
        likelihoods(base, list(zip(prompts, answers, strict=True))) for prompts in (told, untold)
    )
    items = []
    for question, ids, own, other in zip(questions, answers, with_it, without, strict=True):
        answer = vocab.decode(ids)
        known = answer and not exact(answer, templates.UNSURE)
        if known and own.mean - other.mean > margin:
            text = forms[question].replace("{}", answer)
            items.append(Item(text=text, time=float(len(said)), source=source))
    return items
