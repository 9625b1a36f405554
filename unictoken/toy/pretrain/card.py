"""The README beside the tiny base's weights, written from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unictoken.core.disk import write_aside

TARGETS = {
    "psnr": ("picture in, picture out (dB)", 27.0),
    "vqa": ("visual questions, exact", 0.97),
    "caption_exact": ("captions with every attribute right", 0.90),
    "drawn": ("drawn pictures: each prompted attribute, as the judge reads it", 0.90),
    "named": ("yes/no for a named introduction, hard negatives", 0.93),
    "caption_of_two": ("captions of two in a picture with every attribute right", 0.85),
    "look_at_two": ("questions about two in a picture, and captions, exact", 0.90),
    "drawn_of_two": ("two who were introduced, drawn together: attributes of both", 0.80),
    "who_is_it": ("who is in the photo, among up to four who were introduced", 0.95),
    "who_is_unknown": ("a name that nobody introduced is declined", 0.95),
    "who_is_nobody": ("nobody of those who were introduced is there", 0.95),
    "which_photo": ("which of up to four photos shows somebody", 0.90),
    "options": ("multiple choice", 0.97),
    "verify": ("is this answer right?", 0.90),
    "talk": ("facts, facts that replace others, and what nobody said", 0.90),
    "story": ("what happens in two to four photos", 0.90),
    "taste": ("would somebody who likes these like this?", 0.80),
    "persona": ("a user's own sentences", 0.95),
}


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
    told = history.read_text(encoding="utf-8").strip() if history.is_file() else ""
    rows = [
        f"| {text} | {numbers[key]:.3f} | {target} |"
        for key, (text, target) in TARGETS.items()
        if key in numbers
    ]
    rest = [f"| `{key}` | {value:.3f} |" for key, value in numbers.items()]
    text = "\n".join(
        [
            "# tiny-chameleon",
            "",
            (
                "A base of Chameleon's own class and parameter names, small, trained from nothing on"
                " the toy world by `make base`."
            ),
            *([told, ""] if fingerprint[:12] in told else []),
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
