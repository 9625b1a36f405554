"""Layouts of searches, shifts, scenarios and clips, read into the same records."""

import sys
from pathlib import Path

import layouts
import pytest
from layouts import write

from unictoken.data.readers import examples, files, read
from unictoken.data.records import DataError


def names(files) -> list[str]:
    return [file.name for file in files]


def asked(dataset, name: str, task: str) -> list:
    return list(dataset.select(name, task, split="test"))


# ConCon-Chi


def test_conconchis_rows_are_searches_and_prompts(tmp_path):
    dataset = read(layouts.conconchi(tmp_path))
    bear = dataset.concepts["c0"]
    assert (bear.class_noun, bear.description) == ("bear", "<c0> is a bear with wings.")
    assert names(bear.pictures) == ["bear_0.jpg", "bear_1.jpg"]
    alone, both = asked(dataset, "c0", "find")
    assert (alone.question, alone.concepts) == ("<c0> on a chair", ("c0",))
    assert (both.question, both.concepts, both.kind) == (
        "a photo of <c0> beside <c1>", ("c0", "c1"), "double",
    )  # fmt: skip
    drawn = asked(dataset, "c0", "generate")
    assert [record.question for record in drawn] == [alone.question, both.question]
    assert all(not record.pictures for record in drawn)


def test_conconchis_pool_holds_what_negative_rows_bring_and_no_training_picture(tmp_path):
    dataset = read(layouts.conconchi(tmp_path))
    assert names(dataset.pools["test"]) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    alone, both = asked(dataset, "c0", "find")
    # b.jpg is right by ADDITIONAL GTS; bear_0.jpg is named there, and nobody looks through it.
    assert names(alone.pictures) == ["a.jpg", "b.jpg"] and names(both.pictures) == ["b.jpg"]
    assert dataset.records["c1"] == ()
    (note,) = dataset.notes
    assert note.endswith("other numbers of '*' and of CONCEPTS: 1 rows left out.")


@pytest.mark.parametrize(
    "table",
    [
        [{"coarse": "bear", "fine": "a bear with wings"}, {"coarse": "cup"}],
        {"coarse": {"0": "bear", "1": "cup"}, "fine": {"0": "a bear with wings", "1": None}},
    ],
)
def test_conconchis_table_of_concepts_is_read_in_any_form_of_a_table(table, tmp_path):
    layouts.conconchi(tmp_path)
    layouts.replace_in(tmp_path / "data/annotations/train.json", "concepts", table)
    concepts = read(tmp_path).concepts
    assert [one.class_noun for one in concepts.values()] == ["bear", "cup"]
    assert (concepts["c0"].description, concepts["c1"].description) == (
        "<c0> is a bear with wings.", "",
    )  # fmt: skip


# PerVL


def test_pervls_captions_name_the_concept_and_look_for_one_picture(tmp_path):
    dataset = read(layouts.pervl(tmp_path))
    assert {name: one.class_noun for name, one in dataset.concepts.items()} == {
        "giant_panda_8e_1": "giant panda", "3430": "short sleeve top",
    }  # fmt: skip
    (panda,), (top,) = (asked(dataset, name, "find") for name in dataset.concepts)
    assert panda.question == "an <giant_panda_8e_1> behind a plant, sitting."
    assert top.question == "a <3430> poses on a white couch."
    assert names(panda.pictures) == ["giant_panda_8e_1.jpg"]
    assert names(top.pictures) == ["043380.jpg"]
    assert names(dataset.pools[panda.pool]) == ["dog_1.jpg", "giant_panda_8e_1.jpg"]
    assert names(dataset.pools[top.pool]) == ["043380.jpg", "043381.jpg"]
    assert "captions that name no concept: 1 rows left out" in dataset.notes[0]


def test_a_half_of_pervl_without_its_pictures_is_noted(tmp_path):
    layouts.pervl(tmp_path)
    (tmp_path / "data" / "deep_fashion2").rename(tmp_path / "elsewhere")
    dataset = read(tmp_path)
    assert list(dataset.concepts) == ["giant_panda_8e_1"]
    assert "left out, as data/deep_fashion2/personalized_test/ is not there" in dataset.notes[0]


# PODS and PerVA


def test_pods_records_carry_the_shift_of_their_picture(tmp_path):
    dataset = read(layouts.pods(tmp_path))
    mug = asked(dataset, "mug_1", "recognise")
    assert [(r.pictures[0].parent.name, r.answer, r.grade, r.shift) for r in mug] == [
        ("mug_1", "yes", None, "in_distribution"),
        ("mug_1", "yes", None, "pose_and_distractors"),
        ("mug_2", "no", "hard", "pose"),
        ("mug_2", "no", "hard", ""),
    ]
    assert dataset.concepts["mug_1"].class_noun == "mug"
    assert "pictures that are not there: 1 rows left out" in dataset.notes[0]


def test_pervas_concepts_are_told_from_those_of_their_category(tmp_path):
    dataset = read(layouts.perva(tmp_path))
    assert {name: one.class_noun for name, one in dataset.concepts.items()} == {
        "new": "mug", "mug-old": "mug", "red_hat-old": "red hat",
    }  # fmt: skip
    answers = [(r.pictures[0].parent.name, r.answer) for r in asked(dataset, "new", "recognise")]
    assert answers == [("new", "yes")] * 2 + [("old", "no")] * 2


# RePIC


def test_repics_pictures_show_those_whom_any_set_names(tmp_path):
    dataset = read(layouts.repic(tmp_path))
    assert dataset.concepts["bo"].facts == ("<bo> is small.",)
    for name, answers in (("bo", ["yes", "yes"]), ("mia", ["no", "yes"])):
        assert [record.answer for record in asked(dataset, name, "recognise")] == answers
    write(tmp_path / "queries.json", {"shown/0.png": ["rex"]})
    with pytest.raises(DataError, match="names 'rex', which database.json does not"):
        read(tmp_path)


# MC-LLaVA's scenarios


def test_mcllavas_scenarios_ask_about_one_and_about_several(tmp_path):
    layouts.mcllava_scenario(layouts.mcllava(tmp_path))
    dataset = read(tmp_path)
    of_both = [
        record
        for name in ("bo", "mia")
        for record in asked(dataset, name, "choice")
        if record.pictures[0].parent.name == "Bo_mia"
    ]
    assert [(r.question, r.concepts, r.kind) for r in of_both] == [
        ("What does <bo> do?", ("bo",), "mi_sq"),
        ("What does <mia> do?", ("mia",), "mi_sq"),
        ("Who is tall, <mia> or <bo>?", ("mia", "bo"), "mi_mq"),
    ]
    assert all(r.answer == "two" for r in of_both)
    (where,) = [r for r in asked(dataset, "mia", "vqa") if r.kind == "position"]
    assert (where.question, where.answer) == ("Where is <mia>?", "Right.")
    (known,) = [r for r in asked(dataset, "bo", "text_qa") if r.kind == "mi_mq"]
    assert known.concepts == ("bo", "mia")
    assert {r.kind for r in asked(dataset, "bo", "choice")} == {"si_sq", "mi_sq"}


def test_mcllavas_positions_say_who_is_not_there(tmp_path):
    layouts.mcllava_scenario(layouts.mcllava(tmp_path))
    dataset = read(tmp_path)
    told = [
        (r.pictures[0].name, r.concepts, r.answer, r.kind, r.labels.get("position"))
        for name in ("bo", "mia")
        for r in asked(dataset, name, "recognise")
        if r.pictures[0].parent.name == "Bo_mia"
    ]
    assert told == [
        ("0.png", ("bo",), "yes", "mi_sq", "left"),
        ("0.png", ("bo", "mia"), "yes", "mi_mq", None),
        ("1.png", ("bo",), "yes", "mi_sq", "left"),
        ("1.png", ("bo", "mia"), "no", "mi_mq", None),
        ("0.png", ("mia",), "yes", "mi_sq", "right"),
        ("1.png", ("mia",), "no", "mi_sq", None),
    ]


def test_a_scenario_of_somebody_unknown_is_refused(tmp_path):
    root = layouts.mcllava_scenario(layouts.mcllava(tmp_path))
    (root / "two_concept/multi/Bo_mia").rename(root / "two_concept/multi/Bo_rex")
    with pytest.raises(DataError, match="Bo_rex: 'rex' has no folder in concept/train/"):
        read(root)


# PVChat


def test_pvchats_clips_are_frames_in_order_with_four_kinds_of_question(tmp_path):
    dataset = read(layouts.pvchat(tmp_path / "ann"))
    ann = dataset.concepts["ann"]
    assert (ann.kind, names(ann.pictures)) == ("person", ["3.jpg"])
    told = asked(dataset, "ann", "clip")
    assert [(r.kind, r.answer) for r in told] == [
        ("existence", "yes"),
        ("action", "<ann> is waving."),
        ("location", "In a garden."),
        ("appearance", "A red hat."),
        ("existence", "no"),
    ]
    assert names(told[0].pictures) == [f"{i}.jpg" for i in range(6)]
    assert told[1].question == "What is <ann> doing in this clip?"
    assert told[0].labels["gender"] == "male"


def test_a_video_of_pvchat_stays_a_file_until_it_is_needed(tmp_path, monkeypatch):
    root = layouts.pvchat(tmp_path / "ann")
    for clip in ("a_1", "b_2"):
        for frame in (root / "videos" / clip).iterdir():
            frame.unlink()
        (root / "videos" / clip).rmdir()
        write(root / "videos" / f"{clip}.mp4", "a video")
    # Of the training video a reference is needed at once.
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="library 'av': not installed") as refused:
        read(root)
    assert "\n" not in str(refused.value)
    (root / "train_all_video.json").unlink()
    assert names(asked(read(root), "ann", "clip")[0].pictures) == ["b_2.mp4"]


def test_a_clip_of_pvchat_may_be_one_frame_and_is_no_other_file(tmp_path):
    root = layouts.pvchat(tmp_path / "ann")
    for frame in list((root / "videos" / "a_1").iterdir())[1:]:
        frame.unlink()
    assert len(read(root).concepts["ann"].pictures) == 1
    text = (root / "test_all_video.json").read_text(encoding="utf-8")
    write(root / "test_all_video.json", text.replace("c_3.mp4", "notes.txt"))
    write(root / "videos" / "notes.txt", "hello")
    with pytest.raises(DataError, match=r"no video '/root/tmp/videos/notes.txt' inside"):
        read(root)


def test_a_row_of_pvchat_may_name_who_is_there(tmp_path):
    root = layouts.pvchat(tmp_path / "ann")
    text = (root / "test_all_video.json").read_text(encoding="utf-8")
    write(root / "test_all_video.json", text.replace('"sks_present": ""', '"sks_present": "<Nz>"'))
    assert asked(read(root), "nz", "clip")[0].question == "Is <nz> in this clip?"


def test_a_missing_video_is_refused(tmp_path):
    root = layouts.pvchat(tmp_path / "ann")
    Path(root / "videos" / "c_3").rename(tmp_path / "c_3")
    with pytest.raises(DataError, match="no video '/root/tmp/videos/c_3.mp4' inside"):
        read(root)


# ---- much in little ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows", ["a,*,b\n" * (files.MOST_LINES + 1), f"{'a,' * 600_000}\n"], ids=["rows", "cells"]
)
def test_a_table_of_too_many_rows_or_cells_is_refused_before_it_is_parsed(
    rows, tmp_path, monkeypatch
):
    table = tmp_path / "it.csv"
    write(table, f"image_name,caption,class_id\n{rows}")
    monkeypatch.setattr(files.csv, "DictReader", lambda *given, **more: 1 / 0)
    with pytest.raises(DataError, match=r"it.csv: found .* lines.*expected at most 200,000"):
        files.read_table(table, ("caption",))


@pytest.mark.parametrize("name", ["perva", "repic", "mcllava", "yollava"])
def test_concepts_whose_questions_would_fill_the_memory_are_refused(name, tmp_path, monkeypatch):
    getattr(layouts, name)(tmp_path / "it")
    monkeypatch.setattr(examples, "MOST_QUESTIONS", 1)
    with pytest.raises(DataError, match="questions whether each is in a picture.*Give fewer"):
        read(tmp_path / "it", name)


def test_a_file_of_pvchat_is_no_larger_than_others(tmp_path):
    file = tmp_path / "it.json"
    write(file, '{"qa_pairs": 1, "video_path": 2')
    with file.open("ab") as opened:
        opened.truncate(2**25 + 1)
    with pytest.raises(DataError, match="it.json: found 33,554,433 bytes, expected a JSON file"):
        read(tmp_path, "pvchat")
