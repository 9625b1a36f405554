"""Learnings that are begun on the page."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

from app_parts import ended

from unictoken.app.runs import AppError, Runs, State, name_of
from unictoken.app.turn import Turn
from unictoken.core.errors import UserError
from unictoken.tokens import file as concept_file

STEPS = 4


class StopsAfter(Turn):
    """Stops the run once so many of its steps are done."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.runs = steps, None

    def let_others(self):
        if self.runs.state("rex").step == self.steps:
            self.runs.stop("rex")
        super().let_others()


@pytest.fixture(scope="module")
def learned(base, wanted, tmp_path_factory):
    """A run from its beginning to its report."""
    folder = tmp_path_factory.mktemp("learned")
    runs = Runs(base, folder / "shelf", folder / "runs", Turn())
    runs.start()
    assert runs.begin(wanted()) == State(name="rex", phase="waiting", total=STEPS)
    ended(runs, "rex")
    yield runs
    runs.close(20)


@pytest.fixture
def unreported(monkeypatch):
    """Runs of a test end where their reports would begin."""
    monkeypatch.setattr("unictoken.app.runs.finish", lambda base, settings, learned: "")


@pytest.mark.slow
def test_a_concept_is_learned_and_reported(learned, base):
    runs, state = learned, learned.state("rex")
    assert (state.phase, state.line, state.step) == ("done", "", STEPS)
    assert [step for step, _ in state.losses] == [1, 2, 3, 4]
    tokens = concept_file.load(runs.concepts / "rex.safetensors", base)
    assert tokens.class_noun == "dog" and tokens.method == "short"
    sheet, report = runs.report("rex")
    assert sheet.name == "contact-sheet.png" and report.startswith("# &lt;rex&gt;, a dog")
    assert "![](" not in report and "The reference pictures" not in report
    assert len(runs.drawings("rex")) == STEPS - 1
    assert len(runs.given("rex").pictures) == 3 and runs.given("mia") is None


@pytest.mark.slow
def test_what_was_dropped_keeps_no_name_of_its_owner(learned):
    given = learned.folder / "rex" / "given"
    names = sorted(path.name for path in given.iterdir())
    assert names == ["0.png", "1.png", "2.png", "info.json", "negative_example"]


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_to_the_same_concept(make_runs, wanted, base, learned):
    turn = StopsAfter(2)
    runs = turn.runs = make_runs(turn)
    runs.start()
    runs.begin(wanted())
    state = ended(runs, "rex")
    assert (state.phase, state.step) == ("stopped", 2)
    runs.close(20)

    again = make_runs()  # the program was started again
    assert again.names() == ("rex",)
    assert again.state("rex") == replace(state, line="")
    again.start()
    again.go_on("rex")
    assert ended(again, "rex").phase == "done"
    assert [step for step, _ in again.state("rex").losses] == [1, 2, 3, 4]
    whole, parts = (
        concept_file.load(runs.concepts / "rex.safetensors", base) for runs in (learned, again)
    )
    assert torch.equal(whole.rows_in, parts.rows_in)


@pytest.mark.slow
def test_one_is_learned_at_a_time(make_runs, wanted, unreported):
    turn = Turn()
    runs = make_runs(turn)
    runs.start()
    with turn:  # the base is in use
        runs.begin(wanted("rex"))
        runs.begin(wanted("max"))
        with pytest.raises(AppError, match="is going on already"):
            runs.begin(wanted("max"))
        assert runs.stop("max").phase == "stopped"
        assert runs.state("max").line == "It had not begun."
    assert ended(runs, "rex").phase == "done"


@pytest.mark.parametrize(
    ("filled", "line"),
    [
        ({"pictures": ()}, "pictures: found none"),
        ({"name": "<img src=x onerror=alert(1)>"}, "concept name '<img src=x onerror=alert(1)>'"),
        ({"name": "../mia"}, "concept name '../mia'"),
        ({"class_noun": "man"}, "is a person"),
        ({"class_noun": "zorp"}, "is no word that is known here"),
        ({"class_noun": ""}, "class noun"),
        ({"facts": ("<max> has a hat.",)}, "<max>"),
        ({"steps": -1}, "steps"),
    ],
)
def test_what_cannot_be_learned_is_said_at_once_in_one_line(
    make_runs, wanted, tmp_path, filled, line
):
    runs = make_runs()
    with pytest.raises(UserError) as refused:
        runs.begin(wanted(**filled))
    assert line in str(refused.value) and "\n" not in str(refused.value)
    assert runs.names() == () and list((tmp_path / "runs").iterdir()) == []


def test_a_file_that_is_no_picture_is_refused(make_runs, wanted, tmp_path):
    (tmp_path / "no.png").write_text("<svg onload=alert(1)>", encoding="utf-8")
    with pytest.raises(UserError, match="no.png"):
        make_runs().begin(wanted(pictures=(tmp_path / "no.png",)))


@pytest.mark.slow
def test_a_concept_of_other_pictures_is_replaced_only_if_asked(learned, wanted, unreported):
    runs, fewer = learned, wanted().pictures[:2]
    with pytest.raises(UserError, match="learned from other pictures"):
        runs.begin(wanted(pictures=fewer))
    assert len(runs.given("rex").pictures) == 3
    runs.begin(wanted(pictures=fewer, overwrite=True))
    assert ended(runs, "rex").phase == "done" and len(runs.given("rex").pictures) == 2


@pytest.mark.slow
def test_a_bug_while_learning_is_a_line_and_a_traceback_in_the_log(
    make_runs, wanted, monkeypatch, caplog
):
    def fail(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr("unictoken.app.runs.finish", fail)
    runs = make_runs()
    runs.start()
    runs.begin(wanted())
    state = ended(runs, "rex")
    assert state.phase == "failed" and state.line.startswith("error ")
    assert "secret" not in state.line and "RuntimeError: secret" in caplog.text


def test_a_turn_goes_to_who_came_first_and_comes_back():
    turn, order = Turn(), []

    def other():
        with turn:
            order.append("other")

    with turn:
        thread = threading.Thread(target=other)
        thread.start()
        while turn._given < 2:
            pass
        order.append("first")
        turn.let_others()
        order.append("first again")
    thread.join()
    assert order == ["first", "other", "first again"]


def test_a_name_is_taken_with_brackets_or_without():
    assert [name_of(said) for said in ("rex", " <rex> ", "<rex", "<a><b>")] == [
        "rex",
        "rex",
        "<rex",
        "<a><b>",
    ]
