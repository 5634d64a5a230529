"""A small client of the Debug Adapter Protocol: it asks debugpy for what VS Code asks it for.

microsoft.github.io/debug-adapter-protocol describes the messages. `python -m debugpy.adapter` reads
requests and writes answers and events; the program runs in another process.
"""

import ast
import contextlib
import inspect
import json
import linecache
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import simplegrad as sg
from tests.helpers.limits import HANGING

ROOT = Path(sg.__file__).parents[1]
LIMIT = HANGING  # for a session: then it is ended, whatever it waits for

LAUNCH = json.loads((ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8"))
CONFIGURATIONS = {entry["name"]: entry for entry in LAUNCH["configurations"]}


def chosen(name, file=None):
    """A configuration of launch.json, with `file` as the one that is open in the editor."""
    path = json.dumps(str(file))[1:-1]  # as it stands in JSON
    return json.loads(json.dumps(CONFIGURATIONS[name]).replace("${file}", path))


def place_of(source, code):
    """(path, line) of the line of a function, or of a file, that starts with this code."""
    if isinstance(source, Path):
        path, first, lines = source, 1, source.read_text(encoding="utf-8").splitlines()
    else:
        path, (lines, first) = Path(inspect.getsourcefile(source)), inspect.getsourcelines(source)
    return path, first + [line.strip().startswith(code) for line in lines].index(True)


class Debugger:
    """A program in debugpy, which has stopped at the first of its breakpoints.

    Args:
        configuration: What to start, as `chosen` gives it.
        breakpoints: (path, line) or (path, line, condition) each.
    """

    def __init__(self, configuration, *breakpoints):
        command = [sys.executable, "-m", "debugpy.adapter"]
        self.adapter = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.alarm = threading.Timer(LIMIT, self.adapter.kill)
        self.alarm.start()
        self.sent, self.output, self.program = 0, "", None
        try:
            self._launch(configuration, breakpoints)
        except BaseException:
            self.close()
            raise

    def _launch(self, configuration, breakpoints):
        self.request("initialize", adapterID="debugpy", pathFormat="path")
        environment = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
        here = {"python": [sys.executable], "cwd": str(ROOT), "env": environment}
        self._send("launch", **configuration | here | {"console": "internalConsole"})
        self._message(event="initialized")
        places = {}
        for path, line, *condition in breakpoints:
            place = dict(zip(("line", "condition"), (line, *condition), strict=False))
            places.setdefault(str(path), []).append(place)
        for path, lines in places.items():
            self.request("setBreakpoints", source={"path": path}, breakpoints=lines)
        self.request("configurationDone")
        self._stopped()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Ends the program and the adapter, whatever they are doing."""
        self.alarm.cancel()
        self.adapter.kill()
        if self.program is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.program, signal.SIGTERM)
        self.adapter.communicate()

    # What one does in a debugger

    def resume(self):
        """Goes on to the next breakpoint."""
        self._go("continue")

    def next(self):
        """Runs this line: "step over"."""
        self._go("next")

    def step_in(self):
        """Goes into the first function of Python that this line calls."""
        self._go("stepIn")

    def end(self):
        """Runs to the end of the program; its exit code."""
        self.request("continue", threadId=self.thread)
        return self._message(event="exited")["body"]["exitCode"]

    @property
    def function(self):
        """The name of the function that the program has stopped in."""
        return self.frames[0]["name"]

    @property
    def line(self):
        """The line that runs next."""
        return self.callers[0]

    @property
    def callers(self):
        """The line at work in each frame of the Call Stack pane, the innermost first."""
        places = [(frame["source"]["path"], frame["line"]) for frame in self.frames]
        return [linecache.getline(*place).strip() for place in places]

    def shown(self, expression):
        """What the Watch pane shows for an expression."""
        frame = self.frames[0]["id"]
        answer = self.request("evaluate", expression=expression, frameId=frame, context="watch")
        return answer["result"]

    def value(self, expression):
        """The same, if it is a Python literal, as what it stands for."""
        return ast.literal_eval(self.shown(expression))

    def pane(self, *names):
        """The Variables pane, or what `names` in it unfold to: the text for each variable."""
        scopes = self.request("scopes", frameId=self.frames[0]["id"])["scopes"]
        inside = {scope["name"]: scope for scope in scopes}
        for name in ("Locals", *names):
            number = inside[name]["variablesReference"]
            variables = self.request("variables", variablesReference=number)["variables"]
            inside = {variable["name"]: variable for variable in variables}
        return {name: variable["value"] for name, variable in inside.items()}

    # The protocol

    def request(self, command, **arguments):
        """The answer to a request."""
        number = self._send(command, **arguments)
        return self._message(request_seq=number).get("body")

    def _go(self, command):
        self.request(command, threadId=self.thread)
        self._stopped()

    def _stopped(self):
        self.thread = self._message(event="stopped")["body"]["threadId"]
        self.frames = self.request("stackTrace", threadId=self.thread)["stackFrames"]

    def _send(self, command, **arguments):
        self.sent += 1
        message = {"seq": self.sent, "type": "request", "command": command, "arguments": arguments}
        text = json.dumps(message).encode()
        self.adapter.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
        self.adapter.stdin.flush()
        return self.sent

    def _message(self, **wanted):
        """The next message with these fields; what the program prints meanwhile is kept."""
        ((field, value),) = wanted.items()
        while True:
            header = self.adapter.stdout.readline()
            assert header, f"debugpy has ended, or has worked for {LIMIT} s:\n{self.output}"
            self.adapter.stdout.readline()  # the empty line between header and message
            size = int(header.removeprefix(b"Content-Length:"))
            message = json.loads(self.adapter.stdout.read(size))
            body, event = message.get("body"), message.get("event")
            assert message.get("success", True), message
            if event == "output" and body["category"] != "telemetry":
                self.output += body["output"]
            elif event == "process":
                self.program = body["systemProcessId"]
            elif event == "exited":
                self.program = None
            if message.get(field) == value:
                return message
            assert event != "terminated", f"the program has ended:\n{self.output}"
