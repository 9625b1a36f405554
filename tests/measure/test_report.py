import json
from dataclasses import replace

import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save_file

from unictoken import hub
from unictoken.learn import outside
from unictoken.learn.method import Run
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.measure.report import finish, learn_and_report
from unictoken.personalize.condition import Condition
from unictoken.tokens import file as concept_file
from unictoken.toy import abilities, concepts
from unictoken.toy.judge import Judge


@pytest.fixture
def settings(toy_folder, short_method, tmp_path):
    """A short run that is measured on its own pictures."""
    places = {"out": str(tmp_path / "run"), "concepts": str(tmp_path / "concepts")}
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    return RunConfig(
        concept=concept,
        method=short_method,
        prompts=(),
        questions=(),
        judge=None,
        show_every=0,
        **places,
    )


@pytest.fixture(scope="module")
def finished(base, toy_folder, short_method, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = RunConfig(
        concept=ConceptConfig(name="tom", pictures=(str(toy_folder),)),
        method=short_method,
        out=str(folder),
        concepts=str(folder / "concepts"),
        prompts=("<{name}> wearing a hat",),
        questions=("what is <{name}>?",),
        judge=None,
    )
    return settings, finish(base, settings, run(base, settings))


@pytest.mark.slow
def test_the_concept_file_keeps_what_was_measured(base, finished):
    settings, _ = finished
    concept = concept_file.load(settings.folder / "concepts" / "tom.safetensors", base)
    assert (
        set(concept.scores) == {"positive", "negatives", "psnr"}
        and 0 <= concept.scores["positive"] <= 1
    )


@pytest.mark.slow
def test_the_report_shows_pictures_answers_and_scores(finished):
    settings, printed = finished
    report = (settings.folder / "report.md").read_text(encoding="utf-8")
    for part in (
        "# &lt;tom&gt;, a ",
        "references.png",
        "references-as-seen.png",
        "drawn-0.png",
        "what is &lt;tom&gt;?",
        "| joint |",
    ):
        assert part in report
    # an untrained base gives nothing back
    assert "**These pictures lie outside this base's world: " in report
    assert "tom.safetensors" in printed and "report.md" in printed


def test_the_name_is_seen_in_the_rendered_report(finished):
    settings, _ = finished
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .render((settings.folder / "report.md").read_text(encoding="utf-8"))
    )
    assert (
        "<h1>&lt;tom&gt;, a " in html
        and "<p>&lt;tom&gt; wearing a hat</p>" in html
        and "<li>what is &lt;tom&gt;?" in html
    )
    assert "<tom>" not in html and html.count("<img ") == 5


MARKUP = (
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "| a | b |",
    "http://evil.example/www.evil.example",
)


@pytest.mark.slow
def test_nothing_that_a_config_says_is_markup_of_the_report(
    base, toy_folder, short_method, tmp_path
):
    settings = RunConfig(
        concept=ConceptConfig(
            name="tom", pictures=(str(toy_folder),), class_noun="<i>dog</i> | b", kind="object"
        ),
        method=short_method,
        out=str(tmp_path / "run"),
        concepts=str(tmp_path / "concepts"),
        prompts=tuple(f"<{{name}}> {text}" for text in MARKUP),
        questions=tuple(f"what is <{{name}}>? {text}" for text in MARKUP),
        judge=None,
    )
    finish(base, settings, run(base, settings))
    report = (settings.folder / "report.md").read_text(encoding="utf-8")
    parser = MarkdownIt("commonmark").enable(["table"])
    html = parser.render(report)
    assert "evil.example/x.png" in html and "&lt;i&gt;dog&lt;/i&gt; | b" in html  # they are seen
    for tag in ("<a ", "<i>", 'src="http', "href", "<td>a"):
        assert tag not in html


def test_every_picture_that_the_report_names_is_there(finished):
    settings, _ = finished
    report = (settings.folder / "report.md").read_text(encoding="utf-8")
    named = [part.split(")")[0] for part in report.split("](")[1:]]
    assert named and all((settings.folder / name).is_file() for name in named)
    assert (settings.folder / "grid.png").is_file()


def test_answers_are_kept_with_their_questions(toy, finished):
    settings, _ = finished
    answers = json.loads((settings.folder / "answers.json").read_text(encoding="utf-8"))
    asked = [a["question"] for a in answers]
    assert asked[0] == "what is <tom>?" and len(asked) == 1 + len(toy.questions) + 2


@pytest.mark.slow
def test_abilities_of_a_base_are_shares(base):
    numbers = abilities.measure_base(base, None, count=2, seed=0)
    assert {"psnr", "vqa", "caption_exact", "named", "codes_no_near_duplicate"} <= set(numbers)
    assert all(0 <= value <= 1 for name, value in numbers.items() if name != "psnr")


@pytest.mark.slow
def test_a_toy_pet_is_measured_beside_its_controls(
    base, toy_folder, short_method, tmp_path, monkeypatch
):
    monkeypatch.setattr(concepts, "TEST_PICTURES", 1)
    monkeypatch.setattr(concepts, "DRAWINGS", 1)
    torch.manual_seed(0)
    save_file(Judge().state_dict(), tmp_path / "judge.safetensors")
    settings = RunConfig(
        concept=ConceptConfig(name="tom", pictures=(str(toy_folder),)),
        method=short_method,
        out=str(tmp_path / "run"),
        concepts=str(tmp_path),
        prompts=(),
        judge=str(tmp_path / "judge.safetensors"),
    )
    learned, asked, ask = run(base, settings), [], Condition.ask
    monkeypatch.setattr(
        Condition,
        "ask",
        lambda self, questions, *more, **how: (
            asked.extend(questions) or ask(self, questions, *more, **how)
        ),
    )

    def compared(other: str) -> list[str]:
        lines = finish(base, replace(settings, other=str(tmp_path / other)), learned).splitlines()
        return [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("| ")]

    alone = ["", "joint", "*none*", "*class_noun*", "*text_prompt*"]
    assert compared("nobody.safetensors") == compared("tom.safetensors") == alone  # not with itself
    (tmp_path / "another.safetensors").write_bytes((tmp_path / "tom.safetensors").read_bytes())
    assert compared("another.safetensors") == [*alone, "*wrong_concept*"]
    # its base was never taught to read options
    assert asked and not any("A." in question for question in asked)
    scores = concept_file.load(tmp_path / "tom.safetensors", base).scores
    assert {
        "recognition",
        "recognition_near_duplicates",
        "vqa",
        "text_qa",
        "identity",
        "palette",
        "prompt",
    } <= set(scores)


# ---- pictures outside the base's world --------------------------------------------------------------

OUTSIDE = "These pictures lie outside this base's world: its image tokenizer gives them back at "


@pytest.mark.slow
def test_pictures_outside_the_bases_world_are_said_before_learning_and_everywhere_after(
    base, settings, caplog, tmp_path
):
    seen_first = []
    learned = run(base, settings, show=lambda _: seen_first.append(caplog.text.count(OUTSIDE)))
    assert seen_first == [1] * 6
    printed = finish(base, settings, learned)
    (note,) = concept_file.read_header(settings.folder.parent / "concepts" / "tom.safetensors")[
        "notes"
    ]
    assert note.startswith(OUTSIDE) and "\n" not in note
    assert note in printed.splitlines()[-3:]
    assert f"**{note}**" in (settings.folder / "report.md").read_text(encoding="utf-8")
    told = {"base_model": "user/tiny", "licence": "mit"}
    folder = hub.save_card_folder(
        concept_file.path_of("tom", settings.concepts), tmp_path / "card", **told
    )
    assert note in (folder / "README.md").read_text(encoding="utf-8")


def test_other_processes_do_not_say_it_again(base, settings, caplog):
    run(base, settings, first_process=False)
    assert OUTSIDE not in caplog.text


@pytest.mark.slow
def test_pictures_of_the_bases_world_need_no_note(base, settings, caplog, monkeypatch):
    monkeypatch.setattr(outside, "round_trip_psnr", lambda *_: 25.0)
    printed = finish(base, settings, run(base, settings))
    assert OUTSIDE not in caplog.text + printed
    assert "notes" not in concept_file.read_header(concept_file.path_of("tom", settings.concepts))
    assert "Picture in, picture out: 25.0 dB (25.0 the worst)." in (
        settings.folder / "report.md"
    ).read_text(encoding="utf-8")


def test_one_picture_outside_is_enough(base, settings, monkeypatch):
    found = iter([25.0, 25.0, 18.0, 25.0, 25.0])
    monkeypatch.setattr(outside, "round_trip_psnr", lambda *_: next(found))
    prepared = run(base, settings).prepared
    assert (
        prepared.decibels == (25.0, 25.0, 18.0, 25.0, 25.0)
        and "(18.0 the worst)" in prepared.notes[0]
    )


@pytest.mark.slow
@pytest.mark.parametrize("change", ["cannot draw", "another world"])
def test_where_nothing_is_known_nothing_is_said(base, settings, change, caplog, monkeypatch):
    monkeypatch.setattr(base, "can_draw", change != "cannot draw")
    if change == "another world":
        monkeypatch.setattr(base, "profile", replace(base.profile, least_psnr=None))
    printed = finish(base, settings, run(base, settings))
    assert OUTSIDE not in caplog.text + printed and "dB" not in caplog.text


def test_a_concept_that_is_learned_without_a_run_says_it_in_its_file_too(base, toy, short_method):
    learned = OptimizeRows(short_method).fit(base, [toy], run=Run())
    assert learned.tokens.notes[0].startswith(OUTSIDE)


def with_broken_judge(settings, judge, other):
    judge.write_bytes(b"x" * 100)
    return settings


def with_broken_accuracy(settings, judge, other):
    judge.with_name("accuracy.json").write_text("{", encoding="utf-8")
    return settings


def with_broken_other(settings, judge, other):
    other.write_bytes(other.read_bytes()[:-4])
    return replace(settings, other=str(other))


def with_the_name_of_a_control(settings, judge, other):
    return replace(settings, method=replace(settings.method, name="none"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_broken_judge, "judge.safetensors: not a whole safetensors file"),
        (with_broken_accuracy, "accuracy.json"),
        (with_broken_other, "rex.safetensors"),
        (with_the_name_of_a_control, "'none' is that of a control"),
    ],
)
def test_what_the_report_could_not_use_is_said_before_anything_is_learned(
    base, settings, make_concept, change, said, tmp_path
):
    judge, other = tmp_path / "judge.safetensors", tmp_path / "rex.safetensors"
    save_file(Judge().state_dict(), judge)
    concept_file.save(make_concept("rex"), other)
    settings = change(replace(settings, judge=str(judge)), judge, other)
    with pytest.raises(ValueError, match=said) as refused:
        learn_and_report(base, settings, concept_of(settings))
    assert "\n" not in str(refused.value) and not settings.folder.exists()
