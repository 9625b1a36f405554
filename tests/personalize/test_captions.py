"""Of several captions of a picture the one is kept that fits it both ways."""

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from unictoken.core.text import ConceptError
from unictoken.model.likelihood import Likelihood
from unictoken.personalize import captions
from unictoken.personalize.captions import best_captions
from unictoken.personalize.session import Session
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words
from unictoken.tokens.tokens import Prompts

SAID = ("a brown dog.", "a grey dog.", "a white cat.")


@pytest.fixture
def tom(base):
    return in_words(base, "tom", "{name} is a dog.")


@pytest.fixture
def photo(base):
    return base.encode([Image.new("RGB", (32, 32), "red")])


@pytest.fixture
def scored(base, tom, monkeypatch):
    """Captions that are said in turn, and what both directions say of them, in nats."""
    said, as_answers, as_prompts = [], {}, {}
    prompts_seen = []

    def given(captions_of_one, answers, prompts):
        ids = [tuple(base.vocab.encode(text)) for text in captions_of_one]
        said[:] = ids
        as_answers.update(zip(ids, answers, strict=True))
        as_prompts.update(zip(captions_of_one, prompts, strict=True))
        return prompts_seen

    def sample(speaker, prompts, *, temperature, seed, **_):
        # The likeliest words first, then what is sampled, each with a seed of its own.
        number = seed - 5
        assert (temperature == 0) == (number == 0)
        return [list(said[number % len(said)])] * len(prompts)

    def likelihoods(speaker, pairs):
        return [Likelihood(as_answers[tuple(answer)], len(answer)) for _, answer in pairs]

    def picture_scores(speaker, prompt, ids_NK):
        text = base.vocab.decode(prompt)
        prompts_seen.append(text)
        words = next(words for words in as_prompts if words.rstrip(".>") in text)
        return torch.full(ids_NK.shape, as_prompts[words] / ids_NK.shape[1])

    monkeypatch.setattr(captions, "sample_text", sample)
    monkeypatch.setattr(captions, "likelihoods", likelihoods)
    monkeypatch.setattr(captions, "picture_scores", picture_scores)
    return given


def test_the_sum_of_both_directions_decides(tom, photo, scored):
    # By themselves the one direction takes the first, the other the second.
    prompts = scored(SAID, [-1.0, -4.0, -2.0], [-90.0, -85.0, -88.0])
    assert best_captions(tom, photo, 3, seed=5) == ["a grey dog."]
    # Each as a whole prompt, after the introduction that drawings have.
    assert any("a photo of a grey dog" in text for text in prompts), prompts
    scored(SAID, [-1.0, -9.0, -2.0], [-90.0, -85.0, -88.0])
    assert best_captions(tom, photo, 3, seed=5) == ["a white cat."]


def test_what_is_said_twice_is_scored_once_and_one_caption_needs_no_score(tom, photo, scored):
    prompts = scored(SAID[:2], [-1.0, -2.0], [-90.0, -95.0])
    assert best_captions(tom, photo, 8, seed=5) == ["a brown dog."]
    assert len(prompts) == 2
    prompts = scored(SAID[:1], [-1.0], [-90.0])
    prompts.clear()
    assert best_captions(tom, photo, 8, seed=5) == ["a brown dog."] and not prompts


def test_a_caption_that_no_prompt_may_say_is_left_out(tom, photo, scored):
    scored(("a brown dog.", "a grey dog>."), [-5.0, -1.0], [-90.0, -1.0])
    assert best_captions(tom, photo, 2, seed=5) == ["a brown dog."]


def test_the_likeliest_words_are_one_of_them(base, bo, photo):
    spoken = with_tokens(base, bo)
    assert best_captions(spoken, photo, 1) == spoken.caption(photo)
    chat = Session(base, spoken)
    assert chat.caption(photo, best_of=1) == spoken.caption(photo)
    again = [chat.caption(photo, best_of=3, seed=2) for _ in range(2)]
    assert again[0] == again[1] == best_captions(spoken, photo, 3, seed=2)


def test_the_score_is_that_of_both_directions_of_the_base(base, bo, photo, monkeypatch):
    spoken = with_tokens(base, bo)
    said = [base.vocab.encode(text) for text in ("a brown dog.", "a grey cat in the snow.")]
    takes = iter(said)
    monkeypatch.setattr(captions, "sample_text", lambda *given, **how: [next(takes)])
    (kept,) = best_captions(spoken, photo, 2)
    both = [_log_probability(spoken, photo[0], ids) for ids in said]
    assert kept == spoken.read(said[both.index(max(both))])


def _log_probability(spoken, image_K, caption) -> float:
    """By one plain pass over each whole sequence."""
    vocab = spoken.base.vocab
    question = spoken.question("describe the photo.", image_K.tolist())
    prompt = vocab.to_draw(spoken.drawing(f"a photo of {spoken.read(caption)}"))
    total = 0.0
    for before, after, allowed in (
        (question, [*caption, vocab.end_turn], "text"),
        (prompt, image_K.tolist(), "image"),
    ):
        ids_1T = torch.tensor([[*before, *after]])
        with torch.no_grad():
            hidden = spoken.speaker.hidden(spoken.speaker.embed(ids_1T))
            logits_TV = spoken.speaker.logits(hidden, ids_1T)[0].double()
        image = torch.zeros(logits_TV.shape[-1], dtype=torch.bool)
        image[vocab.image_ids] = True
        logits_TV = logits_TV.masked_fill(~image if allowed == "image" else image, -math.inf)
        scores_TV = logits_TV.log_softmax(-1)
        at = len(before) - 1
        total += sum(scores_TV[at + i, one].item() for i, one in enumerate(after))
    return total


def test_who_was_learned_only_to_be_understood_is_refused(base, make_concept, photo):
    kit = replace(make_concept("kit"), prompts=Prompts(generation=None))
    spoken = with_tokens(base, kit)
    with pytest.raises(ConceptError, match="not to draw"):
        best_captions(spoken, photo, 2)
