"""What a run of learning a user leaves to look at: how many of their labels are learned."""

from __future__ import annotations

from pathlib import Path

from unictoken.core.disk import write_aside
from unictoken.core.pictures import write_picture
from unictoken.core.text import markdown, unmark
from unictoken.data.concept import Concept
from unictoken.learn.settings import RunConfig
from unictoken.measure.curves import curves, read_steps
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.scoring.classes import accuracy, macro_f1

NO_TEST = "Measured on the labels that were learned: a check that learning worked, not a test."


def opinions(base: Base, condition: Condition, concept: Concept) -> list[tuple[str, str, str]]:
    """(question, the user's label, what is answered) of everything that the user gave a label.

    Args:
        base: Encodes the pictures.
        condition: The user's tokens.
        concept: The user, with pictures and labels.
    """
    pictured = concept.about_pictures
    seen_NK = base.encode(concept.pictures)[[i for i, *_ in pictured]] if pictured else None
    answers = condition.ask([question for _, question, _ in pictured], seen_NK) if pictured else []
    answers += condition.ask([question for question, _ in concept.questions])
    asked = [*(pair for _, *pair in pictured), *concept.questions]
    return [(q, label, answer) for (q, label), answer in zip(asked, answers, strict=True)]


def label_scores(found: list[tuple[str, str, str]]) -> dict[str, float]:
    """`opinion`: the share of right labels; `macro_f1`: the mean F1 of all labels."""
    expected, given = [label for _, label, _ in found], [answer for *_, answer in found]
    return {
        "opinion": accuracy(given, expected),
        "macro_f1": macro_f1(given, expected, sorted(set(expected))),
    }


def write_user_report(
    found: list[tuple[str, str, str]],
    scores: dict[str, float],
    concept: Concept,
    settings: RunConfig,
) -> Path:
    """The report of a user; gives its place.

    Args:
        found: What `opinions` gives.
        scores: Of it.
        concept: The user.
        settings: The config that it was learned by.
    """
    labels: dict[tuple[str, str], list[bool]] = {}
    for question, label, answer in found:
        form = unmark(question, concept.name).split("? ")[0].removesuffix("?") + "?"
        labels.setdefault((form, label), []).append(answer == label)
    rows = [
        f"| {markdown(question)} | {markdown(label)} | {len(right)} | {sum(right)} |"
        for (question, label), right in sorted(labels.items())
    ]
    told = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    lines = [
        f"# {markdown(f'<{concept.name}>, a user')}",
        "",
        markdown(f"Learned with {settings.method.name}, seed {settings.seed}, on {settings.base}."),
        "",
        "| question | label | given | answered so |",
        "|---|---|---|---|",
        *rows,
        "",
        f"{told}. {NO_TEST}",
        "",
        "![Losses by step](curves.png)",
        "",
    ]
    steps = read_steps(settings.folder / "log.jsonl")
    write_picture(curves(steps, {settings.method.name: scores}), settings.folder / "curves.png")
    path = settings.folder / "report.md"
    write_aside(path, "\n".join(lines).encode())
    return path
