"""A concept file is not lost to another concept of its name."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from unictoken.core.config import ConfigError
from unictoken.learn.methods import Method
from unictoken.learn.run import run
from unictoken.learn.settings import ConceptConfig, RunConfig, concept_of
from unictoken.tokens import file as concept_file


@pytest.fixture
def settings(toy_folder, short_method, tmp_path) -> RunConfig:
    concept = ConceptConfig(name="tom", pictures=(str(toy_folder),))
    places = {"out": str(tmp_path / "run"), "concepts": str(tmp_path / "concepts")}
    return RunConfig(
        concept=concept, base="tiny", method=short_method, prompts=(), show_every=0, **places
    )


@pytest.fixture
def path(base, settings):
    """The file of a finished run."""
    return kept(base, settings)


def kept(base, settings: RunConfig):
    concept = run(base, settings).tokens
    return concept_file.save(concept, concept_file.path_of("tom", settings.concepts))


def of_concept(settings: RunConfig, **changes) -> RunConfig:
    """Another concept, in another run folder."""
    return dataclasses.replace(
        settings, out=f"{settings.out}-2", concept=dataclasses.replace(settings.concept, **changes)
    )


@pytest.mark.slow
def test_the_same_command_again_says_nothing(base, settings, path, caplog):
    before = path.read_bytes()
    caplog.clear()
    assert kept(base, settings).read_bytes() == before
    assert "takes its place" not in caplog.text


def test_the_same_pictures_in_another_order_or_as_files_are_the_same_concept(
    settings, path, toy_folder
):
    files = sorted(map(str, toy_folder.glob("*.png")), reverse=True)
    noun = concept_of(settings).class_noun
    assert concept_of(of_concept(settings, pictures=tuple(files), class_noun=noun)).name == "tom"


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"method": Method(start="noun")}], ids=["seed", "method"]
)
def test_another_run_on_the_same_pictures_is_said_in_one_line(base, settings, path, change, caplog):
    caplog.clear()
    with pytest.raises(StopIteration):
        run(
            base,
            dataclasses.replace(settings, out=f"{settings.out}-2", **change),
            show=lambda _: next(iter(())),
        )
    lines = [r.getMessage() for r in caplog.records if "takes its place" in r.getMessage()]
    assert lines == [
        f"{path}: learned from the same pictures by another run (method 'joint', seed 0). This"
        " one's takes its place at the end."
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_noun": "wolf"}, "learned as '{noun}'"),
        ({"pictures": "fewer"}, "learned from other pictures"),
        ({"pictures": "others"}, "learned from other pictures"),
    ],
    ids=["another kind", "fewer pictures", "other pictures"],
)
def test_another_concept_of_the_name_is_refused_before_anything_is_learned(
    settings, path, toy_folder, tmp_path, change, said
):
    folder = shutil.copytree(toy_folder, tmp_path / "others")
    if change.get("pictures") == "fewer":
        (folder / "0.png").unlink()
    elif change.get("pictures"):
        shutil.copy(folder / "1.png", folder / "0.png")
    noun = concept_of(settings).class_noun
    other = of_concept(settings, **change | {"pictures": (str(folder),)})
    with pytest.raises(ConfigError) as refused:
        concept_of(other)
    line = str(refused.value)
    assert line.startswith(
        f"{path}: holds a concept <tom> ({said.format(noun=noun)}), and this run would put another"
        " one, <tom> ("
    )
    assert "--replace" in line and "\n" not in line
    assert concept_of(dataclasses.replace(other, replace=True)).name == "tom"
    assert (
        concept_of(dataclasses.replace(other, concepts=str(tmp_path / "elsewhere"))).name == "tom"
    )


def test_a_file_that_does_not_say_its_pictures_is_not_replaced_either(base, settings, make_concept):
    """One of format 1, or one that was saved by hand; and an imported one."""
    path = concept_file.path_of("tom", settings.concepts)
    own = dataclasses.replace(make_concept("tom"), class_noun=concept_of(settings).class_noun)
    for concept, said in (
        (own, "of which pictures, it does not say"),
        (dataclasses.replace(own, origin="yollava: best-token.pt"), "imported"),
    ):
        concept_file.save(concept, path)
        with pytest.raises(ConfigError, match=f"holds a concept <tom> .{said}"):
            concept_of(settings)
        assert concept_of(dataclasses.replace(settings, replace=True)).name == "tom"


def test_what_is_no_concept_file_is_not_replaced_unasked(settings):
    path = concept_file.path_of("tom", settings.concepts)
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        concept_of(settings)
    assert concept_of(dataclasses.replace(settings, replace=True)).name == "tom"


@pytest.mark.slow
def test_a_concept_of_another_base_is_not_lost_to_one_of_the_same_name_and_pictures(
    base, settings, path
):
    other = dataclasses.replace(
        concept_file.load(path), base_name="far/base", base_fingerprint="f" * 64
    )
    concept_file.save(other, path)
    before = path.read_bytes()
    again = dataclasses.replace(settings, out=f"{settings.out}-2")
    with pytest.raises(ConfigError) as refused:
        run(base, again)
    line = str(refused.value)
    assert line.startswith(
        f"{path}: holds a concept <tom> of base 'far/base', and this run would put one of 'tiny'"
    )
    assert "`concepts`" in line and "--replace" in line and "\n" not in line
    assert path.read_bytes() == before and not (again.folder / "checkpoints").exists()
    kept(base, dataclasses.replace(again, replace=True))
    assert concept_file.read_header(path)["base"] == "tiny"
