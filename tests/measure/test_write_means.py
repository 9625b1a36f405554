"""Means of several ways as a table, and their rows."""

import json

from unictoken.measure.results import write_means


def test_each_way_has_its_means_in_the_order_of_the_rows(tmp_path):
    rows = [
        {"pair": "a", "way": "tokens", "right": 1.0, "named": 0.5},
        {"pair": "a", "way": "words", "right": 0.0, "named": 0.5},
        {"pair": "b", "way": "tokens", "right": 1.0, "named": 0.5},
        {"pair": "b", "way": "words", "right": 0.5, "named": 0.5},
    ]
    write_means(tmp_path / "it.md", "A title", ["    python it.py", "About it."], rows, way="way")
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
    write_means(tmp_path / "it.md", "A title", [], [{"way": "tokens", "right": 0.5}], way="way")
    assert "| tokens | 0.500 |" in (tmp_path / "it.md").read_text(encoding="utf-8")
