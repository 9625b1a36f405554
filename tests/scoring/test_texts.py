"""Texts against a reference."""

import importlib

import pytest

from unictoken.core.errors import UserError
from unictoken.scoring import texts


def test_words_are_shared_as_often_as_they_occur():
    assert texts.word_f1("red red cat", "red cat cat") == 2 / 3
    assert texts.word_f1("Red cat.", "red cat") == 1
    assert (texts.word_f1("", "cat"), texts.word_f1("", "")) == (0, 1)


def test_rouge_l_counts_the_order_of_words_and_rouge_1_does_not():
    pytest.importorskip("rouge_score")
    assert texts.rouge("a b c d", "d c b a") == {"rouge1": 1, "rougeL": 0.25}


def test_bleu_is_sacrebleus():
    pytest.importorskip("sacrebleu")
    said = "the cat sat on the mat today"
    assert texts.corpus_bleu([said], [said]) == pytest.approx(100)
    assert texts.corpus_bleu(["dog"], [said]) == pytest.approx(0)


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(
        UserError, match=r"library 'sacrebleu': not installed.*unictoken\[profiles\]"
    ):
        texts.library("sacrebleu")
