"""MMPB of the toy world, in the published layout."""

from unictoken.data.readers import mmpb as layout
from unictoken.data.readers import read
from unictoken.toy.mmpb import PICTURES, write_mmpb


def test_it_is_read_as_the_published_one(tmp_path):
    dataset = read(write_mmpb(tmp_path / "mmpb", seed=1, num_concepts=2))
    assert dataset.layout == "mmpb" and list(dataset.concepts) == ["tom", "mia"]
    for name, records in dataset.records.items():
        kinds = [record.kind for record in records]
        assert (kinds.count("awareness"), kinds.count("overconcept")) == (PICTURES, PICTURES)
        assert kinds.count("inconsistency") == 3 * PICTURES
        assert len(dataset.concepts[name].pictures) == 5
        labels = [item.label for item in dataset.profiles[name]]
        assert labels == [*layout.LENGTHS, "preference"]
        assert {record.labels["category"] for record in records} == {"recognition", "preference"}
    texts = [item.text for item in dataset.profiles["tom"]]
    assert sorted(texts[:4], key=len) == texts[:4], "each length says more"
    assert len(layout.read_turns(dataset.root)) == 8


def test_it_is_a_function_of_the_seed(tmp_path):
    places = [write_mmpb(tmp_path / name, seed=1, num_concepts=1) for name in ("a", "b")]
    files = [
        sorted(f.relative_to(place) for f in place.rglob("*") if f.is_file()) for place in places
    ]
    assert files[0] == files[1]
    assert all((places[0] / f).read_bytes() == (places[1] / f).read_bytes() for f in files[0])
