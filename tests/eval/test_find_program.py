"""eval/find.py on the searches of a dataset, by the random base."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import dual
import layouts
import pytest
import small

from unictoken.core.errors import UserError
from unictoken.data.readers import read
from unictoken.measure.searches import score_by_lot, score_searches
from unictoken.model.encoders import AskedEncoder
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.words import in_words

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("eval_find", ROOT / "eval" / "find.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_find"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def conconchi(tmp_path):
    return read(layouts.conconchi(tmp_path))


def test_queries_are_grouped_by_whom_they_name_and_look_through_one_pool(program, base, conconchi):
    alone, both = program._of_dataset(base, conconchi, list(conconchi.concepts.values()))
    assert [one.name for one in both.concepts] == ["c0", "c1"] and len(alone.concepts) == 1
    assert alone.pool is both.pool and len(alone.pool) == 4
    (search,) = alone.searches
    assert search.right == [True, True, False, False]
    assert both.alone[0].prompt == "<c0> and <c1>" and both.alone[0].right == both.searches[0].right


def test_a_query_of_two_concepts_is_scored_with_both_on_the_base(program, base, conconchi):
    _, both = program._of_dataset(base, conconchi, list(conconchi.concepts.values()))
    put_on = [in_words(base, one.name, f"{{name}} is a {one.class_noun}.") for one in both.concepts]
    chat = Session(base, Several(base, put_on))
    (row,) = both.row("words", score_searches(chat, both.searches, both.pool, both.at))
    assert (row["concept"], row["query"]) == ("c0+c1", "a photo of <c0> beside <c1>")
    assert row["MRR"] == row["mAP"] in (1, 1 / 2, 1 / 3, 1 / 4) and row["R@10"] == 1
    # One of four is right: by lot it is the first in a quarter of the orders.
    (chance,) = score_by_lot(both.searches, seed=1, at=both.at)
    assert chance["hit@1"] == pytest.approx(0.25, abs=0.15)


def test_features_stand_in_the_table_beside_likelihood(program, base, conconchi):
    alone, _ = program._of_dataset(base, conconchi, list(conconchi.concepts.values()))
    (concept,) = alone.concepts
    tokens = replace(small.concept(base, concept.name), class_noun=concept.class_noun)
    chat = Session(base, Several(base, [with_tokens(base, tokens)]))
    # One that reads words looks for the whole query, too; the base for names alone.
    rows = program.by_features(chat, alone, dual.Dual())
    assert [row["way"] for row in rows] == ["features (dual)", "features (dual), names alone"]
    (row,) = program.by_features(chat, alone, AskedEncoder(base))
    assert row["way"] == "features (asked), names alone" and 0 < row["mAP"] <= 1


def test_searches_of_concepts_that_are_left_out_are_left_out(program, base, conconchi):
    (alone,) = program._of_dataset(base, conconchi, [conconchi.concepts["c0"]])
    assert [one.name for one in alone.concepts] == ["c0"]


def test_a_dataset_without_searches_is_refused(program, conconchi):
    silent = replace(conconchi, records=dict.fromkeys(conconchi.concepts, ()))
    with pytest.raises(UserError, match="found no searches of these 2 concepts"):
        program._check_searches(silent, list(silent.concepts.values()))
