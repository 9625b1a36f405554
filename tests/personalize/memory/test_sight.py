"""Who is near, how near is near enough, which codes tell, and where somebody stands."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from unictoken.personalize.memory import vectors
from unictoken.personalize.memory.gate import Classifiers, Gate
from unictoken.personalize.memory.sight import Codes, Sight
from unictoken.personalize.memory.vectors import Vectors

NONE = np.zeros(0, np.int64)


def around(centres, each, spread=0.1, seed=0):
    """Features near each centre, and whose they are."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(len(centres)), each)
    noise = rng.normal(size=(len(owners), centres.shape[1])) * spread
    return owners, (centres[owners] + noise).astype(np.float32)


@pytest.fixture
def many():
    centres = np.random.default_rng(1).normal(size=(40, 16))
    owners, features = around(centres, 3)
    return Vectors([f"c{i}" for i in range(40)], owners, features), centres


def test_the_nearest_concept_is_the_one_whose_pictures_are_likest(many):
    vectors, centres = many
    found = [vectors.nearest(centre.astype(np.float32), 3) for centre in centres]
    assert [near[0][0] for near in found] == list(vectors.names)
    assert all(near[0][1] > near[1][1] > near[2][1] for near in found)
    assert len(vectors.nearest(centres[0].astype(np.float32), 99)) == 40


def test_a_picture_of_a_concept_is_above_the_calibrated_limit_and_a_strangers_below(many):
    vectors, centres = many
    limits = vectors.limits
    assert limits.candidate <= limits.same < 1
    own = [vectors.nearest(c.astype(np.float32), 1)[0][1] for c in centres]
    strangers = np.random.default_rng(7).normal(size=(40, 16)).astype(np.float32)
    other = [vectors.nearest(s, 1)[0][1] for s in strangers]
    assert np.mean(np.array(own) > limits.same) > 0.9 > np.mean(np.array(other) > limits.same)


def test_one_picture_each_is_calibrated_on_the_others_and_a_single_one_is_always_a_candidate():
    owners, features = around(np.eye(4, 8) * 3, 1)
    one_each = Vectors("abcd", owners, features)
    assert -1 < one_each.limits.same == one_each.limits.candidate < 1
    assert Vectors("a", owners[:1], features[:1]).limits.candidate == -1
    nobody = Vectors([], NONE, np.zeros((0, 1), np.float32))
    assert nobody.nearest(np.zeros(8, np.float32), 3) == [] and nobody.limits.same == -1


def test_many_entries_are_searched_by_faiss_where_it_is_installed(many, monkeypatch):
    pytest.importorskip("faiss")
    exact, centres = many
    monkeypatch.setattr(vectors, "EXACT", 10)
    graph = Vectors(exact.names, exact.owners, exact.pictures_NF)
    graph.centre = np.zeros_like(exact.centre)
    for centre in centres:
        query = exact.unit(centre[None].astype(np.float32))[0]
        assert graph.nearest(query, 3)[0][0] == exact.nearest(centre.astype(np.float32), 3)[0][0]


def test_without_faiss_many_entries_are_compared_one_by_one(many, monkeypatch):
    exact, centres = many
    monkeypatch.setattr(vectors, "EXACT", 10)
    monkeypatch.setattr(vectors.importlib.util, "find_spec", lambda name: None)
    assert exact.nearest(centres[3].astype(np.float32), 1)[0][0] == "c3"
    assert "faiss" not in sys.modules or exact._graph is None


# ---- codes ---------------------------------------------------------------------------------------


def grids():
    """<a> is the codes 10 to 13 in a corner, <b> 20 to 23, before backgrounds of codes 0 to 5."""
    pictures, owners = [], []
    for number, first in enumerate((10, 20)):
        for i in range(4):
            grid = np.full((4, 4), i % 3)
            grid[0:2, 0:2] = np.arange(first, first + 4).reshape(2, 2)
            pictures.append(grid.ravel())
            owners.append(number)
    return Codes(["a", "b"], np.array(owners), np.array(pictures), 64)


def test_the_codes_that_tell_are_shared_by_a_concepts_pictures_and_rare_in_others():
    codes = grids()
    assert sorted(codes.telling("a", 4)) == [10, 11, 12, 13]
    assert sorted(codes.telling("b", 4)) == [20, 21, 22, 23]


@pytest.mark.parametrize(("column", "side"), [(0, "left"), (2, "right")])
def test_a_window_says_where_somebody_stands(column, side):
    codes = grids()
    grid = np.full((4, 4), 5)
    grid[1:3, column : column + 2] = np.arange(20, 24).reshape(2, 2)
    a, b = codes.regions(grid.ravel(), ["a", "b"])
    assert (b.name, b.side) == ("b", side) and b.score > codes.same > a.score
    assert b.box == (1, column, 3, column + 2)


# ---- the gate ------------------------------------------------------------------------------------


def test_a_gate_opens_for_its_concept_and_stays_closed_for_others(many):
    vectors, centres = many
    gates = Classifiers(vectors, Gate())
    own = [gates.opens(f"c{i}", centres[i].astype(np.float32)) for i in range(5)]
    other = [gates.opens(f"c{i}", centres[i + 1].astype(np.float32)) for i in range(5)]
    assert all(own) and not any(other)


def test_a_gate_learns_from_given_negatives_and_is_the_calibrated_cosine_without_any(many):
    owners, features = around(np.eye(1, 8) * 3, 3)
    alone = Vectors(["a"], owners, features)
    assert Classifiers(alone, Gate()).probability("a", features[0]) == 1.0
    others = around(-np.eye(1, 8) * 3, 5)[1]
    gates = Classifiers(alone, Gate(negatives=others))
    assert gates.opens("a", features[0]) and not gates.opens("a", others[0])


# ---- features in the memory's file ---------------------------------------------------------------


def test_pictures_are_encoded_once_and_their_features_kept(base, toy, tmp_path):
    from unictoken.personalize.memory import Memory

    class Counting:
        name = "counting"
        seen = 0

        def pictures(self, pictures):
            self.seen += len(pictures)
            return np.array([np.asarray(p.resize((4, 4)), np.float32).ravel() for p in pictures])

    with Memory.open(tmp_path / "m") as memory:
        memory.add(toy)
        counting = Counting()
        Sight(base, memory, counting).vectors()
        assert counting.seen == len(toy.pictures)
    with Memory.open(tmp_path / "m") as memory:
        sight = Sight(base, memory, counting)
        (found,) = sight.search(toy.pictures[0])
        assert (found.name, counting.seen) == (toy.name, len(toy.pictures) + 1)
        ids_NK = base.encode(toy.pictures)
        assert sight.image_ids(toy.name).equal(ids_NK)
