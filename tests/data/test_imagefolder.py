"""Hugging Face's imagefolder, in and out."""

import json

import layouts
import pytest
from PIL import Image

from unictoken import cli
from unictoken.data.imagefolder import write_imagefolder
from unictoken.data.readers import read
from unictoken.data.records import DataError


def rows_in(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def told(dataset, name) -> list[tuple]:
    return sorted((r.task, r.split, r.question, r.answer) for r in dataset.records[name])


def test_rows_become_concepts_and_records(tmp_path):
    found = read(layouts.imagefolder(tmp_path / "pets"))
    bo, mia = found.concepts.values()
    assert (bo.name, bo.class_noun, len(bo.pictures)) == ("bo", "dog", 2)
    assert bo.facts == ("<bo> has a red hat.",)
    assert bo.about_pictures == (
        (0, "describe the photo.", "<bo> in the snow."),
        (1, "what is <bo> doing?", "sitting"),
    )
    assert [file.name for file in bo.negatives["hard"]] == ["2.png"]
    assert (mia.name, mia.class_noun, len(mia.pictures)) == ("mia", "", 1)
    assert told(found, "bo") == [
        ("caption", "train", "describe the photo.", "<bo> in the snow."),
        ("recognise", "test", "is <bo> here?", "yes"),
        ("vqa", "train", "what is <bo> doing?", "sitting"),
    ]


def test_pictures_without_folders_are_of_one_concept(tmp_path):
    layouts.draw(tmp_path / "Rex" / "0.png")
    layouts.write(tmp_path / "Rex" / "metadata.jsonl", '{"file_name": "0.png", "text": "a dog"}\n')
    found = read(tmp_path / "Rex")
    assert list(found.concepts) == ["rex"] and found.records["rex"][0].answer == "a dog"


def test_what_is_written_is_read_back(tmp_path):
    before = read(layouts.imagefolder(tmp_path / "pets"))
    written = write_imagefolder(before, tmp_path / "out")
    after = read(tmp_path / "out")
    assert after.layout == "imagefolder" and written.rows == 7 and not written.left_out
    for name, concept in before.concepts.items():
        again = after.concepts[name]
        assert len(again.pictures) == len(concept.pictures) and again.facts == concept.facts
        assert again.class_noun == concept.class_noun
        assert sorted(again.about_pictures) == sorted(concept.about_pictures)
        assert {g: len(p) for g, p in again.negatives.items()} == {
            g: len(p) for g, p in concept.negatives.items()
        }
        assert told(after, name) == told(before, name)
    columns = {tuple(row) for row in rows_in(tmp_path / "out" / "train" / "metadata.jsonl")}
    assert len(columns) == 1  # datasets wants the same ones in every row


def test_rows_without_a_picture_and_with_options_are_counted(tmp_path):
    written = write_imagefolder(read(layouts.unifybench(tmp_path / "u")), tmp_path / "out")
    assert written.left_out["text_qa"] == 3 and written.left_out["choice"] >= 3
    assert {"vqa", "recognise"} <= {
        record.task for records in read(tmp_path / "out").records.values() for record in records
    }


def test_a_picture_keeps_no_metadata(tmp_path):
    root = layouts.folder(tmp_path / "bo")
    exif = Image.Exif()
    exif[270] = "a secret"
    Image.new("RGB", (16, 16)).save(root / "0.png", exif=exif)
    write_imagefolder(read(root), tmp_path / "out")
    assert all(b"secret" not in file.read_bytes() for file in (tmp_path / "out").rglob("*.png"))


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("[]", "expected a row such as"),
        ("{}", "expected a 'file_name'"),
        ('{"file_name": "../../x.png"}', "no picture '../../x.png' inside"),
        ('{"file_name": "0.png", "concept": 3}', "expected a name as 'concept'"),
        ('{"file_name": "0.png", "text": ["a"]}', "expected text as 'text'"),
        ('{"file_name": "0.png", "grade": "odd", "question": "a"}', "found the grade 'odd'"),
        ('{"file_name": "0.png", "question": "a?", "answer": "b"}', "has no reference picture"),
        ('{"file_name": "0.png"', "metadata.jsonl:1: cannot be read"),
        ("", "found no row"),
    ],
)
def test_a_broken_row_is_refused_in_one_line(row, match, tmp_path):
    layouts.draw(tmp_path / "bo" / "0.png")
    layouts.write(tmp_path / "bo" / "metadata.jsonl", f"{row}\n" if row else "")
    with pytest.raises(DataError, match=match) as error:
        read(tmp_path / "bo")
    assert "\n" not in str(error.value)


def test_the_command_writes_what_a_dataset_holds(tmp_path, capsys):
    root = layouts.unifybench(tmp_path / "u")
    cli.main(["imagefolder", str(root), "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "rows" in out and "without a picture" in out
    with pytest.raises(SystemExit) as stopped:
        cli.main(["imagefolder", str(root), "--out", str(tmp_path / "out")])
    assert "is there already" in str(stopped.value)


def test_datasets_loads_what_is_written(tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets (280 MB with pyarrow) is not here")
    write_imagefolder(read(layouts.imagefolder(tmp_path / "pets")), tmp_path / "out")
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=cache)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "test": 1}
    first = found["train"][0]
    assert first["image"].size == (16, 16) and first["class_noun"] == "dog"
    assert first["concept"] == "bo" and found["test"][0]["question"] == "is <bo> here?"
