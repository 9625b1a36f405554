"""What plain `transformers` makes of the tiny base that ships: its classes, and nothing of ours."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.pipelines import any_to_any

import unictoken
from unictoken.model.pixels import prepare, to_pixels
from unictoken.personalize.condition import together
from unictoken.toy.pretrain import card
from unictoken.toy.pretrain.published import processor_of

ROOT = Path(__file__).parents[2]
TINY = ROOT / "checkpoints" / "tiny-chameleon"
FINGERPRINT = "e6048c053e505bc22a92c53f7826e33a89bc5a93946409f1ee61e1a4f413b28f"
QUESTION = "what animal is this?"
BO = [ROOT / "data" / "bo" / f"{i}.png" for i in range(5)]


@pytest.fixture(scope="module")
def tiny():
    return unictoken.load("tiny")


@pytest.fixture(scope="module")
def processor():
    made = transformers.AutoProcessor.from_pretrained(TINY)
    made.chat_template = made.tokenizer.chat_template  # as the card says
    return made


@pytest.fixture(scope="module")
def stock():
    config = json.loads((TINY / "config.json").read_text(encoding="utf-8"))
    named = getattr(transformers, config["architectures"][0])
    return named.from_pretrained(TINY, dtype=torch.float32).eval()


def enlarged(times: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((64 * times, 32 * times), Image.Resampling.NEAREST)


def chat(picture, text=QUESTION):
    content = [{"type": "image", "image": picture}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


@pytest.mark.slow
def test_the_config_names_a_class_that_everybody_has_and_the_base_is_the_same(tiny, stock):
    assert type(stock) is transformers.ChameleonForConditionalGeneration
    assert tiny.fingerprint == FINGERPRINT


def test_a_config_that_names_our_own_class_is_read_as_before(base_folder, base, tmp_path):
    for file in base_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert said["architectures"] == ["ChameleonForConditionalGeneration"]
    said["architectures"], said["vq_config"]["architectures"] = ["EarlyFusionModel"], ["Image"]
    (tmp_path / "config.json").write_text(json.dumps(said), encoding="utf-8")
    assert unictoken.load(tmp_path).fingerprint == unictoken.load(base_folder).fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, 8])
def test_the_processors_pixels_are_ours(times, processor):
    picture = enlarged(times)
    found = processor.image_processor(picture, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(found, to_pixels(prepare(picture, 32)))


def test_every_image_id_of_the_stock_model_is_ours(tiny, stock, processor):
    pictures = [Image.open(path) for path in BO]
    pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    assert torch.equal(stock.get_image_tokens(pixels), tiny.encode(pictures))


def test_a_chat_has_the_ids_of_our_prompt(tiny, processor):
    asked = chat(Image.open(BO[0]))
    said = processor.apply_chat_template(
        asked, tokenize=True, return_dict=True, return_tensors="pt"
    )
    ours = together(tiny, ()).question(QUESTION, tiny.encode([Image.open(BO[0])])[0].tolist())
    ids = said["input_ids"].flatten().tolist()
    is_picture = [i == processor.image_token_id for i in ids]
    assert len(ids) == len(ours) and sum(is_picture) == 64
    assert all(a == b for a, b, seen in zip(ids, ours, is_picture, strict=True) if not seen)
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a dog"}]
    text = processor.apply_chat_template([*talk, talk[0]], tokenize=False)
    assert text == "<s>hi<reserved16386>a dog<reserved16386>hi"


@pytest.mark.parametrize("task", ["image-text-to-text", "any-to-any"])
def test_a_stock_pipeline_answers_as_we_do(task, tiny, stock, processor, monkeypatch):
    # It asks for torchvision, whose image processors it would not use here: Chameleon has PIL's.
    monkeypatch.setattr(any_to_any, "requires_backends", lambda *wanted: None)
    ask = transformers.pipeline(task, model=stock, processor=processor)
    pictures = [Image.open(path) for path in BO[:2]]
    ours = together(tiny, ()).ask([QUESTION] * 2, tiny.encode(pictures))
    said = [ask(text=chat(p), return_full_text=False, max_new_tokens=20)[0] for p in pictures]
    assert [found["generated_text"].strip() for found in said] == ours
    if task == "any-to-any":
        with pytest.raises(ValueError, match="only output the following modalities"):
            ask(text="a dog", generation_mode="image")


def test_what_ships_is_what_making_the_base_writes(tiny, tmp_path):
    processor_of(tiny.vocab.tokenizer, 32, 64).save_pretrained(tmp_path)
    for name in ("processor_config.json", "chat_template.jinja"):
        assert (tmp_path / name).read_bytes() == (TINY / name).read_bytes()


@pytest.mark.slow
def test_the_card_begins_as_it_is_written_and_its_example_runs(stock, capsys, monkeypatch):
    said = (TINY / "README.md").read_text(encoding="utf-8")
    assert said.startswith(card.front_matter()) and card.USE in said
    monkeypatch.chdir(ROOT)
    exec(re.search("```python\n(.*?)```", said, re.DOTALL)[1], {})
    assert capsys.readouterr().out.strip() == "a dog"
