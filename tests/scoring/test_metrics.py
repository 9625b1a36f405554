"""Hand-made records with known scores; the traps of published evaluation, each with a record that
falls into it.
"""

import subprocess
import sys

import numpy as np
import pytest

from unictoken.scoring import metrics
from unictoken.scoring.metrics import Choice, Estimate, MetricError

COLOURS = Choice(("red", "blue", "green", "white"), 0)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("<bo>'s red hat.", "bo"), ("<bo>’s red hat.", "<bo>"), ("This is BO, a dog", "bo"), ("(bo)", "bo"), ("bo!", "bo"),
        ("a Red  hat.", "red hat"), ("No, I know.", "no"), ("le cafe\u0301 noir", "café"), ("STRASSE", "straße"), ("ｂｏ", "bo"),
        ("小白在雪地里", "小白"), ("bo在这里", "bo"), ("<bo_2> sleeps", "bo_2"), ("bo-2's hat", "bo-2"), ("bo\u20112", "bo-2"),
        ("<adrien-brody>", "adrien-brody"),
    ],
)  # fmt: skip
def test_whole_words_are_found(text, phrase):
    assert metrics.has_words(text, phrase) and metrics.says(text, phrase, marked=False)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a boy", "bo"), ("I know", "no"), ("nobody", "bo"), ("bo-2", "bo"), ("bo_2", "bo"), ("it is 10 o'clock", "clock"),
        ("it isn't", "is"), ("a hat that is red", "red hat"), ("", "bo"), ("hat red", "red hat"), ("cafe", "café"),
    ],
)  # fmt: skip
def test_parts_of_words_are_not_found(text, phrase):
    assert not metrics.has_words(text, phrase)


def test_a_phrase_without_words_is_refused():
    with pytest.raises(MetricError, match="no words"):
        metrics.has_words("a dog", "?!")


@pytest.mark.parametrize(
    ("text", "name", "is_said"),
    [
        ("<will>, sitting on the left", "will", True), ("a man who will play football in the snow.", "will", False),
        ("a red cap, sitting on the left", "red", False), ("<red>'s cap", "red", True), ("<Rose> and a rose", "rose", True),
        ("a rose", "rose", False), ("<will-2>", "will", False), ("< will >", "will", False), ("<will>", "<will>", True), ("will", "<will>", False),
        ("", "will", False),
        ("<tom> will jump", "will", False), ("a dog in the snow", "dog", False), ("\uff1cbo\uff1e", "bo", True),
    ],
)  # fmt: skip
def test_a_name_is_said_by_its_marker(text, name, is_said):
    assert metrics.says(text, name) == is_said


def test_words_are_as_the_docstring_says():
    assert metrics.words("It's <bo>'s hat!") == ["it", "bo", "hat"] and metrics.words(
        "boy, bo-2 know"
    ) == ["boy", "bo-2", "know"]


def test_an_exact_answer_has_the_words_and_no_others():
    assert metrics.exact("A red hat.", "a red hat") and metrics.exact("<bo>", "bo")
    assert not metrics.exact("a red hat on <bo>", "a red hat") and not metrics.exact("", "no")


@pytest.mark.parametrize(
    ("answer", "expected", "by_nltk"),
    [
        ("a red hat", "a red hat", 1.0), ("a red cap", "a red hat", 0.728388), ("red", "a red hat", 0.135335), ("A", "A", 0.501187),
        ("B", "A", 0), ("", "yes", 0), ("yes", "", 0), ("Brown", "brown", 0.78466), ("at the beach by the sea", "on the beach", 0.42691),
        ("tah", "the hat", 0.107308), ("on", "no", 0.501187), ("<bo> wears a red hat", "<bo> is wearing a red party hat.", 0.539982),
    ],
)  # fmt: skip
def test_bleu_of_characters_is_nltks(answer, expected, by_nltk):
    """Numbers of NLTK 3.10, held here so that no other version changes a kept score."""
    assert metrics.char_bleu(answer, expected) == pytest.approx(by_nltk, abs=1e-6)


SAID = {"positive": [True, True, False, True], "easy": [False, False], "hard": [True, False]}


def test_recognition_weighs_positives_and_negatives_alike():
    assert metrics.recognition(SAID) == {
        "positive": 0.75,
        "negative_easy": 1,
        "negative_hard": 0.5,
        "negative": 0.75,
        "weighted": 0.75,
    }


def test_one_grade_of_negatives_can_be_measured_alone():
    assert metrics.recognition(SAID, negatives=["hard"]) == {
        "positive": 0.75,
        "negative_hard": 0.5,
        "negative": 0.5,
        "weighted": 0.625,
    }


@pytest.mark.parametrize("answer", [True, False])
def test_a_constant_answer_recognises_half_however_many_negatives_there_are(answer):
    assert metrics.recognition({"positive": [answer] * 5, "easy": [answer] * 95})["weighted"] == 0.5


def test_an_answer_that_is_neither_yes_nor_no_is_wrong_for_both():
    assert metrics.recognition({"positive": [None], "easy": [None]})["weighted"] == 0
    assert (
        metrics.recognition({"positive": np.array([True]), "easy": np.array([False])})["weighted"]
        == 1
    )


@pytest.mark.parametrize(
    "said", [{}, {"positive": [True]}, {"easy": [False]}, {"positive": [True], "easy": []}]
)
def test_recognition_wants_positives_and_negatives(said):
    with pytest.raises(MetricError, match="Expected one or more"):
        metrics.recognition(said)


def test_shuffled_options_stay_the_same_for_a_record_and_keep_the_right_one():
    shuffled = [metrics.shuffle(COLOURS, record=f"bo/{i}") for i in range(400)]
    assert shuffled == [metrics.shuffle(COLOURS, record=f"bo/{i}") for i in range(400)]
    assert all(
        c.options[c.right] == "red" and sorted(c.options) == sorted(COLOURS.options)
        for c in shuffled
    )
    assert metrics.shuffle(COLOURS, record="bo/0").options == ("green", "red", "white", "blue")
    assert any(
        metrics.shuffle(COLOURS, record=f"bo/{i}", seed=1) != shuffled[i] for i in range(400)
    )


def test_always_a_is_right_before_the_shuffle_and_a_guess_after_it():
    before = [COLOURS] * 390 + [Choice(COLOURS.options, 1)] * 10
    after = [metrics.shuffle(choice, record=f"q{i}") for i, choice in enumerate(before)]
    assert metrics.constant_answers([c.letter for c in before]) == {"A": 0.975, "B": 0.025}
    always = metrics.constant_answers([c.letter for c in after])
    assert set(always) == set("ABCD") and list(always.values()) == sorted(
        always.values(), reverse=True
    )
    assert all(0.18 < share < 0.32 for share in always.values())


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("B", 1), ("(b)", 1), ("B. red", 1), ("b) red", 1), ("[B]", 1), ("The answer is B.", 1), ("Answer: (B) red hat", 1), ("Option B", 1),
        ("a red hat!", 1), ("red", 0), ("It is <bo>'s.", 2), ("A", 0), ("C. <bo>", 2),
        ("A dog", None), ("The answer is A dog", None), ("blue", None), ("red or bo", None), ("D", None), ("", None), ("a boy", None),
    ],
)  # fmt: skip
def test_an_answer_means_one_option_or_none(answer, option):
    assert metrics.chosen(answer, ["red", "red hat", "bo"]) == option


def test_a_choice_has_its_right_option():
    assert COLOURS.letter == "A"
    with pytest.raises(MetricError, match="option 4 of 4"):
        Choice(COLOURS.options, 4)


def test_attributes_are_read_in_the_captions_words():
    truths = [{"fur": "brown dog", "place": "on the beach"}, {"fur": "white cat"}]
    said = metrics.attribute_recall(
        ["a brown dog in the snow", "a white cat with a brown collar"], truths
    )
    assert said == {"attributes": pytest.approx(2 / 3), "attribute_fur": 1, "attribute_place": 0}
    assert (
        metrics.attribute_recall(["<red> hat", "a red hat"], [{"hat": "red hat"}] * 2)["attributes"]
        == 0.5
    )


def test_similarities_of_features_are_as_computed_by_hand():
    drawn, references = np.array([[2.0, 0]]), np.array([[1.0, 0], [0, 1]])
    assert metrics.pairwise_similarity(drawn, references) == pytest.approx(0.5)
    assert metrics.mean_reference_similarity(drawn, references) == pytest.approx(0.5**0.5)
    assert metrics.matched_similarity(references, np.array([[1.0, 0], [1, 0]])) == pytest.approx(
        0.5
    )


@pytest.mark.parametrize(
    "features", [np.zeros((1, 2)), np.ones(2), np.ones((0, 2)), np.array([[np.nan, 1]])]
)
def test_features_that_have_no_direction_are_refused(features):
    with pytest.raises(MetricError, match="expected \\[N, F\\]"):
        metrics.pairwise_similarity(features, np.ones((1, 2)))


def test_every_picture_has_its_prompt():
    with pytest.raises(MetricError, match="1 pictures and 2 prompts"):
        metrics.matched_similarity(np.ones((1, 2)), np.ones((2, 2)))


def test_logits_are_the_same_only_when_exactly_equal():
    before = np.array([[1, -np.inf, 3]], np.float32)
    assert metrics.same_logits(before, before.copy()) == (True, 0.0)
    after = np.nextafter(before, np.float32(9))
    after[0, 1] = -np.inf
    same, largest = metrics.same_logits(before, after)
    assert not same and 0 < largest < 1e-6
    with pytest.raises(MetricError, match="shape"):
        metrics.same_logits(before, before[0])


@pytest.mark.parametrize(
    ("freedom", "point"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (4, 2.7764),
        (9, 2.2622),
        (30, 2.0423),
        (1000, 1.9623),
    ],
)
def test_an_interval_is_as_wide_as_the_tables_of_students_t_say(freedom, point):
    scores = np.linspace(0, 1, freedom + 1)
    standard_error = scores.std(ddof=1) / (freedom + 1) ** 0.5
    half_width = metrics.estimate(scores).half_width
    assert half_width / standard_error == pytest.approx(point, abs=1e-4)


def test_importing_the_metrics_loads_no_library_of_statistics_or_language():
    """They take a second, and the command line imports the metrics without measuring."""
    loaded = "import sys, unictoken.scoring.metrics; print({'scipy', 'nltk'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, encoding="utf-8")
    assert run.stdout == "set()\n", run.stderr


def test_an_estimate_has_students_interval_over_concepts():
    assert metrics.estimate([0.5, 0.7, 0.9]) == Estimate(
        pytest.approx(0.7), pytest.approx(4.3027 * 0.2 / 3**0.5, abs=1e-4), 3
    )
    assert metrics.estimate([0.4]) == Estimate(0.4, None, 1)
    with pytest.raises(MetricError, match="no values"):
        metrics.estimate([])


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    runs = [metrics.estimate(rng.binomial(12, 0.7, size=10) / 12) for _ in range(400)]
    assert 0.92 < np.mean([abs(e.mean - 0.7) <= e.half_width for e in runs]) < 0.98


def test_a_paired_difference_is_over_the_same_concepts():
    assert metrics.paired_difference({"a": 0.5, "b": 0.75}, {"b": 0.5, "a": 0.25}) == Estimate(
        0.25, 0, 2
    )
    with pytest.raises(MetricError, match="the same for both"):
        metrics.paired_difference({"a": 0.5}, {"b": 0.5})


def test_what_is_copied_is_counted_against_the_nearest_reference():
    references = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert metrics.copied_share(references[::-1], references) == 1.0
    half = np.array([[1, 2, 0, 0], [1, 6, 7, 8]])  # two of four; three of four
    assert metrics.copied_share(half, references) == (0.5 + 0.75) / 2
