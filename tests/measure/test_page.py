import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from unictoken.core.pictures import PictureError
from unictoken.measure import page
from unictoken.measure.page import ConceptSheet, Page
from unictoken.scoring.metrics import Estimate
from unictoken.tasks.task import Prediction

SCORES = {
    "joint": {"CLIP-I (ViT-B/32, pairwise)": Estimate(0.71, 0.052, 10), "palette": 12.34},
    "none": {"CLIP-I (ViT-B/32, pairwise)": Estimate(0.43, None, 1)},
}
HOSTILE = '"><script src="http://x.example/a.js">alert(1)</script>&<bo>'
VOID = ("meta", "img", "br")


class Reader(HTMLParser):
    """Tags with their attributes, and the text; a tag that is not closed in its turn fails."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def asked(method: str, given: str, score: float) -> Prediction:
    question = {
        "task": "vqa",
        "question": "what hat?",
        "expected": "a red hat",
        "picture": "t/0.png",
    }
    return Prediction(concept="bo", method=method, given=given, score=score, **question)


@pytest.fixture
def pictures(tmp_path):
    paths = tmp_path / "small.png", tmp_path / "large.jpg"
    Image.new("RGB", (32, 32), "red").save(paths[0])
    Image.new("RGB", (900, 600), "blue").save(paths[1])
    return paths


@pytest.fixture
def written(pictures, tmp_path):
    """A page whose every text is hostile."""
    sheet = ConceptSheet(
        name=HOSTILE, references=pictures, drawn={HOSTILE: pictures[:1], "none": pictures[:1]}, prompts=(HOSTILE,),
        answers=(asked(HOSTILE, HOSTILE, 0.0), asked("none", "a red hat", 1.0)),
    )  # fmt: skip
    made = Page(
        title=HOSTILE, notes=(HOSTILE,), scores={**SCORES, HOSTILE: {}}, metrics=("palette", "CLIP-I (ViT-B/32, pairwise)", HOSTILE),
        controls=("none",), concepts=(sheet,),
    )  # fmt: skip
    return page.write(made, tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_table_says_controls_intervals_and_presets():
    assert page.table(SCORES, ["palette", "CLIP-I (ViT-B/32, pairwise)"], controls=["none"]).split(
        "\n"
    ) == [
        "| | palette | CLIP-I (ViT-B/32, pairwise) |",
        "|---|---|---|",
        "| joint | 12.3 | 0.710 ± 0.052 |",
        "| *none* | - | 0.430 |",
        "",
        "±: half-width of the 95 % t interval over 1 or 10 concepts.",
    ]


def test_a_table_of_plain_numbers_has_no_note():
    rows = {"joint": {"vqa": 0.5, "palette": 12.34}, "none": {"vqa": 1}}
    assert (
        page.table(rows)
        == "| | vqa | palette |\n|---|---|---|\n| joint | 0.500 | 12.3 |\n| none | 1.000 | - |"
    )


def test_differences_have_their_sign():
    assert "| joint | +0.120 ± 0.050 | -0.010 |" in page.table(
        {"joint": {"vqa": Estimate(0.12, 0.05, 10), "qa": -0.01}}, signed=True
    )


def test_a_cell_cannot_end_its_row():
    assert page.table({"a|b\nc": {"x": 1.0}}).split("\n")[2] == r"| a\|b c | 1.000 |"


def test_everything_is_escaped_and_nothing_is_fetched(written):
    read = Reader(written)
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "iframe", "bo"})
    fetched = [
        value
        for _, attributes in read.tags
        for key, value in attributes.items()
        if key in ("src", "href")
    ]
    assert fetched and all(value.startswith(("data:image/", "#concept-")) for value in fetched)
    assert not re.search(r"url\(|@import", written)
    # title and heading, note, metric, method, link, concept, its drawings, two captions, the
    # answers' column and cell
    assert "".join(read.text).count(HOSTILE) == 12
    policy = next(
        attributes["content"] for tag, attributes in read.tags if attributes.get("http-equiv")
    )
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_pictures_are_inside_and_large_ones_are_made_smaller(written):
    images = [attributes for tag, attributes in Reader(written).tags if tag == "img"]
    assert [image["src"].split(";")[0] for image in images] == [
        "data:image/png",
        "data:image/jpeg",
        "data:image/png",
        "data:image/png",
    ]
    assert [image.get("class") for image in images] == ["pixels", None, "pixels", "pixels"]
    assert images[2]["alt"] == f"{HOSTILE}, {HOSTILE}: {HOSTILE}" and len(written) < 20_000


def test_scores_controls_and_wrong_answers_are_marked(written):
    assert (
        '<tr class="control"><th>none (control)</th><td>-</td><td>0.430</td><td>-</td></tr>'
        in written
    )
    assert "0.710 ± 0.052" in written and "over 1 or 10 concepts" in written
    assert written.count('class="wrong"') == 1 and "<td><span>a red hat</span></td>" in written
    assert "color-scheme: light dark" in written


def test_a_page_without_concepts_is_a_table(tmp_path):
    html = page.write(
        Page(title="toy", scores={"joint": {"vqa": 0.5}}, metrics=("vqa",)),
        tmp_path / "report.html",
    ).read_text(encoding="utf-8")
    assert (
        Reader(html)
        and "<td>0.500</td>" in html
        and "<nav>" not in html
        and "t interval" not in html
    )


def test_a_picture_that_is_not_there_leaves_no_page(tmp_path):
    sheet = ConceptSheet(name="bo", references=(tmp_path / "no.png",))
    with pytest.raises(PictureError, match="no such file"):
        page.write(
            Page(title="toy", scores={}, metrics=(), concepts=(sheet,)), tmp_path / "report.html"
        )
    assert not (tmp_path / "report.html").exists()
