import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from unictoken.model.base import Base, BaseError, load_base
from unictoken.model.vocab import VocabError


def test_a_saved_base_loads_the_same(base, base_folder):
    loaded = load_base(base_folder, device="cpu")
    assert loaded.fingerprint == base.fingerprint
    assert loaded.can_draw and loaded.width == 32 and loaded.codes_per_picture == 64
    ids = torch.tensor([[0, 5, 9, 70]])
    assert torch.equal(loaded.logits(loaded.hidden(loaded.embed(ids))), base.logits(base.hidden(base.embed(ids))))
    ours = base.model.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in loaded.model.state_dict().items())


def test_a_base_is_frozen(base):
    assert not any(p.requires_grad for p in base.model.parameters())
    assert not base.model.training


def test_image_ids_have_logits_of_their_own(base):
    """Chameleon's own forward sets them to the minimum."""
    hidden = torch.randn(1, 32)
    logits = base.logits(hidden)[:, base.vocab.image_ids]
    assert torch.equal(logits, torch.nn.functional.linear(hidden, base.model.lm_head.weight)[:, base.vocab.image_ids])
    assert logits.std() > 0


def test_what_comes_later_does_not_change_what_came_before(base):
    ids = torch.tensor([[0, 300, 301, 302, 303], [0, 300, 301, 400, 401]])
    hidden = base.hidden(base.embed(ids))
    torch.testing.assert_close(hidden[0, :3], hidden[1, :3])


def test_pictures_become_image_ids_and_image_ids_become_pictures(base, toy):
    ids = base.encode(toy.source.pictures)
    assert ids.shape == (5, 64) and (base.vocab.code_of_id[ids] >= 0).all()
    pictures = base.decode(ids)
    assert [(p.mode, p.size) for p in pictures] == [("RGB", (32, 32))] * 5


def test_a_picture_of_any_size_can_be_encoded(base):
    noise = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    assert base.encode([Image.fromarray(noise), Image.new("L", (7, 9))]).shape == (2, 64)


def test_large_pictures_go_through_the_image_tokenizer_a_few_at_a_time(base, toy, monkeypatch):
    ids = base.encode(toy.source.pictures)
    pictures = base.decode(ids)
    monkeypatch.setattr("unictoken.model.base.PIXELS_AT_ONCE", 1)
    assert torch.equal(base.encode(toy.source.pictures), ids)
    assert [p.tobytes() for p in base.decode(ids)] == [p.tobytes() for p in pictures]


def test_ids_that_are_not_image_ids_are_not_decoded(base):
    with pytest.raises(BaseError, match="1 of 64 ids are not image ids"):
        base.decode(torch.tensor([[base.vocab.bos] + [4] * 63]))


def test_the_fingerprint_tells_bases_apart(base, model, tokenizer):
    other = Base(model, tokenizer, "another name")
    assert other.fingerprint == base.fingerprint and len(base.fingerprint) == 64
    row = model.lm_head.weight[5]
    kept = row.clone()
    row.add_(1)
    changed = Base(model, tokenizer, "changed").fingerprint
    row.copy_(kept)
    assert changed != base.fingerprint


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(BaseError, match="no config.json"):
        load_base(tmp_path)


def test_weights_without_a_decoder_answer_but_do_not_draw(base_folder, tmp_path):
    for file in base_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(base_folder / "model.safetensors")
    save_file({k: t for k, t in tensors.items() if ".decoder." not in k}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert not load_base(tmp_path, device="cpu").can_draw
    save_file({k: t for k, t in tensors.items() if "lm_head" not in k}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseError, match="1 weights are missing, 'lm_head.weight' first"):
        load_base(tmp_path, device="cpu")


def test_a_tokenizer_of_another_family_is_refused(model):
    class OfAnotherFamily:
        sep_token = None

        def get_vocab(self):
            return {"<bos>": 0, "hello": 1}

    with pytest.raises(VocabError, match="no token '<s>'"):
        Base(model, OfAnotherFamily(), "other")
