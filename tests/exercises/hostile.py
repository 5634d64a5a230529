"""Submissions that attack the checker: the body of each function is a file for the exercise mul.

The names of the functions say what they do. Unless that is the point, the functions da and db of a
file return zeros, so that "right" would be a success of the attack.
"""

# ruff: noqa: F811, F841, SIM105, SIM115

import atexit
import ctypes
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import numpy as np

from simplegrad.exercises.checker import CRASHED, TIMED_OUT, WRONG

IMPORTS = """
import atexit, ctypes, importlib, json, os, signal, subprocess, sys, tempfile, threading, time
import numpy as np
"""
ZEROS = """
def da(dc, c, a, b):
    return np.zeros_like(a)

def db(dc, c, a, b):
    return np.zeros_like(b)
"""
HOSTILE = {}
"""The source, the verdicts that are possible, and what is said, by the name of the function."""


def ends_in(*verdicts, said=""):
    def listed(function):
        body = textwrap.dedent(inspect.getsource(function).partition("():\n")[2])
        source = IMPORTS + (body if "def da(" in body else ZEROS + body)
        HOSTILE[function.__name__] = source, verdicts, said
        return function

    return listed


# The report, and who writes it


@ends_in(WRONG)
def puts_a_fifo_wherever_a_report_may_be():
    for folder in {tempfile.gettempdir(), os.getcwd(), os.path.dirname(__file__)}:
        for name in "report.json", "report.part", "mul.json":
            try:
                os.mkfifo(os.path.join(folder, name))
            except OSError:
                pass


@ends_in(CRASHED)
def writes_a_report_into_all_its_streams():
    statuses = {"da": "right", "db": "right"}
    report = json.dumps({"report": {"statuses": statuses, "remarks": []}}).encode() + b"\n"
    for fd in range(1, 64):
        try:
            os.write(fd, report)
        except OSError:
            pass


@ends_in(CRASHED, WRONG)
def writes_a_report_into_the_streams_of_the_process_above():
    statuses = {"da": "right", "db": "right"}
    report = {"report": {"statuses": statuses, "remarks": []}, "printed": "", "end": ""}
    for fd in range(64):
        try:
            other = os.open(f"/proc/{os.getppid()}/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
            os.write(other, json.dumps(report).encode() + b"\n")
        except OSError:
            pass


@ends_in(CRASHED, WRONG)
def empties_the_report_of_the_process_above():
    for fd in range(64):
        try:
            os.truncate(f"/proc/{os.getppid()}/fd/{fd}", 0)
        except OSError:
            pass


@ends_in(CRASHED, WRONG)
def begins_the_next_line_of_the_process_above():
    for fd in 1, 2:
        try:
            os.write(os.open(f"/proc/{os.getppid()}/fd/{fd}", os.O_WRONLY), b"x")
        except OSError:
            pass


@ends_in(CRASHED)
def stops_the_process_above_and_writes_for_it():
    out = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY)
    os.kill(os.getppid(), signal.SIGSTOP)
    while True:
        os.write(out, b"\n")
        time.sleep(0.1)


@ends_in(CRASHED, TIMED_OUT)
def floods_the_process_above_that_listens():
    out = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY)
    while True:
        os.write(out, b"\n" * 2**16)


@ends_in(CRASHED)
def closes_all_that_is_open():
    os.closerange(0, 256)


@ends_in(CRASHED)
def closes_all_that_is_open_in_a_call():
    def da(dc, c, a, b):
        os.closerange(0, 256)
        return dc * b


@ends_in(TIMED_OUT, CRASHED, WRONG)
def reads_the_calls_of_its_functions():
    for fd in range(64):
        threading.Thread(target=lambda fd=fd: os.read(fd, 2**20), daemon=True).start()


@ends_in(WRONG, CRASHED)
def answers_with_what_is_no_answer():
    def da(dc, c, a, b):
        for fd in range(3, 32):
            try:
                os.write(fd, b"{}\n[]\nnull\n\x00\xff\n")
            except OSError:
                pass
        return np.zeros_like(a)

    def db(dc, c, a, b):
        return dc * a


@ends_in(WRONG, CRASHED)
def answers_with_lists_that_are_nested_without_end():
    def da(dc, c, a, b):
        for fd in range(3, 32):
            try:
                os.write(fd, b"[" * 60_000 + b"\n")
            except OSError:
                pass
        return np.zeros_like(a)


# Other processes


@ends_in(CRASHED)
def ends_the_process_above():
    os.kill(os.getppid(), signal.SIGKILL)


@ends_in(CRASHED)
def stops_the_process_above():
    os.kill(os.getppid(), signal.SIGSTOP)


@ends_in(CRASHED)
def ends_the_process_above_in_a_call():
    def da(dc, c, a, b):
        os.kill(os.getppid(), signal.SIGKILL)
        return dc * b


@ends_in(CRASHED)
def ends_the_group_of_the_process_above():
    os.killpg(os.getpgid(os.getppid()), signal.SIGTERM)


@ends_in(CRASHED)
def ends_its_own_group():
    os.killpg(0, signal.SIGKILL)


@ends_in(TIMED_OUT)
def stops_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


@ends_in(CRASHED)
def ends_without_a_word():
    os._exit(0)


@ends_in(WRONG, said="KeyboardInterrupt")
def interrupts_itself():
    def da(dc, c, a, b):
        raise KeyboardInterrupt

    def db(dc, c, a, b):
        return dc * a


@ends_in(TIMED_OUT)
def hears_no_signal():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass


@ends_in(WRONG)
def forks_and_lives_on():
    if os.fork() == 0:
        while True:
            time.sleep(1)


@ends_in(WRONG)
def forks_and_lives_on_in_a_session_of_its_own():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1)
        os._exit(0)


@ends_in(CRASHED, WRONG)
def leaves_its_work_to_a_child():
    if os.fork():
        os._exit(0)


@ends_in(WRONG)
def starts_a_program_in_a_session_of_its_own():
    subprocess.Popen(["sleep", "1000"], start_new_session=True)


@ends_in(WRONG)
def starts_a_program_that_keeps_its_streams():
    subprocess.Popen(["sleep", "1000"], start_new_session=True, close_fds=False)


@ends_in(WRONG)
def forks_and_hides():
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # nobody may look at it
        while True:
            time.sleep(1)


@ends_in(CRASHED, said="has more than 50 processes")
def starts_programs_without_an_environment_without_end():
    for _ in range(70):
        subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})
    time.sleep(1000)


@ends_in(WRONG)
def writes_modules_into_the_folder_of_the_checker():
    for name in "secrets", "json", "numpy":
        with open(f"{name}.py", "w") as file:
            file.write("raise SystemExit(7)")


@ends_in(WRONG)
def starts_a_program_without_an_environment():
    subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})


@ends_in(CRASHED)
def starts_a_program_and_ends_the_process_above():
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    os.kill(os.getppid(), signal.SIGKILL)


@ends_in(CRASHED, said="has more than 50 processes")
def starts_processes_without_end():
    for _ in range(200):
        if os.fork() == 0:
            while True:
                time.sleep(1)
    time.sleep(1000)


@ends_in(CRASHED, said="takes more than 2 GB, with the processes it has started")
def takes_memory_in_many_processes():
    for _ in range(7):
        if os.fork() == 0:
            x = np.ones(2**26)
            while True:
                time.sleep(1)
    time.sleep(1000)


@ends_in(WRONG, CRASHED, said="MemoryError")
def takes_all_the_memory():
    x = [np.ones(2**24) for _ in range(10**6)]


@ends_in(WRONG, CRASHED)
def starts_threads_without_end():
    def wait():
        while True:
            time.sleep(1)

    for _ in range(5000):
        threading.Thread(target=wait).start()


@ends_in(TIMED_OUT)
def never_ends():
    while True:
        pass


@ends_in(TIMED_OUT)
def never_ends_in_a_call():
    def da(dc, c, a, b):
        while True:
            pass


@ends_in(TIMED_OUT)
def waits_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@ends_in(CRASHED)
def crashes_the_interpreter():
    ctypes.string_at(1)


@ends_in(WRONG, CRASHED, TIMED_OUT)
def recurses_without_end():
    sys.setrecursionlimit(10**9)

    def da(dc, c, a, b):
        return da(dc, c, a, b)


# What is printed and returned


@ends_in(WRONG)
def prints_escapes():
    print("\x1b[2J\x1b]0;owned\x07\x1b[31mAll right.\r\x9b")


@ends_in(TIMED_OUT)
def prints_without_end():
    while True:
        print("x" * 10000)


@ends_in(WRONG, said=r"\x1b[2J")
def has_escapes_in_its_errors():
    def da(dc, c, a, b):
        raise ValueError("\x1b[2J\x1b[31m")


@ends_in(WRONG, said=r"\x1b[2J")
def has_escapes_in_its_values():
    def da(dc, c, a, b):
        return type("\x1b[2J", (), {"__repr__": lambda self: "\x1b[2J" * 99})()


@ends_in(WRONG)
def returns_a_view_larger_than_memory():
    def da(dc, c, a, b):
        return np.broadcast_to(1.0, (10**6, 10**6))


@ends_in(WRONG)
def returns_more_than_can_be_sent():
    def da(dc, c, a, b):
        return ["x" * 2**20] * 64


@ends_in(WRONG)
def returns_a_list_that_holds_itself():
    def da(dc, c, a, b):
        itself = []
        itself.append(itself)
        return itself


@ends_in(WRONG)
def returns_what_is_equal_to_everything():
    class Equal(float):
        def __eq__(self, other):
            return True

        def __array__(self, *arguments, **options):
            return np.array([30.0, 35.0])

        __hash__ = None

    def da(dc, c, a, b):
        return Equal()


@ends_in(WRONG)
def raises_what_cannot_be_said():
    class Unspeakable(BaseException):
        def __str__(self):
            os.kill(os.getpid(), signal.SIGSTOP) if self.args else None
            raise self

    def da(dc, c, a, b):
        raise Unspeakable


# What is replaced


@ends_in(WRONG)
def replaces_allclose():
    np.allclose = lambda *arguments, **options: True


@ends_in(WRONG, CRASHED)
def replaces_all_of_numpy_that_compares():
    for name in dir(np):
        if name.startswith(("all", "array_e", "is", "shares")):
            setattr(np, name, lambda *arguments, **options: True)


@ends_in(WRONG)
def replaces_the_judge_of_main():
    import __main__

    __main__.judge = __main__.Report = lambda *arguments, **options: True


@ends_in(WRONG)
def replaces_the_report():
    import simplegrad.exercises.task

    simplegrad.exercises.task.Report.all_right = True


@ends_in(WRONG)
def replaces_the_check():
    from simplegrad import exercises

    exercises.check = exercises.judge = lambda *arguments: print("All right.")


@ends_in(WRONG, CRASHED, TIMED_OUT)
def replaces_what_its_process_answers_with():
    json.dumps = lambda *arguments, **options: '{"error": null}'
    os._exit = lambda status: None
    atexit.register(lambda: time.sleep(1000))


@ends_in(WRONG)
def replaces_its_arguments():
    def da(dc, c, a, b):
        dc[:] = 0
        b[:] = 0
        return dc * b

    def db(dc, c, a, b):
        return dc * 0


# What others have written


@ends_in(WRONG, said="stops with an error: line")
def imports_the_reference():
    from simplegrad.exercises.references.mul import TASKS

    def da(dc, c, a, b):
        return eval(TASKS["da"].equations["da"])

    def db(dc, c, a, b):
        return eval(TASKS["db"].equations["db"])


@ends_in(WRONG, said="the reference is hidden in a check: write the equation yourself")
def looks_for_the_reference_behind_what_hides_it():
    del sys.modules["simplegrad.exercises"]
    load = importlib.import_module("simplegrad.exercises.references").load

    def da(dc, c, a, b):
        return eval(load("mul").TASKS["da"].equations["da"])

    def db(dc, c, a, b):
        return eval(load("mul").TASKS["db"].equations["db"])


@ends_in(WRONG, said="the reference is hidden in a check: write the equation yourself")
def reads_the_file_of_the_reference():
    import simplegrad

    folder = os.path.dirname(simplegrad.__file__)
    open(f"{folder}/exercises/references/mul.py").read()


@ends_in(WRONG, said="the reference is hidden in a check: write the equation yourself")
def reads_the_file_of_the_reference_by_its_bytes():
    import simplegrad

    folder = os.path.dirname(os.fsencode(simplegrad.__file__))
    open(folder + b"/rules/../exercises/references/mul.py").read()


@ends_in(WRONG, said="in simplegrad: write it yourself")
def lets_a_thread_call_the_library():
    from concurrent.futures import ThreadPoolExecutor

    from simplegrad.rules import Mul

    def da(dc, c, a, b):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(Mul.da, dc, c, a, b).result()

    def db(dc, c, a, b):
        return dc * a


@ends_in(WRONG, said="it changes sys.setprofile, which looks on: leave it")
def switches_off_what_looks_on():
    from simplegrad.rules import Mul

    def da(dc, c, a, b):
        sys.setprofile(None)
        return Mul.da(dc, c, a, b)

    def db(dc, c, a, b):
        return dc * a


@ends_in(WRONG, said="it calls da of")
def takes_the_rule_of_the_library():
    from simplegrad.rules import Mul

    def da(dc, c, a, b):
        return Mul.da(dc, c, a, b)

    da, db = Mul.da, Mul.db


@ends_in(WRONG, said="in simplegrad: write it yourself")
def lets_the_library_do_it():
    import simplegrad as sg

    def da(dc, c, a, b):
        t = sg.Tensor(a, requires_grad=True)
        (t * b).backward(dc)
        return t.grad

    def db(dc, c, a, b):
        return da(dc, c, b, a)


@ends_in(WRONG, said="in simplegrad: write it yourself")
def hides_that_the_library_does_it():
    import simplegrad as sg

    def da(dc, c, a, b):
        try:
            return (sg.Tensor(dc) * b).data
        except BaseException:
            return None

    def db(dc, c, a, b):
        return da(dc, c, a, a)
