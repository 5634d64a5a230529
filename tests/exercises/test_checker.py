"""What a student's file may do, and what the command line says: the checker outlives all of it."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from simplegrad import exercises
from simplegrad.exercises import __main__ as command
from simplegrad.exercises import checker, processes
from simplegrad.exercises.judge import judge
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.student import plain
from simplegrad.exercises.task import Report
from simplegrad.exercises.words import text
from tests.helpers.limits import HANGING

FOLDER = Path(__file__).resolve().parents[2] / "tutorials" / "exercises"

RIGHT = "def da(dc, c, a, b):\n    return dc * b\n\ndef db(dc, c, a, b):\n    return dc * a\n"


def mul_with(body, top=""):
    """The exercise mul, where da has another body."""
    return "import os, sys\nimport numpy as np\n" + top + RIGHT.replace("return dc * b", body)


def checked(source, tmp_path, seconds=HANGING):
    file = tmp_path / "mul.py"
    file.write_text(source, encoding="utf-8")
    return checker.check_file("mul", file, seconds)


@pytest.fixture(autouse=True)
def _no_limit_but_for_what_hangs(monkeypatch):
    """A busy machine is no reason to fail: not even where the command line checks a file."""
    monkeypatch.setattr(checker.check_file, "__defaults__", (HANGING,))


@pytest.fixture
def judged(tmp_path):
    """What the judge says of a file, in this process: faster, and seen by coverage."""

    def judged(source, name="mul.py"):
        file = tmp_path / name
        file.write_bytes(source.encode() if isinstance(source, str) else source)
        return checker.check_here("mul", file, checker.Limits(HANGING)).report

    return judged


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "simplegrad.exercises", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=HANGING,
    )


# Files that end badly


def test_a_right_file_is_right(tmp_path):
    report, printed, end = checked(RIGHT, tmp_path)
    assert report.all_right
    assert (printed, end) == ("", "")


def test_a_loop_without_end_is_ended(tmp_path):
    report = checked("while True: pass\n" + RIGHT, tmp_path, seconds=0.2).report
    assert report.statuses == {"da": "-", "db": "-"}
    (remark,) = report.remarks
    assert remark.endswith(" did not end within 0.2 seconds: is there a loop that never ends?")


def test_the_function_with_the_loop_is_named_and_a_flood_of_prints_is_cut(tmp_path, monkeypatch):
    sign = tmp_path / "sign"

    class Child(subprocess.Popen):
        """Its time is over when the loop runs, and not before, however slow the machine is."""

        def wait(self, seconds=None):
            while seconds and self.poll() is None and not sign.exists():
                time.sleep(0.01)
            return super().wait(seconds and 0.01)

    say = "print('x' * 1000, flush=True)"
    loop = f"{say}\n    open({str(sign)!r}, 'w').close()\n    while True: {say}"
    monkeypatch.setattr(subprocess, "Popen", Child)
    report, printed, _ = checked(RIGHT.replace("return dc * a", loop), tmp_path, seconds=5)
    assert report.statuses == {"da": "right", "db": "-"}
    assert report.remarks == ["db did not end within 5 seconds: is there a loop that never ends?"]
    assert set(printed) == {"x"}  # a flood fills neither memory nor screen
    assert len(printed) == checker.PRINTED


def test_a_file_that_ends_python_is_survived(tmp_path):
    report = checked(mul_with("os._exit(0)"), tmp_path).report
    assert report.statuses == {"da": "-", "db": "-"}
    assert report.remarks[0].startswith("da ended the whole process, with status 0:")


def test_a_crash_of_the_interpreter_is_survived(tmp_path):
    report = checked(mul_with("import ctypes; ctypes.string_at(0)"), tmp_path).report
    assert report.remarks[0].startswith("da ended the whole process, with status ")


def test_a_thread_that_never_ends_does_not_hold_the_check_up(tmp_path):
    top = "import threading, time\nthreading.Thread(target=lambda: time.sleep(60)).start()\n"
    report = checked(top + RIGHT, tmp_path).report
    assert report.all_right


def test_input_finds_no_one_to_ask(tmp_path):
    report = checked(mul_with("return input()"), tmp_path).report
    assert "EOFError" in report.remarks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_memory_has_an_end(tmp_path):
    body = f"return np.ones({checker.GIGABYTES} * 2**27)"
    report = checked(mul_with(body), tmp_path).report
    assert report.statuses == {"da": "error", "db": "right"}
    assert "MemoryError" in report.remarks[0]


# The caller and the judge


def test_a_check_is_stopped_when_its_caller_says_so(tmp_path):
    (tmp_path / "mul.py").write_text("while True: pass\n")
    stop = threading.Event()
    stop.set()
    with pytest.raises(checker.StoppedError):
        checker.check_files([("mul", str(tmp_path / "mul.py"))], checker.Limits(HANGING), stop)


def test_the_judge_writes_a_line_for_each_file_also_where_it_fails_itself(
    tmp_path, monkeypatch, capsys
):
    file = tmp_path / "mul.py"
    file.write_text(RIGHT)
    monkeypatch.setattr(checker, "guard_this_process", lambda: None)
    monkeypatch.setattr(checker.student, "limit", lambda gigabytes: None)

    def lines():
        told = ["secret", [HANGING, 4], [["mul", str(file)]]]
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(told)))
        checker.main()
        return capsys.readouterr().out.split("\n")

    empty, line, _ = lines()
    assert empty == ""  # what somebody else has begun is no part of it
    assert json.loads(line.removeprefix("secret")) == [
        *(0, {"statuses": {"da": "right", "db": "right"}, "remarks": []}, "", "")
    ]
    monkeypatch.setattr(checker, "judge", None)
    _, line, _ = lines()
    _, report, _, end = json.loads(line.removeprefix("secret"))
    assert end == "error of the checker"
    assert report["remarks"][0].startswith("This is an error of the checker:\n    Traceback")


def test_a_judge_that_ends_without_a_word_has_a_reason():
    limits = checker.Limits(3)
    assert checker.unjudged("mul", True, -9, limits, "").verdict == "timed out"
    assert checker.unjudged("mul", False, -9, limits, "").verdict == "crashed"
    failed = checker.unjudged("mul", False, 1, limits, "ImportError: no numpy")
    assert failed.verdict == "error of the checker"
    assert "ImportError: no numpy" in failed.report.remarks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")
def test_a_process_that_is_stopped_is_seen_and_so_is_its_memory():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        assert not processes.is_stopped(process.pid)
        assert processes.resident_bytes(process.pid) > 0
        os.kill(process.pid, signal.SIGSTOP)
        while not processes.is_stopped(process.pid):
            time.sleep(0.001)
        process.kill()
    assert not processes.is_stopped(process.pid)
    assert processes.resident_bytes(process.pid) == 0


# Files that do not run


def test_a_syntax_error_is_shown_with_its_file_and_line(judged):
    report = judged(RIGHT.replace("return dc * a", "return (dc * a"))
    assert report.statuses == {"da": "-", "db": "-"}
    assert re.search(
        r'mul\.py has a syntax error:\n +File ".*mul\.py", line 5\n', report.remarks[0]
    )
    assert "return (dc * a" in report.remarks[0]


@pytest.mark.parametrize("source", [b"\xff\xfe\x00", b"x = '\x00'"])
def test_bytes_that_are_no_python_are_an_error_of_the_file(source, judged):
    report = judged(source)
    assert report.remarks[0].startswith("mul.py ")


def test_an_error_of_the_file_is_shown_with_its_line(judged):
    report = judged("x = 1\nx / 0\n" + RIGHT)
    assert "line   2 of mul.py: x / 0\n" in report.remarks[0]
    assert "ZeroDivisionError: division by zero" in report.remarks[0]


def test_functions_above_an_error_are_judged_all_the_same(judged):
    report = judged(RIGHT.replace("dc * b", "dc + b") + "da(1, 2)\n")
    assert report.statuses == {"da": "wrong", "db": "right"}
    error, wrong = report.remarks
    assert "TypeError" in error
    assert "dc is added" in wrong


def test_a_file_that_exits_is_an_error_of_the_file_unless_all_is_well(judged):
    report = judged(RIGHT + "import sys\nsys.exit(3)\n")
    assert set(report.statuses.values()) == {"right"}
    assert "SystemExit: 3" in report.remarks[0]
    assert judged(RIGHT + "import sys\nsys.exit(0)\n").all_right


ORDINARY = """
import dataclasses, inspect, pickle, sys, threading, unittest
import simplegrad.exercises
from helper import twice

@dataclasses.dataclass
class Pair:
    dc: float
    x: float

assert Pair.__annotations__ == {"dc": float, "x": float}
assert pickle.loads(pickle.dumps(Pair(1, 2))) == Pair(1, 2)
assert inspect.getsource(Pair).startswith("@dataclasses.dataclass")

def da(dc, c, a, b):
    found = []
    thread = threading.Thread(target=lambda: found.append(Pair(dc, twice(b))))
    thread.start()
    thread.join()
    return found[0].dc * found[0].x / 2

def db(dc: float, c, a, b):
    global calls
    calls = globals().get("calls", 0) + 1
    print(calls)
    return (dc * a).tolist()

class TestMine(unittest.TestCase):
    def test_da(self):
        self.assertEqual(da(1, 6, 2, 3), 3)

simplegrad.exercises.check("mul", da, db)
sys.stdout = None
if __name__ == "__main__":
    unittest.main()
"""


def test_what_files_ordinarily_do_is_all_right(judged, tmp_path):
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    report = judged(ORDINARY)
    assert report.all_right, report
    assert not (tmp_path / "__pycache__").exists()


def test_a_function_that_is_missing_is_said(judged):
    report = judged(RIGHT.replace("def db", "def d_b"))
    assert report.statuses == {"da": "right", "db": "-"}
    assert report.remarks == ["There is no db(dc, c, a, b): keep the name of the function."]


def test_the_call_of_check_in_the_file_is_not_made_twice(tmp_path):
    calls = 'exercises.check("mul", da, db)\ncheck("mul", da, db)\n'
    imports = "from simplegrad import exercises\nfrom simplegrad.exercises import check\n"
    report, printed, _ = checked(imports + RIGHT + calls, tmp_path)
    assert report.all_right
    assert printed == ""


def test_prints_are_shown_and_change_nothing(tmp_path):
    source = mul_with('print("{\\"statuses\\"}", file=sys.stderr)\n    return dc * b')
    report, printed, _ = checked(source, tmp_path)
    assert report.all_right
    assert printed.splitlines() == ['{"statuses"}'] * 2


def test_characters_outside_of_ascii_come_through(tmp_path):
    source = mul_with('print("θ ∂ 😀")\n    raise ValueError("θ")')
    report, printed, _ = checked(source, tmp_path)
    assert "ValueError: θ" in report.remarks[0]
    assert printed.startswith("θ ∂ 😀")


# Notebooks


def notebook(*cells):
    cells = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# mul"]}, *cells]})


def test_a_notebook_is_checked_without_its_magics(judged):
    source = notebook("%matplotlib inline\n!ls\nimport numpy", RIGHT)
    report = judged(source, name="mul.ipynb")
    assert report.all_right


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%matplotlib inline\n!ls\nx = 1", "pass\npass\nx = 1"),
        ("files = !ls\nt = %timeit -o f()", "files = None\nt = None"),
        ("if x:\n    %timeit f()\nf?\nnp.dot??", "if x:\n    pass\npass\npass"),
        ("%%time\nx = 1", "x = 1"),
        ("%%html\n<b>bold</b>", ""),
        ("%%bash\nls", ""),
        ('text = """\n%d of\n!\n"""', 'text = """\n%d of\n!\n"""'),
        ("rest = (a\n% b)", "rest = (a\n% b)"),
        ("def f(:", "def f(:"),
    ],
)
def test_what_a_cell_has_for_ipython_is_left_out(cell, python):
    assert plain(cell) == python


def test_an_error_in_a_notebook_names_the_cell(judged):
    source = notebook("import numpy", RIGHT.replace("return dc * b", "return dc / zero"))
    report = judged(source, name="mul.ipynb")
    assert "line   2 of mul.ipynb, cell 3: return dc / zero" in report.remarks[0]


def test_a_notebook_that_cannot_be_read_is_an_error_of_the_file(judged):
    report = judged("{", name="mul.ipynb")
    assert report.remarks[0].startswith("mul stops with an error:\n    error  JSONDecodeError")


# Cells, as from a page


def test_cells_are_judged_here_without_a_second_check():
    check = exercises.check
    cells = ["from simplegrad import exercises\nzero = 0", RIGHT.replace("dc * b", "dc / zero()")]
    sources = [(f"cell {number}", source) for number, source in enumerate(cells, 1)]
    report = checker.report_on("mul", [*sources, ("cell 3", "exercises.check('no such')\n1 / 0")])
    assert report.statuses == {"da": "error", "db": "right"}
    assert report.remarks[0].startswith("cell 3 stops with an error:\n    line   2 of cell 3:")
    assert "line   2 of cell 2:" in report.remarks[1]
    assert exercises.check is check


def test_reports_in_two_threads_leave_the_check_as_it_was():
    check = exercises.check
    source = "import time\ntime.sleep(0.05)\n" + RIGHT
    with ThreadPoolExecutor(2) as pool:
        sources = [[("cell 1", source)], [("cell 1", "import time\ntime.sleep(0.02)\n" + RIGHT)]]
        reports = list(pool.map(lambda cells: checker.report_on("mul", cells), sources))
    assert all(report.all_right for report in reports)
    assert exercises.check is check


# Functions, as from a notebook


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit(3)", "SystemExit: 3"),
        ("return da(dc, c, a, b)", "RecursionError"),
        ("return undefined", "NameError: name 'undefined' is not defined"),
        ("return dc[7]", "IndexError"),
        ("return None", "None: is the return missing?"),
        ("return 'dc'", "yours  da = 'dc', a str"),
        ("return [[1.0], [2.0, 3.0]]", "a list"),
        ("return {}", "yours  da = {}, a dict"),
        ("return da", "a function"),
        ("return dc[:1] * b[:1]", "of shape (1,), where it is (2,)"),
        ("return dc * float('nan')", "yours  da = nan"),
        ("return (dc * b).astype(complex) * 1j", "yours  da ="),
        ("return Nonsense()", "a Nonsense whose repr raises OSError"),
        ("dc *= b; return dc", "da changes its argument dc in place."),
        ("return (dc * b).astype('float16').astype('float32') * 1.01", "this check knows"),
        ("return np.exp(np.log(np.float32(dc * b)))", "the digits are those of float32"),
    ],
)
def test_nonsense_is_named_and_breaks_nothing(body, said):
    class Nonsense:
        def __repr__(self):
            raise OSError

        def __array__(self, *arguments, **options):
            raise OSError

        def __eq__(self, other):
            raise OSError

        __hash__ = None

    names = {"sys": sys, "np": np, "Nonsense": Nonsense}
    exec(mul_with(body), names)
    report = judge("mul", {"da": names["da"], "db": names["db"]})
    assert not report.all_right
    assert report.statuses["db"] == "right"
    assert said.replace("this check", "the check") in " ".join(report.remarks)


def test_the_stop_button_stops_the_check():
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check("unbroadcast", interrupted)


def test_too_few_values_are_said_by_name():
    report = judge("rmsprop", {"rmsprop_step": lambda *arguments: (1.0, 2.0, 3.0)})
    assert report.remarks[0].replace("\n", " ") == (
        "rmsprop_step is wrong: 2 values are to be returned, v_t, theta, in this order, but what "
        "came is 3 values."
    )
    report = judge("rmsprop", {"rmsprop_step": lambda *arguments: None})
    assert report.remarks[0].endswith("None: is the return missing?.")


def test_wrong_arguments_are_shown_beside_the_call():
    report = judge("rmsprop", {"rmsprop_step": lambda theta, g: (theta, g)})
    assert "takes 2 positional arguments but 7 were given" in report.remarks[0].replace("\n", " ")
    assert "call   rmsprop_step(theta, g, v, lr, beta_2, eps, maximize)" in report.remarks[0]


def test_dots_that_are_left_are_named_where_they_are_computed_with():
    def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
        v_t = ...
        return v_t, theta - lr * g / (np.sqrt(v_t) + eps)

    report = judge("rmsprop", {"rmsprop_step": rmsprop_step})
    assert "It computes with a ... that is still to be replaced." in report.remarks[0]


def test_an_equation_is_judged_with_the_results_before_it():
    def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
        v_t = g**4
        return v_t, theta - (-lr if maximize else lr) * g / (np.sqrt(v_t) + eps)

    report = judge("rmsprop", {"rmsprop_step": rmsprop_step})
    assert report.statuses == {"v_t": "wrong", "theta": "right"}


def test_what_infinity_comes_before_is_not_judged():
    def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
        v_t = np.full(g.shape, np.inf) * 0
        return v_t, theta - lr * g

    report = judge("rmsprop", {"rmsprop_step": rmsprop_step})
    assert report.statuses == {"v_t": "wrong", "theta": "-"}


def test_numbers_are_shown_with_the_digits_that_differ():
    report = judge("mul", {"da": lambda dc, c, a, b: dc * b * (1 + 1e-8), "db": lambda *_: ...})
    assert "right  da = 10 * 3 = 30\n" in report.remarks[0]
    assert "yours  da = 30.0000003\n" in report.remarks[0]


@pytest.mark.parametrize("functions", [(), (print,), (print, print, print), (print, 3)])
def test_check_takes_the_functions_of_the_exercise(functions):
    with pytest.raises(TypeError, match=r"Write exercises\.check\('mul', da, db\)"):
        exercises.check("mul", *functions)


def test_check_lists_the_exercises_for_an_unknown_name():
    with pytest.raises(
        ValueError, match=r"no exercise 'adamm'. The exercises are logits, mul, tanh,"
    ):
        exercises.check("adamm", print)


# The command line


def test_progress_is_found_in_the_files_wherever_one_stands(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "tutorials" / "exercises"
    folder.mkdir(parents=True)
    for name in "tanh.py", "rmsprop.py", "rmsprop.ipynb":
        shutil.copy(FOLDER / name, folder)
    (folder / "mul.py").write_text(RIGHT)
    (folder / "tanh.ipynb").write_text(  # the script is untouched
        notebook(
            "def forward(a):\n    return a\n\ndef da(dc, c, a):\n    return dc * (1 - c * c)\n"
        )
    )
    monkeypatch.chdir(folder.parent)
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = {line.split()[0]: line[19:31].strip() for line in lines[: len(EXERCISES)]}
    assert list(states) == list(EXERCISES)
    assert states.pop("mul") == "right"
    assert states.pop("tanh") == "1 of 2 right"
    assert states.pop("rmsprop") == "not tried"
    assert set(states.values()) == {"no file"}
    assert f"1 of {len(EXERCISES)} are right." in lines


def test_the_exit_status_says_right_wrong_or_no_such_thing(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(RIGHT)
    (tmp_path / "mul.py").write_text(mul_with("return dc"))
    monkeypatch.chdir(tmp_path)
    assert command.main(["check", "mul", "mine.py"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["mul: The partials of a product", "mine.py"]
    wrong = run("check", "mul", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert "the partial of c is missing" in wrong.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "adamm"], "adamw"),
        (["check"], "NAME"),
        (["check", "mul", "no_such.py"], "there is no file no_such.py"),
        (["check", "mul"], "there is no file mul.py here, or in tutorials/exercises"),
        (["chekc"], "check"),
    ],
)
def test_what_cannot_be_checked_is_status_2(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_the_list_without_any_file_says_where_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main([]) == 2
    assert "There is no tutorials/exercises/ here" in capsys.readouterr().out


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "progress", interrupted)
    assert command.main([]) == 130
    assert capsys.readouterr().err == "Stopped by Ctrl-C.\n"


def test_what_is_printed_is_shown_below_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mul.py").write_text(RIGHT + "print('hello')\nprint('you')\n")
    assert command.main(["check", "mul"]) == 0
    assert capsys.readouterr().out.endswith(
        "All right.\n\nYour code has printed:\n\n    hello\n    you\n"
    )


def returning(value):
    return lambda *arguments: value


@pytest.mark.parametrize(
    "value", [7.0, "nonsense", None, np.zeros((40, 40)), ["x" * 500]], ids=type
)
def test_reports_fit_a_terminal_and_are_ascii(value):
    for exercise in EXERCISES:
        students = {
            name: returning((value,) * len(task.equations) if len(task.equations) > 1 else value)
            for name, task in load(exercise).TASKS.items()
        }
        report = text(exercise, judge(exercise, students))
        assert report.isascii()
        assert max(map(len, report.splitlines())) <= 100, report


def test_a_report_is_right_only_if_nothing_is_said_against_it():
    assert Report({"da": "right"}).all_right
    assert not Report({"da": "right"}, ["da changes its argument"]).all_right
    assert not Report({}).all_right
    assert Report({"da": "not done yet"}).untouched


def test_the_core_does_not_import_the_exercises():
    code = "import sys, simplegrad; sys.exit('simplegrad.exercises' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    checked(RIGHT, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"mul.py", "__pycache__"}
    assert os.environ["TMPDIR"] == str(tmp_path)
