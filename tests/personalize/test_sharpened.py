"""A projection on frozen features that tells a concept from look-alikes, and its file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.model.encoders import AskedEncoder, BaseEncoder
from unictoken.personalize import sharpened
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.sight import Sight
from unictoken.personalize.sharpened import (
    FILE,
    Projection,
    SharpenedEncoder,
    Sharpening,
    info_nce,
    sharpen,
)
from unictoken.tokens.file import digest_with_header

WIDTH = 8


def scenes(who: float, count: int, seed: int) -> np.ndarray:
    """Features that are mostly of the scene, which is large in three of them; who it is stands in
    the last one alone.
    """
    features = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    features[:, :3] *= 6
    features[:, -1] = who
    return features


@pytest.fixture(scope="module")
def projection():
    return sharpen([scenes(0.5, 12, 0)], scenes(-0.5, 24, 1))


def ranked(features, own, seen, others):
    """The share of pairs in which a picture of its own is nearer to the references than another's."""
    centre = features(own).mean(0)
    near, far = features(seen) @ centre, features(others) @ centre
    return float((near[:, None] > far[None]).mean())


def test_a_look_alike_is_told_apart_that_the_frozen_features_take_for_it(projection):
    own, seen, others = scenes(0.5, 12, 0), scenes(0.5, 40, 3), scenes(-0.5, 40, 4)

    def frozen(features):
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    def sharp(features):
        return projection(torch.from_numpy(features)).numpy()

    assert ranked(frozen, own, seen, others) < 0.7
    assert ranked(sharp, own, seen, others) > ranked(frozen, own, seen, others) + 0.15


def test_it_begins_as_no_projection():
    features = torch.from_numpy(scenes(0.5, 5, 0))
    none = Projection(
        centre_F=torch.zeros(WIDTH), down_FR=torch.randn(WIDTH, 4), up_RF=torch.zeros(4, WIDTH)
    )
    unit = torch.nn.functional.normalize(features, dim=-1)
    assert torch.allclose(none(features), unit, atol=1e-6)


def test_info_nce_is_what_its_equation_says():
    a, b, c = torch.nn.functional.normalize(
        torch.randn(3, 4, generator=torch.manual_seed(0)), dim=1
    )
    own, first, second = (float(x) / 0.5 for x in (a @ b, a @ c, b @ c))
    each = [-own + np.log(np.exp(own) + np.exp(against)) for against in (first, second)]
    owners = torch.tensor([0, 0, -1])
    assert float(info_nce(torch.stack([a, b, c]), owners, temperature=0.5)) == pytest.approx(
        np.mean(each), abs=1e-5
    )


def test_nobodys_pictures_are_no_pair_and_concepts_are_others_to_each_other():
    features = torch.nn.functional.normalize(
        torch.randn(6, 4, generator=torch.manual_seed(1)), dim=1
    )
    both = info_nce(features, torch.tensor([0, 0, 1, 1, -1, -1]), temperature=0.07)
    alone = info_nce(features, torch.tensor([0, 0, -1, -1, -1, -1]), temperature=0.07)
    first = info_nce(
        features[[2, 3, 0, 1, 4, 5]], torch.tensor([0, 0, -1, -1, -1, -1]), temperature=0.07
    )
    assert float(both) == pytest.approx((float(alone) + float(first)) / 2, abs=1e-5)


def test_the_same_pictures_give_the_same_projection(projection):
    again = sharpen([scenes(0.5, 12, 0)], scenes(-0.5, 24, 1))
    for own, other in zip(projection.weights.values(), again.weights.values(), strict=True):
        assert torch.equal(own, other)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UserError, match="found 1 pictures of 1 concepts, and 3 of others"):
        sharpen([scenes(0.5, 1, 0)], scenes(0, 3, 1))
    with pytest.raises(UserError, match="and 0 of others"):
        sharpen([scenes(0.5, 3, 0)], scenes(0, 0, 1))
    with pytest.raises(ConfigError, match="sharpen: temperature"):
        Sharpening(temperature=0)


# ---- on a base, in a memory, in a file -----------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(base, toy):
    asked = AskedEncoder(base)
    own, others = asked.pictures(toy.pictures), asked.pictures(toy.negatives["easy"][:4])
    made = sharpen([own], others, Sharpening(steps=3, rank=2))
    return SharpenedEncoder(encoder=asked, projection=made, names=(toy.name,))


@pytest.fixture
def file(encoder, tmp_path):
    return sharpened.save(encoder, tmp_path / "me.sharpened.safetensors")


def test_its_features_are_the_projected_ones_by_pictures_and_by_ids(base, toy, encoder):
    found = encoder.pictures(toy.pictures)
    assert found.shape == (len(toy.pictures), 3 * base.width)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.array_equal(found, encoder.of_ids(base.encode(toy.pictures)))


def test_a_memory_keeps_its_features_apart_from_the_frozen_ones(base, toy, encoder):
    memory = Memory()
    memory.add(toy)
    plain, sharp = Sight(base, memory), Sight(base, memory, encoder)
    assert plain.key != sharp.key and base.fingerprint[:16] in sharp.key
    assert not np.allclose(plain.vectors().pictures_NF, sharp.vectors().pictures_NF)
    assert sharp.search(toy.pictures[0])[0].name == toy.name


def test_the_bases_plain_features_can_be_sharpened_too(base, toy, encoder):
    plain = BaseEncoder(base)
    assert np.array_equal(plain.of_ids(base.encode(toy.pictures)), plain.pictures(toy.pictures))
    made = sharpen([plain.pictures(toy.pictures)], plain.pictures(toy.negatives["easy"][:3]))
    memory = Memory()
    memory.add(toy)
    own = SharpenedEncoder(encoder=plain, projection=made, names=(toy.name,))
    assert Sight(base, memory, own).search(toy.pictures[0])[0].name == toy.name


def test_its_file_gives_the_same_features_again(base, toy, encoder, file, tmp_path):
    again = sharpened.load(file, base)
    assert again.names == encoder.names and again.name == encoder.name
    assert np.array_equal(again.pictures(toy.pictures), encoder.pictures(toy.pictures))
    assert sharpened.save(again, tmp_path / "other").read_bytes() == file.read_bytes()


def rewrite(file, change):
    header, tensors = FILE.read(file)[0], load_file(file)
    change(header, tensors)
    header["sha256"] = digest_with_header(header, tensors)
    save_file(tensors, file, metadata={FILE.key: json.dumps(header)})


CHANGES = {
    "another base's": (lambda h, t: h.update(base_fingerprint="e" * 64), "Make it again"),
    "made of an encoder that would be fetched": (
        lambda h, t: h.update(encoder="clip-vit-b32", base_fingerprint=""),
        "made of encoder 'clip-vit-b32', found none. Name that one",
    ),
    "of no base": (lambda h, t: h.update(base_fingerprint=""), "Make it again"),
    "more rank than it has": (lambda h, t: h.update(rank=3), "'down' has shape"),
    "a strange name": (lambda h, t: h.update(names=["../x"]), "x"),
    "a tensor too few": (lambda h, t: t.pop("up"), "'up' has shape none"),
    "not finite": (lambda h, t: t["up"].fill(float("nan")), "not finite"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_no_projection_of_this_base_is_refused_in_one_line(base, file, what):
    change, said = CHANGES[what]
    rewrite(file, change)
    with pytest.raises(UserError, match=said) as told:
        sharpened.load(file, base)
    assert "\n" not in str(told.value)


def test_another_number_of_features_is_refused_when_it_is_used(base, toy, file):
    def narrow(header, tensors):
        header.update(features=5)
        tensors |= {"centre": tensors["centre"][:5], "down": tensors["down"][:5].copy()}
        tensors["up"] = tensors["up"][:, :5].copy()

    rewrite(file, narrow)
    with pytest.raises(UserError, match="found 96 features of a picture, expected the 5"):
        sharpened.load(file, base).pictures(toy.pictures)


def test_a_flipped_byte_and_another_kind_of_file_are_refused(base, file, bo, tmp_path):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="do not match the sha256.*memory sharpen"):
        sharpened.load(file, base)
    with pytest.raises(UserError, match="without a 'unictoken_sharpened' header"):
        sharpened.load(bo.save(tmp_path / "bo.safetensors"), base)
