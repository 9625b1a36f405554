"""A concept as an adapter of the library peft: TrainableTokens on the embedding and the head.

    adapter_model.safetensors   <path>.embed_tokens.trainable_tokens_delta [R, D], <path>.lm_head...
    adapter_config.json         peft_type TRAINABLE_TOKENS, token_indices [R]: the name's id first
    README.md                   how plain transformers and peft answer with it

What peft calls a delta replaces the base's rows and is not added to them. Only ids of the base's
own vocabulary can stand in `token_indices`. Nothing here needs peft itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.core import shipped
from unictoken.core.disk import quoted
from unictoken.core.reading import read_safetensors_header
from unictoken.core.text import ConceptError, markdown, python_literal
from unictoken.tokens.tokens import slots

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base
    from unictoken.tokens.tokens import ConceptTokens

WEIGHTS = "adapter_model.safetensors"
MODULES = {"in": "embed_tokens", "out": "lm_head"}
EXPECTED = "an adapter of peft's TrainableTokens"
# As `PeftModel.save_pretrained` writes it (peft 0.21); of a LoRA's trainable tokens with one more
# name in between.
_KEY = re.compile(r"(?:.*\.)?(embed_tokens|lm_head)\.(?:token_adapter\.)?trainable_tokens_delta")

CARD = """---
library_name: peft
tags:
- unictoken
- trainable-tokens
---

# {title}

{said}

```python
import re

import torch
from peft import PeftModel
from transformers import AutoProcessor, ChameleonForConditionalGeneration

BASE, ADAPTER = {base}, {folder}  # each a folder, or a name on the Hub
processor = AutoProcessor.from_pretrained(BASE)
model = ChameleonForConditionalGeneration.from_pretrained(BASE, dtype=torch.float32)
model = PeftModel.from_pretrained(model, ADAPTER).eval()

tokenizer, config = processor.tokenizer, model.peft_config["default"]
tokens = tokenizer.convert_ids_to_tokens(config.token_indices)
parts = {parts}


def ask(question, image=None):
    text = {introduction} + " " + question.replace({marker}, "{{name}}")
    text = ("<image>" if image else "") + text + tokenizer.sep_token + {answer}
    text = re.sub(r" ?(\\{{\\w+\\}})", lambda found: "".join(parts[found[1]]), text)
    inputs = processor(text=tokenizer.bos_token + text, images=image, return_tensors="pt",
                       return_for_text_completion=True, add_special_tokens=False)
    said = model.generate(**inputs, max_new_tokens=48, do_sample=False)
    return tokenizer.decode(said[0, inputs.input_ids.shape[1]:], skip_special_tokens=True).strip()


print(ask({question}))
```

`image` is a picture that PIL opened. Stock transformers answers and does not draw: its Chameleon
has no decoder, and its forward forbids image ids.
"""


def write(concept: ConceptTokens, base: Base | None, folder: Path) -> dict[str, bytes]:
    """The adapter's files by their names, rows in fp32.

    Raises ConceptError where the base is not given, or has too few free ids.

    Args:
        concept: One of this base.
        base: Whose ids the rows get.
        folder: Where the card's example finds the files.
    """
    if base is None:
        raise ConceptError(
            f"'{concept.name}': an adapter of peft names ids of its base. Give the base (`--base`)."
        )
    count = len(concept.rows_in)
    # The very ids that a concept gets alone on its base here (tokens/bank.py).
    ids = base.vocab.reserved[:count]
    if len(ids) < count:
        raise ConceptError(
            f"'{concept.name}': has {count} rows, base '{base.name}' {len(ids)} free ids. peft knows"
            " ids of the vocabulary only; learn it with fewer tokens."
        )
    place = shipped.BASES.get(base.name, base.name)
    config = {
        "base_model_name_or_path": place,
        # The adapter is loaded without gradients; `is_trainable=True` turns them on.
        "inference_mode": True,
        "init_weights": True,
        "peft_type": "TRAINABLE_TOKENS",
        "target_modules": list(MODULES.values()),
        "task_type": None,
        "token_indices": ids,
    }
    return {
        WEIGHTS: _weights(concept),
        "adapter_config.json": (json.dumps(config, indent=2) + "\n").encode(),
        "README.md": _card(concept, place, folder).encode(),
    }


def _weights(concept: ConceptTokens) -> bytes:
    from safetensors.torch import save  # imports torch

    # `base_model.model` is what peft wraps; the rest is the place in transformers' Chameleon.
    rows = {"model.embed_tokens": concept.rows_in, "lm_head": concept.rows_out}
    return save(
        {
            f"base_model.model.{place}.trainable_tokens_delta": part.detach().float().cpu().clone()
            for place, part in rows.items()
        },
        metadata={"format": "pt"},
    )


def _card(concept: ConceptTokens, base: str, folder: Path) -> str:
    """The adapter's README. What comes from the concept stands in it escaped, or as a string."""
    # Which of the adapter's rows stand in which slot of the prompts: peft itself keeps no roles.
    positions = slots(range(len(concept.rows_in)), concept.counts)
    parts = ", ".join(
        f'"{slot}": tokens[{at[0]}:{at[-1] + 1}]' if at else f'"{slot}": []'
        for slot, at in positions.items()
    )
    said = (
        f"A concept that unictoken learned, as an adapter of peft: {len(concept.rows_in)} rows of"
        f" the embedding and of the head of {base}."
    )
    texts = {
        "base": base,
        "folder": str(folder),
        "introduction": concept.prompts.understanding,
        "answer": concept.prompts.understanding_answer,
        "marker": concept.marker,
        "question": f"what colour is {concept.marker}?",
    }
    return CARD.format(
        title=markdown(f"{concept.marker}, {concept.class_noun}"),
        said=markdown(said),
        parts=f"{{{parts}}}",
        **{key: python_literal(text) for key, text in texts.items()},
    )


def read(path: Path) -> Mapping[str, torch.Tensor]:
    """Rows [R, D] in fp32, "in" and, where the adapter has a head's, "out"."""
    from unictoken.tokens.exchange.files import MOST_BYTES, plain_rows, read_tensor

    keys = read_safetensors_header(path, ConceptError, EXPECTED, most=MOST_BYTES).tensors
    # Sorted, so that of two keys for one module the same one is a stray every time.
    found = {match[1]: key for key in sorted(keys) if (match := _KEY.fullmatch(key))}
    if strays := sorted(set(keys) - set(found.values())):
        raise ConceptError(
            f"{path}: holds {quoted(strays[:3])}, expected rows of embed_tokens and lm_head alone"
            f" ({EXPECTED}). Other adapters are no tokens."
        )
    if MODULES["in"] not in found:
        raise ConceptError(
            f"{path}: holds no rows of embed_tokens, expected {EXPECTED}. Train it with"
            ' target_modules=["embed_tokens", "lm_head"].'
        )
    return {
        kind: plain_rows(read_tensor(path, found[module]), path)
        for kind, module in MODULES.items()
        if module in found
    }
