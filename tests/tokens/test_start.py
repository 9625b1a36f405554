import pytest
import torch

from unictoken.tokens.start import frequent_ids, k_means, start_rows

COUNTS = {"name": 1, "shared": 3}


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.tensor([[4, 4, 9, 7], [4, 9, 9, 8]])


def test_frequent_ids_stand_in_the_most_pictures_then_most_often():
    assert frequent_ids(torch.tensor([[5, 5, 7, 8], [5, 7, 9, 9]]), 2).tolist() == [5, 7]
    assert frequent_ids(torch.tensor([[1, 1, 1, 2], [2, 3, 3, 4]]), 3).tolist() == [2, 1, 3]


def test_too_few_distinct_ids_are_used_again():
    assert frequent_ids(torch.tensor([[6, 6, 5]]), 5).tolist() == [6, 5, 6, 5, 6]


def test_k_means_finds_the_middle_of_each_cluster():
    points = torch.tensor([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0]])
    centres = k_means(points, 2, torch.Generator().manual_seed(0))
    assert sorted(centres.tolist()) in ([[0, 1], [10, 1]], [[5, 0], [5, 2]])
    assert torch.equal(centres, k_means(points, 2, torch.Generator().manual_seed(0)))


def test_an_empty_cluster_keeps_its_centre():
    """As it was when the kept concepts began; scikit-learn's would move it to a far point."""
    points, far = torch.tensor([[0.0], [2.0], [10.0]]), torch.tensor([[1.0], [50.0]])
    centres = k_means(points, 2, torch.Generator(), centres=far)
    assert centres.tolist() == [[4.0], [50.0]] and far.tolist() == [[1.0], [50.0]]


def test_k_means_of_fewer_points_than_centres_keeps_every_point():
    points = torch.tensor([[0.0], [5.0]])
    assert set(k_means(points, 3, torch.Generator().manual_seed(0)).flatten().tolist()) == {
        0.0,
        5.0,
    }


def test_the_name_begins_as_the_class_noun(base, pictures):
    noun = torch.tensor(base.vocab.encode("dog"))
    for start in ("described", "frequent", "k_means", "noun"):
        rows_in, rows_out = start_rows(base, "dog", pictures, COUNTS, start=start, seed=0)
        assert rows_in.shape == rows_out.shape == (4, 32)
        assert torch.equal(rows_in[0], base.embed(noun).mean(0))
        assert torch.equal(rows_out, base.head_rows(noun).mean(0).expand(4, 32))


def test_soft_tokens_can_begin_as_the_most_frequent_image_ids(base, pictures):
    rows_in, _ = start_rows(base, "dog", pictures, COUNTS, start="frequent", seed=0)
    assert torch.equal(rows_in[1:], base.embed(torch.tensor([4, 9, 7])))


def test_soft_tokens_can_begin_as_the_words_of_a_description_and_then_the_most_frequent_image_ids(
    base, pictures
):
    rows_in, _ = start_rows(
        base, "dog", pictures, COUNTS, start="described", seed=0, description="brown dog"
    )
    words = base.vocab.encode("brown dog")
    expected = base.embed(torch.tensor([*words, 4, 9, 7][:3]))
    assert torch.equal(rows_in[1:], expected)


def test_soft_tokens_can_begin_near_the_noun(base, pictures):
    rows_in, _ = start_rows(base, "dog", pictures, COUNTS, start="noun", seed=0)
    away = (rows_in[1:] - rows_in[0]).std() / rows_in[0].std()
    assert 0.05 < away < 0.2


@pytest.mark.parametrize("start", ["k_means", "noun"])
def test_a_start_is_a_function_of_its_seed(base, pictures, start):
    first, again, other = (
        start_rows(base, "dog", pictures, COUNTS, start=start, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert start == "k_means" or not torch.equal(first, other)


def test_a_class_noun_is_needed(base, pictures):
    with pytest.raises(ValueError, match="class_noun: found nothing"):
        start_rows(base, " ", pictures, COUNTS, start="noun", seed=0)


def test_facts_begin_the_tokens_that_drawing_prompts_alone_say(base, pictures):
    facts = ["{name} is a dog."]
    words = len(base.vocab.encode(". it is a dog"))
    counts = {"name": 1, "shared": 3, "generation": words + 1}
    told, _ = start_rows(base, "dog", pictures, counts, start="told", seed=0, facts=facts)
    plain, _ = start_rows(base, "dog", pictures, counts, start="described", seed=0)
    same = [torch.equal(a, b) for a, b in zip(told, plain, strict=True)]
    assert same == [True] * 5 + [False] * words
    assert torch.equal(told[-1], base.embed(torch.tensor(base.vocab.encode("dog")))[0])
