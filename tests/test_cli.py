import dataclasses
import json

import pytest
import torch
from PIL import Image

from unictoken import cli
from unictoken.concept import file as concept_file
from unictoken.concept.tokens import ConceptTokens
from unictoken.data.source import read_source
from unictoken.model.base import load_base


@pytest.fixture(scope="module")
def concept(base_folder, tmp_path_factory):
    """A concept file that names the saved base."""
    base = load_base(base_folder)
    rows = torch.randn(2, 3, base.width, generator=torch.Generator().manual_seed(0))
    tokens = ConceptTokens(
        name="bo", class_noun="dog", counts={"name": 1, "shared": 2}, rows_in=rows[0], rows_out=rows[1],
        base_name=base.name, base_fingerprint=base.fingerprint,
    )
    return str(concept_file.save(tokens, tmp_path_factory.mktemp("concepts") / "bo.safetensors"))


@pytest.fixture
def said(capsys):
    """What a command prints."""

    def run(*arguments: str) -> str:
        cli.main(list(arguments))
        return capsys.readouterr().out

    return run


def test_show_prints_the_header_and_the_rows(said, concept):
    header, _, rows = said("show", concept).rpartition("rows: ")
    assert json.loads(header)["name"] == "bo" and rows.startswith("(3, 32) in and out, ")


def test_draw_writes_pictures(said, concept, tmp_path):
    out = said("draw", "--concept", concept, "<bo> wearing a hat", "--num-images", "2", "--seed", "3", "--out", str(tmp_path / "drawn"))
    assert out.split() == [str(tmp_path / "drawn" / f"{i}.png") for i in range(2)]
    assert [Image.open(path).size for path in out.split()] == [(256, 256)] * 2


def test_the_same_seed_draws_the_same_pictures(said, concept, tmp_path):
    for folder in ("a", "b"):
        said("draw", "--concept", concept, "<bo>", "--num-images", "1", "--out", str(tmp_path / folder))
    assert (tmp_path / "a" / "0.png").read_bytes() == (tmp_path / "b" / "0.png").read_bytes()


def test_ask_prints_an_answer(said, concept, toy_folder):
    assert said("ask", "--concept", concept, "what is <bo>?").endswith("\n")
    assert said("ask", "--concept", concept, "what is <bo> doing?", "--image", str(toy_folder / "0.png")).endswith("\n")


def test_recognize_and_caption_take_folders_and_files(said, concept, toy_folder):
    lines = said("recognize", "--concept", concept, str(toy_folder), str(toy_folder / "0.png")).splitlines()
    assert len(lines) == 6 and all(": yes (" in line or ": no (" in line for line in lines)
    assert lines[0].startswith(f"{toy_folder / '0.png'}: ") and lines[0] == lines[5]
    assert said("caption", "--concept", concept, str(toy_folder / "1.png")).startswith(f"{toy_folder / '1.png'}: ")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["show", "nowhere.safetensors"], "nowhere.safetensors: no such file"),
        (["draw", "--concept", "nowhere.safetensors", "<bo>"], "no such file"),
        (["ask", "--concept", "{concept}", "who is <mia>?"], "'<mia>' is not a concept that is loaded"),
        (["ask", "--concept", "{concept}", "who?", "--image", "nowhere.png"], "nowhere.png: no such file"),
        (["recognize", "--concept", "{concept}", "nowhere"], "no such file or folder"),
        (["ask", "--concept", "{concept}", "--base", "{tmp}", "who?"], "no config.json"),
        (["draw", "--concept", "{concept}", "<bo>", "--num-images", "0", "--out", "{tmp}"], "--num-images 0"),
        (["draw", "--concept", "{concept}", "<bo>", "--top-p", "0", "--out", "{tmp}"], "top_p|top-p"),
        (["draw", "--concept", "{concept}", "<bo>", "--temperature", "-1", "--out", "{tmp}"], "temperature"),
        (["draw", "--concept", "{concept}", "<bo>", "--out", "{file}"], "file"),
    ],
)
def test_a_mistake_is_said_in_one_line(arguments, match, concept, tmp_path):
    (tmp_path / "file").write_text("in the way")
    filled = [a.format(concept=concept, tmp=tmp_path, file=tmp_path / "file") for a in arguments]
    with pytest.raises(SystemExit, match=match) as stopped:
        cli.main(filled)
    assert str(stopped.value).startswith("unictoken: ") and "\n" not in str(stopped.value)


def test_a_pet_becomes_a_folder_to_learn_from(said, tmp_path):
    out = tmp_path / "mia"
    assert said("pet", "--seed", "3", "--name", "mia", "--out", str(out)).startswith(f"{out}: a")
    source = read_source(out, name="mia")
    assert len(source.pictures) == 5 and source.facts and source.class_noun == source.pet.species


def test_a_concept_of_another_base_is_refused(concept, base_folder, tmp_path):
    far = dataclasses.replace(concept_file.load(concept), base_fingerprint="0" * 64)
    path = concept_file.save(far, tmp_path / "far.safetensors")
    with pytest.raises(SystemExit, match="learned on base"):
        cli.main(["ask", "--concept", str(path), "who?"])


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("draw", "ask", "caption", "recognize", "show"))
