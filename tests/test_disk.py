import os

import pytest

from unictoken.core import disk


def test_a_folder_that_could_be_made_is_let_through_and_not_made(tmp_path):
    disk.check_folder(tmp_path / "a" / "b", ValueError)
    assert not list(tmp_path.iterdir())


def test_a_folder_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for action in (
        lambda p: disk.check_folder(p, ValueError),
        disk.make_folder,
        lambda p: disk.write_aside(p / "x", b""),
        aside,
    ):
        with pytest.raises(
            ValueError, match="file is a file, expected a folder. Choose another place"
        ) as refused:
            action(tmp_path / "file" / "deeper")
        assert "\n" not in str(refused.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def aside(folder):
    with disk.folder_aside(folder):
        raise AssertionError("not reached")


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    disk.write_aside(tmp_path / "a" / "it", b"one")

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        disk.write_aside(tmp_path / "a" / "it", b"two")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()] == [("it", b"one")]
