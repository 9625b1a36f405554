"""Between two stages: rows are reinitialised from drawings made with the concept's own tokens
(UniCTokens, stage 2 to 3).

UniCTokens finds the positions that show the concept by the order in which masked diffusion decides
them. An autoregressive base has no such order. Here a position counts by how much likelier its
image id is with the concept's tokens than with the class noun alone. The codes at the positions
that gain most are clustered, and the centres become the rows.
"""

from __future__ import annotations

import torch

from unictoken.data import templates
from unictoken.data.prompts import drawing_prompt, noun_prompt, said_slots
from unictoken.data.sequence import user_turn
from unictoken.model.draw import Draw
from unictoken.model.likelihood import picture_scores
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_pictures
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.start import centres_of_ids
from unictoken.tokens.tokens import ConceptTokens

DRAWINGS = 20
SALIENT = 0.25  # of all positions are kept


@torch.no_grad()
def drawn_rows(
    base: Base, concept: ConceptTokens, said: frozenset[str], k: int, *, seed: int
) -> torch.Tensor:
    """Initial input rows [k, D]: k-means over the rows of the image ids that depend most on the
    concept, in DRAWINGS pictures that its tokens draw.

    Args:
        base: What the concept is learned on.
        concept: The concept as it is so far.
        said: The roles that prompts hold by this stage.
        k: How many rows.
        seed: Of the drawing, and of k-means.
    """
    speaker = Speaker(base, [concept])
    slots, vocab, prompts = said_slots(speaker.slots(concept), said), base.vocab, concept.prompts
    asked = drawing_prompt(vocab, prompts, slots, templates.with_scene(templates.GENERATE[0], ""))
    own = user_turn(asked, vocab) + vocab.encode(prompts.generation_answer, slots)
    plain = noun_prompt(vocab, concept.class_noun)
    # One prompt many times: every row of a batch has a generator of its own.
    drawn_NK = sample_pictures(speaker, [own] * DRAWINGS, base.codes_per_picture, Draw(seed=seed))
    gain_NK = picture_scores(speaker, own, drawn_NK) - picture_scores(base, plain, drawn_NK)
    # At least k positions, else some of the k centres would be copies, and equal rows stay equal.
    kept = gain_NK.flatten().argsort(descending=True, stable=True)[
        : max(k, int(SALIENT * gain_NK.numel()))
    ]
    # Ids repeat: one that stands at many of the positions pulls a centre more.
    return centres_of_ids(base, drawn_NK.flatten()[kept], k, torch.Generator().manual_seed(seed))
