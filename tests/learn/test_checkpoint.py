import pytest
import torch

from unictoken.learn.checkpoint import Checkpoint, CheckpointError, load, newest, save


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, "run", {"rows": torch.full((2, 3, 4), float(step)), "moves": torch.tensor([True, False])})


def test_a_checkpoint_comes_back(tmp_path):
    loaded = load(save(checkpoint(7), tmp_path), "run")
    assert loaded.step == 7 and torch.equal(loaded.tensors["rows"], checkpoint(7).tensors["rows"])
    assert loaded.tensors["moves"].tolist() == [1, 0]


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 999, 1000):
        save(checkpoint(step), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000999.safetensors", "step-001000.safetensors"]
    assert newest(tmp_path).name == "step-001000.safetensors"
    assert newest(tmp_path / "nowhere") is None


def test_another_configs_checkpoint_is_refused(tmp_path):
    path = save(checkpoint(7), tmp_path)
    with pytest.raises(CheckpointError, match="belongs to another config"):
        load(path, "another run")


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_cut_checkpoint_is_refused(tmp_path, kept):
    path = save(checkpoint(7), tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        load(path, "run")
