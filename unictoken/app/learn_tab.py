"""The tab where a concept is learned."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from unictoken.app import card
from unictoken.app.parts import Desk, guarded, on
from unictoken.app.runs import Runs, Wanted, facts_of, name_of
from unictoken.core import shipped
from unictoken.core.config import load
from unictoken.core.pictures import as_picture, large_enough
from unictoken.data.kinds import SAID_KINDS, is_person, is_thing
from unictoken.data.worlds import TOY, world
from unictoken.learn.methods import MethodFile

IDEAS = {
    "joint": "answers and draws; the usual one",
    "quick": "as joint, in a third of the time, and a little less exact",
    "knowing": "as joint, and facts such as 'its hat' are drawn, too",
    "unictokens": "shared tokens, then drawing, then answering (UniCTokens)",
    "yochameleon": "separate tokens for answering and drawing (Yo'Chameleon)",
    "yollava": "answers only, cannot draw (Yo'LLaVA)",
    "myvlm": "its name alone, where a classifier sees it (MyVLM)",
    "repic": "as joint, then rewarded for naming it where it is (RePIC)",
    "sync_r1": "as joint, then rewarded for facts in drawings (Sync-R1)",
    "plvm": "in seconds, by a trained encoder (PLVM); with steps it learns on from there",
    "palavra": "as plvm, then 30 steps against the class noun (PALAVRA)",
}
# A newcomer has no pixel art at hand, and the tiny base knows nothing else.
EXAMPLE, SEEDS = "kit", 1000  # the pet's name, and how many pets there are to try
# Short against a step of a large base, long against a look.
EVERY = 1.0  # seconds between two looks at a run


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What describes a concept."""

    pictures: gr.Gallery
    name: gr.Textbox
    noun: gr.Textbox
    kind: gr.Radio
    consent: gr.Checkbox
    facts: gr.Textbox
    method: gr.Radio
    steps: gr.Number
    seed: gr.Number
    others: gr.File
    overwrite: gr.Checkbox
    learn: gr.Button
    example: gr.Button
    line: gr.HTML

    @property
    def inputs(self) -> list[Any]:
        """In the order of `_wanted`."""
        # Gradio gives values by position.
        told = [self.pictures, self.name, self.noun, self.kind, self.consent, self.facts]
        return [*told, self.method, self.steps, self.seed, self.others, self.overwrite]


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """What shows how a run goes."""

    which: gr.Radio
    bar: gr.HTML
    stop: gr.Button
    go_on: gr.Button
    curve: gr.LinePlot
    drawing: gr.Image
    sheet: gr.Image
    report: gr.Markdown
    seen: gr.State
    """What is shown already, so that nothing flickers."""

    @property
    def outputs(self) -> list[Any]:
        # Everything that a look may change.
        shown = [self.which, self.bar, self.stop, self.go_on, self.curve]
        return [*shown, self.drawing, self.sheet, self.report, self.seen]


def build(desk: Desk) -> None:
    """The tab's parts, and what they do."""
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            form = _form(tries=desk.talk.base.profile.world is not None)
        with gr.Column(min_width=300):
            watch = _watch()
    _connect(desk.runs, form, watch)


def _form(*, tries: bool) -> _Form:
    gr.HTML(
        '<p class="about">Take pictures that differ in all but your dog: place, side, pose, light.</p>'
    )
    pictures = gr.Gallery(
        label="Three to five pictures",
        type="filepath",
        file_types=["image"],
        interactive=True,
        columns=5,
        height=190,
        object_fit="contain",
        sources=["upload"],
        buttons=[],
        # webp would smear pixel art
        format="png",
        elem_id="pictures",
    )
    with gr.Row():
        name = gr.Textbox(
            label="Name",
            info="You then write <name>.",
            placeholder="rex",
            min_width=120,
            elem_id="name",
        )
        noun = gr.Textbox(
            label="What is it?",
            info="An ordinary word.",
            placeholder="dog",
            min_width=120,
            elem_id="noun",
        )
    # Both stay hidden where the noun is surely no person (`_asked_of`).
    kind = gr.Radio(list(SAID_KINDS), label="Which of these is it?", visible=False)
    consent = gr.Checkbox(label="The person in the pictures agreed to be learned.", visible=False)
    facts = gr.Textbox(
        label="Facts (optional), one a line",
        info="What no picture shows.",
        placeholder="<rex> has a red hat.",
        lines=3,
        elem_id="facts",
    )
    more = _more()
    # After everything that is filled in: Tab reaches it last.
    learn = gr.Button("Learn", variant="primary", elem_id="learn")
    example = gr.Button("Try it with a drawn pet", size="sm", visible=tries, elem_id="example")
    return _Form(
        pictures=pictures,
        name=name,
        noun=noun,
        kind=kind,
        consent=consent,
        facts=facts,
        **more,
        learn=learn,
        example=example,
        line=gr.HTML(elem_classes="status"),
    )


def _methods() -> list[str]:
    """The presets that learn from pictures alone, and give a concept file."""
    files = {name: shipped.find_method(name) for name in shipped.methods()}
    methods = {name: load(MethodFile, file).method for name, file in files.items()}
    return [name for name, m in methods.items() if not (m.keeps_folder or m.learns_labels)]


def _more() -> dict[str, Any]:
    """What is seldom changed."""
    choices = [(f"{name}: {IDEAS.get(name, 'a preset')}", name) for name in _methods()]
    with gr.Accordion("More", open=False):
        return {
            "method": gr.Radio(choices, value="joint", label="Method", elem_classes="rows"),
            "steps": gr.Number(
                label="Steps of its last stage",
                info="Empty: as the method says.",
                precision=0,
                elem_id="steps",
            ),
            "seed": gr.Number(0, label="Seed", precision=0),
            "others": gr.File(
                label="Pictures of others (optional)",
                file_count="multiple",
                file_types=["image"],
                height=110,
            ),
            "overwrite": gr.Checkbox(label="Replace what was learned under this name."),
        }


def _watch() -> _Watch:
    # Seen only where there are several.
    which = gr.Radio([], label="Learning", visible=False, elem_classes="names")
    bar = gr.HTML(card.bar(None), elem_id="bar")
    with gr.Row():
        # A run is stopped or goes on; the other button is hidden.
        stop = gr.Button("Stop", visible=False, size="sm", elem_id="stop")
        go_on = gr.Button("Go on", visible=False, size="sm", elem_id="go-on")
    # The library draws it on the page: no picture is sent each second.
    curve = gr.LinePlot(
        x="step", y="loss", label="Loss", height=180, visible=False, buttons=[], tooltip="none"
    )
    drawing = gr.Image(
        label="What it draws so far", visible=False, buttons=[], format="png", elem_id="on-the-way"
    )
    sheet = gr.Image(
        label="Pictures, drawings and controls",
        visible=False,
        buttons=[],
        format="png",
        elem_id="sheet",
    )
    report = gr.Markdown(visible=False, elem_id="report")
    return _Watch(
        which=which,
        bar=bar,
        stop=stop,
        go_on=go_on,
        curve=curve,
        drawing=drawing,
        sheet=sheet,
        report=report,
        seen=gr.State(None),
    )


def _wanted(
    pictures: list[tuple[str, Any]] | None,
    name: str,
    noun: str,
    kind: Any,
    consent: bool,
    facts: str,
    method: str,
    steps: float | None,
    seed: float | None,
    others: list[str] | None,
    overwrite: bool,
) -> Wanted:
    """The form as it is filled in."""
    # People write <rex> where rex is asked for.
    name = name_of(name)
    return Wanted(
        name=name,
        class_noun=noun.strip(),
        pictures=tuple(Path(picture) for picture, _ in pictures or ()),
        others=tuple(map(Path, others or ())),
        facts=facts_of(facts, name),
        consent=consent,
        kind=kind,
        method=method,
        # An empty field is None, and so is 0: no run has no steps.
        steps=int(steps) if steps else None,
        seed=int(seed or 0),
        overwrite=overwrite,
    )


def _connect(runs: Runs, form: _Form, watch: _Watch) -> None:
    @guarded(form.line)
    def begin(*filled: Any) -> dict[Any, Any]:
        # Refuses at once; what fails later is a line of the run.
        state = runs.begin(_wanted(*filled))
        return {
            **_shown(runs, watch, state.name, None),
        }

    @guarded(form.line)
    def stop(name: str) -> dict[Any, Any]:
        runs.stop(name)
        return {form.line: card.line("It saves itself after this step.")}

    @guarded(form.line)
    def go_on(name: str) -> dict[Any, Any]:
        runs.go_on(name)
        return _shown(runs, watch, name, None)

    def look(name: str | None, seen: Any) -> dict[Any, Any]:
        return _shown(runs, watch, name, seen)

    outputs = [form.line, *watch.outputs]

    def example() -> dict[Any, Any]:
        # Another pet each time, so that nobody learns the one that is shipped.
        made = world(runs.base.profile.world or TOY).example(EXAMPLE, secrets.randbelow(SEEDS))
        return {
            form.pictures: [large_enough(as_picture(picture)) for picture in made.pictures],
            form.name: made.name,
            form.noun: made.class_noun,
            form.facts: "\n".join(made.facts),
        }

    on(form.example.click, example, None, form.inputs)
    on(form.learn.click, begin, form.inputs, outputs)
    on(watch.stop.click, stop, [watch.which], outputs)
    on(watch.go_on.click, go_on, [watch.which], outputs)
    on(form.noun.change, _asked_of, [form.noun], [form.kind, form.consent])
    # Each page looks for itself: one that was closed stops nothing.
    timer = gr.Timer(EVERY)
    on(timer.tick, look, [watch.which, watch.seen], watch.outputs)
    on(watch.which.input, look, [watch.which, watch.seen], watch.outputs)


def _asked_of(noun: str) -> tuple[Any, Any]:
    """Consent is asked for where a person may be shown."""
    # An empty field asks nothing yet.
    noun = noun.strip()
    maybe = bool(noun) and not is_thing(noun)
    return gr.update(visible=maybe and not is_person(noun)), gr.update(visible=maybe)


def _shown(runs: Runs, watch: _Watch, name: str | None, seen: Any) -> dict[Any, Any]:
    """How a run stands, where something of it is not on the page yet."""
    names = runs.names()
    # The newest run is shown until another one is chosen.
    if name not in names:
        name = next(iter(reversed(names)), None)
    state = runs.state(name) if name else None
    if name is None or state is None:
        return {watch.seen: None}
    drawings = runs.drawings(name)
    now = names, state.name, state.phase, state.step, len(drawings)
    # Nothing has changed: a list that is open stays open, and nothing flickers.
    if now == seen:
        return {watch.seen: now}
    choices = [(f"<{each}>", each) for each in names]
    curve = pd.DataFrame(state.losses, columns=["step", "loss"])
    shown = {
        watch.which: gr.update(choices=choices, value=name, visible=len(names) > 1),
        watch.bar: card.bar(state),
        watch.stop: gr.update(visible=state.going),
        watch.go_on: gr.update(visible=state.phase in ("stopped", "failed")),
        # Never hidden again: the library's plot draws once more when it is gone already, and fails.
        watch.curve: gr.update(value=curve, **({"visible": True} if len(curve) > 1 else {})),
        watch.seen: now,
    }
    # Pictures are sent again only where there are others.
    if seen is None or seen[1:3] != now[1:3] or seen[-1] != now[-1]:
        shown |= _pictures(runs, watch, name, state.phase == "done")
    return shown


def _pictures(runs: Runs, watch: _Watch, name: str, done: bool) -> dict[Any, Any]:
    """What it drew on the way, or at the end, with its report."""
    # The newest of what it drew is enough: the older ones lie in the run folder.
    drawn = runs.drawings(name)
    sheet, report = runs.report(name) if done else (None, "")
    return {
        watch.drawing: gr.update(
            value=str(drawn[-1]) if drawn else None, visible=bool(drawn) and not done
        ),
        watch.sheet: gr.update(value=sheet and str(sheet), visible=sheet is not None),
        watch.report: gr.update(value=report, visible=bool(report)),
    }
