import pytest
import torch

from unictoken.learn.methods import Stage
from unictoken.learn.objective import batch_of
from unictoken.learn.picture_cache import PictureCache
from unictoken.learn.prepare import prepare


@pytest.fixture
def prepared(base, toy, short_method):
    return prepare(base, toy, short_method, seed=0)


def loss_and_gradient(prepared, step: int) -> tuple[float, torch.Tensor]:
    batch = batch_of(prepared.examples, Stage(batch=8), 0, step, slice(None))
    prepared.learner.rows.grad = None
    loss = prepared.learner(batch.ids_BT, batch.labels_BT, batch.weights_B)
    loss.backward()
    return loss.item(), prepared.learner.rows.grad.clone()


def test_pictures_that_were_read_once_give_the_same_loss_and_gradient(prepared):
    kept = [loss_and_gradient(prepared, step) for step in range(3)]
    assert prepared.learner.picture_cache.kept
    prepared.learner.picture_cache = None
    whole = [loss_and_gradient(prepared, step) for step in range(3)]
    for (loss, gradient), (expected, expected_gradient) in zip(kept, whole, strict=True):
        assert loss == pytest.approx(expected, rel=1e-5)
        assert torch.allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-7)


def test_a_picture_is_read_once_and_the_same_in_any_batch(base, toy):
    pictures = base.encode(toy.pictures[:2])
    ids = torch.tensor([[base.vocab.bos, *base.vocab.picture(picture)] for picture in pictures])
    cache = PictureCache(base)
    both = cache.read(ids)
    assert len(cache.kept) == 2
    cache.base = None  # nothing more may be read
    alone = cache.read(ids[1:])
    assert all(
        torch.equal(a.keys[1:], b.keys) and torch.equal(a.values[1:], b.values)
        for a, b in zip(both.layers, alone.layers, strict=True)
    )


def test_the_picture_that_was_not_used_longest_is_forgotten_first(base, toy):
    ids = torch.tensor(
        [
            [base.vocab.bos, *base.vocab.picture(picture)]
            for picture in base.encode(toy.pictures[:3])
        ]
    )
    size = PictureCache(base)
    size.read(ids[:1])
    cache = PictureCache(base, limit=2 * size.bytes)
    for row in (0, 1, 0, 2):
        cache.read(ids[row : row + 1])
    assert (
        list(cache.kept) == [tuple(ids[0].tolist()), tuple(ids[2].tolist())]
        and cache.bytes == 2 * size.bytes
    )


def test_learning_drawings_reads_whole_examples(prepared):
    batch = batch_of(prepared.examples, Stage(batch=4, tasks={"generate": 1}), 0, 0, slice(None))
    prepared.learner(batch.ids_BT, batch.labels_BT, batch.weights_B)
    assert not prepared.learner.picture_cache.kept
