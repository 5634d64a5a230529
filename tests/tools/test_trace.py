"""Where nothing can look on while a call runs, `explain` and `step_through` say so."""

import subprocess
import sys

import pytest

PROGRAM = """
import simplegrad as sg
x = sg.Tensor([1.0, 2.0], requires_grad=True)
loss = (x * x).sum()
breakpoint()
print("x.grad is", x.grad)
"""


@pytest.mark.parametrize("name", ["explain", "step_through"])
def test_at_the_prompt_of_pdb_nothing_can_look_on_and_nothing_is_called(name, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "program.py"],
        input=f"sg.{name}(loss.backward)\nc\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"*** RuntimeError: {name} looks on while Python runs the call" in run.stdout
    assert "x.grad is None" in run.stdout
