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
from unictoken.core.errors import UserError
from unictoken.model.draw import Draw
from unictoken.model.pixels import prepare, to_pixels
from unictoken.model.stock import processor_of
from unictoken.personalize.condition import together
from unictoken.toy.pretrain import card

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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def drawing(tiny):
    """The stock pipeline with what `for_transformers` gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(any_to_any, "requires_backends", lambda *wanted: None)
        yield transformers.pipeline("any-to-any", **unictoken.for_transformers(tiny))


def same(one, other) -> bool:
    # A processor with AVX-512 decodes one picture otherwise than two at once.
    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1


@pytest.mark.slow
def test_a_stock_pipeline_draws_what_we_draw(drawing, tiny):
    assert isinstance(drawing, transformers.AnyToAnyPipeline)
    assert drawing.model.output_modalities == ("text", "image")
    prompts = ["a brown dog on the beach.", "a cat."]
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    drawn = [drawing(text=chat, generation_mode="image")[0] for chat in chats]
    ours = [together(tiny, ()).draw([prompt])[0] for prompt in prompts]
    assert all(map(same, (found["generated_image"] for found in drawn), ours))
    assert not same(*ours)


@pytest.mark.slow
def test_a_drawing_takes_its_seed_and_guidance_by_the_pipelines_names(drawing, tiny):
    asked = [{"role": "user", "content": "a cat."}]
    how = {"seed": 3, "guidance_scale": 3.0}
    (found,) = drawing(text=asked, generation_mode="image", generate_kwargs=how)
    assert same(
        found["generated_image"], together(tiny, ()).draw(["a cat."], Draw(seed=3, guidance=3.0))[0]
    )
    with pytest.raises(UserError, match="drawing: found 'sede', expected one of temperature"):
        drawing(text=asked, generation_mode="image", generate_kwargs={"sede": 3})


def test_the_pipeline_that_draws_answers_as_well_and_holds_the_bases_own_weights(drawing, tiny):
    pictures = [Image.open(path) for path in BO[:2]]
    said = [drawing(text=chat(p), return_full_text=False)[0]["generated_text"] for p in pictures]
    assert [text.strip() for text in said] == together(tiny, ()).ask(
        [QUESTION] * 2, tiny.encode(pictures)
    )
    assert drawing.model.lm_head is tiny.model.lm_head


@pytest.mark.slow
def test_a_prompt_may_show_a_picture(drawing, tiny):
    asked = chat(Image.open(BO[0]), "a dog.")
    found = drawing(text=asked, generation_mode="image")[0]["generated_image"]
    alone = drawing(text=[{"role": "user", "content": "a dog."}], generation_mode="image")
    assert found.size == (32, 32) and not same(found, alone[0]["generated_image"])


def test_a_base_without_a_decoder_answers_and_says_that_it_cannot_draw(drawing, tiny, monkeypatch):
    monkeypatch.setattr(tiny, "can_draw", False)
    with pytest.raises(UserError, match="answers but cannot draw"):
        drawing(text=[{"role": "user", "content": "a cat."}], generation_mode="image")


def test_what_ships_is_what_making_the_base_writes(tiny, tmp_path):
    processor_of(tiny.vocab.tokenizer, 32, 64).save_pretrained(tmp_path)
    for name in ("processor_config.json", "chat_template.jinja"):
        assert (tmp_path / name).read_bytes() == (TINY / name).read_bytes()


@pytest.mark.slow
def test_the_card_begins_as_it_is_written_and_its_example_runs(stock, capsys, monkeypatch):
    said = (TINY / "README.md").read_text(encoding="utf-8")
    assert said.startswith(card.front_matter()) and card.USE in said
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(any_to_any, "requires_backends", lambda *wanted: None)
    kept = {}
    monkeypatch.setattr(Image.Image, "save", lambda picture, name: kept.update({name: picture}))
    answers, draws = re.findall("```python\n(.*?)```", said, re.DOTALL)
    defined: dict = {}
    exec(answers, defined)
    assert capsys.readouterr().out.strip() == "a dog"
    exec(draws, defined)
    assert kept["dog.png"].size == (32, 32)
