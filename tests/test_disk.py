import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

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


def test_no_link_is_followed_at_the_name_that_is_written_aside(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".it.{os.getpid()}.aside").symlink_to(victim)
    disk.write_aside(tmp_path / "it", b"new")
    assert victim.read_bytes() == b"precious" and (tmp_path / "it").read_bytes() == b"new"

    monkeypatch.setattr(disk.secrets, "token_hex", lambda n: "0" * 2 * n)
    (tmp_path / f".unictoken-{'0' * 32}.aside").symlink_to(victim)
    with pytest.raises(FileExistsError):
        disk.write_aside(tmp_path / "it", b"newer")
    assert victim.read_bytes() == b"precious" and (tmp_path / "it").read_bytes() == b"new"


def test_a_link_at_the_place_itself_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "it").symlink_to("victim")
    disk.write_aside(tmp_path / "it", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "it").is_symlink() and (tmp_path / "it").read_bytes() == b"new"


def test_eight_threads_write_one_file_and_every_reader_finds_it_whole(tmp_path):
    path, broken, done = tmp_path / "it", [], threading.Event()
    disk.write_aside(path, b"0" * 9000)

    def write(letter: bytes) -> None:
        try:
            for _ in range(40):
                disk.write_aside(path, letter * 9000)
        except Exception as error:
            broken.append(error)

    def read() -> None:
        while not done.is_set():
            data = path.read_bytes()
            if len(data) != 9000 or len(set(data)) != 1:
                broken.append(data)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(b"%d" % i,)) for i in range(8)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not broken and list(tmp_path.iterdir()) == [path]


SHARES_A_NUMBER = """
import os, sys
from pathlib import Path
from unictoken.core import disk
os.getpid = lambda: 7  # as in two containers that share a folder
for _ in range(60):
    disk.write_aside(Path(sys.argv[1]), sys.argv[2].encode() * 9000)
"""


def python(script: str, *arguments: str) -> subprocess.Popen:
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=root, stdout=subprocess.PIPE
    )


def test_processes_that_share_a_process_number_write_one_file(tmp_path):
    running = [python(SHARES_A_NUMBER, str(tmp_path / "it"), letter) for letter in "abc"]
    assert [one.wait(timeout=60) for one in running] == [0, 0, 0]
    [path] = tmp_path.iterdir()
    assert path.read_bytes() in (b"a" * 9000, b"b" * 9000, b"c" * 9000)


DIES = """
import os, sys, time
from pathlib import Path
from unictoken.core import disk
place = Path(sys.argv[1])
def wait(*_):
    print("there", flush=True)
    time.sleep(600)
os.fsync = wait
if sys.argv[2] == "file":
    disk.write_aside(place / "it", b"one")
else:
    with disk.folder_aside(place / "it") as aside:
        (aside / "half").write_bytes(b"half")
"""


def left_aside(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".unictoken-")]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(kind, tmp_path):
    writer = python(DIES, str(tmp_path), kind)
    assert writer.stdout.readline() == b"there\n"
    disk.sweep(tmp_path)
    assert len(left_aside(tmp_path)) == 1, "it is being written"
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=60)
    assert len(left_aside(tmp_path)) == 1
    disk.sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_first_file_that_a_process_writes_into_a_folder_sweeps_it(tmp_path):
    (tmp_path / f".unictoken-{'a' * 32}.aside").write_bytes(b"half")
    disk.write_aside(tmp_path / "it", b"one")
    assert [p.name for p in tmp_path.iterdir()] == ["it"]


def test_a_sweep_takes_nothing_that_is_not_provably_ours(tmp_path):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    (tmp_path / ".it.123.aside").write_text("mine", encoding="utf-8")
    (tmp_path / ".unictoken-notes.aside").write_text("mine", encoding="utf-8")
    (tmp_path / f".unictoken-{'a' * 32}.aside").symlink_to("notes")
    os.mkfifo(tmp_path / f".unictoken-{'b' * 32}.aside")
    before = sorted(tmp_path.iterdir())
    disk.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    disk.sweep(tmp_path / "nowhere")


def test_nothing_is_swept_where_nobody_can_tell_who_lives(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("unictoken.core.system.take_lock", no_locks)
    kept = tmp_path / f".unictoken-{'a' * 32}.aside"
    kept.write_bytes(b"half")
    disk.write_aside(tmp_path / "it", b"one")
    assert sorted(tmp_path.iterdir()) == [kept, tmp_path / "it"]


@pytest.mark.parametrize("fails_at", ["write", "fsync", "replace"])
def test_a_full_disk_names_the_place_that_was_written_to_and_leaves_nothing(
    fails_at, tmp_path, monkeypatch
):
    disk.write_aside(tmp_path / "it", b"one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails_at, full)
    with pytest.raises(OSError, match="No space left") as refused:
        disk.write_aside(tmp_path / "it", b"two")
    assert refused.value.filename == str(tmp_path / "it")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("it", b"one")]


def test_an_error_inside_a_folder_aside_names_its_future_place(tmp_path):
    with pytest.raises(FileNotFoundError) as refused, disk.folder_aside(tmp_path / "it") as aside:
        (aside / "a" / "b").write_bytes(b"")
    assert refused.value.filename == str(tmp_path / "it" / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_what_must_be_new_takes_no_place_that_is_taken(tmp_path, monkeypatch):
    disk.write_aside(tmp_path / "it", b"one", new=True)
    for links_are_known in (True, False):
        if not links_are_known:
            monkeypatch.setattr(os, "link", unsupported)
            disk.write_aside(tmp_path / "other", b"one", new=True)
        with pytest.raises(FileExistsError):
            disk.write_aside(tmp_path / "it", b"two", new=True)
    found = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert found == {"it": b"one", "other": b"one"}


def unsupported(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_is_on_the_disk_before_its_name_and_its_name_too(tmp_path, monkeypatch):
    done = []
    synced, replaced = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (done.append(os.path.isdir(f"/proc/self/fd/{fd}")), synced(fd))
    )
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("renamed"), replaced(*a)))
    disk.write_aside(tmp_path / "it", b"one")
    assert done == [False, "renamed", True]


def test_files_come_into_a_folder_that_holds_others_when_all_are_written(tmp_path):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    with disk.files_aside(tmp_path) as aside:
        for name in ("a", "b"):
            (aside / name).write_text(name, encoding="utf-8")
        assert not (tmp_path / "a").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "notes"]
    with pytest.raises(OSError, match="no space"), disk.files_aside(tmp_path) as aside:
        (aside / "a").write_text("half", encoding="utf-8")
        raise OSError("no space")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "a"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800", "y/" * 3000])
def test_a_name_that_no_file_can_have_is_nobodys(name, tmp_path):
    for path in (tmp_path / name, name):
        assert not disk.is_file(path)
        assert not disk.is_folder(path)
        assert not disk.is_there(path)
