"""Mixed requests to a running server, several at a time, a tenth of them malformed: it goes on, its
memory grows by less than 6 %, each malformed one is refused in one line, and every answer is the one that the
Python API gives.

    python tests/faults/served_requests.py --requests 2000 --at-once 8 --seed 1

The requests are drawn by lot from a seed: questions with and without pictures, streams, drawings,
lists, concept files that are uploaded, asked about and deleted. The server is a process of its own:
`unictoken serve`, whose memory is looked at from outside.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import torch
from PIL import Image
from served import Answer, ask, same, send, shown

import unictoken
from unictoken.core.shipped import find_concept
from unictoken.personalize.condition import together
from unictoken.personalize.session import Session
from unictoken.toy.concepts import toy_concept, write_toy_folder

CHAT, IMAGES, CONCEPTS = "/v1/chat/completions", "/v1/images/generations", "/v1/concepts"
NAMES = ("bo", "kim")  # on the server's shelf, beside <mia>, who ships
QUESTIONS = ("what colour is <{}>?", "what animal is <{}>?", "is <{}> here?", "is it day?")
PROMPTS = ("<{}>", "<{}> wearing a hat", "<{}> on the beach at night")
MALFORMED = (
    (CHAT, b"{"),
    (CHAT, b"\xff\xfe"),
    (CHAT, b"[" * 10_000),
    (CHAT, {"messages": []}),
    (CHAT, ask("what is <nobody>?")),
    (CHAT, ask("what is <bo?")),
    (CHAT, ask("?", model="another")),
    (CHAT, ask("x" * 5000)),
    (CHAT, ask("?", max_tokens="many")),
    (CHAT, ask([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])),
    (CHAT, ask([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}])),
    (IMAGES, {"prompt": "a dog", "n": 11}),
    (IMAGES, {"prompt": "a dog", "seed": -1}),
    (IMAGES, {"prompt": "<nobody>"}),
    (CONCEPTS, b"no concept file"),
    ("/v1/nothing", {}),
)


class Requests:
    """The requests of a seed, and what the Python API says to them."""

    def __init__(self, folder: Path, seed: int):
        self.seed, self.folder = seed, folder
        write_toy_folder(toy_concept(0, 0), folder / "pet")
        self.pictures = sorted((folder / "pet").glob("*.png"))[:4]
        self.base = unictoken.load("tiny", device="cpu")
        self.mia = unictoken.load_concept(find_concept("mia"))
        for name in NAMES:
            self.file_of(name, folder / "shelf")
        self.kinds = [
            kind
            for kind, share in (
                (self._question, 4), (self._look, 4), (self._stream, 2), (self._drawing, 2),
                (self._upload, 1), (self._list, 1),
            )
            for _ in range(share)
        ]  # fmt: skip
        self._known: dict[Any, Any] = {}
        self._turn = threading.Lock()

    def file_of(self, name: str, folder: Path) -> Path:
        """A concept file of this name: <mia>'s rows."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.safetensors"
        replace(self.mia, name=name).save(path)
        return path

    def make(self, number: int, server: Any) -> tuple[str, bool]:
        """The kind of the request of this number, and whether what came back is right."""
        rng = random.Random(f"{self.seed} {number}")
        if number % 10 == 9:
            path, body = rng.choice(MALFORMED)
            return "malformed", _refused(send(server, "POST", path, body))
        kind = rng.choice(self.kinds)
        return kind.__name__.strip("_"), kind(rng, server, number)

    def _question(self, rng: random.Random, server: Any, _: int) -> bool:
        name = rng.choice((*NAMES, "mia"))
        text = rng.choice(QUESTIONS[:2] + QUESTIONS[3:]).format(name)
        return _said(send(server, "POST", CHAT, ask(text))) == self.answer(text, None)

    def _look(self, rng: random.Random, server: Any, _: int) -> bool:
        text, picture = rng.choice(QUESTIONS).format(rng.choice(NAMES)), rng.choice(self.pictures)
        content = [{"type": "text", "text": text}, shown(Image.open(picture))]
        return _said(send(server, "POST", CHAT, ask(content))) == self.answer(text, picture)

    def _stream(self, rng: random.Random, server: Any, _: int) -> bool:
        text = rng.choice(QUESTIONS[:2]).format(rng.choice(NAMES))
        got = send(server, "POST", CHAT, ask(text, stream=True))
        *events, done, rest = got.body.decode().split("\n\n")
        deltas = [json.loads(each.removeprefix("data: "))["choices"][0]["delta"] for each in events]
        whole = "".join(delta.get("content") or "" for delta in deltas)
        return (done, rest) == ("data: [DONE]", "") and whole == self.answer(text, None)

    def _drawing(self, rng: random.Random, server: Any, _: int) -> bool:
        prompt = rng.choice(PROMPTS).format(rng.choice(NAMES))
        seed, number = rng.randrange(2), rng.choice((1, 1, 2))
        got = send(server, "POST", IMAGES, {"prompt": prompt, "seed": seed, "n": number})
        drawn = [_picture(each["b64_json"]) for each in got.json["data"]]
        return len(drawn) == number and all(map(same, drawn, self.drawings(prompt, seed)))

    def _upload(self, rng: random.Random, server: Any, number: int) -> bool:
        name = f"pet{number}"
        data = self.file_of(name, self.folder / "uploads").read_bytes()
        added = send(server, "POST", CONCEPTS, data)
        said = _said(send(server, "POST", CHAT, ask(QUESTIONS[1].format(name))))
        gone = send(server, "DELETE", f"{CONCEPTS}/{name}")
        refused = send(server, "POST", CHAT, ask(QUESTIONS[1].format(name)))
        right = said == self.answer(QUESTIONS[1].format("mia"), None)
        return right and (added.status, gone.status, refused.status) == (201, 200, 404)

    def _list(self, rng: random.Random, server: Any, _: int) -> bool:
        listed = {each["id"] for each in send(server, "GET", CONCEPTS).json["data"]}
        return {*NAMES, "mia"} <= listed and send(server, "GET", "/health").status == 200

    @cached_property
    def chat(self) -> Any:
        concepts = [replace(self.mia, name=name) for name in (*NAMES, "mia")]
        named = {each.name: self.base.with_concepts(each) for each in concepts}
        return {"": Session(self.base, together(self.base, ()))} | named

    def answer(self, text: str, picture: Path | None) -> str:
        """What a session of the Python API says."""
        named = re.findall("<(\\w+)>", text)
        session = self.chat[named[0] if named else ""]
        return self._once((text, picture), lambda: session.ask(text, picture, max_ids=8))

    def drawings(self, prompt: str, seed: int) -> list[Image.Image]:
        """The first two pictures that a session of the Python API draws."""
        (named,) = re.findall("<(\\w+)>", prompt)
        return self._once(
            (prompt, seed),
            lambda: list(self.chat[named].draw(prompt, num_images=2, seed=seed)),
        )

    def _once(self, key: Any, made: Any) -> Any:
        with self._turn:
            if key not in self._known:
                self._known[key] = made()
            return self._known[key]


def _refused(got: Answer) -> bool:
    return 400 <= got.status < 500 and "\n" not in got.line and got.line.isprintable()


def _said(got: Answer) -> str:
    return str(got.json["choices"][0]["message"]["content"])


def _picture(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data)))


class Serving:
    """`unictoken serve` on a free port, as long as a `with` block."""

    def __init__(self, folder: Path):
        command = [sys.executable, "-m", "unictoken", "serve", "--port", "0", "--concepts"]
        self.running = subprocess.Popen(
            [*command, str(folder)], stdout=subprocess.PIPE, encoding="utf-8"
        )

    def __enter__(self) -> SimpleNamespace:
        assert self.running.stdout
        line = self.running.stdout.readline()
        port = re.match(r"http://127\.0\.0\.1:(\d+)/", line)
        assert port, f"no server: {line!r}"
        return SimpleNamespace(host="127.0.0.1", port=int(port[1]), pid=self.running.pid)

    def __exit__(self, *_: object) -> None:
        self.running.terminate()
        self.running.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument(
        "--settled", type=int, help="requests before memory is held; half of them if not given"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=float, default=0.06, help="growth that is let through")
    options = parser.parse_args()
    settled = options.requests // 2 if options.settled is None else options.settled
    if settled >= options.requests:
        parser.error(f"--settled {settled}: expected less than --requests.")
    torch.set_num_threads(1)
    right: Counter[str] = Counter()
    wrong: list[str] = []
    held: list[float] = []
    with tempfile.TemporaryDirectory() as work:
        requests = Requests(Path(work), options.seed)
        with Serving(Path(work) / "shelf") as server, ThreadPoolExecutor(options.at_once) as pool:
            process = psutil.Process(server.pid)
            done = pool.map(lambda i: _made(requests, i, server), range(options.requests))
            for i, (kind, fault) in enumerate(done):
                right[kind] += not fault
                if fault:
                    wrong.append(f"request {i}, {kind}: {fault}")
                if i + 1 >= settled and (i + 1) % 50 == 0:
                    held.append(process.memory_info().rss)
            alive = send(server, "GET", "/health").status == 200
    print(", ".join(f"{kind} {number}" for kind, number in sorted(right.items())))
    growth = max(held) / held[0] - 1
    print(f"memory after {settled:,}: {held[0] / 1e6:.0f} MB, most {growth:+.1%}")
    print("\n".join(wrong[:5]), end="\n" if wrong else "")
    print(f"{len(wrong)} of {options.requests:,} wrong; {'alive' if alive else 'dead'} at the end")
    sys.exit(bool(wrong) or not alive or growth > options.most)


def _made(requests: Requests, number: int, server: Any) -> tuple[str, str]:
    try:
        kind, right = requests.make(number, server)
    except Exception as error:  # a thread that dies would be silent
        return "failed", repr(error)
    return kind, "" if right else "another answer than that of the Python API"


if __name__ == "__main__":
    main()
