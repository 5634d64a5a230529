"""Processes that are started for a check, and how all that they have started is ended.

Every system ends the process and its group. Linux finds what has left the group, too: what has the
mark of the process in its environment, what is below it, and what has lost its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

MARK = "SIMPLEGRAD_CHECK"  # in the environment of all processes that are started here
STARTED: set[int] = set()
STARTING = threading.Lock()  # a process that is just being started is not yet among them
PATIENCE = 5.0  # seconds for ending processes that start others

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 4, 36, 37  # <linux/prctl.h>


def guard_this_process() -> None:  # pragma: in a process of its own
    """Hides its memory and its streams, and makes it adopt what loses its parent, on Linux.

    Nothing hides them from a process of root.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def started(arguments: Sequence[str], mark: str) -> subprocess.Popen[bytes]:
    """A process of Python in a session of its own, and with a mark in its environment."""
    environment = {**os.environ, MARK: mark}
    environment |= {"PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with STARTING:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            env=environment,
        )
        STARTED.add(process.pid)
    return process


def reader(pipe: IO[bytes] | None, read: bytearray, most: int) -> threading.Thread:
    """A thread that reads a pipe until its end, and keeps the first part."""

    def run() -> None:
        assert pipe
        with pipe:
            while part := os.read(pipe.fileno(), 65536):
                read.extend(part[: most - len(read)])

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def end_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ends a process, its group, and all that it has started, as far as that is found."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    until, looks = time.monotonic() + PATIENCE, 1
    while looks and time.monotonic() < until:
        found = relatives(process.pid, mark)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
        looks = 3 if found else looks - 1  # one may have started another before it ended
    STARTED.discard(process.pid)


def relatives(pid: int, mark: str) -> set[int]:
    """The processes with this mark, those below this one, and those adopted here; on Linux."""
    with STARTING:
        parents, found = {}, {pid}
        for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
            child = int(folder.name)
            with contextlib.suppress(OSError):  # it has just ended, or hides from us
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[child] = int(parent)
                if mark.encode() in (folder / "environ").read_bytes():
                    found.add(child)
        if adopts():
            found |= {child for child in parents if parents[child] == os.getpid()} - STARTED
    while below := {child for child, parent in parents.items() if parent in found} - found:
        found |= below
    return (found & parents.keys()) - {os.getpid()}


def adopts() -> bool:
    """Whether this process adopts what loses its parent."""
    answer = ctypes.c_int(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def is_stopped(pid: int) -> bool:
    """Whether a process waits for SIGCONT, as one does that was sent SIGSTOP; on Linux."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def resident_bytes(pid: int) -> int:
    """How much memory a process takes up."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
