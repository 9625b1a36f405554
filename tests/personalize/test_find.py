"""Pictures are found by a prompt with a concept in it."""

import json

import numpy as np
import pytest

import unictoken
from unictoken.cli import main
from unictoken.core.errors import UserError
from unictoken.personalize import gain
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.language import WHERE
from unictoken.toy.world.subjects import hard_negative
from unictoken.toy.world.things import sample_scene

PLACES = ("beach", "snow", "city", "forest")


@pytest.fixture(scope="module")
def chat():
    return unictoken.load("tiny", device="cpu").with_concepts("mia")


@pytest.fixture(scope="module")
def album():
    """Mia in four places, and a look-alike in each."""
    rng, scenes = np.random.default_rng(1), {}
    while len(scenes) < len(PLACES):
        scene = sample_scene(rng)
        if scene.place in PLACES and scene.accessory == "none":
            scenes.setdefault(scene.place, scene)
    mia = truth_of(toy_concept(7, 0, "mia")).subject
    subjects = {True: mia, False: hard_negative(mia, rng)}
    return {
        (place, own): draw(subject, scenes[place])
        for place in PLACES
        for own, subject in subjects.items()
    }


@pytest.mark.slow
def test_the_concept_in_the_place_that_is_said_comes_first(chat, album):
    shown = list(album)
    for place in PLACES:
        found = chat.find(f"<mia> {WHERE[place]}", list(album.values()))
        assert shown[found[0][0]] == (place, True)
        assert sorted(number for number, _ in found) == list(range(len(album)))
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.slow
def test_several_prompts_are_searched_as_each_alone_and_ask_once_for_the_class_noun(
    chat, album, monkeypatch
):
    asked, pictures = [], list(album.values())
    alone = [chat.find(f"<mia> {WHERE[place]}", pictures) for place in PLACES[:2]]
    scores = gain.picture_scores

    def counted(speaker, prompt, ids_NK):
        asked.append(speaker)
        return scores(speaker, prompt, ids_NK)

    monkeypatch.setattr(gain, "picture_scores", counted)
    assert chat.find_each([f"<mia> {WHERE[place]}" for place in PLACES[:2]], pictures) == alone
    assert len(asked) == 3  # the class noun, and each prompt


@pytest.mark.slow
def test_an_empty_prompt_is_refused(chat, album):
    with pytest.raises(UserError, match="prompt: found an empty text"):
        chat.find(" ", list(album.values()))


@pytest.mark.slow
def test_the_command_lists_files_the_best_first(album, tmp_path, capsys):
    for (place, own), picture in album.items():
        picture.save(tmp_path / f"{place}-{own}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    line = ["find", "--concept", "mia", "<mia> in the snow", "--in", str(tmp_path), "--limit", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*line, "--json"])
    said, errors = capsys.readouterr()
    rows = [json.loads(row) for row in said.splitlines()]
    assert ended.value.code == 2 and "broken.png" in errors  # the others are answered
    assert len(rows) == 2 and rows[0]["image"] == str(tmp_path / "snow-True.png")
    assert rows[0]["score"] >= rows[1]["score"]
