"""What others wrote is bounded before it is parsed, and refused in one line."""

import json
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from unictoken.core import reading
from unictoken.core.errors import UserError
from unictoken.core.shapes import (
    Fields,
    Line,
    ListOf,
    MapOf,
    Maybe,
    Number,
    OneOf,
    Text,
    Whole,
    check,
)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "no such file. Expected a letter"),
        (lambda p: p.mkdir(), "found a folder, expected a letter"),
        (lambda p: p.symlink_to("nowhere"), "found a link that leads nowhere, expected a letter"),
        (os.mkfifo, "found no plain file, expected a letter"),
        (lambda p: p.write_bytes(b"\xff\xfe\xfa"), "cannot be read .* Expected a letter"),
    ],
    ids=["nothing", "folder", "link", "fifo", "bytes"],
)
def test_what_is_no_text_file_is_named_for_what_it_is(make, said, tmp_path):
    make(tmp_path / "it")
    with pytest.raises(ValueError, match=said):
        reading.read_text(tmp_path / "it", UserError, "a letter")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "it", "wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(UserError, match=r"it: found 1,099,511,627,776 bytes, expected a JSON file"):
        reading.read_json(tmp_path / "it", UserError)


def test_a_device_is_refused():
    with pytest.raises(UserError, match="/dev/zero: found no plain file, expected a text file"):
        reading.read_text(Path("/dev/zero"), UserError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ('{"a": 1, "a": 1}', "'a' is given twice"),
        ("[" * 5000, "more than 32 brackets"),
        ("[" * 33 + "]" * 33, "more than 32 brackets"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "'1e999' is too large a number"),
        ("[" + "9" * 5000 + "]", "is too large a number"),
        ('["\\ud800"]', "half a surrogate pair"),
        ("[" + "[]," * 1_000_001 + "0]", "1,000,002 brackets, more than 1,000,000"),
    ],
)
def test_what_only_looks_like_json_is_refused(tmp_path, text, said):
    (tmp_path / "it.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"it.json: cannot be read .*{said}.*Expected a JSON file"):
        reading.read_json(tmp_path / "it.json", UserError)


@pytest.mark.parametrize(
    "value", [None, [1, 2.5, -1e300], {"a": {"b": ["[[[[[", "}}", 'a"b', "\\"]}}, "\U0001f436"]
)
def test_json_comes_back(value):
    assert reading.parse_json(json.dumps(value)) == value


def test_brackets_in_texts_are_no_depth():
    assert reading.parse_json(json.dumps(["[" * 1000, '"' + "{" * 1000])) == [
        "[" * 1000,
        '"' + "{" * 1000,
    ]


def test_lines_are_read_one_by_one_and_a_cut_one_is_left_out(tmp_path):
    file = tmp_path / "it.jsonl"
    file.write_text('{"a": 1}\n2\n{"cut', encoding="utf-8")
    assert list(reading.read_json_lines(file, UserError, "numbers")) == [
        (f"{file}:1", {"a": 1}),
        (f"{file}:2", 2),
    ]
    file.write_text('1\n{"a": [[[\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"it.jsonl:2: .*Expected numbers; remove the line"):
        list(reading.read_json_lines(file, UserError, "numbers"))
    assert list(reading.read_json_lines(tmp_path / "none", UserError, "numbers")) == []


# ---- safetensors ------------------------------------------------------------------------------


def test_a_safetensors_header_is_read_without_its_numbers(tmp_path):
    arrays = {
        "a": np.zeros((2, 3), np.float32),
        "b": np.zeros((0, 5), np.uint8),
        "c": np.ones(3, bool),
    }
    save_file(arrays, tmp_path / "it.safetensors", metadata={"x": "y"})
    header = reading.read_safetensors_header(tmp_path / "it.safetensors", UserError, "weights")
    assert header.metadata == {"x": "y"}
    assert {name: (t.dtype, t.shape) for name, t in header.tensors.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("U8", (0, 5)),
        "c": ("BOOL", (3,)),
    }


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ([], "no mapping"),
        ({"a": 3}, "is no tensor"),
        ({"a": entry(shape=[3])}, "other bytes than its shape asks for"),
        ({"a": entry(shape=[2**61, 2**61])}, "other bytes"),
        ({"a": entry(shape=[-2])}, "no such dtype"),
        ({"a": entry(dtype="F0")}, "other bytes"),
        ({"a": entry(dtype="E7")}, "no such dtype"),
        ({"a": entry(data_offsets=[0, 8, 8])}, "no such dtype"),
        ({"a": entry(), "b": entry()}, "over one another"),
        ({"a": entry(shape=[1], data_offsets=[0, 4])}, "end at byte"),
        ({"a": entry(), "__metadata__": {"x": 1}}, "more than texts"),
    ],
)
def test_a_safetensors_header_that_does_not_fit_its_file_is_refused(tmp_path, header, said):
    text = json.dumps(header).encode()
    (tmp_path / "it").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(
        UserError, match=f"it: not a whole safetensors file .*{said}.*fetch or make"
    ):
        reading.read_safetensors_header(tmp_path / "it", UserError, "weights")


def test_a_safetensors_header_longer_than_its_file_is_not_waited_for(tmp_path):
    (tmp_path / "it").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(
        UserError, match="a header of 1,152,921,504,606,846,976 bytes in a file of 10"
    ):
        reading.read_safetensors_header(tmp_path / "it", UserError, "weights")


# ---- shapes -----------------------------------------------------------------------------------

PET = Fields(
    {"name": Line(8), "legs": Whole(0, 8)},
    {
        "tags": ListOf(Text(3), 2),
        "owner": Maybe(Text()),
        "sizes": MapOf(Number()),
        "kind": OneOf(("cat", "dog")),
    },
)


def test_a_value_of_its_shape_is_given_back():
    pet = {
        "name": "bo",
        "legs": 4,
        "tags": ["a"],
        "owner": None,
        "sizes": {"x": 0.5},
        "kind": "dog",
    }
    assert check(pet, PET, "here", UserError) is pet


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a\nb"}, "here: name: found 'a.nb', expected one line of text. Mend it."),
        ({"name": "x" * 9}, "expected one line of at most 8 letters"),
        ({"legs": True}, "here: legs: found True, expected a whole number from 0 to 8"),
        ({"legs": 4.0}, "expected a whole number"),
        ({"legs": None}, "legs: found nothing, expected a whole"),
        ({"tags": ["a", "b", "c"]}, "expected a list of at most 2"),
        (
            {"tags": ["abcd"]},
            r"here: tags\[0\]: found 'abcd', expected a text of at most 3 letters",
        ),
        ({"sizes": {"x": float("nan")}}, "here: sizes.'x': found nan, expected a number"),
        ({"sizes": {"x": float("inf")}}, "expected a number"),
        ({"kind": ["cat"]}, "expected one of cat, dog"),
        ({"hat": 1}, "here: found 'hat', expected one of the keys name, legs"),
    ],
)
def test_a_value_of_another_shape_is_refused_with_its_place(change, said):
    pet = {"name": "bo", "legs": 4} | change
    with pytest.raises(UserError, match=said) as refused:
        check(pet, PET, "here", UserError)
    assert "\n" not in str(refused.value)


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="here: legs: found nothing, expected this key to be there"):
        check({"name": "bo"}, PET, "here", UserError)


def test_a_bomb_of_brackets_takes_no_time(tmp_path):
    began = time.process_time()
    for text in ("[" * 10**7, '"' * 10**7, '{"a":' * 10**6, "[" * 40 + '"' + "\\" * 10**7):
        with pytest.raises(ValueError):
            reading.parse_json(text)
    assert time.process_time() - began < 5
