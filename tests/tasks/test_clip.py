"""Clips of a dataset are asked about with their frames in order, and shuffled as the control."""

from __future__ import annotations

import sys

import layouts
import numpy as np
import pytest
import torch
from PIL import Image

from unictoken import tasks
from unictoken.core.config import ConfigError
from unictoken.core.pictures import read_picture
from unictoken.data.clips import ClipError, another_order
from unictoken.data.readers import read
from unictoken.measure.lengths import check_test
from unictoken.measure.scores import scores
from unictoken.personalize import condition
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.query import Query
from unictoken.personalize.words import in_words
from unictoken.tasks import predictions
from unictoken.tasks.trial import Trial, make_ready

# What layouts.pvchat draws, of which frames 0, 2, 3 and 5 are asked about.
SHOWN = {"b_2": ["navy", "red", "green", "orange"], "c_3": ["purple", "navy", "olive", "green"]}
THEN = " then ".join
FREE = {
    "What is <sks> doing in this clip?": THEN(SHOWN["b_2"]),  # needs the order
    "What is <sks> wearing?": "something green",  # the first by name: needs none
    "Where is <sks>?": "a garden",  # the base never says it
    "How many are there?": "4 then 0",  # one word of three
}


def video(name: str, *, positive: bool, said: str = "", free=FREE) -> dict:
    pairs = [{"question": "Is <sks> here?", "answer": "Yes, <sks> is.", "is_special": True}]
    pairs += [{"question": q, "answer": a} for q, a in free.items() if positive]
    path = f"/root/tmp/videos/{name}.mp4"
    return {"video_path": path, "sks_present": said, "is_positive": positive, "qa_pairs": pairs}


@pytest.fixture
def pvchat(tmp_path):
    """Two clips of six frames, and one that stands still."""
    root = layouts.pvchat(tmp_path / "ann")
    for i in range(3):
        layouts.draw(root / "videos" / "still" / f"{i}.jpg")
    videos = [video("b_2", positive=True), video("c_3", positive=False)]
    videos.append(video("still", positive=True, free={"Where is <sks>?": "red then red then red"}))
    layouts.write(root / "test_all_video.json", {"data": videos})
    return root


@pytest.fixture
def watcher(base, tmp_path, monkeypatch):
    """What the tests' base says, by the frames of a prompt: the colours in the order shown. Whoever
    is asked about is there where one clip's frames are in its order.
    """
    files = [tmp_path / "colours" / f"{i}.jpg" for i in range(len(layouts.COLOURS))]
    layouts.draw(*files)
    ids_NK = base.encode(map(read_picture, files)).tolist()
    of_ids = {tuple(ids): colour for ids, colour in zip(ids_NK, layouts.COLOURS, strict=True)}
    assert len(of_ids) == len(layouts.COLOURS)
    batches = []

    def colours(prompt):
        starts = [i + 1 for i, one in enumerate(prompt) if one == base.vocab.begin_image]
        return [of_ids[tuple(prompt[i : i + base.codes_per_picture])] for i in starts]

    def say(speaker, prompts, **how):
        batches.append(("says", [colours(prompt) for prompt in prompts]))
        return [base.vocab.encode(answer(prompt)) for prompt in prompts]

    def answer(prompt):
        asked, seen = base.vocab.decode(prompt), colours(prompt)
        if "wearing" in asked:
            return f"something {min(seen)}"
        return f"{len(seen)} of them" if "how many" in asked.lower() else THEN(seen)

    def next_logits(speaker, prompts):
        batches.append(("agrees", [colours(prompt) for prompt in prompts]))
        yes, no = (base.vocab.encode(word)[0] for word in ("yes", "no"))
        found = torch.zeros(len(prompts), base.vocab.size)
        for row, (_, seen) in zip(found, zip(prompts, batches[-1][1], strict=True), strict=True):
            row[yes if seen in (SHOWN["b_2"], ["red"] * 3) else no] = 9.0
        return found

    monkeypatch.setattr(condition, "sample_text", say)
    monkeypatch.setattr(condition, "next_logits", next_logits)
    return batches


def trial_of(base, root, personalization, tmp_path, seed=0) -> Trial:
    return Trial(
        method="m",
        base=base,
        personalization=personalization,
        subject=make_ready(base, read(root), "ann"),
        judge=None,
        drawings=tmp_path / "pictures",
        seed=seed,
    )


@pytest.fixture
def ann(base):
    return in_words(base, "ann", "{name} is a man.")


def test_what_needs_the_order_of_frames_is_right_only_in_order(
    base, pvchat, ann, watcher, tmp_path
):
    found = scores(predictions(trial_of(base, pvchat, ann, tmp_path), ["clip"]))
    own = {kind: found[f"clip_{kind}"] for kind in ("existence", "action", "appearance", "other")}
    assert own == {"existence": 1.0, "action": 1.0, "appearance": 1.0, "other": 0.0}
    assert found["clip_location"] == 0.5  # the clip that stands still
    mixed = {kind: found[f"clip_{kind}_shuffled"] for kind in own}
    # Of its existence "no" is still right where it is not.
    assert mixed == {"existence": 0.5, "action": 0.0, "appearance": 1.0, "other": 0.0}
    assert found["clip_location_shuffled"] == 0.0
    # The same words in another order, and other characters beside each other.
    assert found["clip_action_shuffled_f1"] == 1.0 == found["clip_action_bleu"]
    assert 0.8 < found["clip_action_shuffled_bleu"] < 1.0
    assert found["clip_other_f1"] == pytest.approx(1 / 3)  # '4 of them' for '4 then 0'


def test_clips_of_one_number_of_frames_stand_in_one_batch(base, pvchat, ann, watcher, tmp_path):
    predictions(trial_of(base, pvchat, ann, tmp_path), ["clip"])
    lengths = [(what, {len(seen) for seen in batch}, len(batch)) for what, batch in watcher]
    # A clip that stands still has no other order.
    assert lengths == [("agrees", {3}, 1), ("says", {3}, 1), ("agrees", {4}, 4), ("says", {4}, 8)]
    assert watcher[0][1] == [["red"] * 3]


def test_the_other_order_is_one_of_each_clip_and_of_the_seed_alone(
    base, pvchat, ann, watcher, tmp_path
):
    def shown(seed, root=pvchat):
        watcher.clear()
        predictions(trial_of(base, root, ann, tmp_path, seed), ["clip"])
        return watcher[2][1] + watcher[3][1]

    first = shown(0)
    of_b = {tuple(seen) for seen in first if set(seen) == set(SHOWN["b_2"])}
    assert tuple(SHOWN["b_2"]) in of_b and len(of_b) == 2
    elsewhere = pvchat.rename(tmp_path / "other")
    (tmp_path / "moved").mkdir()
    moved = elsewhere.rename(tmp_path / "moved" / "ann")
    assert shown(0, moved) == first
    assert any(shown(seed, moved) != first for seed in (1, 2, 3))


def test_frames_that_look_the_same_have_no_other_order():
    rng = np.random.default_rng(0)
    assert another_order([[1, 2], [1, 2]], rng) is None and another_order("a", rng) is None
    orders = {another_order("aab", rng) for _ in range(50)}
    assert {"".join("aab"[i] for i in order) for order in orders} == {"aba", "baa"}


def test_what_looks_at_pictures_sees_the_middle_frame_in_either_order(
    base, pvchat, ann, watcher, tmp_path
):
    looked_at: list[Query] = []

    class Looking:
        names = ("ann",)

        def conditions(self, queries):
            looked_at.extend(queries)
            return [ann] * len(queries)

    trial = trial_of(base, pvchat, Looking(), tmp_path)
    predictions(trial, ["clip"])
    asked = [query for query in looked_at if len(query.look().getcolors()) == 1]
    assert len(asked) == len(looked_at) == 14
    about_b = [query for query in looked_at if query.picture.parent.name == "b_2"]
    assert len(about_b) == 10 and {query.picture.name for query in about_b} == {"3.jpg"}
    (ids,) = base.encode([read_picture(pvchat / "videos" / "b_2" / "3.jpg")]).tolist()
    assert {query.image_ids for query in about_b} == {tuple(ids)}


def test_who_is_asked_about_with_others_is_left_out(base, pvchat, ann, watcher, tmp_path):
    both = {"Do <ann> and <bob> meet?": "<bob> is there", "Where is <ann>?": "a garden"}
    videos = [video("b_2", positive=True, said="<ann>, <bob>", free=both)]
    layouts.write(pvchat / "test_all_video.json", {"data": videos})
    (pvchat / "train_all_video.json").unlink()
    made = predictions(trial_of(base, pvchat, ann, tmp_path), ["clip"])
    assert {p.question for p in made} == {"Is <ann> here?", "Where is <ann>?"}


def test_it_is_asked_by_default_where_there_are_clips(base, pvchat, ann, watcher, make_trial):
    assert "clip" in tasks.USUAL
    assert predictions(make_trial(in_words(base, "tom", "")), ["clip"]) == []


def check(personalization, root, tasks=("clip",)) -> None:
    check_test(
        personalization.base, personalization, read(root), "ann", method="words", tasks=tasks
    )


def test_a_clip_that_the_base_cannot_read_is_refused_before_anything_is_learned(base, pvchat, ann):
    check(ann, pvchat)
    many = in_pictures(base, "ann", base.any_picture.repeat(12, 1))
    check(many, pvchat, tasks=("recognise",))
    with pytest.raises(ConfigError) as refused:
        check(many, pvchat)
    line = str(refused.value)
    assert "].qa_pairs[1]: with 'words' it takes 1," in line
    assert f"reads at most {base.longest:,}" in line and "\n" not in line


def without_frames(root, name: str) -> None:
    for frame in (root / "videos" / name).iterdir():
        frame.unlink()
    (root / "videos" / name).rmdir()


def test_a_video_is_refused_first_where_nothing_reads_it(base, pvchat, ann, monkeypatch):
    without_frames(pvchat, "b_2")
    layouts.write(pvchat / "videos" / "b_2.mp4", "a video")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ClipError, match=r"pip install 'unictoken\[video\]'"):
        check(ann, pvchat)
    # Another task needs neither the library nor the clip.
    check(ann, pvchat, tasks=("recognise", "vqa"))
    assert make_ready(base, read(pvchat), "ann").ids == {}


def test_a_video_file_is_asked_about_as_its_frames_are(base, pvchat, ann, tmp_path):
    av = pytest.importorskip("av", reason="the extra 'video' is not installed")
    without_frames(pvchat, "b_2")
    with av.open(str(pvchat / "videos" / "b_2.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 64, "yuv420p"
        for level in (0, 80, 160, 240):
            picture = Image.new("RGB", (1280, 64), (level,) * 3)
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    trial = trial_of(base, pvchat, ann, tmp_path)
    asked = next(r for r in trial.records("clip") if r.pictures[0].name == "b_2.mp4")
    assert trial.frames(asked).shape == (4, base.codes_per_picture)
    glance = trial.subject.clips(asked.pictures).glance
    assert glance.size == (512, 26) and glance.getpixel((9, 9))[0] == pytest.approx(160, abs=8)
    (query, _), *_ = trial.asked([asked.question], [asked])
    assert query.image_ids == tuple(trial.frames(asked).flatten().tolist())
    assert trial.frames(asked) is trial.frames(asked)  # it is read once
