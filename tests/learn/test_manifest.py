"""A run replaces and removes what runs wrote, and nothing of anybody else's."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import pytest

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.core.lock import HeldError
from unictoken.learn.folder import held
from unictoken.learn.manifest import FILE, Manifest
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.measure.report import finish
from unictoken.tokens import file as concept_file


@pytest.fixture
def settings(toy_folder, short_method, tmp_path) -> RunConfig:
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    places = {"out": str(tmp_path / "run"), "concepts": str(tmp_path / "concepts")}
    return RunConfig(
        concept=concept, method=short_method, prompts=(), questions=(), judge=None, **places
    )


def files_below(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize(
    "name",
    [
        "held-out/photo.jpg",
        "held-out/concept/test/tom/0.png",
        "pictures/1.png",
        "checkpoints/step-000900.safetensors",
        "tensorboard/events",
        "config.yaml",
        "report.md",
        "grid.png",
        "drawn-0.png",
    ],
)
@pytest.mark.parametrize("resume", ["auto", "never"])
def test_what_others_put_there_is_refused_before_anything_is_learned(base, settings, name, resume):
    place = settings.folder / name
    place.parent.mkdir(parents=True)
    place.write_text("mine", encoding="utf-8")
    settings = dataclasses.replace(settings, resume=resume, prompts=("<{name}>",))
    source = concept_of(settings)
    with pytest.raises(ConfigError) as refused, held(settings, source):
        pass
    assert str(refused.value) == (
        f"out: {settings.folder / name.split('/')[0]}: was not written by a run, and this one would"
        " write there. Move it away, or choose another `out:`."
    )
    with pytest.raises(ConfigError, match="was not written by a run"):
        run(base, settings)
    assert files_below(settings.folder) == {name: b"mine"}


@pytest.mark.slow
def test_other_things_in_the_folder_stay_and_are_no_reason_to_refuse(base, settings):
    (settings.folder / "mine").mkdir(parents=True)
    (settings.folder / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    for resume in ("auto", "never", "never"):
        finish(base, settings, run(base, dataclasses.replace(settings, resume=resume)))
    assert files_below(settings.folder)["mine/notes.txt"] == b"mine"


@pytest.fixture
def measured(base, settings, monkeypatch):
    """A finished run with a folder that it held out, and nothing measured on it."""
    from unictoken.measure import report

    def draw_only(base, concept, source, settings, root):
        (root / "concept" / "test" / "tom").mkdir(parents=True)
        (root / "concept" / "test" / "tom" / f"{settings.seed}.png").write_bytes(b"picture")
        return {concept.method: {}}

    monkeypatch.setattr(report, "_held_out_rows", draw_only)
    settings = dataclasses.replace(settings, judge="toy", other=None)
    finish(base, settings, run(base, settings))
    return settings


def held_out(settings) -> list[str]:
    return sorted(files_below(settings.folder / "held-out"))


@pytest.mark.slow
def test_what_a_run_held_out_takes_the_place_of_what_an_earlier_one_did(base, measured):
    assert held_out(measured) == ["concept/test/tom/0.png"]
    again = dataclasses.replace(measured, seed=1, resume="never")
    finish(base, again, run(base, again))
    assert held_out(measured) == ["concept/test/tom/1.png"]
    kept = json.loads((measured.folder / FILE).read_text(encoding="utf-8"))["paths"]
    assert [path for path in kept if path.startswith("held-out/c")] == [
        "held-out/concept/test/tom/1.png"
    ]


@pytest.mark.slow
def test_a_photo_that_somebody_put_beside_what_was_held_out_is_not_removed(base, measured):
    photo = measured.folder / "held-out" / "concept" / "rex.jpg"
    photo.write_bytes(b"mine")
    for resume in ("auto", "never"):
        again = dataclasses.replace(measured, resume=resume)
        with (
            pytest.raises(ConfigError, match="held-out/concept/rex.jpg: was not written by a run"),
            held(again, concept_of(again)),
        ):
            pass
    with pytest.raises(ConfigError, match="rex.jpg: was not written by a run"):
        finish(base, measured, run(base, dataclasses.replace(measured, out=f"{measured.out}-2")))
    assert photo.read_bytes() == b"mine" and len(held_out(measured)) == 2


@pytest.mark.slow
def test_links_are_not_followed(settings, measured, tmp_path):
    shutil.move(measured.folder / "held-out", tmp_path / "elsewhere")
    (measured.folder / "held-out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="held-out: found a link"):
        Manifest(measured.folder).check(0)


@pytest.mark.slow
def test_a_folder_of_a_run_of_the_version_before_is_known_by_its_config(base, measured):
    (measured.folder / FILE).unlink()
    Manifest(measured.folder).check(0)
    finish(base, measured, run(base, measured))
    assert (measured.folder / FILE).is_file()
    (measured.folder / FILE).unlink()
    (measured.folder / "held-out" / "rex.jpg").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="held-out/rex.jpg: was not written by a run"):
        Manifest(measured.folder).check(0)


@pytest.mark.parametrize("said", ["[]", "{", '{"format": 1, "paths": [3]}', '{"format": 2}'])
def test_a_manifest_that_is_none_is_refused_in_one_line(settings, said):
    settings.folder.mkdir(parents=True)
    (settings.folder / FILE).write_text(said, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        Manifest(settings.folder)
    assert FILE in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("log.jsonl", "log.jsonl: found no file"),
        ("report.md", "report.md: found no file"),
        ("checkpoints", "checkpoints: found no folder"),
    ],
)
def test_a_name_of_another_kind_in_the_way_is_said_before_learning(base, settings, name, said):
    run(base, settings)
    place = settings.folder / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("in the way", encoding="utf-8")
    else:
        place.unlink(missing_ok=True)
        place.mkdir()
    with pytest.raises(ConfigError, match=said):
        run(base, dataclasses.replace(settings, resume="never"))


def test_a_folder_in_the_concept_files_place_is_said_before_learning(settings):
    path = concept_file.path_of("tom", settings.concepts)
    path.mkdir(parents=True)
    with pytest.raises(
        ConfigError, match="tom.safetensors: is no file, and the concept file would"
    ):
        concept_of(dataclasses.replace(settings, replace=True))


# ---- two at once ------------------------------------------------------------------------------


def test_a_second_run_in_the_folder_is_told_who_is_there(settings):
    with (
        held(settings, concept_of(settings)),
        pytest.raises(HeldError) as refused,
        held(settings, concept_of(settings)),
    ):
        pass
    assert str(refused.value).startswith(f"{settings.folder}: process {os.getpid()} on ")
    assert not settings.folder.exists()


def test_a_second_run_that_would_write_the_same_concept_file_is_told_who_does(settings):
    other = dataclasses.replace(settings, out=f"{settings.out}-2", seed=1)
    with held(settings, concept_of(settings)):
        with (
            pytest.raises(HeldError, match="tom.safetensors: process") as refused,
            held(other, concept_of(other)),
        ):
            pass
        elsewhere = dataclasses.replace(other, concepts=f"{other.concepts}-2")
        with held(elsewhere, concept_of(elsewhere)):
            pass
    assert "choose another name, or another folder (`concepts`)" in str(refused.value)


def test_what_has_just_been_written_is_looked_at_again_once_the_place_is_held(
    base, settings, make_concept
):
    source = concept_of(settings)
    concept_file.save(make_concept("tom"), concept_file.path_of("tom", settings.concepts))
    with pytest.raises(ConfigError, match="holds a concept <tom>"), held(settings, source):
        pass


# ---- the folder while a run is in it ------------------------------------------------------------


@pytest.mark.parametrize("put_back", [False, True])
def test_a_folder_that_is_removed_under_a_run_ends_it_in_one_line(base, settings, put_back):
    def remove(progress) -> None:
        if progress.step == 2:
            shutil.rmtree(settings.folder)
            if put_back:
                settings.folder.mkdir()

    with pytest.raises(ConfigError) as refused:
        run(base, settings, show=remove)
    assert str(refused.value).startswith(f"out: {settings.folder}: was removed or replaced while")
    assert not put_back or not list(settings.folder.iterdir())


@pytest.mark.slow
def test_a_picture_that_a_kill_left_undrawn_is_drawn_when_the_run_goes_on(base, settings):
    settings = dataclasses.replace(settings, prompts=("<{name}>",), show_every=3, save_every=3)
    whole = dataclasses.replace(settings, out=f"{settings.out}-whole")
    run(base, whole)
    expected = files_below(whole.folder / "pictures")
    assert list(expected) == ["step-000003.png"]
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=iter([False, False, True]).__next__)
    for left in (None, expected["step-000003.png"][:-20]):
        place = settings.folder / "pictures" / "step-000003.png"
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        if left:
            place.write_bytes(left)
        (settings.folder / "checkpoints" / "step-000006.safetensors").unlink(missing_ok=True)
        run(base, settings)
        assert files_below(settings.folder / "pictures") == expected


@pytest.mark.slow
def test_lines_that_a_power_cut_broke_leave_the_log(base, settings):
    with pytest.raises(Stopped):
        run(base, settings, stop_asked=iter([False, True]).__next__)
    log = settings.folder / "log.jsonl"
    log.write_bytes(
        log.read_bytes() + b'\0\0\0\n{"step": "x"}\nnonsense}\n\xff\xfe}\n{"step": 3, "lo'
    )
    run(base, settings)
    steps = [json.loads(line)["step"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_the_config_of_a_run_is_read_back_and_its_folder_holds_no_lock(base, settings):
    with held(settings, concept_of(settings)):
        assert (settings.folder / ".lock").is_file()
        run(base, settings)
    assert config.load(RunConfig, settings.folder / "config.yaml") == settings
    assert not (settings.folder / ".lock").exists()
