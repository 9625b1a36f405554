"""Learn <bo> with two methods, and compare both with a description in words.

python examples/compare_methods.py       (ten minutes on two cores)

A look at five pictures and a few others. `eval/run.py` measures methods on concepts that the base
never saw, with confidence intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import unictoken

BO = Path(__file__).parents[1] / "data" / "bo"
WORDS = "<bo> is a patched brown and white dog with floppy ears, dark eyes and a red collar."


def main(
    base: str | Path = "tiny",
    methods: Sequence[str | unictoken.Method] = ("joint", "unictokens"),
    out: str | Path = "drawings",
) -> None:
    base = unictoken.load(base)
    # The baseline: a description in words, without any learning.
    chats = {"words": base.with_words(WORDS)}
    for method in methods:
        bo = unictoken.learn(base, BO, name="bo", class_noun="dog", method=method)
        chats[bo.method] = base.with_concepts(bo)

    his = sorted(BO.glob("?.png"))
    # Others that fit the same description: only shade and proportions differ from his.
    others = sorted((BO / "negative_example").glob("near_duplicate_*.png"))[:8]
    for name, chat in chats.items():
        found, mistaken = (
            [p > 0.5 for p in chat.recognise(pictures, "bo")] for pictures in (his, others)
        )
        print(f"{name}: {sum(found)} of {len(his)} pictures recognised,", end=" ")
        print(f"{sum(mistaken)} of {len(others)} near-duplicates taken for him")
        chat.draw("<bo> in the snow", num_images=2).save(Path(out) / name)


if __name__ == "__main__":
    main()
