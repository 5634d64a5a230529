"""How much memory a function takes while it runs."""

import gc
import sys
import tracemalloc


def traced_growth(fn):
    """How many bytes more than before are in use at the peak of fn()."""
    gc.collect()
    gc.disable()
    tracer = sys.gettrace()  # that of coverage would allocate, too
    sys.settrace(None)
    tracemalloc.start()
    try:
        for _ in range(3):
            fn()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        fn()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
        sys.settrace(tracer)
        gc.enable()
