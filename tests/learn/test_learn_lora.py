"""Fine-tuning as a method: adapters and a name, learned, kept and loaded like any other concept."""

import pytest
import torch

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.shipped import find_method
from unictoken.core.text import ConceptError
from unictoken.learn.lora import FineTuned
from unictoken.learn.method import Run
from unictoken.learn.methods import LoraMethod, MethodFile
from unictoken.learn.run import method_of
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.model.sampling import next_logits
from unictoken.personalize.condition import together
from unictoken.personalize.tokens import learned, with_tokens

pytest.importorskip("peft", reason="peft is not installed (extra 'lora')")
SHORT = ["method.stages.0.steps=4", "method.stages.0.batch=4", "method.rank=2"]


@pytest.fixture(scope="module")
def method() -> LoraMethod:
    return config.load(MethodFile, find_method("lora"), SHORT).method


@pytest.fixture(scope="module")
def tuned(base, toy, method) -> FineTuned:
    losses = []
    made = method_of(method).fit(base, [toy], run=Run(show=lambda p: losses.append(p.loss)))
    assert len(losses) == 4
    return made


@pytest.fixture(scope="module")
def folder(tuned, tmp_path_factory):
    return tuned.save(tmp_path_factory.mktemp("tuned") / "tom")


def test_it_is_a_folder_of_pefts_format_and_the_names_rows(tuned, folder):
    names = {"adapter_config.json", "adapter_model.safetensors", "concept.safetensors"}
    assert {file.name for file in folder.iterdir()} == names
    assert sum(tuned.tokens.counts.values()) == 1
    assert list(tuned.tokens.rows_in.shape) == [1, tuned.base.width]


def test_adapters_learn_and_the_base_does_not(base, tuned):
    prompt = [[base.vocab.bos, *base.vocab.encode("is it a dog?"), base.vocab.end_turn]]
    # That nobody is named in it does not matter: this is what fine-tuning gives up.
    assert not torch.equal(next_logits(tuned.base, prompt), next_logits(base, prompt))
    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    assert tuned.base.fingerprint == base.fingerprint


def test_loaded_it_answers_as_it_was_learned(base, tuned, folder):
    questions = ["what colour is <tom>?", "what animal is <tom>?"]
    loaded = learned(base, folder)
    assert loaded.ask(questions, max_ids=4) == with_tokens(tuned.base, tuned.tokens).ask(
        questions, max_ids=4
    )
    pictures_NK = tuned.prepared.material.pictures_NK
    assert loaded.recognise(pictures_NK) == with_tokens(tuned.base, tuned.tokens).recognise(
        pictures_NK
    )
    assert loaded.draw(["<tom>"])[0].size == (base.picture_side, base.picture_side)


def test_another_concept_beside_it_is_refused(base, folder, bo):
    with pytest.raises(ConceptError, match="'tom': its adapters make another base"):
        together(base, [learned(base, folder), with_tokens(base, bo)])


def test_another_engine_is_refused(base, toy, method):
    with pytest.raises(ConfigError, match="in one process, without DeepSpeed"):
        method_of(method).fit(base, [toy], run=Run(engine=lambda learner, stage: None))


def test_a_run_that_keeps_a_concept_file_is_refused_before_it_begins(method):
    concept = ConceptConfig(name="tom", pictures=("data/bo",))
    with pytest.raises(ConfigError, match="method 'lora': of kind 'lora', and a run keeps"):
        RunConfig(concept=concept, method=method)
