"""From a concept to its tokens: what is prepared, what is learned, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from unictoken.core.text import mark
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.opinions import asked_forms, liked
from unictoken.data.source import SourceError
from unictoken.learn.examples import Examples
from unictoken.learn.from_tree import Drawn, draw_from_tree
from unictoken.learn.learner import Learner
from unictoken.learn.lengths import Lengths
from unictoken.learn.methods import Distractors, Method, Stage
from unictoken.learn.negatives import Others, gather
from unictoken.learn.objective import CrossEntropy, Objective, ObjectiveOf
from unictoken.learn.observe import captions, observe
from unictoken.learn.outside import decibels_of, note_of
from unictoken.learn.told import told_drawings
from unictoken.learn.transition import drawn_rows
from unictoken.model.protocol import Base
from unictoken.personalize.user import USER
from unictoken.tasks.material import Material, Observations
from unictoken.tasks.teaching import Phrasing
from unictoken.tokens import file as concept_file
from unictoken.tokens.bank import give_ids
from unictoken.tokens.start import start_rows
from unictoken.tokens.tokens import ConceptTokens, role_slices, slots

RowsOf = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Gives input rows and head rows, [P, D] each, from the image ids [N, K] of the pictures."""

CAPTIONED = 8  # negatives of each grade, at most


@dataclass(frozen=True)
class Prepared:
    """What one run of learning works with: the learner, the concept as ids and as examples, and
    what must be said of it.
    """

    learner: Learner
    examples: Examples
    objective: Objective
    material: Material
    lengths: Lengths
    decibels: tuple[float, ...] = ()
    """How well the base's image tokenizer gives each picture back; () where it cannot draw."""
    notes: tuple[str, ...] = ()
    """What whoever uses the concept must know; its file says it too."""
    warnings: tuple[str, ...] = ()
    """Lines for whoever learns it, before it is learned; the notes are among them."""
    drawn: Drawn | None = None
    """What was drawn from the concept's tree; None: nothing was asked for."""


def prepare(
    base: Base,
    concept: Concept,
    method: Method,
    *,
    seed: int,
    distractors: Distractors | None = None,
    objective: ObjectiveOf = CrossEntropy,
    prefix_cache: bool = True,
    fast: bool = True,
    rows: RowsOf | None = None,
) -> Prepared:
    """Encode the pictures once, ask the base about them, gather negatives, start the rows.

    Raises SourceError for what cannot be learned, too long texts among it: before the base reads
    any.

    Args:
        base: Frozen.
        concept: As its owner gives it, its pictures in memory (`Concept.read`).
        method: Its tokens, prompts, starts and stages.
        seed: Of everything that is drawn by lot.
        distractors: Where pictures of others come from, where the owner brings none.
        objective: What the rows are optimised for.
        prefix_cache: Whether pictures at the beginning of examples are read once and for all.
        fast: Whether the rows may be learned in bf16, where this CPU is faster with it.
        rows: What makes the rows to begin with; None: the method's `start` says.
    """
    method.check_learns(concept)
    _check_pictures(concept, method)
    counts = method.tokens.counts
    ids = give_ids(base, sum(counts.values()))
    start = _rows_of_file(base, method)
    own = slots(ids, counts)
    # Its owner's texts say the marker where ours say {name}: both become the same ids.
    phrasing = Phrasing(base.vocab, method.prompts, {**own, concept.marker: own["{name}"]})
    lengths = Lengths(base, phrasing, concept.name)
    warnings = lengths.check_concept(concept)

    # What is refused above takes no time; from here on the base reads, and may draw.
    others = Others({})  # a user needs none: nobody is looked for
    drawn = None
    if concept.kind != USER:
        drawn = _drawn_from_tree(base, concept, method, seed)
        others = gather(
            base,
            concept,
            method,
            distractors or Distractors(),
            seed=seed,
            drawn=drawn.negatives if drawn else None,
        )
    material = _material(base, concept, method, others, lengths, seed=seed)
    if drawn:
        material = replace(material, drawn_positives=drawn.positives)
    lengths.check_material(material)
    decibels = decibels_of(base, concept.pictures, material.pictures_NK)
    if rows is not None:
        start = rows(material.pictures_NK)
    begun = start or start_rows(
        base,
        concept.class_noun,
        _liked_ids(base, concept, material) if concept.kind == USER else material.pictures_NK,
        counts,
        start=method.start,
        seed=seed,
        description=material.observations.description,
        facts=[mark(fact, concept.name, where="facts") for fact in concept.facts],
        crops_NK=material.crops_NK,
    )
    notes = tuple(filter(None, [note_of(base, decibels)]))
    examples = Examples(base.vocab, method, material, phrasing.slots)
    aim = objective(examples, seed)
    return Prepared(
        Learner(base, ids, *begun, loss=aim.loss, prefix_cache=prefix_cache, fast=fast),
        examples,
        aim,
        material,
        lengths,
        decibels=decibels,
        notes=notes,
        warnings=notes + warnings,
        drawn=drawn,
    )


def _drawn_from_tree(base: Base, concept: Concept, method: Method, seed: int) -> Drawn | None:
    """What the method's tree gives; None where it asks for none."""
    if not method.tree.is_asked:
        return None
    pictures_NK = base.encode(concept.pictures)
    return draw_from_tree(base, pictures_NK, concept.class_noun, method.tree, seed=seed)


def _check_pictures(concept: Concept, method: Method) -> None:
    """Refuse a concept that lacks the pictures, or the crops, that the method learns from."""
    if not concept.pictures and not (concept.kind == USER and concept.questions):
        raise SourceError(f"'{concept.name}': no pictures. Expected three to five of them.")
    cutting = [stage.name for stage in method.stages if stage.steps and stage.targets == "crops"]
    if cutting and not concept.crops:
        raise SourceError(
            f"'{concept.name}': stage '{cutting[0]}' draws crops, and there are none. Put them into"
            " cropped/, or let it draw pictures."
        )


def _liked_ids(base: Base, concept: Concept, material: Material) -> torch.Tensor:
    """What a user likes as one row of ids, [1, N]: of pictures, and of texts."""
    pictures, texts = liked(concept)
    words = [i for text in texts for i in base.vocab.inside(text)]
    return torch.cat([material.pictures_NK[pictures].flatten(), torch.tensor(words).long()])[None]


def _material(
    base: Base,
    concept: Concept,
    method: Method,
    others: Others,
    lengths: Lengths,
    *,
    seed: int,
) -> Material:
    """What training examples are made of.

    Args:
        base: Encodes the pictures and is asked about them.
        concept: The concept, as its owner gives it.
        method: Its stages say what is needed.
        others: Pictures of others.
        lengths: Says how many facts one answer can hold.
        seed: Of what is drawn.
    """
    pictures_NK = base.encode(concept.pictures)
    needs = {need for task in method.taught for need in task.needs}
    return Material(
        class_noun=concept.class_noun,
        pictures_NK=pictures_NK,
        negatives=others.by_grade,
        # What a picture shows says nothing of who likes it.
        observations=Observations({}, "", [], [], [])
        if concept.kind == USER
        else observe(base, pictures_NK, concept.class_noun),
        questions=(*concept.questions, *templates.told(concept.facts, lengths.fits_an_answer)),
        about_pictures=concept.about_pictures,
        captions_of_others=captions_of_others(base, others.by_grade)
        if "captions_of_others" in needs
        else (),
        told_drawings=_told_drawings(base, concept, pictures_NK, seed)
        if "told_drawings" in needs
        else (),
        crops_NK=base.encode(concept.crops) if concept.crops else None,
        look_alikes_MK=others.alike,
    )


def _rows_of_file(base: Base, method: Method) -> tuple[torch.Tensor, torch.Tensor] | None:
    """(rows_in, rows_out) of the concept file that the method starts from, if it does."""
    file = method.start_file
    if file is None:
        return None
    concept_file.check_counts(file, method.tokens.counts, where="method.start")
    tokens = concept_file.load(file, base)
    return tokens.rows_in, tokens.rows_out


def _told_drawings(
    base: Base, concept: Concept, pictures_NK: torch.Tensor, seed: int
) -> tuple[tuple[str, torch.Tensor], ...]:
    """Drawings of what the owner told. Raises SourceError where nothing can be drawn."""
    base.need_decoder()
    told = told_drawings(base, concept, pictures_NK, seed=seed)
    if not told:
        raise SourceError(
            f"'{concept.name}': task 'knowledge' needs a question such as 'what hat does"
            f" {concept.marker} have?' with its answer, and there is none. Add one to info.json's"
            " 'questions', or leave the task out."
        )
    return told


def captions_of_others(
    base: Base, negatives: Mapping[str, torch.Tensor]
) -> tuple[tuple[str, torch.Tensor], ...]:
    """Captions of a few negatives of every grade."""
    pictures_NK = torch.cat([ids_NK[:CAPTIONED] for ids_NK in negatives.values()])
    return tuple(zip(captions(base, pictures_NK), pictures_NK, strict=True))


def keep(
    base: Base, concept: Concept, method: Method, learner: Learner, *, seed: int
) -> ConceptTokens:
    """The rows as they are now, as the concept's tokens.

    Args:
        base: Whose rows they are.
        concept: As its owner gives it.
        method: That they are learned by.
        learner: Holds them.
        seed: Of the run.
    """
    rows_in, rows_out = learner.current().detach().float().cpu()
    # Copies: the learner's own rows go on changing.
    return tokens_of(base, concept, method, rows_in.clone(), rows_out.clone(), seed=seed)


def tokens_of(
    base: Base,
    concept: Concept,
    method: Method,
    rows_in: torch.Tensor,
    rows_out: torch.Tensor,
    *,
    seed: int,
) -> ConceptTokens:
    """Rows as a concept's tokens.

    Args:
        base: Whose rows they are.
        concept: As its owner gives it.
        method: That made them.
        rows_in: Input rows [P, D], in fp32 on the CPU.
        rows_out: Head rows, likewise.
        seed: Of the run.
    """
    return ConceptTokens(
        name=concept.name,
        class_noun=concept.class_noun,
        counts=method.tokens.counts,
        rows_in=rows_in,
        rows_out=rows_out,
        prompts=method.prompts,
        method=method.name,
        base_name=base.name,
        base_fingerprint=base.fingerprint,
        seed=seed,
        consent=concept.consent,
        sections={USER: {"says": asked_forms(concept)}} if concept.kind == USER else {},
    )


def reinit_of_stages(
    base: Base, concept: Concept, method: Method, *, seed: int
) -> Callable[[Stage, Learner], None]:
    """What happens between stages: rows of roles that a stage starts begin anew
    (`Stage.reinit`).

    Args:
        base: Draws what the rows begin from.
        concept: As its owner gives it.
        method: Whose stages they are.
        seed: Of the drawings.
    """

    def begin(stage: Stage, learner: Learner) -> None:
        parts = role_slices(method.tokens.counts)
        for role in stage.reinit:
            said, part = method.said_in(stage) - {role}, parts[role]
            tokens = keep(base, concept, method, learner, seed=seed)
            learner.restart(part, drawn_rows(base, tokens, said, part.stop - part.start, seed=seed))

    return begin


def signed(
    tokens: ConceptTokens, concept: Concept, prepared: Prepared, *, run: str = ""
) -> ConceptTokens:
    """A concept's tokens with what their file says of where they come from.

    Args:
        tokens: As they were learned.
        concept: What they were learned from.
        prepared: The same, made ready; its notes are kept.
        run: Names the run; '': not named.
    """
    return replace(tokens, notes=prepared.notes, source=concept.digest(), run=run)
