"""Between two stages: rows are reinitialised from drawings made with the concept's own tokens
(UniCTokens, stage 2 to 3).

UniCTokens finds the positions that show the concept by the order in which masked diffusion decides
them. An autoregressive base has no such order. Here a position counts by how much likelier its
image id is with the concept's tokens than with the class noun alone. The codes at the positions
that gain most are clustered, and the centres become the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.data import templates
from unictoken.data.prompts import drawing_prompt, noun_prompt, said_slots
from unictoken.data.sequence import user_turn
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base, LanguageModel
from unictoken.model.sampling import sample_pictures
from unictoken.tokens.speaker import Speaker
from unictoken.tokens.start import centres_of_ids
from unictoken.tokens.tokens import ConceptTokens

DRAWINGS = 20
SALIENT = 0.25  # of all positions are kept
AT_ONCE = 4  # drawings that are scored together: a 7B scores 65,536 ids at 1,024 positions of each


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
    gain_NK = torch.cat(
        [
            picture_scores(speaker, own, part) - picture_scores(base, plain, part)
            for part in drawn_NK.split(AT_ONCE)
        ]
    )
    # At least k positions, else some of the k centres would be copies, and equal rows stay equal.
    kept = gain_NK.flatten().argsort(descending=True, stable=True)[
        : max(k, int(SALIENT * gain_NK.numel()))
    ]
    # Ids repeat: one that stands at many of the positions pulls a centre more.
    return centres_of_ids(base, drawn_NK.flatten()[kept], k, torch.Generator().manual_seed(seed))


@torch.no_grad()
def picture_scores(
    speaker: LanguageModel, prompt: Sequence[int], image_ids_NK: torch.Tensor
) -> torch.Tensor:
    """Log-likelihood of each image id after the prompt and the ids before it, [N, K], among image
    ids only.
    """
    vocab, device = speaker.vocab, speaker.device
    # [N, T + 1]; with the image ids [N, T + 1 + K].
    first = torch.tensor(vocab.to_draw(prompt)).repeat(len(image_ids_NK), 1)
    ids = torch.cat([first, image_ids_NK], 1).to(device)
    # An id is scored by the state before it: from begin_image on, and without the last id's.
    hidden = speaker.hidden(speaker.embed(ids))[:, first.shape[1] - 1 : -1]
    # Among image ids only, as `sample_pictures` draws.
    scores = speaker.logits(hidden, ids).float()[..., vocab.image_ids.to(device)].log_softmax(-1)
    # [N, K, C] to [N, K]: at each position the score of the code that was drawn.
    return scores.gather(-1, vocab.code_of_id[image_ids_NK].to(device)[..., None]).squeeze(-1).cpu()
