"""Turns to ids and labels to batches.

bos | user ids | end_turn | answer ids | end_turn | user ids | ...
      -100       -100       learned      learned
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from unictoken.model.vocab import Vocab

IGNORE = -100  # a label that no loss counts


@dataclass(frozen=True)
class Turn:
    """One message. `learned`: its ids, and the end_turn after them, are targets. `learned_part`:
    only these of its ids are.
    """

    ids: Sequence[int]
    learned: bool = False
    learned_part: range = range(0)


@dataclass(frozen=True)
class Example:
    """One sequence with its labels, both of length T; labels are not shifted."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Batch:
    """Several examples, padded on the right: ids and labels are LongTensor [B, T]."""

    ids_BT: torch.Tensor
    labels_BT: torch.Tensor
    weights_B: torch.Tensor
    """Of each example's loss."""
    more: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """What an objective adds, by name; the first dimension is the example's."""

    def __len__(self) -> int:
        return len(self.ids_BT)

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """A batch of the changed tensors."""
        more = {name: change(tensor) for name, tensor in self.more.items()}
        return Batch(change(self.ids_BT), change(self.labels_BT), change(self.weights_B), more)


def join_turns(turns: Iterable[Turn], vocab: Vocab) -> Example:
    """One example of several turns.

    >>> join_turns([Turn([7, 8]), Turn([9], learned=True)], vocab)      # bos = 0, end_turn = 6
    Example(ids=[0, 7, 8, 6, 9, 6], labels=[-100, -100, -100, -100, 9, 6])
    """
    ids = list(vocab.begin)
    labels = [IGNORE] * len(ids)
    for turn in turns:
        part = vocab.turn(turn.ids)
        ids += part
        # The end_turn after a learned turn is a target too: else an answer would never end.
        learned = range(len(part)) if turn.learned else turn.learned_part
        labels += [i if k in learned else IGNORE for k, i in enumerate(part)]
    return Example(ids, labels)


def user_turn(ids: Sequence[int], vocab: Vocab) -> list[int]:
    """Ids of one message that waits for its answer."""
    return join_turns([Turn(ids)], vocab).ids


def pad(examples: Sequence[Example], vocab: Vocab, *, length: int | None = None) -> Batch:
    """A batch as long as its longest example (or `length`); labels are padded with -100.

    Padding stands on the right of causal sequences, so that no position that counts can see it and
    no mask is needed.
    """
    import torch  # Imported here: tasks write turns, and a config names them before torch is there.

    length = length or max(len(e.ids) for e in examples)
    ids = torch.full((len(examples), length), vocab.pad)
    labels = torch.full((len(examples), length), IGNORE)
    for i, example in enumerate(examples):
        ids[i, : len(example.ids)] = torch.tensor(example.ids)
        labels[i, : len(example.labels)] = torch.tensor(example.labels)
    return Batch(ids, labels, torch.ones(len(examples)))
