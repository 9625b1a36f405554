"""What speed.py compares with: how others learn and draw the same, with the same base and the same
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import nn
from transformers import LogitsProcessor, TopPLogitsWarper
from transformers.modeling_outputs import CausalLMOutputWithPast

from unictoken.core import shipped
from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn.methods import Stage
from unictoken.model.chameleon import EarlyFusionModel
from unictoken.model.draw import Draw
from unictoken.model.internals import CACHE_KEYWORD, quiet_loading
from unictoken.model.vocab import Vocab


class PlainModel(EarlyFusionModel):
    """The base as `transformers` runs it; image ids are scored too, which Chameleon's own forward
    forbids.
    """

    def forward(self, **given: Any) -> CausalLMOutputWithPast:
        kept = given.pop("logits_to_keep", 0)
        read = self.model(**given)
        scores = self.lm_head(read.last_hidden_state[:, -kept:])
        return CausalLMOutputWithPast(
            logits=scores, **{CACHE_KEYWORD: getattr(read, CACHE_KEYWORD)}
        )


def load_model(base: str, ids: Sequence[int], rows_2PD: torch.Tensor, *, device: str) -> PlainModel:
    """A base of its own whose embedding and head hold a concept's rows: bf16 on a GPU, fp32 on a
    CPU, as people load it.

    Args:
        base: One that ships, or a folder.
        ids: Of the rows, reserved ones of the vocabulary.
        rows_2PD: Input rows and head rows.
        device: Of torch.
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with quiet_loading():
        model = PlainModel.from_pretrained(shipped.find_base(base), dtype=dtype)
    model = model.to(device).eval().requires_grad_(False)
    for weight, rows_PD in zip(matrices(model), rows_2PD.detach(), strict=True):
        weight.data[list(ids)] = rows_PD.to(weight)
    return model


def matrices(model: EarlyFusionModel) -> tuple[nn.Parameter, nn.Parameter]:
    """The whole embedding and the whole head."""
    return model.model.embed_tokens.weight, model.lm_head.weight


class Recipe:
    """Learning as published codes of concept tokens do it (Yo'LLaVA, Yo'Chameleon, UniCTokens).

    - AdamW holds the whole embedding and head; after each step the rows that are not the concept's
      are copied back
    - the pictures of a batch go through the image tokenizer in every step
    - a batch is padded to the longest example of all, with a mask
    - every position is scored over the whole vocabulary

    The loss is ours, so that the concept's rows move as ours do.

    Args:
        model: A base of its own, with the rows where they begin.
        ids: Of the concept's rows.
        stage: AdamW's settings.
        pixels_NCHW: Pictures; a batch that holds n of them encodes the first n.
        longest: Ids of the longest example.
        vocab: Of the base.
    """

    def __init__(
        self,
        model: PlainModel,
        ids: Sequence[int],
        stage: Stage,
        *,
        pixels_NCHW: torch.Tensor,
        longest: int,
        vocab: Vocab,
    ):
        self.model, self.pixels, self.longest, self.vocab = model, pixels_NCHW, longest, vocab
        self.weights = [weight.requires_grad_() for weight in matrices(model)]
        self.before = [weight.detach().clone() for weight in self.weights]
        self.old_V = torch.ones(len(self.weights[0]), dtype=torch.bool, device=model.device)
        self.old_V[list(ids)] = False
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=stage.lr, eps=stage.eps, weight_decay=stage.weight_decay
        )

    def step(self, batch: Batch, lr: float) -> float:
        """Train on a batch; gives its loss."""
        self.optimiser.param_groups[0]["lr"] = lr
        loss = self._loss(batch.each(lambda tensor: tensor.to(self.model.device)))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            for weight, before in zip(self.weights, self.before, strict=True):
                weight[self.old_V] = before[self.old_V]
        return loss.item()

    def _loss(self, batch: Batch) -> torch.Tensor:
        missing = (0, self.longest - batch.ids_BT.shape[1])
        ids_BT = nn.functional.pad(batch.ids_BT, missing, value=self.vocab.pad)
        labels_BT = nn.functional.pad(batch.labels_BT, missing, value=IGNORE)[:, 1:]
        shown = int((ids_BT == self.vocab.begin_image).sum())
        with torch.no_grad():  # what it gives is in the batch already
            self.model.model.vqmodel.to_codes(self.pixels[:shown])
        mask_BT = (ids_BT != self.vocab.pad).long()
        logits_BTV = self.model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False).logits
        losses_BT = nn.functional.cross_entropy(
            logits_BTV[:, :-1].float().transpose(1, 2),
            labels_BT,
            ignore_index=IGNORE,
            reduction="none",
        )
        # Each example counts once, however long it is, as in our own loss.
        positions_B = (labels_BT != IGNORE).sum(1).clamp_min(1)
        return (batch.weights_B * losses_BT.sum(1) / positions_B).mean()


class Guided(LogitsProcessor):
    """Classifier-free guidance of a batch whose second half is unconditional; both halves go on
    with the id that is sampled from image ids here.
    """

    def __init__(self, image_ids: torch.Tensor, how: Draw):
        self.image_ids, self.how = image_ids, how
        self.nucleus = TopPLogitsWarper(how.top_p)
        self.generator = torch.Generator(image_ids.device).manual_seed(how.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # Image ids alone can follow: text would end the picture.
        told, free = scores[:, self.image_ids].chunk(2)
        guided = free + self.how.guidance * (told - free)
        chosen = self.image_ids[self._sample(guided)].repeat(2, 1)
        # All but the chosen id are ruled out, so that greedy `generate` takes it.
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)

    def _sample(self, scores: torch.Tensor) -> torch.Tensor:
        if self.how.temperature == 0:
            return scores.argmax(-1, keepdim=True)
        likely = self.nucleus(None, scores / self.how.temperature).softmax(-1)
        return torch.multinomial(likely, 1, generator=self.generator)


class Generate:
    """Drawing and answering by `transformers.generate`, each prompt read whole."""

    def __init__(self, model: PlainModel, vocab: Vocab):
        self.model, self.vocab = model, vocab

    @torch.no_grad()
    def draw(
        self, prompts: Sequence[list[int]], length: int, how: Draw, *, cache: str | None = None
    ) -> torch.Tensor:
        """Image ids [N, K] of one picture for each prompt.

        Args:
            prompts: Ids of each.
            length: K.
            how: Temperature, guidance, seed and so on.
            cache: `generate`'s cache_implementation; None: the usual one, which grows.
        """
        begin = self.vocab.begin_image
        # The unconditional half is the start of a sequence and nothing else, as in Chameleon.
        told, free = [[*ids, begin] for ids in prompts], [[self.vocab.bos, begin]] * len(prompts)
        guided = Guided(self.vocab.image_ids.to(self.model.device), how)
        drawn = self._generate(
            told + free, length, logits_processor=[guided], cache_implementation=cache
        )
        return drawn[: len(prompts)].cpu()

    @torch.no_grad()
    def answer(self, prompts: Sequence[list[int]], max_ids: int) -> list[list[int]]:
        """The likeliest ids after each prompt, up to the end of the answer (left out)."""
        ends = list(self.vocab.ends)
        answers = self._generate(prompts, max_ids, eos_token_id=ends).tolist()
        return [list(takewhile(lambda i: i not in ends, ids)) for ids in answers]

    @torch.no_grad()
    def next_scores(self, prompts: Sequence[list[int]]) -> torch.Tensor:
        """Scores of what comes next, [N, V]."""
        return self.model(**self._padded(prompts), use_cache=False, logits_to_keep=1).logits[:, -1]

    def _generate(self, prompts: Sequence[list[int]], length: int, **more: Any) -> torch.Tensor:
        given = self._padded(prompts)
        continued = self.model.generate(
            **given,
            max_new_tokens=length,
            do_sample=False,
            pad_token_id=self.vocab.pad,
            **more,
        )
        return continued[:, given["input_ids"].shape[1] :]

    def _padded(self, prompts: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Prompts of any lengths, padded on the left, and their mask."""
        length = max(map(len, prompts))
        # On the left: `generate` continues at the last column of every row.
        rows = [[self.vocab.pad] * (length - len(ids)) + list(ids) for ids in prompts]
        mask = [[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts]
        device = self.model.device
        return {
            "input_ids": torch.tensor(rows, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }
