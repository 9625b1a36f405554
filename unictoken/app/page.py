"""The page: four tabs, in one column on a narrow screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from unictoken.app import card, compare_tab, learn_tab, shelf_tab, talk_tab
from unictoken.app.parts import Desk, Listed, Shown, on

TITLE = "unictoken"
KEPT_SECONDS = 24 * 3600  # of files that were dropped on the page or drawn for it
# Fonts that every machine has: no page is to ask others for one.
FONTS = ("ui-sans-serif", "system-ui", "sans-serif")
CODE_FONTS = ("ui-monospace", "monospace")
CSS = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
.title h1 { margin: .4rem 0 0; font-size: 1.6rem; }
.title p, .about { margin: .2rem 0 0; }
.status:not(:has(p)) { display: none; }
.line { margin: .3rem 0; overflow-wrap: anywhere; }
.line.bad { color: var(--error-text-color); }
progress { width: 100%; height: .7rem; appearance: none; border: 0; border-radius: .35rem;
  overflow: hidden; background: var(--neutral-200); }
progress::-webkit-progress-bar { background: var(--neutral-200); }
progress::-webkit-progress-value { background: var(--primary-500); }
progress::-moz-progress-bar { background: var(--primary-500); }
[data-testid="block-label"] { position: static !important; width: fit-content; max-width: 100%;
  white-space: normal !important;
  border: 0 !important; box-shadow: none !important; }
table.card, table.card tr { width: 100%; border-collapse: collapse; border: 0 !important; }
#pictures .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important; }
table.card th, table.card td { padding: .25rem .5rem; text-align: left; vertical-align: top;
  border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important;
  overflow-wrap: anywhere; }
table.card th { width: 7rem; font-weight: 600; }
.rows .wrap { flex-direction: column; }
.small img { max-height: 150px; width: auto !important; margin: 0 auto; }
.names .wrap { max-height: 9rem; overflow-y: auto; }
#report, #report table { overflow-x: auto; }
#report table { display: block; }
@media (max-width: 600px) {
  .gradio-container > main { padding: .5rem !important; }
  .tab-container button { padding: 0 .5rem !important; }
}
/* drawings of the tiny base are pixel art */
.compared img, #drawings img, #on-the-way img { image-rendering: pixelated; }
"""


def theme() -> gr.themes.Base:
    """Plain, without a font of others."""
    # Labels of this theme are purple boxes; plain ones are read faster.
    made = gr.themes.Soft(primary_hue="indigo", font=FONTS, font_mono=CODE_FONTS)
    plain = "transparent"
    return made.set(
        block_title_background_fill=plain,
        block_title_background_fill_dark=plain,
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        block_label_background_fill="*block_background_fill",
        block_label_background_fill_dark="*block_background_fill",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
        block_border_width="1px",
        input_border_width="1px",
        body_text_color_subdued="*neutral_600",
        input_placeholder_color="*neutral_500",
    )


def page(desk: Desk) -> gr.Blocks:
    """The whole page.

    Args:
        desk: What its tabs work with.
    """
    # Told twice, here and by the variable: nothing is counted anywhere.
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(3600, KEPT_SECONDS)
    ) as blocks:
        gr.HTML(_head(desk), elem_classes="title")
        # In the order in which a newcomer needs them.
        with gr.Tabs():
            with gr.Tab("Learn"):
                learn_tab.build(desk)
            with gr.Tab("Talk and draw") as talk:
                spoken = talk_tab.build(desk)
            with gr.Tab("Compare") as compare:
                compared = compare_tab.build(desk)
            with gr.Tab("Concepts") as shelf:
                shelved = shelf_tab.build(desk)
        for tab, listed in ((talk, spoken), (compare, compared), (shelf, shelved)):
            _keep_fresh(desk, tab, listed)
    return blocks


def _keep_fresh(desk: Desk, tab: gr.Tab, listed: Listed) -> None:
    """Have a tab show the concepts that there are when it is opened: they may have been learned, or
    deleted, since.
    """
    # None: the tab was not opened yet.
    known = gr.State(None)

    def refresh(chosen: Any, before: Sequence[str] | None) -> Shown:
        # Read from the folder: another program may have put one there.
        names = desk.names
        new = [name for name in names if before is not None and name not in before]
        return {**listed.refreshed(chosen, names, new), known: names}

    done = on(tab.select, refresh, [listed.parts[0], known], [*listed.parts, known])
    if listed.after:
        listed.after(done.then)


def _head(desk: Desk) -> str:
    # Said first: who drops a photo on the tiny base would be disappointed.
    base = desk.talk.base
    knows = (
        " It knows only pixel-art pets, things and people."
        if base.profile.world is not None
        else ""
    )
    return (
        f"<h1>{TITLE}</h1><p>Teach a model what your dog, mug or robot looks like, from three to"
        f" five pictures. The model is {card.text(base.name)}.{knows}</p>"
    )
