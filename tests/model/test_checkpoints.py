"""Loading what `transformers` saves, sharded or whole, with a decoder or without; completing a base
that has none.
"""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from transformers import ChameleonForConditionalGeneration
from transformers.cache_utils import DynamicCache

from unictoken.model.base import load_base
from unictoken.model.protocol import BaseError
from unictoken.model.vq_decoder import DecoderError
from unictoken.personalize.words import in_words

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def theirs(model, tokenizer, tmp_path_factory):
    """The tiny base as transformers' own class saves it: no decoder, in bf16 but for the VQGAN, in
    several files with an index.
    """
    published = ChameleonForConditionalGeneration(model.config)
    published.load_state_dict(
        {name: tensor for name, tensor in model.state_dict().items() if ".decoder." not in name}
    )
    vq = published.model.vqmodel
    published.model.vqmodel = torch.nn.Module()
    published.bfloat16()
    published.model.vqmodel = vq
    folder = tmp_path_factory.mktemp("theirs")
    published.save_pretrained(folder, max_shard_size="150KB")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vqgan(model) -> dict[str, torch.Tensor]:
    """The VQGAN alone, under the names of the original download."""
    return {name: tensor.contiguous() for name, tensor in model.model.vqmodel.state_dict().items()}


def same_weights(loaded, expected) -> bool:
    ours = expected.model.state_dict()
    return all(
        torch.equal(tensor.float(), ours[name])
        for name, tensor in loaded.model.state_dict().items()
    )


def test_a_sharded_checkpoint_of_transformers_own_class_answers_and_does_not_draw(
    theirs, base, toy
):
    assert (theirs / "model.safetensors.index.json").is_file() and len(
        list(theirs.glob("*.safetensors"))
    ) > 2
    loaded = load_base(theirs, device="cpu")
    assert loaded.row_fingerprints == base.row_fingerprints and not loaded.can_draw
    assert torch.equal(loaded.encode(toy.pictures), base.encode(toy.pictures))
    assert in_words(loaded, "bo", "").ask(["what is it?"]) == in_words(base, "bo", "").ask(
        ["what is it?"]
    )


def test_asked_to_draw_it_says_what_is_missing_and_which_file_completes_it(theirs):
    loaded = load_base(theirs, device="cpu")
    for draw in (
        lambda: in_words(loaded, "bo", "").draw(["<bo>"]),
        lambda: loaded.decode(loaded.vocab.image_ids[None]),
    ):
        with pytest.raises(BaseError, match="no decoder.*Anole-7b-v0.1") as raised:
            draw()
        assert "\n" not in str(raised.value)


def test_in_bf16_the_image_tokenizer_stays_as_it_was_published(base_folder, base, toy):
    loaded = load_base(base_folder, device="cpu", dtype=torch.bfloat16)
    assert loaded.model.lm_head.weight.dtype == torch.bfloat16
    assert {p.dtype for p in loaded.model.model.vqmodel.parameters()} == {torch.float32}
    assert same_weights(loaded, base)
    assert torch.equal(loaded.encode(toy.pictures), base.encode(toy.pictures))


def names_under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


@pytest.mark.slow
def test_a_base_is_completed_by_the_vqgan_alone_by_a_whole_model_or_by_the_original_download(
    theirs, vqgan, base, base_folder, tmp_path
):
    (tmp_path / "alone").mkdir()
    save_file(vqgan, tmp_path / "alone" / "model.safetensors")
    save_file(names_under("vqmodel.", vqgan), tmp_path / "prefixed.safetensors")
    (tmp_path / "original" / "tokenizer").mkdir(parents=True)
    extras = {"loss.logvar": torch.zeros(1), "global_step": 3}
    torch.save(
        {"state_dict": {**vqgan, **extras}, "epoch": 4},
        tmp_path / "original" / "tokenizer" / "vqgan.ckpt",
    )
    places = (
        "alone",
        "prefixed.safetensors",
        "original",
        "original/tokenizer",
        "original/tokenizer/vqgan.ckpt",
    )
    for place in (*(tmp_path / name for name in places), base_folder):
        completed = load_base(theirs, vq_decoder=place, device="cpu", dtype=torch.bfloat16)
        assert completed.can_draw and same_weights(completed, base), place


def test_a_decoder_of_other_codes_is_refused(theirs, vqgan, tmp_path):
    save_file(
        {**vqgan, "quantize.embedding.weight": vqgan["quantize.embedding.weight"].flip(0)},
        tmp_path / "other.safetensors",
    )
    with pytest.raises(
        DecoderError, match=r"other\.safetensors.*'quantize\.embedding\.weight' is not the base's"
    ):
        load_base(theirs, vq_decoder=tmp_path / "other.safetensors", device="cpu")


@pytest.mark.parametrize(
    "lost", ["quantize.embedding.weight", "post_quant_conv.bias", "decoder.conv_in.weight"]
)
def test_a_vqgan_that_lacks_something_is_refused(theirs, vqgan, tmp_path, lost):
    save_file(
        {name: tensor for name, tensor in vqgan.items() if name != lost},
        tmp_path / "part.safetensors",
    )
    with pytest.raises(DecoderError, match=rf"'{lost}'"):
        load_base(theirs, vq_decoder=tmp_path / "part.safetensors", device="cpu")


def test_a_decoder_of_another_shape_is_refused(theirs, vqgan, tmp_path):
    save_file({**vqgan, "decoder.conv_out.bias": torch.zeros(4)}, tmp_path / "wide.safetensors")
    with pytest.raises(
        DecoderError,
        match="1 of .* tensors are missing or of another shape, 'decoder.conv_out.bias' first",
    ):
        load_base(theirs, vq_decoder=tmp_path / "wide.safetensors", device="cpu")


class Unpickled:
    """A class that a checkpoint could smuggle in."""


def test_a_checkpoint_with_code_inside_is_not_opened(theirs, tmp_path):
    torch.save({"state_dict": {}, "callbacks": Unpickled()}, tmp_path / "vqgan.ckpt")
    with pytest.raises(DecoderError, match=r"vqgan\.ckpt: not a whole file of plain tensors"):
        load_base(theirs, vq_decoder=tmp_path / "vqgan.ckpt", device="cpu")


@pytest.mark.parametrize(
    "other",
    [torch.zeros(3, 4), [torch.zeros(3)], {0: torch.zeros(3)}, {"state_dict": torch.zeros(3)}],
)
def test_a_torch_file_of_something_else_is_said(theirs, tmp_path, other):
    torch.save(other, tmp_path / "best-token.pt")
    with pytest.raises(
        DecoderError, match=r"best-token\.pt: found .*, expected a state dict of tensors"
    ):
        load_base(theirs, vq_decoder=tmp_path / "best-token.pt", device="cpu")


@pytest.mark.parametrize(
    ("junk", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n",
            "a pointer of Git LFS, .* `git lfs pull` fetches it",
        ),
        (b"<!DOCTYPE html><html>", "does not begin as a zip"),
        (b"\x80\x02h\x00.", "does not begin as a zip"),
        (b"G123", "does not begin as a zip"),
        (b"PK\x03\x04aaaa", "File is not a zip file"),
        (b"", "does not begin as a zip"),
    ],
)
def test_a_checkpoint_of_junk_is_refused_in_one_line(theirs, tmp_path, junk, said):
    (tmp_path / "vqgan.ckpt").write_bytes(junk)
    with pytest.raises(DecoderError, match=rf"vqgan\.ckpt: .*{said}") as refused:
        load_base(theirs, vq_decoder=tmp_path / "vqgan.ckpt", device="cpu")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        torch.zeros(3, dtype=torch.int8),
        torch.tensor([0, float("nan"), 1]),
        torch.tensor([0, float("inf"), 1]),
    ],
)
def test_a_decoder_that_is_not_of_finite_numbers_is_refused(theirs, vqgan, tmp_path, values):
    save_file({**vqgan, "decoder.conv_out.bias": values}, tmp_path / "odd.safetensors")
    with pytest.raises(
        DecoderError,
        match=r"odd\.safetensors: 'decoder\.conv_out\.bias' .* not finite floating numbers",
    ):
        load_base(theirs, vq_decoder=tmp_path / "odd.safetensors", device="cpu")


def test_a_decoder_that_is_there_twice_is_refused(theirs, vqgan, tmp_path):
    more = {"model.vqmodel.decoder.conv_out.bias": torch.zeros(3)}
    save_file(vqgan | more, tmp_path / "twice.safetensors")
    with pytest.raises(
        DecoderError, match=r"twice\.safetensors: found 'decoder\.conv_out\.bias' twice"
    ):
        load_base(theirs, vq_decoder=tmp_path / "twice.safetensors", device="cpu")


def test_places_without_a_vqgan_are_said(theirs, tmp_path):
    with pytest.raises(DecoderError, match=r"neither \*\.safetensors nor vqgan\.ckpt"):
        load_base(theirs, vq_decoder=tmp_path, device="cpu")
    with pytest.raises(DecoderError, match="no such file or folder, and not fetched from the Hub"):
        load_base(theirs, vq_decoder="nobody/has-this", device="cpu")


def test_a_base_with_half_a_decoder_is_damaged(base_folder, base, tmp_path):
    shutil.copytree(base_folder, tmp_path / "half")
    kept = {
        name: tensor.contiguous()
        for name, tensor in base.model.state_dict().items()
        if ".decoder.mid." not in name
    }
    save_file(kept, tmp_path / "half" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseError, match="weights are missing, 'model.vqmodel.decoder.mid"):
        load_base(tmp_path / "half", device="cpu")


def test_weights_of_another_shape_are_said(base_folder, base, tmp_path):
    shutil.copytree(base_folder, tmp_path / "other")
    kept = {name: tensor.contiguous() for name, tensor in base.model.state_dict().items()}
    kept["lm_head.weight"] = kept["lm_head.weight"][:, :16].contiguous()
    save_file(kept, tmp_path / "other" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BaseError,
        match=r"'lm_head.weight' has shape \(\d+, 16\), its config.json makes it \(\d+, 32\)",
    ):
        load_base(tmp_path / "other", device="cpu")


def test_a_file_that_was_cut_is_said(base_folder, tmp_path):
    shutil.copytree(base_folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BaseError, match="cut' cannot be loaded") as raised:
        load_base(tmp_path / "cut", device="cpu")
    assert "\n" not in str(raised.value)


def test_gradients_are_the_same_when_activations_are_recomputed(base_folder):
    """With a beginning that was read before as well; and a cache still works where nothing is
    learned.
    """
    bases = [load_base(base_folder, device="cpu") for _ in range(2)]
    bases[1].recompute_activations()
    beginning, ids = torch.tensor([[0, 70, 71]]), torch.tensor([[5, 9, 300, 301]])
    for read in (False, True):
        gradients = []
        for base in bases:
            cache = DynamicCache() if read else None
            with torch.no_grad():
                base.hidden(base.embed(beginning), cache)
            rows = base.embed(ids).requires_grad_()
            base.logits(base.hidden(rows, cache))[0, -1, 9].backward()
            gradients.append(rows.grad)
        assert gradients[0].abs().sum() > 0 and torch.equal(*gradients)
    said = [in_words(base, "bo", "").ask(["what is it?"], max_ids=5) for base in bases]
    assert said[0] == said[1]


def test_recomputing_keeps_less(base_folder):
    """Tensors that autograd keeps for the backward pass, in values."""
    base = load_base(base_folder, device="cpu")

    def kept() -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.numel()) or t, lambda t: t
        ):
            base.hidden(torch.zeros(1, 50, 32, requires_grad=True))
        return sum(sizes)

    everything = kept()
    base.recompute_activations()
    assert kept() < everything / 4


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_key_that_would_change_the_terminal_is_refused_before_a_library_prints_it(
    base_folder, file, tmp_path, capfd
):
    place = tmp_path / "base"
    shutil.copytree(base_folder, place)
    told = json.loads((place / file).read_text(encoding="utf-8"))
    group = told["added_tokens"][0] if file == "tokenizer.json" else told
    group["x\x1b[2J"] = 1
    (place / file).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(BaseError, match=r"found the key 'x.*expected printable ones. Fetch"):
        load_base(place)
    assert "\x1b" not in "".join(capfd.readouterr())
