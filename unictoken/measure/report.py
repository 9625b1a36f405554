"""What a run of learning leaves to look at: the concept file, a grid, the answers, a report with
controls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unictoken.core import shipped
from unictoken.core.config import ConfigError
from unictoken.core.disk import is_file, real_path, write_aside
from unictoken.core.pictures import read_together, write_picture
from unictoken.core.program import keeping
from unictoken.core.progress import progress
from unictoken.core.text import a, markdown, unmark
from unictoken.data.concept import Concept
from unictoken.data.kinds import USER
from unictoken.data.readers import read
from unictoken.data.templates import RECOGNISED, yes_or_no
from unictoken.learn.bar import Bar
from unictoken.learn.manifest import Manifest
from unictoken.learn.method import Learned
from unictoken.learn.outside import decibels_of, note_of, say_decibels
from unictoken.learn.run import run
from unictoken.learn.settings import RunConfig
from unictoken.learn.stop import StopSignal, kept_of_learning, kept_of_measuring
from unictoken.measure import page
from unictoken.measure.advice import worse_than_words
from unictoken.measure.controls import controls_of, known
from unictoken.measure.curves import curves, read_steps
from unictoken.measure.opinions import label_scores, opinions, write_user_report
from unictoken.measure.scores import scores
from unictoken.measure.sheet import Cell, Row, contact_sheet
from unictoken.model.pixels import grid
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.scoring.metrics import mean
from unictoken.scoring.verdict import judged_world
from unictoken.tasks import predictions
from unictoken.tasks.trial import Trial, make_ready
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

COMPARED = ("none", "class_noun", "text_prompt", "wrong_concept")  # controls in the report of a run
COLUMNS = (
    "recognition",
    "recognition_near_duplicates",
    "vqa",
    "text_qa",
    "facts",
    "identity",
    "palette",
    "prompt",
    "knowledge",
    "positive",
    "negatives",
    "psnr",
)
DRAWN_CONTROLS = {
    "text_prompt": "described in words",
    "image_prompt_1": "one picture in context",
    "none": "nothing",
}
"""Controls on the contact sheet, and what they are called there."""
HELD_OUT_SEED = 999  # of the pictures that a run is measured on, beside its own seed
SOME = 64  # of the training negatives
NO_TEST = (
    "Measured on the reference pictures and the training negatives themselves: a check that"
    " learning worked, not a test."
)


@dataclass(frozen=True)
class _Known:
    """What the report shows of what a concept was learned from."""

    pictures_NK: torch.Tensor
    questions: Sequence[tuple[str, str]]
    negatives: Mapping[str, torch.Tensor]
    """Image ids [M, K] of others by grade."""
    decibels: Sequence[float]
    """How well the base's image tokenizer gives each picture back; () where it cannot draw."""
    notes: Sequence[str]


def learn_and_report(base: Base, settings: RunConfig, concept: Concept) -> str:
    """Learn the config's concept in this process and write its report; gives what to print."""
    check_report(base, settings, concept)
    bar = Bar(settings.method.total_steps)
    # The bar last, so that it is closed first: a line about the interruption follows it.
    with keeping(lambda: kept_of_learning(settings)), StopSignal() as stop, closing(bar):
        learned = run(base, settings, concept=concept, show=bar.show, stop_asked=stop)
    with keeping(lambda: kept_of_measuring(settings)):
        return finish(base, settings, learned)


def check_report(base: Base, settings: RunConfig, concept: Concept) -> None:
    """Refuse what the report could not use, before anything is learned."""
    if _truth_is_known(concept, settings):
        judged_world().load_judge(settings.judge)
        judged_world().judge_accuracy(settings.judge)
        _another_concept(base, settings)
        if settings.method.name in known():
            raise ConfigError(
                f"method: name: '{settings.method.name}' is that of a control, which the report"
                " compares it with. Choose another name."
            )


def finish(base: Base, settings: RunConfig, learned: Learned) -> str:
    """Measure, write everything into the run folder and the concept file into its own; gives what
    to print.

    Args:
        base: The frozen base.
        settings: The config that it was learned by.
        learned: The tokens, and what they were learned from.
    """
    if learned.concept.kind == USER:
        return _finish_user(base, settings, learned)
    tokens, concept, known = learned.tokens, learned.concept, _known_of(base, learned)
    folder = settings.folder
    path = concept_file.path_of(tokens.name, settings.concepts)
    concept_file.save(tokens, path)  # kept, whatever measuring finds
    condition = with_tokens(base, tokens)
    rows = _table_rows(base, tokens, concept, known, settings)
    numbers = rows[tokens.method]
    # Four digits: further ones differ between machines.
    tokens = replace(tokens, scores={k: round(v, 4) for k, v in numbers.items()})
    concept_file.save(tokens, path)  # again, now with its scores
    answers = _answers(condition, settings, concept, known)
    write_aside(
        folder / "answers.json", (json.dumps(answers, indent=1, ensure_ascii=False) + "\n").encode()
    )
    references = list(concept.pictures)
    write_picture(grid(references, columns=len(references)), folder / "references.png")
    columns = [column for column in COLUMNS if column in numbers]
    worse = worse_than_words(numbers, rows.get("text_prompt", {}))
    sections = [f"# {markdown(f'<{concept.name}>, {a(concept.class_noun)}')}", ""]
    sections += [
        markdown(f"Learned with {tokens.method}, seed {tokens.seed}, on {base.name}."),
        "",
    ]
    sections += ["The reference pictures:", "", "![](references.png)", ""]
    if known.decibels:
        write_picture(
            grid(base.decode(known.pictures_NK), columns=len(references)),
            folder / "references-as-seen.png",
        )
        sections += [
            "As the base's image tokenizer sees them:",
            "",
            "![](references-as-seen.png)",
            "",
        ]
        sections += [_world_note(known), ""]
    if learned.prepared and learned.prepared.drawn:
        sections += ["What the base drew of it and of others (tree.json):", "", "![](tree.png)", ""]
    rows_of_sheet = [Row("learned from", [Cell(picture) for picture in references])]
    if settings.prompts and condition.can_draw:
        drawn, own_rows = _drawn(condition, settings, folder)
        sections += drawn
        rows_of_sheet += [*own_rows, *_drawn_by_controls(base, settings, concept, known)]
    title = f"{concept.marker}, {a(concept.class_noun)}: {tokens.method} on {base.name}"
    write_picture(contact_sheet(title, rows_of_sheet), folder / "contact-sheet.png")
    write_picture(curves(read_steps(folder / "log.jsonl"), rows), folder / "curves.png")
    sections += ["## Answers", "", *(_told(**answer) for answer in answers), "", "## Scores", ""]
    sections += [
        page.table(rows, columns, controls=COMPARED),
        "",
        markdown(" ".join(_explained(concept, settings))),
        "",
        *(f"- {markdown(line)}" for line in worse),
        "",
        "![Losses by step, and scores](curves.png)",
        "",
        "![References, drawings and controls](contact-sheet.png)",
        "",
    ]
    write_aside(folder / "report.md", "\n".join(sections).encode())
    lines = [f"{said['question']}  {said['answer']}" for said in answers]
    return "\n".join(
        [
            *lines,
            "",
            page.table(rows, columns, controls=COMPARED),
            "",
            *known.notes,
            *worse,
            f"{path}",
            f"{folder / 'report.md'}",
        ]
    )


def _finish_user(base: Base, settings: RunConfig, learned: Learned) -> str:
    """The same of a user, who is in no picture and has labels in the place of a look."""
    tokens, concept = learned.tokens, learned.concept
    path = concept_file.path_of(tokens.name, settings.concepts)
    concept_file.save(tokens, path)  # kept, whatever measuring finds
    found = opinions(base, with_tokens(base, tokens), concept)
    numbers = {name: round(value, 4) for name, value in label_scores(found).items()}
    concept_file.save(replace(tokens, scores=numbers), path)
    report = write_user_report(found, numbers, concept, settings)
    right = sum(label == answer for _, label, answer in found)
    return f"{right} of {len(found)} labels are learned.\n{path}\n{report}"


def _known_of(base: Base, learned: Learned) -> _Known:
    """From what was prepared; a method that prepared nothing has the owner's pictures and texts."""
    if prepared := learned.prepared:
        material = prepared.material
        return _Known(
            material.pictures_NK,
            material.questions,
            material.negatives,
            prepared.decibels,
            prepared.notes,
        )
    # As the base sees them: encoded here, as the method kept no ids.
    concept = learned.concept
    pictures = list(read_together(concept.pictures))
    pictures_NK = base.encode(pictures)
    others = {
        grade: base.encode(read_together(own)) for grade, own in concept.negatives.items() if own
    }
    decibels = decibels_of(base, pictures, pictures_NK)
    notes = [note for note in [note_of(base, decibels)] if note]
    return _Known(pictures_NK, concept.questions, others, decibels, notes)


def _drawn(condition: Condition, settings: RunConfig, folder: Path) -> tuple[list[str], list[Row]]:
    """Four pictures of each prompt: the lines of the report, and rows of the contact sheet."""
    lines, rows, sheets = ["## Drawn", ""], [], []
    for i, prompt in enumerate(map(settings.named, settings.prompts)):
        # Four copies of a prompt give four pictures: each has its own random generator.
        pictures = condition.draw([prompt] * 4, settings.drawing)
        sheets += pictures
        write_picture(grid(pictures, columns=4), folder / f"drawn-{i}.png")
        lines += [markdown(prompt), "", f"![](drawn-{i}.png)", ""]
        rows.append(Row(f"drawn: {prompt}", [Cell(picture) for picture in pictures]))
    write_picture(grid(sheets, columns=4), folder / "grid.png")
    return lines, rows


def _drawn_by_controls(
    base: Base, settings: RunConfig, concept: Concept, known: _Known
) -> list[Row]:
    """One picture of each prompt by each control that draws, for the contact sheet."""
    compared = controls_of(base, concept, pictures_NK=known.pictures_NK)
    prompts = [*map(settings.named, settings.prompts)]
    rows = []
    for name, label in progress(DRAWN_CONTROLS.items(), "drawing controls", unit="control"):
        control = compared[name]
        if isinstance(control, Condition):
            drawn = zip(control.draw(prompts, settings.drawing), prompts, strict=True)
            said = (control.prompts.generation or "").replace("{name}", concept.marker)
            label = f"control, {label}{f': {said}' * bool(said)}"
            rows.append(Row(label, [Cell(*cell) for cell in drawn]))
    return rows


def _told(question: str, answer: str) -> str:
    """A question and its answer as an item of a list."""
    said = f" **{markdown(answer)}**" if answer.strip() else ""
    return f"- {markdown(question)}{said}"


def _answers(
    condition: Condition, settings: RunConfig, concept: Concept, known: _Known
) -> list[dict[str, str]]:
    """Questions without a picture, the owner's questions, and what the first reference picture
    shows.
    """
    # Material's questions include all facts as one long answer, which the tiny base cannot give.
    all_of_them = condition.base.profile.tells_facts
    pairs = known.questions if all_of_them else concept.questions
    owners = [unmark(question, concept.name) for question, _ in pairs]
    questions = [*map(settings.named, settings.questions), *owners]
    said = [
        {"question": q, "answer": a}
        for q, a in zip(questions, condition.ask(questions), strict=True)
    ]
    first = known.pictures_NK[:1]
    said.append(
        {
            "question": "(the first picture) describe the photo.",
            "answer": condition.caption(first)[0],
        }
    )
    probability = condition.recognise(first)[0]
    answer = f"{yes_or_no(probability)} ({probability:.2f})"
    said.append(
        {"question": f"(the first picture) is {concept.marker} in the photo?", "answer": answer}
    )
    return said


def _table_rows(
    base: Base,
    tokens: ConceptTokens,
    concept: Concept,
    known: _Known,
    settings: RunConfig,
) -> dict[str, dict[str, float]]:
    """Scores with controls: on held-out pictures where the truth is known, else on what the run
    has.
    """
    if not _truth_is_known(concept, settings):
        return {tokens.method: _own_scores(with_tokens(base, tokens), known)}
    # Anew: no file of an earlier run's test may be left among this one's.
    with Manifest(settings.folder).held_out_anew() as root:
        return _held_out_rows(base, tokens, concept, settings, root)


def _held_out_rows(
    base: Base, tokens: ConceptTokens, concept: Concept, settings: RunConfig, root: Path
) -> dict[str, dict[str, float]]:
    """Scores on pictures that are drawn anew.

    Args:
        base: The frozen base.
        tokens: What was learned.
        concept: What it was learned from, its truth included.
        settings: The config that it was learned by.
        root: Where the pictures and the drawings go.
    """
    seed = (settings.seed, HELD_OUT_SEED)
    world = judged_world()
    world.write_test(concept, root, seed)
    test = read(root, "unifybench")
    subject = make_ready(base, test, concept.name, world.read_truth(root, concept.name))
    how = {
        "judge": world.load_judge(settings.judge),
        "drawings": root / "drawings",
        "seed": settings.seed,
    }
    how["list_options"] = base.profile.reads_options
    compared = {
        tokens.method: with_tokens(base, tokens),
        **controls_of(base, subject.concept, wrong=_another_concept(base, settings)),
    }
    shown = [(name, p) for name, p in compared.items() if name in (tokens.method, *COMPARED)]
    return {
        name: scores(
            predictions(Trial(method=name, base=base, personalization=p, subject=subject, **how))
        )
        for name, p in progress(shown, "measuring", unit="row")
    }


def _another_concept(base: Base, settings: RunConfig) -> ConceptTokens | None:
    """`settings.other`, where it was learned on this base and is not the run's own."""
    path, own = (
        shipped.find_concept(settings.other or ""),
        concept_file.path_of(settings.concept.name, settings.concepts),
    )
    if not is_file(path) or real_path(path) == real_path(own):
        return None
    if not concept_file.is_of_base(concept_file.read_header(path)["base_fingerprint"], base):
        return None
    return concept_file.load(path, base)


def _truth_is_known(concept: Concept, settings: RunConfig) -> bool:
    """Whether held-out pictures can be drawn, and what is drawn be read."""
    return concept.truth is not None and settings.judge is not None


def _own_scores(condition: Condition, known: _Known) -> dict[str, float]:
    own = condition.recognise(known.pictures_NK)
    scores = {"positive": mean(p > RECOGNISED for p in own)}
    if known.negatives:
        others = torch.cat(list(known.negatives.values()))
        some = torch.linspace(0, len(others) - 1, min(SOME, len(others))).long()  # of every grade
        scores["negatives"] = mean(p <= RECOGNISED for p in condition.recognise(others[some]))
    return {**scores, "psnr": mean(known.decibels)} if known.decibels else scores


def _world_note(known: _Known) -> str:
    """How well the base sees the pictures; plainly, where they lie outside its world."""
    if not known.notes:
        return f"Picture in, picture out: {say_decibels(known.decibels)}."
    return f"**{' '.join(known.notes)}** The second row above is all that it sees."


def _explained(concept: Concept, settings: RunConfig) -> list[str]:
    if not _truth_is_known(concept, settings):
        return [NO_TEST]
    explained = (
        "Measured on pictures, look-alikes and prompts drawn anew, not seen while learning."
        " recognition: easy and hard negatives; recognition_near_duplicates: look-alikes with every nameable"
        " attribute the same; palette: RGB distance of the drawn fur from the exact shade (less is"
        " better); knowledge: drawings of 'its hat', which only a fact tells. none: no"
        " tokens; class_noun: 'bo is a dog.'; text_prompt: the description and"
        " the facts in words; wrong_concept: another pet's tokens (left out where there are none of"
        " this base)."
    )
    return [explained, *judged_world().judge_accuracy(settings.judge)]
