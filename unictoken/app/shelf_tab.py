"""The tab with the concepts that are there: what each is, and what can be done with its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from unictoken.app import card
from unictoken.app.parts import Desk, Listed, Shown, choices_of, guarded, on, one_of
from unictoken.app.runs import name_of
from unictoken.core.reading import read_bytes
from unictoken.core.text import ConceptError
from unictoken.data.kinds import SAID_KINDS
from unictoken.hub import HubError, push_to_hub
from unictoken.tokens.file import EXPECTED, MOST_BYTES


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Of the tab."""

    which: gr.Radio
    add: gr.UploadButton
    preview: gr.Image
    about: gr.HTML
    export: gr.DownloadButton
    more: gr.Column
    """What can be done with the concept that is chosen."""
    new_name: gr.Textbox
    rename: gr.Button
    forget: gr.Button
    sure: gr.Row
    yes: gr.Button
    no: gr.Button
    line: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What an action may change."""
        return [
            *(self.which, self.line, self.preview, self.about),
            *(self.export, self.new_name, self.sure, self.more),
        ]


def build(desk: Desk) -> Listed:
    """The tab's parts, and what they do."""
    with gr.Row(equal_height=False):
        with gr.Column(min_width=220, scale=1):
            # All are seen at once, which a list that opens does not do.
            which = gr.Radio([], label="Concepts", elem_id="shelf")
            add = gr.UploadButton(
                "Import a concept file", file_types=[".safetensors"], size="sm", elem_id="import"
            )
        with gr.Column(min_width=300, scale=2):
            parts = _parts(desk, which, add)
    choose, then_draw = _connect(desk, parts)

    def refreshed(chosen: str | None, names: Sequence[str], new: Sequence[str]) -> Shown:
        name = one_of(chosen, names, new)
        shown = {which: gr.update(choices=choices_of(names), value=name)}
        return shown if name == chosen else {**shown, **choose(name)}

    return Listed(parts=parts.shown, refreshed=refreshed, after=then_draw)


def _parts(desk: Desk, which: gr.Radio, add: gr.UploadButton) -> _Parts:
    """What shows the concept that is chosen, and what can be done with it."""
    # Drawn after the card is shown: on a large base it takes a minute.
    preview = gr.Image(
        label="A drawing of it",
        height=260,
        show_label=False,
        buttons=[],
        interactive=False,
        visible=False,
        format="png",
        elem_classes="compared",
    )
    about = gr.HTML()
    line = gr.HTML(elem_classes="status")
    # Nothing can be done while nothing is chosen.
    with gr.Column(visible=False) as more:
        with gr.Row():
            export = gr.DownloadButton("Export its file", size="sm", min_width=100)
            forget = gr.Button("Forget it", size="sm", min_width=100, elem_id="forget")
        # A file that is deleted does not come back: it is asked about once more.
        with gr.Row(visible=False) as sure:
            yes = gr.Button("Yes, delete its file", variant="stop", size="sm", elem_id="forget-yes")
            no = gr.Button("Keep it", size="sm")
        with gr.Accordion("Rename", open=False):
            new_name = gr.Textbox(label="Another name", placeholder="max")
            rename = gr.Button("Rename", size="sm", elem_id="rename")
        if desk.may_share:
            _share(desk, which)
    return _Parts(
        which=which,
        add=add,
        preview=preview,
        about=about,
        export=export,
        more=more,
        new_name=new_name,
        rename=rename,
        forget=forget,
        sure=sure,
        yes=yes,
        no=no,
        line=line,
    )


def _connect(
    desk: Desk, parts: _Parts
) -> tuple[Callable[[str | None], Shown], Callable[[Any], Any]]:
    """Have the tab do what its buttons say; gives what shows another concept, and what has it drawn
    after that.
    """
    shelf = desk.talk.shelf

    @guarded(parts.line)
    def choose(name: str | None) -> Shown:
        return {**_card(desk, parts, name), parts.sure: gr.update(visible=False)}

    @guarded(parts.line)
    def add(file: str) -> Shown:
        # Bounded before it is read; the shelf checks the whole file.
        data = read_bytes(Path(file), ConceptError, EXPECTED, most=MOST_BYTES)
        return _chosen(desk, parts, shelf.add(data).name, "is on the shelf.")

    @guarded(parts.line)
    def rename(name: str | None, new: str) -> Shown:
        entry = shelf.rename(_needed(name), name_of(new))
        return {**_chosen(desk, parts, entry.name, "is its name now."), parts.new_name: ""}

    @guarded(parts.line)
    def ask_whether(name: str | None) -> Shown:
        _needed(name)
        return {parts.sure: gr.update(visible=True)}

    @guarded(parts.line)
    def forget(name: str | None) -> Shown:
        # A concept that ships is refused there.
        shelf.remove(_needed(name))
        return {**_chosen(desk, parts, None, ""), parts.line: card.line(f"<{name}> is forgotten.")}

    @guarded(parts.line)
    def draw(name: str | None) -> Shown:
        drawing = desk.talk.preview(name) if name else None
        return {parts.preview: gr.update(value=drawing, visible=drawing is not None)}

    def then_draw(event: Any) -> Any:
        return on(event, draw, [parts.which], [parts.line, parts.preview])

    for event, action, inputs in (
        (parts.which.input, choose, [parts.which]),
        (parts.add.upload, add, [parts.add]),
        (parts.rename.click, rename, [parts.which, parts.new_name]),
        (parts.yes.click, forget, [parts.which]),
    ):
        # Each of these shows another concept, and so another drawing.
        then_draw(on(event, action, inputs, parts.shown).then)
    on(parts.forget.click, ask_whether, [parts.which], parts.shown)
    on(parts.no.click, lambda: gr.update(visible=False), None, [parts.sure])
    return choose, then_draw


def _needed(name: str | None) -> str:
    if not name:
        raise ConceptError("concept: none is chosen. Choose one first.")
    return name


def _chosen(desk: Desk, parts: _Parts, name: str | None, said: str) -> Shown:
    """The list as it is now, with one of it chosen."""
    return {
        parts.which: gr.update(choices=choices_of(desk.names), value=name),
        **_card(desk, parts, name),
        parts.sure: gr.update(visible=False),
        parts.line: card.line(f"<{name}> {said}" if name else ""),
    }


def _card(desk: Desk, parts: _Parts, name: str | None) -> Shown:
    """What is shown of one concept."""
    if not name:
        return {
            parts.preview: gr.update(value=None, visible=False),
            parts.about: "<p class='about'>Choose a concept.</p>",
            parts.more: gr.update(visible=False),
        }
    # Only names on the shelf become paths.
    path = desk.talk.shelf.path(name)
    return {
        parts.about: card.table({"name": f"<{name}>", **card.facts_of_file(path)}),
        parts.export: gr.update(value=str(path)),
        parts.more: gr.update(visible=True),
    }


def _share(desk: Desk, which: gr.Radio) -> None:
    with gr.Accordion("Share on the Hub", open=False):
        gr.HTML(
            '<p class="about">Publishes the concept file with a card, by the token of'
            " <code>hf auth login</code>. Your pictures are not in it.</p>"
        )
        place = gr.Textbox(label="Repository", placeholder="user/rex", elem_id="repository")
        private = gr.Checkbox(label="A new repository is private.")
        # Each is asked for by an error where it is not known.
        kind = gr.Radio(list(SAID_KINDS), label="Which of these is it? (if its word is not known)")
        base = gr.Textbox(
            label="Its base on the Hub (if it was learned on a folder)", placeholder="user/base"
        )
        licence = gr.Textbox(
            label="The base's licence (if it is not known)", placeholder="apache-2.0"
        )
        share = gr.Button("Share", size="sm")
        line = gr.HTML(elem_classes="status")

    @guarded(line)
    def publish(name: str | None, repository: str, hidden: bool, *known: Any) -> Shown:
        what, base_model, terms = known
        # The Hub is not asked for nothing.
        if not repository.strip():
            raise HubError("repository: found none, expected USER/NAME. Say where it goes.")
        # Consent and licence are checked there, before anything is sent.
        address = push_to_hub(
            desk.talk.shelf.path(_needed(name)),
            repository.strip(),
            private=hidden,
            kind=what,
            base_model=base_model.strip() or None,
            licence=terms.strip() or None,
        )
        return {line: card.line(f"It is there: {address}")}

    on(share.click, publish, [which, place, private, kind, base, licence], [line])
