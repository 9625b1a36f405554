import pytest

from unictoken.data.readers import read
from unictoken.data.source import SourceError
from unictoken.toy import concepts
from unictoken.toy import dataset as toy_dataset


def test_the_toy_benchmark_reads_as_unifybench(dataset):
    found = read(dataset)
    assert (
        found.layout == "unifybench"
        and list(found.concepts) == ["tom", "mia"]
        and found.notes == ()
    )
    concept, own = found.concepts["tom"], concepts.toy_concept(1, 0)
    assert (
        concept.truth.subject == own.truth.subject
        and concept.class_noun == own.truth.subject.species
        and len(concept.pictures) == 5
    )
    counts = {
        task: len(found.select("tom", task, split="test"))
        for task in ("recognise", "vqa", "text_qa", "choice", "generate")
    }
    assert counts == {"recognise": 8, "vqa": 24, "text_qa": 11, "choice": 2, "generate": 3}
    assert {r.grade for r in found.select("tom", "recognise", split="test")} == {
        None,
        "easy",
        "hard",
        "near_duplicate",
    }
    assert [r.kind for r in found.select("tom", "generate", split="test")] == [
        "plain",
        "explicit",
        "knowledge",
    ]


def test_a_concept_of_the_dataset_is_learned_from_what_the_concept_in_memory_is(dataset):
    concept, own = read(dataset).concepts["tom"].read(), concepts.toy_concept(1, 0)
    assert [p.tobytes() for p in concept.pictures] == [p.tobytes() for p in own.pictures]
    assert (concept.facts, concept.questions) == (own.facts, own.questions)
    assert {grade: len(found) for grade, found in concept.negatives.items()} == {
        "easy": 5,
        "hard": 2,
        "near_duplicate": 2,
    }


def test_its_truth_stands_beside_it(dataset):
    truth, own = toy_dataset.read_truth(dataset, "tom"), concepts.toy_concept(1, 0)
    facts = own.truth.facts
    assert truth.facts == facts and truth.hat == {
        "accessory": facts.hat,
        "accessory_colour": facts.hat_colour,
    }
    explicit = next(
        prompt for prompt in truth.prompts if "its hat" not in prompt and "wearing" in prompt
    )
    wished = truth.prompts[explicit]
    assert all(value in explicit for value in wished.values())
    assert toy_dataset.read_truth(dataset, "bo") is None


def test_the_benchmark_of_a_seed_is_always_the_same(dataset, small_world, tmp_path):
    toy_dataset.write_dataset(tmp_path / "again", seed=1, num_concepts=2)
    files = sorted(p.relative_to(dataset) for p in dataset.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    assert all(
        (dataset / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files
    )


def test_a_folder_that_is_there_is_not_written_over(dataset):
    with pytest.raises(SourceError, match="is there already"):
        toy_dataset.write_dataset(dataset, seed=2, num_concepts=2)
