"""A run goes on: to more steps, and from any concept file."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.core.text import ConceptError
from unictoken.learn.checkpoint import CheckpointError
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.resume import identity
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.model.chameleon import Chameleon
from unictoken.tokens import file as concept_file

STAGE = Stage(steps=4, batch=3, final_lr_ratio=1.0)
ONE = Method(tokens=Tokens(shared=2), stages=(STAGE,))
TWO = dataclasses.replace(ONE, stages=(dataclasses.replace(STAGE, name="first", steps=2), STAGE))
IDLE = dataclasses.replace(ONE, stages=(STAGE, dataclasses.replace(STAGE, name="idle", steps=0)))


@pytest.fixture
def settings(toy_folder, tmp_path) -> RunConfig:
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    own = {
        "out": str(tmp_path / "run"),
        "concepts": str(tmp_path / "concepts"),
        "show_every": 0,
        "prompts": (),
    }
    return RunConfig(concept=concept, base="tiny", method=ONE, **own)


def of(settings: RunConfig, method: Method, **steps: int) -> RunConfig:
    """The settings with a method whose stages have so many steps, by name."""
    stages = (dataclasses.replace(s, steps=steps.get(s.name, s.steps)) for s in method.stages)
    return dataclasses.replace(settings, method=dataclasses.replace(method, stages=tuple(stages)))


def learned(base, settings: RunConfig, **options) -> tuple[torch.Tensor, list[int]]:
    """The rows, and the steps that were done for them."""
    done = []
    concept = run(
        base, settings, show=lambda progress: done.append(progress.step), **options
    ).tokens
    return torch.stack([concept.rows_in, concept.rows_out]), done


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [ONE, TWO, IDLE], ids=["one stage", "two stages", "a stage of no steps"]
)
def test_a_finished_run_goes_on_to_more_steps_as_one_run_would_have(base, settings, method, caplog):
    short, long = of(settings, method), of(settings, method, joint=7)
    total = sum(stage.steps for stage in long.method.stages)
    learned(base, short)
    rows, done = learned(base, long)
    assert done == [total - 2, total - 1, total]
    assert f"a run of {total - 3} steps goes on from step {total - 3} to {total}" in caplog.text
    straight, _ = learned(base, dataclasses.replace(long, out=f"{settings.out}-straight"))
    assert torch.equal(rows, straight)
    log = (settings.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in log] == list(range(1, total + 1))


@pytest.mark.slow
def test_from_there_on_the_rate_follows_the_new_schedule(base, settings):
    falling = of(
        settings,
        dataclasses.replace(ONE, stages=(dataclasses.replace(STAGE, final_lr_ratio=0.0, lr=1.0),)),
    )
    rates = []
    for steps in (4, 7):
        run(
            base,
            of(falling, falling.method, joint=steps),
            show=lambda progress: rates.append(round(progress.lr, 3)),
        )
    assert rates == [1.0, 0.667, 0.333, 0.0, 0.333, 0.167, 0.0]


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_more_steps_or_to_fewer(base, settings):
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=lambda: True)
    assert learned(base, of(settings, ONE, joint=3))[1] == [2, 3]
    assert learned(base, of(settings, ONE, joint=3))[1] == []


@pytest.mark.slow
def test_fewer_steps_than_are_done_are_refused(base, settings):
    learned(base, settings)
    with pytest.raises(
        CheckpointError,
        match="4 steps are done, the config asks for 3. Ask for 4 or more.*resume=never",
    ):
        run(base, of(settings, ONE, joint=3))
    assert learned(base, settings)[1] == []  # nothing was lost
    assert learned(base, dataclasses.replace(of(settings, ONE, joint=3), resume="never"))[1] == [
        1,
        2,
        3,
    ]


def test_other_steps_of_an_earlier_stage_are_another_run(base, settings):
    with pytest.raises(Stopped):
        run(base, of(settings, TWO), stop_asked=lambda: True)
    with pytest.raises(CheckpointError, match="belongs to another config"):
        run(base, of(settings, TWO, first=3))


# ---- what decides what is learned -------------------------------------------------------------------


def test_a_run_over_a_base_of_other_layers_is_another_run(base, model, tokenizer, settings):
    concept = concept_of(settings)
    own = identity(settings, base, concept)
    assert identity(settings, Chameleon(model, tokenizer, "by another name"), concept) == own
    weight = model.model.layers[0].mlp.up_proj.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(1.5)
        changed = identity(settings, Chameleon(model, tokenizer, "changed"), concept)
        weight.copy_(kept)
    assert changed != own


def test_a_run_with_a_decoder_of_other_contents_is_another_run(base, model, settings):
    concept, given = (
        concept_of(settings),
        [dataclasses.replace(settings, vq_decoder=place) for place in ("here", "there")],
    )
    one, same = (identity(some, base, concept) for some in given)
    bias = model.model.vqmodel.decoder.conv_out.bias
    with torch.no_grad():
        bias.add_(1)
        other = identity(given[0], base, concept)
        bias.sub_(1)
    assert one == same  # only the place is another one
    assert len({one, other, identity(settings, base, concept)}) == 3


# ---- from a concept file ----------------------------------------------------------------------------


@pytest.fixture
def start(base, make_concept, tmp_path):
    """Another concept's file: another name and noun, as many rows."""
    return concept_file.save(make_concept("rex", shared=2), tmp_path / "begun" / "rex.safetensors")


def starting(settings: RunConfig, start) -> RunConfig:
    return dataclasses.replace(
        settings, method=dataclasses.replace(settings.method, start=str(start))
    )


def test_rows_can_start_from_any_concept_file(base, settings, start, make_concept):
    slow = dataclasses.replace(STAGE, lr=1e-12)
    settings = starting(
        dataclasses.replace(settings, method=dataclasses.replace(ONE, stages=(slow,))), start
    )
    rows, _ = learned(base, settings)
    begun = make_concept("rex", shared=2)
    torch.testing.assert_close(rows, torch.stack([begun.rows_in, begun.rows_out]))


@pytest.mark.slow
def test_a_run_from_a_file_resumes_and_is_another_run_with_another_file(
    base, settings, start, make_concept
):
    settings = starting(settings, start)
    straight, _ = learned(base, dataclasses.replace(settings, out=f"{settings.out}-straight"))
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=lambda: True)
    moved = start.rename(start.with_name("moved.safetensors"))
    rows, done = learned(base, starting(settings, moved))  # the contents decide, not the place
    assert torch.equal(rows, straight) and done == [2, 3, 4]
    other = dataclasses.replace(make_concept("rex", shared=2), rows_in=torch.zeros(3, base.width))
    concept_file.save(other, moved)
    with pytest.raises(CheckpointError, match="belongs to another config"):
        run(base, dataclasses.replace(starting(settings, moved), resume="must"))


def test_a_file_of_other_rows_or_of_another_base_is_refused(base, settings, make_concept, tmp_path):
    path = concept_file.save(make_concept("rex", shared=5), tmp_path / "rex.safetensors")
    with pytest.raises(
        ConceptError,
        match=(
            "method.start: .*rex.safetensors has 1 name, 5 shared rows, the method has 1 name, 2"
            " shared"
        ),
    ):
        concept_of(starting(settings, path))
    far = dataclasses.replace(make_concept("rex", shared=2), base_fingerprint="f" * 64)
    with pytest.raises(ConceptError, match="learned on base"):
        run(base, starting(settings, concept_file.save(far, path)))
    with pytest.raises(ConceptError, match="nobody.safetensors: no such file"):
        concept_of(starting(settings, "nobody.safetensors"))
    assert not settings.folder.exists()


def test_a_run_does_not_start_from_the_file_that_it_writes(settings, make_concept):
    path = concept_file.save(
        make_concept("tom", shared=2), concept_file.path_of("tom", settings.concepts)
    )
    with pytest.raises(ConfigError, match="is the file that this run writes. Copy it first"):
        concept_of(dataclasses.replace(starting(settings, path), replace=True))


@pytest.mark.parametrize("start", ["describd", "null", "", "nobody.txt"])
def test_a_start_that_is_neither_a_word_nor_a_file_is_refused(start):
    with pytest.raises(
        ConfigError,
        match=(
            f"start: found '{start}', expected one of described, told, frequent, k_means, noun, or a"
            " concept file"
        ),
    ):
        Method(start=start)


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "..", ".", "", " ", "a\0b", "two\nlines", "-rf", "x" * 65, "a\\b"]
)
def test_a_method_is_not_named_so_that_its_files_would_lie_elsewhere(name):
    with pytest.raises(
        ConfigError, match="method: name: found .* expected 1 to 64 letters"
    ) as said:
        Method(name=name)
    assert "\n" not in str(said.value)
    assert Method(name="joint, 16 tokens").name == "joint, 16 tokens"
