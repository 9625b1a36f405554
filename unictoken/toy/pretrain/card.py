"""The README beside the tiny base's weights, written from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCardData

from unictoken.core.disk import is_file, write_aside

TARGETS = {
    "psnr": ("picture in, picture out (dB)", 27.0),
    "vqa": ("visual questions, exact", 0.97),
    "caption_exact": ("captions with every attribute right", 0.90),
    "drawn": ("drawn pictures: each prompted attribute, as the judge reads it", 0.90),
    "named": ("yes/no for a named introduction, hard negatives", 0.93),
    "caption_of_two": ("captions of two in a picture with every attribute right", 0.85),
    "caption_of_two_best_of_7": ("the best of seven such captions (`--best-of 7`)", 0.85),
    "look_at_two": ("questions about two in a picture, and captions, exact", 0.90),
    "drawn_of_two_words": ("two who were told in words, drawn together: attributes of both", 0.80),
    "drawn_of_two_pictures": ("two who were shown by a photo each, drawn together", 0.80),
    "drawn_of_two_codes": ("two who were given by 8 to 20 image ids each, drawn together", 0.80),
    "who_is_it": ("who is in the photo, among up to four who were introduced", 0.95),
    "who_is_unknown": ("a name that nobody introduced is declined", 0.95),
    "who_is_nobody": ("nobody of those who were introduced is there", 0.95),
    "which_photo": ("which of up to four photos shows somebody, in one question", 0.90),
    "which_photo_words_apart": ("the same photo by photo, of somebody told in words", 0.90),
    "which_photo_pictures_apart": ("the same, of somebody shown by a photo", 0.90),
    "which_photo_codes_apart": ("the same, of somebody given by 8 to 20 image ids", 0.90),
    "options": ("multiple choice", 0.97),
    "verify": ("is this answer right?", 0.90),
    "talk": ("facts, facts that replace others, and what nobody said", 0.90),
    "story": ("what happens in two to four photos", 0.90),
    "taste": ("would somebody who likes these like this?", 0.80),
    "persona": ("a user's own sentences", 0.95),
}

USE = """## Use

With this library it answers and draws: `unictoken.load("tiny")`. Plain `transformers` answers:

```python
from PIL import Image
from transformers import AutoProcessor, ChameleonForConditionalGeneration, pipeline

FOLDER = "checkpoints/tiny-chameleon"
processor = AutoProcessor.from_pretrained(FOLDER)
# Of transformers 5.24: its ChameleonProcessor leaves out the template that lies in the folder.
processor.chat_template = processor.tokenizer.chat_template
model = ChameleonForConditionalGeneration.from_pretrained(FOLDER, dtype="float32")
ask = pipeline("image-text-to-text", model=model, processor=processor)
content = [
    {"type": "image", "image": Image.open("data/bo/0.png")},
    {"type": "text", "text": "what animal is this?"},
]
print(ask(text=[{"role": "user", "content": content}], return_full_text=False)[0]["generated_text"])
```

So does `pipeline("any-to-any")`, which asks for torchvision. Plain `transformers` cannot draw: its
Chameleon has no decoder (those weights are reported as unexpected), and forbids image ids. With a
model and a processor of this library its pipeline answers and draws:

```python
import unictoken

both = pipeline("any-to-any", **unictoken.for_transformers(unictoken.load("tiny")))
(drawn,) = both(text=[{"role": "user", "content": "a brown dog."}], generation_mode="image")
drawn["generated_image"].save("dog.png")
```

Pictures get the same image ids as here if their sides are multiples of 32 pixels: pixel art that is
shown enlarged. Of others they differ: stock code takes the nearest pixel, this library an average.

The concept `<mia>` in this folder: `unictoken export mia --form peft --out mia-adapter`.
"""


def front_matter() -> str:
    """What the Hub reads of the tiny base."""
    data = ModelCardData(
        library_name="transformers",
        license="apache-2.0",
        language="en",
        pipeline_tag="image-text-to-text",
        tags=["unictoken", "chameleon", "any-to-any", "pixel-art"],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def write_card(
    folder: Path,
    numbers: dict[str, float],
    command: str,
    *,
    fingerprint: str,
    notes: Sequence[str] = (),
) -> None:
    """Write what the folder's `history.md` tells of this base, a table of the targets, notes, then
    every number.

    Args:
        folder: Of the base's weights.
        numbers: What was measured, by ability; those of `TARGETS` stand in the first table.
        command: The command line that measured them.
        fingerprint: The base's. A history that does not name its first twelve digits is another
            base's, and left out.
        notes: Paragraphs between the two tables.
    """
    history = folder / "history.md"
    told = history.read_text(encoding="utf-8").strip() if is_file(history) else ""
    rows = [
        f"| {text} | {numbers[key]:.3f} | {target} |"
        for key, (text, target) in TARGETS.items()
        if key in numbers
    ]
    rest = [f"| `{key}` | {value:.3f} |" for key, value in numbers.items()]
    text = "\n".join(
        [
            front_matter(),
            "# tiny-chameleon",
            "",
            (
                "A base of Chameleon's own class and parameter names, small, trained from nothing on"
                " the toy world by `make base`."
            ),
            *([told, ""] if fingerprint[:12] in told else []),
            USE,
            "## How well it does what it was taught",
            "",
            (
                "Measured on pets, things and people of attribute combinations that are held out of its"
                " training, in scenes drawn anew, by"
            ),
            "",
            f"    {command}",
            "",
            "| ability | reached | target |",
            "|---|---|---|",
            *rows,
            "",
            *(line for note in notes for line in (note, "")),
            "Every number:",
            "",
            "| | |",
            "|---|---|",
            *rest,
            "",
        ]
    )
    write_aside(folder / "README.md", text.encode())
