"""Making the judge: one short training on the CPU."""

import pytest
import torch
from safetensors.torch import load_file

from unictoken.core.errors import UserError
from unictoken.core.reading import read_json
from unictoken.core.shapes import check
from unictoken.model.pixels import from_bytes
from unictoken.scoring.metrics import MetricError
from unictoken.toy import judge as judging
from unictoken.toy.pretrain import judge as making
from unictoken.toy.pretrain.judge import JudgeSettings
from unictoken.toy.world.labels import LABELS

SETTINGS = JudgeSettings(pictures=96, steps=3, batch=8)


def trained(model, seed: int = 0) -> judging.Judge:
    tokenizer = model.model.vqmodel
    return making.train(SETTINGS, tokenizer, seed=seed, device="cpu", log=lambda step, **n: None)


@pytest.mark.slow
def test_a_seed_makes_the_same_judge(model):
    first, again, other = trained(model), trained(model), trained(model, 1)
    weights = first.state_dict()
    assert all(torch.equal(t, again.state_dict()[name]) for name, t in weights.items())
    assert not torch.equal(weights["mix.weight"], other.state_dict()["mix.weight"])
    assert {(t.dtype, t.device.type) for t in weights.values()} == {(torch.float32, "cpu")}


def test_the_loss_asks_for_every_label():
    data = making.draw_labelled(4, seed=0)
    scores, _ = judging.Judge()(from_bytes(data.pixels))
    for tensor in scores.values():
        tensor.retain_grad()
    indices = torch.zeros(4, len(LABELS), dtype=torch.long)
    making._loss(scores, indices).backward()
    assert all((tensor.grad[..., 0] < 0).all() for tensor in scores.values())


def test_a_round_trip_is_what_the_image_tokenizer_gives_back_as_bytes(model):
    pixels = making.draw_labelled(3, seed=0).pixels
    back = making.round_trip(model.model.vqmodel, pixels)
    assert back.dtype == torch.uint8 and back.shape == pixels.shape
    assert not torch.equal(back, pixels)


@pytest.mark.slow
def test_who_is_not_seen_at_his_place_is_wrong_in_everything():
    data = making.draw_labelled(200, seed=0)
    judge = judging.Judge().eval()
    with torch.no_grad():
        judge.heads["kind"].bias[0] = 1000.0  # sees nobody anywhere
    with pytest.raises(MetricError, match="no values"):  # no colour either
        making.accuracy(judge, data.pixels, data)
    with torch.no_grad():
        judge.heads["kind"].bias[0] = -1000.0  # somebody everywhere
    numbers = making.accuracy(judge, data.pixels, data)
    assert numbers["position"] == 0 and numbers["main_rgb_distance"] > 0
    assert set(numbers) == {*judging.MEASURED, "mean", "main_rgb_distance"}


def test_the_saved_accuracy_is_what_is_said_beside_scores(tmp_path):
    shares = dict.fromkeys((*judging.MEASURED, "mean"), 0.5) | {"main_rgb_distance": 7.4}
    worst = {**shares, "ears": 0.25}
    making.save(judging.Judge(), tmp_path, drawn=shares, round_trip=worst)
    check(read_json(tmp_path / "accuracy.json", UserError), judging.ACCURACY, tmp_path, UserError)
    (said,) = judging.own_accuracy(tmp_path / "model.safetensors")
    assert "'ears', 0.250" in said and "7 (RGB)" in said
    assert load_file(tmp_path / "model.safetensors").keys() == judging.Judge().state_dict().keys()
    assert (tmp_path / "model.safetensors").stat().st_size < 6 * 10**6
