"""Scores of answers, captions and pictures: pure functions of strings and numbers.

A score stands beside what makes it readable: the constant answer's score, and an interval over
concepts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from unictoken.core.errors import UserError
from unictoken.scoring.choices import LETTERS, is_denied, letters_meant, unformatted

CONFIDENCE = 0.95
BLEU_WEIGHTS = (0.7, 0.3)
BLEU_EPSILON = 0.1  # stands for a count of zero; smoothing method 1 of Chen and Cherry 2014

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff"  # kana and Chinese characters: each is a word of its own
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:[-'][^\W{_UNSPACED}]+)*")
_MARKER = re.compile(r"<([^<>\s]+)>")
# Curly apostrophes and the other hyphen as the plain ones.
_PLAIN = str.maketrans("\u2018\u2019\u02bc\u2010", "'''-")


class MetricError(UserError):
    """Numbers or records that cannot be scored: what was found, what was expected."""


def words(text: str) -> list[str]:
    """The words of a text, for comparing: without case, punctuation, markers and possessive
    endings.

    A hyphen or an apostrophe inside a word belongs to it: 'bo-2' is not 'bo', 'don't' is not 'don'.

        "It's <bo>'s hat!"  ->  it bo hat
        "boy, bo-2 know"    ->  boy bo-2 know
    """
    return [word.removesuffix("'s") for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    """A text as its words are compared: one case, one apostrophe, no markers."""
    # NFKC: a full-width letter, or a letter and its accent, count as the usual single character.
    return _MARKER.sub(r"\1", unicodedata.normalize("NFKC", text).translate(_PLAIN)).casefold()


def says(text: str, name: str, *, marked: bool = True) -> bool:
    """Whether a text names a concept.

    A model with learned tokens writes a marker, '<will>', so that no ordinary word is taken for the
    name. A model that knows the concept from its prompt alone can only write the plain word:
    `marked=False` counts that too.

        "<will>'s red hat"               names "will"
        "a man who will play football"   names "will" only with marked=False
    """
    if not marked:
        return has_words(text, name)
    markers = map(str.casefold, _MARKER.findall(unicodedata.normalize("NFKC", text)))
    return name.strip("<>").casefold() in markers


def has_words(text: str, phrase: str) -> bool:
    """Whether the text has the words of the phrase: whole words, one after the other.

    "<bo>'s red hat."  has  "bo", "red hat"
    "a boy I know"     has  neither "bo" nor "no"
    """
    sought, found = words(phrase), words(text)
    if not sought:
        raise MetricError(f"words: the phrase {phrase!r} has no words. Expected at least one.")
    return any(found[i : i + len(sought)] == sought for i in range(len(found) - len(sought) + 1))


def exact(answer: str, expected: str) -> bool:
    """Whether an answer has the words of the expected one, and no others."""
    return words(answer) == words(expected)


def char_bleu(answer: str, expected: str, weights: Sequence[float] = BLEU_WEIGHTS) -> float:
    """BLEU of characters, 0 to 1, with weight .7 for single characters and .3 for pairs.

    The released evaluations of MC-LLaVA and Sync-R1 (of UniCTokens' authors) have the same four
    lines: NLTK's `sentence_bleu` on the characters as they are, case and spaces included, with
    smoothing method 1. The UniCTokens paper gives only the weights (.7, .3); we assume that it is
    the same function. A perfect answer of one character scores .50, since it has no pairs.

        "a red cap" for "a red hat"   7 of 9 characters, 5 of 8 pairs   (7/9)^.7 (5/8)^.3 = .728

    Papineni et al. 2002; an answer shorter than expected is scaled by exp(1 - expected / answer).
    """
    # Imported here: NLTK takes a second, and the command line imports this module too.
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smoothing = SmoothingFunction(epsilon=BLEU_EPSILON).method1
    # NLTK takes a list of words; of a text it takes the characters one by one.
    return float(sentence_bleu([expected], answer, weights, smoothing))


def recognition(
    said_yes: Mapping[str, Sequence[bool | None]], *, negatives: Sequence[str] | None = None
) -> dict[str, float]:
    """Accuracy of recognition: on positives, on each grade of negatives, on all negatives, and
    weighted.

    weighted: the mean of positive and negative accuracy (Yo'LLaVA; Yo'Chameleon's
    evaluation/recognition.py), so that a constant answer scores .5 whatever the counts.

    Args:
        said_yes: whether each answer was yes, by key: 'positive', or the grade of the negatives.
            None, an answer that is neither yes nor no, counts as wrong.
        negatives: the grades that the negative accuracy is of; None: all.

        positive  yes yes no yes     .75
        easy      no  no             1.0
        hard      yes no             .50    negative 3 of 4 = .75    weighted (.75 + .75) / 2 = .75
    """
    grades = (
        [grade for grade in said_yes if grade != "positive"]
        if negatives is None
        else list(negatives)
    )
    if not grades or not all(len(said_yes.get(key, ())) for key in ("positive", *grades)):
        counts = ", ".join(f"{len(flags)} {key}" for key, flags in said_yes.items()) or "nothing"
        raise MetricError(
            f"recognition: found answers for {counts}. Expected one or more for positive and for"
            f" {', '.join(grades) or 'negatives'}."
        )
    right = {
        key: [flag is not None and bool(flag) == (key == "positive") for flag in said_yes[key]]
        for key in ("positive", *grades)
    }
    positive = mean(right["positive"])
    negative = mean(flag for grade in grades for flag in right[grade])
    by_grade = {f"negative_{grade}": mean(right[grade]) for grade in grades}
    return {
        "positive": positive,
        **by_grade,
        "negative": negative,
        "weighted": (positive + negative) / 2,
    }


def balanced_accuracy(said_yes: Sequence[bool], is_yes: Sequence[bool]) -> float:
    """The mean of the accuracy where yes is right and where no is right.

    A constant answer scores .5, whatever the counts. Where only one of the two is ever right, that
    one's accuracy.

        said yes yes no, right is yes no no   ->   yes 1 of 1, no 1 of 2   ->   .75
    """
    pairs = list(zip(said_yes, is_yes, strict=True))
    # Each kind by itself first: many "no" must not outweigh few "yes".
    kinds = [[said == true for said, true in pairs if true == kind] for kind in (True, False)]
    return mean(mean(kind) for kind in kinds if kind)


@dataclass(frozen=True)
class Choice:
    """The options of a question, and the number of the right one."""

    options: tuple[str, ...]
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right < len(self.options) <= len(LETTERS):
            raise MetricError(
                f"choice: option {self.right} of {len(self.options)}; expected 0 up to the number"
                f" of options, at most {len(LETTERS)}."
            )

    @property
    def letter(self) -> str:
        return LETTERS[self.right]


def shuffle(choice: Choice, *, record: str, seed: int = 0) -> Choice:
    """The options in another order, which depends on the record alone.

    Needed because in the text QA files that circulate "A" is right in 390 of 400 questions.

    Args:
        choice: the options as the file has them.
        record: the question's name, the same on every machine: 'bo/choice.json[3]'.
        seed: another seed gives another order.
    """

    # A hash, since numpy's and Python's own shuffles may change with their versions.
    def key(option: int) -> bytes:
        return hashlib.sha256(f"{seed}\n{record}\n{option}".encode()).digest()

    order = sorted(range(len(choice.options)), key=key)
    return replace(
        choice, options=tuple(choice.options[i] for i in order), right=order.index(choice.right)
    )


def constant_answers(expected: Sequence[str]) -> dict[str, float]:
    """The control: the score of each constant answer, the best first.

    A A B A  ->  {"A": .75, "B": .25}
    """
    return {answer: count / len(expected) for answer, count in Counter(expected).most_common()}


def chosen(answer: str, options: Sequence[str]) -> int | None:
    """The option that an answer means, by its letter, else by its text; None where that is none or
    several.

    An option that the answer denies is not meant, nor one that is part of a longer one that is
    meant. How letters are read: `choices.py`.

        options "red", "red hat":   "B"   "(b)"   "The answer is **B**."   "not A, but B"   ->  1
                                    "a red hat!"  ->  1     "red"  ->  0
                                    "blue"   "A dog"   "A or B"   ->  None
    """
    text = unformatted(answer)
    if letters := letters_meant(text, options):
        numbers = [LETTERS.index(letter) for letter in letters]
        return numbers[0] if len(numbers) == 1 and numbers[0] < len(options) else None
    found = [i for i, option in enumerate(options) if _affirms(text, option)]
    # 'red' is found in 'a red hat' too, where 'red hat' is another option.
    whole = [
        i for i in found if not any(j != i and has_words(options[j], options[i]) for j in found)
    ]
    return whole[0] if len(whole) == 1 else None


def _affirms(text: str, phrase: str) -> bool:
    """Whether a text has the words of a phrase and does not deny them ('not red but blue':
    blue).
    """
    sought, plain = words(phrase), _plain(text)
    found = list(_WORD.finditer(plain))
    words_found = [word[0].removesuffix("'s") for word in found]
    for i in range(len(found) - len(sought) + 1) if sought else ():
        start, end = found[i].start(), found[i + len(sought) - 1].end()
        is_here = words_found[i : i + len(sought)] == sought
        if is_here and not is_denied(plain[:start], plain[end:]):
            return True
    return False


def attribute_recall(
    captions: Sequence[str], truths: Sequence[Mapping[str, str]]
) -> dict[str, float]:
    """Fraction of the known attributes that the captions mention in the same words: of all
    attributes, and of each.

    A marker mentions no attribute: '<red> hat' does not mention a 'red hat'. Control: the same
    captions against another concept's truths.

    Args:
        captions: one for each picture.
        truths: for each caption the phrase of each known attribute, as "collar": "red collar". A
            whole phrase, so that one attribute's word is not taken for another's.

        "a brown dog in the snow"   fur "brown dog", place "on the beach"
            ->  attributes .5, attribute_fur 1, attribute_place 0
    """
    mentioned: dict[str, list[bool]] = {}
    for caption, truth in zip(captions, truths, strict=True):
        for attribute, phrase in truth.items():
            unmarked = _MARKER.sub(" | ", caption)  # '|': the words around it are not neighbours
            mentioned.setdefault(attribute, []).append(has_words(unmarked, phrase))
    every = [flag for flags in mentioned.values() for flag in flags]
    return {
        "attributes": mean(every),
        **{f"attribute_{name}": mean(flags) for name, flags in mentioned.items()},
    }


def pairwise_similarity(drawn_NF: np.ndarray, references_MF: np.ndarray) -> float:
    """Mean cosine of every drawn picture with every reference picture (DreamBooth).

    drawn (1, 0)   references (1, 0) (0, 1)   ->   .5
    """
    return float((_unit(drawn_NF) @ _unit(references_MF).T).mean())


def mean_reference_similarity(drawn_NF: np.ndarray, references_MF: np.ndarray) -> float:
    """Mean cosine of every drawn picture with the mean of the references' features, not normalised
    before (Yo'Chameleon's evaluation/clip_image_similarity.py).

    Where the references' features have norm 1 this is the pairwise number divided by the norm of
    their mean, so higher for the same pictures.

        drawn (1, 0)   references (1, 0) (0, 1), mean (.5, .5)   ->   .71
    """
    return pairwise_similarity(
        drawn_NF, np.asarray(references_MF, np.float64).mean(0, keepdims=True)
    )


def matched_similarity(drawn_NF: np.ndarray, prompts_NF: np.ndarray) -> float:
    """CLIP-T: mean cosine of every drawn picture with its own prompt, neither multiplied by 100 nor
    cut at 0.

    An encoder does not know the concept's name: its prompts say the class noun instead
    (DreamBooth).
    """
    drawn, prompts = _unit(drawn_NF), _unit(prompts_NF)
    if len(drawn) != len(prompts):
        raise MetricError(
            f"similarity: {len(drawn)} pictures and {len(prompts)} prompts. Expected one prompt for"
            " each picture."
        )
    return float((drawn * prompts).sum(1).mean())


def copied_share(drawn_NK: np.ndarray, references_MK: np.ndarray) -> float:
    """How much of drawings is a reference again: the share of a drawing's image ids that stand at
    the same place in the reference with most of them; the mean over the drawings.

    Other pictures of the same concept have such ids, too (a wall behind it): compare with theirs.

    >>> copied_share(np.array([[1, 2, 3, 4]]), np.array([[1, 2, 0, 0], [9, 2, 3, 4]]))
    0.75
    """
    same_NM = (drawn_NK[:, None] == references_MK[None]).mean(-1)
    return float(same_NM.max(1).mean())


def _unit(features_NF: np.ndarray) -> np.ndarray:
    """The rows, each with norm 1, in fp64: sums of fp32 depend on the machine."""
    features = np.asarray(features_NF, np.float64)
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    if features.ndim != 2 or not len(features) or not (np.isfinite(norms) & (norms > 0)).all():
        raise MetricError(
            f"similarity: features {features.shape}; expected [N, F] with N of 1 or more, finite,"
            " no row of zeros."
        )
    unit: np.ndarray = features / norms
    return unit


def same_logits(before: ArrayLike, after: ArrayLike) -> tuple[bool, float]:
    """Whether the base's logits are exactly equal without the concept, and their largest
    difference.

    Arrays (or fp32 tensors on the CPU) of the same shape. Rows of a concept that is not in the
    prompt may not change anything.

        (1, 2) (1, 2)    ->  True, 0.0
        (1, 2) (1, 2.5)  ->  False, 0.5
    """
    a, b = np.asarray(before), np.asarray(after)
    if a.shape != b.shape:
        raise MetricError(
            f"logits: shape {a.shape} before, {b.shape} after. Expected the same prompts and"
            " vocabulary."
        )
    differing = a != b
    # Only where they differ: -inf minus -inf is nan.
    differences = np.abs(a[differing].astype(np.float64) - b[differing])
    return not differing.any(), float(differences.max(initial=0.0))


def mean(values: Iterable[float]) -> float:
    """The mean of numbers or of flags."""
    values = list(values)
    if not values:
        raise MetricError("mean: no values. Expected one or more.")
    return float(sum(values) / len(values))


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` concepts and the half-width of its 95 % interval; None of one concept."""

    mean: float
    half_width: float | None
    n: int


def estimate(scores: Sequence[float]) -> Estimate:
    """The mean of one score for each concept, with Student's t interval.

    Concepts are what a new user brings, so they are what is resampled: pictures of one concept are
    not independent. t rather than bootstrap: benchmarks have 5 to 20 concepts, and there the
    percentile bootstrap is too narrow (Hesterberg 2015); t is exact for normal scores and needs no
    seed. The interval of a share may reach past 0 or 1, and equal scores give 0, which is no
    certainty: then the concepts are too few.

        .5 .7 .9  ->  .70 with half-width 4.30 x .2 / sqrt(3) = .50
    """
    centre, n = mean(scores), len(scores)
    if n == 1:
        return Estimate(centre, None, 1)
    from scipy import stats  # Imported here: it takes a third of a second.

    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, df=n - 1)
    return Estimate(centre, float(quantile * stats.sem(scores)), n)


def paired_difference(scores: Mapping[str, float], others: Mapping[str, float]) -> Estimate:
    """How much better a method is than another on the same concepts (concept -> score), with its
    interval.

    What concepts share cancels, so this is mostly narrower than the two intervals suggest.

        a .5 b .7   against   a .4 b .6   ->   .10 with half-width 0
    """
    if set(scores) != set(others):
        raise MetricError(
            f"difference: concepts {sorted(scores)} and {sorted(others)}. Expected the same for"
            " both methods."
        )
    return estimate([scores[concept] - others[concept] for concept in scores])
