import pytest
import torch

from unictoken.learn.checkpoint import Checkpoint, CheckpointError, OtherRun, load, newest, save


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step,
        1000,
        "run",
        {"rows": torch.full((2, 3, 4), float(step)), "trainable": torch.tensor([True, False])},
    )


def test_a_checkpoint_comes_back(tmp_path):
    loaded = load(save(checkpoint(7), tmp_path), "run")
    assert loaded.step == 7 and torch.equal(loaded.tensors["rows"], checkpoint(7).tensors["rows"])
    assert loaded.tensors["trainable"].tolist() == [1, 0]


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
    with pytest.raises(CheckpointError, match="do not match its sha256"):
        load(path, "run")


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_cut_checkpoint_is_refused(tmp_path, kept):
    path = save(checkpoint(7), tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        load(path, "run")
