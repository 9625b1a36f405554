"""No field of a concept file's or a checkpoint's header can change unseen."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from pathlib import Path

import pytest
import torch
from flips import flipped
from safetensors.torch import load_file, save_file

from unictoken.learn import checkpoint
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens, Prompts

FIELDS = {"format", *concept_file.HEADER, *concept_file.SOMETIMES, *concept_file.SINCE_2}
# Of every byte: a digit becomes its neighbour, a letter its capital. FLIPS=8 tries all eight.
BITS = range(8) if os.environ.get("FLIPS") == "8" else (0, 5)
# Another value of each field that its shape lets through, so that the digest alone can tell.
OTHER = {
    "name": "ba",
    "class_noun": "cat",
    "method": "other",
    "base": "other",
    "base_fingerprint": "0" * 64,
    "seed": 8,
    "scores": {"recognition": 1.0},
    "origin": "yollava: elsewhere",
    "consent": False,
    "notes": ["It is seen large."],
    "run": "12",
    "source": "34",
    "sections": {"gate": {"bias": 0.75}},
    "counts": {"name": 1, "shared": 3, "generation": 3, "understanding": 1},
    "sha256": "0" * 64,
    "format": 2,
}


@pytest.fixture
def told(base, make_concept) -> ConceptTokens:
    """A concept whose header says everything that one can say."""
    concept = make_concept(shared=2, generation=3, understanding=2)
    prompts = {f.name: "{shared} {name}" for f in dataclasses.fields(Prompts)}
    return dataclasses.replace(
        concept,
        prompts=Prompts(**prompts | {"generation": "{generation} {name}"}),
        scores={"recognition": 0.75},
        notes=("It is seen small.",),
        run="ab",
        source="cd",
        origin="yollava: here",
        consent=True,
        sections={"gate": {"bias": 0.5}},
        bias_out=torch.zeros(len(concept.rows_in)),
    )


@pytest.fixture
def path(told, tmp_path) -> Path:
    return concept_file.save(told, tmp_path / "bo.safetensors")


def same(a, b) -> bool:
    """Whether two of these hold the same, their tensors too."""
    return _equal(vars(a), vars(b))


def _equal(x, y) -> bool:
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(_equal(x[key], y[key]) for key in x)
    return torch.equal(x, y) if torch.is_tensor(x) else x == y


def said_otherwise(path: Path, key: str, change) -> None:
    """The file with one field of its header changed, and the sha256 as it was."""
    header = json.loads(raw_header(path))
    change(header)
    save_file(load_file(path), path, metadata={"unictoken": json.dumps(header, sort_keys=True)})
    assert json.loads(raw_header(path)) == header, key


def raw_header(path: Path) -> str:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]["unictoken"]


def test_the_header_of_this_test_has_every_field(path):
    assert set(json.loads(raw_header(path))) == FIELDS and set(OTHER) | {"prompts"} == FIELDS


@pytest.mark.parametrize("key", sorted(OTHER))
def test_a_field_that_says_something_else_is_refused(path, base, key):
    said_otherwise(path, key, lambda header: header.update({key: OTHER[key]}))
    for read in (concept_file.load, lambda p: concept_file.load(p, base), concept_file.read_header):
        with pytest.raises(concept_file.ConceptError, match="sha256"):
            read(path)


@pytest.mark.parametrize("key", [f.name for f in dataclasses.fields(Prompts)])
def test_a_prompt_that_says_something_else_is_refused(path, key):
    said_otherwise(path, key, lambda header: header["prompts"].update({key: "a {name}"}))
    with pytest.raises(concept_file.ConceptError, match="sha256"):
        concept_file.load(path)


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_a_field_that_is_gone_is_refused(path, key):
    said_otherwise(path, key, lambda header: header.pop(key))
    with pytest.raises(concept_file.ConceptError):
        concept_file.load(path)


def silent_flips(path, load, right, refused) -> tuple[int, list[int]]:
    """The header's length, and the places where a flipped bit is loaded as something else than
    `right`; the file is left whole.
    """
    whole, silent = path.read_bytes(), []
    length = 8 + int.from_bytes(whole[:8], "little")
    for place, bit in itertools.product(range(length), BITS):
        with flipped(path, place, bit):
            try:
                if not same(load(path), right):
                    silent.append(place)
            except refused:
                pass
    assert path.read_bytes() == whole
    return length, silent


@pytest.mark.slow
def test_no_bit_of_a_concept_files_header_flips_unseen(told, path):
    """One that changes nothing (a letter's case in JSON's escapes, a space) may be taken."""
    length, silent = silent_flips(path, concept_file.load, told, concept_file.ConceptError)
    assert length > 1500 and not silent


def test_no_bit_of_a_checkpoints_header_flips_unseen_and_no_field_can_be_gone(tmp_path):
    rows = {name: torch.ones(2, 3, 4) for name in checkpoint.ROWS}
    right = checkpoint.Checkpoint(7, 1000, "run", {**rows, "trainable": torch.ones(3)})
    path = checkpoint.save(right, tmp_path)
    length, silent = silent_flips(
        path, lambda file: checkpoint.load(file, "run"), right, checkpoint.CheckpointError
    )
    assert length > 500 and not silent
    tensors = load_file(path)
    header = json.loads(json.loads(path.read_bytes()[8:length])["__metadata__"][checkpoint.KEY])
    assert set(header) == {"format", "step", "total", "run", "sha256"}
    for key, value in {"format": 1, "step": 8, "total": 999, "run": "other", "sha256": "0"}.items():
        for said in (header | {key: value}, {k: v for k, v in header.items() if k != key}):
            save_file(tensors, path, metadata={checkpoint.KEY: json.dumps(said)})
            with pytest.raises(checkpoint.CheckpointError):
                checkpoint.load(path, said.get("run", "run"))
