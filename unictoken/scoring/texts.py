"""Scores of generated texts against one reference each: F1 of words, ROUGE and BLEU.

ROUGE and BLEU are those of `rouge-score` and `sacrebleu`, the libraries that papers use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import ModuleType

from unictoken.core.errors import UserError
from unictoken.scoring.metrics import words


def library(name: str) -> ModuleType:
    """A library of the extra 'profiles'; where it is not installed, an error that says how."""
    import importlib

    # When it is used, and not above: a program that scores no texts needs none of them.
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise UserError(
            f"library '{name}': not installed, and this needs it. Add it: pip install"
            " 'unictoken[profiles]'."
        ) from None


def word_f1(answer: str, expected: str) -> float:
    """F1 of the words that two texts share, counted as often as they occur (PersonaChat, FoCus).

    >>> word_f1("i like red cats", "i like dogs")
    0.5714285714285714
    """
    said, true = Counter(words(answer)), Counter(words(expected))
    shared = (said & true).total()
    # Of two empty texts each has all words of the other.
    if not said or not true:
        return float(said == true)
    return 2 * shared / (said.total() + true.total())


def rouge(answer: str, expected: str) -> dict[str, float]:
    """F1 of ROUGE-1 and ROUGE-L (Lin 2004), 0 to 1, without stemming, as LaMP measures them."""
    scorer = library("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rougeL"])
    scored = scorer.score(expected.strip(), answer.strip())
    return {"rouge1": scored["rouge1"].fmeasure, "rougeL": scored["rougeL"].fmeasure}


def corpus_bleu(answers: Sequence[str], expected: Sequence[str]) -> float:
    """BLEU of all answers together, 0 to 100 (Post 2018, sacrebleu's defaults)."""
    found = library("sacrebleu").corpus_bleu(list(answers), [list(expected)])
    return float(found.score)
