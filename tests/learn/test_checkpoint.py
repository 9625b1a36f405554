import json
import os

import pytest
import torch
from flips import flipped
from safetensors.torch import load_file, save_file

from unictoken.learn.checkpoint import (
    KEY,
    ROWS,
    Checkpoint,
    CheckpointError,
    OtherRun,
    load,
    newest,
    save,
)
from unictoken.tokens import file as concept_file


def checkpoint(step: int) -> Checkpoint:
    rows = {name: torch.full((2, 3, 4), float(step)) for name in ROWS}
    return Checkpoint(step, 1000, "run", {**rows, "trainable": torch.tensor([True, False, True])})


def rewrite(path, change_tensors=lambda tensors: None, **header) -> None:
    """The file with other tensors and another header, whose sha256 is right."""
    tensors = load_file(path)
    change_tensors(tensors)
    told = {"format": 2, "step": 7, "total": 1000, "run": "run"} | header
    told["sha256"] = concept_file.digest_with_header(told, tensors)
    save_file(tensors, path, metadata={KEY: json.dumps(told)})


def test_a_checkpoint_comes_back(tmp_path):
    loaded = load(save(checkpoint(7), tmp_path), "run")
    assert loaded.step == 7 and torch.equal(loaded.tensors["rows"], checkpoint(7).tensors["rows"])
    assert loaded.tensors["trainable"].tolist() == [1, 0, 1]


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 999, 1000):
        save(checkpoint(step), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-000999.safetensors",
        "step-001000.safetensors",
    ]
    assert newest(tmp_path).name == "step-001000.safetensors"
    assert newest(tmp_path / "nowhere") is None


def test_a_run_that_begins_anew_leaves_nothing_of_later_steps(tmp_path):
    for step in (500, 1000, 50):
        save(checkpoint(step), tmp_path)
    assert newest(tmp_path).name == "step-000050.safetensors" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("step", [7, 1000])
def test_another_configs_checkpoint_is_refused_and_says_whether_it_was_finished(tmp_path, step):
    path = save(checkpoint(step), tmp_path)
    with pytest.raises(OtherRun, match="belongs to another config") as refused:
        load(path, "another run")
    assert refused.value.finished == (step == 1000)


def test_a_checkpoint_with_another_value_in_it_is_refused(tmp_path):
    path = save(checkpoint(7), tmp_path)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="its header or tensors do not match its sha256"):
        load(path, "run")


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_cut_checkpoint_is_refused(tmp_path, kept):
    path = save(checkpoint(7), tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        load(path, "run")


def test_a_bit_of_the_header_that_flips_is_noticed_or_means_nothing(tmp_path):
    path = save(checkpoint(7), tmp_path)
    right, length = checkpoint(7), 8 + int.from_bytes(path.read_bytes()[:8], "little")
    unseen = []
    for place in range(length):
        try:
            with flipped(path, place, place % 8):
                found = load(path, "run")
        except CheckpointError:
            continue
        same = all(torch.equal(found.tensors[n], t.float()) for n, t in right.tensors.items())
        if not same or (found.step, found.total, found.run) != (7, 1000, "run"):
            unseen.append(place)
    assert length > 500 and not unseen


def test_a_checkpoint_of_the_version_before_goes_on(tmp_path):
    path = save(checkpoint(7), tmp_path)
    tensors = load_file(path)
    told = {"step": 7, "total": 1000, "run": "run", "sha256": concept_file.digest(tensors)}
    save_file(tensors, path, metadata={KEY: json.dumps(told)})
    assert load(path, "run").step == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("exp_avg"), "'exp_avg' is one tensor too few or too many"),
        (lambda t: t.update(more=torch.zeros(1)), "'more' is one tensor too few"),
        (lambda t: t.update(rows=torch.zeros(2, 3, 5)), "not of one shape"),
        (lambda t: t.update(trainable=torch.zeros(4)), "not of one shape"),
        (lambda t: t.update({name: torch.zeros(3) for name in ROWS}), "not of one shape"),
    ],
    ids=["missing", "more", "another width", "another number", "flat"],
)
def test_tensors_that_are_no_rows_with_their_moments_are_refused(change, said, tmp_path):
    path = save(checkpoint(7), tmp_path)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=said) as refused:
        load(path, "run")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "header", [{"step": 8}, {"step": 0}, {"step": 2000}, {"step": "7"}, {"total": None}]
)
def test_a_step_that_cannot_be_is_refused(header, tmp_path):
    path = save(checkpoint(7), tmp_path)
    rewrite(path, **header)
    with pytest.raises(CheckpointError, match="not a whole checkpoint") as refused:
        load(path, "run")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_what_is_no_file_among_the_checkpoints_is_named_for_what_it_is(make, tmp_path):
    save(checkpoint(7), tmp_path)
    make(tmp_path / "step-000900.safetensors")
    with pytest.raises(
        CheckpointError, match="step-000900.safetensors: found (a|no) .*folder|file"
    ):
        load(newest(tmp_path), "run")


def test_files_of_others_among_the_checkpoints_stay(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "step-000001.safetensors")
    (tmp_path / "step-000900.safetensors").write_text("mine", encoding="utf-8")
    (tmp_path / "step-best.safetensors").write_text("mine", encoding="utf-8")
    before = set(tmp_path.iterdir())
    for step in (5, 10, 15):
        save(checkpoint(step), tmp_path)
    assert before < set(tmp_path.iterdir())
