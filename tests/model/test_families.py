"""A second family of bases (llama.py) is loaded, learned on, asked and drawn with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from llama import CONFIG, SIDE, Llama, TwoHeads, tokenizer_of
from safetensors.torch import save_file
from transformers import LlamaConfig

from unictoken.core.config import ConfigError
from unictoken.core.registry import Registry
from unictoken.learn.method import Run
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.optimize import OptimizeRows
from unictoken.model import base as bases
from unictoken.model.base import load_base
from unictoken.model.draw import Draw
from unictoken.model.protocol import Base
from unictoken.model.sampling import next_logits, sample_pictures
from unictoken.personalize.base import PersonalBase
from unictoken.tokens import file as concept_file
from unictoken.tokens.speaker import Speaker


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A checkpoint of the family, with random weights."""
    folder = tmp_path_factory.mktemp("llama")
    taught = {word for word in tokenizer.get_vocab() if word.isalpha() and word.islower()}
    tokenizer = tokenizer_of(sorted({*taught, ".", ",", "?"}))
    config = LlamaConfig(**CONFIG, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    save_file(TwoHeads(config).state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(bases, "FAMILIES", Registry("base family", bases.FAMILIES))
    bases.register("llama", Llama)


@pytest.fixture
def llama(folder, registered) -> PersonalBase:
    return load_base(folder, device="cpu", kind=PersonalBase)


@pytest.fixture
def tokens(llama, make_concept):
    """A concept with random rows."""
    return concept_file.ConceptTokens(
        **{
            **vars(make_concept("bo")),
            "base_name": llama.name,
            "base_fingerprint": llama.fingerprint,
        }
    )


def test_a_family_imports_what_a_base_is_and_no_other_family():
    code = Path(__file__).with_name("llama.py").read_text(encoding="utf-8")
    found = set(re.findall(r"^from unictoken\.model\.?(\w*)", code, re.MULTILINE))
    assert found == {"", "internals", "profile", "protocol", "reading", "vocab"}
    assert not (set(re.findall(r"^from unictoken\.(\w+)", code, re.MULTILINE)) - {"model"})


def test_a_model_type_belongs_to_one_family():
    with pytest.raises(ConfigError, match="base family 'chameleon': there is one of this name"):
        bases.register("chameleon", Llama)


def test_a_config_says_which_family_a_base_is_of(llama):
    assert isinstance(llama, Llama) and isinstance(llama, PersonalBase)
    assert repr(llama).startswith("<PersonalBase '") and "width 32, 16 ids a picture" in repr(llama)


def test_a_family_in_which_something_is_missing_is_refused():
    with pytest.raises(TypeError, match="abstract method"):
        type("HalfAFamily", (Llama,), {"embed": Base.embed})(None, None, "half")


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True], ids=["", "recomputed"])
def test_a_concept_is_learned_on_another_family_kept_and_spoken_of(llama, toy, tmp_path, recompute):
    if recompute:
        llama.recompute_activations()
    before = {name: tensor.clone() for name, tensor in llama.model.state_dict().items()}
    losses = []
    stage = Stage(steps=30, batch=8, lr=0.05, tasks={"recognise": 1, "vqa": 1, "generate": 2})
    method = Method(tokens=Tokens(shared=4), stages=(stage,))
    run = Run(show=lambda progress: losses.append(progress.loss))
    found = OptimizeRows(method).fit(llama, [toy], run=run)
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])
    after = llama.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())

    kept = concept_file.load(found.save(tmp_path / "concept.safetensors"), llama)
    assert torch.equal(kept.rows_in, found.tokens.rows_in)
    chat, name = llama.with_concepts(kept), kept.name
    assert isinstance(chat.ask(f"what animal is <{name}>?"), str)
    assert 0 <= chat.recognise(toy.pictures[0]) <= 1
    assert chat.draw(f"<{name}> in the snow").original.size == (SIDE, SIDE)


def test_a_prompt_without_the_concept_has_the_logits_of_the_other_family_bit_for_bit(llama, tokens):
    prompts = [
        [llama.vocab.bos, *llama.vocab.encode(text)] for text in ("a brown dog", "who is it")
    ]
    speaker = Speaker(llama, [tokens])
    spoken = next_logits(speaker, prompts)
    assert torch.equal(spoken[:, : llama.vocabulary_size], next_logits(llama, prompts))
    assert spoken[:, llama.vocabulary_size :].eq(-torch.inf).all()  # the concept's own ids
    # No id was kept free, so that all of the concept's lie beyond the vocabulary.
    assert min(speaker.ids["bo"]) == llama.vocabulary_size
    named = next_logits(speaker, [prompts[0] + speaker.ids["bo"]])
    assert named.shape[-1] == llama.vocabulary_size + 5 and named.isfinite().all()


def test_pictures_of_another_family_are_drawn_by_its_own_head(llama):
    """The likeliest codes, one whole forward pass for each, without a cache."""
    vocab = llama.vocab
    prompt = [vocab.bos, *vocab.encode("a brown dog")]
    how = Draw(temperature=0, guidance=1)
    drawn = sample_pictures(llama, [prompt], llama.codes_per_picture, how)[0].tolist()
    ids = [*prompt, vocab.begin_image]
    for expected in drawn:
        hidden_D = llama.hidden(llama.embed(torch.tensor([ids])))[0, -1]
        assert expected == int(vocab.image_ids[llama.model.paints(hidden_D).argmax()])
        ids.append(expected)


def test_a_concept_of_one_family_is_refused_by_another(llama, bo):
    with pytest.raises(concept_file.ConceptError, match="learned on"):
        llama.with_concepts(bo)
