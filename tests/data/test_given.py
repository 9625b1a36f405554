"""A concept as its owner gives it."""

from dataclasses import replace

import pytest
from layouts import draw
from PIL import Image

from unictoken.core.pictures import PictureError
from unictoken.core.text import ConceptError
from unictoken.data.concept import Concept
from unictoken.data.source import SourceError, check_learnable
from unictoken.learn.method import Run
from unictoken.learn.optimize import OptimizeRows


@pytest.fixture
def bo(tmp_path):
    files = tuple(tmp_path / f"{i}.png" for i in range(3))
    draw(*files)
    return Concept(
        name="bo",
        class_noun="dog",
        pictures=files,
        facts=("<bo> sings.",),
        negatives={"easy": files[:1]},
    )


def test_a_class_noun_is_kept_as_prompts_say_it():
    assert Concept(name="bo", class_noun="a dog").class_noun == "dog"
    with pytest.raises(ConceptError, match="'bo': class noun ' '. Expected an ordinary word"):
        Concept(name="bo", class_noun=" ")


def test_what_nobody_says_the_kind_of_cannot_be_learned(bo):
    with pytest.raises(SourceError, match="'bo': its dataset does not say what it is. Give its"):
        check_learnable(replace(bo, class_noun=""))


@pytest.mark.parametrize(
    "who", [{"kind": "person"}, {"kind": "user"}, {"class_noun": "singer"}], ids=str
)
def test_a_person_needs_consent_by_kind_or_by_noun(bo, who):
    person = replace(bo, **who)
    with pytest.raises(SourceError, match="'bo': '(person|singer)' is a person"):
        check_learnable(person)
    assert check_learnable(replace(person, consent=True)).consent


@pytest.mark.parametrize(
    "said",
    [
        {"facts": ("<rex> sings.",)},
        {"questions": (("who is <rex>?", "a dog"),)},
        {"about_pictures": ((0, "who is it?", "<rex>"),)},
    ],
    ids=str,
)
def test_a_stranger_in_its_texts_is_refused(bo, said):
    with pytest.raises(ConceptError, match="'bo': '<rex>' is not a concept that is loaded"):
        check_learnable(replace(bo, **said))


@pytest.mark.slow
def test_files_and_pictures_in_memory_are_learned_alike(bo, base, short_method):
    by_file, in_memory = (
        OptimizeRows(short_method).fit(base, [concept], run=Run()).tokens
        for concept in (bo, bo.read())
    )
    assert (by_file.name, by_file.class_noun) == ("bo", "dog") and by_file.rows_in.isfinite().all()
    assert by_file.rows_in.equal(in_memory.rows_in) and by_file.source == in_memory.source


def test_every_method_is_refused_what_may_not_be_learned(bo, base, short_method):
    with pytest.raises(SourceError, match="'bo': 'person' is a person"):
        OptimizeRows(short_method).fit(base, [replace(bo, kind="person")], run=Run())


@pytest.mark.parametrize("part", ["pictures", "crops", "negatives"])
def test_a_picture_that_cannot_be_read_is_refused_before_anything_is_learned(
    bo, base, short_method, tmp_path, part
):
    cut = tmp_path / "cut.png"
    cut.write_bytes(bo.pictures[0].read_bytes()[:-30])
    given = {"easy": (cut,)} if part == "negatives" else (*bo.pictures, cut)

    def engine(learner, stage):
        raise AssertionError("a step is made")

    with pytest.raises(PictureError, match=r"cut\.png: not a readable picture"):
        OptimizeRows(short_method).fit(base, [replace(bo, **{part: given})], run=Run(engine=engine))


def test_a_digest_says_what_is_learned_from_in_any_order(bo):
    turned = replace(bo, pictures=bo.pictures[::-1], facts=())
    assert bo.digest() == turned.digest() == bo.read().digest()
    others = (
        replace(bo, name="rex"),
        replace(bo, class_noun="wolf"),
        replace(bo, pictures=bo.pictures[:2]),
        replace(bo, pictures=(*bo.pictures, Image.new("RGB", (16, 16)))),
    )
    assert bo.digest() not in {other.digest() for other in others}
