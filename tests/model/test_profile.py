import json
import shutil
from pathlib import Path

import pytest

from unictoken.core.config import ConfigError
from unictoken.model.base import load_base
from unictoken.model.chameleon import Chameleon
from unictoken.model.profile import FILE, Profile, load_profile, save_profile
from unictoken.toy.profile import PROFILE

ROOT = Path(__file__).parents[2]


def test_the_base_that_ships_says_that_it_was_taught_the_toy_world():
    assert load_profile(ROOT / "checkpoints" / "tiny-chameleon") == PROFILE


def test_a_base_says_what_was_written_beside_its_weights(base_folder):
    assert load_base(base_folder).profile == PROFILE


def test_a_base_without_a_profile_is_a_general_one(base_folder, tmp_path, model, tokenizer):
    assert Chameleon(model, tokenizer, "made in memory").profile == Profile()
    folder = shutil.copytree(base_folder, tmp_path / "base")
    (folder / FILE).unlink()
    assert load_base(folder).profile == Profile(
        world=None, least_psnr=None, reads_options=True, tells_facts=True
    )


def test_a_base_of_the_hub_that_was_fetched_without_a_profile_is_a_general_one():
    assert load_profile("someone/a-base-that-nobody-fetched") == Profile()


def test_a_profile_is_in_no_fingerprint(base_folder, tmp_path):
    folder = shutil.copytree(base_folder, tmp_path / "base")
    save_profile(Profile(world="toy", least_psnr=1.0), folder)
    other = load_base(folder)
    assert other.profile.least_psnr == 1
    assert other.fingerprint == load_base(base_folder).fingerprint


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"worlds": "toy"}, "profile.json: unknown key 'worlds'; did you mean 'world'"),
        ({"least_psnr": "high"}, "profile.json: least_psnr"),
        ({"reads_options": "no"}, "profile.json: reads_options"),
        (["toy"], "profile.json: expected keys of Profile"),
        ("toy", "profile.json: expected keys of Profile"),
    ],
)
def test_a_profile_that_says_something_else_is_refused_in_one_line(tmp_path, said, found):
    (tmp_path / FILE).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_profile(tmp_path)
    assert found in str(refused.value) and "\n" not in str(refused.value)
