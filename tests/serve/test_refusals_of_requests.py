"""Whatever a request holds: a refusal is a 4xx with one line, and the server goes on."""

from __future__ import annotations

import json
import random
import socket

import pytest
from PIL import Image
from served import ask, data_url, picture, send, shown

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'unictoken[test]'")

CHAT, IMAGES = "/v1/chat/completions", "/v1/images/generations"
TURN = {"role": "user", "content": "is it day?"}


def about(url: object) -> dict:
    """A question about what stands in the place of a picture."""
    return ask([{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}])


# fmt: off
MALFORMED = [
    (CHAT, b"", "found no JSON"),
    (CHAT, b"{", "found no JSON"),
    (CHAT, b"\xff\xfe", "found no JSON"),
    (CHAT, b"[" * 100_000, "found no JSON"),
    (CHAT, b'{"messages": NaN}', "found no JSON"),
    (CHAT, b'{"n": 1, "n": 1}', "given twice"),
    (CHAT, b'{"messages": "\\ud800"}', "surrogate"),
    (CHAT, [], "expected a mapping"),
    (CHAT, {}, "messages: found nothing"),
    (CHAT, {"messages": "is it day?"}, "expected a list of messages"),
    (CHAT, {"messages": []}, "none of the user's"),
    (CHAT, {"messages": [TURN] * 201}, "found 201, expected at most 200"),
    (CHAT, {"messages": [{"role": "tool", "content": "x"}]}, "role: found 'tool'"),
    (CHAT, {"messages": [{"role": "assistant", "content": "x"}]}, "none of the user's"),
    (CHAT, ask(None), "found no text"),
    (CHAT, ask(" "), "found no text"),
    (CHAT, ask(5), "expected a text or a list of parts"),
    (CHAT, ask([{"type": "audio"}]), "expected one of text, image_url"),
    (CHAT, ask([{"type": "text"}]), "expected this key to be there"),
    (CHAT, ask("x" * 4001), "4,0"),
    (CHAT, ask("<nobody>?"), "Known: <chester>, <rocky>"),
    (CHAT, ask("who?", concepts=["../../etc/passwd"]), "expected a concept's name"),
    (CHAT, ask("what is <rocky?"), "has one bracket"),
    (CHAT, ask("".join(f"<a{i}>" for i in range(9))), "found 9 names, expected at most 8"),
    (CHAT, ask("?", model="gpt-4o"), "model: found 'gpt-4o'"),
    (CHAT, ask("?", temperature=0.7), "temperature: found 0.7, expected 0"),
    (CHAT, ask("?", n=2), "n: found 2"),
    (CHAT, ask("?", max_tokens=0), "max_tokens: found 0"),
    (CHAT, ask("?", stream="yes"), "stream: found 'yes'"),
    (CHAT, ask("?", tools=[]), "found 'tools'"),
    (CHAT, about("https://example.org/a.png"), "no address is fetched"),
    (CHAT, about("file:///etc/passwd"), "no file is read"),
    (CHAT, about("/etc/passwd"), "no file is read"),
    (CHAT, about("data:text/html;base64,PGI+"), "expected a picture as data:"),
    (CHAT, about("data:image/png;base64,%%"), "no base64"),
    (CHAT, about("data:image/png;base64,aGVsbG8="), "not a readable picture"),
    (CHAT, about(data_url(picture())[:-400]), "no"),
    (CHAT, about(data_url(picture().resize((8, 8)))), "expected at least 16 x 16"),
    (CHAT, about(data_url(Image.new("1", (6000, 5000)))), "expected at most 25,000,000"),
    (CHAT, ask([{"type": "text", "text": "?"}, shown(picture()), shown(picture(1))]), "found 2 pictures"),
    (IMAGES, {}, "prompt: found nothing"),
    (IMAGES, {"prompt": ""}, "found no text"),
    (IMAGES, {"prompt": "a dog", "n": 11}, "n: found 11, expected at most 10"),
    (IMAGES, {"prompt": "a dog", "seed": -1}, "seed: found -1"),
    (IMAGES, {"prompt": "a dog", "guidance": 1e9}, "guidance"),
    (IMAGES, {"prompt": "a dog", "top_p": 0}, "top_p"),
    (IMAGES, {"prompt": "a dog", "response_format": "url"}, "expected one of b64_json"),
    (IMAGES, {"prompt": "a dog", "size": "1024x1024"}, "size: found '1024x1024'"),
    (IMAGES, {"prompt": "<nobody>"}, "Known: <chester>, <rocky>"),
    ("/v1/concepts", b"not a file", "concept file: "),
    ("/v1/concepts?replace=1", b"", "replace: found '1'"),
    ("/v1/completions", {"prompt": "?"}, "not found"),
    ("/health", {}, "method not allowed"),
]
# fmt: on


def check_refused(got) -> str:
    assert 400 <= got.status < 500, got
    assert got.headers["content-type"] == "application/json"
    line = got.line
    assert line and "\n" not in line and line.isprintable()
    return line


@pytest.mark.parametrize(("path", "body", "expected"), MALFORMED)
def test_a_malformed_request_is_refused_in_one_line(server, path, body, expected):
    assert expected in check_refused(send(server, "POST", path, body))


def mutated(rng: random.Random) -> bytes:
    """A good body in which bytes, or values, are others."""
    good = ask([{"type": "text", "text": "what is <rocky>?"}, shown(picture())], stream=False)
    if rng.random() < 0.5:
        data = bytearray(json.dumps(good).encode())
        for _ in range(rng.randint(1, 20)):
            i = rng.randrange(len(data))
            data[i : i + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        return bytes(data)
    others = (None, [], {}, -1, 2**70, 1e308, "", "\x00", "<", ["a"], {"a": {}}, True, "../x")
    turn = good["messages"][0]
    for place in rng.sample([good, turn, *turn["content"], turn["content"][1]["image_url"]], 2):
        place[rng.choice([*place, "else"])] = rng.choice(others)
    return json.dumps(good).encode()


def test_two_hundred_mutated_requests_are_answered_or_refused_in_one_line(server):
    rng = random.Random(1)
    statuses = []
    for _ in range(200):
        got = send(server, "POST", CHAT, mutated(rng))
        statuses.append(got.status)
        if got.status != 200:
            check_refused(got)
    assert len([status for status in statuses if status != 200]) > 100
    assert send(server, "GET", "/health").json == {"status": "ok"}


def test_what_is_no_http_is_refused(server):
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert send(server, "GET", "/health").status == 200


def test_a_bug_of_ours_is_a_number_and_its_traceback_is_in_the_log(server, monkeypatch, caplog):
    def broken(ready):
        raise ZeroDivisionError("a secret of /home/somebody")

    monkeypatch.setattr("unictoken.serve.worker.say", broken)
    got = send(server, "POST", CHAT, ask("is it day?"))
    number = got.line.split()[1]
    assert got.status == 500 and "secret" not in got.line
    assert f"error {number}: ZeroDivisionError: a secret" in caplog.text
    assert any("in broken" in message for message in caplog.messages)


def test_a_web_page_cannot_ask_a_server_of_this_machine(server):
    pages = ({"Origin": "https://example.org"}, {"Host": "example.org:80"}, {"Origin": "null"})
    for headers in pages:
        assert send(server, "GET", "/v1/models", headers=headers).status == 403
    own = {"Origin": server.url}
    assert send(server, "GET", "/v1/models", headers=own).status == 200
