"""The method whose rows an encoder makes: in one pass, and as where learning begins."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unictoken.api import chosen_method
from unictoken.core import config, shipped
from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.learn.against_noun import NOUN, AgainstNoun, example_losses
from unictoken.learn.encoded import NOT_TOLD
from unictoken.learn.method import Run
from unictoken.learn.methods import Distractors, EncodedMethod, MethodFile, Stage, Tokens
from unictoken.learn.prepare import prepare
from unictoken.learn.resume import identity
from unictoken.learn.run import method_of, run
from unictoken.learn.settings import RunConfig, going_on
from unictoken.personalize import encoder_file
from unictoken.personalize.encode import EncoderShape, encode, encoder_for
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import Prompts

COUNTS = {"name": 1, "shared": 4}
SHAPE = EncoderShape(width=16, layers=1, heads=2, counts=COUNTS, questions=("what is it?",))


@pytest.fixture(scope="module")
def file(base, tmp_path_factory):
    torch.manual_seed(0)
    encoder = encoder_for(base, SHAPE)
    torch.nn.init.normal_(encoder.say_in.weight)
    place = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    return encoder_file.save(encoder, base, place, steps=1)


@pytest.fixture
def method(file) -> EncodedMethod:
    return EncodedMethod(name="plvm", encoder=str(file), tokens=Tokens(shared=4))


def expected(file, base, concept):
    encoder = encoder_file.load(file, base)
    return encode(encoder, base, base.encode(concept.pictures), concept.class_noun)


def test_rows_in_one_pass_are_the_encoders_and_make_an_ordinary_concept_file(
    base, toy, method, file, tmp_path
):
    learned = method_of(method).fit(base, [toy], run=Run(seed=3))
    tokens = concept_file.load(learned.save(tmp_path / "tom.safetensors"), base)
    rows_in, rows_out = expected(file, base, toy)
    assert torch.equal(tokens.rows_in, rows_in)
    assert torch.equal(tokens.rows_out, rows_out)
    assert (tokens.method, tokens.seed) == ("plvm", 3)
    assert {role: n for role, n in tokens.counts.items() if n} == COUNTS
    assert tokens.source == toy.digest()
    assert with_tokens(base, tokens).can_draw


def test_nothing_is_drawn_or_asked_of_others_for_it(base, toy, method, monkeypatch):
    monkeypatch.setattr("unictoken.learn.prepare.gather", lambda *_, **__: pytest.fail("others"))
    monkeypatch.setattr("unictoken.learn.prepare.observe", lambda *_, **__: pytest.fail("asked"))
    method_of(method).fit(base, [replace(toy, negatives={})], run=Run())


def test_that_its_facts_are_not_in_it_is_said(base, toy, method):
    told = method_of(method).fit(base, [toy], run=Run()).tokens.notes
    untold = replace(toy, facts=(), questions=())
    assert NOT_TOLD in told
    assert NOT_TOLD not in method_of(method).fit(base, [untold], run=Run()).tokens.notes


def test_learning_begins_with_its_rows(base, toy, method, file):
    still = replace(method.stages[0], batch=2, lr=1e-12)
    learned = method_of(replace(method, refine=1, stages=(still,))).fit(base, [toy], run=Run())
    rows_in, rows_out = expected(file, base, toy)
    assert torch.allclose(learned.tokens.rows_in, rows_in, atol=1e-6)
    assert torch.allclose(learned.tokens.rows_out, rows_out, atol=1e-6)


def test_refining_is_learning_with_as_many_steps(base, toy, method):
    stage = replace(method.stages[0], batch=2)
    seen = []
    refined = replace(method, refine=3, stages=(stage,))
    learned = method_of(refined).fit(base, [toy], run=Run(show=seen.append))
    assert [progress.step for progress in seen] == [1, 2, 3]
    rows_in, _ = (learned.tokens.rows_in, None)
    assert not torch.equal(rows_in, method_of(method).fit(base, [toy], run=Run()).tokens.rows_in)


def test_refine_says_the_steps_of_its_stage(method):
    assert method.total_steps == 0
    assert replace(method, refine=7).total_steps == 7
    assert replace(method, stages=(Stage(steps=50),)).total_steps == 0
    assert chosen_method(method, steps=9).total_steps == 9


def test_a_longer_refinement_goes_on_from_a_shorter_one(base, toy, method):
    def of(steps: int, **changes) -> str:
        who = {"concept": {"name": "tom", "pictures": ["."]}}
        said = who | {"method": config.plain(replace(method, refine=steps, **changes))}
        return identity(config.build(RunConfig, said, "test"), base, toy)

    assert of(5) == of(9)
    assert of(5) != of(5, negatives={"easy": 1.0})


def test_another_encoder_is_another_method(base, method, tmp_path):
    torch.manual_seed(1)
    other = encoder_file.save(encoder_for(base, SHAPE), base, tmp_path / "o.safetensors", steps=1)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(method.encoder_file.read_bytes())
    assert replace(method, encoder=str(other)).decisive() != method.decisive()
    assert replace(method, encoder=str(moved)).decisive() == method.decisive()


def test_a_run_of_no_steps_is_reported_as_others_are(base, toy, method):
    said = {
        "concept": {"name": "tom", "pictures": ["."]},
        "method": config.plain(method),
        "judge": None,
        "other": None,
    }
    settings = config.build(RunConfig, said, "test")
    learned = run(base, settings, concept=toy, keep_files=False)
    assert learned.tokens.run


REFUSED = {
    "a file without an end": ({"encoder": "/dev/zero"}, "found no plain file"),
    "no encoder there": ({"encoder": "nowhere.safetensors"}, "train/encoder.py makes it"),
    "two stages": ({"stages": (Stage(), Stage())}, "2 stages, expected the one"),
    "negative steps": ({"refine": -1}, "refine"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_settings_that_mean_nothing_are_refused(method, what):
    changes, said = REFUSED[what]
    with pytest.raises(ConfigError, match=said):
        replace(method, **changes)


def test_it_starts_from_no_concept_file(method, bo, tmp_path):
    with pytest.raises(ConfigError, match="its encoder makes the rows"):
        going_on(method, bo.save(tmp_path / "bo.safetensors"))


def test_a_file_that_is_too_large_for_an_encoders_is_not_read(method, tmp_path):
    place = tmp_path / "it.safetensors"
    with place.open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(ConfigError, match="found 268,435,457 bytes.*at most 268,435,456"):
        replace(method, encoder=str(place))


def test_rows_that_the_encoder_does_not_make_are_refused(base, toy, method):
    for changed, said in (
        (replace(method, tokens=Tokens(shared=5)), "makes 1 name, 4 shared rows.*5 shared"),
        (
            replace(method, prompts=Prompts(understanding="{name}, {shared}.")),
            "'{name}, {shared}.'",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            method_of(changed).fit(base, [toy], run=Run())


@pytest.mark.parametrize("refine", [0, 2])
def test_a_base_without_an_encoder_is_refused_before_anything_is_done(
    base, toy, method, refine, monkeypatch, tmp_path
):
    elsewhere = SimpleNamespace(name="other", fingerprint="0" * 64)
    of_other = tmp_path / "encoder.safetensors"
    encoder_file.save(encoder_file.load(method.encoder_file, base), elsewhere, of_other, steps=1)
    method = replace(method, encoder=str(of_other), refine=refine)
    monkeypatch.setattr("unictoken.learn.prepare.gather", lambda *_, **__: pytest.fail("others"))
    with pytest.raises(UserError, match="Train one for this base") as told:
        method_of(method).fit(base, [toy], run=Run())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "steps"), [("plvm", 0), ("palavra", 30)])
def test_the_shipped_methods_of_this_kind(name, steps):
    method = config.load(MethodFile, shipped.find_method(name)).method
    assert isinstance(method, EncodedMethod)
    assert method.total_steps == steps
    assert (
        config.load(MethodFile, shipped.find_method(name), ["method.refine=25"]).method.refine == 25
    )


# ---- against the class noun ---------------------------------------------------------------------


@pytest.fixture
def palavra(method) -> EncodedMethod:
    tasks = {"generate": 0.6, "caption": 0.2, "vqa": 0.2}
    stage = Stage(name="refine", batch=5, tasks=tasks)
    return replace(method, refine=2, stages=(stage,), objective="against_noun")


def test_no_picture_of_others_is_needed_against_the_noun(base, toy, palavra):
    alone = replace(toy, negatives={})
    run = Run(distractors=Distractors(world=0))
    learned = method_of(palavra).fit(base, [alone], run=run)
    assert learned.tokens.rows_in.isfinite().all()


def test_an_example_is_measured_by_the_same_one_about_the_noun(base, toy, palavra):
    prepared = prepare(base, toy, palavra, seed=0, objective=AgainstNoun, fast=False)
    (stage,), learner = palavra.stages, prepared.learner
    batch = prepared.objective.batch(stage, 0, policy=learner, share=slice(None))
    assert batch.more[NOUN].shape == (5,)
    # What is drawn and asked is the same: its labels are, but where an answer says the name.
    noun = prepared.objective.about_noun.in_stage(stage)
    example = noun.make("generate", np.random.default_rng(0))
    own = prepared.examples.in_stage(stage).make("generate", np.random.default_rng(0))
    assert [i for i in example.labels if i >= 0] == [i for i in own.labels if i >= 0]
    assert not set(example.ids) & set(learner.id_of_row.tolist())


def test_the_loss_is_softplus_of_how_far_behind_the_noun_it_is(base, toy, palavra):
    prepared = prepare(base, toy, palavra, seed=0, objective=AgainstNoun, prefix_cache=False)
    (stage,) = palavra.stages
    batch = prepared.objective.batch(stage, 0, policy=prepared.learner, share=slice(None))
    with torch.no_grad():
        ((logits_NV, read),) = prepared.learner.read(batch)
        own_B = example_losses(logits_NV, read)
        loss = prepared.objective.loss(logits_NV, read)
    assert torch.allclose(loss, F.softplus(own_B - read.more[NOUN]).sum(), atol=1e-4)


def test_a_share_of_the_batch_has_its_own_nouns(base, toy, palavra):
    prepared = prepare(base, toy, palavra, seed=0, objective=AgainstNoun, prefix_cache=False)
    (stage,) = palavra.stages
    whole, part = (
        prepared.objective.batch(stage, 0, policy=prepared.learner, share=share)
        for share in (slice(None), slice(1, None, 2))
    )
    assert torch.allclose(whole.more[NOUN][1::2], part.more[NOUN], atol=1e-5)


def test_a_sharded_base_is_not_asked_between_steps(palavra):
    who = {"concept": {"name": "tom", "pictures": ["."]}, "zero_stage": 3}
    with pytest.raises(ConfigError, match="between two steps"):
        config.build(RunConfig, who | {"method": config.plain(palavra)}, "test")
