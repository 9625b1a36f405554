"""Learn <bo> from five pictures, then draw him and ask about him.

python examples/learn_and_draw.py        (three minutes on two cores)
"""

from __future__ import annotations

from pathlib import Path

import unictoken

BO = Path(__file__).parents[1] / "data" / "bo"


def main(base: str | Path = "tiny", steps: int | None = None, out: str | Path = "drawings") -> None:
    base = unictoken.load(base)
    bo = unictoken.learn(base, BO, name="bo", class_noun="dog", steps=steps)
    print(bo, "is kept in", bo.save(Path(out) / "bo.safetensors"))

    chat = base.with_concepts(bo)
    # No picture shows what he eats: his owner wrote it into data/bo/info.json.
    for question in ("what animal is <bo>?", "what colour is <bo>?", "what does <bo> like to eat?"):
        print(question, chat.ask(question))
    print(chat.caption(BO / "3.png"))

    # The same seed draws the same pictures.
    drawings = chat.draw("<bo> wearing a hat", num_images=4, seed=0)
    print("drawn:", *drawings.save(out))


if __name__ == "__main__":
    main()
