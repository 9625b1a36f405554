"""A base of Chameleon's family in the hands of plain `transformers`: its processor, how a chat is
written, and a model that its pipeline "any-to-any" has answer and draw.

`transformers`' own Chameleon answers alone: it has no decoder, and forbids image ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from PIL import Image
from transformers import (
    ChameleonForConditionalGeneration,
    ChameleonImageProcessorPil,
    ChameleonProcessor,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from unictoken.core.disk import quoted
from unictoken.model.chameleon import Chameleon, EarlyFusionModel
from unictoken.model.draw import Draw
from unictoken.model.pixels import PIXEL_ART
from unictoken.model.protocol import Base, BaseError
from unictoken.model.sampling import sample_pictures

CHAT = """{#- Turns of user and model in turn, each ended by the sep_token. None stands after the last
    one: ChameleonProcessor adds it. Pictures stand before a turn's text. -#}
{{- bos_token }}
{%- for message in messages %}
    {%- if message.content is string %}
        {{- message.content | trim }}
    {%- else %}
        {%- for part in message.content if part.type == "image" %}<image>{% endfor %}
        {%- for part in message.content if part.type == "text" %}{{ part.text | trim }}{% endfor %}
    {%- endif %}
    {%- if not loop.last %}{{ sep_token }}{% endif %}
{%- endfor %}
"""
_DRAW = tuple(field.name for field in fields(Draw))


def processor_of(tokenizer: PreTrainedTokenizerFast, side: int, codes: int) -> ChameleonProcessor:
    """The stock processor, with the pixels that `prepare` and `to_pixels` give.

    They are equal of squares of `side` pixels, and of pixel art whose sides are multiples of it. Of
    others they are not: stock code has one way to resize, and cuts a length off where ours rounds.

    Args:
        tokenizer: The base's.
        side: Pixels of a picture.
        codes: Image ids of a picture.
    """
    return _processor(ChameleonProcessor, tokenizer, side, codes)


def for_transformers(base: Base) -> dict[str, Any]:
    """What `transformers` makes a pipeline of that answers and draws, with the base's own weights.

        ask = transformers.pipeline("any-to-any", **unictoken.for_transformers(base))
        ask(text=[{"role": "user", "content": "a brown dog."}], generation_mode="image")

    In its `generate_kwargs` the pipeline takes `temperature`, `top_p`, `guidance_scale` and `seed`
    of a drawing. It then draws what a session draws, which adds a prompt's full stop itself.

    Args:
        base: Of Chameleon's family.
    """
    if not isinstance(base, Chameleon):
        raise BaseError(
            f"base {quoted(base.name)}: expected one of Chameleon's family. Give its own folder or"
            " name to `transformers.pipeline`."
        )
    processor = _processor(
        _DrawingProcessor, base.vocab.tokenizer, base.picture_side, base.codes_per_picture
    )
    processor.base = base
    return {"model": _DrawingModel(base), "processor": processor}


def _processor(
    kind: type[ChameleonProcessor], tokenizer: PreTrainedTokenizerFast, side: int, codes: int
) -> Any:
    # The way that torchvision's image processor has, too: it refuses BOX.
    nearest, lanczos = Image.Resampling.NEAREST, Image.Resampling.LANCZOS
    images = ChameleonImageProcessorPil(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        resample=int(nearest if side <= PIXEL_ART else lanczos),
        rescale_factor=1 / 127.5,  # Chameleon's own .0078 makes white .989
    )
    made = kind(images, tokenizer, image_seq_length=codes)
    made.chat_template = CHAT
    return made


class _DrawingProcessor(ChameleonProcessor):
    """The stock processor, which also makes pictures of image ids."""

    base: Chameleon

    def post_process_multimodal_output(
        self,
        generated_outputs: torch.Tensor,
        skip_special_tokens: bool = True,
        generation_mode: str | None = None,
        **more: Any,
    ) -> Sequence[Any]:
        """Texts, or pictures of image ids [N, K].

        Args:
            generated_outputs: Ids that the model gave.
            skip_special_tokens: Of texts.
            generation_mode: text or image; None: text.
            **more: For the tokenizer.
        """
        if generation_mode == "image":
            return self.base.decode(generated_outputs)
        texts: Sequence[str] = super().post_process_multimodal_output(
            generated_outputs, skip_special_tokens, generation_mode, **more
        )
        return texts


class _DrawingModel(EarlyFusionModel):
    """A base's own layers and head, as a model that generates text and pictures."""

    output_modalities = ("text", "image")

    def __init__(self, base: Chameleon):
        # On meta: the base's weights take their place, and none are made for a moment.
        with torch.device("meta"):
            super().__init__(base.model.config)
        self.model, self.lm_head = base.model.model, base.model.lm_head
        self.generation_config = base.model.generation_config
        self.base = base
        self.eval()

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        generation_mode: str = "text",
        **how: Any,
    ) -> torch.Tensor:
        """Ids [N, T] of prompts and answers, or image ids [N, K] of a picture for each prompt.

        Args:
            input_ids: Prompts [N, T], padded.
            attention_mask: Where they are no padding; None: nowhere.
            pixel_values: Of their pictures; None: they have none.
            generation_mode: text or image.
            **how: Settings of `transformers` for texts; those of `Draw` for pictures.
        """
        if generation_mode != "image":
            return super().generate(
                input_ids, attention_mask=attention_mask, pixel_values=pixel_values, **how
            )
        if input_ids is None:
            raise BaseError("drawing: found no prompt. Give the pipeline a text.")
        self.base.need_decoder()
        ids = input_ids
        if pixel_values is not None:
            seen = self.model.get_image_tokens(pixel_values).to(ids)
            ids = ids.masked_scatter(ids == self.config.image_token_id, seen)
        kept = torch.ones_like(ids) if attention_mask is None else attention_mask
        prompts = [row[mask.bool()].tolist() for row, mask in zip(ids, kept, strict=True)]
        return sample_pictures(self.base, prompts, self.base.codes_per_picture, _draw_of(how))


# The pipeline compares the name with those that it knows, and logs an error for others.
_DrawingModel.__name__ = ChameleonForConditionalGeneration.__name__


def _draw_of(how: dict[str, Any]) -> Draw:
    """How a picture is sampled, of what a pipeline hands on: its own settings of texts are none."""
    # The name that `transformers` has for it.
    given = {"guidance" if key == "guidance_scale" else key: how[key] for key in how}
    texts = {*vars(GenerationConfig()), "generation_config", "assistant_model", "tokenizer"}
    if unknown := sorted(set(given) - texts - set(_DRAW)):
        raise BaseError(
            f"drawing: found {quoted(unknown[0])}, expected one of {', '.join(_DRAW)}. Leave it out."
        )
    return Draw(**{key: given[key] for key in _DRAW if given.get(key) is not None})
