import dataclasses
from types import SimpleNamespace

import pytest
import torch

from unictoken.core.text import ConceptError
from unictoken.model.draw import Draw
from unictoken.model.sampling import next_logits
from unictoken.personalize.condition import together
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens.bank import RowBank, give_ids
from unictoken.tokens.speaker import Speaker

TEN = SimpleNamespace(  # what a bank asks of a base
    vocabulary_size=10, device=torch.device("cpu"), vocab=SimpleNamespace(reserved=[6, 7])
)


def bank_of(ids, rows_in, rows_out=None, base=TEN) -> RowBank:
    return RowBank(base, ids, rows_in, rows_in if rows_out is None else rows_out)


@pytest.fixture(scope="module")
def crowd(base, make_concept):
    """Concepts that have more rows together than the base has reserved ids."""
    count = len(base.vocab.reserved) // 50 + 2
    rows = torch.Generator().manual_seed(0)
    return [
        dataclasses.replace(
            make_concept("x" * (i + 1), shared=49),
            rows_in=torch.randn(50, base.width, generator=rows),
            rows_out=torch.randn(50, base.width, generator=rows),
        )
        for i in range(count)
    ]


def test_ids_are_reserved_ones_first_and_then_beyond_the_vocabulary():
    assert give_ids(TEN, 1) == [6]
    assert give_ids(TEN, 3) == [6, 7, 10]
    assert give_ids(TEN, 2, taken=1) == [7, 10]
    assert give_ids(TEN, 2, taken=4) == [12, 13]


def test_a_reserved_id_that_stands_for_a_name_is_not_given():
    assert give_ids(TEN, 3, kept=frozenset({6})) == [7, 10, 11]
    assert give_ids(TEN, 2, taken=2, kept=frozenset({7})) == [11, 12]


def test_a_row_stands_where_its_id_does_and_every_other_place_is_the_bases():
    bank = bank_of([[6, 7], [10]], torch.zeros(3, 2))
    assert bank.rows_of(torch.tensor([[5, 7, 10, 6]])).tolist() == [[-1, 1, 2, 0]]
    assert bank.ids_of_base(torch.tensor([5, 7, 9])).tolist() == [5, 7, 9]
    assert bank.ids_of_base(torch.tensor([[5, 10]])).max() < 10


def test_a_sequence_names_a_concept_by_any_of_its_rows():
    bank = bank_of([[6, 7], [10]], torch.zeros(3, 2))
    row_BT = torch.tensor([[-1, -1], [-1, 1], [2, -1], [2, 0]])
    assert bank.named(row_BT).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]


def test_inject_puts_rows_where_they_stand():
    bank = bank_of([[6, 7]], torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    injected = bank.inject(torch.zeros(1, 4, 2), torch.tensor([[-1, 1, -1, 0]]))
    assert injected.tolist() == [[[0, 0], [2, 2], [0, 0], [1, 1]]]


def test_inject_leaves_other_rows_bit_identical():
    embeds, ids = torch.randn(2, 5, 8), torch.arange(10).view(2, 5)
    bank = bank_of([[3, 7]], torch.randn(2, 8))
    injected = bank.inject(embeds, bank.rows_of(ids))
    elsewhere = ~torch.isin(ids, torch.tensor([3, 7]))
    assert torch.equal(injected[elsewhere], embeds[elsewhere])
    assert not torch.equal(injected[~elsewhere], embeds[~elsewhere])


def test_gradients_reach_the_rows_that_stand_in_the_sequence():
    bank = bank_of([[7, 8, 9]], torch.zeros(3, 2))
    bank.inject(torch.zeros(1, 3, 2), torch.tensor([[2, 1, 2]])).sum().backward()
    assert bank.rows.grad[0].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_gradients_of_rows_are_the_same_bits_on_several_threads():
    row_BT = torch.randint(0, 4, (64, 128), generator=torch.Generator().manual_seed(0))
    embeds, towards = (
        torch.randn(64, 128, 256, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)
    )
    gradients, threads = [], torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(3):
            bank = bank_of([range(4)], torch.ones(4, 256))
            (bank.inject(embeds, row_BT) * towards).sum().backward()
            gradients.append(bank.rows.grad)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])


def test_the_ids_of_a_named_concept_are_scored_by_its_own_rows():
    bank = bank_of([[7], [3, 1]], torch.zeros(3, 2), torch.tensor([[9.0, 9], [1, 0], [0, 10]]))
    logits, hidden = torch.full((2, 10), 5.0), torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    extended = bank.extend(logits, hidden, torch.tensor([[False, True], [True, False]]))
    assert extended.tolist() == [
        [5, 20, 5, 1, 5, 5, 5, 5, 5, 5],
        [5, 5, 5, 5, 5, 5, 5, 27, 5, 5],
    ]
    assert torch.equal(bank.extend(logits, hidden, torch.zeros(1, 2, dtype=torch.bool)), logits)


def test_logits_grow_by_the_virtual_ids_and_nobody_says_those_of_another():
    bank = bank_of([[9, 10], [11]], torch.zeros(3, 1), torch.tensor([[1.0], [2.0], [3.0]]))
    logits, hidden = torch.zeros(2, 10), torch.ones(2, 1)
    extended = bank.extend(logits, hidden, torch.tensor([[True, False], [False, True]]))
    assert extended[:, 9:].tolist() == [[1, 2, -torch.inf], [0, -torch.inf, 3]]
    assert torch.equal(extended[:, :9], logits[:, :9])


def test_a_bank_of_no_concept_changes_nothing():
    bank = bank_of([], torch.zeros(0, 2))
    embeds, logits = torch.randn(1, 3, 2), torch.randn(1, 10)
    row_BT = bank.rows_of(torch.tensor([[1, 6, 9]]))
    assert torch.equal(bank.inject(embeds, row_BT), embeds)
    assert torch.equal(bank.extend(logits, torch.ones(1, 2), bank.named(row_BT)), logits)


def test_a_prompt_without_the_concept_has_the_bases_own_logits(base, bo):
    speaker = Speaker(base, [bo])
    ids = torch.tensor([base.vocab.encode("a photo of a dog on the beach.")])
    hidden = speaker.hidden(speaker.embed(ids))
    assert torch.equal(hidden, base.hidden(base.embed(ids)))
    assert torch.equal(speaker.logits(hidden, ids), base.logits(hidden))


def test_only_the_rows_of_a_batch_that_name_the_concept_can_say_it(base, bo):
    speaker = Speaker(base, [bo])
    ids = torch.tensor([[0, 300, 301], [0, speaker.ids["bo"][0], 301]])
    hidden = speaker.hidden(speaker.embed(ids))[:, -1]
    theirs, ours = base.logits(hidden), speaker.logits(hidden, ids)
    assert torch.equal(ours[0], theirs[0])
    changed = (ours[1] != theirs[1]).nonzero().flatten().tolist()
    assert changed == speaker.ids["bo"]
    torch.testing.assert_close(ours[1, speaker.ids["bo"]], bo.rows_out @ hidden[1])


def test_two_concepts_have_ids_of_their_own(base, make_concept):
    bo, mia = make_concept("bo"), make_concept("mia", shared=2, understanding=1)
    speaker = Speaker(base, [bo, mia])
    assert speaker.ids == {"bo": base.vocab.reserved[:5], "mia": base.vocab.reserved[5:9]}
    embeds = speaker.embed(torch.tensor([speaker.ids["bo"] + speaker.ids["mia"]]))[0]
    assert torch.equal(embeds, torch.cat([bo.rows_in, mia.rows_in]))
    assert speaker.slots(mia)["{understanding}"] == [base.vocab.reserved[8]]


def test_two_concepts_of_one_name_are_refused(base, bo):
    with pytest.raises(ConceptError, match="two concepts are named 'bo'"):
        Speaker(base, [bo, bo])


def test_a_concept_says_the_same_wherever_its_ids_lie(base, crowd):
    """More concepts than the reserved ids hold; each as if it were alone, bit for bit."""
    size, word = base.vocabulary_size, base.vocab.words[0]
    all_of_them = Speaker(base, crowd)
    assert max(all_of_them.ids[crowd[-1].name]) >= size > max(all_of_them.ids[crowd[0].name])
    for concept in crowd:
        alone = Speaker(base, [concept])
        scores = [
            next_logits(speaker, [[0, *speaker.ids[concept.name], word]])[0]
            for speaker in (alone, all_of_them)
        ]
        own = [speaker.ids[concept.name] for speaker in (alone, all_of_them)]
        assert torch.equal(scores[0][own[0]], scores[1][own[1]])
        others = torch.ones(size, dtype=torch.bool)
        others[base.vocab.reserved] = False
        assert torch.equal(scores[0][others], scores[1][:size][others])
        unnamed = set(range(size, len(scores[1]))) - set(own[1])
        assert scores[1][sorted(unnamed)].isneginf().all()


def test_sequences_of_different_concepts_stand_in_one_batch(base, crowd):
    speaker, pair = Speaker(base, crowd), (crowd[0], crowd[-1])
    words = base.vocab.words[:2]
    ids = [[0, *speaker.ids[concept.name], *words] for concept in pair]
    mixed, plain = next_logits(speaker, ids), next_logits(speaker, [[0, *words]])[0]
    for concept, scores in zip(pair, mixed, strict=True):
        alone = Speaker(base, [concept])
        # twice, so that all shapes are the same: other shapes may differ in the last bits
        expected = next_logits(alone, [[0, *alone.ids[concept.name], *words]] * 2)[0]
        own = speaker.ids[concept.name], alone.ids[concept.name]
        assert torch.equal(scores[own[0]], expected[own[1]])
        assert torch.equal(scores[base.vocab.words], expected[base.vocab.words])
    assert mixed[0, speaker.ids[pair[1].name]].isneginf().all()
    assert plain[: base.vocabulary_size].isfinite().all()
    assert plain[base.vocabulary_size :].isneginf().all()


def test_concepts_beyond_the_reserved_ids_answer_and_draw(base, crowd):
    spoken = together(base, [with_tokens(base, concept) for concept in crowd])
    last, alone = crowd[-1], with_tokens(base, crowd[-1])
    said = spoken.read([*base.vocab.encode("it is"), *spoken.speaker.ids[last.name]])
    assert said == f"it is {last.marker}"
    question = f"what is {last.marker}?"
    assert isinstance(spoken.ask([question], max_ids=3)[0], str)
    drawn = spoken.draw_ids([last.marker], Draw(temperature=0))
    assert drawn.shape == alone.draw_ids([last.marker], Draw(temperature=0)).shape
