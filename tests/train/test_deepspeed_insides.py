"""What train/engine.py and the Makefile take from DeepSpeed beyond its documentation."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def said(*arguments: str) -> list[str]:
    """In a process of its own: importing DeepSpeed changes torch for the tests that follow."""
    environment = {**os.environ, "DS_ACCELERATOR": "cpu"}
    command = [sys.executable, *arguments]
    run = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    return run.stdout.split()


@pytest.mark.slow
def test_the_operator_that_start_processes_switches_off_is_known_by_this_name():
    """And DeepSpeed asks this table before it compiles the operator."""
    program = (
        "import deepspeed, sys;"
        "print('deepspeed_shm_comm' in deepspeed.ops.__compatible_ops__);"
        "deepspeed.ops.__compatible_ops__['deepspeed_shm_comm'] = False;"
        "print(sys.modules['deepspeed.comm.torch'].build_shm_op())"
    )
    assert said("-c", program)[-2:] == ["True", "None"]


@pytest.mark.slow
def test_the_runner_is_a_module_and_can_be_quiet():
    assert {"--quiet", "--num_accelerators"} <= set(said("-m", "deepspeed.launcher.runner", "-h"))
