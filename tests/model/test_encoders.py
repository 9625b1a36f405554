"""Encoders are tiny ones of the real classes, saved by the test; their scores mean nothing, their
paths are the real ones.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

from unictoken.data.concept import Concept
from unictoken.measure.similarity import PRESETS, similarity
from unictoken.model import encoders
from unictoken.model.encoders import BaseEncoder, EncoderError, load_encoder
from unictoken.personalize.features import FeatureSearch
from unictoken.personalize.query import Seen
from unictoken.scoring import metrics

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
DRAWN = [Image.new("RGB", (40, 30), colour) for colour in ("red", "navy")]
REFERENCES = [*DRAWN, Image.new("L", (30, 50), 200)]
PROMPTS = ["a dog", "a dog in the snow at night and so on"]


def save_clip(folder, patch: int):
    torch.manual_seed(patch)
    letters = [
        "<|startoftext|>",
        "<|endoftext|>",
        *(letter + end for letter in "adghinostw" for end in ("", "</w>")),
    ]
    text = {
        **SMALL,
        "vocab_size": len(letters),
        "max_position_embeddings": 12,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {**SMALL, "image_size": 2 * patch, "patch_size": patch}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(
        folder
    )
    CLIPTokenizer(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]).save_pretrained(
        folder
    )
    size = {"height": 2 * patch, "width": 2 * patch}
    CLIPImageProcessorPil(size={"shortest_edge": 2 * patch}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return load_encoder("clip-vit-b32", save_clip(tmp_path_factory.mktemp("clip"), 32))


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory):
    """Without a pooler, as DINO's weights are published."""
    folder = tmp_path_factory.mktemp("dino")
    ViTModel(
        ViTConfig(**SMALL, image_size=32, patch_size=16), add_pooling_layer=False
    ).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_clip_puts_pictures_and_texts_in_one_space(clip):
    pictures, texts = clip.pictures(REFERENCES), clip.texts(PROMPTS)
    assert pictures.shape == (3, 8) and texts.shape == (2, 8) and pictures.dtype == np.float32
    assert np.array_equal(pictures, clip.pictures(REFERENCES)) and not np.allclose(
        pictures[0], pictures[1]
    )
    assert np.allclose(texts[:1], clip.texts(PROMPTS[:1]), atol=1e-6)  # padding changes nothing


def test_a_search_by_clip_counts_a_concept_s_pictures_and_the_words_alike(base, clip):
    def unit(rows):
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    bo = Concept(name="bo", class_noun="dog", pictures=tuple(DRAWN))
    search = FeatureSearch(base, clip, {"bo": bo}.__getitem__)
    whom = unit(unit(clip.pictures(DRAWN)).mean(0))
    words = unit(clip.texts(["a photo of the dog in the snow."])[0])
    cosines = unit(clip.pictures(REFERENCES)) @ unit(whom + words)
    seen = Seen(base.encode(REFERENCES), tuple(REFERENCES))
    found = search.scores([search.query("<bo> in the snow")], seen)
    assert found == [pytest.approx(cosines.tolist(), abs=1e-6)]


def test_more_pictures_than_a_batch_are_the_same_features(clip, monkeypatch):
    whole = clip.pictures(REFERENCES)
    monkeypatch.setattr(encoders, "BATCH", 2)
    assert np.allclose(clip.pictures(REFERENCES), whole, atol=1e-6)


def test_dino_gives_the_class_token(dino_folder, tmp_path):
    dino = load_encoder("dino-vit-s16", dino_folder)
    assert dino.pictures(REFERENCES).shape == (3, 16)
    Dinov2Model(
        Dinov2Config(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
        )
    ).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(tmp_path)
    assert load_encoder("dinov2-vit-s14", tmp_path).pictures(DRAWN).shape == (2, 16)


def test_the_base_has_features_of_its_own(base):
    own = BaseEncoder(base)
    assert own.pictures(REFERENCES).shape == (3, base.width)
    assert similarity("base_i", own, DRAWN[:1], DRAWN[:1]) == {
        "similarity (base, pairwise)": pytest.approx(1)
    }


def test_a_score_is_printed_with_its_encoder_and_comparison(clip):
    assert {preset.name for preset in PRESETS.values()} == {
        "CLIP-I (ViT-B/32, pairwise)",
        "CLIP-I (ViT-L/14, mean reference)",
        "CLIP-T (ViT-B/32, prompts)",
        "DINO-I (ViT-S/16, pairwise)",
        "DINOv2-I (ViT-S/14, pairwise)",
        "similarity (base, pairwise)",
    }
    expected = metrics.pairwise_similarity(clip.pictures(DRAWN), clip.pictures(REFERENCES))
    assert similarity("clip_i", clip, DRAWN, REFERENCES) == {
        "CLIP-I (ViT-B/32, pairwise)": expected
    }
    assert list(similarity("clip_t", clip, DRAWN, PROMPTS)) == ["CLIP-T (ViT-B/32, prompts)"]


def test_the_two_clip_i_are_different_numbers(clip, tmp_path):
    large = load_encoder("clip-vit-l14", save_clip(tmp_path, 14))
    drawn, references = large.pictures(DRAWN), large.pictures(REFERENCES)
    ((name, value),) = similarity("clip_i_yochameleon", large, DRAWN, REFERENCES).items()
    assert name == "CLIP-I (ViT-L/14, mean reference)"
    assert (
        value
        == metrics.mean_reference_similarity(drawn, references)
        != metrics.pairwise_similarity(drawn, references)
    )


def test_a_score_is_made_with_its_own_encoder_only(clip):
    with pytest.raises(
        EncoderError,
        match="score 'clip_i_yochameleon': found encoder 'clip-vit-b32', expected 'clip-vit-l14'",
    ):
        similarity("clip_i_yochameleon", clip, DRAWN, REFERENCES)
    with pytest.raises(EncoderError, match="unknown. Expected one of clip_i, "):
        similarity("clip", clip, DRAWN, REFERENCES)


def test_weights_of_another_encoder_are_not_taken_for_it(dino_folder):
    with pytest.raises(EncoderError, match="patches of 16 pixels .* expected 14"):
        load_encoder("dinov2-vit-s14", dino_folder)


def test_weights_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(
        EncoderError,
        match="encoder 'clip-vit-b32': nothing to load at .* or leave its scores out.$",
    ) as raised:
        load_encoder("clip-vit-b32", tmp_path)
    assert "\n" not in str(raised.value)
    with pytest.raises(
        EncoderError, match="encoder 'clip': unknown. Expected one of clip-vit-b32, "
    ):
        load_encoder("clip")


def test_a_model_with_missing_weights_is_refused(tmp_path):
    torch.manual_seed(0)
    model = ViTModel(ViTConfig(**SMALL, image_size=32, patch_size=16), add_pooling_layer=False)
    kept = {
        key: value for key, value in model.state_dict().items() if not key.startswith("layernorm")
    }
    model.save_pretrained(tmp_path, state_dict=kept)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="2 weights are missing .* 'layernorm.bias' first"):
        load_encoder("dino-vit-s16", tmp_path)


def test_nothing_to_encode_is_said(clip):
    with pytest.raises(EncoderError, match="found nothing to encode"):
        clip.pictures([])


# ---- folders that somebody made to harm ----------------------------------------------------------


def copied(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def change(place, **settings):
    said = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps(said | settings), encoding="utf-8")


def test_an_index_of_an_encoders_weights_that_leads_out_of_its_folder_is_refused(
    dino_folder, tmp_path
):
    copy = copied(dino_folder, tmp_path)
    weights = copy / "model.safetensors"
    names = list(load_file(weights))
    weights.rename(tmp_path / "secret.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../secret.safetensors")}
    text = json.dumps(index)
    (copy / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    with pytest.raises(EncoderError, match="expected a file in the encoder's own folder"):
        load_encoder("dino-vit-s16", copy)


def test_nobody_is_asked_whether_an_encoders_code_may_be_run(dino_folder, tmp_path, monkeypatch):
    copy = copied(dino_folder, tmp_path)
    trap = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(trap)!r}, 'w')\n", encoding="utf-8")
    auto = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
    change(copy / "config.json", auto_map=auto, model_type="evil")
    monkeypatch.setattr("builtins.input", lambda *said: "y")
    with pytest.raises(EncoderError, match="nothing to load"):
        load_encoder("dino-vit-s16", copy)
    assert not trap.exists()


def test_an_encoders_pickle_is_not_read(dino_folder, tmp_path):
    copy = copied(dino_folder, tmp_path)
    weights = copy / "model.safetensors"
    torch.save(load_file(weights), copy / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(EncoderError, match="nothing to load .*safetensors"):
        load_encoder("dino-vit-s16", copy)


@pytest.mark.parametrize(
    "file, settings, said",
    [
        ("config.json", {"num_hidden_layers": 10**8}, "num_hidden_layers: found 100000000"),
        ("config.json", {"image_size": 10**9}, "image_size: found 1000000000, expected at most"),
        ("config.json", {"intermediate_size": 10**7}, r"ask for \d+,\d+,\d+ weights, and its"),
        ("config.json", {"hidden_act": "nothing"}, "nothing to load"),
        ("preprocessor_config.json", {"size": {"height": 10**9}}, "height: found 1000000000"),
        ("preprocessor_config.json", {"size": {"height": 33, "width": 7}}, "fit no input"),
    ],
)
def test_an_encoders_settings_that_fit_nothing_are_refused_in_one_line(
    dino_folder, tmp_path, file, settings, said
):
    copy = copied(dino_folder, tmp_path)
    change(copy / file, **settings)
    with pytest.raises(EncoderError, match=said) as refused:
        load_encoder("dino-vit-s16", copy).pictures(DRAWN)
    assert "\n" not in str(refused.value)


def test_an_encoders_weights_that_are_no_numbers_are_refused(dino_folder, tmp_path):
    copy = copied(dino_folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    weights[min(weights)][:] = torch.nan
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="holds NaN or infinity"):
        load_encoder("dino-vit-s16", copy)
