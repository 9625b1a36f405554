"""A second family of bases, for which no file of unictoken is opened: a Llama of `transformers` with
a head of its own for pictures, and an image tokenizer of 64 colours.
"""

from __future__ import annotations

from functools import cached_property, partial

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from unictoken.learn.method import Run
from unictoken.learn.methods import Method, Stage, Tokens
from unictoken.learn.optimize import OptimizeRows
from unictoken.model import base as bases
from unictoken.model import fingerprint
from unictoken.model.base import load_base, recomputed
from unictoken.model.draw import Draw
from unictoken.model.internals import CACHE_KEYWORD
from unictoken.model.profile import Profile
from unictoken.model.protocol import Base
from unictoken.model.reading import Reading
from unictoken.model.sampling import next_logits, sample_pictures
from unictoken.model.vocab import Vocab
from unictoken.personalize.base import PersonalBase
from unictoken.tokens import file as concept_file
from unictoken.tokens.speaker import Speaker

SIDE, LEVELS = 4, 4  # pixels of a picture's side; of a colour's three channels
CONFIG = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "initializer_range": 0.3,  # else nothing that it reads changes what it says
}  # fmt: skip


class TwoHeads(nn.Module):
    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.layers = LlamaModel(config)
        self.says = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.paints = nn.Linear(config.hidden_size, LEVELS**3, bias=False)
        for head in (self.says, self.paints):
            nn.init.normal_(head.weight, std=config.initializer_range)


class Llama(Base):
    can_draw, profile = True, Profile()
    codes_per_picture, picture_side = SIDE**2, SIDE
    decoder_digest = "64 colours"
    width, longest = CONFIG["hidden_size"], CONFIG["max_position_embeddings"]
    vocabulary_size = property(lambda self: self.model.says.out_features)
    device = property(lambda self: self.model.says.weight.device)
    dtype = property(lambda self: self.model.says.weight.dtype)
    fingerprint = cached_property(lambda self: fingerprint.of_tensors(self.model.state_dict()))

    def __init__(self, model: TwoHeads, tokenizer: PreTrainedTokenizerFast, name: str):
        self.model, self.name = model.eval().requires_grad_(False), name
        self.vocab = Vocab(tokenizer)

    @classmethod
    def load(cls, path, name, *, vq_decoder, device, dtype):
        model = TwoHeads(LlamaConfig.from_pretrained(path))
        model.load_state_dict(load_file(path / "model.safetensors"))
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
        return cls(model.to(device, dtype), tokenizer, name)

    def cache_bytes(self, ids):
        return 2 * ids * CONFIG["num_hidden_layers"] * self.width // 2 * 4

    def embed(self, ids_BT):
        return self.model.layers.embed_tokens(ids_BT)

    def hidden(self, embeds_BTD, cache=None):
        return self.model.layers(
            inputs_embeds=embeds_BTD, use_cache=cache is not None, **{CACHE_KEYWORD: cache}
        ).last_hidden_state

    def reading(self, rows, columns):
        return Reading(self.model.layers, rows, columns)

    def logits(self, hidden, ids_BT=None):
        columns_C = self.vocab.image_ids.to(hidden.device)
        return self.model.says(hidden).index_copy(-1, columns_C, self.image_logits(hidden))

    def image_logits(self, hidden):
        return self.model.paints(hidden)

    def head_rows(self, ids_N):
        return self.model.says.weight[ids_N]

    def encode(self, pictures):
        small = [picture.convert("RGB").resize((SIDE, SIDE)).tobytes() for picture in pictures]
        levels_NK3 = torch.tensor([list(p) for p in small]).view(-1, SIDE**2, 3) * LEVELS // 256
        return self.vocab.image_ids[levels_NK3 @ torch.tensor([LEVELS**2, LEVELS, 1])]

    def decode(self, image_ids_NK):
        codes = self.vocab.code_of_id[image_ids_NK]
        levels = torch.stack([codes // LEVELS**2, codes // LEVELS % LEVELS, codes % LEVELS], -1)
        colours = (levels * (255 // (LEVELS - 1))).byte().view(-1, SIDE, SIDE, 3)
        return [Image.fromarray(picture.numpy()) for picture in colours]

    def need_decoder(self):
        """It can draw."""

    def recompute_activations(self):
        for layer in self.model.layers.layers:
            layer.forward = partial(recomputed, layer.forward)

    def set_image_tokenizer_apart(self):
        """It has no weights."""


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A checkpoint of the family, with random weights."""
    folder = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(**CONFIG, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    save_file(TwoHeads(config).state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(bases.FAMILIES, "llama", Llama)


@pytest.fixture
def llama(folder, registered) -> PersonalBase:
    return load_base(folder, device="cpu", kind=PersonalBase)


@pytest.fixture
def tokens(llama, make_concept):
    """A concept with random rows."""
    return concept_file.ConceptTokens(
        **{
            **vars(make_concept("bo")),
            "base_name": llama.name,
            "base_fingerprint": llama.fingerprint,
        }
    )


def test_a_config_says_which_family_a_base_is_of(llama):
    assert isinstance(llama, Llama) and isinstance(llama, PersonalBase)
    assert repr(llama).startswith("<PersonalBase '") and "width 32, 16 ids a picture" in repr(llama)


def test_a_family_in_which_something_is_missing_is_refused():
    with pytest.raises(TypeError, match="abstract method"):
        type("HalfAFamily", (Llama,), {"embed": Base.embed})(None, None, "half")


@pytest.mark.parametrize("recompute", [False, True], ids=["", "recomputed"])
def test_a_concept_is_learned_on_another_family_kept_and_spoken_of(llama, toy, tmp_path, recompute):
    if recompute:
        llama.recompute_activations()
    before = {name: tensor.clone() for name, tensor in llama.model.state_dict().items()}
    losses = []
    stage = Stage(steps=30, batch=8, lr=0.05, tasks={"recognise": 1, "vqa": 1, "generate": 2})
    method = Method(tokens=Tokens(shared=4), stages=(stage,))
    run = Run(show=lambda progress: losses.append(progress.loss))
    found = OptimizeRows(method).fit(llama, [toy], run=run)
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])
    after = llama.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())

    kept = concept_file.load(found.save(tmp_path / "concept.safetensors"), llama)
    assert torch.equal(kept.rows_in, found.tokens.rows_in)
    chat, name = llama.with_concepts(kept), kept.name
    assert isinstance(chat.ask(f"what animal is <{name}>?"), str)
    assert 0 <= chat.recognise(toy.pictures[0]) <= 1
    assert chat.draw(f"<{name}> in the snow").original.size == (SIDE, SIDE)


def test_a_prompt_without_the_concept_has_the_logits_of_the_other_family_bit_for_bit(llama, tokens):
    prompts = [
        [llama.vocab.bos, *llama.vocab.encode(text)] for text in ("a brown dog", "who is it")
    ]
    speaker = Speaker(llama, [tokens])
    assert torch.equal(next_logits(speaker, prompts), next_logits(llama, prompts))
    named = [prompts[0] + speaker.ids["bo"]]
    assert not torch.equal(
        next_logits(speaker, named), next_logits(llama, [[*prompts[0], *llama.vocab.reserved[:5]]])
    )


def test_pictures_of_another_family_are_drawn_by_its_own_head(llama):
    """The likeliest codes, one whole forward pass for each, without a cache."""
    vocab = llama.vocab
    prompt = [vocab.bos, *vocab.encode("a brown dog")]
    how = Draw(temperature=0, guidance=1)
    drawn = sample_pictures(llama, [prompt], llama.codes_per_picture, how)[0].tolist()
    ids = [*prompt, vocab.begin_image]
    for expected in drawn:
        hidden_D = llama.hidden(llama.embed(torch.tensor([ids])))[0, -1]
        assert expected == int(vocab.image_ids[llama.model.paints(hidden_D).argmax()])
        ids.append(expected)


def test_a_concept_of_one_family_is_refused_by_another(llama, bo):
    with pytest.raises(concept_file.ConceptError, match="learned on"):
        llama.with_concepts(bo)
