"""Which base this is: by every weight that is stored, and by nothing else."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from unictoken.core.errors import UserError
from unictoken.model import fingerprint
from unictoken.model.base import load_base
from unictoken.model.chameleon import Chameleon

pytestmark = pytest.mark.real

FORMAT = {"format": "pt"}


@pytest.fixture
def folder(base_folder, tmp_path):
    return shutil.copytree(base_folder, tmp_path / "base")


def change(folder, **changed: torch.Tensor) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(weights | changed, folder / "model.safetensors", metadata=FORMAT)


def seen(folder, dtype=torch.float32) -> str:
    return load_base(folder, device="cpu", dtype=dtype).fingerprint


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
def test_a_base_has_one_fingerprint_whatever_it_is_loaded_in(folder, stored):
    weights = load_file(folder / "model.safetensors")
    finer = {
        n: w if ".vqmodel." in n else (w.float() * 1.001).to(stored) for n, w in weights.items()
    }
    save_file(finer, folder / "model.safetensors", metadata=FORMAT)
    assert seen(folder) == seen(folder, torch.bfloat16)


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight", "lm_head.weight", "model.layers.1.mlp.up_proj.weight", "model.norm.weight",
        "model.vqmodel.encoder.conv_in.weight", "model.vqmodel.quantize.embedding.weight",
        "model.vqmodel.decoder.conv_out.bias",
    ],
)  # fmt: skip
def test_any_other_weight_is_another_base(base_folder, folder, name):
    weight = load_file(folder / "model.safetensors")[name]
    weight.view(-1)[-1] += 1
    change(folder, **{name: weight})
    assert seen(folder) != seen(base_folder)


def test_the_dtype_that_weights_are_stored_in_is_part_of_it(base_folder, folder):
    change(
        folder,
        **{
            "model.norm.weight": (
                load_file(folder / "model.safetensors")["model.norm.weight"].float()
            )
        },
    )
    assert seen(folder) != seen(base_folder)


def test_how_weights_are_spread_over_files_is_no_part_of_it(base_folder, folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-1.safetensors": names[1::2], "model-2.safetensors": names[::2]}
    for file, own in parts.items():
        save_file({name: weights[name] for name in own}, folder / file, metadata=FORMAT)
    index = {
        "metadata": {},
        "weight_map": {name: file for file, own in parts.items() for name in own},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert seen(folder) == seen(base_folder)


def test_files_that_the_base_is_not_loaded_from_are_no_part_of_it(base_folder, folder, bo):
    shutil.copy(folder / "model.safetensors", folder / "another.safetensors")
    change(folder)
    assert seen(folder) == seen(base_folder)


def test_a_base_in_memory_has_the_fingerprint_that_its_files_will_have(
    model, tokenizer, base_folder
):
    exact, halved = model.model.vqmodel, copy.deepcopy(model).bfloat16()
    halved.model.vqmodel = exact
    assert Chameleon(halved, tokenizer, "any name").fingerprint == seen(base_folder)
    # fp32 would be stored
    assert Chameleon(model, tokenizer, "any name").fingerprint != seen(base_folder)


def test_a_decoder_that_was_given_apart_is_no_part_of_it_but_has_a_digest(
    base_folder, folder, tmp_path
):
    weights = load_file(folder / "model.safetensors")
    plain = {name: weight for name, weight in weights.items() if ".decoder." not in name}
    save_file(plain, folder / "model.safetensors", metadata=FORMAT)
    other = {name: w + 1 if ".decoder.conv_out" in name else w for name, w in weights.items()}
    save_file(other, tmp_path / "other.safetensors")
    alone = load_base(folder, device="cpu")
    completed = [
        load_base(folder, device="cpu", vq_decoder=at)
        for at in (base_folder, tmp_path / "other.safetensors")
    ]
    assert {base.fingerprint for base in completed} == {alone.fingerprint}
    assert completed[0].decoder_digest != completed[1].decoder_digest
    assert completed[0].decoder_digest == load_base(base_folder, device="cpu").decoder_digest


def test_it_is_what_its_description_says(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[3]], dtype=torch.int64)}, file)
    by_hand = [
        f'"a" I64 [1, 1] {hashlib.sha256((3).to_bytes(8, "little")).hexdigest()}\n',
        f'"b" F32 [2] {hashlib.sha256(torch.tensor([1.0, 2.0]).numpy().tobytes()).hexdigest()}\n',
    ]
    expected = hashlib.sha256("".join(by_hand).encode()).hexdigest()
    assert fingerprint.StoredWeights([file]).fingerprint() == expected


def test_rows_are_known_to_format_1_as_they_were_loaded_then(folder):
    weights = load_file(folder / "model.safetensors")
    finer = {
        name: weights[name].float() * 1.001
        for name in ("model.embed_tokens.weight", "lm_head.weight")
    }
    change(folder, **finer)

    def as_then(base) -> str:
        rows = base.model.model.embed_tokens.weight, base.model.lm_head.weight
        return hashlib.sha256(b"".join(r.float().numpy().tobytes() for r in rows)).hexdigest()

    loaded = [
        load_base(folder, device="cpu", dtype=dtype) for dtype in (torch.float32, torch.bfloat16)
    ]
    assert loaded[0].row_fingerprints == loaded[1].row_fingerprints == tuple(map(as_then, loaded))


# ---- kept beside large weights ---------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(fingerprint, "SLOW", 0)


def cache_of(folder):
    return folder / fingerprint.CACHE


def test_small_bases_leave_no_file_behind(folder):
    before = sorted(folder.iterdir())
    seen(folder)
    assert sorted(folder.iterdir()) == before


def test_of_a_large_base_it_is_computed_once(large, folder, base_folder, monkeypatch):
    first = seen(folder)
    assert json.loads(cache_of(folder).read_text(encoding="utf-8"))["fingerprint"] == first
    monkeypatch.setattr(fingerprint, "_line", lambda *_: pytest.fail("computed again"))
    assert seen(folder) == first


def test_what_was_kept_never_wins_over_other_weights(large, folder):
    """Of the same size, and with the time of the file before."""
    first, file = seen(folder), folder / "model.safetensors"
    stat = file.stat()
    change(folder, **{"model.norm.weight": load_file(file)["model.norm.weight"] + 1})
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_mtime_ns == stat.st_mtime_ns and file.stat().st_size == stat.st_size
    assert seen(folder) != first


@pytest.mark.parametrize("junk", ["", "[]", "{}", '{"kind": 1}', "\x00"])
def test_a_kept_file_of_junk_is_computed_again(large, folder, junk):
    first = seen(folder)
    cache_of(folder).write_text(junk, encoding="utf-8")
    assert seen(folder) == first
    kept = json.loads(cache_of(folder).read_text(encoding="utf-8"))
    cache_of(folder).write_text(json.dumps(kept | {"fingerprint": "no digest"}), encoding="utf-8")
    assert seen(folder) == first


def test_a_folder_that_cannot_be_written_into_is_no_error(large, folder, monkeypatch):
    def refuse(*_):
        raise OSError("read-only file system")

    monkeypatch.setattr(fingerprint, "write_aside", refuse)
    assert len(seen(folder)) == 64 and not cache_of(folder).exists()


def test_weights_that_change_after_loading_are_said(folder):
    loaded = load_base(folder, device="cpu")
    change(folder, stray=torch.zeros(3))
    with pytest.raises(
        UserError, match="its weight files changed after they were loaded.*Load it again"
    ):
        _ = loaded.fingerprint
