"""`step_through`: makes a call, and shows it as a debugger does, one that also runs backwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simplegrad.tools.explain import name_of

if TYPE_CHECKING:
    from simplegrad.tools.recorder import Recorder

HEIGHT = 640  # pixels in a notebook


class Steps:
    """What a call did, step by step: a notebook shows it, and `save` writes it.

    Attributes:
        call: The name of what was called.
        result: What it returned, or None if an error ended it.
        error: The type and the message of that error, or "".
    """

    def __init__(self, call: str, recorder: Recorder, result: Any, error: str) -> None:
        self.call, self.result, self.error = call, result, error
        self._recorder = recorder

    def __len__(self) -> int:
        return len(self._recorder.steps)

    def __str__(self) -> str:
        """The lines that ran, each once: those that compute an equation, or all if none does."""
        from simplegrad.tools.storyboard import text_of  # which costs time to import

        return text_of(self.storyboard)

    def __repr__(self) -> str:
        end = f", the last of them {self.error}" if self.error else ""
        return f"Steps({self.call}: {len(self)} steps{end}; .save('steps.html') to go through them)"

    @cached_property
    def storyboard(self) -> dict[str, Any]:
        """All that is to be seen, as data for JSON; `simplegrad/tools/storyboard.py` says what."""
        from simplegrad.tools.storyboard import storyboard_of  # which costs time to import

        return storyboard_of(self.call, self._recorder, self.error or "The call has returned.")

    def _repr_html_(self) -> str:
        from html import escape  # only when it is needed: it takes time to import

        page = escape(self._page())
        style = f'style="border: 0; height: {HEIGHT}px; width: 100%"'
        return f'<iframe srcdoc="{page}" title="Steps of {escape(self.call)}" {style}></iframe>'

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a page that shows the steps: one file, which needs no connection.

        Raises:
            ValueError: The name does not end in .html.
        """
        if not os.fspath(path).lower().endswith((".html", ".htm")):
            raise ValueError(
                f"the steps are saved as a page, but the file's name is {os.fspath(path)!r}. Write "
                'steps.save("steps.html"), and open it in a browser.'
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._page())

    def _page(self) -> str:
        from html import escape  # only when it is needed: it takes time to import

        style, script = _file("stepper.css"), _file("stepper.js")
        # "</script>" in a text would end the script, and "<!--<script>" would keep it from ending
        data = json.dumps(with_markup(self.storyboard)).replace("<", "\\u003c")
        return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(self.call)}, step by step</title>
<style>{style}</style>
<body class="steps-page">
<main><div class="steps"></div></main>
<script>{script}</script>
<script>simplegradSteps.show(document.querySelector(".steps"), {data})</script>
"""


def _file(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def with_markup(storyboard: dict[str, Any]) -> dict[str, Any]:
    """The storyboard with its equations as MathML, if latex2mathml is installed."""
    try:
        from latex2mathml.converter import convert
    except ImportError:
        return storyboard
    equations = [{**one, "markup": convert(one["tex"])} for one in storyboard["equations"]]
    return {**storyboard, "equations": equations}


def step_through(call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Steps:
    """Makes a call, and shows how it ran: a debugger that needs no installation and runs backwards.

    Each line of the call and of simplegrad is shown with the variables of that moment, its
    equation, the functions that wait for it, and the graph as far as it exists. Go on with into,
    over, out and back, or jump to a line or an equation. NumPy and other libraries are stepped
    over. The first 5,000 steps are kept. A debugger such as pdb does not stop within the call, but
    at a `breakpoint()`, where the steps end.

    An error of the call is not raised: the steps end where it arose. So they do where Ctrl-C or
    `sys.exit()` ends it.

    Args:
        call: What to call: the function, not its result.
        args: The arguments to call it with.
        kwargs: The arguments to call it with by name.

    Returns:
        What a notebook shows, and `save("steps.html")` writes.

    Raises:
        TypeError: `call` cannot be called.
        RuntimeError: This is the prompt of a debugger, where nothing can look on.

    Examples:
        >>> a, b = sg.Tensor(2.0, requires_grad=True), sg.Tensor(3.0)
        >>> steps = sg.step_through(lambda: a * b)
        >>> steps.result
        Tensor(6, shape=(), float32, rule=Mul)
        >>> steps.save("steps.html")  # doctest: +SKIP
    """
    # which cost time that few programs need
    from simplegrad.tools.recorder import Recorder, error_text
    from simplegrad.tools.trace import check_that_calls_are_traced

    if not callable(call):
        raise TypeError(
            f"step_through makes the call itself, so it takes a function and its arguments, but "
            f"got {call!r:.80}. Write sg.step_through(opt.step), without the parentheses of "
            "opt.step(), or sg.step_through(lambda: a * b)."
        )
    check_that_calls_are_traced("step_through")
    recorder, result, error = Recorder(), None, ""
    try:
        result = recorder.watch(call, args, kwargs)
    except BaseException as raised:  # Ctrl-C too: one steps through what does not end to see why
        error = error_text(raised)
    return Steps(name_of(call), recorder, result, error)
