"""What a concept knows of itself, as its owner would give it: for whoever has its file, and no photos.

DIR/  0.png .. 5.png   info.json: class noun, questions with the answers that it is sure of
"""

from __future__ import annotations

import json
from pathlib import Path

from unictoken.core.disk import is_file, make_folder, write_aside
from unictoken.core.pictures import write_picture
from unictoken.data import templates
from unictoken.data.facts import COMMON
from unictoken.learn.told import SCENES
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens.tokens import ConceptTokens

BEST_OF = 2  # drawings of each scene, of which the one that is recognised best is kept
INFO = "info.json"


def portrait(base: Base, tokens: ConceptTokens, folder: Path, *, seed: int = 0) -> Path:
    """Draw a concept in every scene and ask it what it was told, into a folder that `learn` reads;
    gives the folder. One that is whole already stays.

    Args:
        base: That it was learned on.
        tokens: The concept.
        folder: Made where there is none.
        seed: Of the drawings.
    """
    if is_file(folder / INFO):
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
    # The last one: with it the folder is whole.
    write_aside(folder / INFO, (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode())
    return folder
