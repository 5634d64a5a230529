"""Every optimizer against trajectories computed to 50 digits, which make_golden.py explains."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import optimizers as optim

SCRIPT = Path(__file__).with_name("make_golden.py")
GOLDEN = json.loads(SCRIPT.with_name("golden.json").read_text(encoding="utf-8"))
TOLERANCES = {"float64": 1e-12, "float32": 1e-5}


def agree(actual, golden, dtype, what):
    assert actual.dtype == dtype
    golden = np.array([float(x) for x in golden])
    # below the smallest normal number, a float has fewer digits
    tiny = float(np.finfo(dtype).tiny)
    np.testing.assert_allclose(
        actual.astype(np.float64), golden, rtol=TOLERANCES[dtype], atol=tiny, err_msg=what
    )


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    "case", GOLDEN["cases"], ids=lambda case: f"{case['optimizer']}: {case['name']}"
)
def test_every_step_agrees_with_the_golden_trajectory(case, dtype):
    sequence = GOLDEN["sequences"][case["sequence"]]
    theta = sg.Tensor(sequence["theta"], requires_grad=True, dtype=dtype)
    opt = getattr(optim, case["optimizer"])(
        param_groups=[{"params": {"theta": theta}}], **case["hyperparameters"]
    )
    steps = zip(sequence["gradients"], case["thetas"], strict=True)
    for t, (gradient, golden) in enumerate(steps, start=1):
        theta.grad = np.array(gradient, dtype=dtype)
        opt.step()
        agree(theta.data, golden, dtype, f"theta after step {t}")
    (group,) = opt.state()["param_groups"]
    assert set(case["slots"]) == set(opt.slots)
    for slot, golden in case["slots"].items():
        agree(group[slot]["theta"], golden, dtype, slot)


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.AdamW, optim.RMSProp, optim.SGD])
def test_each_hyperparameter_has_two_golden_values(optimizer):
    cases = [c for c in GOLDEN["cases"] if c["optimizer"] == optimizer.__name__]
    for case in cases:
        assert set(case["hyperparameters"]) == set(optimizer.hyperparameters)
    for key in optimizer.hyperparameters:
        assert len({case["hyperparameters"][key] for case in cases}) > 1


def test_the_golden_file_is_what_its_script_writes():
    assert runpy.run_path(str(SCRIPT))["in_step"]()


def test_checking_a_changed_golden_file_exits_with_1(tmp_path):
    script = tmp_path / SCRIPT.name
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, script], check=True)
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0
    golden = tmp_path / "golden.json"
    golden.write_text(golden.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    run = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True)
    assert run.returncode == 1
    assert b"golden.json is not what this script writes" in run.stderr


def test_the_script_does_not_know_simplegrad():
    assert not re.search(r"(import|from) +(simplegrad|numpy)", SCRIPT.read_text(encoding="utf-8"))
