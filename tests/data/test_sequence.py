from types import SimpleNamespace

import pytest

from unictoken.data.sequence import Example, Turn, join_turns, pad

VOCAB = SimpleNamespace(pad=1, begin=(0,), turn=lambda ids: [*ids, 6])


def test_only_learned_turns_and_their_end_have_labels():
    assert join_turns([Turn([7, 8]), Turn([9], learned=True)], VOCAB) == Example(
        ids=[0, 7, 8, 6, 9, 6], labels=[-100, -100, -100, -100, 9, 6]
    )


def test_turns_of_a_conversation_follow_each_other():
    example = join_turns(
        [Turn([7]), Turn([8], learned=True), Turn([]), Turn([9], learned=True)], VOCAB
    )
    assert example == Example(
        ids=[0, 7, 6, 8, 6, 6, 9, 6], labels=[-100, -100, -100, 8, 6, -100, 9, 6]
    )


def test_no_turns_are_a_beginning():
    assert join_turns([], VOCAB) == Example([0], [-100])


def test_a_batch_is_padded_on_the_right():
    batch = pad([Example([0, 7], [-100, 7]), Example([0, 7, 8, 6], [-100, -100, 8, 6])], VOCAB)
    assert batch.ids_BT.tolist() == [[0, 7, 1, 1], [0, 7, 8, 6]]
    assert batch.labels_BT.tolist() == [[-100, 7, -100, -100], [-100, -100, 8, 6]]


def test_a_batch_can_be_made_longer():
    assert pad([Example([0, 7], [-100, 7])], VOCAB, length=3).ids_BT.tolist() == [[0, 7, 1]]


def test_an_example_that_is_longer_than_the_batch_is_a_mistake():
    with pytest.raises(RuntimeError):
        pad([Example([0, 7, 8], [-100] * 3)], VOCAB, length=2)


def test_a_part_of_a_turn_can_be_learned():
    example = join_turns(
        [Turn([7, 8, 9], learned_part=range(1, 3)), Turn([5], learned=True)], VOCAB
    )
    assert example.labels == [-100, -100, 8, 9, -100, 5, 6]
