"""Tables of several seeds as one."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from unictoken.core.errors import UserError
from unictoken.measure.pooled import pool, text_of, worst

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(tmp_path):
    """Of two seeds; `none` is a control, and only the first table has `other`."""

    def row(concept, method, identity, palette):
        return {"concept": concept, "method": method, "identity": identity, "palette": palette}

    first = [row("tom", "none", 0.1, 90.0), row("tom", "joint", 1.0, 10.0)]
    first += [row("mia", "joint", 0.8, 12.0), row("tom", "other", 0.9, 9.0)]
    second = [row("tom", "joint", 0.6, 30.0)]
    places = []
    for seed, rows in ((1, first), (2, second)):
        told = {"command": f"python eval/run.py --set seed={seed}", "seed": seed, "base": "b"}
        place = tmp_path / f"{seed}.json"
        place.write_text(json.dumps({**told, "rows": rows}), encoding="utf-8")
        places.append(place)
    return places


def test_a_concept_of_another_seed_is_another_concept(tables):
    rows = pool(tables).rows
    joint = [row["concept"] for row in rows if row["method"] == "joint"]
    assert joint == ["tom of seed 1", "mia of seed 1", "tom of seed 2"]
    assert rows[-1]["method"] == "none"  # a control comes last


def test_the_page_has_means_worst_concepts_and_differences(tables):
    pooled = pool(tables)
    assert worst(pooled.rows, ["identity", "palette"])["joint"] == {
        "identity": 0.6,
        "palette": 30.0,
    }
    text = text_of(pooled, "Methods", ["identity", "palette"], "joint")
    assert "| joint | 0.800 ± 0.497 | 17.3 ± 27.4 |" in text
    assert "| joint | 0.600 | 30.0 |" in text
    assert "joint 3, other 1, none 1" in text
    # Of one concept there is a difference and no interval.
    assert "| joint - other | +0.100 | +1.0 |" in text


def test_names_and_the_title_are_no_markup(tables):
    told = json.loads(tables[0].read_text(encoding="utf-8"))
    for row in told["rows"]:
        row["method"] = f"<b>{row['method']}|"
    tables[0].write_text(json.dumps(told | {"command": "echo `id` <i>"}), encoding="utf-8")
    text = text_of(pool(tables), "<s> | it", ["identity"], "<b>joint|")
    assert "# &lt;s&gt; \\| it" in text and "| &lt;b&gt;other\\| |" in text
    # What stands in a block of code is shown as it is.
    assert "\n\n    echo `id` <i>\n" in text and "<b>" not in text and "<s>" not in text


def test_a_concept_that_two_tables_have_counts_once(tables):
    assert len(pool([tables[0], tables[0]]).rows) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"base": "other"},
            "2.json: found another base than that of .*1.json. Give tables of one base",
        ),
        ({"rows": [{"concept": "tom"}]}, "2.json: rows.*method"),
        ({"rows": []}, "2.json: rows: found .* expected a list of 1 or more"),
        (
            {"rows": [{"concept": "tom", "method": "joint", "identity": "good"}]},
            r"2.json: rows\[0\].'identity': found 'good', expected a number",
        ),
        ({"command": "python x\n\n# <script>"}, "2.json: command: found .* expected one line"),
        ({"seed": "two"}, "2.json: seed: found 'two'"),
    ],
)
def test_what_is_no_table_is_refused(tables, change, said):
    told = json.loads(tables[1].read_text(encoding="utf-8"))
    tables[1].write_text(json.dumps(told | change), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        pool(tables)


def test_the_program_writes_the_page_and_refuses_an_unknown_method(tables, tmp_path):
    main = runpy.run_path(str(ROOT / "eval/pool.py"))["main"]
    out = tmp_path / "pooled.md"
    main([*map(str, tables), "--out", str(out), "--columns", "identity"])
    assert "python eval/run.py --set seed=2" in out.read_text(encoding="utf-8")
    main([*map(str, tables), "--out", str(out), "--methods", "other", "none"])
    heads = [line.split(" |")[0] for line in out.read_text(encoding="utf-8").splitlines()]
    assert heads.count("| other") == heads.count("| *none*") == 2 and "| joint" not in heads
    for more, said in (
        (["--first", "x"], "--first: found 'x', expected one of"),
        (["--methods", "joint", "x"], "--methods: found 'x', expected one of"),
        (["--methods", "none", "--first", "joint"], "found 'joint', expected one of none"),
        (["--columns", "x"], "found none of x"),
    ):
        with pytest.raises(SystemExit, match=said):
            main([*map(str, tables), "--out", str(out), *more])
