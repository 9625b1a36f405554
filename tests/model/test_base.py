import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, ChameleonForConditionalGeneration

from unictoken.core.config import DTYPES
from unictoken.core.shipped import PlaceError
from unictoken.model.base import dtype_named, load_base
from unictoken.model.chameleon import Chameleon
from unictoken.model.protocol import BaseError
from unictoken.model.vocab import VocabError
from unictoken.personalize.words import in_words

pytestmark = pytest.mark.real
SHIPPED = Path(__file__).parents[2] / "checkpoints" / "tiny-chameleon"


def test_a_saved_base_loads_the_same(base, base_folder):
    loaded = load_base(base_folder, device="cpu")
    assert loaded.row_fingerprints == base.row_fingerprints
    assert loaded.can_draw and loaded.width == 32 and loaded.codes_per_picture == 64
    ids = torch.tensor([[0, 5, 9, 70]])
    assert torch.equal(
        loaded.logits(loaded.hidden(loaded.embed(ids))), base.logits(base.hidden(base.embed(ids)))
    )
    ours = base.model.state_dict()
    assert all(
        torch.equal(tensor, ours[name]) for name, tensor in loaded.model.state_dict().items()
    )


def mapped(tensor: torch.Tensor) -> str:
    """The file in which this process finds the tensor; '' where it is in memory of its own."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        addresses, *_, file = line.split(maxsplit=5) if line.count("/") else (line.split()[0], "")
        begin, end = (int(address, 16) for address in addresses.split("-"))
        if begin <= tensor.data_ptr() < end:
            return file
    return ""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what is mapped")
def test_processes_share_one_copy_of_a_base_in_the_dtype_that_it_is_stored_in(base_folder):
    """The others of a machine map the same file. In another dtype each has a copy of its own."""
    stored, other = (
        load_base(base_folder, device="cpu", dtype=dtype) for dtype in (torch.bfloat16, None)
    )
    for name in ("lm_head.weight", "model.layers.1.mlp.up_proj.weight"):
        assert mapped(stored.model.get_parameter(name)).endswith("model.safetensors")
        assert not mapped(other.model.get_parameter(name)).endswith("model.safetensors")


@pytest.mark.slow
def test_transformers_own_classes_load_the_shipped_base_and_read_a_picture_much_as_ours_do(toy):
    picture, base = toy.pictures[0], load_base(SHIPPED)
    processor, model = (
        AutoProcessor.from_pretrained(SHIPPED),
        ChameleonForConditionalGeneration.from_pretrained(SHIPPED, dtype=torch.float32),
    )
    inputs = processor(images=[picture], text="<image>what animal is it?", return_tensors="pt")
    ids = model.model.get_image_tokens(inputs["pixel_values"])
    same = ids.flatten() == base.encode([picture]).flatten()
    # their pixels are times .0078, ours over 127.5, as Chameleon's own
    assert same.float().mean() > 0.95
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == base.codes_per_picture


def test_a_base_is_frozen(base):
    assert not any(p.requires_grad for p in base.model.parameters())
    assert not base.model.training


def test_image_ids_have_logits_of_their_own(base):
    """Chameleon's own forward sets them to the minimum."""
    hidden = torch.randn(1, 32)
    logits = base.logits(hidden)[:, base.vocab.image_ids]
    assert torch.equal(
        logits,
        torch.nn.functional.linear(hidden, base.model.lm_head.weight)[:, base.vocab.image_ids],
    )
    assert logits.std() > 0


@pytest.mark.parametrize("apart", [False, True], ids=["following each other", "not"])
def test_image_ids_and_text_are_scored_by_themselves_as_all_together(base, monkeypatch, apart):
    if apart:
        monkeypatch.setattr(base.vocab, "image_rows", None)
    hidden = base.hidden(base.embed(torch.tensor([[5, 6, 7]])))
    whole, text = base.logits(hidden), base.text_logits(hidden)
    images = whole[..., base.vocab.image_ids]
    torch.testing.assert_close(base.image_logits(hidden), images)
    expected = whole.index_fill(-1, base.vocab.image_ids, -torch.inf)
    torch.testing.assert_close(text, expected)


def test_what_comes_later_does_not_change_what_came_before(base):
    ids = torch.tensor([[0, 300, 301, 302, 303], [0, 300, 301, 400, 401]])
    hidden = base.hidden(base.embed(ids))
    torch.testing.assert_close(hidden[0, :3], hidden[1, :3])


def test_pictures_become_image_ids_and_image_ids_become_pictures(base, toy):
    ids = base.encode(toy.pictures)
    assert ids.shape == (5, 64) and (base.vocab.code_of_id[ids] >= 0).all()
    pictures = base.decode(ids)
    assert [(p.mode, p.size) for p in pictures] == [("RGB", (32, 32))] * 5


def test_pictures_are_encoded_as_they_come(base, toy, monkeypatch):
    monkeypatch.setattr("unictoken.model.chameleon.PICTURES_AT_ONCE", 2)
    alive: list[weakref.ref] = []
    most = 0

    def stream():
        nonlocal most
        for picture in toy.pictures:
            copy = picture.copy()
            alive.append(weakref.ref(copy))
            yield copy
            del copy
            most = max(most, sum(one() is not None for one in alive))

    assert torch.equal(base.encode(stream()), base.encode(toy.pictures))
    assert len(alive) == 5 and most <= 1


def test_no_pictures_have_no_image_ids(base):
    ids = base.encode(iter(()))
    assert ids.shape == (0, base.codes_per_picture) and ids.dtype == torch.long


def test_a_picture_of_any_size_can_be_encoded(base):
    noise = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    assert base.encode([Image.fromarray(noise), Image.new("L", (7, 9))]).shape == (2, 64)


def test_large_pictures_go_through_the_image_tokenizer_a_few_at_a_time(base, toy, monkeypatch):
    ids = base.encode(toy.pictures)
    pictures = base.decode(ids)
    monkeypatch.setattr("unictoken.model.chameleon.PIXELS_AT_ONCE", 1)
    assert torch.equal(base.encode(toy.pictures), ids)
    for whole, alone in zip(pictures, base.decode(ids), strict=True):
        # of 255: sums of other lengths round in other places
        assert np.abs(np.subtract(whole, alone, dtype=np.int16)).max() <= 1


def test_ids_that_are_not_image_ids_are_not_decoded(base):
    with pytest.raises(BaseError, match="1 of 64 ids are not image ids"):
        base.decode(torch.tensor([[base.vocab.bos] + [4] * 63]))


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(BaseError, match="no config.json"):
        load_base(tmp_path)


def test_weights_without_a_decoder_answer_but_do_not_draw(base_folder, tmp_path):
    for file in base_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(base_folder / "model.safetensors")
    save_file(
        {k: t for k, t in tensors.items() if ".decoder." not in k},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert not load_base(tmp_path, device="cpu").can_draw
    save_file(
        {k: t for k, t in tensors.items() if "lm_head" not in k},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(BaseError, match="1 weights are missing, 'lm_head.weight' first"):
        load_base(tmp_path, device="cpu")


def test_a_tokenizer_of_another_family_is_refused(model):
    class OfAnotherFamily:
        sep_token = None

        def get_vocab(self):
            return {"<bos>": 0, "hello": 1}

    with pytest.raises(VocabError, match="no token '<s>'"):
        Chameleon(model, OfAnotherFamily(), "other")


@pytest.fixture
def copy(base_folder, tmp_path):
    return shutil.copytree(base_folder, tmp_path / "copy")


def with_config(vq=(), **changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["vq_config"] |= dict(vq)
        (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")

    return change


def with_text(name, text):
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def with_index(text):
    def change(folder):
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")

    return change


def with_pickle(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def with_tensors(**more):
    def change(folder):
        tensors = load_file(folder / "model.safetensors") | more
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return change


def with_one_number(name, number):
    def change(folder):
        tensors = load_file(folder / "model.safetensors")
        tensors[name].view(-1)[-1] = number
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return change


def with_another_image_token(folder):
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(text.replace("IMGIMGDDZ", "IMGIMGQQZ"), encoding="utf-8")


MALFORMED = {
    "an empty config": (with_text("config.json", "{}"), "says model_type None, expected one of"),
    "an unknown family": (
        with_config(model_type="llama"),
        "config.json says model_type 'llama', expected one of chameleon. Name a base of such",
    ),
    "no vocabulary": (with_config(vocabulary_map=None), "config.json has no 'vocabulary_map'"),
    "a list for a config": (
        with_text("config.json", "[]"),
        "says model_type None, expected one of",
    ),
    "a config cut short": (with_text("config.json", "{"), "config.json: cannot be read"),
    "a word for a number": (
        with_config(hidden_size="big"),
        "config.json: hidden_size: found 'big', expected a whole number",
    ),
    "no kind of attention": (
        with_config(vq={"attn_type": None}),
        "config.json is not Chameleon's .*'attn_type' expected str",
    ),
    "an unknown activation": (
        with_config(hidden_act="nonsense"),
        "do not go with its config.json .*nonsense",
    ),
    "no heads": (
        with_config(num_attention_heads=0),
        "config.json: num_attention_heads: found 0, expected a whole number from 1",
    ),
    "fewer layers": (
        with_config(num_hidden_layers=1),
        "13 weights are not used by its config.json, 'model.layers.1.input_layernorm.weight' first",
    ),
    "no layers": (
        with_config(num_hidden_layers=-1),
        "num_hidden_layers: found -1, expected a whole",
    ),
    "a hundred million layers": (
        with_config(num_hidden_layers=10**8),
        "num_hidden_layers: found 100000000, expected a whole number from 1 to 512",
    ),
    "more weights than its files hold": (
        with_config(hidden_size=32768, num_hidden_layers=512),
        "config.json makes [0-9,]{16,} parameters or more, its weight files have [0-9,]+ bytes",
    ),
    "codes without end": (with_config(vq={"num_embeddings": 10**9}), "vq_config.num_embeddings"),
    "a weight of something else": (
        with_tensors(stray=torch.zeros(3)),
        "1 weights are not used by its config.json, 'stray' first",
    ),
    "a weight that is no number": (
        with_one_number("model.norm.weight", torch.nan),
        "'model.norm.weight' holds NaN or infinity",
    ),
    "an infinite weight": (
        with_one_number("model.vqmodel.quantize.embedding.weight", torch.inf),
        "quantize.embedding.weight' holds NaN",
    ),
    "pictures of no pixels": (with_config(vq={"resolution": 0}), "vq_config.resolution: found 0"),
    "an empty tokenizer": (
        with_text("tokenizer.json", "{}"),
        "its tokenizer.json or tokenizer_config.json cannot be used",
    ),
    "a tokenizer cut short": (
        with_text("tokenizer.json", "{"),
        "tokenizer.json: cannot be read",
    ),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "its tokenizer.json or tokenizer_config.json cannot be used",
    ),
    "an image token that is no number": (
        with_another_image_token,
        "its tokenizer.json has names that are not Chameleon's .*'QQ'",
    ),
    "a list for an index": (
        with_index("[]"),
        "model.safetensors.index.json: no 'weight_map'",
    ),
    "an empty index": (
        with_index("{}"),
        "model.safetensors.index.json: no 'weight_map'",
    ),
    "only a pickle": (with_pickle, "no file named model.safetensors"),
}


@pytest.mark.parametrize(
    "more",
    [
        {"return_dict": False},
        {"output_hidden_states": True, "output_attentions": True},
        {"torchscript": True, "chunk_size_feed_forward": 3},
        {"attn_implementation": "somebody/kernel", "_attn_implementation": "somebody/kernel"},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        {"auto_map": {"AutoConfig": "evil.Config"}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_config_says_beside_its_shape_changes_nothing(copy, base, more):
    with_config(**more)(copy)
    loaded = load_base(copy, device="cpu")
    asked = ["what colour is bo?"]
    assert in_words(loaded, "bo", "").ask(asked) == in_words(base, "bo", "").ask(asked)
    assert loaded.model.config._attn_implementation == base.model.config._attn_implementation


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_base_is_refused_in_one_line_that_names_it(copy, case):
    change, said = MALFORMED[case]
    change(copy)
    with pytest.raises(BaseError, match=said) as refused:
        load_base(copy, device="cpu")
    assert str(copy) in str(refused.value) and "\n" not in str(refused.value)


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(PlaceError, match="no such file or folder here"):
        load_base("x" * 300)


def test_a_pickle_is_never_unpickled(copy, tmp_path):
    class Smuggled:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    (copy / "model.safetensors").unlink()
    torch.save(Smuggled(), copy / "pytorch_model.bin")
    with pytest.raises(BaseError, match="no file named model.safetensors"):
        load_base(copy, device="cpu")
    assert not (tmp_path / "ran").exists()


def test_the_positions_that_old_checkpoints_hold_are_no_strays(copy):
    with_tensors(**{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8)})(copy)
    assert load_base(copy, device="cpu").width == 32


@pytest.mark.parametrize("change", [{"vocab_size": 300}, {"vq": {"num_embeddings": 32}}])
def test_a_tokenizer_of_another_size_is_refused(copy, change):
    """The weights go with the config; the tokenizer does not."""
    rows = change.get("vocab_size")
    with_config(**change)(copy)
    tensors = load_file(copy / "model.safetensors")
    names = (
        ["lm_head.weight", "model.embed_tokens.weight"]
        if rows
        else ["model.vqmodel.quantize.embedding.weight"]
    )
    save_file(
        tensors | {name: tensors[name][: rows or 32].contiguous() for name in names},
        copy / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(BaseError, match="its tokenizer.json has (ids up to|64 image tokens)"):
        load_base(copy, device="cpu")


def test_loading_prints_nothing_and_leaves_the_bars_of_others(base_folder, capfd):
    from transformers.utils import logging

    load_base(base_folder, device="cpu")
    assert capfd.readouterr() == ("", "")
    list(logging.tqdm(range(2), desc="theirs"))
    assert "theirs" in capfd.readouterr().err


@pytest.mark.parametrize("has_bf16", [False, True])
def test_a_dtype_is_named_in_one_place(monkeypatch, has_bf16):
    monkeypatch.setattr("unictoken.model.products.cpu_is_faster_in_bf16", lambda: has_bf16)
    monkeypatch.setattr("unictoken.model.base.check_device", str)  # of machines with a GPU, too
    fp32, bf16 = torch.float32, torch.bfloat16
    assert DTYPES == ("auto", "fp32", "bf16", "fast")
    assert [dtype_named(said, "cuda") for said in DTYPES] == [bf16, fp32, bf16, bf16]
    on_cpu = [fp32, fp32, bf16, bf16 if has_bf16 else fp32]
    assert [dtype_named(said, "cpu") for said in DTYPES] == on_cpu
    with pytest.raises(BaseError, match="dtype: found 'fp16', expected one of auto, fp32, bf16"):
        dtype_named("fp16")


@pytest.mark.parametrize(
    "said", ["../secret.safetensors", "{tmp}/secret.safetensors", "a/../../b", "..", 3, ""]
)
def test_an_index_of_weights_that_leads_out_of_the_bases_folder_is_refused(
    base_folder, tmp_path, said
):
    folder = shutil.copytree(base_folder, tmp_path / "base")
    weights = folder / "model.safetensors"
    names = list(load_file(weights))
    weights.rename(tmp_path / "secret.safetensors")
    named = said.format(tmp=tmp_path) if isinstance(said, str) else said
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, named)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(BaseError, match="expected a file in the base's own folder") as refused:
        load_base(folder, device="cpu")
    assert "\n" not in str(refused.value) and repr(named)[:20] in str(refused.value)
