"""An encoder's file: what is read again is what was written, and nothing else is read."""

import json

import pytest
import torch
from safetensors.numpy import load_file, save_file

from unictoken.core.errors import UserError
from unictoken.personalize import encoder_file
from unictoken.personalize.encode import EncoderShape, encode, encoder_for
from unictoken.personalize.encoder_file import KEY
from unictoken.tokens.file import digest_with_header

SHAPE = EncoderShape(
    width=16, layers=1, heads=2, counts={"name": 1, "shared": 4}, questions=("what is it?",)
)


@pytest.fixture
def encoder(base):
    torch.manual_seed(0)
    made = encoder_for(base, SHAPE)
    torch.nn.init.normal_(made.say_in.weight)
    return made


@pytest.fixture
def file(encoder, base, tmp_path):
    return encoder_file.save(encoder, base, tmp_path / "encoder.safetensors", steps=3)


def rewrite(file, change, *, sign=True):
    """The file with a changed header or changed tensors."""
    tensors = load_file(file)
    header = encoder_file.read_header(file)
    change(header, tensors)
    if sign:
        header["sha256"] = digest_with_header(header, tensors)
    save_file(tensors, file, metadata={KEY: json.dumps(header)})


def test_it_gives_the_same_rows_again(encoder, file, base, toy):
    pictures_NK = base.encode(toy.pictures)
    half = encoder.half().float()  # as the file keeps it
    again = encoder_file.load(file, base)
    assert again.shape == SHAPE
    for own, read in zip(
        encode(half, base, pictures_NK, "dog"),
        encode(again, base, pictures_NK, "dog"),
        strict=True,
    ):
        assert torch.equal(own, read)


def test_the_same_encoder_gives_the_same_bytes(encoder, file, base, tmp_path):
    other = encoder_file.save(encoder, base, tmp_path / "other.safetensors", steps=3)
    assert file.read_bytes() == other.read_bytes()


def test_its_header_names_the_base(file, base):
    header = encoder_file.read_header(file)
    assert (header["base"], header["base_fingerprint"]) == (base.name, base.fingerprint)
    assert header["steps"] == 3


def test_one_of_another_base_is_refused_in_one_line(file, base):
    rewrite(file, lambda header, tensors: header.update(base_fingerprint="e" * 64, base="other"))
    with pytest.raises(UserError, match="trained on base 'other'.*Train one for this base") as told:
        encoder_file.load(file, base)
    assert "\n" not in str(told.value)


def test_a_flipped_byte_is_refused(file, base):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="do not match the sha256"):
        encoder_file.load(file, base)


def test_a_changed_header_is_refused(file, base):
    rewrite(file, lambda header, tensors: header.update(steps=4), sign=False)
    with pytest.raises(UserError, match="do not match the sha256"):
        encoder_file.load(file, base)


CHANGES = {
    "another network": (lambda h, t: h["shape"].update(layers=2), "expected .*Fetch it again"),
    "more rows than any": (lambda h, t: h["shape"]["counts"].update(shared=10**9), "shared"),
    "no such width": (lambda h, t: h["shape"].update(width=-1), "width"),
    "unequal heads": (lambda h, t: h["shape"].update(heads=3), "encoder.safetensors: .*heads"),
    "a strange key": (lambda h, t: h.update(code="x"), "code"),
    "another format": (lambda h, t: h.update(format=2), "format"),
    "no question": (lambda h, t: h["shape"].update(questions=[]), "questions"),
    "not finite": (lambda h, t: t["own_in"].fill(float("nan")), "not finite"),
    "a tensor too few": (lambda h, t: t.__delitem__("own_in"), "own_in"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_no_encoder_has_is_refused(file, base, what):
    change, said = CHANGES[what]
    rewrite(file, change)
    with pytest.raises(UserError, match=said):
        encoder_file.load(file, base)


def test_a_concept_file_is_no_encoder(bo, base, tmp_path):
    with pytest.raises(UserError, match="without a 'unictoken_encoder' header"):
        encoder_file.load(bo.save(tmp_path / "bo.safetensors"), base)


def test_other_files_are_refused(base, tmp_path):
    (tmp_path / "text").write_text("no tensors", encoding="utf-8")
    for name, said in (("text", "not a whole safetensors file"), ("none", "no such file")):
        with pytest.raises(UserError, match=said):
            encoder_file.load(tmp_path / name, base)


def test_what_is_not_finite_is_not_written(encoder, base, tmp_path):
    with torch.no_grad():
        encoder.own_in[0, 0] = 1e30
    with pytest.raises(UserError, match="too large for half precision"):
        encoder_file.save(encoder, base, tmp_path / "e.safetensors", steps=0)
    assert not (tmp_path / "e.safetensors").exists()
