"""Learn a concept from your own photos, and put it into one conversation with another one.

    python examples/your_own_photos.py photos/*.jpg --name rex --class dog

The tiny base knows its pixel-art world only; for photographs name a larger one, such as
`--base leloy/Anole-7b-v0.1-hf`, which takes a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import unictoken


def main(
    photos: Sequence[str | Path],
    name: str,
    class_noun: str,
    base: str | Path = "tiny",
    steps: int | None = None,
) -> None:
    base = unictoken.load(base)
    run = Path("runs") / name  # a report with drawings; a run that is interrupted goes on from here
    concept = unictoken.learn(base, photos, name=name, class_noun=class_noun, steps=steps, out=run)
    print(concept)

    chat = base.with_concepts(concept)
    print(f"what is <{name}>?", chat.ask(f"what is <{name}>?"))
    for photo, probability in zip(photos, chat.recognise(list(photos), name), strict=True):
        print(f"{photo}: {probability:.2f}")
    print("look at", run / "report.md")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--name", required=True)
    parser.add_argument("--class", dest="class_noun", required=True)
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--steps", type=int)
    main(**vars(parser.parse_args()))
