"""The Python API: `import unictoken`, and what it gives."""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import inspect
import json
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import unictoken
from unictoken import api
from unictoken.core.errors import UserError
from unictoken.core.progress import bars_are_hidden
from unictoken.core.text import ConceptError
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.model.base import with_methods
from unictoken.model.chameleon import Chameleon
from unictoken.model.draw import Draw
from unictoken.personalize import session
from unictoken.personalize.base import PersonalBase
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.drawing import Drawing, Drawings
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.query import Query
from unictoken.personalize.session import NOBODY, Session
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import Prompts
from unictoken.toy.profile import PROFILE

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
LIKELIEST = Draw(temperature=0)
SHORT = Method(tokens=Tokens(shared=2), stages=(Stage(steps=2, batch=2),))


@pytest.fixture(scope="session")  # as conftest's, in whose place it stands
def base(model, tokenizer) -> PersonalBase:
    return with_methods(Chameleon, PersonalBase)(model, tokenizer, "tiny", profile=PROFILE)


@pytest.fixture(scope="module")
def mia(make_concept):
    return make_concept("mia", shared=2)


@pytest.fixture(scope="module")
def alone(base, bo) -> Session:
    return base.with_concepts(bo)


@pytest.fixture(scope="module")
def both(base, bo, mia) -> Session:
    return base.with_concepts(bo, mia)


@pytest.fixture(scope="module")
def photos(toy_folder) -> list[Path]:
    return [toy_folder / "0.png", toy_folder / "1.png"]


def condition_of(chat: Session, text: str, **more) -> Condition:
    """What stands before a text."""
    return chat.personalization.conditions([Query(text, **more)])[0]


def learned(base, pictures, **more):
    return unictoken.learn(
        base, pictures, **{"name": "tom", "method": SHORT, "verbose": False} | more
    )


# ---- import unictoken ---------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_heavy():
    asked = """
import sys, unictoken
unictoken.__version__, dir(unictoken)
from unictoken import config, UserError
print(config.__name__, sorted({"torch", "transformers", "numpy"} & set(sys.modules)))"""
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == ["unictoken.core.config", "[]"]


def test_everything_that_is_listed_is_there():
    assert all(getattr(unictoken, name) is not None for name in unictoken.__all__)
    assert dir(unictoken) == sorted(unictoken.__all__)
    assert unictoken.load_concept is concept_file.load
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        unictoken.nothing  # noqa: B018


def test_learn_is_called_by_its_name_and_stays_a_package():
    assert unictoken.learn.stages.learn and callable(unictoken.learn)
    assert inspect.signature(unictoken.learn) == inspect.signature(api.learn)


# ---- what goes in, what comes out ---------------------------------------------------------------


@pytest.mark.slow
def test_one_text_gives_one_answer_and_a_list_gives_a_list(alone, photos):
    question = "what is <bo>?"
    answer = alone.ask(question)
    assert isinstance(answer, str) and alone.ask([question, question]) == [answer, answer]
    assert alone.ask([]) == []
    about = alone.ask(question, photos[0])
    assert isinstance(about, str) and alone.ask([question], photos[0]) == [about]
    assert alone.ask(question, photos) == [alone.ask(question, photo) for photo in photos]
    assert alone.ask([question] * 2, photos) == alone.ask(question, photos)


@pytest.mark.slow
def test_one_picture_gives_one_answer_and_a_list_gives_a_list(alone, photos):
    assert alone.caption(photos) == [alone.caption(photo) for photo in photos]
    assert isinstance(alone.caption(photos[0]), str)
    found = alone.recognise(photos)
    assert found == pytest.approx([alone.recognise(photo, "bo") for photo in photos], abs=1e-5)
    assert isinstance(alone.recognise(photos[0]), float) and alone.recognise([]) == []


@pytest.mark.slow
def test_a_picture_may_be_a_path_a_pil_image_or_an_array(alone, photos):
    with Image.open(photos[0]) as picture:
        forms = [
            photos[0],
            str(photos[0]),
            picture,
            picture.convert("RGBA"),
            np.asarray(picture.convert("RGB")),
        ]
        assert len({alone.caption(form) for form in forms}) == 1
    upside_down = np.asarray(Image.open(photos[0]).convert("RGB"))[::-1]
    assert isinstance(alone.recognise(upside_down), float)


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda chat: chat.ask(5), "question: found int, expected a text, or a list of texts"),
        (lambda chat: chat.ask(None), "question: found NoneType"),
        (lambda chat: chat.ask(["what?", 5]), "question 1: found int, expected a text"),
        (lambda chat: chat.ask(" "), "question: found an empty text"),
        (lambda chat: chat.ask("what?", max_ids=0), "max_ids: found 0"),
        (
            lambda chat: chat.ask("what?", 5),
            "image: found int, expected a path, a PIL image, or a numpy array",
        ),
        (
            lambda chat: chat.ask(["what?"] * 3, [np.zeros((32, 32, 3), np.uint8)] * 2),
            "found 3 questions and 2 pictures",
        ),
        (lambda chat: chat.caption("nowhere.png"), "nowhere.png: no such file"),
        (
            lambda chat: chat.caption(np.zeros((32, 32, 3))),
            r"found an array of float64, \[32, 32, 3\], expected uint8",
        ),
        (
            lambda chat: chat.caption(np.zeros((32, 32), np.uint8)),
            r"found an array of uint8, \[32, 32\]",
        ),
        (lambda chat: chat.caption([None]), "image 0: found NoneType"),
        (lambda chat: chat.caption(torch.zeros(3, 32, 32)), "found a tensor of torch.float32"),
        (
            lambda chat: chat.caption(Image.new("RGB", (4, 4))),
            "image: 4 x 4 pixels, expected at least",
        ),
        (
            lambda chat: chat.recognise(Image.new("RGB", (32, 32)), "rex"),
            "'rex' is not a concept that is loaded. Loaded: bo",
        ),
        (lambda chat: chat.draw(b"<bo>"), "prompt: found bytes"),
        (
            lambda chat: chat.draw("<bo>", num_images="4"),
            "num_images: found '4', expected a whole number",
        ),
        (lambda chat: chat.draw("<bo>", seed=-1), "seed: found -1"),
        (lambda chat: chat.draw("<bo>", guidance="much"), "guidance: found 'much', expected float"),
        (lambda chat: chat.draw("<bo>", best_of=0), "best_of: found 0"),
        (
            lambda chat: chat.caption(Image.new("RGB", (32, 32)), best_of=0),
            "best_of: found 0, expected 1 to 1000",
        ),
        (
            lambda chat: chat.caption(Image.new("RGB", (32, 32)), best_of=2, seed=-1),
            "seed: found -1",
        ),
        (lambda chat: chat.draw("<bo> and bo>"), "'bo>' has one bracket"),
        (lambda chat: chat.base.with_concepts(), "no concept is given"),
        (lambda chat: chat.base.with_concepts("nowhere"), "nowhere: no such file"),
        (
            lambda chat: chat.base.with_concepts(["mia"]),
            "concept: found list, expected a concept file",
        ),
        (
            lambda chat: chat.base.with_words("a brown dog"),
            "expected a text about one concept that names it",
        ),
        (
            lambda chat: chat.base.with_words("<bo> and <mia> are dogs."),
            "expected a text about one concept",
        ),
        (lambda chat: chat.base.with_words(5), "words: found 5"),
        (lambda chat: chat.base.with_pictures("Bo!", []), "concept name 'Bo!'"),
        (lambda chat: chat.base.with_pictures("bo", []), "'bo': no pictures"),
        (lambda chat: unictoken.load(5), "load: found int"),
        (lambda chat: unictoken.load("nowhere"), "base 'nowhere': no such file or folder here"),
        (lambda chat: unictoken.load("tiny", dtype="fp8"), "dtype: found 'fp8'"),
        (
            lambda chat: unictoken.learn("tiny", "data/bo", name="bo"),
            "found 'tiny' as the base, expected what unictoken.load gives",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(alone, ask, match):
    with pytest.raises(UserError, match=match) as found:
        ask(alone)
    assert "\n" not in str(found.value)


def test_what_is_shown_of_each_object_is_one_line(base, bo, both):
    assert (
        repr(bo)
        == "<ConceptTokens <bo> (dog): 1 name, 4 shared; learned by 'joint' on 'tiny'>"
        == str(bo)
    )
    assert repr(base).startswith("<PersonalBase 'tiny': width 32, 64 ids a picture, draws; on ")
    assert repr(both) == "<Session on 'tiny' with <bo>, <mia>>"


def test_a_concept_is_saved_by_name_or_into_a_folder(base, bo, tmp_path):
    assert bo.save(tmp_path) == tmp_path / "bo.safetensors"
    again = unictoken.load_concept(bo.save(tmp_path / "other.safetensors"), base)
    assert torch.equal(again.rows_in, bo.rows_in)
    assert base.with_concepts(tmp_path / "bo.safetensors").names == ("bo",)


def test_a_concept_of_another_base_is_refused_as_an_object_too(base, bo):
    with pytest.raises(ConceptError, match="<bo>: learned on base 'tiny'"):
        base.with_concepts(dataclasses.replace(bo, base_fingerprint="0" * 64))


# ---- drawings -----------------------------------------------------------------------------------


def test_a_drawing_is_a_pil_image_that_is_large_enough_to_see(alone, tmp_path):
    drawing = alone.draw("<bo> wearing a hat", temperature=0)
    assert isinstance(drawing, Drawing) and isinstance(drawing, Image.Image)
    assert drawing.size == (256, 256) and drawing.original.size == (32, 32)
    assert np.array_equal(np.asarray(drawing)[::8, ::8], np.asarray(drawing.original))
    assert (
        drawing._repr_png_().startswith(b"\x89PNG")
        and repr(drawing) == "<Drawing '<bo> wearing a hat', 256 x 256>"
    )
    assert Image.open(drawing.save(tmp_path / "hat.png")).tobytes() == drawing.tobytes()
    assert Image.open(drawing.save(str(tmp_path / "hat.jpg"))).format == "JPEG"
    assert (
        drawing.save(tmp_path) == tmp_path / "0.png"
        and drawing.save(tmp_path) == tmp_path / "1.png"
    )
    assert drawing.save(tmp_path / "new") == tmp_path / "new" / "0.png"
    with pytest.raises(UserError, match="hat.txt: pictures are not saved as '.txt'"):
        drawing.save(tmp_path / "hat.txt")


def test_a_drawing_is_pickled_and_deeply_copied_whole(alone):
    drawing = alone.draw("<bo>", temperature=0)
    for again in (pickle.loads(pickle.dumps(drawing)), copy.deepcopy(drawing)):
        assert repr(again) == repr(drawing) and again.tobytes() == drawing.tobytes()
        assert again.original.tobytes() == drawing.original.tobytes()
    assert type(drawing.resize((8, 8))) is type(copy.copy(drawing)) is Image.Image


def test_a_drawing_goes_back_in_as_it_was_drawn(base, alone):
    drawing = alone.draw("<bo>", temperature=0)
    assert torch.equal(*(base.encode([picture]) for picture in (drawing, drawing.original)))


def test_drawings_show_themselves_as_a_row_and_are_saved_into_a_folder(alone, tmp_path):
    drawings = alone.draw(["<bo> in the snow", 'a "dog" & <bo>'], seed=3)
    assert isinstance(drawings, Drawings) and [d.prompt for d in drawings] == [
        "<bo> in the snow",
        'a "dog" & <bo>',
    ]
    shown = drawings._repr_html_()
    assert shown.count("<img ") == 2 and 'alt="a &quot;dog&quot; &amp; &lt;bo&gt;"' in shown
    (tmp_path / "0.png").write_bytes(b"mine")
    assert drawings.save(tmp_path) == [tmp_path / "1.png", tmp_path / "2.png"]


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_one_prompt_is_drawn_several_times(alone):
    four = alone.draw("<bo>", num_images=4, seed=5)
    assert [d.tobytes() for d in four] == [d.tobytes() for d in alone.draw(["<bo>"] * 4, seed=5)]
    assert four[0].tobytes() == alone.draw("<bo>", seed=5).tobytes()
    assert len({d.tobytes() for d in four}) == 4 and len(alone.draw("<bo>", num_images=1)) == 1


# ---- one concept, several concepts --------------------------------------------------------------


QUESTIONS = ["what animal is <bo>?", "is it day or night?", "is <bo> with <bo>?"]


@pytest.mark.slow
def test_with_one_concept_everything_is_as_its_condition_has_it(base, bo, alone, photos):
    spoken, seen = with_tokens(base, bo), base.encode(map(Image.open, photos))
    assert together(base, [spoken]) is spoken
    for question in QUESTIONS:
        asked = condition_of(alone, question)
        assert asked == spoken
        assert asked.question(question, seen[0].tolist()) == spoken.question(
            question, seen[0].tolist()
        )
    assert alone.ask(QUESTIONS) == spoken.ask(QUESTIONS)
    assert alone.ask(QUESTIONS[:2], photos) == spoken.ask(QUESTIONS[:2], seen)
    assert alone.caption(photos) == spoken.caption(seen)
    assert alone.recognise(photos) == spoken.recognise(seen)
    prompts = ["<bo> in the snow", "a dog"]
    drawn = alone.draw(prompts, seed=4)
    assert [d.original.tobytes() for d in drawn] == [
        p.tobytes() for p in spoken.draw(prompts, Draw(seed=4))
    ]


@pytest.mark.slow
def test_a_text_that_names_one_of_several_is_as_with_that_one_alone(both, alone, base, mia, photos):
    other = base.with_concepts(mia)
    assert both.ask(["what is <mia>?", *QUESTIONS[::2], "who is <mia>?"]) == [
        other.ask("what is <mia>?"), *alone.ask(QUESTIONS[::2]), other.ask("who is <mia>?"),
    ]  # fmt: skip
    assert both.recognise(photos, "mia") == other.recognise(photos)
    drawn = both.draw(["<mia>", "<bo>"], temperature=0)
    expected = [other.draw("<mia>", temperature=0), alone.draw("<bo>", temperature=0)]
    assert [d.tobytes() for d in drawn] == [d.tobytes() for d in expected]


def test_a_text_that_names_two_introduces_both_by_ids_of_their_own(base, both):
    asked = condition_of(both, "is <mia> like <bo>?")
    ids, vocab = asked.speaker.ids, base.vocab
    (bo, *of_bo), (mia, *of_mia) = ids["bo"], ids["mia"]
    assert not set(ids["bo"]) & set(ids["mia"])
    introduced = [
        bo,
        *vocab.encode("is"),
        *of_bo,
        *vocab.encode("."),
        mia,
        *vocab.encode("is"),
        *of_mia,
        *vocab.encode("."),
    ]
    said = [*vocab.encode("is"), mia, *vocab.encode("like"), bo, *vocab.encode("?")]
    assert asked.question("is <mia> like <bo>?") == [vocab.bos, *introduced, *said, vocab.end_turn]
    assert asked.read([mia, *vocab.encode("and"), bo, of_bo[0]]) == "<mia> and <bo>"
    assert isinstance(both.ask("is <mia> like <bo>?"), str)
    assert [d.size for d in both.draw(["<bo> and <mia>", "<bo>"], temperature=0)] == [
        (256, 256)
    ] * 2


def test_of_two_methods_each_says_its_own_tokens_first_and_in_prompts(base, make_concept, mia):
    prompts = Prompts(
        understanding="{name}",
        generation="{name}",
        subject="{generation}{name}",
        understanding_answer="{understanding}",
        generation_answer="{generation}",
    )
    cat = dataclasses.replace(make_concept("cat", generation=1, understanding=2), prompts=prompts)
    asked = condition_of(base.with_concepts(cat, mia), "<cat> <mia>?")
    name, generation, *understanding = asked.speaker.ids["cat"]
    end = base.vocab.end_turn
    assert asked.question("<cat> <mia>?")[-3:] == [end, *understanding]
    other = asked.speaker.ids["mia"][0]
    drawn = asked._drawing("<mia> <cat>")
    assert drawn[-3:] == [other, generation, name] and drawn[0] == name


def test_a_method_that_does_not_draw_is_named_among_several(base, bo, mia):
    silent = dataclasses.replace(mia, prompts=Prompts(generation=None), method="yollava")
    chat = base.with_concepts(bo, silent)
    assert chat.draw("<bo>", temperature=0)
    with pytest.raises(
        ConceptError, match="'mia': method 'yollava' learns to understand, not to draw"
    ):
        chat.draw("<bo> and <mia>")


def test_what_is_seen_decides_who_is_introduced_where_no_name_is_said(
    base, both, photos, monkeypatch
):
    seen = {"bo": [0.9, 0.2, 0.8], "mia": [0.1, 0.3, 0.7]}
    monkeypatch.setattr(Condition, "recognise", lambda self, ids: seen[self.name][: len(ids)])
    monkeypatch.setattr(
        session,
        "answer_each",
        lambda asked, max_ids: [f"{condition.name}: {query.text}" for query, condition in asked],
    )
    others = base.vocab.image_ids[:2, None].repeat(1, base.codes_per_picture)
    three = torch.cat([others, base.encode([Image.open(photos[0])])])
    assert both.ask("what animal is it?", three) == [
        f"{who}: what animal is it?" for who in ("bo", "", "bo and mia")
    ]
    assert both.ask("who is in the photo?", three) == ["<bo>", NOBODY, "<bo> and <mia>"]
    assert both.ask(["is it <mia>?", "Who is it?"], photos[0]) == ["mia: is it <mia>?", "<bo>"]
    assert both.ask("is it <bo>?", photos[0]) == "bo: is it <bo>?"
    assert both.caption(photos[0]).startswith("bo: ")
    assert both.ask("who do you know?") == "bo and mia: who do you know?"


def test_of_several_a_drawing_without_a_name_is_the_bases_own(base, both):
    own = in_words(base, "rex", "").draw(["a dog in its hat"], LIKELIEST)[0]
    drawn = both.draw("a dog in its hat", temperature=0, recaption=True, best_of=2)
    assert drawn.original.tobytes() == own.tobytes()
    assert both.recaption("a dog in its hat") == "a dog in its hat"


def test_a_marker_that_is_not_loaded_lists_those_that_are(both):
    for use in (both.ask, both.draw, both.recaption):
        with pytest.raises(
            ConceptError, match="'<rex>' is not a concept that is loaded. Loaded: '<bo>', '<mia>'"
        ):
            use("<bo> and <rex>")
    with pytest.raises(ConceptError, match="slot of a method's prompts"):
        both.ask("<bo> and <mia> and {bo:shared}")


def test_two_concepts_of_one_name_are_refused(base, bo):
    with pytest.raises(ConceptError, match="two concepts are named 'bo'. Give each its own name"):
        base.with_concepts(bo, bo)


def test_which_concept_is_recognised_is_asked_for(both, photos):
    with pytest.raises(
        ConceptError, match="recognise: which concept. Give the name of one: bo, mia"
    ):
        both.recognise(photos[0])


def test_its_hat_is_that_of_who_was_named_last(both, monkeypatch):
    hats = {"bo": "a red hat", "mia": "a blue cap"}
    monkeypatch.setattr(Condition, "known", lambda self, question: hats[self.name])
    prompt = "in the snow <bo> wearing its hat beside <mia> in her hat"
    assert both.recaption(prompt) == "in the snow <bo> wearing a red hat beside <mia> in a blue cap"


def test_of_several_drawings_of_two_the_one_is_kept_that_shows_both(both, monkeypatch):
    seen = {"bo": [0.9, 0.6, 0.9], "mia": [0.1, 0.6, 0.2]}
    monkeypatch.setattr(Condition, "recognise", lambda self, ids: seen[self.name])
    kept = both.draw("<bo> and <mia>", best_of=3, seed=2)
    assert kept.tobytes() == both.draw("<bo> and <mia>", num_images=3, seed=2)[1].tobytes()


# ---- words and pictures in place of learned tokens ----------------------------------------------


def test_words_stand_for_a_concept_as_the_control_has_it(base):
    chat = base.with_words("<bo> is a brown dog", "<mia> is a fox.", "<bo> has a red cap.")
    assert chat.names == ("bo", "mia")
    expected = in_words(base, "bo", "{name} is a brown dog. {name} has a red cap.")
    assert condition_of(chat, "what is <bo>?") == expected
    assert chat.ask("what is <bo>?") == expected.ask(["what is <bo>?"])[0]
    question = "is <bo> like <mia>?"
    asked = condition_of(chat, question).question(question)
    said = "bo is a brown dog. bo has a red cap. mia is a fox. is bo like mia ?"
    assert base.vocab.decode(asked) == base.vocab.decode(base.vocab.encode(said))


def test_pictures_stand_for_a_concept_as_the_control_has_it(base, photos):
    chat = base.with_pictures("bo", photos, facts=["<bo> has a red cap."])
    expected = in_pictures(
        base, "bo", base.encode(map(Image.open, photos)), facts="{name} has a red cap."
    )
    assert condition_of(chat, "what is <bo>?") == expected
    assert base.with_pictures("bo", photos[0].parent).ask("what is <bo>?")


# ---- learning -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_learning_twice_gives_the_same_rows_and_writes_nothing(
    base, toy_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first, again = (learned(base, toy_folder) for _ in range(2))
    assert torch.equal(first.rows_in, again.rows_in) and torch.equal(first.rows_out, again.rows_out)
    assert not torch.equal(first.rows_in, learned(base, toy_folder, seed=1).rows_in)
    assert not list(tmp_path.iterdir())
    assert base.with_concepts(first).names == ("tom",)


@pytest.mark.slow
def test_learning_from_python_is_learning_by_the_command(base, base_folder, toy_folder, tmp_path):
    from unictoken import cli

    here = unictoken.load(base_folder)
    in_memory = learned(here, toy_folder)
    kept = learned(here, toy_folder, out=tmp_path / "run")
    settings = (
        "method.tokens.shared=2",
        "method.stages.0.steps=2",
        "method.stages.0.batch=2",
        f"concepts={tmp_path}",
    )
    more = [word for setting in settings for word in ("--set", setting)]
    cli.main(
        [
            "learn",
            str(toy_folder),
            "--name",
            "tom",
            "--base",
            str(base_folder),
            "--out",
            str(tmp_path / "cli"),
            *more,
        ]
    )
    by_command = unictoken.load_concept(tmp_path / "tom.safetensors", here)
    for concept in (in_memory, kept):
        assert torch.equal(concept.rows_in, by_command.rows_in) and torch.equal(
            concept.rows_out, by_command.rows_out
        )
        assert (concept.run, concept.source) == (by_command.run, by_command.source)
    assert (tmp_path / "run" / "report.md").is_file() and (
        tmp_path / "run" / "tom.safetensors"
    ).is_file()
    assert kept.scores == by_command.scores


@pytest.mark.slow
def test_a_run_folder_is_gone_on_with_and_keeps_another_concept(
    base, toy_folder, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    monkeypatch.setattr("unictoken.learn.stop.StopSignal.__call__", lambda self: True)
    with pytest.raises(Exception, match="stopped at step 1 of 2"):
        learned(base, toy_folder, out=run)
    monkeypatch.undo()
    gone_on = learned(base, toy_folder, out=run)
    assert torch.equal(gone_on.rows_in, learned(base, toy_folder).rows_in)
    assert len((run / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    with pytest.raises(UserError, match="holds a concept <tom>"):
        learned(base, toy_folder / "0.png", out=run, class_noun="fox")
    assert (
        learned(base, toy_folder / "0.png", out=run, class_noun="fox", overwrite=True).class_noun
        == "fox"
    )


@pytest.mark.slow
def test_learning_works_in_a_thread_and_from_any_folder(base, toy_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    work = threading.Thread(target=lambda: found.append(learned(base, toy_folder, out="run")))
    work.start()
    work.join()
    assert torch.equal(found[0].rows_in, learned(base, toy_folder).rows_in)


@pytest.mark.slow
def test_pictures_in_memory_are_learned_from_as_their_files_are(base, toy_folder):
    files = sorted(toy_folder.glob("?.png"))[:3]
    others = sorted((toy_folder / "negative_example").iterdir())[:4]
    more = {"class_noun": "dog", "facts": ["<tom> has a red hat."]}
    by_file = learned(base, files, negatives=others, **more)
    opened = [Image.open(file) for file in files]
    arrays = [np.asarray(Image.open(file).convert("RGB")) for file in others]
    by_grade = {}
    for file, array in zip(others, arrays, strict=True):
        by_grade.setdefault(file.name.split("_")[0], []).append(array)
    in_memory = learned(base, opened, negatives=by_grade, **more)
    assert torch.equal(by_file.rows_in, in_memory.rows_in) and by_file.source == in_memory.source


@pytest.mark.slow
def test_facts_negatives_and_steps_change_what_is_learned(base, toy_folder):
    plain, files = {"class_noun": "dog"}, sorted(toy_folder.glob("?.png"))
    others = sorted((toy_folder / "negative_example").iterdir())[:4]
    kinds = [{}, {"facts": "<tom> has a red hat."}, {"negatives": others}, {"steps": 3}]
    method = dataclasses.replace(SHORT, stages=(Stage(steps=2, batch=16),))
    rows = [learned(base, files, method=method, **plain, **kind).rows_in for kind in kinds]
    assert not any(torch.equal(a, b) for i, a in enumerate(rows) for b in rows[:i])


def test_steps_are_those_of_the_last_stage_that_has_some():
    method = api.chosen_method("unictokens", steps=7)
    assert [stage.steps for stage in method.stages][-1] == 7
    assert method.stages[:-1] == api.chosen_method("unictokens").stages[:-1]
    two = Method(stages=(Stage(steps=5), Stage(name="off", steps=0)))
    assert [stage.steps for stage in api.chosen_method(two, steps=7).stages] == [7, 0]


def test_a_method_is_a_name_a_file_or_an_object(tmp_path):
    assert api.chosen_method("joint") == Method() == api.chosen_method(Method())
    file = tmp_path / "mine.yaml"
    file.write_text("extends: joint\nmethod: {name: mine}", encoding="utf-8")
    assert api.chosen_method(file).name == "mine"
    for wrong, match in ((5, "method: found int"), ("nothing", "method nothing: no such file")):
        with pytest.raises(UserError, match=match):
            api.chosen_method(wrong, None)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"name": 5}, "concept name 5"),
        ({"pictures": "nowhere"}, "nowhere: no such file or folder"),
        ({"pictures": []}, "no class noun|no pictures"),
        ({"pictures": [5], "class_noun": "dog"}, "picture 0: found int"),
        ({"facts": [5]}, "fact 0: found int"),
        ({"facts": ["<rex> sings."]}, "'<rex>' is not a concept that is loaded"),
        (
            {"negatives": {"worst": "."}},
            "unknown grade 'worst', expected one of easy, hard, near_duplicate",
        ),
        ({"class_noun": "woman"}, "'woman' is a person"),
        ({"steps": 0}, "steps: found 0"),
        ({"steps": "2"}, "steps: found '2', expected a whole number"),
        ({"seed": -1}, "seed: found -1"),
        ({"seed": "one"}, "seed: found 'one', expected int"),
    ],
)
def test_what_cannot_be_learned_from_is_one_clear_line(base, toy_folder, more, match):
    asked = {"pictures": toy_folder, "name": "tom", "method": SHORT, "verbose": False} | more
    with pytest.raises(UserError, match=match) as found:
        unictoken.learn(base, asked.pop("pictures"), **asked)
    assert "\n" not in str(found.value)


@pytest.mark.slow
def test_bars_are_shown_unless_they_are_not_wanted(base, toy_folder, monkeypatch):
    hidden = []
    monkeypatch.setattr(
        "unictoken.learn.bar.Bar.show", lambda self, progress: hidden.append(bars_are_hidden())
    )
    for verbose in (False, True):
        learned(base, toy_folder, verbose=verbose)
    assert hidden == [True, True, False, False] and not bars_are_hidden()


# ---- examples -----------------------------------------------------------------------------------


def example(name: str):
    """An example's `main`, as its file has it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.slow
def test_the_scripts_run_from_any_folder(base_folder, toy_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example("learn_and_draw")(base=base_folder, steps=2)
    assert len(list((tmp_path / "drawings").glob("*.png"))) == 4
    methods = [dataclasses.replace(SHORT, name=name) for name in ("one", "two")]
    example("compare_methods")(base=base_folder, methods=methods)
    photos = [str(toy_folder / "0.png"), str(toy_folder / "1.png")]
    example("your_own_photos")(photos, "rex", "dog", base=base_folder, steps=2)
    assert (tmp_path / "runs" / "rex" / "report.md").is_file()
    printed = capsys.readouterr().out
    assert "near-duplicates taken for him" in printed and f"{photos[1]}: 0." in printed


@pytest.mark.slow
def test_the_notebook_runs_from_any_folder(tmp_path, monkeypatch):
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    shutil.copytree(ROOT / "data" / "bo", tmp_path / "bo")
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells[0]["metadata"]["tags"] == ["parameters"]
    names = {"BASE": "tiny", "PICTURES": "bo", "STEPS": 2}
    assert all(f"{name} = " in "".join(cells[0]["source"]) for name in names)
    for cell in cells[1:]:
        exec("".join(cell["source"]), names)
    assert (tmp_path / "bo.safetensors").is_file()
    assert all(cell["outputs"] for cell in cells[1:])


def test_a_drawing_is_saved_in_a_format_that_is_named_also_first_of_all(tmp_path):
    asked = f"""
from PIL import Image
from unictoken.personalize.drawing import Drawing
drawing = Drawing.of(Image.new("RGB", (32, 32), "red"), "red")
for i, (name, kind) in enumerate([("a.png", "PNG"), ("b.png", "png"), ("c.jpg", None)]):
    print(drawing.save({str(tmp_path)!r} + "/" + name, kind).name)
drawing.save({str(tmp_path)!r}.encode() + b"/d.png")
"""
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == ["a.png", "b.png", "c.jpg"]
    assert Image.open(tmp_path / "d.png").size == Image.open(tmp_path / "a.png").size
