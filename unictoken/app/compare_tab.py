"""The tab where tokens stand beside what they are compared with: the controls, made visible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from unictoken.app import card
from unictoken.app.parts import Desk, Listed, Shown, choices_of, guarded, on, one_of
from unictoken.app.talk import WAYS, Given
from unictoken.core.pictures import as_picture, large_enough, read_shrunk
from unictoken.core.text import a
from unictoken.model.draw import Draw

TITLES = {
    "tokens": "With its tokens",
    "in words": "Told in words",
    "one picture": "Shown one picture",
    "nothing": "With nothing",
}


def build(desk: Desk) -> Listed:
    """The tab's parts, and what they do."""
    gr.HTML(
        '<p class="about">The same prompt and seed, four times: with what was learned, and with what'
        " you could do without learning.</p>"
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            # No list that opens: reached by Tab, it would stay open above the next field.
            concept = gr.Radio(
                [], label="Concept", elem_id="compared-concept", elem_classes="names"
            )
            prompt = gr.Textbox(
                label="Prompt or question", placeholder="<mia> on the beach", elem_id="compared"
            )
            # Shown, and not under More: one drawing alone may be luck.
            seed = gr.Number(Draw.seed, label="Seed", precision=0, minimum=0)
            with gr.Row():
                draw = gr.Button("Draw", variant="primary", min_width=80, elem_id="compare-draw")
                ask = gr.Button("Ask", min_width=80, elem_id="compare-ask")
        with gr.Column(min_width=300):
            # Filled in with the facts, and free to be changed: how good words are is what is compared.
            words = gr.Textbox(label="It in words", lines=3)
            picture = gr.Image(
                label="One picture of it", type="filepath", sources=["upload"], format="png",
                buttons=[], elem_classes=["compared", "small"],
            )  # fmt: skip
    line = gr.HTML(elem_classes="status")
    pictures, answers = _columns()

    # Another concept brings its own words and picture.
    @guarded(line)
    def choose(name: str | None) -> Shown:
        return {words: _words(desk, name), picture: _first_picture(desk, name)}

    @guarded(line)
    def _drawn(name: str | None, text: str, said: str, shown: str | None, lot: float) -> Shown:
        # All four are one batch of the worker.
        made = desk.talk.compare_drawings(_given(name, said, shown), text, Draw(seed=int(lot or 0)))
        return {
            **{pictures[way]: gr.update(value=made.get(way), visible=True) for way in WAYS},
            # Drawings and answers take turns in the same four columns.
            **{answers[way]: gr.update(visible=False) for way in WAYS},
            line: card.line(_missing(made)),
        }

    @guarded(line)
    def _asked(name: str | None, text: str, said: str, shown: str | None, _: float) -> Shown:
        made = desk.talk.compare_answers(_given(name, said, shown), text)
        return {
            **{answers[way]: gr.update(value=made.get(way, ""), visible=True) for way in WAYS},
            **{pictures[way]: gr.update(visible=False) for way in WAYS},
            line: card.line(_missing(made)),
        }

    filled, results = [concept, prompt, words, picture, seed], [line]
    results += [*pictures.values(), *answers.values()]
    # input, not change: what a program sets is no choice of the user.
    on(concept.input, choose, [concept], [line, words, picture])
    on(draw.click, _drawn, filled, results)
    on(prompt.submit, _drawn, filled, results)
    on(ask.click, _asked, filled, results)

    def refreshed(chosen: str | None, names: Sequence[str], new: Sequence[str]) -> Shown:
        name = one_of(chosen, names, new)
        shown: Shown = {
            concept: gr.update(choices=choices_of(names), value=name),
            prompt: gr.update(placeholder=f"<{name or 'rex'}> on the beach"),
        }
        # The same concept keeps the words that its user has changed.
        return shown if name == chosen else {**shown, **choose(name)}

    return Listed(parts=[concept, prompt, words, picture, line], refreshed=refreshed)


def _columns() -> tuple[dict[str, gr.Image], dict[str, gr.Textbox]]:
    """A drawing and an answer for each way, side by side."""
    pictures, answers = {}, {}
    with gr.Row():
        for way in WAYS:
            # Two beside each other on a phone, four on a desk.
            with gr.Column(min_width=140):
                pictures[way] = gr.Image(
                    label=TITLES[way], buttons=[], interactive=False, format="png",
                    elem_classes="compared",
                )  # fmt: skip
                answers[way] = gr.Textbox(
                    label=TITLES[way], lines=3, interactive=False, visible=False
                )
    return pictures, answers


def _given(name: str | None, words: str, picture: str | None) -> Given:
    # What was dropped here may be a photo of any size.
    seen = read_shrunk(Path(picture)) if picture else None
    return Given(name=name or "", words=words, picture=seen)


def _missing(made: dict[str, Any]) -> str:
    """What could not be compared, as a line."""
    return "" if "one picture" in made else "Give one picture of it to compare with that, too."


def _words(desk: Desk, name: str | None) -> str:
    """A concept in words: its facts where they were given here, else what it is."""
    if not name:
        return ""
    given = desk.runs.given(name)
    noun = desk.talk.noun(name)
    return " ".join([f"<{name}> is {a(noun)}.", *(given.facts if given else ())])


def _first_picture(desk: Desk, name: str | None) -> Any:
    """The first of the pictures that it was learned from, where they were given here."""
    given = desk.runs.given(name) if name else None
    return large_enough(as_picture(given.pictures[0])) if given else None
