"""Textual inversion on a small random pipeline: what moves, what stays, and who reads what is kept."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e .[test]")

import small_pipeline

from unictoken.core.config import ConfigError
from unictoken.core.lock import hold
from unictoken.learn import textual_inversion
from unictoken.learn.folder import LOCK
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


@pytest.mark.slow
def test_nothing_of_the_pipeline_moves_and_its_words_stay_as_they_were(pipeline, pictures):
    before, words = state(pipeline), len(pipeline.tokenizer)
    short = Inversion(steps=2, batch=2)
    one = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=3)
    assert all(map(torch.equal, before, state(pipeline))) and len(pipeline.tokenizer) == words
    # Which shows too that the second run began where the first did.
    again = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=3)
    other = invert(pipeline, pictures, name="bo", class_noun="dog", how=short, seed=4)
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "file, key, value, said",
    [
        (
            "scheduler/scheduler_config.json",
            "prediction_type",
            "sample",
            "prediction_type 'sample'",
        ),
        ("scheduler/scheduler_config.json", "trained_betas", [0.1], "cannot learn"),
        ("text_encoder/config.json", "eos_token_id", None, "cannot learn"),
        ("tokenizer/tokenizer_config.json", "model_max_length", 2, "reads 2 ids of a prompt"),
    ],
)
def test_a_pipeline_that_cannot_be_learned_from_is_refused_in_one_line(
    folder, pictures, tmp_path, file, key, value, said
):
    place = shutil.copytree(folder, tmp_path / "copy") / file
    settings = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps(settings | {key: value}), encoding="utf-8")
    pipeline = load_pipeline(tmp_path / "copy")
    with pytest.raises(PipelineError, match=said) as refused:
        invert(pipeline, pictures, name="bo", class_noun="dog", how=HOW)
    assert "\n" not in str(refused.value)


def test_weights_that_are_no_numbers_are_not_learned_from(pipeline, pictures):
    next(pipeline.unet.parameters()).data.fill_(torch.nan)
    with pytest.raises(PipelineError, match="the loss of step 1 is nan.*smaller rate than 0.05"):
        invert(pipeline, pictures, name="bo", class_noun="dog", how=HOW)


@pytest.mark.slow
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
    # Of a word that nobody knows, what it is can be said here, too.
    other = {"fox": "quoxka", out: tmp_path / "new", folder: tmp_path}
    unknown = [str(other.get(word, word)) for word in given]
    with pytest.raises(SystemExit, match="--kind object"):
        program.main(unknown)
    with pytest.raises(SystemExit, match="no model_index.json in it"):
        program.main([*unknown, "--kind", "animal"])
    # What is there stays, a drawing too, and nobody writes beside another run.
    for gone in (LEARNED, "00.png"):
        with pytest.raises(SystemExit, match=f"{gone} is there already, and would be replaced"):
            program.main(list(map(str, given)))
        (out / gone).unlink()
    with (
        hold(out / LOCK, str(out), instead="Wait"),
        pytest.raises(SystemExit, match="Wait until it has ended"),
    ):
        program.main(list(map(str, given)))
    given[given.index(folder)] = tmp_path
    with pytest.raises(SystemExit) as ended:
        program.main(list(map(str, given)))
    assert ended.value.code == 2
    assert "no model_index.json in it" in capsys.readouterr().err
