"""LoRA adapters on a base that shares its weights, in peft's own format."""

import copy
import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.model import adapters
from unictoken.model.adapters import CONFIG, WEIGHTS, Lora
from unictoken.model.protocol import BaseError

peft = pytest.importorskip("peft", reason="peft is not installed (extra 'lora')")
# peft 0.21 asks transformers 5.24 for a property by its old name.
PEFTS_OWN_WARNING = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)
SMALL = Lora(rank=2, alpha=4.0, layers=("q_proj", "down_proj"))


@pytest.fixture
def moved(base):
    """The base with adapters that change it."""
    other = adapters.adapted(base, SMALL, seed=1)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in adapters.parameters(other):
            parameter.normal_(std=0.5)
    return other


@pytest.fixture
def folder(moved, tmp_path):
    adapters.save(moved, tmp_path / "adapter")
    return tmp_path / "adapter"


def states(base, ids=(5, 6, 7, 8)):
    with torch.no_grad():
        return base.hidden(base.embed(torch.tensor([ids])))


def test_new_adapters_change_nothing_and_share_the_weights(base):
    other = adapters.adapted(base, SMALL)
    assert torch.allclose(states(other), states(base), atol=1e-6)
    assert other.fingerprint == base.fingerprint and type(other) is type(base)
    assert other.model.lm_head.weight is base.model.lm_head.weight
    # Two layers of two linear ones, each with two halves.
    assert len(adapters.parameters(other)) == 8 and not adapters.parameters(base)


def test_the_base_stays_as_it_is(base, moved):
    before = {name: t.clone() for name, t in base.model.state_dict().items()}
    first = states(base)
    assert not torch.allclose(states(moved), first, atol=1e-3)
    assert torch.equal(states(base), first)
    after = base.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], t) for name, t in before.items())


def test_what_is_saved_is_loaded(base, moved, folder):
    assert torch.equal(states(adapters.load(base, folder)), states(moved))


@PEFTS_OWN_WARNING
def test_peft_itself_loads_it(base, moved, folder):
    """The oracle of the format: the library's own way in."""
    model = peft.PeftModel.from_pretrained(copy.deepcopy(base.model), str(folder))
    with torch.no_grad():
        found = model.base_model.model.hidden(base.embed(torch.tensor([[5, 6, 7, 8]])))
    assert torch.allclose(found, states(moved), atol=1e-6)


@PEFTS_OWN_WARNING
def test_what_peft_saved_is_loaded(base, tmp_path):
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["k_proj"])
    theirs = peft.get_peft_model(copy.deepcopy(base.model), config)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.25)
    theirs.save_pretrained(str(tmp_path), save_embedding_layers=False)
    with torch.no_grad():
        expected = theirs.base_model.model.hidden(base.embed(torch.tensor([[5, 6, 7, 8]])))
    assert torch.allclose(states(adapters.load(base, tmp_path)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"use_dora": True}, "'use_dora' is True, expected False: only plain LoRA"),
        ({"modules_to_save": ["lm_head"]}, "only plain LoRA is known here"),
        ({"peft_type": "IA3"}, "'peft_type'"),
        ({"of_a_newer_peft": 1}, "only plain LoRA"),
        ({"r": 0}, "r: found 0, expected a whole number from 1"),
        ({"target_modules": ["lm_head"]}, "expected one of q_proj"),
        ({"target_modules": ".*"}, "target_modules"),
    ],
)
def test_other_adapters_are_refused(base, folder, wrong, message):
    file = folder / CONFIG
    file.write_text(
        json.dumps(json.loads(file.read_text(encoding="utf-8")) | wrong), encoding="utf-8"
    )
    with pytest.raises(BaseError, match=message):
        adapters.load(base, folder)


@pytest.mark.parametrize("mend", ["lose", "grow", "spoil", "empty"])
def test_broken_weights_are_refused(base, folder, mend):
    file = folder / WEIGHTS
    tensors = load_file(file)
    key = min(tensors)
    if mend == "lose":
        del tensors[key]
    elif mend == "grow":
        tensors[key] = torch.zeros(9, 9)
    elif mend == "spoil":
        tensors[key] = tensors[key] * torch.nan
    save_file(tensors, file)
    if mend == "empty":
        file.write_bytes(b"")
    with pytest.raises(BaseError, match=WEIGHTS):
        adapters.load(base, folder)


def test_settings_that_no_base_has_are_refused():
    with pytest.raises(ConfigError, match="layers: found"):
        Lora(layers=("lm_head",))
    with pytest.raises(ConfigError, match="rank"):
        Lora(rank=0)


def test_without_peft_it_says_what_to_install(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install 'unictoken\[lora\]'"):
        adapters.adapted(base, SMALL)
