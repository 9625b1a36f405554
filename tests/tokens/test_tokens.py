import pytest
import torch

from unictoken.core.text import ConceptError, mark
from unictoken.tokens.speaker import Speaker, extend_logits, inject
from unictoken.tokens.tokens import give_ids, role_slices, slots

COUNTS = {"name": 1, "shared": 16, "generation": 0, "understanding": 2}


def test_roles_lie_one_after_another():
    assert role_slices({"name": 1, "shared": 16})["shared"] == slice(1, 17)
    assert role_slices(COUNTS) == {
        "name": slice(0, 1),
        "shared": slice(1, 17),
        "generation": slice(17, 17),
        "understanding": slice(17, 19),
    }


def test_slots_hold_the_ids_of_each_role():
    assert slots([7, 8, 9], {"name": 1, "shared": 2}) == {
        "{name}": [7],
        "{shared}": [8, 9],
        "{generation}": [],
        "{understanding}": [],
    }


def test_inject_puts_rows_where_their_ids_stand():
    embeds, rows = torch.zeros(1, 4, 2), torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    injected = inject(embeds, torch.tensor([[5, 7, 5, 6]]), torch.tensor([6, 7]), rows)
    assert injected.tolist() == [[[0, 0], [2, 2], [0, 0], [1, 1]]]


def test_inject_leaves_other_rows_bit_identical():
    embeds, ids = torch.randn(2, 9, 8), torch.arange(18).view(2, 9)
    injected = inject(embeds, ids, torch.tensor([3, 12]), torch.randn(2, 8))
    elsewhere = ~torch.isin(ids, torch.tensor([3, 12]))
    assert torch.equal(injected[elsewhere], embeds[elsewhere])
    assert not torch.equal(injected[~elsewhere], embeds[~elsewhere])


def test_gradients_reach_the_rows_that_stand_in_the_sequence():
    rows = torch.zeros(3, 2, requires_grad=True)
    inject(
        torch.zeros(1, 3, 2), torch.tensor([[9, 8, 9]]), torch.tensor([7, 8, 9]), rows
    ).sum().backward()
    assert rows.grad.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_the_concepts_ids_are_scored_by_its_own_rows():
    logits = extend_logits(
        torch.zeros(1, 4),
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([3, 1]),
        torch.tensor([[1.0, 0.0], [0.0, 10.0]]),
    )
    assert logits.tolist() == [[0, 20, 0, 1]]


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
    torch.testing.assert_close(ours[1, speaker.concept_ids], bo.rows_out @ hidden[1])


def test_two_concepts_have_ids_of_their_own(base, make_concept):
    bo, mia = make_concept("bo"), make_concept("mia", shared=2, understanding=1)
    speaker = Speaker(base, [bo, mia])
    assert speaker.ids == {"bo": base.vocab.reserved[:5], "mia": base.vocab.reserved[5:9]}
    embeds = speaker.embed(torch.tensor([speaker.ids["bo"] + speaker.ids["mia"]]))[0]
    assert torch.equal(embeds, torch.cat([bo.rows_in, mia.rows_in]))
    assert speaker.slots(mia)["{understanding}"] == [base.vocab.reserved[8]]


def test_a_concept_says_the_same_wherever_its_ids_lie(base, make_concept):
    alone, second = (
        Speaker(base, [make_concept("mia")]),
        Speaker(base, [make_concept("bo"), make_concept("mia")]),
    )
    hidden = [s.hidden(s.embed(torch.tensor([[0, *s.ids["mia"], 300]]))) for s in (alone, second)]
    torch.testing.assert_close(hidden[0], hidden[1])


def test_two_concepts_of_one_name_are_refused(base, bo):
    with pytest.raises(ConceptError, match="two concepts are named 'bo'"):
        Speaker(base, [bo, bo])


def test_more_rows_than_reserved_ids_are_refused(base):
    free = len(base.vocab.reserved)
    assert give_ids(base.vocab, 2, taken=free - 2) == base.vocab.reserved[-2:]
    with pytest.raises(ConceptError, match=f"{free + 1} reserved ids are needed, {free} are there"):
        give_ids(base.vocab, 3, taken=free - 2)


def test_people_write_a_concept_between_angle_brackets(bo):
    assert bo.marker == "<bo>"


def test_gradients_of_rows_are_the_same_bits_on_several_threads(base):
    ids, concept_ids = (
        torch.randint(0, 4, (64, 128), generator=torch.Generator().manual_seed(0)),
        torch.arange(4),
    )
    embeds, towards = (
        torch.randn(64, 128, 256, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)
    )
    gradients, threads = [], torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(3):
            rows = torch.ones(4, 256, requires_grad=True)
            (inject(embeds, ids, concept_ids, rows) * towards).sum().backward()
            gradients.append(rows.grad)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])


@pytest.mark.parametrize(
    "said", ["is 5>3, {0}?", "is a<b, {0}?", "{0} looks left->right", "<3 {0}", "{0}'s hat"]
)
def test_a_marked_text_can_be_marked_again(said):
    marked = said.format("{name}")
    assert (
        mark(said.format("<bo>"), "bo", where="prompt")
        == mark(marked, "bo", where="prompt")
        == marked
    )


@pytest.mark.parametrize("said", ["<bo is here", "bo> is here", "who is <rex", "<bo> and mia>"])
def test_one_bracket_is_refused(said):
    with pytest.raises(ConceptError, match=r"prompt: '\S+' has one bracket\. Expected '<bo>'"):
        mark(said, "bo", where="prompt")


@pytest.mark.parametrize("slot", ["{shared}", "{generation}", "{understanding}"])
def test_a_slot_for_rows_is_no_word_of_a_users_text(slot):
    with pytest.raises(
        ConceptError, match=f"prompt: '{slot}' is a slot of a method's prompts. Expected '<bo>'"
    ):
        mark(f"<bo> is {slot}.", "bo", where="prompt")
