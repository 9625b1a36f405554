"""Who may ask, and how much."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import ask, send

from unictoken.core.errors import UserError

EXTRA = "is not installed: pip install 'unictoken[test]'"
pytest.importorskip("fastapi", reason=f"fastapi {EXTRA}")
openai = pytest.importorskip("openai", reason=f"openai {EXTRA}")
server_module = pytest.importorskip("unictoken.serve.server")
gate = pytest.importorskip("unictoken.serve.gate")

from unictoken.serve.limits import Limits  # noqa: E402

CHAT, TOKEN = "/v1/chat/completions", "0123456789abcdef"


@pytest.fixture
def serving(base, shelf_folder):
    """A server with limits or a token of its own."""
    return lambda **more: server_module.Server(base, shelf_folder, port=0, **more)


def test_a_token_is_asked_for_everywhere_but_for_health(serving):
    with serving(token=TOKEN) as server:
        for method, path in (("GET", "/v1/models"), ("POST", CHAT), ("DELETE", "/v1/concepts/x")):
            for given in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": f"Basic {TOKEN}"},
            ):
                got = send(server, method, path, headers=given)
                assert got.status == 401 and got.headers["www-authenticate"] == "Bearer"
                assert TOKEN not in got.line
        assert send(server, "GET", "/health").status == 200
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN) as client:
            assert [model.id for model in client.models.list()] == ["tiny"]


def test_other_machines_need_a_token(base, tmp_path):
    with pytest.raises(UserError, match="other machines can reach it. Set a token"):
        server_module.Server(base, tmp_path, host="0.0.0.0", port=0)


@pytest.mark.parametrize("token", ["", "short", "with a space in it", "späße-und-mehr", "x" * 513])
def test_a_token_that_is_none_is_refused_and_not_printed(token):
    with pytest.raises(UserError, match="expected a token of 8 to 512") as refused:
        gate.check_token(token, "token.txt")
    assert not token or token not in str(refused.value)


def test_a_port_that_is_taken_is_one_line(base, tmp_path, server):
    second = server_module.Server(base, tmp_path, port=server.port)
    with pytest.raises(UserError, match="cannot listen there .* Choose another port"), second:
        pass


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serving):
    with serving(limits=Limits(body=2000)) as server:
        assert send(server, "POST", CHAT, b"x" * 2001).status == 413
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n" + b"400\r\n" + b"x" * 1024)
            assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.slow
def test_a_body_that_does_not_come_is_not_waited_for(serving):
    with serving(limits=Limits(body_seconds=0.2)) as server:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n".encode()
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(head + b"{")
            assert connection.recv(100).startswith(b"HTTP/1.1 408")


@pytest.fixture
def stuck(monkeypatch):
    """The base answers nothing until this is set."""
    free = threading.Event()
    free.reached = threading.Event()
    whole = server_module.Worker._prepared

    def waits(self, asked, known):
        free.reached.set()
        free.wait(20)
        return whole(self, asked, known)

    monkeypatch.setattr(server_module.Worker, "_prepared", waits)
    yield free
    free.set()


def test_a_full_queue_says_when_to_come_again(serving, stuck):
    with serving(limits=Limits(waiting=2, batch=1)) as server, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(send, server, "POST", CHAT, ask("is it day?"))]
        assert stuck.reached.wait(10)  # the first one is out of the queue
        asked += [pool.submit(send, server, "POST", CHAT, ask("is it day?")) for _ in range(2)]
        while len(server.worker._queue) < 2:
            time.sleep(0.01)
        got = send(server, "POST", CHAT, ask("is it day?"))
        assert got.status == 503 and got.headers["retry-after"] == "1"
        assert "2 requests are waiting" in got.line
        stuck.set()
        assert [each.result().status for each in asked] == [200] * 3


def test_requests_that_are_open_are_counted(serving, stuck):
    with serving(limits=Limits(open=1)) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(send, server, "POST", CHAT, ask("is it day?"))
        assert stuck.reached.wait(10)
        assert "1 requests are open" in send(server, "POST", CHAT, ask("is it day?")).line
        stuck.set()
        assert asked.result().status == 200


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_takes_too_long_is_given_up(serving, stuck, stream):
    with serving(limits=Limits(seconds=0.2)) as server:
        got = send(server, "POST", CHAT, ask("is it day?", stream=stream))
        assert got.status == 504 and "found no answer after 0.2 s" in got.line
        stuck.set()
        time.sleep(0.05)
        assert server.worker.alive


@pytest.mark.slow
def test_who_waits_when_the_server_ends_is_told(serving, stuck):
    with ThreadPoolExecutor(1) as pool:
        with serving(limits=Limits(seconds=10)) as server:
            worker = server.worker
            asked = pool.submit(send, server, "POST", CHAT, ask("is it day?"))
            assert stuck.reached.wait(10)
            stuck.set()
        assert asked.result().status == 200
    assert not worker.alive
