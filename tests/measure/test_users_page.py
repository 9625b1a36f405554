"""A test of profiles as a whole, and its page."""

import json

import layouts
import pytest

from unictoken.core.config import ConfigError
from unictoken.data.item import Item
from unictoken.data.users import Spoken
from unictoken.measure import users
from unictoken.measure.users import ProfilesConfig, Section, write_page
from unictoken.scoring.metrics import Estimate


def items(*texts: str) -> list[Item]:
    return [Item(text=text) for text in texts]


def test_a_listed_fact_is_found_once():
    listed = items("i live in the snow.", "i eat soup.")
    assert users.matched(items("i live in the snow", "i live in the snow now"), listed) == 1
    assert users.matched(items("i eat hot soup", "I live in the snow!"), listed) == 2
    assert users.matched([], listed) == 0


def test_precision_and_recall_are_over_users():
    spoken = [
        Spoken(said=(), facts=tuple(items("i eat soup."))),
        Spoken(said=(), facts=tuple(items("i run."))),
    ]
    scored = users.extraction_scores([items("i eat soup", "tom sits"), []], spoken)
    assert {k: v.mean for k, v in scored.items()} == {"precision": 0.25, "recall": 0.5, "f1": 1 / 3}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["lamp", "personachat", "focus", "lcmp", "mmpb"])
def test_every_dataset_in_words_is_measured_on_any_base(layout, base, tmp_path):
    root = getattr(layouts, layout)(tmp_path / layout)
    ways = ("none", "bm25", "another_user", "oracle")
    settings = ProfilesConfig(data=str(root), ways=ways, users=2, max_ids=3, k=1)
    sections = users.measure(base, settings)
    titles = [section.title for section in sections]
    expected = {
        "lamp": ["Questions: LaMP_3"],
        "personachat": ["Questions: reply", "Persona prediction: facts read off what a user said"],
        "focus": [
            "Questions: reply",
            "Questions: knowledge",
            "Which items an answer is grounded in",
        ],
        "lcmp": ["Questions: Causal Inference"],
        "mmpb": ["MMPB: awareness, overconcept, inconsistency"],
    }
    assert titles == expected[layout]
    if layout == "mmpb":
        assert "3 settings need more turns than the dataset has" not in sections[0].about
        assert "2 settings need more turns than the dataset has" in sections[0].about


def test_the_toy_users_have_every_part(base, tmp_path):
    kept = tmp_path / "predictions.jsonl"
    settings = ProfilesConfig(
        users=1, concepts=1, per_user=2, grounded=1, max_ids=2, ways=("none", "bm25"), predictions=str(kept),
        parts=("answers", "grounding", "extraction"),
    )  # fmt: skip
    sections = users.measure(base, settings)
    assert len(sections) >= 3
    rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert {row["way"] for row in rows} == {"none", "bm25"} and rows[0]["expected"]


def test_the_page_shows_each_table_with_its_intervals(tmp_path):
    table = {
        "none": {"exact": Estimate(0.5, None, 1)},
        "bm25": {"exact": Estimate(1.0, 0.25, 3), "mrr": None},
    }
    section = Section(title="Questions: own", about="What was said.", table=table, n="3 questions")
    settings = ProfilesConfig(out=str(tmp_path / "page.md"))
    write_page([section], settings, command="python eval/profiles.py", commit="abc")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "    python eval/profiles.py\n" in page and "What was said. n: 3 questions." in page
    assert "| | exact |\n|---|---|\n| none | 0.500 |\n| bm25 | 1.000 ± 0.250 |\n" in page
    numbers = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert numbers["sections"][0]["table"]["bm25"]["exact"] == {
        "mean": 1.0,
        "half_width": 0.25,
        "n": 3,
    }


def test_neither_the_page_nor_its_numbers_hold_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123")
    section = Section(
        title="own", about="", table={"none": {"exact": Estimate(0.5, None, 1)}}, n="1 question"
    )
    settings = ProfilesConfig(out=str(tmp_path / "page.md"))
    command = "python eval/profiles.py --set a=sk-very-secret-0123"
    write_page([section], settings, command=command, commit="abc")
    for file in ("page.md", "page.json"):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert "eval/profiles.py --set" in text and "sk-very" not in text


def test_settings_that_cannot_be_used_are_refused():
    with pytest.raises(ConfigError, match="way: found 'bm52'"):
        ProfilesConfig(ways=("bm52",))
    with pytest.raises(ConfigError, match="parts: found 'all', expected some of answers"):
        ProfilesConfig(parts=("all",))


@pytest.mark.parametrize(("persona", "count"), [("original", 2), ("revised", 2), ("both", 4)])
def test_one_version_of_a_persona_is_the_profile(persona, count, tmp_path):
    root = layouts.personachat(tmp_path / "talk")
    dataset = users.test_of(ProfilesConfig(data=str(root), persona=persona)).dataset
    assert len(dataset.profiles["valid-0"]) == count


def test_lamps_predictions_are_kept_as_its_evaluation_takes_them(base, tmp_path):
    root = layouts.lamp(tmp_path / "lamp")
    kept = tmp_path / "made.jsonl"
    settings = ProfilesConfig(data=str(root), ways=("bm25",), predictions=str(kept), k=1)
    users.measure(base, settings)
    made = json.loads((tmp_path / "made-LaMP_3-bm25.json").read_text(encoding="utf-8"))
    assert made["task"] == "LaMP_3" and [gold["id"] for gold in made["golds"]] == ["1", "2"]
    assert all(gold["output"] in "12345" for gold in made["golds"])
