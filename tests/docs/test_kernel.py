"""What runs a cell in the page, without a page: in a process of its own, as it takes one over."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "docs" / "run"
HARNESS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import kernel

for number, source in enumerate(json.load(sys.stdin), 1):
    sent = []
    send = lambda kind, text: sent.append([kind, text])
    if isinstance(source, str):
        ok = kernel.run(f"cell {number}", source, send)
    elif isinstance(source, dict):
        ok = kernel.step_through(f"cell {number}", source["steps"], send)
    else:  # cells of an exercise
        ok = kernel.check("mul", [(f"cell {i}", one) for i, one in enumerate(source, 1)], send)
    print(json.dumps([ok, sent]), file=sys.__stdout__)
"""


def run(*cells):
    """For each cell, whether it came to its end, and what it sent to the page."""
    command = [sys.executable, "-c", HARNESS, str(RUN)]
    given = json.dumps(cells)
    process = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_the_last_expression_is_shown_by_its_repr_unless_it_is_none_or_ends_with_a_semicolon():
    shown = [sent for _, sent in run("x = 'a'\nx", "None", "x;", "_", "")]
    assert shown == [[["text", "'a'"]], [], [], [["text", "'a'"]], []]


def test_what_draws_itself_is_a_picture():
    ((ok, sent),) = run("class P:\n    def _repr_svg_(self): return '<svg/>'\nprint(1)\nP()")
    assert ok
    assert sent == [["stdout", "1\n"], ["svg", "<svg/>"]]


def test_lines_come_in_their_order_with_where_they_were_printed():
    ((_, sent),) = run("import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3, end='')")
    assert sent == [["stdout", "1\n"], ["stderr", "2\n"], ["stdout", "3"]]


def test_output_is_capped_and_the_cell_goes_on():
    (_, sent), (_, after) = run("for _ in range(300): print('x' * 10_000)\nlast = 1", "last")
    assert 0.99e6 <= sum(len(text) for _, text in sent) < 1.001e6
    assert "This is all that is shown" in sent[-1][1]
    assert after == [["text", "1"]]
    ((_, sent),) = run("print('\\n' * 10**7)")
    assert sum(len(text) for _, text in sent) < 1.001e6


def test_a_traceback_has_the_lines_of_the_cell_and_of_the_library_only():
    (ok, [[kind, text]]), (_, [[_, syntax]]) = run(
        "import json, simplegrad as sg\ntry:\n    json.loads('{')\n"
        "except ValueError as e:\n    sg.Tensor([1.0]) @ sg.Tensor([1.0, 2.0])",
        "1 +",
    )
    assert (ok, kind) == (False, "error")
    assert 'File "cell 1", line 3' in text
    assert "During handling of the above exception" in text
    assert "    json.loads('{')" in text
    assert 'File "simplegrad/tensor.py", line ' in text
    assert "decoder.py" not in text
    assert 'File "cell 2", line 1' in syntax
    assert syntax.endswith("SyntaxError: invalid syntax")


def test_what_ends_python_elsewhere_ends_the_cell():
    (ok, [[_, text]]), (_, after) = run("x = 1\nraise SystemExit(2)", "x")
    assert not ok
    assert text.endswith("SystemExit: 2")
    assert after == [["text", "1"]]


DA, DB = "def da(dc, c, a, b): return dc * b", "def db(dc, c, a, b): return dc * a"


def test_an_exercise_is_checked_in_names_of_its_own_below_what_it_prints():
    (_, before), (ok, right), (_, missing), (_, after) = run(
        "db = 1", [f"{DA}\nprint('here', 'db' in globals())", DB], [DA], "da"
    )
    assert ok
    assert [kind for kind, _ in right] == ["stdout", "text"]
    assert right[0][1] == "here False\n"
    title, *_, end = right[1][1].split("\n")
    assert (title, end) == ("mul: The partials of a product", "All right.")
    assert "There is no db(dc, c, a, b): keep the name" in missing[0][1]
    assert before == []
    assert "NameError: name 'da' is not defined" in after[0][1]


def test_a_check_says_which_line_of_which_cell_stops():
    ((ok, [[_, text]]),) = run(["import numpy", f"{DA}\n{DB}\n1 / 0"])
    assert ok
    assert "cell 2 stops with an error:\n    line   3 of cell 2: 1 / 0\n" in text
    ((ok, [[kind, text]]),) = run(["raise KeyboardInterrupt"])
    assert (ok, kind) == (False, "error")
    assert text.endswith("KeyboardInterrupt")


def test_a_cell_is_stepped_through_and_has_run():
    (ok, sent), (_, after) = run({"steps": "x = 1\nprint(x)\n1 / 0"}, "x")
    assert ok
    assert [kind for kind, _ in sent] == ["stdout", "steps"]
    board = json.loads(sent[1][1])
    assert board["call"] == "cell 1"
    assert board["end"] == "ZeroDivisionError: division by zero"
    cell, *_ = (one for one in board["functions"] if one["file"] == "cell 1")
    assert cell["source"] == ["x = 1", "print(x)", "1 / 0"]
    assert after == [["text", "1"]]
