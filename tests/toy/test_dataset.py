import pytest

from unictoken.data.readers import read
from unictoken.data.source import SourceError
from unictoken.toy import concepts
from unictoken.toy import dataset as toy_dataset
from unictoken.toy.world.attributes import PERSON_ATTRIBUTES, THING_ATTRIBUTES
from unictoken.toy.world.descriptions import describe


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


@pytest.fixture(scope="module")
def mixed(small_world, tmp_path_factory):
    """<tom>, a pet, <mia>, a thing, <max>, a person, and <luna>, a pet again."""
    folder = tmp_path_factory.mktemp("mixed") / "bench"
    kinds = ("animal", "object", "person")
    toy_dataset.write_dataset(folder, seed=1, num_concepts=4, kinds=kinds)
    return folder


def test_a_benchmark_has_the_kinds_that_it_was_asked_for_in_turn(mixed):
    found = read(mixed)
    kinds = ["animal", "object", "person", "animal"]
    assert [concept.kind for concept in found.concepts.values()] == kinds
    for i, (concept, kind) in enumerate(zip(found.concepts.values(), kinds, strict=True)):
        own = concepts.toy_concept(1, i, kind=kind)
        assert concept.truth.subject == own.truth.subject
        assert concept.class_noun == own.class_noun
        assert concept.description == f"{own.marker} is {describe(own.truth.subject)}."
        assert concept.facts == own.facts


def test_things_and_people_are_asked_what_pictures_show_of_them(mixed):
    found = read(mixed)
    asked = {
        name: {
            r.question: r.answer
            for task in ("vqa", "text_qa")
            for r in found.select(name, task, split="test")
        }
        for name in ("mia", "max")
    }
    thing, person = (
        concepts.toy_concept(1, i, kind=kind).truth.subject
        for i, kind in ((1, "object"), (2, "person"))
    )
    assert asked["mia"]["what thing is <mia>?"] == f"a {thing.kind}"
    assert not any("wearing" in question or "doing" in question for question in asked["mia"])
    assert asked["max"]["what colour is the shirt of <max>?"] == person.shirt
    assert "what is <max> wearing?" in asked["max"]


def test_the_choices_offered_are_of_the_kind_that_is_asked_about(mixed):
    for name, attributes in (("mia", THING_ATTRIBUTES), ("max", PERSON_ATTRIBUTES)):
        values = {value for of in attributes.values() for value in of}
        for record in read(mixed).select(name, "choice", split="test"):
            assert record.answer in record.options and set(record.options) <= values


def test_a_thing_is_asked_to_be_drawn_on_a_side_and_never_with_its_hat(mixed):
    prompts = list(read(mixed).select("mia", "generate", split="test"))
    assert {r.kind for r in prompts} == {"plain", "explicit"}
    truth = toy_dataset.read_truth(mixed, "mia")
    wished = [truth.prompts[r.question] for r in prompts if r.kind == "explicit"]
    assert all(set(wish) == {"position", "place"} for wish in wished) and truth.facts is None
    assert all(truth.said_in(picture).keys() == {"place"} for picture in truth.scenes)


def test_a_kind_that_nobody_draws_is_refused(tmp_path):
    with pytest.raises(SourceError, match="--kinds: found 'plant', expected some of animal"):
        toy_dataset.write_dataset(tmp_path / "x", seed=1, num_concepts=1, kinds=("plant",))
