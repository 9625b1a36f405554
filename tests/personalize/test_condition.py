import dataclasses

import pytest
import torch
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.core.pictures import PictureError
from unictoken.core.text import ConceptError
from unictoken.model.chameleon import Chameleon
from unictoken.model.draw import Draw
from unictoken.model.protocol import BaseError
from unictoken.model.sampling import next_logits
from unictoken.personalize.album import of_each
from unictoken.personalize.condition import Condition, answer_each, aside, certainty, together
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.query import queries_of
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tokens.tokens import Prompts

QUICK = Draw(temperature=0)


@pytest.fixture(scope="module")
def spoken(base, bo):
    return with_tokens(base, bo)


@pytest.fixture(scope="module")
def pictures(base, toy) -> torch.Tensor:
    return base.encode(toy.pictures[:2])


def test_a_question_begins_with_the_concepts_introduction(base, spoken):
    vocab, (name, *shared) = base.vocab, spoken.speaker.ids["bo"]
    said = [
        vocab.bos,
        name,
        *vocab.encode("is"),
        *shared,
        *vocab.encode("."),
        *vocab.encode("what is"),
        name,
        *vocab.encode("?"),
        vocab.end_turn,
    ]
    assert spoken.question("what is <bo>?") == said


def test_a_question_about_a_picture_begins_with_the_picture(base, spoken, pictures):
    vocab = base.vocab
    asked, alone = (
        spoken.question("who is it?", pictures[0].tolist()),
        spoken.question("who is it?"),
    )
    assert asked == [vocab.bos, *vocab.picture(pictures[0]), *alone[1:]]


def test_an_answer_can_begin_with_tokens(base, make_concept):
    prompts = Prompts(understanding="{name}", understanding_answer="{understanding}")
    spoken = with_tokens(
        base, dataclasses.replace(make_concept("bo", understanding=2), prompts=prompts)
    )
    name, *understanding = spoken.speaker.ids["bo"]
    assert spoken.question("") == [base.vocab.bos, name, base.vocab.end_turn, *understanding]


def test_a_concept_that_is_not_loaded_is_named(spoken):
    with pytest.raises(
        ConceptError, match="'<mia>' is not a concept that is loaded. Loaded: '<bo>'"
    ):
        spoken.question("is <mia> with <bo>?")


@pytest.mark.parametrize(
    "text", ["<racm3:break>", "IMGIMGAZ", "<eoss>", "<s>", "<reserved00070>", "<image>"]
)
def test_what_a_user_writes_never_becomes_a_special_token(base, text):
    vocab = base.vocab
    try:
        ids = in_words(base, "bo", "").question(f"say {text} now")
    except ConceptError:
        return
    special = {
        vocab.begin_image,
        vocab.end_image,
        vocab.image,
        *vocab.reserved,
        *vocab.image_ids.tolist(),
    }
    assert not special & set(ids) and ids.count(vocab.bos) == ids.count(vocab.end_turn) == 1


def test_an_answer_has_the_marker_where_the_model_said_the_name(base, spoken):
    name, first, *_ = spoken.speaker.ids["bo"]
    assert (
        spoken.read([*base.vocab.encode("this is"), name, first, *base.vocab.encode("at home")])
        == "this is <bo> at home"
    )


def test_recognition_is_the_share_of_yes_averaged_over_the_ways_to_ask(base, spoken, pictures):
    yes, no = (base.vocab.encode(word)[0] for word in ("yes", "no"))
    forms = (
        "is <bo> in the photo?",
        "can you see <bo> here?",
        "is this <bo>?",
        "does the photo show <bo>?",
    )
    scores = next_logits(
        spoken.speaker, [spoken.question(form, pictures[1].tolist()) for form in forms]
    )
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
    assert torch.equal(
        spoken.draw_ids(["<bo> wearing a hat"], QUICK),
        spoken.draw_ids(["a photo of <bo> wearing a hat."], QUICK),
    )


def test_a_method_that_does_not_draw_says_so(base, bo):
    silent = with_tokens(base, dataclasses.replace(bo, prompts=Prompts(generation=None)))
    with pytest.raises(ConceptError, match="learns to understand, not to draw"):
        silent.draw(["<bo>"])


def test_a_base_without_a_decoder_says_so(model, tokenizer, bo):
    blind = Chameleon(model, tokenizer, "no-decoder", can_draw=False)
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
        vocab.bos,
        *vocab.encode("bo"),
        *vocab.encode("is a dog."),
        *vocab.encode("is"),
        *vocab.encode("bo"),
        *vocab.encode("here?"),
        vocab.end_turn,
    ]
    assert not told.speaker.concepts


def test_reference_pictures_stand_before_what_is_asked(base, pictures):
    vocab, shown = base.vocab, in_pictures(base, "bo", pictures)
    seen = [*vocab.picture(pictures[0]), *vocab.picture(pictures[1])]
    introduction = [*vocab.encode("bo is"), *seen, *vocab.encode(".")]
    asked = [*vocab.picture(pictures[1]), *vocab.encode("is bo here?")]
    assert shown.question("is <bo> here?", pictures[1].tolist()) == [
        vocab.bos,
        *introduction,
        *asked,
        vocab.end_turn,
    ]
    assert len(shown.draw(["<bo>"], QUICK)) == 1


def recaptioned(spoken, monkeypatch, prompt: str, known: str | None) -> tuple[str, list[str]]:
    """A prompt where the model knows one answer to everything, and what it is asked."""
    asked = []
    monkeypatch.setattr(Condition, "known", lambda self, question: asked.append(question) or known)
    return spoken.recaption(prompt), asked


def test_what_a_prompt_points_at_is_asked_for(spoken, monkeypatch):
    prompt, asked = recaptioned(
        spoken, monkeypatch, "<bo> wearing its hat, its  HAT on this beach", "a red cap"
    )
    assert (
        prompt == "<bo> wearing a red cap, a red cap on this beach"
        and asked == ["what hat does <bo> have?"] * 2
    )


@pytest.mark.parametrize("known", ["a blue beanie", "pricked", None])
@pytest.mark.parametrize(
    "prompt",
    [
        "<bo> on its side in the snow",
        "a girl and her dog <bo> in the snow",
        "<bo> in her arms",
        "<bo> on his back",
        "<bo> in a hat",
    ],
)
def test_a_prompt_stays_where_nothing_is_known(spoken, monkeypatch, prompt, known):
    assert recaptioned(spoken, monkeypatch, prompt, known)[0] == prompt


def test_an_answer_is_known_where_it_is_likelier_than_all_others(base, spoken, monkeypatch):
    vocab, prompt = base.vocab, spoken.question("what hat does <bo> have?")
    answer = vocab.encode("a red cap")
    by_hand = 1.0
    for said, following in zip(range(len(answer) + 1), [*answer, vocab.end_turn], strict=True):
        by_hand *= float(
            next_logits(spoken.speaker, [[*prompt, *answer[:said]]]).softmax(-1)[0, following]
        )
    assert certainty(spoken.speaker, prompt, answer) == pytest.approx(by_hand, rel=1e-3)
    monkeypatch.setattr("unictoken.personalize.condition.sample_text", lambda *_, **__: [answer])
    for sure, known in ((0.51, "a red cap"), (0.49, None)):
        monkeypatch.setattr("unictoken.personalize.condition.certainty", lambda *_, sure=sure: sure)
        assert spoken.known("what hat does <bo> have?") == known


def test_the_prompts_that_are_drawn_can_be_seen(spoken, monkeypatch):
    prompts = ["photo of <bo> wearing its hat", "<bo> in gray", "A photo of <bo>."]
    assert spoken.prompts_to_draw(prompts) == [
        "a photo of <bo> wearing its hat.",
        "a photo of <bo> in grey.",
        "A photo of <bo>.",
    ]
    monkeypatch.setattr(Condition, "known", lambda self, question: "a red cap")
    drawn = spoken.prompts_to_draw(prompts, recaption=True)
    assert (
        drawn[0] == "a photo of <bo> wearing a red cap." and spoken.prompts_to_draw(drawn) == drawn
    )


def test_a_photo_of_it_is_not_a_photo_of_a_photo(spoken):
    assert torch.equal(
        spoken.draw_ids(["Photo of <bo>"], QUICK), spoken.draw_ids(["a photo of <bo>."], QUICK)
    )


@pytest.mark.parametrize(
    ("american", "british"),
    [
        ("What Color is <bo>?", "What Colour is <bo>?"),
        ("is <bo> GRAY?", "is <bo> GREY?"),
        ("what is the favorite of <bo>?",) * 2,
    ],
)
def test_a_question_is_asked_in_the_spelling_of_the_base(spoken, american, british):
    assert spoken.question(american) == spoken.question(british)


def test_a_base_that_knows_both_spellings_hears_what_the_user_wrote(spoken, monkeypatch):
    monkeypatch.setattr(type(spoken.base.vocab), "inside", lambda self, word: [1])
    assert spoken.prompts_to_draw(["a gray photo of <bo>"]) == ["a gray photo of <bo>."]


def test_a_concept_named_as_an_american_colour_keeps_its_name(base, make_concept):
    named = with_tokens(base, make_concept("gray"))
    assert named.question("is <gray> here?").count(named.speaker.ids["gray"][0]) == 2
    assert named.prompts_to_draw(["<gray> in gray"]) == ["a photo of <gray> in grey."]


def test_of_several_drawings_the_best_recognised_is_kept(base, bo, monkeypatch):
    spoken = with_tokens(base, bo)
    drawn = spoken.draw(["<bo>"] * 3)
    monkeypatch.setattr(type(spoken), "recognise", lambda self, ids: [0.2, 0.9, 0.4])
    kept = spoken.draw(["<bo>"], best_of=3)
    assert [p.tobytes() for p in kept] == [drawn[1].tobytes()]
    with pytest.raises(UserError, match="best_of: found 0"):
        spoken.draw(["<bo>"], best_of=0)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Seven pictures, answered three at a time, of which the third and the seventh are broken."""
    monkeypatch.setattr("unictoken.personalize.album.ANSWERED_AT_ONCE", 3)
    made = [tmp_path / f"{i}.png" for i in range(7)]
    for i, file in enumerate(made):
        Image.new("RGB", (32, 32), (30 * i, 90, 200)).save(file)
    for i in (2, 6):
        made[i].write_text("no picture", encoding="utf-8")
    return made


def test_each_picture_has_its_own_answer_and_a_broken_one_its_error(base, files):
    def codes(seen):
        assert all(file in files for file in seen.pictures)
        return seen.ids_NK.tolist()

    answers = list(of_each(base, files, codes))
    assert [file for file, _ in answers] == files
    for i, (file, said) in enumerate(answers):
        if i in (2, 6):
            assert isinstance(said, PictureError) and str(file) in str(said)
        else:
            assert said == base.encode([Image.open(file)])[0].tolist()


def test_the_first_answers_do_not_wait_for_the_last_picture(base, files, monkeypatch):
    read = []
    whole = Image.new("RGB", (32, 32))
    monkeypatch.setattr(
        "unictoken.personalize.album.read_shrunk", lambda file: read.append(file) or whole
    )
    next(of_each(base, files, lambda seen: [0] * len(seen)))
    assert read == files[:3]


def test_a_free_id_stands_for_a_name_and_is_read_as_its_marker(base, spoken):
    alias = base.vocab.reserved[-1]
    tom = Condition(base, "tom", Prompts(understanding="{name} is a cat."), word="tom", alias=alias)
    assert tom.question("is it <tom>?")[1] == alias
    assert tom.read([*base.vocab.encode("a cat"), alias]) == "a cat <tom>"
    both = together(base, [tom, spoken])
    (name, *_) = both.speaker.ids["bo"]
    assert both.read([alias, *base.vocab.encode("and"), name]) == "<tom> and <bo>"
    assert both.aliases == {alias}


def test_no_row_stands_where_a_name_does_whatever_else_is_in_the_batch(base, make_concept):
    """As many rows as there are reserved ids: one of them is a name."""
    alias = base.vocab.reserved[-1]
    tom = Condition(base, "tom", Prompts(understanding="{name} is a cat."), word="tom", alias=alias)
    many = with_tokens(base, make_concept("mia", shared=len(base.vocab.reserved)))
    speaker = together(base, [tom, many]).speaker
    assert alias not in speaker.ids["mia"]
    ids = torch.tensor([tom.question("is it <tom>?")])
    assert torch.equal(speaker.embed(ids), base.embed(ids))
    asked = list(zip(queries_of(["is it <tom>?", "is it <mia>?"]), (tom, many), strict=True))
    assert len(answer_each(asked, max_ids=3)) == 2
    own, beside = (next_logits(one, ids.tolist())[0] for one in (base, speaker))
    assert torch.equal(own, beside[: len(own)])


def test_what_is_told_aside_is_nobodys_and_stands_before_questions_only(base, spoken, pictures):
    told = aside(base, "i like fish.")
    vocab = base.vocab
    asked = [vocab.bos, *vocab.encode("i like fish. what do i like?"), vocab.end_turn]
    assert told.question("what do i like?") == asked and told.names == ()
    both = together(base, [told, spoken])
    assert both.names == ("bo",) and both.drawing("<bo>")[1:] == spoken.drawing("<bo>")[1:]
    assert both.recognise(pictures) == spoken.recognise(pictures)
    assert together(base, [told, told]).recognise(pictures) == [0.0, 0.0]
