"""A fact told after learning: a finished concept learns it from its file alone, in seconds.

The photos are not needed, and no row that was learned changes. The fact is appended as rows that
begin as its words ('. <bo> has a green cap'), so that the base reads it in every prompt of the
concept from the start, drawings included. Then these rows learn, beside the fact's question, what
the concept answers, recognises and draws without them (rehearsal; Robins 1995), so that they
disturb nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from unictoken.core.config import within
from unictoken.core.text import ConceptError
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.facts import COMMON, ToldFact
from unictoken.data.sequence import Batch
from unictoken.data.source import SourceError
from unictoken.learn.examples import Examples
from unictoken.learn.learner import Learner
from unictoken.learn.methods import MOST_STEPS, Distractors, Method, Stage, Tokens
from unictoken.learn.negatives import gather
from unictoken.learn.objective import CrossEntropy
from unictoken.learn.observe import observe
from unictoken.learn.prepare import captions_of_others
from unictoken.learn.stages import Progress, learn_rows
from unictoken.learn.told import SCENES
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.tasks.material import Material
from unictoken.tokens.bank import give_ids
from unictoken.tokens.file import MOST_ROWS
from unictoken.tokens.start import rows_of_facts
from unictoken.tokens.tokens import ConceptTokens, role_slices, slots

STEPS = 80
LR = 3e-3
OF_EACH_SCENE = 3  # pictures that the tokens draw of themselves
OTHERS = 160  # pictures of the world of a base that knows one
DRAWN_OTHERS = 24  # pictures that any other base draws of the class noun
NEW, KNOWN, UNSURE = 0.2, 0.6, 0.2
"""Shares of the questions about facts: what is told, what was known, and what was not."""
MANY = 100  # questions, of which a share is counted out
TASKS = {
    "recognise": 0.3,
    "vqa": 0.05,
    "text_qa": 0.35,
    "caption": 0.05,
    "caption_others": 0.05,
    "generate": 0.2,
}


def tell(
    base: Base,
    tokens: ConceptTokens,
    facts: Sequence[ToldFact],
    *,
    seed: int = 0,
    steps: int = STEPS,
    fast: bool = True,
    show: Callable[[Progress], None] = lambda progress: None,
) -> ConceptTokens:
    """The concept with new facts, as further shared tokens. Its scores are gone: they were of the
    rows before.

    Raises `ConceptError` for tokens of a method that has no shared ones, or does not draw.

    Args:
        base: The frozen base that it was learned on.
        tokens: The concept as it is; it stays so.
        facts: What is told. What was answered to the same questions is not rehearsed.
        seed: Of everything that is drawn by lot.
        steps: Of learning, of 16 examples each.
        fast: Whether it may be learned in bf16, where this CPU is faster with it.
        show: Called after each step.
    """
    within("steps", steps, 1, MOST_STEPS)
    condition = with_tokens(base, tokens)
    condition.need_drawing()
    if not tokens.counts.get("shared"):
        raise ConceptError(
            f"'{tokens.name}': method '{tokens.method}' has no shared tokens, to which facts are"
            " added. Learn it again with the fact, or with 'joint'."
        )
    longer, new = _with_rows(base, tokens, facts)
    # Of the tokens as they are: what the new rows must not change.
    material = _material(condition, facts, seed)
    method = Method(
        name=tokens.method,
        tokens=Tokens(**{role: n for role, n in longer.counts.items() if role != "name"}),
        prompts=tokens.prompts,
        stages=(Stage(name="told", steps=steps, lr=LR, tasks=_tasks(material)),),
    )
    ids = give_ids(base, len(longer.rows_in))
    examples = Examples(base.vocab, method, material, slots(ids, longer.counts))
    objective = CrossEntropy(examples, seed)
    learner = Learner(base, ids, longer.rows_in, longer.rows_out, loss=objective.loss, fast=fast)
    (stage,) = method.stages

    def batch(step: int) -> Batch:
        return objective.batch(stage, step, policy=learner, share=slice(None))

    for progress in learn_rows(learner, stage, new, batch):
        show(progress)
    rows_in, rows_out = learner.current().detach().float().cpu()
    return replace(longer, rows_in=rows_in.clone(), rows_out=rows_out.clone())


def _tasks(material: Material) -> dict[str, float]:
    """Without captions of others where the base drew none."""
    return {
        task: weight
        for task, weight in TASKS.items()
        if material.captions_of_others or task != "caption_others"
    }


def _with_rows(
    base: Base, tokens: ConceptTokens, facts: Sequence[ToldFact]
) -> tuple[ConceptTokens, slice]:
    """The concept with the words of the facts after its shared tokens, and which rows those are."""
    said = [fact.sentence for fact in facts]
    words_KD = rows_of_facts(base, said, tokens.rows_in[0], most=MOST_ROWS)
    end = role_slices(tokens.counts)["shared"].stop
    counts = {**tokens.counts, "shared": tokens.counts["shared"] + len(words_KD)}
    if counts["shared"] > MOST_ROWS:
        raise SourceError(
            f"'{tokens.name}': {counts['shared']} shared tokens with the facts, expected at most"
            f" {MOST_ROWS}. Tell less."
        )
    # Soft tokens are never said, so that any head rows will do: those of the others.
    heads_KD = tokens.rows_out[1:end].mean(0, keepdim=True).expand(len(words_KD), -1)
    longer = replace(
        tokens,
        counts=counts,
        rows_in=torch.cat([tokens.rows_in[:end], words_KD, tokens.rows_in[end:]]),
        rows_out=torch.cat([tokens.rows_out[:end], heads_KD, tokens.rows_out[end:]]),
        bias_out=None,
        scores={},
        # Its folder's checkpoints are of the concept before.
        run="",
    )
    return longer, slice(end, end + len(words_KD))


def _material(condition: Condition, facts: Sequence[ToldFact], seed: int) -> Material:
    """What the tokens know, in pictures and words of their own, and what they are told.

    Args:
        condition: The concept as it is.
        facts: What is told.
        seed: Of the drawings.
    """
    base, tokens = condition.base, condition.tokens
    assert tokens  # a learned concept
    prompts = [f"{tokens.marker} {scene}".strip() for scene in SCENES for _ in range(OF_EACH_SCENE)]
    own_NK = condition.draw_ids(prompts, Draw(seed=seed))
    others = _others(condition, own_NK, seed)
    seen = observe(base, own_NK, tokens.class_noun)
    told = [(fact.question.replace("{name}", "{it}"), fact.answer) for fact in facts]
    asked = {question for question, _ in told}
    answers = _known(condition, list(seen.concept))
    old = [pair for pair in _known(condition, COMMON).items() if pair[0] not in asked]
    unsure = [pair for pair in old if pair[1] == templates.UNSURE]
    known = [pair for pair in old if pair not in unsure]
    return Material(
        class_noun=tokens.class_noun,
        pictures_NK=own_NK,
        negatives=others,
        observations=replace(seen, concept=answers or seen.concept),
        questions=_in_shares([(NEW, told), (KNOWN, known), (UNSURE, unsure)]),
        captions_of_others=captions_of_others(base, others) if others else (),
    )


def _others(condition: Condition, own_NK: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """Image ids of others by grade, as for an owner who brings none.

    Args:
        condition: The concept as it is.
        own_NK: Pictures of it.
        seed: Of the others.
    """
    base, tokens = condition.base, condition.tokens
    assert tokens
    pictured = Concept(
        name=tokens.name, class_noun=tokens.class_noun, pictures=tuple(base.decode(own_NK))
    )
    known = base.profile.world is not None
    made = Distractors(world=OTHERS if known else 0, drawn=0 if known else DRAWN_OTHERS)
    found = gather(base, pictured, Method(), made, seed=seed).by_grade
    # What the tokens take for the concept would teach them otherwise.
    kept = {
        grade: ids_NK[torch.tensor(condition.recognise(ids_NK)) <= 0.5]
        for grade, ids_NK in found.items()
    }
    return {grade: ids_NK for grade, ids_NK in kept.items() if len(ids_NK)}


def _in_shares(
    lists: Sequence[tuple[float, Sequence[tuple[str, str]]]],
) -> tuple[tuple[str, str], ...]:
    """Pairs, each as often as its list's share asks; a list without any is left out."""
    return tuple(
        pair
        for share, pairs in lists
        for pair in pairs
        for _ in range(round(MANY * share / len(pairs)))
    )


def _known(condition: Condition, questions: Sequence[str]) -> dict[str, str]:
    """The questions about {it} that the tokens are sure of, with their answers about {name}."""
    marker = f"<{condition.name}>"
    answers = {q: condition.known(q.replace("{it}", marker)) for q in questions}
    return {q: said.replace(marker, "{name}") for q, said in answers.items() if said}
