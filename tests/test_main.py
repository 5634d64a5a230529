"""The guided demo, `python -m simplegrad`: what it shows, what it takes, and how it ends."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

import simplegrad as sg
from simplegrad import optimizers as optim
from simplegrad.__main__ import draw, main, plot, report, walk_through_adam
from tests.helpers.limits import HANGING

COMMAND = [sys.executable, "-m", "simplegrad"]
EQUATIONS = [
    "m_t = beta_1 * m + (1 - beta_1) * g",
    "v_t = beta_2 * v + (1 - beta_2) * g**2",
    "m_hat = m_t / (1 - beta_1**t)",
    "v_hat = v_t / (1 - beta_2**t)",
    "theta.data -= lr * m_hat / (np.sqrt(v_hat) + eps)",
]


def run(*options):
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=HANGING)


def start(*options, stdout=subprocess.PIPE, **settings):
    pipes = {"stdout": stdout, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *options], text=True, **pipes, **settings)


def accuracy(output):
    return float(re.search(r"Test accuracy: ([\d.]+)%", output)[1])


@pytest.fixture(scope="module", params=[20, pytest.param(60, marks=pytest.mark.slow)])
def total(request):
    """A number of epochs, and the default."""
    return request.param


@pytest.fixture(scope="module")
def piped(total):
    """A run of so many epochs, its output piped."""
    return run() if total == 60 else run("--epochs", str(total))


# Part 1: two steps of Adam


@pytest.fixture
def steps(capsys):
    """For both steps, the five (numbers put in, result) as printed."""
    walk_through_adam()
    indented = r"^  \w.* -?= .*\n((?:   .*\n)+)"  # a line of code, and what stands below it
    found = re.findall(indented, capsys.readouterr().out, re.MULTILINE)
    rows = [re.fullmatch(r"= (.+) = (\S+)", " ".join(text.split())).groups() for text in found]
    assert len(rows) == 10
    return rows[:5], rows[5:]


def test_the_equations_are_lines_of_adam():
    source = Path(sys.modules[optim.Adam.__module__].__file__).read_text(encoding="utf-8")
    assert [line.strip() for line in source.splitlines() if line.strip() in EQUATIONS] == EQUATIONS


def test_every_equation_is_shown_twice(piped):
    for equation in EQUATIONS:
        assert piped.stdout.splitlines().count(f"  {equation}") == 2


def test_the_numbers_put_in_give_the_result(steps):
    for numbers, result in [*steps[0], *steps[1]]:
        assert eval(numbers, {"np": np}) == pytest.approx(float(result), rel=1e-5)


def test_the_results_are_those_of_the_library(steps):
    w = sg.Tensor(5.0, requires_grad=True, dtype=np.float64)
    opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
    for step in steps:
        opt.zero_grad()
        ((w - 3) ** 2).backward()
        opt.step()
        kept = opt.state()["param_groups"][0]
        printed = [float(result) for _, result in step]
        assert printed[0] == pytest.approx(kept["moments1"]["w"].item(), rel=1e-5)
        assert printed[1] == pytest.approx(kept["moments2"]["w"].item(), rel=1e-5)
        assert printed[4] == pytest.approx(w.item(), rel=1e-5)


def test_what_is_shown_is_what_has_run(monkeypatch, capsys):
    def update(self, theta, group, kept):
        theta.data -= 0.5 * group["lr"]
        return kept

    monkeypatch.setattr(optim.Adam, "update", update)
    walk_through_adam()
    output = capsys.readouterr().out
    assert re.search(
        r"theta.data -= 0.5 \* group\[\"lr\"\]\n +  = 5 - 0.5 \* 0.1 += 4.95\n", output
    )
    assert "m_t =" not in output


# Parts 2 and 3: training and testing


def test_it_reads_97_percent_of_the_test_digits(piped):
    assert piped.returncode == 0
    assert accuracy(piped.stdout) >= 97


def test_piped_progress_is_a_few_lines_on_stderr(piped, total):
    lines = piped.stderr.splitlines()
    assert "\r" not in piped.stderr
    assert len(lines) == 10
    line = rf"epoch \d+ of {total}, loss [\d.]+, accuracy [\d.]+%"
    assert all(re.search(line, x) for x in lines)


@pytest.mark.parametrize("epochs", [1, 3, 11])
def test_the_last_epoch_always_has_its_line(epochs, capsys):
    main(["--epochs", str(epochs), "--batch-size", "512"])
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 10
    assert f"epoch {epochs} of {epochs}," in lines[-1]


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(["--epochs", "2", "--batch-size", "512"])
    error = capsys.readouterr().err
    assert re.search(r"\rtraining: 100%\|.*2/2.*loss [\d.]+, accuracy [\d.]+%", error)
    assert "epoch 2 of 2" not in error


def test_the_output_is_ascii_that_fits_a_terminal(piped):
    assert (piped.stdout + piped.stderr).isascii()
    assert max(len(line) for line in piped.stdout.splitlines()) <= 88


def test_mistakes_are_counted_and_drawn(capsys):
    digits = sg.datasets.load_digits()
    predictions = digits.y_test.copy()
    predictions[:2] = (digits.y_test[:2] + 1) % 10
    report(digits, predictions)
    output = capsys.readouterr().out
    assert "Test accuracy: 99.2%" in output
    assert "reads 254 correctly and misreads 2." in output
    assert "2 of the 2 that it misreads:" in output
    (a, b), (c, d) = predictions[:2], digits.y_test[:2]
    assert output.endswith(
        f"prediction {a}      prediction {b}\ntruth      {c}      truth      {d}\n"
    )


@pytest.mark.parametrize(("wrong_by", "only"), [(0, "4 of the 256 that it reads"), (1, "misreads")])
def test_all_right_and_all_wrong_are_reported_as_such(wrong_by, only, capsys):
    digits = sg.datasets.load_digits()
    report(digits, (digits.y_test + wrong_by) % 10)
    output = capsys.readouterr().out
    assert only in output
    assert output.count("of the 256 that") == 1


def test_ink_is_dark_and_paper_is_blank(capsys):
    image = np.zeros((1, 64), dtype=np.float32)
    image[0, 0], image[0, 9] = 1.0, 0.5
    draw(image, np.array([4]), np.array([7]))
    first, second, *blank, prediction, truth = capsys.readouterr().out.splitlines()
    assert (first, second, blank) == ("@@", "  ==", [""] * 6)
    assert (prediction, truth) == ("prediction 7", "truth      4")


def test_it_says_where_to_go_next(piped):
    end = piped.stdout.partition("4. Where to go next")[2]
    for place in ("simplegrad/rules/", "simplegrad/autograd.py", "simplegrad/optimizers/adam.py"):
        assert place in end
    for place in ("README.md", "CONTRIBUTING.md", ".vscode/launch.json", "--plot"):
        assert place in end


# The options


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adam", "adamw", "rmsprop"))],
)
def test_every_optimizer_learns_with_its_default_lr(optimizer, capsys):
    assert main(["--optimizer", optimizer, "--epochs", "20"]) == 0
    assert accuracy(capsys.readouterr().out) >= 95


def test_lr_batch_size_and_epochs_are_used(capsys):
    main(["--lr", "0.25", "--batch-size", "771", "--epochs", "1", "--optimizer", "sgd"])
    output = capsys.readouterr().out
    assert "SGD, with a learning rate that falls from 0.25 towards 0" in output
    assert "epochs: 1, batch size: 771, seed: 0." in output


def test_the_seed_decides_everything(capsys):
    outputs = []
    for seed in ("1", "1", "2"):
        main(["--epochs", "1", "--batch-size", "256", "--seed", seed])
        outputs.append(capsys.readouterr().err)
    assert outputs[0] == outputs[1] != outputs[2]


def test_plot_saves_a_png(tmp_path, capsys):
    file = tmp_path / "digits.png"
    assert main(["--epochs", "2", "--batch-size", "256", "--plot", str(file)]) == 0
    png = file.read_bytes()
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert 800 <= width <= 2000
    assert 400 <= height <= 1500
    assert 10_000 < len(png) < 500_000
    assert "The plot is saved." in capsys.readouterr().out


@pytest.mark.slow
def test_plot_needs_no_mistakes(tmp_path):
    digits = sg.datasets.load_digits()
    plot(str(tmp_path / "digits.png"), [1.0], digits, digits.y_test)
    assert (tmp_path / "digits.png").exists()


def test_matplotlib_is_imported_for_plot_only():
    code = "import sys, simplegrad.__main__ as demo; demo.main(['--epochs=1'])"
    code += "; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    output = capsys.readouterr().out
    for option in ("--optimizer", "--lr", "--epochs", "--batch-size", "--seed", "--plot"):
        assert option in output


# Errors are one line, and come before anything else


def error_of(options, capsys):
    with pytest.raises(SystemExit) as end:
        main(options)
    captured = capsys.readouterr()
    assert end.value.code == 2
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("python -m simplegrad: error: ")
    return captured


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        *[("--lr", value, "a number above 0") for value in ("0", "-1", "nan", "inf", "1e999", "x")],
        *[("--epochs", value, "at least 1") for value in ("0", "-3", "1.5", "ten", "")],
        *[("--batch-size", value, "at least 1") for value in ("0", "-1", "3e1")],
        *[("--seed", value, "at least 0") for value in ("-1", "0.5", "nan")],
        *[("--optimizer", value, "adamw") for value in ("adagrad", "Adam\nW")],
        *[("--plot", value, "end in .png") for value in ("digits.jpg", "digits", ".png", "")],
        ("--plot", "no_such_folder/digits.png", "in a folder that exists"),
    ],
)
def test_a_bad_value_is_told_what_is_allowed(option, value, allowed, capsys):
    captured = error_of([option, value], capsys)
    assert option in captured.err
    assert allowed in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("options", [["--momentum", "0.9"], ["digits"], ["--epochs"]])
def test_unknown_and_incomplete_options_lead_to_the_help(options, capsys):
    assert "(see --help)" in error_of(options, capsys).err


def test_an_lr_too_large_is_said(capsys):
    assert "try a smaller --lr" in error_of(["--lr", "1e30"], capsys).err


@pytest.mark.slow
def test_a_plot_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(SystemExit) as end:
        main(["--epochs", "1", "--plot", str(tmp_path / "taken.png")])
    assert end.value.code == 2
    assert "--plot cannot write" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("missing", "options"),
    [("tqdm", []), ("matplotlib", ["--plot", "digits.png"])],
)
def test_a_missing_package_shows_how_to_install_it(missing, options, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, f"{missing}.figure", raising=False)
    captured = error_of(options, capsys)
    assert f"the demo needs {missing}" in captured.err
    assert captured.err.endswith('pip install -e ".[demo]" in the folder of the repository\n')
    assert captured.out == ""


def threads():
    """How many threads each library may start that multiplies matrices."""
    return {library["num_threads"] for library in threadpoolctl.threadpool_info()}


def test_it_computes_in_one_thread(monkeypatch):
    seen = []
    monkeypatch.setattr("simplegrad.__main__.run", lambda args: seen.append(threads()))
    with threadpoolctl.threadpool_limits(2):
        main([])
        assert threads() <= {2}  # as before
    assert seen[0] <= {1}


def test_without_threadpoolctl_it_does_the_same(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert main(["--epochs", "1", "--batch-size", "512"]) == 0
    assert "4. Where to go next" in capsys.readouterr().out


# Ends before the end


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_it_politely():
    def heed_sigint():  # a shell that runs the tests in the background has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with start("--epochs", "2000", preexec_fn=heed_sigint) as demo:
        while "layers.3" not in demo.stdout.readline():
            assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        _, error = demo.communicate(timeout=HANGING)
    assert demo.returncode == 130
    assert error == "Stopped by Ctrl-C.\n"


def test_ctrl_c_is_no_traceback_in_any_part(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("simplegrad.__main__.walk_through_adam", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "Stopped by Ctrl-C.\n"


def test_a_closed_pipe_is_no_traceback():
    with start("--epochs", "1") as demo:
        demo.stdout.close()
        error = demo.stderr.read()
    assert demo.returncode == 1
    assert error == ""


FULL = "/dev/full"  # where every write fails as on a disk that is full
SHORT = ("--epochs", "1", "--batch-size", "512")


@pytest.mark.skipif(not os.path.exists(FULL), reason=f"this system has no {FULL}")
@pytest.mark.parametrize(
    ("options", "unbuffered"),
    [
        (SHORT, ""),
        (SHORT, "1"),
        (["--help"], ""),  # what is printed fails when Python ends, or would
        ([*SHORT, "--plot", "digits.png"], ""),
    ],
)
def test_a_disk_that_is_full_is_one_line(options, unbuffered, tmp_path):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open(FULL, "w") as full:
        demo = start(*options, stdout=full, env=environment, cwd=tmp_path)
        _, error = demo.communicate(timeout=HANGING)
    assert demo.returncode == 1
    assert re.fullmatch("python -m simplegrad: error: cannot write the output: .*space.*\n", error)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX closes them")
@pytest.mark.parametrize(
    ("closed", "status", "ends_with"),
    [
        (">&-", {2}, "error: there is nothing to print to: the standard output is closed\n"),
        ("2>&-", {0}, "--plot digits.png\n"),
        (">&- 2>&-", {1, 2}, ""),  # there is nowhere to say it
    ],
)
def test_an_output_that_is_closed_is_no_traceback(closed, status, ends_with):
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *SHORT]
    demo = subprocess.run(command, capture_output=True, text=True, timeout=HANGING)
    assert demo.returncode in status
    assert (demo.stdout + demo.stderr).endswith(ends_with)
    assert "Traceback" not in demo.stdout + demo.stderr
