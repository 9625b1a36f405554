import copy

import pytest
import torch

from unictoken.core.errors import Stopped
from unictoken.model.chameleon import EarlyFusionModel
from unictoken.model.vocab import ChameleonVocab
from unictoken.toy.pretrain import album, image_tokenizer, language, vocabulary
from unictoken.toy.pretrain.album import AlbumSettings
from unictoken.toy.pretrain.card import write_card
from unictoken.toy.pretrain.image_tokenizer import CHROMA, TokenizerSettings, patches
from unictoken.toy.pretrain.optimise import Muon, load_progress, save_progress
from unictoken.toy.pretrain.pictures import draw_groups, sample_groups


class Interrupted(Exception):
    """Stands for a process that ends in the middle."""


def state_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


def test_patches_are_four_by_four_and_colour_counts_more_than_brightness():
    grey = torch.arange(8 * 8.0).view(1, 1, 8, 8).repeat(1, 3, 1, 1)
    flat = patches(grey)
    assert flat.shape == (1, 48, 2, 2)
    assert flat[0, :, 0, 1].view(4, 4, 3)[2, 3].tolist() == grey[0, :, 2, 7].tolist()
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 3.0
    assert patches(red).view(16, 3)[5].tolist() == [1 + 2 * CHROMA, 1 - CHROMA, 1 - CHROMA]


def test_progress_comes_back(tmp_path):
    path = tmp_path / "deep" / "progress.safetensors"
    assert load_progress(path) == (0, {})
    save_progress(path, 7, model={"a/b": torch.ones(2)}, optimiser={"0": torch.zeros(1)})
    step, groups = load_progress(path)
    assert (
        step == 7
        and groups["model"]["a/b"].tolist() == [1, 1]
        and groups["optimiser"]["0"].tolist() == [0]
    )


@pytest.mark.slow
def test_the_vocabulary_is_deterministic(tokenizer):
    assert vocabulary.build(64).get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize(
    "word",
    [
        "dog",
        "rabbit",
        "striped",
        "lopsided",
        "orange",
        "beach",
        "wearing",
        "yes",
        "no",
        "photo",
        "describe",
        "draw",
    ],
)
def test_words_of_the_world_and_of_the_templates_are_one_token_each(base, word):
    assert len(base.vocab.encode(word)) == 1


def test_training_pictures_are_a_function_of_their_seed():
    first, again, other = (draw_groups(sample_groups(3, seed=seed)) for seed in (0, 0, 1))
    assert (
        first.shape == (3, 3, 32, 32)
        and torch.equal(first, again)
        and not torch.equal(first, other)
    )


@pytest.mark.slow
def test_the_halves_of_the_image_tokenizer_do_not_disturb_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(image_tokenizer, "K_MEANS_PATCHES", 2_000)
    settings = TokenizerSettings(
        width=32, num_codes=8, encoder_steps=1, decoder_steps=1, batch=2, pictures=8
    )
    reached = {}

    def log(step: int, **numbers) -> None:
        reached[len(reached)] = numbers

    def after(name: str) -> dict[str, torch.Tensor]:
        return load_progress(tmp_path / f"{name}.safetensors")[1]["model"]

    made = image_tokenizer.train(settings, seed=0, device="cpu", work=tmp_path, log=log)
    moved = {
        name.split(".")[0]
        for name, tensor in made.state_dict().items()
        if not torch.equal(tensor, after("encoder")[name])
    }
    assert moved == {"post_quant_conv", "decoder"}
    assert [set(numbers) for numbers in reached.values()] == [{"loss", "psnr"}] * 2
    assert same(
        state_of(image_tokenizer.train(settings, seed=0, device="cpu", work=tmp_path, log=log)),
        state_of(made),
    )
    assert len(reached) == 2  # what is finished is not trained again


@pytest.mark.slow
def test_making_the_transformer_resumes_bit_for_bit(tmp_path, tokenizer, model):
    settings = language.LanguageSettings(
        width=32,
        layers=1,
        heads=2,
        ffn_width=64,
        album=AlbumSettings(families=2, couples=2, tales=2),
        batch=2,
        steps=4,
        save_every=2,
    )
    vq = model.model.vqmodel
    sequences = language.make_sequences(
        settings, ChameleonVocab(tokenizer), vq, seed=0, device="cpu", cache=tmp_path
    )

    def made(
        name: str, *, until: int = 5, vq=vq, stop_asked=lambda: False
    ) -> dict[str, torch.Tensor]:
        def log(step: int, **numbers) -> None:
            if step >= until:
                raise Interrupted

        torch.manual_seed(0)
        untrained = language.build(settings, tokenizer, vq)
        language.train(
            untrained,
            settings,
            sequences,
            seed=0,
            device="cpu",
            progress=tmp_path / f"{name}.safetensors",
            log=log,
            watch=lambda step, model: {},
            stop_asked=stop_asked,
        )
        return state_of(untrained)

    straight = made("straight")
    with pytest.raises(Interrupted):
        made("resumed", until=4)
    assert load_progress(tmp_path / "resumed.safetensors")[0] == 2
    assert same(made("resumed"), straight)
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="stopped at step 3 of 4"):
        made("stopped", stop_asked=lambda: next(asked))
    assert load_progress(tmp_path / "stopped.safetensors")[0] == 3 and same(
        made("stopped"), straight
    )
    assert same(
        {k: t for k, t in straight.items() if "vqmodel" in k},
        {f"model.vqmodel.{k}": t for k, t in vq.state_dict().items()},
    )
    newer = copy.deepcopy(vq)
    with torch.no_grad():
        newer.decoder.conv_out.bias.add_(1)  # a decoder that was trained on meanwhile
    again = made("straight", vq=newer)
    assert {k for k, t in again.items() if not torch.equal(t, straight[k])} == {
        "model.vqmodel.decoder.conv_out.bias"
    }


def test_kept_image_ids_belong_to_their_album_and_image_tokenizer(model, monkeypatch):
    monkeypatch.setattr(album, "SAMPLE", AlbumSettings(families=1, couples=1, tales=1))
    vq, other = model.model.vqmodel, copy.deepcopy(model.model.vqmodel)
    settings = AlbumSettings(families=2, couples=2, tales=2)
    own = album.digest(settings, 0, vq)
    with torch.no_grad():
        other.decoder.conv_out.bias.add_(1)
        assert album.digest(settings, 0, other) == own
        other.quantize.embedding.weight.add_(1)
    assert own not in (
        album.digest(settings, 0, other),
        album.digest(settings, 1, vq),
        album.digest(AlbumSettings(families=3, couples=2, tales=2), 0, vq),
    )


@pytest.mark.slow
def test_processes_make_the_batches_that_one_makes(tmp_path, tokenizer, model):
    settings = language.LanguageSettings(
        album=AlbumSettings(families=2, couples=2, tales=2), batch=2, steps=4
    )
    sequences = language.make_sequences(
        settings,
        ChameleonVocab(tokenizer),
        model.model.vqmodel,
        seed=0,
        device="cpu",
        cache=tmp_path,
    )
    batches = language.Batches(sequences, settings, 0)
    alone, shared = (list(batches.after(1, workers=workers)) for workers in (0, 2))
    assert len(alone) == len(shared) == 3
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a.ids_BT, b.ids_BT) and torch.equal(a.labels_BT, b.labels_BT)


def test_matrices_move_as_torchs_own_muon_moves_them():
    torch.manual_seed(0)
    theirs = [torch.nn.Parameter(torch.randn(shape)) for shape in ((8, 16), (16, 8), (8, 16))]
    ours = {str(i): p.data.clone() for i, p in enumerate(theirs)}
    reference, batched = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.0), Muon(ours)
    for _ in range(3):
        gradients = [torch.randn_like(p) for p in theirs]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient
        reference.step()
        batched.step({str(i): g for i, g in enumerate(gradients)}, 0.02)
    for i, parameter in enumerate(theirs):
        # Both orthogonalise in bf16, and add up in another order.
        torch.testing.assert_close(ours[str(i)], parameter.data, atol=4e-3, rtol=0)


def test_alike_patches_begin_with_alike_rows(tokenizer, model):
    vocab, codebook = ChameleonVocab(tokenizer), torch.randn(64, 48)
    codebook[1] = codebook[0] + 0.01 * torch.randn(48)
    fresh = EarlyFusionModel(model.config)
    words = fresh.lm_head.weight[: vocab.image_ids.min()].clone()
    language.start_image_rows(fresh, vocab.image_ids, codebook)
    for rows in (
        fresh.model.embed_tokens.weight[vocab.image_ids],
        fresh.lm_head.weight[vocab.image_ids],
    ):
        apart = (rows[0] - rows).norm(dim=1)
        assert apart[1] < 0.1 * apart[2:].min()
        assert rows.std().item() == pytest.approx(model.config.initializer_range, rel=1e-3)
    assert torch.equal(fresh.lm_head.weight[: vocab.image_ids.min()], words)


def test_yes_and_no_weigh_more_than_words_and_picture_codes_less(tokenizer):
    vocab, settings = (
        ChameleonVocab(tokenizer),
        language.LanguageSettings(image_weight=0.25, yes_no_weight=2.0),
    )
    weights = language.weights_of_ids(vocab, settings)
    assert weights[vocab.encode("yes no brown")].tolist() == [2, 2, 1]
    assert set(weights[vocab.image_ids].tolist()) == {0.25}


def test_the_card_tells_the_history_of_the_weights_and_what_was_measured(tmp_path):
    write_card(
        tmp_path, {"vqa": 0.956, "other": 1.0}, "python train/base.py", fingerprint="ab" * 32
    )
    assert "| visual questions, exact | 0.956 | 0.97 |" in (tmp_path / "README.md").read_text(
        encoding="utf-8"
    )
    (tmp_path / "history.md").write_text(
        f"These weights ({'ab' * 6}): 10 steps.\n", encoding="utf-8"
    )
    write_card(
        tmp_path,
        {"vqa": 0.9},
        "python train/base.py",
        fingerprint="ab" * 32,
        notes=["The judge errs."],
    )
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "10 steps." in card and "The judge errs." in card and "0.956" not in card
    write_card(tmp_path, {"vqa": 0.9}, "python train/base.py", fingerprint="cd" * 32)
    assert "10 steps." not in (tmp_path / "README.md").read_text(encoding="utf-8")
