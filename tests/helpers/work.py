"""How much work a call is, in lines of Python: the same on any machine, however busy."""

import sys


def lines_run_by(function):
    """How many lines of Python run while the function is called, its own and those below it."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count
