"""Who is a person, by a class noun; of what is no known word its owner is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from unictoken.core import config
from unictoken.data.kinds import PEOPLE, THINGS, is_person, is_thing
from unictoken.data.rap import read_memory, write_memory
from unictoken.data.source import SourceError, check_learnable, read_concept
from unictoken.learn.settings import RunConfig
from unictoken.toy.world.attributes import SPECIES
from unictoken.toy.world.attributes import THINGS as TOY_THINGS

# Words of other languages, other scripts, titles, trades and nicknames: none is in a list.
PEOPLE_IN_OTHER_WORDS = [
    "abuelita", "Frau", "mi novia", "femme", "bambino", "obaasan", "\u5973\u306e\u4eba", "\u043c\u0443\u0436\u0447\u0438\u043d\u0430",
    "\u0627\u0645\u0631\u0623\u0629", "ballerina", "beekeeper", "bestie", "hottie", "dog lover", "mr smith", "womanizer", "garfield",
    "Frau and dog", "abuelita with a cat", "b\u043ey", "w o m a n",
]  # fmt: skip
# The same words with letters that nobody sees, or in other forms of the same letters.
PEOPLE_IN_DISGUISE = [
    "gr\u034fandma", "wo\u3164man", "\uff57\uff4f\uff4d\uff41\uff4e", "wom\ufe0fan", "\U0001d428ld \U0001d426\U0001d41a\U0001d427", "gra\u0301ndma", "wo\u115fman",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "0.png")
    return tmp_path


@pytest.mark.parametrize("noun", PEOPLE_IN_OTHER_WORDS)
def test_of_a_noun_that_is_no_known_word_the_kind_is_asked(folder, noun):
    with pytest.raises(SourceError, match="is no word that is known here.*kind: object.*--consent"):
        read_concept(folder, name="bo", class_noun=noun)
    assert read_concept(folder, name="bo", class_noun=noun, kind="object").kind == "object"
    assert read_concept(folder, name="bo", class_noun=noun, consent=True).consent
    with pytest.raises(SourceError, match="'person' is a person"):
        read_concept(folder, name="bo", class_noun=noun, kind="person")


@pytest.mark.parametrize("noun", PEOPLE_IN_DISGUISE)
def test_a_person_is_known_behind_invisible_letters_and_other_forms_of_letters(folder, noun):
    assert is_person(noun)
    with pytest.raises(SourceError, match="is a person"):
        read_concept(folder, name="bo", class_noun=noun)


@pytest.mark.parametrize("noun", ["woman", "old man", "singer"])
def test_a_word_for_people_needs_consent_whatever_kind_is_said(folder, noun):
    with pytest.raises(SourceError, match=f"'{noun}' is a person"):
        read_concept(folder, name="bo", class_noun=noun, kind="object")


@pytest.mark.parametrize("noun", [
    "dog", "Dog", "old dog", "my dog", "robot dog", "mug with a flag", "dogs", "geese", "wolves", "pink sunglasses", "hot_dog", "iPhone 15", "caf\u00e9",
    "backpack", "stuffed animal", "teapot", "rubik's cube", "german shepherd", "toy soldier", "grandfather clock", "cat and dog", "statue of a woman's head",
    *SPECIES, *TOY_THINGS,
])  # fmt: skip
def test_known_words_pass_by_what_they_are_about(folder, noun):
    assert is_thing(noun) == (not is_person(noun))
    if is_thing(noun):
        assert read_concept(folder, name="bo", class_noun=noun).kind is None


@pytest.mark.slow
def test_a_noun_of_many_letters_is_looked_up_once():
    """It would take minutes where each of its letters began a search to its end."""
    for noun in (
        "a" * 200_000,
        " " * 200_000,
        "step" * 50_000,
        "'" * 200_000,
        "a-" * 100_000,
    ):
        assert not is_person(noun) and not is_thing(noun)


def test_no_word_is_a_persons_and_a_things():
    assert not PEOPLE & THINGS


def test_a_dataset_that_says_the_kind_needs_no_known_word(folder):
    concept = read_concept(folder, name="bo", class_noun="wug", kind="animal")
    assert check_learnable(concept) is concept
    with pytest.raises(SourceError, match="'wug' is no word that is known here"):
        check_learnable(replace(concept, kind=None))


def test_a_memory_asks_for_the_kind_too(folder):
    place = write_memory([read_concept(folder, name="bo", class_noun="wug", kind="object")], folder / "memory")  # fmt: skip
    with pytest.raises(SourceError, match="'wug' is no word that is known here"):
        read_memory(place)
    assert read_memory(place, kind="object")[0].class_noun == "wug"


def test_a_config_says_the_kind_and_only_one_of_three(folder):
    said = {"concept": {"name": "bo", "pictures": [str(folder)], "kind": "animal"}}
    assert config.build(RunConfig, said, "it").concept.kind == "animal"
    said["concept"]["kind"] = "style"
    with pytest.raises(config.ConfigError, match="concept: kind: .*object, animal, person"):
        config.build(RunConfig, said, "it")
