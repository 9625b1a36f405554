"""An adapter of peft: out, in, and what plain transformers and peft answer with it."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import unictoken
from unictoken import cli
from unictoken.core.text import ConceptError
from unictoken.tokens import file as concept_file
from unictoken.tokens.exchange.convert import export_concept, import_concept
from unictoken.tokens.tokens import Prompts

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
TINY = ROOT / "checkpoints" / "tiny-chameleon"
WRAPPED = "base_model.model"  # what peft puts before the names of the model that it wraps
EMBED = f"{WRAPPED}.model.embed_tokens.trainable_tokens_delta"
HEAD = f"{WRAPPED}.lm_head.trainable_tokens_delta"
QUESTIONS = (
    "what animal is <mia>?",
    "what colour is <mia>?",
    "what does <mia> like to eat?",
    "what does <mia> like to play with?",
    "is <mia> wearing a hat?",
)


def adapter(folder, **tensors):
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    return [folder / "adapter_model.safetensors"]


def rows(count=3, width=32, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def imported(files, **given):
    return import_concept(files, form="peft", name="bo", class_noun="dog", **given)


def test_a_concept_goes_out_and_comes_back_with_equal_rows(bo, base, tmp_path):
    written = export_concept(bo, "peft", tmp_path / "bo", base)
    assert {path.name for path in written.paths} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "README.md",
    }
    again = imported([tmp_path / "bo"], base=base)  # its folder is enough
    assert torch.equal(again.rows_in, bo.rows_in) and torch.equal(again.rows_out, bo.rows_out)
    assert again.counts == {"name": 1, "shared": 4, "generation": 0, "understanding": 0}
    assert again.prompts == bo.prompts and written.left_out == ()


def test_the_adapter_names_the_ids_that_the_concept_has_here(bo, base, tmp_path):
    export_concept(bo, "peft", tmp_path, base)
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["token_indices"] == base.vocab.reserved[:5]
    assert config["target_modules"] == ["embed_tokens", "lm_head"]
    assert load_file(tmp_path / "adapter_model.safetensors").keys() == {EMBED, HEAD}


def test_what_peft_does_not_know_is_said(make_concept, base, tmp_path):
    bo = make_concept("bo", shared=2, generation=2)
    prompts = Prompts(understanding="{name} is {shared}{generation}.")
    written = export_concept(replace(bo, prompts=prompts), "peft", tmp_path, base)
    assert written.left_out == ("roles", "prompts")


def test_an_adapter_needs_its_base(bo, base, make_concept, tmp_path):
    with pytest.raises(ConceptError, match="names ids of its base. Give the base"):
        export_concept(bo, "peft", tmp_path)
    many = make_concept("bo", shared=len(base.vocab.reserved))
    with pytest.raises(ConceptError, match="free ids. peft knows ids of the vocabulary only"):
        export_concept(many, "peft", tmp_path, base)
    other = replace(bo, base_fingerprint="another")
    with pytest.raises(ConceptError, match="learned on base"):
        export_concept(other, "peft", tmp_path, base)
    assert not list(tmp_path.iterdir())


def test_an_adapter_of_the_embedding_alone_begins_with_the_nouns_head_rows(base, tmp_path):
    made = imported(adapter(tmp_path, **{EMBED: rows()}), base=base)
    assert "head rows of 'dog'" in made.origin and made.rows_out.shape == (3, 32)


def test_trainable_tokens_of_a_lora_are_read_by_their_own_names(base, tmp_path):
    key = EMBED.replace("trainable", "token_adapter.trainable")
    made = imported(adapter(tmp_path, **{key: rows(), HEAD: rows(seed=1)}), base=base)
    assert torch.equal(made.rows_in, rows())


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({EMBED: rows(), "base_model.model.q.lora_A.weight": rows()}, "Other adapters are no"),
        ({HEAD: rows()}, "no rows of embed_tokens"),
        ({EMBED: rows(), HEAD: rows(2)}, r"found shape \(2, 32\), expected \(3, 32\)"),
        ({EMBED: rows() / 0}, "not finite"),
        ({EMBED: rows().int()}, "float32, bfloat16 or float16"),
    ],
)
def test_another_adapter_is_refused_in_one_line(tensors, match, base, tmp_path):
    with pytest.raises(ConceptError, match=match) as error:
        imported(adapter(tmp_path, **tensors), base=base)
    assert "\n" not in str(error.value)


def test_a_hostile_name_or_prompt_stands_in_the_readme_as_text(bo, base, tmp_path):
    bo = replace(bo, class_noun="dog</h1><img src=x>", prompts=Prompts(understanding='"); x = ("'))
    export_concept(bo, "peft", tmp_path, base)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "<img" not in card
    compile(re.search("```python\n(.*?)```", card, re.DOTALL)[1], "README", "exec")


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """What the README of <mia>'s adapter defines, run with plain transformers and peft."""
    pytest.importorskip("peft", reason="peft is not installed: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("adapter") / "mia"
    cli.main(["export", "mia", "--form", "peft", "--out", str(folder)])
    card = (folder / "README.md").read_text(encoding="utf-8")
    code = re.search("```python\n(.*?)```", card, re.DOTALL)[1]
    assert "unictoken" not in code
    defined: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.24 by an old name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            exec(code, defined)
    return defined


@pytest.mark.slow
def test_plain_transformers_and_peft_answer_as_we_do(stock):
    chat = unictoken.load("tiny").with_concepts("mia")
    assert type(stock["model"].get_base_model()).__module__.startswith("transformers.")
    assert [stock["ask"](question) for question in QUESTIONS] == chat.ask(QUESTIONS)
    pictures = chat.draw(["<mia> in the snow", "a dog"], seed=0)
    asked = "is <mia> in the photo?"
    assert [stock["ask"](asked, p) for p in pictures] == chat.ask(asked, pictures) == ["yes", "no"]


@pytest.mark.slow
def test_the_adapter_becomes_our_concept_again(stock, tmp_path):
    folder = str(stock["ADAPTER"])
    cli.main(
        ["import", folder, "--form", "peft", "--name", "mia", "--class-noun", "fox"]
        + ["--base", "tiny", "--out", str(tmp_path)]
    )
    again = concept_file.load(tmp_path / "mia.safetensors")
    mia = concept_file.load(TINY / "mia.safetensors")
    assert torch.equal(again.rows_in, mia.rows_in) and torch.equal(again.rows_out, mia.rows_out)
    assert again.prompts == mia.prompts and again.base_fingerprint == mia.base_fingerprint
