"""A clip gives a few frames in their order, evenly spread."""

import sys

import layouts
import numpy as np
import pytest
from PIL import Image

from unictoken.data import clips
from unictoken.data.clips import ClipError, evenly, frames_of


def test_frames_are_evenly_spread_from_the_first_to_the_last():
    assert evenly(10, 4) == [0, 3, 6, 9]
    assert evenly(3, 4) == evenly(3, 3) == [0, 1, 2]
    assert evenly(9, 1) == [4]
    assert evenly(100, 2) == [0, 99]


def test_a_folder_and_a_list_give_the_same_frames(tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(8)]
    layouts.draw(*files)
    assert frames_of(tmp_path) == frames_of(files) == [files[i] for i in (0, 2, 5, 7)]


@pytest.mark.parametrize(
    ("clip", "count", "match"),
    [
        ([], 4, "clip: found no frames"),
        (["a", "b"], 0, "frames: found 0, expected 1 to 64"),
        ("nowhere", 4, "nowhere: no such file or folder"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_line(clip, count, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClipError, match=match) as refused:
        frames_of(clip, count)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_called_otherwise_is_no_video(tmp_path):
    layouts.write(tmp_path / "notes.txt", "hello")
    with pytest.raises(ClipError, match="no video that is known by its name"):
        frames_of(tmp_path / "notes.txt")


def test_without_the_library_a_video_is_refused_with_what_to_do(tmp_path, monkeypatch):
    layouts.write(tmp_path / "walk.mp4", "a video")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ClipError, match=r"pip install 'unictoken\[video\]'") as refused:
        frames_of(tmp_path / "walk.mp4")
    assert "\n" not in str(refused.value)


def test_a_video_gives_its_frames_in_order(tmp_path):
    av = pytest.importorskip("av", reason="the extra 'video' is not installed")
    path = tmp_path / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for level in range(0, 250, 25):  # ten frames, each brighter than the last
            picture = Image.new("RGB", (64, 64), (level,) * 3)
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    frames = frames_of(path)
    levels = [float(np.asarray(frame).mean()) for frame in frames]
    assert levels == pytest.approx([0, 75, 150, 225], abs=8)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ClipError, match="not a readable video"):
        frames_of(path)


def video(path, frames, side):
    """A file of black frames."""
    av = pytest.importorskip("av", reason="the extra 'video' is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_image(Image.new("RGB", (side, side)))
        for packet in [p for _ in range(frames) for p in stream.encode(picture)]:
            container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_many_pixels_in_few_bytes_are_not_all_decoded(tmp_path, monkeypatch):
    path = video(tmp_path / "walk.mp4", frames=40, side=512)
    assert len(frames_of(path)) == 4
    monkeypatch.setattr(clips, "FREE_PIXELS", 20 * 512**2)
    monkeypatch.setattr(clips, "PIXELS_PER_BYTE", 1)
    with pytest.raises(ClipError, match="found more than 20 frames of 512 x 512 .* Cut it shorter"):
        frames_of(path)
    monkeypatch.setattr(clips, "MAX_PIXELS", 512**2 - 1)
    with pytest.raises(ClipError, match="found frame 0 of 512 x 512"):
        frames_of(path)


def test_a_name_that_is_an_address_to_ffmpeg_is_a_files_name(tmp_path, monkeypatch):
    video(tmp_path / "secret.mp4", frames=2, side=64)
    monkeypatch.chdir(tmp_path)
    layouts.write(tmp_path / "concat:secret.mp4", "no video")
    with pytest.raises(ClipError, match="not a readable video"):
        frames_of("concat:secret.mp4")


def test_a_playlist_that_is_called_a_video_opens_no_other_file(tmp_path):
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    (tmp_path / "secret.ts").write_bytes(b"G" * 188 * 10)
    said = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"
    layouts.write(tmp_path / "walk.mp4", said)
    with pytest.raises(ClipError, match="not a readable video"):
        frames_of(tmp_path / "walk.mp4")
