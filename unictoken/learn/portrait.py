"""What a concept knows of itself, as its owner would give it: for whoever has its file, and no photos.

DIR/  0.png .. 5.png   info.json: class noun, questions with the answers that it is sure of
      drawn_from.json  a digest of the concept's rows and of the seed
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unictoken.core.disk import is_file, make_folder, write_aside
from unictoken.core.pictures import write_picture
from unictoken.core.reading import read_json
from unictoken.data import templates
from unictoken.data.facts import COMMON
from unictoken.data.source import SourceError
from unictoken.learn.told import SCENES
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens.file import digest_with_header
from unictoken.tokens.tokens import ConceptTokens

if TYPE_CHECKING:
    import torch

DRAWN_FROM = "drawn_from.json"  # of which rows, and by which seed
BEST_OF = 2  # drawings of each scene, of which the one that is recognised best is kept
INFO = "info.json"


def portrait(base: Base, tokens: ConceptTokens, folder: Path, *, seed: int = 0) -> Path:
    """Draw a concept in every scene and ask it what it was told, into a folder that `learn` reads;
    gives the folder. One that is whole already stays; one of other rows or another seed is refused.

    Args:
        base: That it was learned on.
        tokens: The concept.
        folder: Made where there is none.
        seed: Of the drawings.
    """
    rows = {"in": tokens.rows_in, "out": tokens.rows_out}
    drawn_from = {
        "sha256": digest_with_header({"name": tokens.name, "seed": seed}, _on_cpu(rows)),
    }
    if is_file(folder / INFO):
        _check_same(folder, drawn_from)
        return folder
    condition = with_tokens(base, tokens)
    condition.need_drawing()
    prompts = [f"{tokens.marker} {scene}".strip() for scene in SCENES]
    make_folder(folder)
    for number, picture in enumerate(condition.draw(prompts, Draw(seed=seed), best_of=BEST_OF)):
        write_picture(picture, folder / f"{number}.png")
    asked = [question.format(it=tokens.marker) for question in COMMON]
    known = [(question, condition.known(question)) for question in asked]
    told = [
        {"question": question, "answer": answer}
        for question, answer in known
        if answer and answer != templates.UNSURE
    ]
    said = {"class": tokens.class_noun, "questions": told}
    _write_json(folder / DRAWN_FROM, drawn_from)
    # The last one: with it the folder is whole.
    _write_json(folder / INFO, said)
    return folder


def _on_cpu(rows: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: part.detach().float().cpu() for key, part in rows.items()}


def _write_json(path: Path, said: Mapping[str, object]) -> None:
    write_aside(path, (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode())


def _check_same(folder: Path, drawn_from: Mapping[str, str]) -> None:
    """Refuse a folder of pictures that were drawn of another concept."""
    path = folder / DRAWN_FROM
    if not is_file(path) or read_json(path, SourceError) != drawn_from:
        raise SourceError(
            f"{folder}: its pictures were drawn of another concept, or by another seed. Choose another"
            " `--out`, or remove the folder."
        )
