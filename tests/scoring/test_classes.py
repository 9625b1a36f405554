"""Labels, ratings and sets."""

import pytest

from unictoken.scoring import classes
from unictoken.scoring.metrics import MetricError


def test_spaces_around_a_label_do_not_count():
    assert classes.accuracy([" [1]", "[2]"], ["[1]", "[1]"]) == 0.5


def test_macro_f1_counts_each_label_once_and_those_that_never_occur_as_zero():
    assert classes.macro_f1(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]) == 2 / 3
    assert classes.macro_f1(["a"], ["a"], ["a", "b"]) == 0.5
    # An answer that is no label is wrong of its label, and of no other one.
    assert classes.macro_f1(["?", "b"], ["a", "b"], ["a", "b"]) == 0.5
    with pytest.raises(MetricError, match="no labels"):
        classes.macro_f1([], [], [])


@pytest.mark.parametrize(
    ("said", "expected", "number"),
    [("4", "1", 4), ("good", "5", 1), ("", "1", 5), ("nan", "2", 5), ("3.5", "3", 3.5)],
)
def test_a_rating_that_is_none_counts_as_the_farther_end(said, expected, number):
    assert classes.rating(said, expected) == number


def test_errors_of_ratings():
    assert classes.mae([1, 3], [3, 3]) == 1
    assert classes.rmse([1, 3], [3, 3]) == 2**0.5


def test_a_set_with_nothing_wanted_is_right_where_nothing_is_found():
    assert classes.precision_recall_f1(0, 0, 0) == (1, 1, 1)
    assert classes.precision_recall_f1(2, 0, 0) == (0, 1, 0)
    assert classes.precision_recall_f1(0, 0, 2) == (0, 0, 0)
    assert classes.precision_recall_f1(2, 1, 1) == (0.5, 1, 2 / 3)


def test_labels_are_right_where_both_sets_agree():
    assert classes.labels_right((), (), 5) == 1
    assert classes.labels_right({0}, {1}, 5) == 0.6
