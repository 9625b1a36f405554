"""The page without a browser: who is let in, what it holds, and that texts stay texts."""

from __future__ import annotations

import argparse
import importlib.util
import re

import pytest
from served import send

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

from unictoken import cli
from unictoken.app import card
from unictoken.app.parts import guarded, guarded_pieces, one_of
from unictoken.app.runs import State
from unictoken.app.site import App, check_open_host
from unictoken.cli import app as command
from unictoken.core import shipped
from unictoken.core.errors import UserError

MARKUP = "<img src=x onerror=alert(1)>"
NO_GRADIO = importlib.util.find_spec("gradio") is None
needs_gradio = pytest.mark.skipif(NO_GRADIO, reason="gradio is not installed: make test-app")


def test_every_text_on_the_page_is_escaped(base, make_concept, tmp_path):
    for shown in (
        card.line(MARKUP, bad=True),
        card.table({MARKUP: MARKUP}),
        card.bar(State(name=MARKUP, phase="failed", total=3, line=MARKUP)),
    ):
        assert "<img" not in shown and "&lt;img src=x" in shown


def test_a_concept_file_says_nothing_in_markup(make_concept, tmp_path):
    from dataclasses import replace

    hostile = replace(make_concept("bo"), class_noun=MARKUP, method=MARKUP, notes=(MARKUP,))
    shown = card.table(card.facts_of_file(hostile.save(tmp_path / "bo.safetensors")))
    assert "<img" not in shown and shown.count("&lt;img src=x") == 3


@pytest.mark.parametrize(
    ("state", "said", "value"),
    [
        (None, "Nothing is being learned.", None),
        (State(name="bo", phase="waiting", total=4), "&lt;bo&gt; waits for its turn.", "0"),
        (
            State(name="bo", phase="learning", total=4, losses=((1, 0.5), (2, 0.25))),
            "&lt;bo&gt; learns: step 2 of 4, loss 0.250.",
            "2",
        ),
        (State(name="bo", phase="done", total=4), "&lt;bo&gt; has been learned.", "4"),
    ],
)
def test_the_bar_says_how_a_run_stands(state, said, value):
    shown = card.bar(state)
    assert said in shown
    assert re.findall(r'value="(\d+)"', shown) == ([value] if value else [])


def test_what_goes_wrong_is_a_line_and_a_bug_only_a_number(caplog):
    line = object()

    def refuse():
        raise UserError(MARKUP)

    def fail():
        raise RuntimeError("secret")

    assert guarded(line)(refuse)() == {line: card.line(MARKUP, bad=True)}
    assert "secret" not in guarded(line)(fail)()[line] and "RuntimeError: secret" in caplog.text

    def grow():
        yield {"a": 1}
        refuse()

    shown = list(guarded_pieces(line)(grow)())
    assert shown == [{line: ""}, {"a": 1}, {line: card.line(MARKUP, bad=True)}]


def test_a_list_that_has_changed_chooses_what_has_come():
    assert one_of("mia", ["bo", "mia"], ["bo"]) == "bo"
    assert one_of("gone", ["bo", "mia"], []) == "bo"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_other_machines_need_a_login(host):
    with pytest.raises(UserError, match="--user NAME"):
        check_open_host(host, None)
    check_open_host(host, ("anna", "12345678"))


@pytest.mark.parametrize(
    ("words", "password", "found"),
    [
        ([], "", None),
        (["--user", "anna"], "long enough", ("anna", "long enough")),
        (["--user", "anna"], "short", "found a password of 5 letters"),
        (["--password-file", "p"], "", "found no name"),
    ],
)
def test_the_login_comes_from_the_command_line_and_no_password_is_seen_there(
    words, password, found, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").write_text("a password\n", encoding="utf-8")
    monkeypatch.setenv(command.PASSWORD, password)
    options = cli.parser().parse_args(["app", *words])
    if not isinstance(found, str):
        assert command._login(options) == found
        return
    with pytest.raises(UserError, match=found):
        command._login(options)


def test_without_the_extra_one_line_names_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'unictoken\[app\]'"):
        command.app(argparse.Namespace())


@pytest.fixture(scope="module")
def app(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    with App(base, folder / "concepts", folder / "runs", port=0) as running:
        yield running


@needs_gradio
def test_the_page_asks_for_nothing_from_elsewhere(app):
    got = send(app, "GET", "/")
    assert got.status == 200
    html = got.body.decode()
    fetched = re.findall(r'(?:src|href)="(https?://[^"]+)"', html)
    assert fetched == [] and "fonts.googleapis" not in html


@needs_gradio
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Host": ""}]
)
def test_pages_of_others_cannot_use_it(app, headers):
    assert send(app, "GET", "/config", headers=headers).status == 403


@needs_gradio
@pytest.mark.parametrize("path", ["/etc/passwd", "setup.py"])
def test_no_file_of_this_machine_is_given_out(app, path):
    assert send(app, "GET", f"/gradio_api/file={path}").status in (403, 404)


@needs_gradio
def test_a_login_is_asked_for(base, tmp_path):
    login = ("anna", "a password")
    with App(base, tmp_path / "concepts", tmp_path / "runs", port=0, login=login) as running:
        assert send(running, "GET", "/config").status == 401
        body = b"username=anna&password=a+password"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert send(running, "POST", "/login", body, form).status == 200
        wrong = b"username=anna&password=wrong"
        assert send(running, "POST", "/login", wrong, form).status == 400


@needs_gradio
def test_the_page_offers_the_methods_that_give_a_concept_file():
    from unictoken.app.learn_tab import IDEAS, _methods

    assert {"joint", "myvlm", "repic"} <= set(_methods())
    assert set(shipped.methods()) - set(_methods()) == {"lora", "user"}
    assert set(_methods()) <= set(IDEAS)


@needs_gradio
@pytest.mark.parametrize(
    ("noun", "kind", "consent"),
    [("", False, False), ("dog", False, False), ("old woman", False, True), ("zorp", True, True)],
)
def test_consent_is_asked_for_where_a_person_may_be_shown(noun, kind, consent):
    from unictoken.app.learn_tab import _asked_of

    assert [shown["visible"] for shown in _asked_of(noun)] == [kind, consent]
