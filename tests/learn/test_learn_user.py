"""A user is learned from labels by method 'user', and by no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import unictoken
from unictoken import cli
from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.errors import Refused, UserError
from unictoken.core.shipped import find_method
from unictoken.data.opinions import read_user
from unictoken.data.source import SourceError
from unictoken.learn.method import Run
from unictoken.learn.methods import Method, MethodFile, Stage
from unictoken.learn.prepare import prepare
from unictoken.learn.run import method_of
from unictoken.personalize.user import USER
from unictoken.tasks import taught
from unictoken.tasks.teaching import Phrasing, Teaching
from unictoken.tokens import file as concept_file
from unictoken.tokens.start import centres_of_ids
from unictoken.tokens.tokens import Prompts


def picture(colour: str) -> Image.Image:
    return Image.new("RGB", (32, 32), colour)


@pytest.fixture
def method() -> Method:
    return config.load(MethodFile, find_method("user"), ["method.stages.0.steps=2"]).method


@pytest.fixture
def zoe():
    likes, dislikes = map(picture, ("red", "orange")), map(picture, ("blue", "navy", "teal"))
    return read_user({"likes": [*likes], "dislikes": [*dislikes]}, name="zoe", consent=True)


@pytest.fixture
def reader(tmp_path):
    """A user of texts alone, with labels of both kinds."""
    said = [
        {"text": "i eat soup.", "label": "likes"},
        {"text": "i sleep.", "label": "dislikes"},
        {"text": "i eat soup.", "label": "funny"},
        {"text": "i sleep.", "label": "sad"},
    ]
    (tmp_path / "tom.json").write_text(json.dumps(said), encoding="utf-8")
    return read_user(tmp_path / "tom.json", name="tom", consent=True)


def test_what_is_learned_is_an_ordinary_concept_file_that_says_whose_labels(
    base, zoe, method, tmp_path
):
    learned = method_of(method).fit(base, [zoe], run=Run())
    path = learned.save(tmp_path / "zoe.safetensors")
    header = concept_file.read_header(path)
    assert (header["class_noun"], header["consent"], header["method"]) == ("person", True, "user")
    assert header["sections"] == {USER: {"says": {"would {name} like this?": ["no", "yes"]}}}
    again = concept_file.load(path, base)
    assert torch.equal(again.rows_in, learned.tokens.rows_in)


def test_rows_begin_from_what_the_user_likes(base, zoe, method):
    prepared = prepare(base, zoe, method, seed=0)
    liked_NK = base.encode(zoe.pictures[:2])
    first = centres_of_ids(base, liked_NK.flatten(), 8, torch.Generator().manual_seed(0))
    assert torch.equal(prepared.learner.rows[0, 1:].detach(), first)


def test_a_user_of_texts_alone_is_learned(base, reader, method):
    tokens = method_of(method).fit(base, [reader], run=Run()).tokens
    assert set(tokens.sections[USER]["says"]) == {
        "would {name} like this?",
        "what does {name} say of this?",
    }


def test_each_label_is_taught_equally_often(base, method):
    likes, dislikes = [picture("red")], [Image.new("RGB", (32, 32), (0, 0, i)) for i in range(9)]
    user = read_user({"likes": likes, "dislikes": dislikes}, name="zoe", consent=True)
    material = prepare(base, user, method, seed=0).material
    phrasing = Phrasing(
        base.vocab, Prompts(generation=None), {"{name}": [5], "<zoe>": [5], "{shared}": [6]}
    )
    rng, task = np.random.default_rng(0), taught()["opinion"]
    answers = [
        base.vocab.decode(task.teach(Teaching(material=material, phrasing=phrasing), rng)[1].ids)
        for _ in range(200)
    ]  # fmt: skip
    assert set(answers) == {"yes", "no"} and 70 < answers.count("yes") < 130


def test_a_user_and_a_method_that_learns_no_labels_are_refused(base, zoe, toy, method):
    never = Run(show=lambda progress: pytest.fail("it learned"))
    joint = Method(stages=(Stage(steps=1),))
    with pytest.raises(SourceError, match="is a user, and method 'joint' learns no labels"):
        method_of(joint).fit(base, [zoe], run=never)
    with pytest.raises(SourceError, match="is no user, and method 'user' learns labels"):
        method_of(method).fit(base, [toy], run=never)


def test_a_user_who_did_not_agree_is_refused(base, zoe, method):
    with pytest.raises(SourceError, match="agreed"):
        method_of(method).fit(base, [replace(zoe, consent=False)], run=Run())


# ---- the library and the command ----------------------------------------------------------------


@pytest.fixture
def folder(zoe, tmp_path):
    for i, label in enumerate(("likes", "likes", "dislikes", "dislikes", "dislikes")):
        (tmp_path / "zoe" / label).mkdir(parents=True, exist_ok=True)
        zoe.pictures[i].save(tmp_path / "zoe" / label / f"{i}.png")
    return tmp_path / "zoe"


def test_the_library_learns_a_user_from_a_folder_or_from_pictures_by_label(
    base_folder, folder, zoe
):
    base = unictoken.load(base_folder, device="cpu")
    how = {"name": "zoe", "kind": "user", "consent": True, "steps": 2, "verbose": False}
    tokens = unictoken.learn(base, folder, **how)
    by_label = {"likes": list(zoe.pictures[:2]), "dislikes": list(zoe.pictures[2:])}
    other = unictoken.learn(base, by_label, **how)
    assert tokens.source == other.source and tokens.method == "user"
    assert len(base.with_concepts(tokens).likes([*zoe.pictures])) == 5
    with pytest.raises(UserError, match="pictures without labels"):
        unictoken.learn(base, list(zoe.pictures), **how)
    with pytest.raises(UserError, match="facts or negatives of a user"):
        unictoken.learn(base, folder, facts="<zoe> runs.", **how)
    with pytest.raises(UserError, match="found pictures by label, which are a user's"):
        unictoken.learn(base, by_label, name="zoe", class_noun="dog")


@pytest.mark.slow
def test_the_command_learns_a_user_and_ranks_pictures_by_their_taste(
    base_folder, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    line = ["learn", str(folder), "--name", "zoe", "--kind", "user", "--base", str(base_folder)]
    quick = ["--set", "method.stages.0.steps=2", "--board", "none", "--consent"]
    cli.main([*line, *quick])
    said = capsys.readouterr().out
    assert "of 5 labels are learned." in said
    report = (tmp_path / "runs/zoe/report.md").read_text(encoding="utf-8")
    assert "| yes | 2 |" in report and "not a test" in report

    ranked = ["rank", "--concept", "zoe", "--in", str(folder / "likes"), "--json"]
    cli.main([*ranked, "--limit", "1"])
    (best,) = map(json.loads, capsys.readouterr().out.splitlines())
    cli.main(ranked)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    scores = [line["score"] for line in lines]
    assert scores == sorted(scores, reverse=True) and len(lines) == 2 and lines[0] == best
    assert best["concept"] == "zoe"


def test_the_command_refuses_a_user_in_one_line(base_folder, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["learn", str(folder), "--name", "zoe", "--kind", "user", "--base", str(base_folder)]
    for more, said in (
        ([], "agreed to it only"),
        (["--consent", "--fact", "<zoe> runs."], "found 'facts' of a user"),
        (["--consent", "--method", "joint"], "is a user, and method 'joint' learns no labels"),
    ):
        with pytest.raises(Refused):
            cli.main([*line, *more])
        told = capsys.readouterr().err.strip()
        assert said in told and "\n" not in told


def test_nobody_learns_a_config_with_two_places_of_a_user():
    from unictoken.learn.settings import ConceptConfig

    with pytest.raises(ConfigError, match="found 2 places of a user"):
        ConceptConfig(name="zoe", pictures=("a", "b"), kind="user")
