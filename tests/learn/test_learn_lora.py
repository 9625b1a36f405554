"""Fine-tuning as a method: adapters and a name, learned, kept and loaded like any other concept."""

from dataclasses import replace

import pytest
import torch

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.shipped import find_method
from unictoken.core.text import ConceptError
from unictoken.data.prompts import noun_prompt
from unictoken.learn.lora import FineTuned
from unictoken.learn.method import Run
from unictoken.learn.methods import LoraMethod, MethodFile, Prior, Stage
from unictoken.learn.negatives import noun_drawings
from unictoken.learn.objective import CrossEntropy, batch_of
from unictoken.learn.prior import preserving
from unictoken.learn.run import method_of
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.model.likelihood import picture_scores
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


@pytest.fixture(scope="module")
def preserved(base, tuned):
    """What is learned beside the tuned concept's examples."""
    return preserving(tuned.prepared.examples, 0, base=base, prior=Prior(pictures=3, weight=0.5))


def test_without_a_prior_the_objective_and_the_digest_are_those_of_before(tuned, method):
    assert type(tuned.prepared.objective) is CrossEntropy
    assert "prior" not in method.decisive()
    said = {"pictures": 3, "weight": 0.5}
    assert replace(method, prior=Prior(**said)).decisive()["prior"] == said


def test_the_prior_is_the_bases_own_drawings_of_the_class_noun(base, toy, preserved):
    drawn_MK = noun_drawings(base, toy.class_noun, 3, 0)
    assert torch.equal(preserved.drawn_MK, drawn_MK.cpu()) and len(drawn_MK.unique(dim=0)) == 3


def test_beside_each_drawing_of_the_concept_stands_one_of_its_noun_with_its_weight(
    base, toy, preserved
):
    stage = Stage(batch=4, tasks={"generate": 0.5, "text_qa": 0.5}, generation_weight=3.0)
    batch = preserved.batch(stage, 0, policy=None, share=slice(None))
    own = batch_of(preserved.examples.in_stage(stage), stage, 0, 0, slice(None))
    length = own.ids_BT.shape[1]
    assert len(own) == 4 and len(batch) == 4 + 2
    assert torch.equal(batch.ids_BT[:4, :length], own.ids_BT)
    assert torch.equal(batch.labels_BT[:4, :length], own.labels_BT)
    # Divided by 6 in place of 4, examples of the concept count as before.
    assert torch.allclose(batch.weights_B[:4] / 6, own.weights_B / 4)
    assert torch.allclose(batch.weights_B[4:] / 6, torch.full((2,), 0.5 * 3.0 / 4))
    begun = [*noun_prompt(base.vocab, toy.class_noun), base.vocab.begin_image]
    pictures = {tuple(ids) for ids in preserved.drawn_MK.tolist()}
    for ids, labels in zip(batch.ids_BT[4:].tolist(), batch.labels_BT[4:].tolist(), strict=True):
        assert ids[: len(begun)] == begun and labels[: len(begun) - 1] == [-100] * (len(begun) - 1)
        assert tuple(ids[len(begun) :][: base.codes_per_picture]) in pictures
        assert (
            labels[len(begun) - 1 :][: base.codes_per_picture + 1]
            == ids[len(begun) - 1 :][: base.codes_per_picture + 1]
        )


def test_each_process_takes_its_share_of_both(preserved):
    stage = Stage(batch=4, tasks={"generate": 1.0})
    halves = [preserved.batch(stage, 1, policy=None, share=s) for s in (slice(2), slice(2, 4))]
    assert [len(half) for half in halves] == [4, 4]


def test_a_batch_without_a_drawing_has_no_prior(preserved):
    stage = Stage(batch=2, tasks={"text_qa": 1.0})
    batch = preserved.batch(stage, 0, policy=None, share=slice(None))
    assert batch.weights_B.tolist() == [1.0, 1.0]


def test_with_it_the_base_keeps_more_of_what_it_drew_of_the_noun(base, toy, method):
    drawing = Stage(steps=12, batch=2, lr=2e-2, tasks={"generate": 1.0})
    alone = replace(method, stages=(drawing,), adapter_lr_ratio=1.0)
    found = {}
    for prior in (Prior(), Prior(pictures=2)):
        fitted = method_of(replace(alone, prior=prior)).fit(base, [toy], run=Run())
        found[prior.pictures] = noun_loss(fitted.base, base, toy)
    before = noun_loss(base, base, toy)
    assert found[2] < found[0] and before < found[0]


def noun_loss(speaker, base, toy) -> float:
    """Nats per image id of two drawings of the noun by the untouched base."""
    prompt = noun_prompt(base.vocab, toy.class_noun)
    drawn_MK = noun_drawings(base, toy.class_noun, 2, 0).cpu()
    with torch.no_grad():
        return -picture_scores(speaker, prompt, drawn_MK).mean().item()


def test_a_prior_that_cannot_be_is_refused_in_one_line(method):
    with pytest.raises(ConfigError, match="prior: pictures: found -1"):
        Prior(pictures=-1)
    with pytest.raises(ConfigError, match="prior: weight"):
        Prior(weight=float("nan"))
    with pytest.raises(ConfigError, match="prior: 2 pictures .* no stage draws. Leave `prior` out"):
        replace(method, prior=Prior(pictures=2), stages=(Stage(steps=1, tasks={"text_qa": 1.0}),))
    with pytest.raises(ConfigError, match="unknown key 'prior'"):
        config.load(MethodFile, find_method("joint"), ["method.prior.pictures=3"])
