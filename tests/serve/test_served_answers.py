"""The official client gets from the server what the Python API gives."""

from __future__ import annotations

import base64
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from served import ask, picture, same, send, shown

from unictoken.core.errors import UserError

EXTRA = "is not installed: pip install 'unictoken[test]'"
pytest.importorskip("fastapi", reason=f"fastapi {EXTRA}")
openai = pytest.importorskip("openai", reason=f"openai {EXTRA}")
worker_module = pytest.importorskip("unictoken.serve.worker")

QUESTIONS = (
    "what colour is <rocky>?",
    "what animal is <chester>?",
    "what is in the photo?",
    "is it day?",
)


def said(client, content, **more):
    messages = [{"role": "user", "content": content}]
    more = {"max_tokens": 8} | more
    return client.chat.completions.create(model="tiny", messages=messages, **more)


def drawn(client, prompt, **more):
    found = client.images.generate(model="tiny", prompt=prompt, **more)
    return [Image.open(io.BytesIO(base64.b64decode(each.b64_json))) for each in found.data]


def test_models_are_listed_and_found(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "unictoken"
    with pytest.raises(openai.NotFoundError, match="expected 'tiny'"):
        client.models.retrieve("gpt-4o")


def test_an_answer_is_that_of_a_session(client, session):
    answer = said(client, "what colour is <rocky>?")
    assert answer.choices[0].message.content == session("rocky").ask(
        "what colour is <rocky>?", max_ids=8
    )
    assert answer.usage.completion_tokens <= 8 < answer.usage.prompt_tokens
    ended = "length" if answer.usage.completion_tokens == 8 else "stop"
    assert answer.choices[0].finish_reason == ended


def test_a_question_about_a_picture_is_answered_as_by_a_session(client, session):
    content = [{"type": "text", "text": "what colour is <rocky>?"}, shown(picture(1))]
    expected = session("rocky").ask("what colour is <rocky>?", picture(1), max_ids=8)
    assert said(client, content).choices[0].message.content == expected


def test_the_last_turn_is_asked_about_the_picture_of_an_earlier_one(client, session):
    messages = [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look at <chester>"}, shown(picture(2))],
        },
        {"role": "assistant", "content": "i see"},
        {"role": "user", "content": "what colour is <rocky>?"},
    ]
    got = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8)
    expected = session("rocky").ask("what colour is <rocky>?", picture(2), max_ids=8)
    assert got.choices[0].message.content == expected


def test_who_is_in_a_picture_is_answered_by_the_names_that_a_request_adds(client, session):
    content = [{"type": "text", "text": "who is in the photo?"}, shown(picture(3))]
    got = said(client, content, extra_body={"concepts": ["rocky", "chester"]})
    assert got.choices[0].message.content == session("rocky", "chester").ask(
        "who is in the photo?", picture(3)
    )
    assert said(client, content).choices[0].message.content == "nobody that I know"


def test_a_stream_is_the_answer_word_by_word(client, session):
    expected = session("rocky").ask("what colour is <rocky>?", max_ids=8)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = list(said(client, "what colour is <rocky>?", **options))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(pieces) == expected
    assert len([piece for piece in pieces if piece]) >= len(expected.split()) > 1
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


def test_a_stream_is_events(server):
    got = send(server, "POST", "/v1/chat/completions", ask("is it day?", stream=True))
    events = got.body.decode().split("\n\n")
    assert got.headers["content-type"].startswith("text/event-stream")
    assert all(event.startswith("data: {") for event in events[:-2])
    assert events[-2:] == ["data: [DONE]", ""]


def test_a_refused_stream_has_a_status(client):
    with pytest.raises(openai.NotFoundError, match="Known: <chester>, <rocky>"):
        said(client, "what is <nobody>?", stream=True)


def test_pictures_are_those_of_a_session(client, session):
    got = drawn(client, "<rocky> wearing a hat", n=2, extra_body={"seed": 7, "guidance": 2.0})
    expected = session("rocky").draw("<rocky> wearing a hat", num_images=2, seed=7, guidance=2.0)
    assert len(got) == 2 and all(map(same, got, expected))
    assert not same(*got)


@pytest.fixture
def batches(server, monkeypatch):
    """The sizes of the batches of questions and of drawings; the first batch waits for others."""
    seen: dict[str, list[int]] = {"say": [], "draw": []}

    def counted(name, whole):
        def call(ready):
            seen[name].append(len(ready))
            return whole(ready)

        return call

    for name in seen:
        monkeypatch.setattr(worker_module, name, counted(name, getattr(worker_module, name)))
    slow = server.worker.limits.__class__(gather=0.4)
    monkeypatch.setattr(server.worker, "limits", slow)
    return seen


@pytest.mark.slow
def test_questions_about_different_concepts_are_one_batch(client, session, batches):
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda text: said(client, text).choices[0].message.content, QUESTIONS))
    assert batches["say"] == [4]
    assert got[0] == session("rocky").ask(QUESTIONS[0], max_ids=8)
    assert got[1] == session("chester").ask(QUESTIONS[1], max_ids=8)


@pytest.mark.slow
def test_a_drawing_is_the_same_whatever_else_is_in_the_batch(client, session, batches):
    asked = [
        ("<rocky> on the beach", 3, 1),
        ("<chester>", 3, 2),
        ("a dog", 5, 1),
        ("<rocky> and <chester>", 4, 1),
    ]
    with ThreadPoolExecutor(4) as pool:
        got = list(
            pool.map(lambda a: drawn(client, a[0], n=a[2], extra_body={"seed": a[1]}), asked)
        )
    assert batches["draw"] == [4]
    names = (("rocky",), ("chester",), ("rocky", "chester"), ("rocky", "chester"))
    for pictures, (prompt, seed, number), who in zip(got, asked, names, strict=True):
        expected = session(*who).draw(prompt, num_images=number, seed=seed)
        assert all(map(same, pictures, expected))


@pytest.mark.slow
def test_one_that_fails_in_a_batch_costs_the_others_nothing(client, session, batches, monkeypatch):
    whole = worker_module.say

    def refuses(ready):
        if any("long" in job.asked.text for job, _ in ready):
            raise UserError("prompt: this base reads at most 9 ids. Say less.")
        return whole(ready)

    monkeypatch.setattr(worker_module, "say", refuses)
    with ThreadPoolExecutor(2) as pool:
        failed, well = (
            pool.submit(said, client, "a long one"),
            pool.submit(said, client, QUESTIONS[0]),
        )
        assert well.result().choices[0].message.content == session("rocky").ask(
            QUESTIONS[0], max_ids=8
        )
        with pytest.raises(openai.BadRequestError, match="this base reads at most"):
            failed.result()
