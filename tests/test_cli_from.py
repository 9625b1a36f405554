"""`unictoken learn --from`: a finished concept goes on learning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unictoken import api
from unictoken.cli import learning, parser
from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.data import templates
from unictoken.data.source import read_concept
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import Prompts


@pytest.fixture
def file(make_concept, tmp_path):
    return concept_file.save(make_concept("tom", shared=3), tmp_path / "before.safetensors")


@pytest.fixture
def checked(monkeypatch):
    """The settings that a command line comes to, without learning anything."""
    found = []
    monkeypatch.setattr(learning, "_learn", lambda settings, concept: found.append(settings))

    def settings(*line: str):
        options = parser().parse_args(["learn", *line])
        options.action(options)
        return found[-1]

    return settings


def test_the_file_says_name_noun_rows_and_prompts(checked, toy_folder, file, tmp_path):
    line = ("--set", f"concepts={tmp_path}", "--out", str(tmp_path / "run"))
    settings = checked(str(toy_folder), "--from", str(file), "--method", "repic", *line)
    assert (settings.concept.name, settings.concept.class_noun) == ("tom", "dog")
    method = settings.method
    assert (method.name, method.kind, method.start_file) == ("repic", "reward", file)
    assert method.tokens.shared == 3 and [s.name for s in method.stages] == ["reward"]
    # Without a method it learns as usual, from there.
    assert checked(str(toy_folder), "--from", str(file), *line).method.name == "joint"


def test_settings_are_laid_on_top(checked, toy_folder, file, tmp_path):
    line = ("--set", f"concepts={tmp_path}", "--set", "method.stages.0.steps=7")
    settings = checked(str(toy_folder), "--from", str(file), "--method", "sync_r1", *line)
    assert settings.method.total_steps == 7


def test_it_does_not_write_over_the_file_that_it_reads(checked, toy_folder, make_concept, tmp_path):
    own = concept_file.save(make_concept("tom", shared=3), tmp_path / "tom.safetensors")
    line = ("--from", str(own), "--set", f"concepts={tmp_path}", "--replace")
    with pytest.raises(ConfigError, match="is the file that this run writes"):
        checked(str(toy_folder), *line)


def test_several_folders_are_refused(checked, toy_folder, file):
    with pytest.raises(ConfigError, match="--from: found --each"):
        checked(str(toy_folder), "--each", "--from", str(file))


def test_a_method_that_optimises_no_rows_starts_from_no_file(file):
    from unictoken.learn.methods import MethodSettings

    with pytest.raises(ConfigError, match="which starts from no concept file"):
        api.chosen_method(MethodSettings(kind="other"), file, None)
    with pytest.raises(UserError, match="start: found int, expected a concept file"):
        api.chosen_method("joint", 3, None)


def test_python_goes_on_from_a_file_too(file):
    method = api.chosen_method("repic", file, 2)
    assert method.start_file == file and method.total_steps == 2


@pytest.mark.slow
def test_without_photos_it_learns_from_what_it_draws_of_itself(
    checked, base_folder, make_concept, tmp_path, monkeypatch
):
    # The same weights as the fixture's base: a folder's fingerprint is that of its files.
    fingerprint = api.load(base_folder).fingerprint
    tom = replace(make_concept("tom", shared=3), base_fingerprint=fingerprint)
    file = concept_file.save(tom, tmp_path / "before.safetensors")
    monkeypatch.chdir(tmp_path)
    line = ("--from", str(file), "--method", "repic", "--base", str(base_folder))
    settings = checked(*line, "--out", "run")
    (drawn,) = settings.concept.pictures
    concept = read_concept(drawn, name="tom")
    assert drawn == "run-drawn" and len(concept.pictures) == 6 and concept.class_noun == "dog"
    before = {path.name: path.read_bytes() for path in (tmp_path / drawn).iterdir()}
    # The same ones again: a run that was stopped goes on from the pictures that it began with.
    monkeypatch.setattr("unictoken.learn.portrait.with_tokens", None)
    checked(*line, "--out", "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / drawn).iterdir()} == before
    # Another concept, or another seed, does not learn from them.
    ann = replace(make_concept("ann", shared=2), base_fingerprint=fingerprint)
    other = concept_file.save(ann, tmp_path / "other.safetensors")
    for changed in (("--from", str(other), *line[2:]), (*line, "--seed", "5")):
        with pytest.raises(UserError, match="drawn of another concept, or by another seed"):
            checked(*changed, "--out", "run")


def test_without_photos_and_without_a_file_there_is_nothing_to_learn(checked):
    with pytest.raises(ConfigError, match="found no pictures. Give three to five"):
        checked("--name", "tom", "--class", "dog")


@pytest.fixture
def user_file(make_concept, tmp_path):
    zoe = replace(make_concept("zoe", shared=3), class_noun="person", consent=True)
    answers = {"user": {"says": {templates.WOULD_LIKE: ["no", "yes"]}}}
    zoe = replace(zoe, sections=answers, prompts=Prompts(generation=None))
    return concept_file.save(zoe, tmp_path / "before.safetensors")


def test_a_users_file_says_that_its_labels_are_learned(checked, user_file, toy, tmp_path):
    for label, picture in zip(("likes", "dislikes"), toy.pictures, strict=False):
        (tmp_path / "zoe" / label).mkdir(parents=True)
        picture.save(tmp_path / "zoe" / label / "0.png")
    line = ("--set", f"concepts={tmp_path}", "--out", str(tmp_path / "run"))
    settings = checked(str(tmp_path / "zoe"), "--from", str(user_file), *line)
    assert (settings.concept.kind, settings.method.name) == ("user", "user")
    assert settings.method.start_file == user_file


def test_a_user_draws_nothing_to_learn_from(checked, user_file):
    with pytest.raises(ConfigError, match="'zoe' is a user.*Give their labels"):
        checked("--from", str(user_file))


def test_the_method_of_users_needs_no_kind(checked, tmp_path):
    rows = '[{"text": "rain.", "label": "likes"}, {"text": "snow.", "label": "dislikes"}]'
    (tmp_path / "zoe.json").write_text(rows, encoding="utf-8")
    line = ("--name", "zoe", "--consent", "--set", f"concepts={tmp_path}")
    settings = checked(str(tmp_path / "zoe.json"), "--method", "user", *line)
    assert settings.concept.kind == "user"
