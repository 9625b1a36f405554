"""Pictures are found by features: a concept's pictures and the words around its name."""

from __future__ import annotations

import json

import dual
import pytest
import small

from unictoken.cli import main
from unictoken.core.errors import UserError
from unictoken.data.concept import Concept
from unictoken.model.base import load_base
from unictoken.model.encoders import BaseEncoder, text_half
from unictoken.personalize.features import FeatureSearch
from unictoken.personalize.memory import Memory
from unictoken.personalize.memory.recall import Recall
from unictoken.personalize.pictures import pictured
from unictoken.personalize.query import Seen
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens.file import save

OWN = [dual.picture("red", "forest"), dual.picture("red", "city")]
# The words alone, the concept alone, neither, and both.
ALBUM = [
    dual.picture("green", "beach"),
    dual.picture("red", "snow"),
    dual.picture("green", "snow"),
    dual.picture("red", "beach"),
]


def with_rows(base, *names):
    return Session(base, Several(base, [with_tokens(base, small.concept(base, n)) for n in names]))


@pytest.fixture
def chat(base):
    return with_rows(base, "bo")


def found(chat, prompt, album=ALBUM, **how):
    how = {"encoder": dual.Dual(), "references": {"bo": OWN}} | how
    return chat.find(prompt, album, by="features", **how)


def test_what_fits_the_concept_and_the_words_comes_before_what_fits_one_of_them(chat):
    ranking = found(chat, "<bo> on the beach")
    assert ranking[0][0] == 3 and ranking[-1][0] == 2
    assert all(-1 <= score <= 1 for _, score in ranking)
    # By either half alone two pictures are equally good, or the wrong one is.
    by_name, by_words = dict(found(chat, "<bo>")), dict(found(chat, "a dog on the beach"))
    assert by_name[1] == pytest.approx(by_name[3]) and by_name[3] > by_name[0]
    assert by_words[0] == pytest.approx(by_words[3]) and by_words[3] > by_words[1]


def test_the_words_say_the_class_noun_in_the_place_of_the_name(chat):
    encoder = dual.Dual()
    found(chat, "<bo> on the beach", encoder=encoder)
    assert encoder.read == ["a photo of the dog on the beach."]
    found(chat, "<bo>", encoder=encoder)  # no words, no text
    assert len(encoder.read) == 1


def test_two_concepts_are_looked_for_together(base):
    chat = with_rows(base, "bo", "mia")
    references = {"bo": OWN, "mia": [dual.picture("green", "city")]}
    album = [dual.picture(who, "snow") for who in ("red", "green", "red+green")]
    prompts = ["<bo> and <mia>", "<mia>"]
    each = [found(chat, prompt, album, references=references) for prompt in prompts]
    assert [ranking[0][0] for ranking in each] == [2, 1]
    how = {"encoder": dual.Dual(), "references": references}
    assert chat.find_each(prompts, album, by="features", **how) == each


def test_a_memory_gives_its_own_pictures_and_class_noun(base):
    memory = Memory()
    memory.add(Concept(name="bo", class_noun="dog", pictures=tuple(OWN)))
    encoder = dual.Dual()
    chat = Session(base, Recall(base, memory))
    assert found(chat, "<bo> on the beach", encoder=encoder, references=None)[0][0] == 3
    assert encoder.read == ["a photo of the dog on the beach."]


def test_pictures_in_context_are_references_too(base):
    chat = Session(base, Several(base, [pictured(base, "bo", OWN)]))
    assert {number for number, _ in found(chat, "<bo>", references=None)[:2]} == {1, 3}
    with pytest.raises(UserError, match="'bo': its class noun is not known"):
        found(chat, "<bo> on the beach", references=None)


def test_a_folder_of_references_says_the_class_noun(base, tmp_path):
    for i, picture in enumerate(OWN):
        picture.save(tmp_path / f"{i}.png")
    (tmp_path / "info.json").write_text(json.dumps({"class": "owl"}), encoding="utf-8")
    encoder = dual.Dual()
    chat = Session(base, Several(base, [pictured(base, "bo", OWN)]))
    found(chat, "<bo> on the beach", encoder=encoder, references={"bo": tmp_path})
    assert encoder.read == ["a photo of the owl on the beach."]


def test_the_base_alone_looks_for_names_and_refuses_words(chat):
    album = [dual.picture("green", "snow"), *OWN]
    number, score = found(chat, "<bo>", album, encoder=None, references={"bo": OWN[:1]})[0]
    assert number == 1 and score == pytest.approx(1)  # the same picture
    with pytest.raises(UserError, match="encoder 'asked' reads no words.*alone: '<bo>'"):
        found(chat, "<bo> on the beach", encoder=None)


def test_rows_of_a_text_are_not_compared_with_a_base_s_pictures(base):
    assert text_half(BaseEncoder(base)) is None
    assert text_half(encoder := dual.Dual()) is encoder


def test_pictures_of_which_only_ids_are_known_are_decoded(chat):
    seen = Seen(chat.base.encode(ALBUM))
    assert sorted(number for number, _ in found(chat, "<bo>", seen)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"references": None}, "'bo': no reference pictures"),
        ({"references": {"mia": OWN}}, "references: 'mia' is not a concept that is loaded"),
    ],
)
def test_what_features_lack_is_said(chat, how, said):
    with pytest.raises(UserError, match=said):
        found(chat, "<bo> on the beach", **how)


def test_of_no_pictures_none_are_found_either_way(chat):
    assert found(chat, "<bo> on the beach", []) == chat.find("<bo> on the beach", []) == []


def test_a_concept_s_pictures_are_read_once_for_many_prompts(chat):
    asked = []

    def reference(name):
        asked.append(name)
        return Concept(name=name, class_noun="dog", pictures=tuple(OWN))

    search = FeatureSearch(chat.base, dual.Dual(), reference)
    for prompt in ("<bo>", "<bo> on the beach", "<bo> in the snow"):
        search.query(prompt)
    assert asked == ["bo"]


def test_a_way_that_is_not_there_and_an_encoder_without_features_are_refused(chat):
    with pytest.raises(UserError, match="by 'feature'. Expected one of likelihood, features"):
        chat.find("<bo>", ALBUM, by="feature")
    with pytest.raises(UserError, match="Give by='features'"):
        chat.find("<bo>", ALBUM, encoder=dual.Dual())


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(base_folder, tmp_path, capsys):
    """`find` with a concept file; OWN is its pictures. Its status, lines and errors."""
    save(small.concept(load_base(base_folder)), tmp_path / "bo.safetensors")
    for folder, pictures in (("own", OWN), ("album", ALBUM)):
        (tmp_path / folder).mkdir()
        for i, picture in enumerate(pictures):
            picture.save(tmp_path / folder / f"{i}.png")

    def found(*line):
        said = [str(tmp_path / "own") if word == "OWN" else word for word in line]
        where = ["--in", str(tmp_path / "album"), "--base", str(base_folder)]
        status = 0
        try:
            main(["find", "--concept", str(tmp_path / "bo.safetensors"), *said, *where])
        except SystemExit as ended:
            status = ended.code
        shown, errors = capsys.readouterr()
        return status, shown.splitlines(), errors.strip().splitlines()

    return found


def test_the_command_takes_a_concept_s_file_and_its_pictures(run, monkeypatch):
    monkeypatch.setattr("unictoken.model.encoders.load_encoder", lambda name, base: dual.Dual())
    line = ["<bo> on the beach", "--by", "features", "--encoder", "dual", "--pictures", "OWN"]
    status, shown, _ = run(*line, "--json")
    rows = [json.loads(row) for row in shown]
    assert status == 0 and len(rows) == len(ALBUM)
    assert rows[0]["image"].endswith("3.png") and rows[0]["prompt"] == "<bo> on the beach"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["<bo>", "--by", "features"], "'bo': no reference pictures"),
        (["<bo> here", "--by", "features", "--pictures", "OWN"], "'asked' reads no words"),
        (["<bo>", "--encoder", "clip-vit-b32"], "--encoder: compares features"),
        (["<bo>", "--by", "features", "--encoder", "nowhere"], "encoder 'nowhere': unknown"),
        (["<bo>", "--pictures", "OWN"], "two concepts are named 'bo'"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(line, said, run):
    if said.startswith("two"):
        line = [*line, "--name", "bo"]
    status, shown, errors = run(*line)
    assert (status, shown, len(errors)) == (2, [], 1) and said in errors[0]
