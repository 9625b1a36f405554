"""train/encoder.py: a config to an encoder's file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unictoken.core.config import load
from unictoken.model.base import load_base
from unictoken.personalize import encoder_file
from unictoken.personalize.encode import EncoderShape

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "train" / "encoder.py"
CONFIG = """
base: {base}
out: made/encoder.safetensors
work: work
encoder:
  shape: {{width: 16, layers: 1, heads: 2, counts: {{name: 1, shared: 4}}, questions: ["what is it?"]}}
  families: 4
  imitate_steps: 2
  imitate_concepts: 2
  steps: 1
  concepts: 2
  examples: 1
  save_every: 1
"""


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    import encoder

    return encoder


@pytest.mark.slow
def test_it_writes_an_encoder_of_its_base(program, base_folder, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(CONFIG.format(base=base_folder), encoding="utf-8")
    command = [sys.executable, str(PROGRAM), "--config", "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    encoder = encoder_file.load(tmp_path / "made/encoder.safetensors", load_base(base_folder))
    assert encoder.shape.rows == 5
    log = (tmp_path / "work/log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2, 3]
    # Again: nothing is left to do, and the file is the same.
    before = (tmp_path / "made/encoder.safetensors").read_bytes()
    monkeypatch.chdir(tmp_path)
    program.main(["--config", "mine.yaml"])
    assert (tmp_path / "made/encoder.safetensors").read_bytes() == before


@pytest.mark.parametrize("wrong", ["encoder.steps=-1", "encoder.shape.width=0", "seed=x"])
def test_what_is_wrong_is_one_line(program, tmp_path, wrong, capsys):
    (tmp_path / "mine.yaml").write_text(CONFIG.format(base="tiny"), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        program.main(["--config", str(tmp_path / "mine.yaml"), "--set", wrong])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("train/encoder.py: ")


def test_the_shipped_config_makes_what_joint_has(program):
    shape = load(program.EncoderConfig, ROOT / "configs" / "encoder.yaml").encoder.shape
    assert shape.counts == {"name": 1, "shared": 32}
    assert shape.prompts == EncoderShape().prompts
