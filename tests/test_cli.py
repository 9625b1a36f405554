import dataclasses
import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

from unictoken import cli
from unictoken.core.errors import UserError
from unictoken.data.readers import read
from unictoken.data.source import read_concept
from unictoken.model.base import load_base
from unictoken.personalize.which import told
from unictoken.personalize.words import in_words
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def concept(base_folder, tmp_path_factory):
    """A concept file that names the saved base."""
    base = load_base(base_folder)
    rows = torch.randn(2, 3, base.width, generator=torch.Generator().manual_seed(0))
    tokens = ConceptTokens(
        name="bo",
        class_noun="dog",
        counts={"name": 1, "shared": 2},
        rows_in=rows[0],
        rows_out=rows[1],
        base_name=base.name,
        base_fingerprint=base.fingerprint,
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
    shown = dict(line.split(":", 1) for line in said("show", concept).splitlines())
    assert (
        shown["name"].strip() == "bo"
        and shown["counts"].strip() == "1 name, 2 shared; each [32] in and out"
    )
    found = json.loads(said("show", concept, "--json"))
    assert (found["name"], found["shapes"]["in.shared"], found["format"]) == ("bo", [2, 32], 3)


@pytest.mark.slow
def test_answers_are_json_for_other_programs(said, concept, toy_folder):
    asked = json.loads(said("ask", "--concept", concept, "what is <bo>?", "--json"))
    assert (
        asked.keys() == {"concept", "question", "image", "answer"}
        and asked["question"] == "what is <bo>?"
    )
    places = [str(toy_folder / f"{i}.png") for i in range(2)]
    lines = said("recognize", "--concept", concept, *places, "--json").splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["image"] for line in found] == places
    assert all((line["probability"] > 0.5) == (line["answer"] == "yes") for line in found)
    assert "caption" in json.loads(said("caption", "--concept", concept, places[0], "--json"))


@pytest.mark.parametrize("flag", [("--base", "other"), ("--seed", "2"), ("--out", "x")])
def test_a_flag_that_is_given_twice_is_refused(concept, flag):
    with pytest.raises(SystemExit, match=f"{flag[0]} is given twice"):
        cli.main(
            [
                "draw",
                "--concept",
                concept,
                "--base",
                "tiny",
                "--seed",
                "1",
                "--out",
                "y",
                "<bo>",
                *flag,
            ]
        )


def test_a_bug_of_ours_keeps_its_traceback(concept, monkeypatch):
    def broken(options):
        raise ValueError("zip() argument 2 is shorter than argument 1")

    monkeypatch.setattr("unictoken.cli.files.show", broken)
    with pytest.raises(ValueError, match="zip"):
        cli.main(["show", concept])


def test_debug_shows_where_a_mistake_was_found(concept):
    with pytest.raises(UserError, match="no such file"):
        cli.main(["show", "nowhere.safetensors", "--debug"])


HEAVY = {"torch", "transformers", "deepspeed", "diffusers", "huggingface_hub"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["show", "mia"],
        ["show", "nowhere"],
        ["ask", "--concept", "nowhere", "hi"],
        ["ask", "--concept", "mia", "what is <bo>?"],
        ["ask", "--concept", "mia", "--image", "nowhere.png", "hi"],
        ["ask", "--concept", "mia", "--words", "<bo> is a dog.", "what is <rex>?"],
        ["ask", "--pictures", "nowhere", "hi"],
        ["draw", "--concept", "mia", "<mia>", "--temperature", "inf"],
        ["recognize", "--concept", "mia", "nowhere.png"],
        ["learn", "nowhere.jpg", "--name", "x", "--class", "dog"],
        ["learn", "data/bo", "--name", "bo", "--set", "sede=1"],
        ["learn", "data/bo", "--name", "bo", "--base", "checkpoints/none"],
        ["learn", "data/bo/0.png", "--name", "bo"],
        ["memory", "show", "nowhere.json"],
        ["memory", "list", "--memory", "nowhere.memory"],
        ["memory", "forget"],
        ["ask", "--memory", "nowhere.memory", "hi"],
        ["publish", "nowhere", "--folder", "x"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_help_and_refusals_come_without_torch(arguments):
    asked = f"""
import sys
from unictoken.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print(sorted({HEAVY!r} & set(sys.modules)))"""
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_draw_writes_pictures(said, concept, tmp_path):
    out = said(
        "draw",
        "--concept",
        concept,
        "<bo> wearing a hat",
        "--num-images",
        "2",
        "--seed",
        "3",
        "--out",
        str(tmp_path / "drawn"),
    )
    assert out.split() == [str(tmp_path / "drawn" / f"{i}.png") for i in range(2)]
    assert [Image.open(path).size for path in out.split()] == [(256, 256)] * 2


def test_draw_writes_over_nothing_and_takes_any_seed(said, concept, tmp_path):
    (tmp_path / "0.png").write_text("a photo of mine", encoding="utf-8")
    out = said(
        "draw",
        "--concept",
        concept,
        "<bo>",
        "--num-images",
        "2",
        "--seed",
        "20251122221500",
        "--out",
        str(tmp_path),
    )
    assert (
        out.split() == [str(tmp_path / "1.png"), str(tmp_path / "2.png")]
        and (tmp_path / "0.png").read_text(encoding="utf-8") == "a photo of mine"
    )


def test_a_base_that_is_no_folder_here_is_not_fetched_unasked(tmp_path, concept):
    far = dataclasses.replace(concept_file.load(concept), base_name="somebody/large-base")
    path = concept_file.save(far, tmp_path / "far.safetensors")
    with pytest.raises(
        SystemExit,
        match=(
            "'somebody/large-base', no folder here. Say where it is, or fetch it: --base"
            " somebody/large-base"
        ),
    ):
        cli.main(["ask", "--concept", str(path), "who?"])


@pytest.mark.slow
def test_learn_takes_a_method_file_as_configs_do(said, base_folder, toy_folder, tmp_path):
    (tmp_path / "m.yaml").write_text("extends: below.yaml", encoding="utf-8")
    (tmp_path / "below.yaml").write_text(
        "method: {name: mine, tokens: {shared: 3}, stages: [{steps: 1, batch: 2}]}",
        encoding="utf-8",
    )
    asked = (
        "learn",
        str(toy_folder),
        "--name",
        "tom",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
    )
    more = ("--set", f"concepts={tmp_path}", "--set", "judge=null", "--set", "prompts=[]")
    said(*asked, "--method", str(tmp_path / "m.yaml"), *more)
    assert concept_file.load(tmp_path / "tom.safetensors").counts["shared"] == 3
    (tmp_path / "list.yaml").write_text("- method", encoding="utf-8")
    (tmp_path / "none.yaml").write_text("metod: {name: mine}", encoding="utf-8")
    for file, wrong in (
        ("list.yaml", "expected a mapping"),
        ("none.yaml", "did you mean 'method'"),
    ):
        with pytest.raises(SystemExit, match=wrong):
            said(*asked, "--method", str(tmp_path / file), *more)


def test_the_same_seed_draws_the_same_pictures(said, concept, tmp_path):
    for folder in ("a", "b"):
        said(
            "draw",
            "--concept",
            concept,
            "<bo>",
            "--num-images",
            "1",
            "--out",
            str(tmp_path / folder),
        )
    assert (tmp_path / "a" / "0.png").read_bytes() == (tmp_path / "b" / "0.png").read_bytes()


@pytest.mark.slow
def test_ask_prints_an_answer(said, concept, toy_folder):
    assert said("ask", "--concept", concept, "what is <bo>?").endswith("\n")
    assert said(
        "ask", "--concept", concept, "what is <bo> doing?", "--image", str(toy_folder / "0.png")
    ).endswith("\n")


def test_a_clip_is_asked_about_whole_or_refused_before_a_base_is_loaded(
    said, concept, toy_folder, capsys
):
    line = ["ask", "--concept", concept, "what does <bo> do?", "--clip", str(toy_folder)]
    row = json.loads(said(*line, "--json"))
    assert row["clip"] == str(toy_folder) and row["image"] is None
    with pytest.raises(SystemExit) as stopped:
        cli.main([*line[:-1], str(toy_folder / "nothing.mp4")])
    assert stopped.value.code == 2 and "no such file or folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*line, "--image", str(toy_folder / "0.png")])
    assert "not allowed with argument" in capsys.readouterr().err


def test_which_photo_of_a_folder_is_asked_in_words_that_the_base_need_not_know(
    said, concept, toy_folder, capsys
):
    """Every picture of the folder is looked at by itself, as `recognize` does."""
    question = "in which of these pictures is <bo>?"
    cli.main(["ask", "--concept", concept, question, "--clip", str(toy_folder)])
    answer = capsys.readouterr()
    lines = said("recognize", "--concept", concept, str(toy_folder)).splitlines()
    assert answer.out.strip() == told([float(": yes (" in line) for line in lines])
    assert answer.err == ""


def test_recognize_and_caption_take_folders_and_files(said, concept, toy_folder):
    lines = said(
        "recognize", "--concept", concept, str(toy_folder), str(toy_folder / "0.png")
    ).splitlines()
    assert len(lines) == 6 and all(": yes (" in line or ": no (" in line for line in lines)
    assert lines[0].startswith(f"{toy_folder / '0.png'}: ") and lines[0] == lines[5]
    assert said("caption", "--concept", concept, str(toy_folder / "1.png")).startswith(
        f"{toy_folder / '1.png'}: "
    )


@pytest.mark.parametrize("command", ["recognize", "caption"])
def test_a_broken_picture_costs_only_its_own_answer(command, concept, tmp_path, capsys):
    for i in range(3):
        Image.new("RGB", (32, 32), (90 * i, 90, 200)).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--concept", concept, str(tmp_path)])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert [line.split(": ")[0] for line in printed.out.splitlines()] == [
        str(tmp_path / f"{i}.png") for i in (0, 2)
    ]
    assert printed.err.startswith(
        f"unictoken {command}: {tmp_path / '1.png'}: not a readable picture"
    )
    assert printed.err.count("\n") == 1


@pytest.fixture(scope="module")
def two(concept, base_folder, tmp_path_factory):
    """The flags of two concepts on the saved base."""
    mia = dataclasses.replace(concept_file.load(concept), name="mia")
    path = concept_file.save(mia, tmp_path_factory.mktemp("concepts") / "mia.safetensors")
    return ["--concept", concept, "--concept", str(path)]


@pytest.mark.slow
def test_two_concepts_are_asked_drawn_and_recognised_together(
    said, two, concept, toy_folder, tmp_path
):
    photo = str(toy_folder / "0.png")
    assert said("ask", *two, "is <bo> like <mia>?").endswith("\n")
    assert said("ask", *two, "what is <bo>?") == said("ask", "--concept", concept, "what is <bo>?")
    assert json.loads(said("ask", *two, "what is <bo>?", "--json"))["concept"] == ["bo", "mia"]
    drawn = said("draw", *two, "<bo> and <mia>", "--num-images", "1", "--out", str(tmp_path))
    assert drawn.split() == [str(tmp_path / "0.png")]
    lines = said("recognize", *two, photo).splitlines()
    assert [line.removeprefix(f"{photo}: ").split()[0] for line in lines] == ["<bo>", "<mia>"]
    found = [json.loads(line) for line in said("recognize", *two, photo, "--json").splitlines()]
    assert [line["concept"] for line in found] == ["bo", "mia"]
    assert len(said("caption", *two, photo, photo).splitlines()) == 2


@pytest.mark.slow
def test_words_and_pictures_stand_for_a_concept_on_the_command_line(
    said, base_folder, toy_folder, tmp_path
):
    where, photo = ("--base", str(base_folder)), str(toy_folder / "0.png")
    words = ("--words", "<bo> is a brown dog.", *where)
    base = load_base(base_folder)
    asked = in_words(base, "bo", "{name} is a brown dog.").ask(["what colour is <bo>?"])[0]
    assert said("ask", *words, "what colour is <bo>?").rstrip("\n") == asked
    assert said("recognize", *words, photo).startswith(f"{photo}: ")
    assert said("draw", *words, "<bo>", "--num-images", "1", "--out", str(tmp_path)).strip()
    shown = ("--pictures", str(toy_folder), *where)
    assert said("ask", *shown, "what colour is <rex>?") and said(
        "caption", *shown, "--name", "rex", photo
    )
    told = said(
        "ask", *shown, "--words", "<rex> has a red hat.", "what hat does <rex> have?", "--json"
    )
    assert json.loads(told)["concept"] == "rex"


@pytest.mark.slow
def test_words_are_told_to_the_tiny_base_unless_another_is_named(said):
    assert said("ask", "--words", "<bo> is a brown dog.", "what colour is <bo>?") == "brown\n"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["show", "nowhere.safetensors"], "nowhere.safetensors: no such file"),
        (
            ["learn", "nowhere", "--name", "rex", "--class", "dog"],
            "nowhere: no such file or folder",
        ),
        (
            ["learn", "{tmp}", "--name", "rex", "--class", "dog", "--set", "zero_stage=3"],
            "only train/run.py",
        ),
        (
            ["learn", "{tmp}", "--name", "rex", "--class", "dog", "--method", "nowhere.yaml"],
            "nowhere.yaml: no such file",
        ),
        (["learn", "{tmp}", "--name", "../rex", "--class", "dog"], "concept name '../rex'"),
        (["draw", "--concept", "nowhere.safetensors", "<bo>"], "no such file"),
        (
            ["ask", "--concept", "{concept}", "who is <mia>?"],
            "'<mia>' is not a concept that is loaded",
        ),
        (
            ["ask", "--concept", "{concept}", "--words", "<rex> is a dog.", "who is <mia>?"],
            "Loaded: '<bo>', '<rex>'",
        ),
        (
            ["ask", "--concept", "{concept}", "--concept", "{concept}", "who?"],
            "two concepts are named 'bo'",
        ),
        (
            ["ask", "--concept", "{concept}", "--words", "<bo> is a dog.", "who?"],
            "two concepts are named 'bo'",
        ),
        (
            ["ask", "--words", "a brown dog", "who?"],
            "expected a text about one concept that names it",
        ),
        (
            ["ask", "--words", "<bo> is a dog.", "--base", "nowhere", "who is <bo>?"],
            "base 'nowhere': no such file",
        ),
        (["ask", "--pictures", "nowhere", "who?"], "nowhere: no such file or folder"),
        (
            ["ask", "--concept", "{concept}", "--name", "rex", "who?"],
            "--name rex: names what --pictures shows",
        ),
        (
            ["recognize", "--pictures", "{file}", "--name", "Rex!", "x.png"],
            "file: not a readable picture",
        ),
        (
            ["ask", "who?"],
            "found no concept. Give --concept FILE, --words TEXT, --pictures FOLDER or --memory",
        ),
        (
            ["ask", "--concept", "{concept}", "who?", "--image", "nowhere.png"],
            "nowhere.png: no such file",
        ),
        (["recognize", "--concept", "{concept}", "nowhere"], "no such file or folder"),
        (["ask", "--concept", "{concept}", "--base", "{tmp}", "who?"], "no config.json"),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--num-images", "0", "--out", "{tmp}"],
            "--num-images: found 0, expected 1 to 1000",
        ),
        (
            [
                "draw",
                "--concept",
                "{concept}",
                "<bo>",
                "--num-images",
                "1000000000",
                "--out",
                "{tmp}",
            ],
            "--num-images: found 1000000000",
        ),
        (
            [
                "draw",
                "--concept",
                "{concept}",
                "<bo>",
                "--best-of",
                "1000000000",
                "--out",
                "{tmp}",
            ],
            "--best-of: found 1000000000",
        ),
        (
            ["caption", "--concept", "{concept}", "--best-of", "0", "{tmp}"],
            "--best-of: found 0, expected 1 to 1000",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--temperature", "inf", "--out", "{tmp}"],
            "temperature .*: found inf, expected .* finite",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--temperature", "1e400", "--out", "{tmp}"],
            "temperature .*: found inf",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--top-p", "nan", "--out", "{tmp}"],
            "top_p: found nan",
        ),
        (
            ["benchmark", "--seed", "1", "--num-concepts", "1000000000", "--out", "{tmp}/new"],
            "--num-concepts: found 1000000000, expected 1 to 1000",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--top-p", "1e-300", "--out", "{tmp}"],
            "top_p: found 1e-300, expected 1e-06 to 1",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--num-images", "1001", "--out", "{tmp}"],
            "--num-images: found 1001, expected 1 to 1000",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--top-p", "0", "--out", "{tmp}"],
            "top_p|top-p",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--temperature", "-1", "--out", "{tmp}"],
            "temperature",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--temperature", "nan", "--out", "{tmp}"],
            "temperature .*: found nan, expected 0.001 or more",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--guidance", "inf", "--out", "{tmp}"],
            "guidance .*: found inf, expected -100 to 100",
        ),
        (["pet", "--seed", "1", "--name", "bo", "--out", "{tmp}"], "is there already"),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--out", "{file}"],
            "--out: .*file: .*file is a file, expected a folder",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--out", "{file}/deeper/still"],
            "file is a file, expected a folder",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--guidance", "1e39", "--out", "{tmp}"],
            "guidance",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--temperature", "1e-45", "--out", "{tmp}"],
            "temperature",
        ),
        (
            ["draw", "--concept", "{concept}", "<bo>", "--seed", "-1", "--out", "{tmp}"],
            "seed: found -1",
        ),
        (["draw", "--concept", "{concept}", " ", "--out", "{tmp}"], "found an empty argument"),
        (
            ["ask", "--concept", "{concept}", "who is <bo>? " * 1000],
            "this base reads at most 1,024. Say less",
        ),
        (["ask", "--concept", "{concept}", "--base", "", "who?"], "found an empty argument"),
        (
            ["ask", "--concept", "{concept}"],
            "the following arguments are required: question. Look at `unictoken ask --help`.",
        ),
        (["show", "{tmp}"], "found a folder, expected a concept file"),
        (
            ["pet", "--seed", "-1", "--name", "bo", "--out", "{tmp}/new"],
            "--seed: found -1, expected 0 to",
        ),
        (
            ["pet", "--seed", "1", "--name", "bo", "--out", "{file}/new"],
            "file is a file, expected a folder",
        ),
    ],
)
def test_a_mistake_is_said_in_one_line(arguments, match, concept, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    filled = [a.format(concept=concept, tmp=tmp_path, file=tmp_path / "file") for a in arguments]
    with pytest.raises(SystemExit, match=match) as stopped:
        cli.main(filled)
    assert (
        re.match(r"unictoken( \w+)?: ", str(stopped.value))
        and "\n" not in str(stopped.value)
        and stopped.value.code == 2
    )


def test_a_pet_becomes_a_folder_to_learn_from(said, tmp_path):
    out = tmp_path / "mia"
    assert said("pet", "--seed", "3", "--name", "mia", "--out", str(out)).startswith(f"{out}: a")
    mia = read_concept(out, name="mia")
    assert len(mia.pictures) == 5 and mia.facts and mia.class_noun == mia.truth.subject.species


def test_a_concept_of_another_base_is_refused(concept, base_folder, tmp_path):
    far = dataclasses.replace(concept_file.load(concept), base_fingerprint="0" * 64)
    path = concept_file.save(far, tmp_path / "far.safetensors")
    with pytest.raises(SystemExit, match="learned on base"):
        cli.main(["ask", "--concept", str(path), "who?"])


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    commands = (
        "learn",
        "draw",
        "ask",
        "caption",
        "recognize",
        "show",
        "import",
        "export",
        "publish",
        "pet",
        "benchmark",
    )
    assert all(command in shown for command in commands)


QUICK = (
    "method.stages.0.steps=2",
    "method.stages.0.batch=2",
    "method.tokens.shared=2",
    "judge=null",
    "prompts=[]",
)
SHORT = tuple(word for setting in QUICK for word in ("--set", setting))


@pytest.mark.slow
def test_learn_makes_a_concept_file_from_pictures(said, base_folder, toy_folder, tmp_path):
    pictures = [str(toy_folder / f"{i}.png") for i in range(3)]
    out = (
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
        "--set",
        f"concepts={tmp_path}",
    )
    printed = said(
        "learn",
        *pictures,
        "--name",
        "rex",
        "--class",
        "dog",
        "--fact",
        "<rex> has a red hat.",
        *out,
        *SHORT,
    )
    assert str(tmp_path / "rex.safetensors") in printed and "what animal is <rex>?" in printed
    learned = concept_file.load(tmp_path / "rex.safetensors", load_base(base_folder))
    assert (learned.name, learned.class_noun, len(learned.rows_in), learned.consent) == (
        "rex",
        "dog",
        3,
        False,
    )


@pytest.mark.slow
def test_a_person_is_learned_and_published_with_consent_only(
    said, base_folder, toy_folder, tmp_path
):
    asked = (
        "learn",
        str(toy_folder / "0.png"),
        "--name",
        "ann",
        "--class",
        "woman",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
    )
    with pytest.raises(SystemExit, match="'woman' is a person.*--consent"):
        said(*asked, *SHORT)
    said(*asked, "--consent", "--set", f"concepts={tmp_path}", *SHORT)
    assert concept_file.read_header(tmp_path / "ann.safetensors")["consent"] is True
    base = ("--base-model", "user/tiny", "--licence", "mit")
    assert said(
        "publish", str(tmp_path / "ann.safetensors"), "--folder", str(tmp_path / "card"), *base
    ).strip()
    assert "agreed" in (tmp_path / "card" / "README.md").read_text(encoding="utf-8")


def test_other_peoples_tokens_come_in_and_go_out(said, base_folder, tmp_path):
    width = load_base(base_folder).width
    files = [str(tmp_path / f"best-{part}.pt") for part in ("token", "lmhead")]
    for file in files:
        torch.save(torch.randn(17, width), file)
    brought = said(
        "import",
        *files,
        "--form",
        "yollava",
        "--name",
        "bo",
        "--class-noun",
        "dog",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path),
    )
    assert brought.strip() == str(tmp_path / "bo.safetensors")
    assert (
        json.loads(said("show", brought.strip(), "--json"))["origin"]
        == "yollava: best-token.pt, best-lmhead.pt"
    )
    given = said(
        "export", brought.strip(), "--form", "yollava", "--out", str(tmp_path / "out")
    ).split()
    assert all(torch.equal(torch.load(a), torch.load(b)) for a, b in zip(files, given, strict=True))


def test_the_toy_benchmark_is_drawn_into_a_folder(said, tmp_path, monkeypatch):
    monkeypatch.setattr("unictoken.toy.concepts.TEST_PICTURES", 1)
    monkeypatch.setattr("unictoken.toy.dataset.RANDOM_IMAGES", 1)
    assert said(
        "benchmark", "--seed", "1", "--num-concepts", "2", "--out", str(tmp_path / "bench")
    ).strip() == str(tmp_path / "bench")
    assert list(read(tmp_path / "bench").concepts) == ["tom", "mia"]


@pytest.mark.slow
def test_learning_that_is_stopped_goes_on_when_it_is_asked_again(
    said, base_folder, toy_folder, tmp_path, monkeypatch
):
    asked = (
        "learn",
        str(toy_folder),
        "--name",
        "tom",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
        "--set",
        f"concepts={tmp_path}",
    )
    monkeypatch.setattr("unictoken.learn.stop.StopSignal.__call__", lambda self: True)
    with pytest.raises(SystemExit) as stopped:
        said(*asked, *SHORT)
    assert stopped.value.code == 75 and not (tmp_path / "tom.safetensors").exists()
    monkeypatch.undo()
    said(*asked, *SHORT)
    assert (tmp_path / "tom.safetensors").is_file() and len(
        (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ) == 2


@pytest.mark.slow
def test_learning_twice_keeps_the_file_and_another_animal_of_its_name_is_refused(
    said, base_folder, toy_folder, tmp_path
):
    def learn(noun: str, run: str, *more: str) -> bytes:
        asked = (
            "learn",
            str(toy_folder / "0.png"),
            "--name",
            "rex",
            "--class",
            noun,
            "--base",
            str(base_folder),
        )
        said(*asked, "--out", str(tmp_path / run), "--set", f"concepts={tmp_path}", *SHORT, *more)
        return (tmp_path / "rex.safetensors").read_bytes()

    first = learn("dog", "run")
    assert learn("dog", "run") == first
    with pytest.raises(
        SystemExit,
        match="rex.safetensors: holds a concept <rex> .learned as 'dog'.*<rex> .fox.*--replace",
    ) as stopped:
        learn("fox", "run-2")
    assert (
        stopped.value.code == 2
        and (tmp_path / "rex.safetensors").read_bytes() == first
        and not (tmp_path / "run-2").exists()
    )
    assert learn("fox", "run-2", "--set", "replace=true") != first


@pytest.mark.slow
def test_a_concept_is_learned_in_a_thread_of_another_program(base_folder, toy_folder, tmp_path):
    asked = [
        "learn",
        str(toy_folder),
        "--name",
        "tom",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
        "--set",
        f"concepts={tmp_path}",
    ]
    thread = threading.Thread(target=cli.main, args=([*asked, *SHORT],))
    thread.start()
    thread.join()
    assert (tmp_path / "tom.safetensors").is_file() and (tmp_path / "run" / "report.md").is_file()


@pytest.mark.slow
def test_ctrl_c_while_the_report_is_measured_is_one_line_and_the_concept_is_kept(
    base_folder, toy_folder, tmp_path, monkeypatch, capsys
):
    asked = [
        "learn",
        str(toy_folder),
        "--name",
        "tom",
        "--base",
        str(base_folder),
        "--out",
        str(tmp_path / "run"),
        "--set",
        f"concepts={tmp_path}",
    ]
    # tests that run in the background ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(
        "unictoken.measure.report._answers", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main([*asked, *SHORT])
    finally:
        signal.signal(signal.SIGINT, before)
    said = (
        f"unictoken: interrupted; the concept is kept in {tmp_path / 'tom.safetensors'}, and the"
        " same command goes on with the report."
    )
    assert ended.value.code == 130 and said in capsys.readouterr().err.splitlines()
    assert (
        concept_file.load(tmp_path / "tom.safetensors").name == "tom"
        and not (tmp_path / "run" / "report.md").exists()
    )
    monkeypatch.undo()
    cli.main([*asked, *SHORT])
    assert (tmp_path / "run" / "report.md").is_file()


@pytest.mark.parametrize("command", ["draw", "ask", "caption", "recognize"])
def test_ctrl_c_while_a_command_works_is_one_line_and_leaves_nothing_half_written(
    command, concept, toy_folder, tmp_path, monkeypatch, capsys
):
    asked = {
        "draw": ["<bo>", "--num-images", "2", "--out", str(tmp_path / "out")],
        "ask": ["what is <bo>?"],
        "caption": [str(toy_folder / "0.png")],
        "recognize": [str(toy_folder)],
    }
    # Where all of them come by.
    monkeypatch.setattr(
        "unictoken.personalize.session.queries_of",
        lambda *_, **__: signal.raise_signal(signal.SIGINT),
    )
    # tests that run in the background ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main([command, *asked[command], "--concept", concept])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.value.code, capsys.readouterr().err) == (130, "unictoken: interrupted.\n")
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize(
    "left_over",
    [
        {"RANK": "1"},
        {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3"},
        {"OMPI_COMM_WORLD_RANK": "1"},
    ],
)
def test_a_left_over_rank_silences_nothing(left_over, monkeypatch, capsys):
    for name, value in left_over.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        cli.main(["show", "nosuch.safetensors"])
    assert capsys.readouterr().err.startswith("unictoken: nosuch.safetensors: no such file.")


@pytest.mark.parametrize("name", ["app", "serve"])
def test_a_command_whose_extra_is_not_installed_names_it(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(
        SystemExit, match=rf"unictoken {name}: .*uvicorn not found.*'unictoken\[{name}\]'"
    ) as refused:
        cli.main([name])
    assert refused.value.code == 2
