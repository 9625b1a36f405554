"""Where learned tokens do worse than telling the base the same in words, and what to try then."""

from __future__ import annotations

from collections.abc import Mapping

MARGIN = 0.05  # of a share; smaller differences are within what one concept's test can tell
DARKER = 10.0  # of the distance of a colour, in RGB
PICTURES = "give it more pictures, or pictures that differ more"
STEPS = "learn longer (--set method.stages.0.steps=600)"
NEGATIVES = "put more pictures of others that look like it into negative_example/"
TRY = {
    "recognition": NEGATIVES,
    "recognition_near_duplicates": NEGATIVES,
    "vqa": PICTURES,
    "text_qa": STEPS,
    "facts": STEPS,
    "identity": f"{PICTURES}, or {STEPS}",
    "palette": f"{PICTURES}, or {STEPS}",
    "prompt": STEPS,
    "knowledge": "learn it with --method knowing, or draw with --recaption",
}
"""What to try, by the column that is worse."""


def worse_than_words(tokens: Mapping[str, float], words: Mapping[str, float]) -> list[str]:
    """A line for each column in which tokens are clearly worse than a description.

    Args:
        tokens: Scores of the learned tokens.
        words: Scores of the description and the facts in words.

    >>> worse_than_words({"facts": 0.8, "vqa": 0.98}, {"facts": 1.0, "vqa": 1.0})[0][:50]
    'facts: 0.80, and 1.00 from a description in words.'
    """
    lines = []
    for column, advice in TRY.items():
        # Methods that cannot draw have no scores of drawings.
        if column not in tokens or column not in words:
            continue
        lost = words[column] - tokens[column]
        # palette is a distance: less is better.
        is_worse = -lost > DARKER if column == "palette" else lost > MARGIN
        if is_worse:
            lines.append(
                f"{column}: {tokens[column]:.2f}, and {words[column]:.2f} from a description in"
                f" words. To do better, {advice}."
            )
    return lines
