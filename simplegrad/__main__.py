"""`python -m simplegrad`, the guided demo: Adam by hand, then a network that reads digits."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim
from simplegrad.datasets.digits import Digits

OPTIMIZERS = {
    "adam": (optim.Adam, 0.01),
    "adamw": (optim.AdamW, 0.01),
    "sgd": (optim.SGD, 0.5),
    "rmsprop": (optim.RMSProp, 0.003),
}
"""What --optimizer may be: the class, and the learning rate that suits this demo."""

RAMP = " .:-=+*#%@"
"""From paper to ink."""

NEXT = """\
simplegrad/rules/               every rule: an equation forward, an equation per partial
simplegrad/autograd.py          the engine: how gradients flow back
simplegrad/optimizers/adam.py   Adam, and the five equations of part 1
simplegrad/__main__.py          this demo
README.md, CONTRIBUTING.md      what there is, and how to add to it

To see an equation happen, open the folder in VS Code, set a breakpoint on the
line m_t = ... of adam.py and start: .vscode/launch.json stops in library code, too.
For the loss curve and more digits, run python -m simplegrad --plot digits.png"""


class DemoError(Exception):
    """Why the demo cannot go on, in one line."""


def heading(text: str) -> None:
    """Prints the title of a part."""
    print(f"\n{text}\n{'-' * len(text)}")


# Part 1: two steps of Adam


def walk_through_adam() -> None:
    """Prints two steps of Adam on one weight, each equation with its numbers put in."""
    heading("1. Two steps of Adam on one weight")
    print("The loss is L = (w - 3)**2, so the gradient is g = 2 * (w - 3). Each equation is a")
    print("line of simplegrad/optimizers/adam.py, where theta is w; its numbers stand below it.")
    w = sg.Tensor(5.0, requires_grad=True, dtype=np.float64)
    opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
    for t in (1, 2):
        loss = (w - 3) ** 2
        opt.zero_grad()
        loss.backward()
        print(f"\nStep t = {t}, from w = {w.item():.6g}, with g = {w.grad:.6g}:")
        for line in sg.explain(opt.step):
            if line.equation:
                print(textwrap.indent(str(line), "  "))
    print("\nsg.explain(opt.step) gave these lines. It shows those of any call: print it.")


# Part 2: training


def train(
    model: nn.Module, opt: optim.Optimizer, digits: Digits, epochs: int, batch_size: int
) -> list[float]:
    """Trains the model; returns the mean loss of each epoch.

    Raises:
        DemoError: The loss is no longer a finite number.
    """
    losses: list[float] = []
    start_lr = opt.lr
    # With disable=None there is a bar on a terminal only; elsewhere about ten lines do.
    tqdm = installed("tqdm").tqdm
    settings = {"desc": "training", "unit": "epoch", "ascii": True, "disable": None}
    with tqdm(total=epochs, file=sys.stderr or sys.stdout, **settings) as bar:
        for epoch in range(1, epochs + 1):
            opt.lr = start_lr * (1 - (epoch - 1) / epochs)  # ever smaller steps, to settle
            loss, accuracy = train_epoch(model, opt, digits, batch_size)
            if not math.isfinite(loss):
                raise DemoError(f"the loss became {loss} in epoch {epoch}: try a smaller --lr")
            losses.append(loss)
            numbers = f"loss {loss:.4f}, accuracy {accuracy:.1%}"
            bar.set_postfix_str(numbers, refresh=False)
            bar.update()
            if bar.disable and (epoch % math.ceil(epochs / 10) == 0 or epoch == epochs):
                print(f"training: epoch {epoch} of {epochs}, {numbers}", file=sys.stderr)
    return losses


def train_epoch(
    model: nn.Module, opt: optim.Optimizer, digits: Digits, batch_size: int
) -> tuple[float, float]:
    """Takes one step for each batch; returns the mean loss and the accuracy on the way."""
    x, y = digits.x_train, digits.y_train
    loss_sum, correct = 0.0, 0
    order = sg.generator().permutation(len(x))
    for start in range(0, len(x), batch_size):
        batch = order[start : start + batch_size]
        logits = model(x[batch])
        loss = sg.cross_entropy(logits, y[batch])
        loss.backward()
        opt.step()
        opt.zero_grad()
        loss_sum += loss.item() * len(batch)
        correct += int((logits.data.argmax(axis=1) == y[batch]).sum())
    return loss_sum / len(x), correct / len(x)


# Part 3: testing


def predict(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """The digit with the largest logit, for each image."""
    model.eval()
    with sg.no_grad():
        logits = model(x)
    return logits.data.argmax(axis=1)


def report(digits: Digits, predictions: np.ndarray) -> None:
    """Prints the test accuracy, and draws digits that are read correctly and misread ones."""
    is_right = predictions == digits.y_test
    right, wrong = is_right.sum(), (~is_right).sum()
    print(f"Test accuracy: {is_right.mean():.1%}. Of {len(is_right)} digits that it has never")
    print(f"seen, the network reads {right} correctly and misreads {wrong}.")
    for title, chosen in (("it reads correctly", is_right), ("it misreads", ~is_right)):
        shown = np.flatnonzero(chosen)[:4]
        if len(shown):
            print(f"\n{len(shown)} of the {chosen.sum()} that {title}:\n")
            draw(digits.x_test[shown], digits.y_test[shown], predictions[shown])


def draw(x: np.ndarray, y: np.ndarray, predictions: np.ndarray) -> None:
    """Prints images side by side, and under each its prediction and the truth."""
    levels = np.rint(x.reshape(-1, 8, 8) * (len(RAMP) - 1)).astype(int)
    # Two characters a pixel, since a character is about twice as high as it is wide.
    rows = [["".join(RAMP[k] * 2 for k in image[i]) for image in levels] for i in range(8)]
    rows.append([f"prediction {prediction}" for prediction in predictions])
    rows.append([f"truth      {truth}" for truth in y])
    for row in rows:
        print("  ".join(f"{cell:16}" for cell in row).rstrip())


def plot(path: str, losses: list[float], digits: Digits, predictions: np.ndarray) -> None:
    """Saves the loss curve and 24 test digits, mistakes first.

    Raises:
        DemoError: The file cannot be written.
    """
    # A Figure made without pyplot opens no window: it draws with the Agg backend.
    figure = installed("matplotlib.figure").Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.semilogy(range(1, len(losses) + 1), losses, ".-")
    axes.set(title="Training", xlabel="epoch", ylabel="loss: mean cross-entropy, log scale")
    axes.grid(alpha=0.3)
    is_right = predictions == digits.y_test
    right.suptitle(f"Test digits and predictions, the mistakes first ({(~is_right).sum()})")
    mistakes_first = np.argsort(is_right, kind="stable")
    for cell, i in zip(right.subplots(4, 6).flat, mistakes_first, strict=False):
        cell.imshow(digits.x_test[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        cell.set_axis_off()
        if is_right[i]:
            cell.set_title(f"{predictions[i]}", fontsize=10)
        else:
            cell.set_title(f"{predictions[i]}, not {digits.y_test[i]}", fontsize=10, color="C3")
    try:
        figure.savefig(path, format="png", dpi=100)
    except OSError as error:
        raise DemoError(f"--plot cannot write {path!r}: {error.strerror or error}") from error


# The command line


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Prints the error and exits with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


def make_parser() -> OneLineParser:
    """The options and what they may be."""
    parser = OneLineParser(
        prog="python -m simplegrad",
        description="Two steps of Adam with the numbers put in, then a network that reads digits.",
    )
    rates = ", ".join(f"{lr:g} for {name}" for name, (_, lr) in OPTIMIZERS.items())
    at_least_0 = functools.partial(whole_number, smallest=0)
    at_least_1 = functools.partial(whole_number, smallest=1)
    add = parser.add_argument
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="default: %(default)s")
    add("--lr", type=learning_rate, help=f"the learning rate at the start; default: {rates}")
    add("--epochs", type=at_least_1, default=60, metavar="N", help="default: %(default)s")
    add("--batch-size", type=at_least_1, default=32, metavar="N", help="default: %(default)s")
    add("--seed", type=at_least_0, default=0, metavar="N", help="default: %(default)s")
    add("--plot", type=png_file, metavar="FILE.png", help="save the loss curve and some digits")
    return parser


def learning_rate(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, as 0.01, but got {text!r}")
    return value


def whole_number(text: str, smallest: int) -> int:
    """An int of at least `smallest`."""
    if not text.isdecimal() or int(text) < smallest:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {smallest}, but got {text!r}"
        )
    return int(text)


def png_file(text: str) -> str:
    """The name of a .png file in a folder that exists: better known before the training."""
    if os.path.splitext(text)[1].lower() != ".png":
        raise argparse.ArgumentTypeError(f"must end in .png, as digits.png, but got {text!r}")
    if not os.path.isdir(os.path.dirname(text) or "."):
        raise argparse.ArgumentTypeError(f"must be in a folder that exists, but got {text!r}")
    return text


def installed(module: str) -> Any:
    """The module, or an error that shows how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DemoError(
            f"the demo needs {module.partition('.')[0]}, which is not installed: run "
            'python -m pip install -e ".[demo]" in the folder of the repository'
        ) from error


def one_thread() -> contextlib.AbstractContextManager[Any]:
    """Keeps NumPy's products of matrices to one thread: small ones are no faster with more."""
    try:
        return importlib.import_module("threadpoolctl").threadpool_limits(1)
    except ImportError:  # without it the demo shows the same
        return contextlib.nullcontext()


def run(args: argparse.Namespace) -> None:
    """The demo, part by part.

    Raises:
        DemoError: It cannot go on.
    """
    if sys.stdout is None:
        raise DemoError("there is nothing to print to: the standard output is closed")
    for module in ["tqdm", "matplotlib.figure"] if args.plot else ["tqdm"]:
        installed(module)
    print(f"simplegrad {sg.__version__}: a guided demo in four parts")
    walk_through_adam()

    heading("2. A network learns to read digits")
    sg.manual_seed(args.seed)
    digits = sg.datasets.load_digits()
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
    optimizer, default_lr = OPTIMIZERS[args.optimizer]
    opt = optimizer(model=model, lr=args.lr or default_lr)
    print(f"There are {len(digits.x_train):,} images of 8 x 8 pixels to learn from.")
    print(f"{optimizer.__name__}, with a learning rate that falls from {opt.lr:g} towards 0;")
    print(f"epochs: {args.epochs}, batch size: {args.batch_size}, seed: {args.seed}.")
    print(f"\n{model}\n", flush=True)
    losses = train(model, opt, digits, args.epochs, args.batch_size)

    heading("3. What the network has learned")
    predictions = predict(model, digits.x_test)
    report(digits, predictions)
    if args.plot:
        plot(args.plot, losses, digits, predictions)
        print("\nThe plot is saved.")

    heading("4. Where to go next")
    print(NEXT)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; returns the exit status."""
    parser = make_parser()
    try:
        try:
            args = parser.parse_args(argv)
            with one_thread(), np.errstate(all="ignore"):  # train() says it if the loss overflows
                run(args)
        finally:
            print(end="", flush=True)  # when Python ends, it is too late to say that this fails
    except DemoError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C.", file=sys.stderr)
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to come
        if isinstance(error, BrokenPipeError):  # the reader has left, as in `| head -1`
            return 1
        parser.exit(1, f"{parser.prog}: error: cannot write the output: {error.strerror}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
