"""A user is read from labels of pictures and texts; what contradicts itself is refused."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from unictoken.data.opinions import asked_forms, liked, read_user
from unictoken.data.source import SourceError

LIKE, SAY = "would <zoe> like this?", "what does <zoe> say of this?"


def picture(colour: str) -> Image.Image:
    return Image.new("RGB", (16, 16), colour)


def zoe(given, **more):
    return read_user(given, **{"name": "zoe", "consent": True} | more)


@pytest.fixture
def folder(tmp_path):
    for label, colour in (("likes", "red"), ("dislikes", "blue")):
        (tmp_path / "zoe" / label).mkdir(parents=True)
        picture(colour).save(tmp_path / "zoe" / label / "0.png")
    return tmp_path / "zoe"


@pytest.fixture
def rows(folder):
    """Writes a file of rows beside the pictures; gives its place."""

    def write(*said) -> str:
        path = folder / "zoe.json"
        path.write_text(json.dumps(said), encoding="utf-8")
        return str(path)

    return write


def test_folders_of_pictures_are_yes_and_no_to_whether_the_user_would_like_it(folder):
    user = zoe(folder)
    assert (user.kind, user.class_noun, user.consent) == ("user", "person", True)
    assert user.about_pictures == ((0, LIKE, "no"), (1, LIKE, "yes"))
    assert [p.getpixel((0, 0)) for p in user.pictures] == [(0, 0, 255), (255, 0, 0)]
    assert liked(user) == ([1], [])


def test_rows_of_a_file_are_pictures_or_texts_with_any_label(rows):
    user = zoe(
        rows(
            {"picture": "likes/0.png", "label": "likes"},
            {"text": "i live in the snow.", "label": "dislikes"},
            {"text": "i like to eat fish.", "label": "funny"},
            {"picture": "dislikes/0.png", "label": "sad "},
        )
    )
    assert user.about_pictures == ((0, LIKE, "yes"), (1, SAY, "sad"))
    assert user.questions == (
        (f"{LIKE} i live in the snow.", "no"),
        (f"{SAY} i like to eat fish.", "funny"),
    )
    assert asked_forms(user) == {
        "would {name} like this?": ["no", "yes"],
        "what does {name} say of this?": ["funny", "sad"],
    }


def test_pictures_by_label_are_taken_from_memory():
    user = zoe({"likes": [picture("red")], "dislikes": [picture("blue"), picture("green")]})
    assert [label for *_, label in user.about_pictures] == ["yes", "no", "no"]


def test_without_likes_everything_with_a_label_is_what_the_rows_begin_from(rows):
    said = [{"text": "fish", "label": "funny"}, {"picture": "likes/0.png", "label": "sad"}]
    assert liked(zoe(rows(*said))) == ([0], ["fish"])


def test_what_is_said_twice_counts_once(rows):
    once = {"picture": "likes/0.png", "label": "likes"}
    user = zoe(rows(once, once, {"picture": "dislikes/0.png", "label": "dislikes"}))
    assert len(user.pictures) == 2


def test_opposite_labels_of_the_same_pictures_are_another_source(folder):
    user = zoe(folder)
    opposite = replace(user, about_pictures=((0, LIKE, "yes"), (1, LIKE, "no")))
    assert user.digest() != opposite.digest()
    turned = replace(
        user, pictures=user.pictures[::-1], about_pictures=((0, LIKE, "yes"), (1, LIKE, "no"))
    )
    assert user.digest() == turned.digest()  # in another order


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ([{"text": "a", "label": "likes"}], "'likes' alone, expected two labels or more"),
        ([], "found nothing, expected two labels"),
        ([{"label": "likes"}], r"\[0\]: found neither 'picture' nor 'text'"),
        ([{"text": "a", "picture": "b", "label": "likes"}], "found both 'picture' and 'text'"),
        ([{"text": "a", "lable": "likes"}], "label: found nothing, expected this key"),
        ([{"text": "a", "label": "likes"}, {"text": "a", "label": "dislikes"}], "of the same in"),
        ([{"picture": "../other.png", "label": "likes"}], "no picture '../other.png' in"),
        ([{"picture": "no.png", "label": "likes"}], "no picture 'no.png' in"),
    ],
)
def test_rows_that_cannot_be_learned_are_refused_in_one_line(rows, folder, said, refusal):
    picture("green").save(folder.parent / "other.png")
    with pytest.raises(SourceError, match=refusal) as refused:
        zoe(rows(*said))
    assert "\n" not in str(refused.value)


def test_a_folder_without_folders_of_labels_is_refused(folder):
    with pytest.raises(SourceError, match="no folder in it. Expected one of pictures for each"):
        zoe(folder / "likes")


def test_a_user_is_a_person_who_is_asked(folder):
    for noun in (None, "cat"):
        with pytest.raises(SourceError, match="is a person. Learn people who agreed"):
            zoe(folder, consent=False, class_noun=noun)
