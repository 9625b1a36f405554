import dataclasses
import json

import pytest
import torch
from flips import flipped
from safetensors.torch import load_file, save_file

from unictoken.core.text import ConceptError
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import UNKNOWN, ConceptTokens, Prompts

pytestmark = pytest.mark.real


@pytest.fixture
def path(bo, tmp_path):
    return concept_file.save(bo, tmp_path / "bo.safetensors")


def same(a: ConceptTokens, b: ConceptTokens) -> bool:
    rows_equal = torch.equal(a.rows_in, b.rows_in) and torch.equal(a.rows_out, b.rows_out)
    fields = [
        f.name for f in dataclasses.fields(a) if f.name not in ("rows_in", "rows_out", "counts")
    ]
    return rows_equal and all(getattr(a, name) == getattr(b, name) for name in fields)


def as_format_1(path, base, **changes) -> None:
    """The file as the version before wrote it."""
    new = {"format": 1, "base_fingerprint": base.row_fingerprints[0]}
    rewrite(path, lambda header: header.update(new | changes))


def rewrite(path, change_header=lambda header: None, change_tensors=lambda tensors: None) -> None:
    """The file with another header and other tensors; its sha256 is that of what it then holds."""
    header, tensors = concept_file.read_header(path), load_file(path)
    change_tensors(tensors)
    change_header(header)
    if "sha256" in header:
        with_header = header.get("format") == concept_file.FORMAT
        own = concept_file.digest_with_header(header, tensors) if with_header else None
        header["sha256"] = own or concept_file.digest(tensors)
    save_file(tensors, path, metadata={"unictoken": json.dumps(header)})


def refused(path, base, match: str) -> None:
    with pytest.raises(ConceptError, match=match) as error:
        concept_file.load(path, base)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_concept_comes_back_exactly(base, make_concept, tmp_path):
    concept = dataclasses.replace(
        make_concept("bo", generation=2, understanding=3),
        prompts=Prompts(generation=None, understanding_answer="{understanding}"),
        method="yochameleon",
        seed=7,
        scores={"recognition": 0.75},
    )
    loaded = concept_file.load(concept_file.save(concept, tmp_path / "bo.safetensors"), base)
    assert same(concept, loaded)
    assert loaded.counts == {"name": 1, "shared": 0, "generation": 2, "understanding": 3}


def test_the_same_concept_gives_the_same_bytes(bo, path, base, tmp_path):
    again = concept_file.save(concept_file.load(path, base), tmp_path / "again.safetensors")
    assert again.read_bytes() == path.read_bytes() == concept_file.save(bo, path).read_bytes()


def test_nothing_but_the_file_is_left_behind(path):
    assert list(path.parent.iterdir()) == [path]


def test_the_header_tells_what_is_inside(path, base):
    header = concept_file.read_header(path)
    assert header["counts"] == {"name": 1, "shared": 4, "generation": 0, "understanding": 0}
    assert (header["format"], header["name"], header["class_noun"], header["base_fingerprint"]) == (
        3,
        "bo",
        "dog",
        base.fingerprint,
    )
    assert {key: tuple(t.shape) for key, t in load_file(path).items()} == {
        "in.name": (1, 32),
        "in.shared": (4, 32),
        "out.name": (1, 32),
        "out.shared": (4, 32),
    }


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_cut_file_is_refused(path, base, kept):
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, base, "not a whole safetensors file")


def test_a_flipped_byte_is_noticed(path, base):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    refused(path, base, "do not match the sha256")


def test_a_byte_of_the_header_that_flips_is_noticed_or_means_nothing(bo, base, tmp_path):
    """Every byte of it; that of a space or of the length of spaces changes nothing."""
    told = dataclasses.replace(
        bo, scores={"recognition": 0.75}, notes=("It is seen small.",), run="ab", source="cd"
    )
    path = concept_file.save(told, tmp_path / "bo.safetensors")
    length = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    unseen = []
    for place in range(length):
        with flipped(path, place, place % 8):
            try:
                if not same(concept_file.load(path, base), told):
                    unseen.append(place)
            except ConceptError:
                pass
    assert length > 900 and not unseen


@pytest.mark.parametrize("older", [1, 2])
def test_files_of_older_formats_are_read(bo, base, path, older):
    fingerprint = base.row_fingerprints[0] if older == 1 else base.fingerprint
    rewrite(path, lambda header: header.update(format=older, base_fingerprint=fingerprint))
    assert same(concept_file.load(path, base), bo)


def test_a_newer_file_that_calls_itself_older_is_refused(path, base):
    data = path.read_bytes()
    assert data.count(b'format\\": 3') == 1
    path.write_bytes(data.replace(b'format\\": 3', b'format\\": 2'))
    refused(path, base, "its rows do not match the sha256")


def test_a_header_is_checked_by_who_reads_nothing_else(path):
    path.write_bytes(path.read_bytes().replace(b"joint", b"jOint"))
    with pytest.raises(ConceptError, match="its rows or its header do not match the sha256"):
        concept_file.read_header(path)


def test_a_file_that_is_not_there_is_refused(base, tmp_path):
    refused(tmp_path / "nobody.safetensors", base, "no such file")


def test_another_safetensors_file_is_refused(base, tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", base, "without a 'unictoken' header")


def test_a_header_that_is_no_json_is_refused(path, base):
    save_file(load_file(path), path, metadata={"unictoken": "{"})
    refused(path, base, "not JSON")


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"format": 1},
        {"format": 1, "name": 3},
        {"format": 1, "name": "bo", "counts": 4},
        {"format": 1, "name": "bo", "counts": {"name": "many"}},
        {"format": 1, "name": "bo", "counts": {}},
        {"format": 1, "name": "bo", "counts": {"shared": 4}},
    ],
)
def test_a_header_that_lacks_what_is_needed_is_refused(path, base, header):
    save_file(load_file(path), path, metadata={"unictoken": json.dumps(header)})
    refused(path, base, "header")


@pytest.mark.parametrize(
    "change",
    [
        {"reference_picture": "x" * 1000},
        {"counts": {"name": 1, "shared": 4, "face": 2}},
        {"counts": {"name": True, "shared": 4}},
        {"seed": True},
        {"format": True},
        {"format": [2]},
        {"notes": "a text"},
        {"notes": [3]},
        {"notes": [" "]},
        {"notes": ["two\nlines"]},
        {"sections": []},
        {"run": 3},
        {"source": None},
        {"scores": {"recognition": float("nan")}},
        {"scores": {"recognition": [0.5]}},
        {"class_noun": " "},
        {"class_noun": "dog\n---\n# evil"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_header_that_says_what_no_concept_says_is_refused(path, base, change):
    rewrite(path, lambda header: header.update(change))
    refused(path, base, "header|class noun|format")


@pytest.mark.parametrize(
    "text", ['{"format": 1, "format": 1}', "[" * 100_000, '{"format": ' + "1" * 5000 + "}"]
)
def test_a_header_that_only_looks_like_json_is_refused(path, base, text):
    save_file(load_file(path), path, metadata={"unictoken": text})
    refused(path, base, "header is not JSON with every key once")


@pytest.mark.parametrize(
    "prompt", [{"understanding": 5}, {"understanding": None}, {"generation": ["{name}"]}]
)
def test_a_prompt_that_is_no_text_is_refused(path, base, prompt):
    rewrite(path, lambda header: header["prompts"].update(prompt))
    refused(path, base, f"header: prompts.{next(iter(prompt))}: found .*, expected a text")


def test_a_prompt_with_a_slot_of_no_role_is_refused(path, base):
    rewrite(path, lambda header: header["prompts"].update(subject="{foo}"))
    refused(path, base, "prompt 'subject' in its header says '{foo}'; known: ")


@pytest.mark.parametrize("key", ["sha256", "prompts", "base_fingerprint", "method", "scores"])
def test_a_header_without_a_key_is_refused(path, base, key):
    rewrite(path, lambda header: header.pop(key))
    refused(path, base, key)


def test_unknown_prompts_are_refused(path, base):
    rewrite(path, lambda header: header["prompts"].update(farewell="bye"))
    refused(path, base, "farewell")


def test_a_newer_format_is_refused(path, base):
    rewrite(path, lambda header: header.update(format=4))
    refused(path, base, "format 4, this version reads formats 1 to 3")


def test_a_concept_of_another_base_is_refused(path, base):
    rewrite(path, lambda header: header.update(base="far", base_fingerprint="f" * 64))
    refused(path, base, "learned on base 'far' .ffffffffffff., this one is 'tiny'")
    assert concept_file.load(path).name == "bo"


@pytest.mark.parametrize(
    ("key", "shape"), [("in.name", (2, 32)), ("in.shared", (4, 16)), ("out.shared", (128,))]
)
def test_rows_of_another_shape_are_refused(path, base, key, shape):
    rewrite(path, change_tensors=lambda tensors: tensors.update({key: torch.zeros(shape)}))
    refused(path, base, f"'{key}' has shape")


def test_rows_of_several_widths_are_refused_without_a_base_too(path):
    rewrite(path, change_tensors=lambda tensors: tensors.update({"in.shared": torch.zeros(4, 16)}))
    refused(path, None, r"'in.shared' has shape \(4, 16\), expected \(4, 32\)")


def test_rows_of_another_type_are_refused(path, base):
    rewrite(
        path,
        change_tensors=lambda tensors: tensors.update(
            {"in.shared": torch.zeros(4, 32, dtype=torch.int32)}
        ),
    )
    refused(path, base, "'in.shared' is of type I32, expected F32")


def test_a_bias_belongs_to_every_role_or_to_none(path):
    rewrite(path, change_tensors=lambda tensors: tensors.update({"bias.name": torch.zeros(1)}))
    refused(path, None, "its header promises .*'bias.shared'")


def test_an_origin_that_is_no_text_is_refused(path):
    rewrite(path, lambda header: header.update(origin=["yollava"]))
    refused(path, None, "header: origin: found .*, expected a text")


def test_a_concept_that_was_learned_here_says_no_origin(path):
    assert "origin" not in concept_file.read_header(path)


def test_rows_that_are_not_finite_are_refused(path, base):
    rewrite(path, change_tensors=lambda tensors: tensors["out.name"].fill_(torch.nan))
    refused(path, base, "not finite")


@pytest.mark.parametrize(
    "change",
    [lambda t: t.pop("out.shared"), lambda t: t.update({"in.generation": torch.zeros(1, 32)})],
)
def test_tensors_that_the_header_does_not_promise_are_refused(path, base, change):
    rewrite(path, change_tensors=change)
    refused(path, base, "its header promises")


@pytest.mark.parametrize("name", ["../x", "a/b", "Bo", "", ".bo", "bo ", "bo\n", "é", "x" * 65])
def test_names_that_climb_out_or_cannot_be_typed_are_refused(bo, name, tmp_path):
    with pytest.raises(ConceptError, match="expected 1 to 64 of a-z"):
        concept_file.path_of(name, tmp_path)
    with pytest.raises(ConceptError):
        concept_file.save(dataclasses.replace(bo, name=name), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_file_that_names_a_climbing_concept_is_refused(path, base):
    rewrite(path, lambda header: header.update(name="../x"))
    with pytest.raises(ConceptError, match="'../x'"):
        concept_file.load(path, base)


@pytest.mark.parametrize("name", ["bo", "my-dog_2", "9", "x" * 64])
def test_ordinary_names_are_kept_inside_the_folder(name, tmp_path):
    assert concept_file.path_of(name, tmp_path) == tmp_path / f"{name}.safetensors"


def test_a_class_noun_is_written_without_its_article(bo, tmp_path):
    path = concept_file.save(
        dataclasses.replace(bo, class_noun="a_dog"), tmp_path / "bo.safetensors"
    )
    assert concept_file.read_header(path)["class_noun"] == "dog"


# ---- formats ----------------------------------------------------------------------------------------


def test_what_only_format_2_keeps_comes_back_as_it_was(bo, base, tmp_path):
    sections = {
        "memory": {"facts": ["<bo> sleeps."], "weights": [0.5, None, {"é": True}]},
        "empty": {},
    }
    told = dataclasses.replace(
        bo, notes=("one line", "another"), run="ab" * 8, source="cd" * 8, sections=sections
    )
    path = concept_file.save(told, tmp_path / "bo.safetensors")
    assert same(concept_file.load(path, base), told)
    again = concept_file.save(concept_file.load(path), tmp_path / "again.safetensors")
    assert again.read_bytes() == path.read_bytes()
    assert concept_file.read_header(again)["sections"] == sections


def test_a_concept_with_nothing_more_to_say_has_no_more_keys(path):
    assert not set(concept_file.read_header(path)) & set(concept_file.SINCE_2)


def test_a_file_of_format_1_loads_with_one_line_and_is_saved_as_format_3(
    bo, base, path, tmp_path, caplog
):
    as_format_1(path, base)
    loaded = concept_file.load(path, base)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its base is known by embedding and head only (format 1): whether the layers and"
        " the image tokenizer of 'tiny' are the same, it cannot tell. Learn it again, or save what"
        " is loaded, to have format 3."
    ]
    assert same(loaded, bo)
    renewed = concept_file.save(loaded, tmp_path / "renewed.safetensors")
    assert concept_file.read_header(renewed)["format"] == 3
    caplog.clear()
    assert same(concept_file.load(renewed, base), bo) and not caplog.records


def test_a_file_of_format_1_says_nothing_on_other_processes(base, path, caplog, monkeypatch):
    monkeypatch.setattr("unictoken.core.progress._hidden", True)
    as_format_1(path, base)
    assert concept_file.load(path, base).name == "bo" and not caplog.records


def test_a_file_of_format_1_that_is_saved_without_its_base_still_knows_how_little_it_knows(
    bo, base, path, caplog
):
    """As publishing does it."""
    as_format_1(path, base)
    concept_file.save(concept_file.load(path), path)
    assert not caplog.records and concept_file.read_header(path)["format"] == 3
    assert same(concept_file.load(path, base), bo) and "format 1" in caplog.text


@pytest.mark.parametrize("loaded_in", [0, 1], ids=["fp32", "bf16"])
def test_a_file_of_format_1_is_taken_whatever_its_base_was_loaded_in(base, path, loaded_in):
    as_format_1(path, base, base_fingerprint=base.row_fingerprints[loaded_in])
    assert concept_file.load(path, base).name == "bo"


@pytest.mark.parametrize("fingerprint", ["f" * 64, "the base's own"])
def test_a_file_of_format_1_of_other_rows_is_refused(base, path, fingerprint):
    """The new fingerprint is none of format 1's."""
    as_format_1(
        path, base, base_fingerprint=fingerprint.replace("the base's own", base.fingerprint)
    )
    refused(
        path,
        base,
        rf"learned on base 'tiny' \(.*this one is 'tiny' \({base.row_fingerprints[0][:12]}\)",
    )


@pytest.mark.parametrize("key", ["notes", "sections", "run", "source"])
def test_a_file_of_format_1_has_no_key_of_format_2(base, path, key):
    as_format_1(path, base, **{key: {"notes": [], "sections": {}}.get(key, "ab")})
    refused(path, base, f"header: found '{key}', expected one of the keys")


def test_imported_rows_of_an_unknown_base_stay_unknown_in_both_formats(base, path):
    as_format_1(path, base, base_fingerprint=UNKNOWN, origin="yollava: a.pt")
    refused(path, base, "the base that it was learned on is not known")
    concept_file.save(concept_file.load(path), path)
    refused(path, base, "the base that it was learned on is not known")


def test_numbers_of_rows_are_compared_by_role(path):
    concept_file.check_counts(path, {"name": 1, "shared": 4, "generation": 0}, where="here")
    with pytest.raises(
        ConceptError,
        match="here: .*bo.safetensors has 1 name, 4 shared rows, the method has 1 name, 3",
    ):
        concept_file.check_counts(path, {"name": 1, "shared": 3}, where="here")
