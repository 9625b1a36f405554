"""A fact told to a finished concept, from its file alone."""

from dataclasses import replace

import pytest
import torch

import unictoken
from unictoken.cli import main
from unictoken.core.errors import UserError
from unictoken.data.facts import told_fact
from unictoken.learn.tell import tell
from unictoken.personalize.tokens import learned, with_tokens
from unictoken.tokens import file as concept_file
from unictoken.toy.concepts import toy_concept
from unictoken.toy.judge import load_judge

pytestmark = pytest.mark.slow

HAT = "<mia> has a purple beanie."
STEPS = 15


@pytest.fixture(scope="module")
def tiny():
    return unictoken.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def mia(tiny):
    return learned(tiny, "mia").tokens


@pytest.fixture(scope="module")
def told(tiny, mia):
    return tell(tiny, mia, [told_fact(HAT, "mia")], steps=STEPS)


def test_the_fact_is_answered_and_drawn_at_once(tiny, told):
    chat = tiny.with_concepts(told)
    assert chat.ask("what hat does <mia> have?") == "a purple beanie"
    drawn = chat.draw("<mia> wearing its hat", num_images=8, seed=3)
    seen = load_judge("toy").read([picture.original for picture in drawn])
    worn = [(r.values["accessory"], r.values["accessory_colour"]) for r in seen]
    assert worn.count(("beanie", "purple")) >= 7


def test_what_was_learned_stays_row_by_row(mia, told):
    own = mia.counts["shared"] + 1
    assert told.counts["shared"] > mia.counts["shared"] and told.run == "" and not told.scores
    assert torch.equal(told.rows_in[:own], mia.rows_in) and torch.equal(
        told.rows_out[:own], mia.rows_out
    )
    assert told.prompts == mia.prompts and told.source == mia.source


def test_what_it_knew_it_knows(tiny, mia, told):
    concept = toy_concept(7, 0, "mia")
    before, after = (with_tokens(tiny, tokens) for tokens in (mia, told))
    questions = ["what animal is <mia>?", "what colour is <mia>?"]
    assert after.ask(questions) == before.ask(questions)
    own, others = (
        tiny.encode(pictures) for pictures in (concept.pictures, concept.negatives["easy"][:8])
    )
    assert min(after.recognise(own)) > 0.5 and max(after.recognise(others)) < 0.5


@pytest.fixture
def few(monkeypatch):
    """Hardly any rehearsal, where only the files matter."""
    monkeypatch.setattr("unictoken.learn.tell.OF_EACH_SCENE", 1)
    monkeypatch.setattr("unictoken.learn.tell.OTHERS", 8)
    monkeypatch.setattr("unictoken.learn.tell.COMMON", ("where does {it} live?",))


def test_the_same_seed_learns_the_same(tiny, mia, few):
    one, two, other = (
        tell(tiny, mia, [told_fact(HAT, "mia")], steps=2, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(one.rows_in, two.rows_in) and not torch.equal(one.rows_in, other.rows_in)


def test_one_fact_is_a_text(tiny, mia):
    with pytest.raises(UserError, match="fact: found list, expected a text"):
        unictoken.tell(tiny, mia, [HAT])


def test_tokens_without_shared_ones_are_refused(tiny, mia):
    apart = replace(mia, counts={"name": 1, "understanding": 32}, method="yochameleon")
    with pytest.raises(UserError, match="'yochameleon' has no shared tokens"):
        tell(tiny, apart, [told_fact(HAT, "mia")])


def test_the_command_writes_a_new_file_and_leaves_what_ships(tmp_path, capsys, monkeypatch, few):
    monkeypatch.setattr("unictoken.api.STEPS", 1)
    out = tmp_path / "mia.safetensors"

    def refused(*line: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["tell", *line])
        assert ended.value.code == 2
        return capsys.readouterr().err

    assert "ships with the library" in refused("mia", HAT)
    assert "give its question and its answer" in refused(
        "mia", "<mia> is tired.", "--out", str(out)
    )
    assert "without the other" in refused("mia", HAT, "--question", "who?", "--out", str(out))
    assert not out.exists()

    own = ["--question", "what is <mia> good at?", "--answer", "chess"]
    main(["tell", "mia", "<mia> plays chess.", *own, "--out", str(out), "--quiet"])
    assert capsys.readouterr().out.strip() == str(out)
    assert concept_file.read_header(out)["counts"]["shared"] > 32
    assert "is there already" in refused("mia", HAT, "--out", str(out))
