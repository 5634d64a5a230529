"""The page about teaching: what its sessions name is there, and a solution does what they say."""

import re
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
import simplegrad.optimizers as optim

ROOT = Path(__file__).resolve().parents[2]
PAGE = re.sub(r"\n# ?", " ", (ROOT / "docs" / "teaching.py").read_text("utf-8"))
SESSIONS = dict(re.findall(r"<!-- session: (\w+) -->(.*?)(?=<!-- )", PAGE))
COURSE = (ROOT / "tutorials" / "course.txt").read_text("utf-8").splitlines()


def test_each_chapter_has_a_session_in_the_order_of_the_course():
    chapters = [line.partition(":")[0] for line in COURSE if not line.startswith("#")]
    assert list(SESSIONS) == chapters


@pytest.mark.parametrize("chapter", SESSIONS)
def test_the_stops_of_a_session_are_in_the_files_that_it_names(chapter):
    live = SESSIONS[chapter].partition("**Live**")[2].partition("**Assignment**")[0]
    paths = re.findall(r"`((?:simplegrad|tutorials)/[\w/]+\.py)`", live)
    lines = [
        line.strip() for path in paths for line in (ROOT / path).read_text("utf-8").splitlines()
    ]
    stops = re.findall(r"(?:that starts with|at the(?: first| line)?) `([^`]+)`", live)
    stops += [f"def {name.split('.')[-1]}(" for name in re.findall(r"break in `([\w.]+)`", live)]
    assert stops or "first line of" in live or "last line of" in live
    for stop in stops:
        assert any(line.startswith(stop) for line in lines), stop


def test_amsgrad_arrives_where_the_session_says_and_adam_does_not():
    solution = ROOT / "tutorials" / "exercises" / "solutions" / "amsgrad.py"
    exec(solution.read_text("utf-8"), names := {})

    class AMSGrad(optim.Adam):
        slots = ("moments1", "moments2", "largest")

        def update(self, theta, group, kept):
            hyperparameters = {key: group[key] for key in self.hyperparameters}
            *kept, _, _, theta.data[...] = names["amsgrad_step"](
                theta.data, theta.grad, *kept, self.step_count, **hyperparameters
            )
            return tuple(kept)

    ends, C = [], 3.0
    for kind in AMSGrad, optim.Adam:
        w = sg.Tensor(np.zeros(1), requires_grad=True)
        group = {"params": {"w": w}}
        opt = kind(lr=0.01, beta_1=0.0, beta_2=1 / (1 + C**2), param_groups=[group])
        for t in range(1, 901):
            w.grad = np.array([C if t % 3 == 1 else -1.0])
            opt.step()
            w.data = np.clip(w.data, -1, 1)
        ends.append(w.item())
    assert ends[0] < -0.99
    assert ends[1] == 1
