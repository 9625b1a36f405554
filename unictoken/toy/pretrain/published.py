"""What stands beside the tiny base's weights for plain `transformers`: its class, its processor, how
a chat is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image
from transformers import ChameleonImageProcessorPil, ChameleonProcessor

from unictoken.model.pixels import PIXEL_ART

if TYPE_CHECKING:
    from transformers import ChameleonConfig, PreTrainedTokenizerFast

# What config.json names: ours adds a decoder to them, and nobody else has it.
ARCHITECTURE, IMAGE_TOKENIZER = "ChameleonForConditionalGeneration", "ChameleonVQVAE"

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


def named_for_everyone(config: ChameleonConfig) -> ChameleonConfig:
    """A config that names the classes of `transformers`, whose weights these are, too."""
    config.architectures = [ARCHITECTURE]
    config.vq_config.architectures = [IMAGE_TOKENIZER]
    return config


def processor_of(tokenizer: PreTrainedTokenizerFast, side: int, codes: int) -> ChameleonProcessor:
    """The stock processor, with the pixels that `prepare` and `to_pixels` give.

    They are equal of squares of `side` pixels, and of pixel art whose sides are multiples of it. Of
    others they are not: stock code has one way to resize, and cuts a length off where ours rounds.

    Args:
        tokenizer: The base's.
        side: Pixels of a picture.
        codes: Image ids of a picture.
    """
    # The way that torchvision's image processor has, too: it refuses BOX.
    nearest, lanczos = Image.Resampling.NEAREST, Image.Resampling.LANCZOS
    images = ChameleonImageProcessorPil(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        resample=int(nearest if side <= PIXEL_ART else lanczos),
        rescale_factor=1 / 127.5,  # Chameleon's own .0078 makes white .989
    )
    made = ChameleonProcessor(images, tokenizer, image_seq_length=codes)
    made.chat_template = CHAT
    return made
