"""benchmarks/speed.py: that the peers do the same work as ours, and that the table says what was
timed. How long things take is never tested.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from unictoken.data.source import read_concept
from unictoken.learn.prepare import prepare
from unictoken.learn.stages import learn, learning_rate
from unictoken.model.draw import Draw
from unictoken.model.products import Product
from unictoken.model.sampling import sample_text
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens.bank import give_ids

LIKELIEST = Draw(temperature=0)


@pytest.fixture(scope="module")
def speed():
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    try:
        yield importlib.import_module("speed")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def peers(speed):
    return sys.modules["peers"]


@pytest.fixture(scope="module")
def generate(peers, base, bo, base_folder):
    ids = give_ids(base, len(bo.rows_in))
    rows = torch.stack([bo.rows_in, bo.rows_out])
    model = peers.load_model(str(base_folder), ids, rows, device="cpu")
    return peers.Generate(model, base.vocab)


@pytest.mark.slow
def test_the_recipe_moves_the_rows_as_we_do_and_no_other_one(
    peers, base, base_folder, toy_folder, short_method
):
    lesson = prepare(base, read_concept(toy_folder, name="tom"), short_method, seed=0)
    stage, learner = short_method.stages[0], lesson.learner
    batches = [
        lesson.objective.batch(stage, step, policy=learner, share=slice(None))
        for step in range(stage.steps)
    ]
    ids = give_ids(base, 5)
    model = peers.load_model(str(base_folder), ids, learner.current(), device="cpu")
    before = [weight.detach().clone() for weight in peers.matrices(model)]
    side = base.model.model.vqmodel.config.resolution
    recipe = peers.Recipe(
        model,
        ids,
        stage,
        pixels_NCHW=torch.zeros(stage.batch, 3, side, side),
        longest=max(batch.ids_BT.shape[1] for batch in batches) + 3,
        vocab=base.vocab,
    )
    losses = [recipe.step(batch, learning_rate(stage, step)) for step, batch in enumerate(batches)]
    ours = [progress.loss for progress in learn(learner, short_method, lesson.objective)]
    assert losses == pytest.approx(ours, rel=1e-4) and len(set(losses)) == stage.steps
    for part, (weight, old) in enumerate(zip(peers.matrices(model), before, strict=True)):
        assert torch.allclose(weight[ids], learner.current()[part], atol=1e-3)
        changed = (weight != old).any(1).nonzero().flatten().tolist()
        assert changed and set(changed) <= set(ids)


@pytest.mark.slow
def test_generate_draws_the_same_with_either_cache(speed, generate, base, bo):
    spoken = with_tokens(base, bo)
    texts = ["<bo> wearing a hat", "<bo>"]
    ours = spoken.draw_ids(texts, LIKELIEST)
    prompts = [speed.drawing_ids(spoken, text) for text in texts]
    for cache in (None, "static"):
        theirs = generate.draw(prompts, base.codes_per_picture, LIKELIEST, cache=cache)
        assert torch.equal(theirs, ours)


@pytest.mark.slow
def test_generate_samples_what_guidance_and_the_seed_say(speed, generate, base, bo):
    prompt = speed.drawing_ids(with_tokens(base, bo), "<bo> wearing a hat")
    hows = (Draw(), Draw(), Draw(guidance=40.0), Draw(seed=1))
    first, again, *others = [
        generate.draw([prompt], base.codes_per_picture, how).tolist() for how in hows
    ]
    assert first == again and all(other != first for other in others)
    assert set(first[0]) <= set(base.vocab.image_ids.tolist())


def test_generate_answers_and_recognises_the_same(generate, base, bo):
    spoken = with_tokens(base, bo)
    prompts = [spoken.question("what is <bo>?"), spoken.question("is it night?", range(4))]
    # without the limits on an answer that only we have
    asked = [sample_text(spoken.speaker, [prompt], max_ids=1) for prompt in prompts]
    found = generate.next_scores(prompts)
    found[:, [*base.vocab.image_ids.tolist(), *base.vocab.no_text]] = -torch.inf
    assert [[i] for i in found.argmax(-1).tolist()] == [answer for (answer,) in asked]
    answers = generate.answer(prompts, 5)
    assert len(answers) == 2 and all(len(answer) <= 5 for answer in answers)


def test_the_table_compares_repeat_by_repeat(speed):
    row = speed.Row(what="walking", ours=int, peers={"crawling": int}, read=40)
    timed = speed.Timed(
        row=row,
        taken={"": [1.0, 2.0, 4.0], "crawling": [3.0, 4.0, 20.0]},
        operations={"": 10**9, "crawling": 2 * 10**9},
    )
    machine = speed.Machine(fp32=1e9, bf16=4e9, bandwidth=80.0)
    last = speed.table([timed], machine).splitlines()[-1]
    assert last == "| walking | 2 | crawling | 4 | 3.00x | 1 | 2 | 50% | 12% | 0.5 |"


def test_operations_of_attention_are_counted_on_a_cpu(speed):
    states = torch.randn(2, 3, 5, 4, requires_grad=True)

    def attend() -> None:
        torch.nn.functional.scaled_dot_product_attention(states, states, states).sum().backward()

    forward = 4 * 2 * 3 * 5 * 5 * 4
    assert speed.count_operations(attend) == forward + 5 * forward // 2


CONFIG = """
concept: {{name: tom, pictures: {pictures}}}
base: {base}
method: {{tokens: {{shared: 4}}, stages: [{{steps: 9, batch: 4}}]}}
"""


@pytest.mark.slow
def test_the_program_writes_what_it_prints(
    speed, base_folder, toy_folder, monkeypatch, tmp_path, capsys
):
    learned = tmp_path / "tom.yaml"
    learned.write_text(CONFIG.format(pictures=toy_folder, base=base_folder), encoding="utf-8")
    parts = ("learning", "recognising")
    small = {"LEARNED": learned, "PARTS": parts, "ASKED": 2, "WARM_UP": 1, "MOST_REPEATS": 2}
    for name, value in small.items():
        monkeypatch.setattr(speed, name, value)
    speed.main(["--repeats", "1", "--device", "cpu", "--out", str(tmp_path / "speed.md")])
    written = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert written in capsys.readouterr().out
    lines = [line.split(" | ") for line in written.splitlines() if line.startswith("| ")]
    assert [(cells[0], cells[2]) for cells in lines[1:]] == [
        ("| a step of learning, 4 examples", "the published recipe"),
        ("| of it, making the examples", ""),
        ("| recognising in 2 pictures", "whole prompts"),
    ]
    assert "Machine: " in written and "GB/s" in written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--repeats", "0"], "--repeats: found 0, expected 1 to 100"),
        pytest.param(
            ["--device", "cuda"],
            "--device cuda: found no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_a_mistake_is_said_before_anything_is_timed(speed, arguments, said):
    with pytest.raises(SystemExit, match=said):
        speed.main(arguments)


def test_operations_of_packed_products_are_counted(speed):
    weight, rows = torch.randn(6, 4), torch.randn(3, 4)
    multiply = Product(weight, packed=True)
    assert speed.count_operations(lambda: multiply(rows)) == 2 * 3 * 6 * 4
