"""Clips of a toy concept, and how answers about them are scored."""

from types import SimpleNamespace

import pytest
import torch

from unictoken.toy import clips
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.world.stories import possible_actions


@pytest.fixture(scope="module")
def tom():
    return toy_concept(1, 0, "tom")


@pytest.fixture(scope="module")
def shown(tom):
    return clips.clips_of(tom, seed=1, count=11)


def test_a_look_alike_does_after_the_concept_what_it_did(tom, shown):
    own = truth_of(tom).subject
    for its, other in zip(shown[::2], shown[1::2], strict=True):
        assert its.shows and its.story.actor == own
        assert not other.shows and its.story.action == other.story.action
        there = {m.subject for group in other.story.frames for m in group.members}
        assert own not in there and other.story.actor in there
    done = [clip.story.action for clip in shown[::2]]
    assert set(possible_actions([own])) <= set(done) and len(set(done)) == len(done)


def test_half_of_the_answers_about_existence_are_no_and_what_is_asked_of_a_frame_is_in_it(shown):
    asked = clips.questions_of(shown, "tom")
    existence = [one.answer for one in asked if one.kind == clips.EXISTENCE]
    assert existence == ["yes", "no"] * 11
    walks = shown[0]
    (done,) = [one.answer for one in asked if one.clip == 0 and one.kind == clips.ACTION]
    assert (walks.story.action, done) == ("walk right", "walks to the right")
    # Its side is another one in each frame.
    kinds = {one.kind for one in asked if one.clip == 0}
    assert kinds == {"existence", "name", "action", "appearance"}


def test_shuffled_frames_look_different_and_have_the_same_answers(shown):
    mixed = clips.shuffled(shown, seed=1)
    for before, after in zip(shown, mixed, strict=True):
        frames = before.story.frames
        assert sorted(after.order) == sorted(before.order)
        assert [frames[i] for i in after.order] != list(frames)
    plain, other = (clips.questions_of(each, "tom") for each in (shown, mixed))
    assert [(one.kind, one.answer) for one in plain] == [(one.kind, one.answer) for one in other]


def test_every_kind_is_scored_by_itself_and_frames_are_given_in_their_order(shown, monkeypatch):
    mixed = clips.shuffled(shown, seed=1)
    asked = clips.questions_of(mixed, "tom")
    # Ids that tell the clip and the frame: 2 of each frame.
    ids = [
        torch.tensor([[100 * number + i] * 2 for i in range(len(clip.pictures))])
        for number, clip in enumerate(mixed)
    ]
    orders = {100 * number + clip.order[0]: number for number, clip in enumerate(mixed)}
    right = {(one.clip, one.question): one.answer for one in asked}
    done = {one.clip: one.answer for one in asked if one.kind == clips.ACTION}
    texts = []

    def recognise(rows):
        assert all(len(row) == 2 * len(mixed[orders[int(row[0])]].order) for row in rows)
        # Always yes: half of these are right.
        return [0.9] * len(rows)

    def ask(questions, rows):
        numbers = [orders[int(row[0])] for row in rows]
        for number, row in zip(numbers, rows, strict=True):
            assert [int(i) % 100 for i in row[::2]] == list(mixed[number].order)
        texts.extend(questions)
        return [said(number, text) for number, text in zip(numbers, questions, strict=True)]

    def said(number, text):
        if text == clips.HAPPENS:
            return f"<tom> {done.get(number, 'walks to the right')} in the snow at night."
        return right[number, text] if "wearing" in text else "?"

    chat, way = (
        SimpleNamespace(recognise=recognise, ask=ask),
        SimpleNamespace(names=("tom",), concepts=("its tokens",)),
    )
    monkeypatch.setattr(clips, "Session", lambda base, way: chat)
    scores = clips.score_clips(None, way, mixed, ids, asked)
    # Whoever acts is called by its name: right in half of the clips.
    assert scores == {"existence": 0.5, "name": 0.5, "action": 1, "appearance": 1, "location": 0}
    assert texts.count(clips.HAPPENS) == len(mixed)  # once of each clip
