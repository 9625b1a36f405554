"""Datasets about users and their words, and about concepts told in words, in their exact layouts."""

import json

import layouts
import pytest
from layouts import write

from unictoken.data.readers import mmpb, read
from unictoken.data.records import DataError

pytestmark = pytest.mark.real


def names(files) -> list[str]:
    return ["/".join(file.parts[-2:]) for file in files]


def test_lamps_questions_have_their_users_profiles(tmp_path):
    dataset = read(layouts.lamp(tmp_path))
    assert list(dataset.concepts) == ["udev-1", "udev-2"]
    assert [c.kind for c in dataset.concepts.values()] == ["user", "user"]
    (asked,) = dataset.select("udev-1", "text_qa", split="test", kind="LaMP_3")
    assert (asked.options, asked.answer, asked.labels) == (
        ("1", "2", "3", "4", "5"),
        "5",
        {"id": "1"},
    )
    dull, bright = dataset.profiles["udev-1"]
    assert (dull.text, dull.label, dull.source) == ("a dull lamp", "2", "11")
    assert bright.time - dull.time == 365 * 24 * 3600
    assert dataset.notes == (
        "test_questions.json: no test_outputs.json, so that no answer is known: 1 rows left out.",
    )


def test_lamps_users_with_an_id_share_one_profile(tmp_path):
    layouts.lamp(tmp_path)
    path = tmp_path / "dev_questions.json"
    rows = [{**row, "user_id": 7} for row in json.loads(path.read_text(encoding="utf-8"))]
    write(path, rows)
    dataset = read(tmp_path)
    assert list(dataset.concepts) == ["u7"] and len(dataset.records["u7"]) == 2
    assert len(dataset.profiles["u7"]) == 2, "the longer of the two"


def test_personachats_dialogues_have_both_personas(tmp_path):
    dataset = read(layouts.personachat(tmp_path))
    assert list(dataset.concepts) == ["valid-0", "valid-1"]
    assert [(i.text, i.source, i.label) for i in dataset.profiles["valid-0"]] == [
        ("i like dogs.", "self", "original"),
        ("i live in a city.", "self", "original"),
        ("puppies are my joy.", "self", "revised"),
        ("i live in a city.", "self", "revised"),
    ]
    first, second = dataset.records["valid-0"]
    assert (first.question, first.answer, first.history) == (
        "hello , who are you ?",
        "a fan of dogs .",
        (),
    )
    assert first.options == ("no idea .", "a fan of dogs ."), "each candidate once"
    assert (second.question, second.history) == (
        "and where ?",
        ("hello , who are you ?", "a fan of dogs ."),
    )


def test_personachats_two_forms_say_the_same(tmp_path):
    lines = read(layouts.personachat(tmp_path / "lines"))
    whole = read(layouts.personachat_json(tmp_path / "whole"))
    texts, values = lines.records["valid-0"], whole.records["valid-0"]
    assert [(r.question, r.history, r.answer, set(r.options)) for r in texts] == [
        (r.question, r.history, r.answer, set(r.options)) for r in values
    ]
    assert whole.profiles["valid-0"] == lines.profiles["valid-0"][:2]


def test_files_without_candidates_add_nothing_but_their_personas(tmp_path):
    root = layouts.personachat(tmp_path)
    (root / "valid_self_revised.txt").rename(root / "valid_self_revised_no_cands.txt")
    dataset = read(root)
    assert all(record.options for record in dataset.records["valid-0"])
    assert len(dataset.profiles["valid-0"]) == 4


def test_focus_says_which_items_a_reply_uses_and_which_knowledge(tmp_path):
    dataset = read(layouts.focus(tmp_path))
    (name,) = dataset.concepts
    assert name == "valid-a-7"
    assert [item.text for item in dataset.profiles[name]] == ["I like Rome.", "I have a cat."]
    reply, knowledge, later, _ = dataset.records[name]
    assert (reply.task, reply.question, reply.answer, reply.uses) == (
        "reply", "Where is this?", "In Rome, which you like.", (0,),
    )  # fmt: skip
    assert (knowledge.kind, knowledge.options, knowledge.answer) == (
        "knowledge", ("It is old.", "It is in Rome."), "It is in Rome.",
    )  # fmt: skip
    assert (later.history, later.uses) == (("Where is this?", "In Rome, which you like."), ())


def test_lcmps_turns_are_the_concepts_profile(tmp_path):
    dataset = read(layouts.lcmp(tmp_path))
    first, second = dataset.profiles["backpack_1"]
    assert (first.text, first.label, first.source) == (
        "I call it '<backpack_1>'. It was a gift.",
        "knowledge",
        "turn 1",
    )
    assert first.time < second.time and second.text == "<backpack_1> got a scratch."
    easy, hard = dataset.records["backpack_1"]
    assert (easy.task, easy.question, easy.kind, easy.labels) == (
        "choice", "What was <backpack_1> ?", "Long Term", {"level": "easy"},
    )  # fmt: skip
    assert names(easy.pictures) == ["img/sq_1.png"]
    assert (hard.task, hard.pictures, hard.answer) == ("text_qa", (), "a gift")
    assert names(dataset.concepts["backpack_1"].pictures) == ["img/base.png"]


def test_mmpbs_rows_are_of_three_kinds(tmp_path):
    dataset = read(layouts.mmpb(tmp_path))
    assert list(dataset.concepts) == ["rex", "ann"]
    rex = dataset.concepts["rex"]
    assert (rex.kind, len(rex.pictures), rex.description) == ("animal", 3, "<rex> is a dog.")
    assert [(item.label, item.text) for item in dataset.profiles["rex"]] == [
        ("simple", "<rex> is a dog."),
        ("moderate", "<rex> is a red dog."),
        ("preference", "<rex> likes soup."),
    ]
    yes, no, choice = dataset.records["rex"]
    assert [(r.kind, r.task, r.answer) for r in (yes, no, choice)] == [
        ("awareness", "vqa", "Yes"), ("overconcept", "vqa", "No"), ("inconsistency", "choice", "the soup"),
    ]  # fmt: skip
    assert (choice.options, choice.labels["concept"]) == (
        ("the soup", "the cake", "nothing"),
        "food",
    )
    assert yes.labels == {
        "attribute": "animal", "category": "recognition", "concept": "", "target": "", "preference": "<rex> likes soup.",
    }  # fmt: skip


def test_mmpbs_turns_are_read_where_there_are_some(tmp_path):
    layouts.mmpb(tmp_path)
    assert mmpb.read_turns(tmp_path) == (("Nice weather.", "Yes."),) * 2
    path = tmp_path / "multi_turn/generic_text/multi_turn_conversation.json"
    write(path, {"conversation": [[{"content": "Hm?"}]]})
    with pytest.raises(DataError, match="found 1 texts, expected questions with answers"):
        mmpb.read_turns(tmp_path)
    path.unlink()
    assert mmpb.read_turns(tmp_path) == ()


def test_pbenchs_people_belong_to_their_row(tmp_path):
    dataset = read(layouts.pbench(tmp_path))
    assert list(dataset.concepts) == ["r1-ann", "r1-bob-lee", "r2-ann"]
    assert names(dataset.concepts["r1-bob-lee"].pictures) == ["images/bob.png"]
    (known,), (unknown,) = dataset.records["r1-ann"], dataset.records["r2-ann"]
    assert (known.question, known.options, known.answer) == (
        "What is <r1-ann> doing?", ("sleeping beside <r1-bob-lee>", "running"), "sleeping beside <r1-bob-lee>",
    )  # fmt: skip
    assert (known.concepts, names(known.pictures), known.kind) == (
        ("r1-ann", "r1-bob-lee"), ["images/scene.png"], "answerable",
    )  # fmt: skip
    assert (unknown.question, unknown.kind) == ("What does Zoe wear?", "unanswerable")


def test_pbench_may_be_one_list(tmp_path):
    layouts.pbench(tmp_path)
    lines = (tmp_path / "p-bench-qa.jsonl").read_text(encoding="utf-8").split("\n")
    before = read(tmp_path).records
    (tmp_path / "p-bench-qa.jsonl").unlink()
    write(tmp_path / "p-bench-qa.json", list(map(json.loads, lines)))
    after = read(tmp_path).records
    assert [r.question for own in after.values() for r in own] == [
        r.question for own in before.values() for r in own
    ]
