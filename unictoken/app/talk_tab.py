"""The tab where concepts are asked about and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from unictoken.app import card
from unictoken.app.parts import Desk, Listed, Shown, choices_of, guarded_pieces, on
from unictoken.core.text import markdown
from unictoken.model.draw import Draw

# A chat without it would seem dead until the first word.
BEGUN = "..."  # stands for an answer before its first word


def build(desk: Desk) -> Listed:
    """The tab's parts, and what they do."""
    # Filled when the tab is opened (`refreshed`).
    concepts = gr.Dropdown(
        [],
        multiselect=True,
        label="Concepts",
        info="Those that you name as <name> are found by themselves.",
        elem_id="concepts",
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            question = _ask(desk, concepts)
        with gr.Column(min_width=300):
            prompt = _draw(desk, concepts)

    def refreshed(chosen: list[str], names: Sequence[str], new: Sequence[str]) -> Shown:
        # What has just been learned is what its owner wants to talk about.
        kept = [*new, *(name for name in chosen or () if name in names and name not in new)]
        kept = kept or list(names[:1])
        # An example that can be sent as it is says more than an explanation.
        one = kept[0] if kept else "rex"
        return {
            concepts: gr.update(choices=choices_of(names), value=kept),
            question: gr.update(placeholder=f"what colour is <{one}>?"),
            prompt: gr.update(placeholder=f"<{one}> wearing a hat"),
        }

    return Listed(parts=[concepts, question, prompt], refreshed=refreshed)


def _ask(desk: Desk, concepts: gr.Dropdown) -> gr.MultimodalTextbox:
    # Texts are escaped (`_said`): '<bo>' would be a tag of HTML, and what is told could be one.
    # `render_markdown=False` does not do: the library then still makes a page's parts of them.
    chat = gr.Chatbot(
        label="Questions",
        height=330,
        latex_delimiters=[],
        buttons=[],
        feedback_options=None,
        placeholder="Ask what it is, what it likes, or whether it is in a picture.",
        elem_id="chat",
    )
    asked = gr.MultimodalTextbox(
        label="Question",
        placeholder="what colour is <mia>?",
        file_types=["image"],
        sources=["upload"],
        submit_btn=True,
        elem_id="question",
    )
    line, shown = gr.HTML(elem_classes="status"), gr.State(None)

    @guarded_pieces(line)
    def _answered(
        said: dict[str, Any], before: list[Any], last: str | None, chosen: list[str]
    ) -> Any:
        # Files are those of the question; the last picture stays what later ones are about.
        text, files = said["text"], said["files"]
        picture = files[0] if files else last
        turns = [*before, *({"role": "user", "content": {"path": file}} for file in files[:1])]
        turns.append(_said("user", text))
        # The field is emptied at once: the next question can be written meanwhile.
        yield {chat: [*turns, _said("assistant", BEGUN)], asked: None, shown: picture}
        answers = desk.talk.ask(text, chosen, Path(picture) if picture else None)
        try:
            for answer in answers:
                yield {chat: [*turns, _said("assistant", answer)]}
        except Exception:
            # What was refused is given back, to be mended.
            yield {chat: before, asked: {"text": text, "files": files[:1]}}
            raise
        yield {line: card.line(desk.talk.untaught(text, chosen))}

    on(asked.submit, _answered, [asked, chat, shown, concepts], [line, chat, asked, shown])
    # Without a chat there is no last picture either.
    on(chat.clear, lambda: (None, ""), None, [shown, line])
    return asked


def _said(who: str, text: str) -> dict[str, str]:
    return {"role": who, "content": markdown(text)}


def _draw(desk: Desk, concepts: gr.Dropdown) -> gr.Textbox:
    prompt = gr.Textbox(
        label="Prompt", placeholder="<mia> wearing a hat", lines=2, max_lines=4, elem_id="prompt"
    )
    number = gr.Slider(1, desk.talk.limits.pictures, 4, step=1, label="How many drawings")
    # Four drawings with the usual settings need none of these.
    with gr.Accordion("More", open=False):
        seed = gr.Number(Draw.seed, label="Seed", precision=0, minimum=0)
        guidance = gr.Slider(
            1, 10, Draw.guidance, step=0.1, label="Guidance", info="How closely it follows."
        )
        best_of = gr.Slider(
            1, 8, 1, step=1, label="Best of", info="Draws so many for each, and keeps one."
        )
        recaption = gr.Checkbox(label="Ask first what 'its hat' and the like are.")
    draw = gr.Button("Draw", variant="primary", elem_id="draw")
    line = gr.HTML(elem_classes="status")
    gallery = gr.Gallery(
        label="Drawings",
        # Two are large enough to see pixels on a phone.
        columns=2,
        object_fit="contain",
        buttons=["download"],
        format="png",
        elem_id="drawings",
    )

    @guarded_pieces(line)
    def _begin(
        text: str,
        chosen: list[str],
        many: float,
        lot: float,
        closely: float,
        best: float,
        again: bool,
    ) -> Iterator[Shown]:
        yield {line: card.line("It begins as soon as it is its turn.")}
        # Refuses here, before the first drawing: the line shows it.
        grown = desk.talk.draw(
            text,
            chosen,
            number=int(many),
            how=Draw(seed=int(lot or 0), guidance=closely),
            best_of=int(best),
            recaption=again,
        )
        for drawings in grown:
            yield {gallery: drawings, line: ""}
        yield {line: card.line(desk.talk.untaught(text, chosen))}

    filled = [prompt, concepts, number, seed, guidance, best_of, recaption]
    on(draw.click, _begin, filled, [line, gallery])
    on(prompt.submit, _begin, filled, [line, gallery])
    return prompt
