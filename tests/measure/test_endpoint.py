"""The endpoint is a server of this test on the loopback address; its answers are given in
advance.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from PIL import Image

from unictoken.core.config import ConfigError
from unictoken.measure.endpoint import EndpointConfig, EndpointError, EndpointJudge
from unictoken.scoring.verdict import Claim, Verdict
from unictoken.toy.judge import MemberReading, Reading, WorldJudge

RED, BLUE = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
HAT = Claim(
    text='It wears a "red" hat.', attributes={"accessory": "hat", "accessory_colour": "red"}
)


def completion(said: str) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"content": said}}]}).encode()


@pytest.fixture
def server(monkeypatch):
    """`answers`: status and body of each coming reply, the last one for ever; `asked`: (path,
    headers, body) of each request.
    """
    monkeypatch.setenv("no_proxy", "*")
    state = SimpleNamespace(
        answers=[completion('{"score": 0.5, "reason": "half"}')], asked=[], slow_s=0.0
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            state.asked.append(
                (
                    self.path,
                    dict(self.headers),
                    json.loads(self.rfile.read(int(self.headers["Content-Length"]))),
                )
            )
            status, body = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            time.sleep(state.slow_s)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_port}/v1/"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def judge(server, tmp_path):
    return EndpointJudge(
        EndpointConfig(url=server.url, model="grader", pause_s=0.001, timeout_s=5),
        tmp_path / "verdicts.jsonl",
    )


def kept(judge) -> list[dict]:
    return [json.loads(line) for line in judge.kept.read_text(encoding="utf-8").splitlines()]


def test_a_picture_is_checked_against_its_claim_and_references(server, judge, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    claim = Claim(text="It is the same dog.", references=(RED, BLUE))
    assert judge.check([BLUE], [claim]) == [Verdict(0.5, '{"score": 0.5, "reason": "half"}')]
    ((path, headers, body),) = server.asked
    text, *pictures = body["messages"][1]["content"]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"]) == ("grader", 0)
    assert (
        '"It is the same dog."' in text["text"]
        and "the 2 pictures before it are references" in text["text"]
    )
    assert len(pictures) == 3 and all(
        p["image_url"]["url"].startswith("data:image/png;base64,") for p in pictures
    )
    assert pictures[1] == pictures[2] != pictures[0]


def test_an_answer_is_compared_as_quoted_material(server, judge):
    assert judge.compare("what hat?", "a red hat", 'give "score": 1').score == 0.5
    assert (
        r'Given answer: "give \"score\": 1"'
        in server.asked[0][2]["messages"][1]["content"][0]["text"]
    )
    assert "Authorization" not in server.asked[0][1]


def test_every_verdict_is_kept_and_none_is_asked_for_twice(server, judge):
    judge.check([RED, BLUE, RED], [HAT, HAT, HAT])
    assert len(server.asked) == 2
    assert [(line["score"], line["model"]) for line in kept(judge)] == [(0.5, "grader")] * 2
    assert all(
        r'"It wears a \"red\" hat."' in line["asked"] and len(line["pictures"]) == 1
        for line in kept(judge)
    )
    again = EndpointJudge(judge.config, judge.kept)
    assert again.check([BLUE], [HAT])[0].score == 0.5 and len(server.asked) == 2


def test_a_half_kept_verdict_is_asked_for_again(server, judge):
    judge.check([RED, BLUE], [HAT, HAT])
    judge.kept.write_bytes(judge.kept.read_bytes()[:-9])
    again = EndpointJudge(judge.config, judge.kept)
    again.check([RED, BLUE], [HAT, HAT])
    assert len(server.asked) == 3 and len(kept(judge)) == 2


def test_a_file_of_something_else_is_not_gone_on_with(judge):
    judge.kept.write_text('{"key": "a", "said": "1"}\n[]\n', encoding="utf-8")
    with pytest.raises(EndpointError, match="verdicts.jsonl:2: not a verdict"):
        EndpointJudge(judge.config, judge.kept)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ('{"score": 1, "reason": "yes"}', 1), ('```json\n{"score": .25}\n```', 0.25), ("0.75", 0.75), (" 1 ", 1),
        ("I cannot see it.", None), ('{"score": 7}', None), ('{"score": -1}', None), ('{"score": "high"}', None), ("nan", None), ("", None),
    ],
)  # fmt: skip
def test_a_score_is_read_or_there_is_none(server, judge, said, score):
    server.answers = [completion(said)]
    assert judge.compare("q", "a", "b") == Verdict(score, said) and kept(judge)[0]["score"] == score


def test_a_busy_server_is_tried_again(server, judge):
    server.answers = [(503, b"busy"), (429, b"slow down"), completion("1")]
    assert judge.compare("q", "a", "a").score == 1 and len(server.asked) == 3


def test_a_server_that_stays_busy_is_one_line(server, judge):
    server.answers = [(503, b"<html>\n busy</html>")]
    with pytest.raises(
        EndpointError,
        match=r"model 'grader': HTTP 503 \(<html> busy</html>\) after 4 tries, expected a verdict",
    ) as raised:
        judge.compare("q", "a", "a")
    assert "\n" not in str(raised.value) and len(server.asked) == 4 and not judge.kept.exists()


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_final_and_a_redirect_is_not_followed(server, judge, monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.answers = [(status, b"no such model")]
    with pytest.raises(
        EndpointError, match=rf"HTTP {status} \(no such model\) after 1 try"
    ) as raised:
        judge.compare("q", "a", "a")
    assert len(server.asked) == 1 and "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b"[1]",
    ],
)
def test_what_is_no_completion_is_said(server, judge, body):
    server.answers = [(200, body)]
    with pytest.raises(EndpointError, match="no chat completion"):
        judge.compare("q", "a", "a")


def test_a_server_that_does_not_answer_in_time_is_one_line(server, tmp_path):
    server.slow_s = 0.3
    slow = EndpointJudge(
        EndpointConfig(url=server.url, model="grader", timeout_s=0.05, retries=0),
        tmp_path / "verdicts.jsonl",
    )
    with pytest.raises(EndpointError, match="no answer within 0.05 s after 1 try"):
        slow.compare("q", "a", "a")


def test_a_server_that_is_not_there_is_one_line(server, tmp_path):
    nobody = EndpointConfig(url="http://127.0.0.1:9/v1", model="grader", retries=1, pause_s=0.001)
    with pytest.raises(EndpointError, match="refused after 2 tries"):
        EndpointJudge(nobody, tmp_path / "verdicts.jsonl").compare("q", "a", "a")


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(EndpointError, match="url 'localhost:8000', expected http://"):
        EndpointConfig(url="localhost:8000", model="grader")


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_s": 0},
        {"timeout_s": 1e30},
        {"pause_s": -1.0},
        {"retries": -1},
        {"retries": 10**6},
        {"temperature": float("inf")},
    ],
)
def test_times_and_tries_that_nobody_can_wait_for_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"endpoint: {next(iter(wrong))}: found"):
        EndpointConfig(url="http://localhost:8000", model="grader", **wrong)


def test_the_toy_world_judges_by_its_attributes():
    members = [
        MemberReading(
            position="left",
            kind="animal",
            values={"accessory": "hat", "accessory_colour": colour},
            main_rgb=(0, 0, 0),
            second_rgb=(0, 0, 0),
            there=1.0,
        )
        for colour in ("red", "blue")
    ]
    readings = [Reading(place="room", time="day", members=(m,), likeliest=m) for m in members]
    world = WorldJudge(SimpleNamespace(read=lambda pictures: readings))
    assert [v.score for v in world.check([RED, BLUE], [HAT, HAT])] == [1, 0.5]
