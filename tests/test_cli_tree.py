"""`unictoken learn --tree`: one photo, and what the base draws of it and of others."""

from __future__ import annotations

import pytest

from unictoken.cli import learning, parser
from unictoken.core.config import ConfigError


@pytest.fixture
def checked(monkeypatch, toy, tmp_path):
    """The settings that a command line comes to, without learning anything."""
    found = []
    monkeypatch.setattr(learning, "_learn", lambda settings, concept: found.append(settings))
    toy.pictures[0].save(tmp_path / "0.png")
    place = ("--set", f"concepts={tmp_path}", "--out", str(tmp_path / "run"))

    def settings(*line: str):
        photo = ("learn", str(tmp_path / "0.png"), "--name", "tom", "--class", "dog")
        options = parser().parse_args([*photo, *place, *line])
        options.action(options)
        return found[-1]

    return settings


@pytest.mark.parametrize("method", [(), ("--method", "yollava")])
def test_it_asks_for_as_many_of_each_kind(checked, method):
    tree = checked("--tree", "5", *method).method.tree
    assert (tree.positives, tree.negatives, tree.drawn) == (5, 5, 2)


def test_settings_are_laid_on_top(checked):
    tree = checked("--tree", "5", "--set", "method.tree.positives=0").method.tree
    assert (tree.positives, tree.negatives) == (0, 5)


def test_without_it_nothing_is_drawn(checked):
    assert not checked().method.tree.is_asked


@pytest.mark.parametrize("number", ["-1", "0", "1001"])
def test_a_number_that_is_none_is_refused_in_one_line(checked, number):
    with pytest.raises(ConfigError, match=f"--tree: found {number.replace('1001', '1,?001')}"):
        checked("--tree", number)


def test_how_many_are_drawn_for_each_stays_as_the_methods_file_says(checked, tmp_path):
    own = tmp_path / "few.yaml"
    own.write_text("method: {name: few, tree: {positives: 3, drawn: 4}}\n", encoding="utf-8")
    tree = checked("--tree", "5", "--method", str(own)).method.tree
    assert (tree.positives, tree.negatives, tree.drawn) == (5, 5, 4)


def test_a_method_that_learns_nothing_refuses_a_tree(checked):
    with pytest.raises(ConfigError, match="'plvm': a tree is for learning"):
        checked("--tree", "5", "--method", "plvm")
    refined = checked("--tree", "5", "--method", "plvm", "--set", "method.refine=2")
    assert refined.method.tree.positives == 5
