"""Textual inversion on a small random pipeline: what moves, what stays, and who reads what is kept."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")

import small_pipeline

from unictoken.core.config import ConfigError
from unictoken.learn import textual_inversion
from unictoken.learn.textual_inversion import LEARNED, Inversion, invert, save_inversion, tokens_of
from unictoken.model.diffusion import PipelineError, load_pipeline

ROOT = Path(__file__).parents[2]
HOW = Inversion(steps=20, batch=4, lr=0.05, vectors=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_pipeline.write(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture
def pipeline(folder):
    return load_pipeline(folder)


@pytest.fixture(scope="module")
def pictures(toy):
    return toy.read().pictures


@pytest.fixture(scope="module")
def learned(folder, pictures):
    """The rows of <bo>, and the losses on the way."""
    losses = []
    rows = invert(
        load_pipeline(folder),
        pictures,
        name="bo",
        class_noun="dog",
        how=HOW,
        show=lambda step, loss: losses.append(loss),
    )
    return rows, losses


def state(pipeline):
    modules = (pipeline.text_encoder, pipeline.unet, pipeline.vae)
    return [tensor.clone() for part in modules for tensor in part.state_dict().values()]


def held_out(pipeline, pictures, rows):
    """The denoising error on noise that was not learned from, with these rows in the prompt."""
    tokenizer, said = copy.deepcopy(pipeline.tokenizer), tokens_of("bo", len(rows))
    tokenizer.add_tokens(said)
    ids = tokenizer.convert_tokens_to_ids(said)
    texts = [f"a photo of {' '.join(said)}."] * 64
    seen = textual_inversion._encoded(pipeline, pictures)
    table = pipeline.text_encoder.get_input_embeddings()
    with torch.no_grad(), textual_inversion._inserted(table, ids, torch.nn.Parameter(rows)):
        text_BTD = pipeline.text_encoder(textual_inversion._ids_of(tokenizer, texts))[0]
        chosen = np.arange(64) % len(pictures)
        noise = torch.Generator().manual_seed(99)
        return float(textual_inversion._loss(pipeline, seen, chosen, text_BTD, noise))


@pytest.mark.slow
def test_the_rows_denoise_the_concepts_pictures_better_than_its_class_noun(
    pipeline, pictures, learned
):
    rows, losses = learned
    assert rows.shape == (2, small_pipeline.WIDTH) and len(losses) == HOW.steps
    table = pipeline.text_encoder.get_input_embeddings()
    noun = textual_inversion._rows_of("dog", pipeline.tokenizer, table).repeat(2, 1)
    assert held_out(pipeline, pictures, rows) < held_out(pipeline, pictures, noun)


def test_nothing_of_the_pipeline_moves_and_its_words_stay_as_they_were(pipeline, pictures):
    before, words = state(pipeline), len(pipeline.tokenizer)
    short = Inversion(steps=2, batch=2)
    one = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=3)
    assert all(map(torch.equal, before, state(pipeline))) and len(pipeline.tokenizer) == words
    # Which shows too that the second run began where the first did.
    again = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=3)
    other = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=4)
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_diffusers_reads_what_was_learned_and_draws_with_it(pipeline, learned, tmp_path):
    rows, _ = learned
    how = {"num_inference_steps": 2, "output_type": "np"}

    def drawn():
        noise = torch.Generator().manual_seed(0)
        return pipeline("a photo of <bo>.", generator=noise, **how).images

    before = drawn()
    file = save_inversion(rows, "bo", tmp_path)
    assert file == tmp_path / LEARNED and list(load_file(file)) == ["<bo>"]
    pipeline.load_textual_inversion(str(tmp_path), local_files_only=True, use_safetensors=True)
    ids = pipeline.tokenizer.convert_tokens_to_ids(tokens_of("bo", 2))
    table = pipeline.text_encoder.get_input_embeddings()
    assert torch.equal(table(torch.tensor(ids)), rows)
    assert not np.array_equal(drawn(), before)


def test_a_name_that_is_known_and_another_pipeline_are_refused(
    pipeline, pictures, learned, tmp_path
):
    save_inversion(learned[0], "bo", tmp_path)
    pipeline.load_textual_inversion(str(tmp_path), local_files_only=True, use_safetensors=True)
    with pytest.raises(PipelineError, match="knows '<bo>' already. Choose another name"):
        invert(pipeline, pictures, name="bo", class_noun="dog", how=HOW)
    with pytest.raises(PipelineError, match="found a str, expected a StableDiffusionPipeline"):
        invert("no pipeline", pictures, name="bo", class_noun="dog", how=HOW)
    with pytest.raises(ConfigError, match="steps: found 0"):
        Inversion(steps=0)


def test_the_program_learns_keeps_and_draws(folder, toy_folder, tmp_path, capsys):
    path = ROOT / "train" / "textual_inversion.py"
    spec = importlib.util.spec_from_file_location("textual_inversion_program", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    out = tmp_path / "tom"
    given = [toy_folder, "a photo of <tom>.", "--pipeline", folder, "--name", "tom"]
    given += ["--class", "fox", "--out", out, "--steps", "2", "--batch", "2"]
    program.main(list(map(str, given)))
    assert capsys.readouterr().out.split() == [str(out / LEARNED), str(out / "00.png")]
    assert load_file(out / LEARNED)["<tom>"].shape == (1, small_pipeline.WIDTH)
    given[given.index(folder)] = tmp_path
    with pytest.raises(SystemExit) as ended:
        program.main(list(map(str, given)))
    assert ended.value.code == 2
    assert "no model_index.json in it" in capsys.readouterr().err
