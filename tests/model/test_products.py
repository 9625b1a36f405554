import pytest
import torch
import torch.nn.functional as F

from unictoken.model import internals, products
from unictoken.model.products import Product, threads_for

needs_packing = pytest.mark.skipif(
    internals.packed_weight is None, reason="this torch was built without oneDNN"
)


@pytest.fixture
def weights() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(rows, 48, generator=generator) for rows in (32, 16)]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_that_of_every_weight_side_by_side(weights, packed, dtype):
    rows = torch.randn(3, 1, 48).to(dtype)
    own = [weight.to(dtype) for weight in weights]
    expected = torch.cat([F.linear(rows, weight) for weight in own], -1)
    close = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.02}
    torch.testing.assert_close(Product(*own, packed=packed)(rows), expected, **close)


@needs_packing
def test_a_row_has_the_same_digits_whatever_stands_beside_it(weights):
    multiply = Product(*weights, packed=True)
    rows = torch.randn(40, 48)
    whole = multiply(rows)
    for size in (1, 2, 7):
        assert torch.equal(torch.cat([multiply(part) for part in rows.split(size)]), whole)


def test_a_weight_that_changes_is_packed_again(weights):
    multiply, rows = Product(*weights, packed=True), torch.randn(2, 48)
    before = multiply(rows)
    weights[1].mul_(2)
    after = multiply(rows)
    assert torch.equal(after[:, :32], before[:, :32])
    torch.testing.assert_close(after[:, 32:], 2 * before[:, 32:])


def test_rows_with_a_gradient_keep_it(weights):
    rows = torch.randn(2, 48, requires_grad=True)
    Product(*weights, packed=True)(rows).sum().backward()
    torch.testing.assert_close(rows.grad, torch.cat(weights).sum(0).expand(2, -1))


def test_few_values_are_multiplied_in_one_thread_and_threads_come_back(monkeypatch):
    threads = [4]
    monkeypatch.setattr(products.torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(products.torch, "set_num_threads", threads.append)
    with threads_for(products.FEW + 1, torch.device("cpu")):
        assert threads == [4]
    with pytest.raises(KeyError), threads_for(products.FEW, torch.device("cpu")):
        assert threads == [4, 1]
        raise KeyError
    assert threads == [4, 1, 4]
