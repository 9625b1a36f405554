"""Tokens that come out worse than a description say so, with what to try."""

from unictoken.measure.advice import worse_than_words

WORDS = {"recognition": 0.95, "identity": 0.9, "palette": 35.0, "knowledge": 0.96, "vqa": 1.0}


def test_what_is_level_or_better_is_not_said():
    assert worse_than_words(WORDS, WORDS) == []
    assert worse_than_words({**WORDS, "identity": 0.86, "palette": 12.0}, WORDS) == []
    assert worse_than_words({"identity": 0.1}, {}) == []


def test_each_column_that_is_worse_has_its_line():
    lines = worse_than_words(
        {"recognition": 0.8, "identity": 0.9, "palette": 60.0, "knowledge": 0.05}, WORDS
    )
    assert [line.split(":")[0] for line in lines] == ["recognition", "palette", "knowledge"]
    assert lines[0].startswith("recognition: 0.80, and 0.95 from a description in words.")
    assert "negative_example/" in lines[0] and "--method knowing" in lines[2]
