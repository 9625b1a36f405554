import pytest
import torch
from transformers.cache_utils import DynamicCache

from unictoken.model import sampling
from unictoken.model.draw import Draw
from unictoken.model.reading import Reading
from unictoken.model.sampling import beginnings, next_logits, sample_pictures, sample_text
from unictoken.tokens.speaker import Speaker

GREEDY = Draw(temperature=0, guidance=3.0)


@pytest.fixture
def prompts(base) -> list[list[int]]:
    """Three prompts of different lengths."""
    texts = (
        "a photo of a dog.",
        "a photo of a spotted white cat with floppy ears on the beach.",
        "draw a pig.",
    )
    return [[base.vocab.bos, *base.vocab.encode(text), base.vocab.end_turn] for text in texts]


def test_pictures_hold_image_ids_only(base, prompts):
    drawn = sample_pictures(base, prompts, 9, Draw(temperature=2.0, top_p=1.0))
    assert drawn.shape == (3, 9)
    assert torch.isin(drawn, base.vocab.image_ids).all()


def test_the_same_seed_draws_the_same_picture(base, prompts):
    how = Draw(temperature=1.0, seed=4)
    assert torch.equal(
        sample_pictures(base, prompts, 8, how), sample_pictures(base, prompts, 8, how)
    )
    assert not torch.equal(
        sample_pictures(base, prompts, 8, how),
        sample_pictures(base, prompts, 8, Draw(temperature=1.0, seed=5)),
    )


def test_pictures_of_one_prompt_differ(base, prompts):
    drawn = sample_pictures(base, prompts[:1] * 4, 8, Draw(temperature=1.0, top_p=1.0))
    assert len({tuple(row) for row in drawn.tolist()}) == 4


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_picture_does_not_depend_on_the_batch_it_is_in(base, prompts, guidance):
    how = Draw(temperature=0, guidance=guidance)
    together = sample_pictures(base, prompts, 8, how)
    alone = torch.cat([sample_pictures(base, [prompt], 8, how) for prompt in prompts])
    assert torch.equal(together, alone)


def test_more_pictures_than_a_batch_holds_are_all_drawn(base, prompts):
    drawn = sample_pictures(base, prompts[:1] * 17, 3, GREEDY)
    assert drawn.shape == (17, 3) and len(drawn.unique(dim=0)) == 1


def test_guidance_pushes_away_from_the_unconditional_prompt(base, prompts):
    """One step by hand: free + 3 (guided - free), over image ids."""
    vocab = base.vocab
    scores = next_logits(base, [[*prompts[0], vocab.begin_image], [vocab.bos, vocab.begin_image]])[
        :, vocab.image_ids
    ]
    expected = vocab.image_ids[(scores[1] + 3.0 * (scores[0] - scores[1])).argmax()]
    assert sample_pictures(base, prompts[:1], 1, GREEDY).tolist() == [[expected]]


def test_padding_on_the_left_does_not_change_what_is_said(base, prompts):
    together = sample_text(base, prompts, max_ids=8)
    assert together == [sample_text(base, [prompt], max_ids=8)[0] for prompt in prompts]


def test_padding_on_the_left_does_not_change_what_comes_next(base, prompts):
    alone = torch.cat([next_logits(base, [prompt]) for prompt in prompts])
    torch.testing.assert_close(next_logits(base, prompts), alone)


def test_the_cache_does_not_change_what_is_said(base, prompts):
    """Greedy words, against reading everything anew for each word."""
    forbidden = [*base.vocab.image_ids.tolist(), base.vocab.begin_image]
    ids = list(prompts[1])
    for said in sample_text(base, prompts[1:2], max_ids=6)[0]:
        scores = base.logits(base.hidden(base.embed(torch.tensor([ids]))))[0, -1]
        scores[forbidden] = -torch.inf
        assert said == scores.argmax()
        ids.append(said)


def test_text_never_holds_image_ids(base, prompts):
    said = sample_text(base, prompts, max_ids=30, temperature=3.0)
    picture_ids = {
        *base.vocab.image_ids.tolist(),
        base.vocab.begin_image,
        base.vocab.end_image,
        base.vocab.image,
    }
    assert all(len(ids) <= 30 and not picture_ids & set(ids) for ids in said)


@pytest.mark.parametrize("end", [0, 1])
def test_text_ends_before_the_end_of_a_turn_or_of_a_document(base, bo, prompts, monkeypatch, end):
    assert base.vocab.ends == (base.vocab.end_turn, base.vocab.tokenizer.get_vocab()["</s>"])
    speaker, end_id = Speaker(base, [bo]), base.vocab.ends[end]
    monkeypatch.setattr(
        speaker, "text_logits", lambda hidden, ids: torch.eye(base.vocab.size)[[end_id] * len(ids)]
    )
    assert sample_text(speaker, prompts, max_ids=8) == [[], [], []]


def test_prompts_share_a_beginning_that_is_half_of_each():
    picture, other = tuple(range(10, 20)), tuple(range(30, 40))
    prompts = [(*other, 1), (*picture, 1, 2), (*picture, 1, 3, 4), (*picture, 5), (7, 8)]
    assert beginnings(prompts) == [other, picture, picture, picture, (7,)]
    assert beginnings([(0, *picture), (0, *other)]) == [(0, *picture[:-1]), (0, *other[:-1])]


@pytest.fixture
def columns_read(monkeypatch) -> list[tuple[int, int]]:
    """Rows and columns of everything that is read."""
    found, read = [], Reading.read

    def counted(reading, embeds_BSD, seen_BS=None):
        found.append(tuple(embeds_BSD.shape[:2]))
        return read(reading, embeds_BSD, seen_BS)

    monkeypatch.setattr(Reading, "read", counted)
    return found


def test_a_picture_is_read_once_for_all_questions_about_it(base, columns_read):
    """Two pictures, three questions about each, in any order."""
    seen = [base.vocab.picture(base.vocab.image_ids[start : start + 20]) for start in (0, 30)]
    asked = [[base.vocab.words[i], base.vocab.end_turn] for i in range(3)]
    prompts = [[*picture, *question] for question in asked for picture in seen]
    together = next_logits(base, prompts)
    assert columns_read == [(2, 22), (6, 2)]
    alone = torch.cat([next_logits(base, [prompt]) for prompt in prompts])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


def test_the_unconditional_prompt_is_read_once(base, prompts, columns_read):
    sample_pictures(base, prompts[:1] * 5, 3, Draw(seed=1))
    assert columns_read == [(2, len(prompts[0]) + 1), (10, 1), (10, 1)]


def test_answers_that_have_ended_leave_the_batch(base, bo, prompts, columns_read, monkeypatch):
    """Of four, one ends at the first word, two at the second, the last one never."""
    speaker, vocab = Speaker(base, [bo]), base.vocab
    many = [[*prompts[0], vocab.words[i]] for i in range(4)]
    word = vocab.words[9]

    def say(hidden, ids_BT):
        """What each sequence says by its number, which is the last id of its prompt."""
        numbers = [vocab.words.index(ids[len(many[0]) - 1]) for ids in ids_BT.tolist()]
        said = ids_BT.shape[1] - len(many[0])
        ended = [number < (1, 3)[min(said, 1)] for number in numbers]
        return torch.eye(vocab.size)[[vocab.end_turn if e else word for e in ended]]

    monkeypatch.setattr(speaker, "text_logits", say)
    assert sample_text(speaker, many, max_ids=4) == [[], [word], [word], [word] * 4]
    assert [rows for rows, _ in columns_read[2:]] == [4, 1, 1]


def test_the_bytes_of_a_cache_are_what_it_holds(base):
    cache = DynamicCache()
    with torch.no_grad():
        base.hidden(base.embed(torch.zeros(1, 7, dtype=torch.long)), cache)
    assert base.cache_bytes(7) == sum(
        part.nbytes for layer in cache.layers for part in (layer.keys, layer.values)
    )


def test_a_base_whose_cache_is_large_is_read_and_drawn_in_smaller_parts(base, prompts, monkeypatch):
    how = Draw(temperature=1.0, seed=4)
    said, scores, drawn = (
        sample_text(base, prompts, max_ids=4),
        next_logits(base, prompts),
        sample_pictures(base, prompts, 4, how),
    )
    monkeypatch.setattr(sampling, "CACHE_BYTES", 2 * base.cache_bytes(max(map(len, prompts)) + 4))
    sizes = [len(part) for _, part in sampling._parts(base, prompts, 64, more_ids=4)]
    assert sizes == [2, 1]
    assert sample_text(base, prompts, max_ids=4) == said
    torch.testing.assert_close(next_logits(base, prompts), scores)
    assert torch.equal(sample_pictures(base, prompts, 4, how), drawn)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("at_once", [2, 5, 40])
def test_guesses_ahead_draw_what_one_id_after_another_does(
    base, prompts, guidance, at_once, monkeypatch
):
    """Whether few guesses are right (any id is likely) or nearly all (the likeliest is taken)."""
    for temperature in (0, 1.0):
        how = Draw(temperature=temperature, guidance=guidance, seed=3)
        monkeypatch.setattr(sampling, "GUESSED", 1)
        plain = sample_pictures(base, prompts[:1], 20, how)
        monkeypatch.setattr(sampling, "GUESSED", at_once)
        assert torch.equal(sample_pictures(base, prompts[:1], 20, how), plain)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize(("together", "lost"), [(6, 128), (15, 128), (15, 9), (120, 0)])
def test_several_pictures_guess_each_for_itself(
    base, prompts, guidance, together, lost, monkeypatch
):
    """Prompts of three lengths; also where the columns for what some guess worse run out."""
    for temperature in (0, 1.0):
        how = Draw(temperature=temperature, guidance=guidance, seed=3)
        monkeypatch.setattr(sampling, "FEW", 1)
        plain = sample_pictures(base, prompts, 20, how)
        monkeypatch.setattr(sampling, "FEW", 3)
        monkeypatch.setattr(sampling, "TOGETHER", together)
        monkeypatch.setattr(sampling, "LOST", lost)
        assert torch.equal(sample_pictures(base, prompts, 20, how), plain)


def test_guesses_that_prove_right_are_not_read_again(base, prompts, monkeypatch):
    """A base that draws one id for ever: the first guess, too."""
    same = base.vocab.image_ids[5]
    monkeypatch.setattr(
        base, "image_logits", lambda hidden: torch.eye(len(base.vocab.image_ids))[[5] * len(hidden)]
    )
    read = []
    plain = Reading.read
    monkeypatch.setattr(
        Reading,
        "read",
        lambda self, embeds, *seen: (read.append(embeds.shape[1]), plain(self, embeds, *seen))[1],
    )
    drawn = sample_pictures(base, prompts[:1], 17, Draw(temperature=0))
    assert drawn.tolist() == [[same] * 17]
    assert read[-2:] == [12, 12] and len(read) <= 4  # the prompts, and two times twelve columns
