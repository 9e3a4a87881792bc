"""Chromium without a window, driven by its DevTools protocol over two pipes: no package is needed for that."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from itertools import count

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium, under a name like chromium or google-chrome"
)

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--mute-audio", "--autoplay-policy=no-user-gesture-required"),
    *("--window-size=1280,800", "--remote-debugging-pipe"),
]


class Browser:
    """One tab. What it says in its console, and every error, is in `messages`."""

    def __init__(self, commands, answers):
        self.commands, self.answers = commands, answers
        self.numbers, self.session, self.unread = count(1), None, b""
        self.messages, self.requests, self.events = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        self.commands.write(
            json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0"
        )
        self.commands.flush()
        return self._wait(lambda answer: answer.get("id") == number)["result"]

    def open(self, path, dark=False):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        if "Page.loadEventFired" not in self.events:
            self._wait(lambda answer: answer.get("method") == "Page.loadEventFired")
        self("document.fonts.ready.then(() => 0)")

    def __call__(self, expression):
        """Evaluate an expression, wait if it is a promise, and return its value."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition):
        """Wait until an expression is true; whoever waits for a minute waits for ever."""
        look = f"const look = () => ({condition}) ? done() : setTimeout(look, 5); look();"
        fail = f"setTimeout(fail, 60000, {json.dumps(condition)});"
        self(f"new Promise((done, fail) => {{ {look} {fail} }})")

    def press(self, key, code=0):
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector, x=0.5, y=0.5):
        """Click with the mouse at a place inside of an element, in shares of its size."""
        box = self(f"(({{x, y, width, height}}) => [x, y, width, height])({_find(selector)}.getBoundingClientRect())")
        place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3]}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def texts(self, selector):
        """Return the text of all elements that are shown."""
        query = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self(f"{query}.filter((e) => e.offsetParent).map((e) => e.textContent.trim())")

    def _wait(self, wanted):
        while True:
            answer = self._read()
            self._note(answer)
            if wanted(answer):
                assert "error" not in answer, answer["error"]
                return answer

    def _read(self):
        while b"\0" not in self.unread:
            received = self.answers.read1(1 << 16)
            assert received, "the browser has ended"
            self.unread += received
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def _note(self, answer):
        method, params = answer.get("method"), answer.get("params")
        self.events.append(method)
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.messages.append(params)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])


def _find(selector):
    return f"document.querySelector({json.dumps(selector)})"


@contextmanager
def browser(profile):
    """Start Chromium with a fresh profile folder; it ends with the block."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    # Chromium reads from 3 and writes to 4
    script = f"import os, sys; os.dup2({theirs_in}, 3); os.dup2({theirs_out}, 4); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", script, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
    with (
        open(ours_out, "wb") as commands,
        open(ours_in, "rb") as answers,
        subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL) as process,
    ):
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()
