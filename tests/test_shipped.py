from pathlib import Path

import pytest

from unictoken.core import shipped
from unictoken.core.shipped import PlaceError

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nothing that ships may depend on the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_ships_is_found_by_name_from_any_folder():
    assert (shipped.find_base("tiny") / "config.json").is_file()
    assert shipped.find_judge("toy").is_file() and shipped.find_concept("mia").is_file()
    assert shipped.methods() == [
        "joint", "knowing", "lora", "myvlm", "palavra", "plvm", "quick", "repic", "sync_r1", "unictokens",
        "user", "yochameleon", "yollava",
    ]  # fmt: skip
    assert all(shipped.find_method(name).is_file() for name in shipped.methods())


def test_its_place_in_the_repository_finds_it_too():
    assert (shipped.find_base("checkpoints/tiny-chameleon") / "config.json").is_file()
    assert shipped.find_method("configs/methods/joint.yaml").is_file()
    assert shipped.find_concept("checkpoints/tiny-chameleon/mia.safetensors").is_file()


def test_a_folder_here_is_taken_and_a_name_of_the_hub_is_left_alone(elsewhere):
    (elsewhere / "mine").mkdir()
    assert shipped.find_base("mine") == Path("mine")
    assert shipped.find_base("leloy/Anole-7b-v0.1-hf") == "leloy/Anole-7b-v0.1-hf"


@pytest.mark.parametrize(
    "name",
    [
        "checkpoints/other",
        "./base",
        "/no/such/folder",
        "a/b/c",
        "runs/x",
        "~/nowhere",
        "../up",
        "base dir",
        "gpt2",
    ]
    + ["x" * 5000, "me/" + "x" * 200],
)
def test_a_path_that_is_not_there_is_never_asked_of_the_hub(name):
    with pytest.raises(PlaceError, match="no such file or folder here") as error:
        shipped.find_base(name)
    assert "tiny" in str(error.value) and "\n" not in str(error.value)


def test_a_base_that_ships_has_its_name_wherever_it_lies():
    assert shipped.name_of_base("tiny") == "tiny"
    assert shipped.name_of_base(ROOT / "checkpoints" / "tiny-chameleon") == "tiny"
    assert shipped.name_of_base("leloy/Anole-7b-v0.1-hf") == "leloy/Anole-7b-v0.1-hf"


def test_a_concept_that_was_learned_here_is_found_by_name(elsewhere):
    (elsewhere / shipped.LEARNED).mkdir(parents=True)
    (elsewhere / shipped.LEARNED / "rex.safetensors").write_bytes(b"")
    assert shipped.find_concept("rex") == shipped.LEARNED / "rex.safetensors"
    (elsewhere / "rex").mkdir()
    assert shipped.find_concept("rex") == shipped.LEARNED / "rex.safetensors"
    (elsewhere / "rex").rmdir()
    (elsewhere / "rex").write_bytes(b"")
    assert shipped.find_concept("rex") == Path("rex")


def test_an_unknown_method_names_those_that_ship():
    with pytest.raises(
        PlaceError, match="joint, knowing, lora, .*, unictokens, user, yochameleon, yollava"
    ):
        shipped.find_method("jiont")
