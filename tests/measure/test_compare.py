"""The same texts put to tokens and to what they are compared to."""

import pytest
from PIL import Image

from unictoken.core.text import ConceptError
from unictoken.measure.compare import Comparison, Given, compare
from unictoken.personalize.drawing import Drawing

WAYS = ["tokens", "in words", "one picture in context", "none"]
PROMPT, QUESTION = "<bo> in the snow", "what colour is <bo>?"


@pytest.fixture(scope="module")
def found(base, bo):
    picture = Image.new("RGB", (32, 32), "red")
    words = ["<bo> is a brown dog."]
    return compare(base, bo, [QUESTION, PROMPT], words=words, pictures=[picture])


@pytest.mark.slow
def test_a_question_is_answered_and_a_prompt_drawn_in_every_way(found):
    assert list(found.given) == [QUESTION, PROMPT]
    assert list(found.given[QUESTION]) == list(found.given[PROMPT]) == WAYS
    assert all(given.drawing is None for given in found.given[QUESTION].values())
    assert all(0 <= given.recognised <= 1 for given in found.given[PROMPT].values())
    assert found.told == {
        "tokens": "5 learned tokens",
        "in words": "<bo> is a brown dog.",
        "one picture in context": "a picture, <bo> is a brown dog.",
        "none": "only its name",
    }


@pytest.mark.slow
def test_the_table_has_a_line_for_each_way(found):
    lines = found.lines()
    assert len(lines) == 10 and lines[0] == QUESTION
    assert lines[6].startswith("  tokens                  drawn, recognised 0.")


def test_the_sheet_holds_every_drawing(found):
    assert found.sheet(side=64).height > 200


def test_without_words_the_class_noun_is_said_and_without_pictures_none_is_shown(base, bo):
    found = compare(base, bo, QUESTION)
    assert found.told["in words"] == "<bo> is a dog." and list(found.told) == [WAYS[0], *WAYS[1::2]]


@pytest.mark.parametrize(
    ("texts", "words", "match"),
    [
        ([], [], "found no text"),
        (["what is <rex>?"], [], "'<rex>' is not a concept"),
        ([QUESTION], ["<rex> is a dog."], "expected <bo>'s only"),
    ],
)
def test_what_cannot_be_compared_is_refused(texts, words, match, base, bo):
    with pytest.raises(ConceptError, match=match):
        compare(base, bo, texts, words=words)


def test_a_notebook_shows_text_and_no_markup():
    hostile = "<img src=x onerror=alert(1)>"
    drawing = Drawing.of(Image.new("RGB", (4, 4)), hostile)
    given = {hostile: {"tokens": Given(hostile), "none": Given("", drawing, 0.5)}}
    shown = Comparison("bo", {"tokens": hostile, "none": hostile}, given)._repr_html_()
    assert "<img src=x" not in shown and shown.count("<img ") == 1
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
