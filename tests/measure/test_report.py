import json
from dataclasses import replace

import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save_file

from unictoken.concept import file as concept_file
from unictoken.conditioning import Conditioning
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.measure import abilities, toy
from unictoken.measure.judge import Judge
from unictoken.measure.report import finish


@pytest.fixture(scope="module")
def finished(base, toy_folder, short_method, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = RunConfig(
        concept=ConceptConfig(name="tom", pictures=(str(toy_folder),)), method=short_method, out=str(folder), concepts=str(folder / "concepts"),
        prompts=("<{name}> wearing a hat",), questions=("what is <{name}>?",), judge=None,
    )
    return settings, finish(base, settings, *run(base, settings))


def test_the_concept_file_keeps_what_was_measured(base, finished):
    settings, _ = finished
    concept = concept_file.load(settings.folder / "concepts" / "tom.safetensors", base)
    assert set(concept.scores) == {"positive", "negatives", "psnr"} and 0 <= concept.scores["positive"] <= 1


def test_the_report_shows_pictures_answers_and_scores(finished):
    settings, printed = finished
    report = (settings.folder / "report.md").read_text()
    for part in ("# &lt;tom&gt;, a ", "references.png", "references-as-seen.png", "drawn-0.png", "what is &lt;tom&gt;?", "| joint |"):
        assert part in report
    assert "These pictures lie outside this base's world" in report  # an untrained base gives nothing back
    assert "tom.safetensors" in printed and "report.md" in printed


def test_the_name_is_seen_in_the_rendered_report(finished):
    settings, _ = finished
    html = MarkdownIt("commonmark").enable("table").render((settings.folder / "report.md").read_text(encoding="utf-8"))
    assert "<h1>&lt;tom&gt;, a " in html and "<p>&lt;tom&gt; wearing a hat</p>" in html and "<li>what is &lt;tom&gt;?" in html
    assert "<tom>" not in html and html.count("<img ") == 3


def test_every_picture_that_the_report_names_is_there(finished):
    settings, _ = finished
    report = (settings.folder / "report.md").read_text()
    named = [part.split(")")[0] for part in report.split("](")[1:]]
    assert named and all((settings.folder / name).is_file() for name in named)
    assert (settings.folder / "grid.png").is_file()


def test_answers_are_kept_with_their_questions(toy, finished):
    settings, _ = finished
    answers = json.loads((settings.folder / "answers.json").read_text())
    asked = [a["question"] for a in answers]
    assert asked[0] == "what is <tom>?" and len(asked) == 1 + len(toy.source.questions) + 2


def test_abilities_of_a_base_are_shares(base):
    numbers = abilities.measure_base(base, None, count=2, seed=0)
    assert {"psnr", "vqa", "caption_exact", "named", "codes_no_twin"} <= set(numbers)
    assert all(0 <= value <= 1 for name, value in numbers.items() if name != "psnr")


def test_a_toy_pet_is_measured_beside_its_controls(base, toy_folder, short_method, tmp_path, monkeypatch):
    monkeypatch.setattr(toy, "TEST_PICTURES", 1)
    monkeypatch.setattr(toy, "DRAWINGS", 1)
    torch.manual_seed(0)
    save_file(Judge().state_dict(), tmp_path / "judge.safetensors")
    settings = RunConfig(
        concept=ConceptConfig(name="tom", pictures=(str(toy_folder),)), method=short_method, out=str(tmp_path / "run"),
        concepts=str(tmp_path), prompts=(), judge=str(tmp_path / "judge.safetensors"),
    )
    learned, asked, ask = run(base, settings), [], Conditioning.ask
    monkeypatch.setattr(Conditioning, "ask", lambda self, questions, *more, **how: asked.extend(questions) or ask(self, questions, *more, **how))

    def compared(other: str) -> list[str]:
        lines = finish(base, replace(settings, other=str(tmp_path / other)), *learned).splitlines()
        return [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("| ")]

    alone = ["", "joint", "*none*", "*class_noun*", "*text_prompt*"]
    assert compared("nobody.safetensors") == compared("tom.safetensors") == alone  # not with itself
    (tmp_path / "another.safetensors").write_bytes((tmp_path / "tom.safetensors").read_bytes())
    assert compared("another.safetensors") == [*alone, "*wrong_concept*"]
    assert asked and not any("A." in question for question in asked)  # its base was never taught to read options
    scores = concept_file.load(tmp_path / "tom.safetensors", base).scores
    assert {"recognition", "recognition_twins", "vqa", "text_qa", "identity", "palette", "prompt"} <= set(scores)
