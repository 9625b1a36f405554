import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.core.text import ConceptError
from unictoken.learn.checkpoint import CheckpointError
from unictoken.learn.methods import OPTIMIZE, Method, Stage, Tokens
from unictoken.learn.resume import identity
from unictoken.learn.run import METHODS, base_dtype, run
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.tokens.tokens import Prompts

TWO_STAGES = Method(
    tokens=Tokens(shared=2, generation=2),
    prompts=Prompts(generation="{name} is {shared}{generation}."),
    stages=(
        Stage(name="first", steps=3, batch=3, trainable=("name", "shared")),
        Stage(
            name="second",
            steps=3,
            batch=3,
            trainable=("generation",),
            tasks={"generate": 1},
            weight_decay=0.01,
        ),
    ),
)

STARTED_ANEW = Method(
    tokens=Tokens(shared=2, understanding=2),
    prompts=Prompts(understanding="{name} is {shared}{understanding}."),
    stages=(
        Stage(name="first", steps=3, batch=3, trainable=("name", "shared")),
        Stage(
            name="second",
            steps=3,
            batch=3,
            trainable=("understanding",),
            tasks={"vqa": 1},
            reinit={"understanding": "drawn"},
        ),
    ),
)


@pytest.fixture
def settings(toy_folder, short_method, tmp_path) -> RunConfig:
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    places = {"out": str(tmp_path / "straight"), "concepts": str(tmp_path / "concepts")}
    return RunConfig(
        concept=concept, base="tiny", method=short_method, prompts=("<{name}>",), **places
    )


def stop_after(steps: int):
    """Asks to stop at the end of the given step of this run."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= steps


def rows(base, settings: RunConfig, **options) -> torch.Tensor:
    tokens = run(base, settings, **options).tokens
    return torch.stack([tokens.rows_in, tokens.rows_out])


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    ["one stage", TWO_STAGES, STARTED_ANEW],
    ids=["one stage", "two stages", "rows started anew"],
)
@pytest.mark.parametrize("stops", [[3], [1, 1, 2], [5]])
def test_learning_resumes_bit_for_bit(base, settings, method, stops):
    if isinstance(method, Method):
        settings = dataclasses.replace(settings, method=method)
    straight = rows(base, settings)
    halting = dataclasses.replace(settings, out=settings.out + "-halting")
    for steps in stops:
        with pytest.raises(Stopped, match="the same command goes on from there"):
            run(base, halting, stop_asked=stop_after(steps))
    assert torch.equal(rows(base, halting), straight)
    logs = [
        (folder.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        for folder in (settings, halting)
    ]
    losses = [[(line["step"], line["loss"]) for line in map(json.loads, log)] for log in logs]
    assert losses[0] == losses[1] and [step for step, _ in losses[0]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_finished_run_is_not_learned_again(base, settings):
    first = rows(base, settings)
    log = (settings.folder / "log.jsonl").read_text(encoding="utf-8")
    assert torch.equal(rows(base, dataclasses.replace(settings, resume="must")), first)
    assert (settings.folder / "log.jsonl").read_text(encoding="utf-8") == log


def test_resuming_what_is_not_there_is_an_error_when_it_must(base, settings):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(base, dataclasses.replace(settings, resume="must"))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"seed": 1},
        lambda s: {"method": dataclasses.replace(s.method, start="noun")},
        lambda s: {"concept": dataclasses.replace(s.concept, class_noun="wolf")},
    ],
    ids=["seed", "method", "class noun"],
)
def test_a_run_of_another_config_that_is_not_finished_is_refused(base, settings, change):
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=stop_after(2))
    with pytest.raises(CheckpointError, match="belongs to another config"):
        run(base, dataclasses.replace(settings, **change(settings)))


@pytest.mark.slow
def test_a_finished_run_of_another_config_gives_way(base, settings, caplog):
    run(base, settings)
    other = dataclasses.replace(settings, seed=1, save_every=2)
    done = []
    run(base, other, show=lambda progress: done.append(progress.step))
    assert done == [1, 2, 3, 4, 5, 6] and "takes its place" in caplog.text
    assert torch.equal(
        rows(base, other), rows(base, dataclasses.replace(other, out=f"{settings.folder}-beside"))
    )
    with pytest.raises(CheckpointError, match="belongs to another config"):
        run(base, dataclasses.replace(settings, resume="must"))


@pytest.mark.slow
def test_what_does_not_change_the_rows_may_change(base, settings):
    first = rows(base, settings)
    later = dataclasses.replace(
        settings, prompts=("<{name}> at night",), show_every=7, zero_stage=2, resume="must"
    )
    assert torch.equal(rows(base, later), first)


@pytest.mark.slow
def test_a_run_that_never_resumes_begins_anew(base, settings):
    first = rows(base, settings)
    begun = []
    anew = dataclasses.replace(settings, resume="never")
    assert torch.equal(rows(base, anew, show=lambda progress: begun.append(progress.step)), first)
    assert begun == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_run_that_began_anew_and_stopped_goes_on_from_its_own_checkpoint(base, settings):
    run(base, dataclasses.replace(settings, save_every=2))
    with pytest.raises(Stopped, match="stopped at step 1 of 6"):
        run(base, dataclasses.replace(settings, resume="never"), stop_asked=stop_after(1))
    done = []
    run(base, settings, show=lambda progress: done.append(progress.step))
    assert done == [2, 3, 4, 5, 6]


def test_a_run_leaves_its_config_its_log_and_its_pictures(base, settings):
    run(base, dataclasses.replace(settings, show_every=4, save_every=2))
    assert config.load(RunConfig, settings.folder / "config.yaml").concept == settings.concept
    log = [
        json.loads(line)
        for line in (settings.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6] and {
        "loss",
        "lr",
        "stage",
        "seconds",
    } <= set(log[0])
    assert {line["dtype"] for line in log} == {"fp32"}
    assert [p.name for p in (settings.folder / "pictures").iterdir()] == ["step-000004.png"]
    assert sorted(p.name for p in (settings.folder / "checkpoints").iterdir()) == [
        "step-000004.safetensors",
        "step-000006.safetensors",
    ]
    [events] = (settings.folder / "tensorboard").iterdir()
    told = [event for event in EventFileLoader(str(events)).Load() if event.step]
    values = [event.summary.value[0] for event in told]
    assert [event.step for event in told] == [1, 2, 3, 4, 5, 6]
    assert {value.tag for value in values} == {"loss"}
    losses = [value.tensor.float_val[0] for value in values]
    assert losses == pytest.approx([line["loss"] for line in log])


def test_other_processes_write_nothing(base, settings):
    run(base, settings, first_process=False)
    assert not settings.folder.exists()


def test_a_checkpoint_of_other_pictures_is_refused(base, settings, toy_folder, tmp_path):
    copied = shutil.copytree(toy_folder, tmp_path / "pictures")
    settings = dataclasses.replace(
        settings, concept=ConceptConfig(name="tom", pictures=(str(copied),))
    )
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=stop_after(2))
    shutil.copy(copied / "0.png", copied / "1.png")
    with pytest.raises(CheckpointError, match="base or pictures"):
        run(base, settings)


@pytest.mark.slow
def test_a_log_line_that_a_crash_cut_does_not_stop_a_run(base, settings):
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=stop_after(2))
    with open(settings.folder / "log.jsonl", "a", encoding="utf-8") as log:
        log.write('{"step": 3, "lo')
    run(base, settings)
    steps = [
        json.loads(line)["step"]
        for line in (settings.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_prompt_about_somebody_else_is_said_before_anything_is_learned(base, settings):
    with pytest.raises(
        ConceptError,
        match="'<rex> at night': '<rex>' is not a concept that is loaded. Loaded: '<tom>'",
    ):
        run(base, dataclasses.replace(settings, prompts=("<rex> at night",)))
    assert not (settings.folder / "checkpoints").exists()


def test_an_output_that_cannot_be_is_said_before_anything_is_learned(base, settings, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for wrong, said in (
        ({"concepts": str(tmp_path / "file")}, "concepts: .*file is a file, expected a folder"),
        ({"out": str(tmp_path / "file" / "deeper")}, "out: .*file is a file, expected a folder"),
        ({"out": f"{settings.concept.pictures[0]}/run"}, "whose pictures are learned from"),
        ({"other": str(tmp_path / "nobody.safetensors")}, "no such file. Expected a concept file"),
    ):
        with pytest.raises(ValueError, match=said):
            run(base, dataclasses.replace(settings, **wrong))
    assert not settings.folder.exists()


def test_a_loss_that_is_no_number_stops_the_run_and_nothing_of_it_is_kept(base, settings):
    stage = dataclasses.replace(settings.method.stages[0], lr=1e30)
    with pytest.raises(
        ConfigError, match="(the loss is (nan|inf)|rows are not finite). Use a smaller rate"
    ):
        run(
            base,
            dataclasses.replace(
                settings, method=dataclasses.replace(settings.method, stages=(stage,)), save_every=1
            ),
        )
    for kept in (settings.folder / "checkpoints").glob("*"):
        assert load_file(kept)["rows"].isfinite().all()


def test_a_missing_judge_is_said_before_anything_is_learned(base, settings):
    with pytest.raises(ConfigError, match="nowhere: no such file. Expected the judge's weights"):
        run(base, dataclasses.replace(settings, judge="nowhere"))
    assert not (settings.folder / "checkpoints").exists()


def test_the_base_is_loaded_in_bf16_on_a_gpu_and_in_fp32_without_one(settings, monkeypatch):
    found = {}
    for on_gpu in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda on_gpu=on_gpu: on_gpu)
        found[on_gpu] = [
            base_dtype(dataclasses.replace(settings, dtype=dtype))
            for dtype in ("auto", "fp32", "bf16")
        ]
    assert found[True] == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert found[False] == [torch.float32, torch.float32, torch.bfloat16]


@pytest.mark.slow
def test_the_log_says_that_it_learned_in_bf16_and_fp32_can_be_asked_for(
    base, settings, monkeypatch
):
    monkeypatch.setattr("unictoken.model.products.cpu_is_faster_in_bf16", lambda: True)
    monkeypatch.setattr("unictoken.model.gradient.WIDE", 1)
    said, identities = {}, set()
    for dtype in ("auto", "fp32"):
        own = dataclasses.replace(settings, dtype=dtype, out=str(settings.folder / dtype))
        learned = run(base, own)
        log = (own.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        said[dtype] = {json.loads(line)["dtype"] for line in log}
        identities.add(identity(own, base, learned.concept))
    assert said == {"auto": {"bf16"}, "fp32": {"fp32"}}
    assert base.dtype == torch.float32  # what is asked and drawn stays as it was
    assert len(identities) == 2  # a checkpoint of one is not gone on with as the other


@pytest.mark.parametrize(
    "wrong",
    [{"save_every": 0}, {"show_every": -1}, {"dtype": "bf16", "zero_stage": 0}],
    ids=["save_every", "show_every", "bf16 at stage 0"],
)
def test_settings_that_would_fail_on_the_way_are_refused(settings, wrong):
    with pytest.raises(ConfigError):
        dataclasses.replace(settings, **wrong)


def test_the_usual_kind_of_method_comes_first():
    assert (
        tuple(METHODS) == (OPTIMIZE, "reward", "gated", "lora", "encoded")
        and Method().kind == OPTIMIZE
    )


def test_the_kind_that_was_always_there_changes_no_digest():
    assert "kind" not in Method().decisive() and config.plain(Method())["kind"] == "optimize"
