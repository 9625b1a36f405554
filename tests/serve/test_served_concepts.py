"""Concept files over HTTP, and the command that serves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from served import ask, send

EXTRA = "is not installed: pip install 'unictoken[test]'"
pytest.importorskip("fastapi", reason=f"fastapi {EXTRA}")
Server = pytest.importorskip("unictoken.serve.server").Server

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def empty(base, folder):
    with Server(base, folder, port=0) as running:
        yield running


@pytest.fixture
def upload(make_concept, tmp_path):
    """The bytes of a concept file of this name."""

    def bytes_of(name, **counts):
        return make_concept(name, **counts).save(tmp_path / "made").read_bytes()

    return bytes_of


@pytest.fixture(autouse=True)
def cleared(folder):
    yield
    for file in folder.iterdir():
        file.unlink()


def names(server):
    return [each["id"] for each in send(server, "GET", "/v1/concepts").json["data"]]


def test_a_concept_is_uploaded_asked_and_deleted(empty, upload, folder):
    unknown = send(empty, "POST", CHAT, ask("what is <rocky>?"))
    assert unknown.status == 404 and "Known: none" in unknown.line
    got = send(empty, "POST", "/v1/concepts", upload("rocky"))
    assert got.status == 201 and got.json["id"] == "rocky" and got.json["class_noun"] == "dog"
    assert names(empty) == ["rocky"]
    assert [file.name for file in folder.iterdir()] == ["rocky.safetensors"]
    assert send(empty, "POST", CHAT, ask("what is <rocky>?")).status == 200
    assert send(empty, "DELETE", "/v1/concepts/rocky").json["deleted"] is True
    assert names(empty) == [] and list(folder.iterdir()) == []
    assert send(empty, "DELETE", "/v1/concepts/rocky").status == 404
    assert send(empty, "POST", CHAT, ask("what is <rocky>?")).status == 404


def test_one_of_the_same_name_is_replaced_only_if_asked(empty, upload, folder):
    first, second = upload("rocky", shared=1), upload("rocky", shared=2)
    send(empty, "POST", "/v1/concepts", first)
    got = send(empty, "POST", "/v1/concepts", second)
    assert got.status == 409 and "is there already" in got.line
    assert (folder / "rocky.safetensors").read_bytes() == first
    assert send(empty, "POST", "/v1/concepts?replace=true", second).status == 201
    assert (folder / "rocky.safetensors").read_bytes() == second
    assert send(empty, "POST", CHAT, ask("what is <rocky>?")).status == 200


def test_a_damaged_file_is_refused_and_nothing_is_written(empty, upload, folder):
    whole = upload("rocky")
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    for data in (
        whole[:-8],
        bytes(flipped),
        b"",
        b"PK\x03\x04",
        whole.replace(b'"rocky', b'"../ky'),
    ):
        got = send(empty, "POST", "/v1/concepts", data)
        assert got.status == 400 and got.line.startswith("concept file: ")
        assert "/" not in got.line.replace("../", "").replace("train/run.py", "").replace(
            "checkpoints/concepts/bo", ""
        )
    assert list(folder.iterdir()) == []


def test_a_concept_of_another_base_is_refused_and_not_listed(
    empty, base, upload, folder, make_concept
):
    other = make_concept("rocky")
    object.__setattr__(other, "base_fingerprint", "0" * 64)
    other.save(folder / "rocky.safetensors")
    assert names(empty) == []
    got = send(empty, "POST", "/v1/concepts", (folder / "rocky.safetensors").read_bytes())
    assert got.status == 400 and "learned on base" in got.line


def test_no_name_leads_out_of_the_folder(empty, folder, upload):
    outside = folder.parent / "outside.safetensors"
    outside.write_bytes(upload("outside"))
    for name in ("..%2Foutside", "%2e%2e%2foutside", "../outside", "outside", "OUTSIDE", "%00"):
        got = send(empty, "DELETE", f"/v1/concepts/{name}")
        assert 400 <= got.status < 500 and got.line
    assert outside.is_file()
    outside.unlink()


def test_a_name_with_markup_comes_back_as_the_text_of_json(empty):
    got = send(empty, "DELETE", "/v1/concepts/%3Cimg%20src=x%20onerror=alert(1)%3E")
    assert got.status == 404 and "<img src=x onerror=alert(1)>" in got.line
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_a_full_folder_takes_no_more(base, tmp_path, upload):
    from unictoken.serve.limits import Limits

    with Server(base, tmp_path / "one", port=0, limits=Limits(shelf=1)) as server:
        assert send(server, "POST", "/v1/concepts", upload("rocky")).status == 201
        got = send(server, "POST", "/v1/concepts", upload("chester"))
        assert got.status == 409 and "Delete one first" in got.line


@pytest.mark.slow
def test_the_command_serves_what_ships_and_ends_cleanly(base_folder, tmp_path):
    command = [
        sys.executable,
        "-m",
        "unictoken",
        "serve",
        "--port",
        "0",
        "--concepts",
        str(tmp_path),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    line = running.stdout.readline()
    port = re.match(
        r"http://127\.0\.0\.1:(\d+)/v1: tiny; concepts: <mia>\. Ctrl-C ends it\.", line
    )[1]
    served = type("Served", (), {"host": "127.0.0.1", "port": int(port)})
    got = send(served, "POST", CHAT, ask("what animal is <mia>?"))
    assert got.json["choices"][0]["message"]["content"] == "a fox"
    refused = send(served, "DELETE", "/v1/concepts/mia")
    assert refused.status == 403 and "ships with the library" in refused.line
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "", "")


@pytest.mark.slow
def test_a_host_that_others_reach_is_refused_before_a_base_is_loaded():
    command = [sys.executable, "-m", "unictoken", "serve", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Set a token: --token-file" in done.stderr
