"""A finger in Firefox: Playwright's tap does nothing there, so this one asks Marionette for it.

That is Firefox's own remote control. It knows fingers, and needs no program between.
"""

import json
import re
import socket
import subprocess
import time

import pytest

from tests.helpers.browsers import FIREFOX, found
from tests.helpers.limits import HANGING, MISSING

PREFERENCES = {"marionette.port": 0, "dom.w3c_touch_events.enabled": 1}  # 0 is any free port
WHERE = """
const [selector, number, part, done] = arguments
function place() {
  const element = document.querySelectorAll(selector)[number]
  element.scrollIntoView({block: "center", behavior: "instant"})
  const box = element.getBoundingClientRect()
  return [box.x + part * box.width, box.y + box.height / 2].map(Math.round)
}
function settle(before) {  // a page still loading moves what the finger aims at
  const now = place()
  String(now) === String(before) ? done(now) : setTimeout(settle, 100, now)
}
settle()
"""


class Finger:
    """A Firefox, and what it can be asked: a message is its length, a colon, and JSON."""

    def __init__(self, connection):
        self.stream = connection.makefile("rwb")
        self.receive()  # who it is
        self.ask("WebDriver:NewSession")
        self.ask("WebDriver:SetWindowRect", width=390, height=844)

    def receive(self):
        digits = iter(lambda: self.stream.read(1), b":")
        return json.loads(self.stream.read(int(b"".join(digits))))

    def ask(self, command, **parameters):
        message = json.dumps([0, 0, command, parameters]).encode()
        self.stream.write(b"%d:%s" % (len(message), message))
        self.stream.flush()
        *_, error, result = self.receive()
        assert error is None, error["message"]
        return result

    def visit(self, url):
        self.ask("WebDriver:Navigate", url=url)

    def evaluate(self, script, *arguments):
        return self.ask("WebDriver:ExecuteScript", script=script, args=arguments)["value"]

    def wait_until(self, script, *arguments):
        """Waits until a script returns something true: a tap is a click a little later."""
        waited = time.monotonic() + MISSING
        while not self.evaluate(script, *arguments):
            assert time.monotonic() < waited, f"not so after {MISSING} s: {script}"
            time.sleep(0.05)

    def wait_for(self, selector):
        self.ask("WebDriver:SetTimeouts", implicit=MISSING * 1000)
        self.ask("WebDriver:FindElement", using="css selector", value=selector)

    def tap(self, selector, number=0, part=0.5):
        """Taps on one of the elements of a selector, at a part of its width."""
        where = {"script": WHERE, "args": [selector, number, part]}
        x, y = self.ask("WebDriver:ExecuteAsyncScript", **where)["value"]
        moves = [{"type": "pointerMove", "x": x, "y": y}]
        moves += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        touch = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}}
        self.ask("WebDriver:PerformActions", actions=[{**touch, "actions": moves}])


@pytest.fixture(scope="session")
def finger(tmp_path_factory):
    profile = tmp_path_factory.mktemp("firefox")
    lines = [f'user_pref("{name}", {value});\n' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [found(FIREFOX), "--headless", "--marionette", "--profile", str(profile)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = (re.search(r"Listening on port (\d+)", line) for line in process.stdout)
            port = int(next(filter(None, said))[1])
            with socket.create_connection(("127.0.0.1", port), HANGING) as connection:
                yield Finger(connection)
        finally:
            process.terminate()
