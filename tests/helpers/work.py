"""How much work a call is, in lines of Python: the same on any machine, however busy."""

import contextlib
import sys


@contextlib.contextmanager
def traced_by(trace):
    """Within it, `trace` is the trace function; after it, the one that was there before."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def lines_run_by(function):
    """How many lines of Python run while the function is called, its own and those below it."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace

    with traced_by(trace):
        function()
    return count
