import dataclasses

import pytest
import torch

from unictoken.concept.tokens import Prompts
from unictoken.conditioning import Conditioning, in_pictures, in_words, with_tokens
from unictoken.core.config import ConfigError
from unictoken.core.text import ConceptError
from unictoken.model.base import Base, BaseError
from unictoken.model.draw import Draw
from unictoken.model.sampling import next_logits

QUICK = Draw(temperature=0)


@pytest.fixture(scope="module")
def spoken(base, bo):
    return with_tokens(base, bo)


@pytest.fixture(scope="module")
def pictures(base, toy) -> torch.Tensor:
    return base.encode(toy.source.pictures[:2])


def test_a_question_begins_with_the_concepts_introduction(base, spoken):
    vocab, (name, *shared) = base.vocab, spoken.speaker.ids["bo"]
    said = [vocab.bos, name, *vocab.encode("is"), *shared, *vocab.encode("."), *vocab.encode("what is"), name, *vocab.encode("?"), vocab.end_turn]
    assert spoken.question("what is <bo>?") == said


def test_a_question_about_a_picture_begins_with_the_picture(base, spoken, pictures):
    vocab = base.vocab
    asked, alone = spoken.question("who is it?", pictures[0].tolist()), spoken.question("who is it?")
    assert asked == [vocab.bos, *vocab.picture(pictures[0]), *alone[1:]]


def test_an_answer_can_begin_with_tokens(base, make_concept):
    prompts = Prompts(understanding="{name}", understanding_answer="{understanding}")
    spoken = with_tokens(base, dataclasses.replace(make_concept("bo", understanding=2), prompts=prompts))
    name, *understanding = spoken.speaker.ids["bo"]
    assert spoken.question("") == [base.vocab.bos, name, base.vocab.end_turn, *understanding]


def test_a_concept_that_is_not_loaded_is_named(spoken):
    with pytest.raises(ConceptError, match="'<mia>' is not a concept that is loaded. Loaded: '<bo>'"):
        spoken.question("is <mia> with <bo>?")


@pytest.mark.parametrize("text", ["<racm3:break>", "IMGIMGAZ", "<eoss>", "<s>", "<reserved00070>", "<image>"])
def test_what_a_user_writes_never_becomes_a_special_token(base, text):
    vocab = base.vocab
    try:
        ids = in_words(base, "bo", "").question(f"say {text} now")
    except ConceptError:
        return
    special = {vocab.begin_image, vocab.end_image, vocab.image, *vocab.reserved, *vocab.image_ids.tolist()}
    assert not special & set(ids) and ids.count(vocab.bos) == ids.count(vocab.end_turn) == 1


def test_an_answer_has_the_marker_where_the_model_said_the_name(base, spoken):
    name, first, *_ = spoken.speaker.ids["bo"]
    assert spoken._read([*base.vocab.encode("this is"), name, first, *base.vocab.encode("at home")]) == "this is <bo> at home"


def test_recognition_is_the_share_of_yes_averaged_over_the_ways_to_ask(base, spoken, pictures):
    yes, no = (base.vocab.encode(word)[0] for word in ("yes", "no"))
    forms = ("is <bo> in the photo?", "can you see <bo> here?", "is this <bo>?", "does the photo show <bo>?")
    scores = next_logits(spoken.speaker, [spoken.question(form, pictures[1].tolist()) for form in forms])
    expected = (scores[:, yes] - scores[:, no]).sigmoid().mean()
    assert spoken.recognise(pictures)[1] == pytest.approx(expected.item(), abs=1e-5)


def test_every_picture_gets_its_caption(spoken, pictures):
    assert [type(said) for said in spoken.caption(pictures)] == [str, str]


def test_each_question_gets_the_answer_it_gets_alone(spoken):
    questions = ["what animal is <bo>?", "what do you know about <bo> and his collar at night?"]
    assert spoken.ask(questions, max_ids=6) == [spoken.ask([q], max_ids=6)[0] for q in questions]


def test_prompts_become_pictures(base, spoken):
    drawn = spoken.draw(["<bo> wearing a hat", "a photo of <bo> on the beach."], QUICK)
    assert [(p.mode, p.size) for p in drawn] == [("RGB", (32, 32))] * 2


def test_a_bare_prompt_is_a_photo_of_it(spoken):
    assert torch.equal(spoken.draw_ids(["<bo> wearing a hat"], QUICK), spoken.draw_ids(["a photo of <bo> wearing a hat."], QUICK))


def test_a_method_that_does_not_draw_says_so(base, bo):
    silent = with_tokens(base, dataclasses.replace(bo, prompts=Prompts(generation=None)))
    with pytest.raises(ConceptError, match="learns to understand, not to draw"):
        silent.draw(["<bo>"])


def test_a_base_without_a_decoder_says_so(model, tokenizer, bo):
    blind = Base(model, tokenizer, "no-decoder", can_draw=False)
    with pytest.raises(BaseError, match="no decoder.*Complete it with `vq_decoder`"):
        with_tokens(blind, bo).draw(["<bo>"])


def test_facts_are_told_before_questions_and_not_before_drawing(base):
    told = in_words(base, "bo", "{name} is a dog.", facts="{name} has a red cap.")
    assert told.prompts.understanding == "{name} is a dog. {name} has a red cap."
    assert told.prompts.generation == "{name} is a dog."


def test_words_stand_for_a_concept_without_tokens(base):
    vocab = base.vocab
    told = in_words(base, "bo", "{name} is a dog.")
    assert told.question("is <bo> here?") == [
        vocab.bos, *vocab.encode("bo"), *vocab.encode("is a dog."), *vocab.encode("is"), *vocab.encode("bo"), *vocab.encode("here?"),
        vocab.end_turn,
    ]
    assert not told.speaker.concepts


def test_reference_pictures_stand_before_what_is_asked(base, pictures):
    vocab, shown = base.vocab, in_pictures(base, "bo", pictures)
    seen = [*vocab.picture(pictures[0]), *vocab.picture(pictures[1])]
    introduction = [*vocab.encode("bo is"), *seen, *vocab.encode(".")]
    asked = [*vocab.picture(pictures[1]), *vocab.encode("is bo here?")]
    assert shown.question("is <bo> here?", pictures[1].tolist()) == [vocab.bos, *introduction, *asked, vocab.end_turn]
    assert len(shown.draw(["<bo>"], QUICK)) == 1


def test_what_a_prompt_points_at_is_asked_for(base, bo, monkeypatch):
    spoken, asked = with_tokens(base, bo), []
    monkeypatch.setattr(type(spoken), "ask", lambda self, questions, max_ids: asked.append(questions[0]) or ["a red cap"])
    assert spoken.recaption("<bo> wearing its hat on this beach") == "<bo> wearing a red cap on this beach"
    assert asked == ["what hat does <bo> have?"]


def test_a_prompt_stays_where_nothing_is_known(base, bo, monkeypatch):
    spoken = with_tokens(base, bo)
    monkeypatch.setattr(type(spoken), "ask", lambda self, questions, max_ids: [""])
    assert spoken.recaption("<bo> wearing her hat") == "<bo> wearing her hat"
    assert spoken.recaption("<bo> wearing a hat") == "<bo> wearing a hat"


def test_of_several_previews_the_best_recognised_is_kept(base, bo, monkeypatch):
    spoken = with_tokens(base, bo)
    drawn = spoken.draw(["<bo>"] * 3)
    monkeypatch.setattr(type(spoken), "recognise", lambda self, ids: [0.2, 0.9, 0.4])
    kept = spoken.draw(["<bo>"], previews=3)
    assert [p.tobytes() for p in kept] == [drawn[1].tobytes()]
    with pytest.raises(ConfigError, match="previews: found 0"):
        spoken.draw(["<bo>"], previews=0)


def test_an_answer_that_no_prompt_can_say_is_not_put_into_one(base, bo, monkeypatch):
    cases = {"a red cap": "a red cap", "cap>": "its hat", "<bo> cap": "<bo> cap", "": "its hat"}
    for said, put in cases.items():
        monkeypatch.setattr(Conditioning, "ask", lambda self, questions, said=said, **more: [said])
        assert with_tokens(base, bo).recaption("<bo> wearing its hat") == f"<bo> wearing {put}"
