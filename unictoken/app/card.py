"""What the page shows as HTML; every text that comes from elsewhere is escaped here, and only here."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from unictoken.app.runs import State
from unictoken.core.printing import one_line
from unictoken.measure.report import COLUMNS
from unictoken.tokens import file as concept_file

LONGEST = 300  # letters of a line
SAID_PHASES = {
    "waiting": "waits for its turn",
    "preparing": "looks at the pictures",
    "learning": "learns",
    "measuring": "is asked and draws, for the report",
    "done": "has been learned",
    "stopped": "is stopped",
    "failed": "could not be learned",
}
# The report's columns that mean nothing to who has not read it.
SAID_SCORES = {
    "positive": "recognised in its own pictures",
    "negatives": "others told apart",
    "psnr": "pictures through the image tokenizer, in dB:",
}


def text(said: object) -> str:
    """A text as HTML that shows it literally, on one line.

    >>> text("<bo> & <img src=x>")
    '&lt;bo&gt; &amp; &lt;img src=x&gt;'
    """
    return escape(one_line(str(said), LONGEST))


def line(said: str, *, bad: bool = False) -> str:
    """A line that a screen reader says as soon as it is there; '' shows nothing."""
    if not said:
        return ""
    kind = "bad" if bad else "good"
    return f'<p class="line {kind}" role="{"alert" if bad else "status"}">{text(said)}</p>'


def bar(state: State | None) -> str:
    """How a run stands: a sentence and a bar."""
    if state is None:
        return '<p class="line" role="status">Nothing is being learned.</p>'
    # The same words for people who see the bar and for those who hear it.
    said = f"<{state.name}> {SAID_PHASES[state.phase]}"
    if state.total and state.phase in ("learning", "stopped"):
        said += f": step {state.step} of {state.total}"
    if state.losses and state.phase == "learning":
        said += f", loss {state.losses[-1][1]:.3f}"
    shown = f'<p class="line" role="status">{text(said)}.</p>'
    # While the report is made all steps are done.
    done = state.total if state.phase in ("measuring", "done") else state.step
    shown += (
        f'<progress aria-label="steps that are done" max="{max(state.total, 1)}"'
        f' value="{done}"></progress>'
    )
    return shown + line(state.line, bad=state.phase == "failed")


def facts_of_file(path: Path) -> dict[str, str]:
    """What a concept file says of itself, as the page calls it."""
    header = concept_file.read_header(path)
    rows = sum(header["counts"].values())
    said = {
        "what it is": header["class_noun"],
        "learned by": f"{header['method']}, seed {header['seed']}",
        "base": header["base"],
        "size": f"{rows} tokens, {path.stat().st_size / 1000:,.0f} kB",
        "scores": _scores(header["scores"]),
        "imported": header.get("origin", ""),
        "consent": "the person agreed" if header.get("consent") else "",
        "note": " ".join(header.get("notes", ())),
    }
    # A row without a value would only ask what it means.
    return {key: value for key, value in said.items() if value}


def table(rows: Mapping[str, str]) -> str:
    """Two columns."""
    cells = "".join(f"<tr><th>{text(key)}</th><td>{text(rows[key])}</td></tr>" for key in rows)
    return f'<table class="card">{cells}</table>'


def _scores(scores: Mapping[str, Any]) -> str:
    # A file of a benchmark has forty scores; the report's columns are what people know.
    shown = [name for name in COLUMNS if name in scores]
    said = {name: SAID_SCORES.get(name, name.replace("_", " ")) for name in shown}
    return ", ".join(f"{said[name]} {scores[name]:.2f}" for name in shown)
