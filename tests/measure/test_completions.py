"""A server may say anything, as slowly as it likes: a verdict or one line comes in time."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from unictoken.measure.completions import MOST_BYTES, Failed, complete
from unictoken.measure.endpoint import EndpointConfig, EndpointError, EndpointJudge

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def whole(body: bytes) -> bytes:
    return HEAD % len(body) + body


def said(text: str) -> bytes:
    return whole(json.dumps({"choices": [{"message": {"content": text}}]}).encode())


@contextmanager
def server(reply: bytes, *, pause_s: float = 0.0):
    """Sends the bytes to whoever connects, one by one where there is a pause."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(2**20)
                    try:
                        for i in range(len(reply)) if pause_s else ():
                            connection.sendall(reply[i : i + 1])
                            time.sleep(pause_s)
                        connection.sendall(b"" if pause_s else reply)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def ask(reply: bytes, *, pause_s: float = 0.0, seconds: float = 5.0) -> str:
    with server(reply, pause_s=pause_s) as url:
        return complete(url, b"{}", key=None, seconds=seconds)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_what_the_model_says_comes_back():
    assert ask(said("yes")) == "yes"
    body = said("yes").split(b"\r\n\r\n", 1)[1]
    assert ask(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)) == "yes"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        HEAD % 10**12 + b"{",
        CHUNKED + b"zz\r\nabc\r\n",
        CHUNKED + b"-1\r\nabc\r\n",
        CHUNKED + b"ffffffffffffffff\r\nabc",
        whole(b""),
        whole(b"[" * 5000),
        whole(b'{"choices":' * 5000),
        whole(b"\xff\xfe"),
        whole(b'{"choices": [{"message": {"content": "\\ud800"}}]}'),
        whole(b'{"choices": [{"message": {"content": NaN}}]}'),
        whole(b'{"choices": []}'),
        said("x" * 100_000),
        whole(b"9" * 5000),
        b"HTTP/1.1 503 Busy\r\nContent-Length: 10000000000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=range(25),
)
def test_nonsense_is_one_line(reply):
    with pytest.raises(Failed) as failed:
        ask(reply, seconds=2)
    assert len(str(failed.value)) < 300 and "\n" not in str(failed.value)


def test_a_reply_without_an_end_is_not_read_to_it():
    with pytest.raises(Failed, match="a reply of over 1,048,576 bytes|Connection reset"):
        ask(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * (MOST_BYTES + 10))


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50, HEAD % 500 + b"[" * 500, b"x" * 500]
)
def test_a_server_that_drips_is_cut_off_in_time(reply):
    began = time.monotonic()
    with pytest.raises(Failed, match="no answer within 0.4 s"):
        ask(reply, pause_s=0.05, seconds=0.4)
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_endless_continue_lines_are_cut_off_in_time():
    with pytest.raises(Failed, match="no answer within"):
        ask(b"HTTP/1.1 100 Continue\r\n\r\n" * 300, pause_s=0.01, seconds=0.4)


def test_the_key_is_in_no_error_and_no_kept_verdict(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("UNICTOKEN_JUDGE_KEY", "sk-1234567890\n")
    how = {"model": "m", "key_variable": "UNICTOKEN_JUDGE_KEY", "retries": 0}
    with server(said('{"score": 1, "reason": "sk-1234567890"}')) as url:
        judge = EndpointJudge(EndpointConfig(url=url, **how), tmp_path / "verdicts.jsonl")
        assert judge.compare("q", "a", "b").said == '{"score": 1, "reason": "***"}'
    assert "sk-1" not in judge.kept.read_text(encoding="utf-8") and "***" in judge.kept.read_text(
        encoding="utf-8"
    )
    with server(b"HTTP/1.1 401 No\r\n\r\nwrong key sk-1234567890") as url:
        judge = EndpointJudge(EndpointConfig(url=url, **how), tmp_path / "more.jsonl")
        with pytest.raises(EndpointError, match=r"HTTP 401 \((wrong key \*\*\*)?\)"):
            judge.compare("q", "a", "b")
    assert (
        "sk-1" not in caplog.text
        and f"are sent to {url}, with the key in $UNICTOKEN_JUDGE_KEY" in caplog.text
    )
