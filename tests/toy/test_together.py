import json

import numpy as np
import pytest
from PIL import Image

from unictoken.core.config import ConfigError
from unictoken.data.readers import read
from unictoken.data.source import SourceError
from unictoken.toy import dataset as toy_dataset
from unictoken.toy import together
from unictoken.toy.concepts import toy_concept
from unictoken.toy.together import read_together
from unictoken.toy.world.subjects import KINDS


@pytest.fixture(scope="module")
def root(small_world, tmp_path_factory):
    """<tom>, a pet, <mia>, a thing, and <max>, a person; every pair of them."""
    folder = tmp_path_factory.mktemp("together") / "bench"
    toy_dataset.write_dataset(folder, seed=1, num_concepts=3, kinds=KINDS, pairs=3)
    return folder


def test_every_concept_stands_beside_its_neighbour(root):
    assert [set(pair.names) for pair in read_together(root)] == [
        {"max", "tom"},
        {"mia", "max"},
        {"tom", "mia"},
    ]


def test_pictures_show_both_on_either_side_and_each_beside_another(root):
    for pair in read_together(root):
        both = [where for where in pair.positions.values() if len(where) == 2]
        assert len(both) == together.BOTH
        assert [where[pair.names[0]] for where in both].count("left") == together.BOTH // 2
        for name in pair.names:
            alone = [where[name] for where in pair.positions.values() if list(where) == [name]]
            assert sorted(alone) == ["left"] * 2 + ["right"] * 2
        pictures = [Image.open(pair.folder / file) for file in pair.positions]
        assert {np.asarray(picture).shape for picture in pictures} == {(32, 32, 3)}


def test_questions_are_answered_by_who_is_there_and_on_which_side(root):
    for pair in read_together(root):
        asked = set()
        for question in pair.questions:
            where = pair.positions[question.picture]
            there = {f"<{name}>" for name in where}
            asked.add(question.kind)
            if question.kind == "rec":
                named = question.question.removeprefix("is ").removesuffix(" in the photo?")
                assert (question.answer == "yes") == (named in there)
            elif question.kind == "both":
                assert (question.answer == "yes") == (len(there) == 2)
            elif question.kind == "who":
                in_order = sorted(where, key=where.get)  # 'left' before 'right'
                assert question.answer == " and ".join(f"<{name}>" for name in in_order)
            elif question.kind == "beside":
                # Beside the other one, or beside a stranger, who has no name.
                others = there - {question.answer}
                assert [name for name in there if name in question.question] == list(others)
            elif question.kind == "side":
                side = question.question.removesuffix("?").rsplit(" ", 1)[-1]
                assert where[question.answer.strip("<>")] == side
            else:
                assert sum(marker in question.question for marker in there) == 1
        assert asked == set(together.KINDS_OF_QUESTION)


def test_a_swapped_answer_is_what_is_true_of_the_other(root):
    (pair,) = (pair for pair in read_together(root) if set(pair.names) == {"tom", "mia"})
    swapped = [q for q in pair.questions if q.swapped]
    assert swapped and all(q.kind == "vqa" and q.swapped != q.answer for q in swapped)
    tom, mia = (toy_concept(1, i, kind=kind).truth.subject for i, kind in enumerate(KINDS[:2]))
    both = [file for file, where in pair.positions.items() if len(where) == 2]
    colours = {
        (q.answer, q.swapped)
        for q in pair.questions
        if q.picture in both and "colour is <tom>" in q.question
    }
    assert colours <= {(tom.fur, mia.colour if mia.colour != tom.fur else None)}


def test_prompts_say_what_their_drawing_is_to_show(root):
    for pair in read_together(root):
        for prompt, wish in pair.wishes.items():
            assert all(f"<{name}>" in prompt for name in pair.names)
            for name, wished in wish.members.items():
                own = prompt.split(f"<{name}>")[1].split("<")[0]
                if "position" in wished:
                    assert f"on the {wished['position']}" in own
                if "accessory" in wished:
                    assert f"wearing a {wished['accessory_colour']} {wished['accessory']}" in own
                if "pose" in wished:
                    assert wished["pose"] == "held" and f"holding <{name}>" in prompt
    wished = [w for p in read_together(root) for wish in p.wishes.values() for w in [wish.members]]
    keys = {key for members in wished for own in members.values() for key in own}
    assert keys == {"position", "accessory", "accessory_colour", "pose"}


def test_other_readers_of_the_dataset_pass_them_by(root):
    found = read(root)
    assert list(found.concepts) == ["tom", "mia", "max"] and found.notes == ()


def test_the_usual_benchmark_has_no_pairs(dataset):
    assert read_together(dataset) == () and not (dataset / together.FOLDER).exists()


def test_a_pair_is_written_whole_or_not_at_all_and_more_pairs_come_beside_those_before(
    root, tmp_path, monkeypatch
):
    concepts = [toy_concept(1, i) for i in range(3)]
    write = together._json

    def cut_off(path, value):
        if path.name == "truth.json":
            raise KeyboardInterrupt
        write(path, value)

    monkeypatch.setattr(together, "_json", cut_off)
    with pytest.raises(KeyboardInterrupt):
        together.write_together(concepts, tmp_path, seed=1, pairs=1)
    assert not list((tmp_path / together.FOLDER).iterdir())
    monkeypatch.setattr(together, "_json", write)
    together.write_together(concepts, tmp_path, seed=1, pairs=1)
    (first,) = read_together(tmp_path)
    made = first.folder.stat().st_mtime_ns
    together.write_together(concepts, tmp_path, seed=1, pairs=3)
    assert len(read_together(tmp_path)) == 3 and first.folder.stat().st_mtime_ns == made


@pytest.mark.parametrize(("concepts", "pairs"), [(1, 1), (2, 2), (3, 4), (3, -1)])
def test_more_pairs_than_there_are_neighbours_are_refused(tmp_path, concepts, pairs):
    with pytest.raises(ConfigError, match="--pairs"):
        toy_dataset.write_dataset(
            tmp_path / "x", seed=1, num_concepts=concepts, references=1, pairs=pairs
        )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        ("truth.json", {"names": ["tom"]}, "expected two"),
        ("truth.json", {"prompts": {"x": {"place": "moon", "members": {}}}}, "moon"),
        ("questions.json", [{"image": "0.png", "type": "riddle", "conversations": []}], "riddle"),
        ("questions.json", [{"image": "0.png", "type": "rec", "conversations": []}], "0 turns"),
    ],
)
def test_a_file_that_somebody_changed_is_refused_by_name(root, tmp_path, file, change, found):
    folder = tmp_path / together.FOLDER / "tom+mia"
    folder.mkdir(parents=True)
    for name in ("truth.json", "questions.json"):
        value = json.loads((root / together.FOLDER / "tom+mia" / name).read_text(encoding="utf-8"))
        if name == file:
            value = {**value, **change} if isinstance(change, dict) else change
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(SourceError, match=found) as caught:
        read_together(tmp_path)
    assert file in str(caught.value)
