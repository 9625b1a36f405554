"""Pipelines of diffusers that draw, and folders that are refused before anything in them is run."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")

import small_pipeline

from unictoken.model.diffusion import INDEX, PipelineError, draw_prompts, load_pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_pipeline.write(tmp_path_factory.mktemp("pipeline"))


def pixels(pictures):
    return [np.asarray(picture).tolist() for picture in pictures]


def test_a_picture_depends_on_the_prompt_the_seed_and_its_place_alone(folder):
    pipeline = load_pipeline(folder)
    five = draw_prompts(pipeline, ["a dog."] * 5, seed=0, steps=2)
    assert [picture.size for picture in five] == [(16, 16)] * 5
    assert len({str(one) for one in pixels(five)}) == 5
    # Alone, and not beside three others: rounding may move a pixel by one.
    alone = draw_prompts(pipeline, ["a dog."], seed=0, steps=2)
    assert np.abs(np.subtract(pixels(alone)[0], pixels(five)[0])).max() <= 1
    assert pixels(draw_prompts(pipeline, ["a dog."], seed=1, steps=2)) != pixels(alone)
    assert pixels(draw_prompts(pipeline, ["a cat."], seed=0, steps=2)) != pixels(alone)


def test_nothing_of_a_pipeline_learns_by_itself(folder):
    pipeline = load_pipeline(folder)
    assert not any(p.requires_grad for p in pipeline.unet.parameters())
    assert not pipeline.text_encoder.training


def changed(folder, tmp_path, change):
    """A copy of the folder with another index."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.rglob("*"):
        if file.is_file() and file.name != INDEX:
            (copy / file.relative_to(folder)).parent.mkdir(exist_ok=True)
            (copy / file.relative_to(folder)).write_bytes(file.read_bytes())
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    (copy / INDEX).write_text(json.dumps(change(index)), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    "change, found",
    [
        (lambda index: index | {"_class_name": "OtherPipeline"}, "found the pipeline"),
        (lambda index: index | {"_class_name": ["pipeline", "Mine"]}, "found the pipeline"),
        (lambda index: index | {"_class_name": "UNet2DModel"}, "found the pipeline"),
        (lambda index: index | {"unet": ["os", "path"]}, "'unet' is of 'os'"),
        (lambda index: index | {"unet": [["os"], "path"]}, "expected diffusers or transformers"),
        (lambda index: index | {"unet": ["diffusers", "NoSuchModel"]}, "cannot be loaded"),
        (lambda index: [index], "found the pipeline 'None'"),
    ],
)
def test_an_index_that_names_something_else_is_refused_in_one_line(folder, tmp_path, change, found):
    with pytest.raises(PipelineError, match=found) as refused:
        load_pipeline(changed(folder, tmp_path, change))
    assert "\n" not in str(refused.value) and "Give a" in str(refused.value)


@pytest.mark.parametrize(
    "file, key, value",
    [
        ("unet/config.json", "cross_attention_dim", 10**9),
        ("unet/config.json", "block_out_channels", []),
        ("vae/config.json", "norm_num_groups", "x"),
        ("text_encoder/config.json", "hidden_size", 10**9),
        ("tokenizer/tokenizer.json", "normalizer", -1),
        ("model_index.json", "text_encoder", {}),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(folder, tmp_path, file, key, value):
    copy = changed(folder, tmp_path, lambda index: index)
    said = json.loads((copy / file).read_text(encoding="utf-8"))
    (copy / file).write_text(json.dumps(said | {key: value}), encoding="utf-8")
    with pytest.raises(PipelineError, match="cannot be loaded") as refused:
        load_pipeline(copy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("said", ["77", "long", 0, -1, True, [77]])
def test_a_tokenizer_that_does_not_say_how_long_a_prompt_is_is_refused(folder, tmp_path, said):
    copy = changed(folder, tmp_path, lambda index: index)
    file = copy / "tokenizer/tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) | {"model_max_length": said}
    file.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(PipelineError, match="tokenizer: model_max_length: found") as refused:
        load_pipeline(copy)
    assert "at least 1. Give a folder" in str(refused.value)


@pytest.mark.parametrize(
    "file, key, value",
    [
        ("scheduler/scheduler_config.json", "num_train_timesteps", 10**9),
        ("text_encoder/config.json", "num_hidden_layers", 10**8),
        ("unet/config.json", "layers_per_block", 10**8),
        ("unet/config.json", "transformer_layers_per_block", [1, [10**8]]),
        ("unet/config.json", "sample_size", 10**6),
        ("text_encoder/config.json", "sizes", {"num_layers": 1e9}),
    ],
)
def test_settings_that_would_take_all_memory_are_refused_before_anything_is_made(
    folder, tmp_path, monkeypatch, file, key, value
):
    copy = changed(folder, tmp_path, lambda index: index)
    said = json.loads((copy / file).read_text(encoding="utf-8"))
    (copy / file).write_text(json.dumps(said | {key: value}), encoding="utf-8")
    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", lambda *a, **b: 1 / 0)
    with pytest.raises(PipelineError, match=f"{file}: .*found .*expected at most .* Give a"):
        load_pipeline(copy)


@pytest.mark.parametrize(
    "part, weights",
    [("unet", "diffusion_pytorch_model.safetensors"), ("text_encoder", "model.safetensors")],
)
def test_an_index_of_weights_that_leads_out_of_the_folder_is_refused(
    folder, tmp_path, part, weights
):
    copy = changed(folder, tmp_path, lambda index: index)
    file = copy / part / weights
    names = list(load_file(file))
    file.rename(tmp_path / "secret.safetensors")
    named = {"metadata": {}, "weight_map": dict.fromkeys(names, "../../secret.safetensors")}
    file.with_name(f"{weights}.index.json").write_text(json.dumps(named), encoding="utf-8")
    with pytest.raises(PipelineError, match="expected a file in the pipeline's own folder"):
        load_pipeline(copy)


@pytest.mark.parametrize("said", ["is missing", "holds NaN or infinity"])
def test_weights_that_are_missing_or_no_numbers_are_refused(folder, tmp_path, said):
    copy = changed(folder, tmp_path, lambda index: index)
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    if said == "is missing":
        del weights[name]
    else:
        weights[name][:] = torch.inf
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(PipelineError, match=f"vae: '{name}' {said}. Give a folder"):
        load_pipeline(copy)


def test_what_is_no_plain_file_and_a_key_that_no_terminal_may_be_shown_are_refused(
    folder, tmp_path
):
    copy = changed(folder, tmp_path, lambda index: index)
    place = copy / "unet" / "config.json"
    said = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps(said | {"a\x1b[2J": 1}), encoding="utf-8")
    with pytest.raises(PipelineError, match="found the key .*x1b"):
        load_pipeline(copy)
    place.unlink()
    os.mkfifo(place)  # which would be waited for
    with pytest.raises(PipelineError, match="config.json: found no plain file"):
        load_pipeline(copy)


@pytest.mark.parametrize("place", ["pipeline.py", "unet/diffusers.py"])
def test_code_in_the_folder_is_not_run(folder, tmp_path, place):
    copy = changed(folder, tmp_path, lambda index: index)
    trap = tmp_path / "ran"
    code = f"open({str(trap)!r}, 'w')\n"
    (copy / place).write_text(code, encoding="utf-8")
    with pytest.raises(PipelineError, match="found code"):
        load_pipeline(copy)
    assert not trap.exists()


def test_pickled_weights_are_not_read(folder, tmp_path):
    copy = changed(folder, tmp_path, lambda index: index)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(PipelineError, match="cannot be loaded .*safetensors"):
        load_pipeline(copy)


def test_a_folder_without_a_pipeline_and_a_name_of_the_hub_are_refused(tmp_path):
    for place in (tmp_path, "stable-diffusion-v1-5/stable-diffusion-v1-5"):
        with pytest.raises(PipelineError, match="no model_index.json in it"):
            load_pipeline(place)


def test_without_diffusers_it_is_said_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setattr("unictoken.model.diffusion.importlib.util.find_spec", lambda name: None)
    with pytest.raises(PipelineError, match="pip install 'unictoken\\[diffusion\\]'"):
        load_pipeline(folder)


def test_a_pipeline_that_takes_no_prompt_is_refused():
    class Unconditional:
        def __call__(self, batch_size=1, generator=None):
            raise AssertionError("it drew")

    with pytest.raises(PipelineError, match="Unconditional: takes no prompt"):
        draw_prompts(Unconditional(), ["a dog."], seed=0)


def test_a_pipeline_that_loads_and_cannot_draw_is_refused_in_one_line(folder, tmp_path):
    copy = changed(folder, tmp_path, lambda index: index)
    place = copy / "scheduler" / "scheduler_config.json"
    told = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps(told | {"prediction_type": "nothing"}), encoding="utf-8")
    pipeline = load_pipeline(copy)
    with pytest.raises(PipelineError, match="cannot draw .*nothing.*Give a folder") as error:
        draw_prompts(pipeline, ["a dog."], seed=0, steps=1)
    assert "\n" not in str(error.value)
