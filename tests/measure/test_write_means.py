"""Means of several ways as a table, and their rows."""

import json

import pytest
from markdown_it import MarkdownIt

from unictoken.core.errors import UserError
from unictoken.measure.results import check_page, write_means


def test_each_way_has_its_means_in_the_order_of_the_rows(tmp_path):
    rows = [
        {"pair": "a", "way": "tokens", "right": 1.0, "named": 0.5},
        {"pair": "a", "way": "words", "right": 0.0, "named": 0.5},
        {"pair": "b", "way": "tokens", "right": 1.0, "named": 0.5},
        {"pair": "b", "way": "words", "right": 0.5, "named": 0.5},
    ]
    write_means(tmp_path / "it.md", "A title", "About it.", rows, way="way", command="python it.py")
    assert (tmp_path / "it.md").read_text(encoding="utf-8").splitlines() == [
        "# A title",
        "",
        "    python it.py",
        "",
        "About it.",
        "",
        "| | right | named |",
        "|---|---|---|",
        "| tokens | 1.000 ± 0.000 | 0.500 ± 0.000 |",
        "| words | 0.250 ± 3.177 | 0.500 ± 0.000 |",
    ]
    assert json.loads((tmp_path / "it.json").read_text(encoding="utf-8")) == rows


def test_one_number_alone_has_no_interval(tmp_path):
    rows = [{"way": "tokens", "right": 0.5}]
    write_means(tmp_path / "it.md", "A title", "", rows, way="way", command="python it.py")
    assert "| tokens | 0.500 |" in (tmp_path / "it.md").read_text(encoding="utf-8")


def test_nothing_that_a_dataset_or_a_command_says_is_markup(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123")
    hostile = "<b>x</b> ![a](http://evil/x.png)\n\n# heading | cell"
    rows = [{"way": hostile, hostile: 0.5}]
    command = f"python it.py --set a=sk-very-secret-0123 {hostile}"
    how = {"way": "way", "command": command, "notes": [f"said of <bo>: {hostile}"]}
    write_means(tmp_path / "it.md", "A title", "About it.", rows, **how)
    text = (tmp_path / "it.md").read_text(encoding="utf-8")
    assert "sk-very-secret" not in text and "said of &lt;bo&gt;" in text
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {child.type for token in tokens for child in [token, *(token.children or ())]}
    assert not kinds & {"html_block", "html_inline", "image", "link_open"}
    assert [token.type for token in tokens].count("heading_open") == 1
    assert [token.type for token in tokens].count("th_open") == 2


@pytest.mark.parametrize("out", ["", ".", "it.json", "a folder", "below/a file/it.md"])
def test_a_page_that_could_not_be_written_is_refused_before_anything_is_measured(
    out, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="--out"):
        check_page(out)
    (tmp_path / "it.json").mkdir()
    with pytest.raises(UserError, match="it.json is a folder"):
        check_page("it.md")
    assert check_page("new/it.md").parts == ("new", "it.md") and not (tmp_path / "new").exists()


def test_a_way_that_lacks_a_column_has_an_empty_cell_there(tmp_path):
    rows = [
        {"way": "tokens", "a": 0.5, "b": 1.0},
        {"way": "words", "a": 0.25},
        {"way": "tokens", "a": 0.5, "b": 0.0},
    ]
    write_means(tmp_path / "it.md", "A title", "", rows, way="way", command="python it.py")
    lines = (tmp_path / "it.md").read_text(encoding="utf-8").splitlines()
    assert "| words | 0.250 | - |" in lines
    assert lines[-2].startswith("| tokens | 0.500 ± 0.000 | 0.500 ± ")
