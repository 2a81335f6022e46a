"""Debian's Chromium without a window, driven by the DevTools protocol over two pipes.

https://chromedevtools.github.io/devtools-protocol defines the methods and events. Each message is
JSON and ends in a zero byte; Chromium reads from descriptor 3 and writes to descriptor 4.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE: Final = 60.0  # seconds without a message of Chromium's, after which it hangs

# Descriptors may have any number here, 3 and 4 too: they are moved out of the way first.
_LAUNCHER: Final = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for descriptor, end in zip((3, 4), ends):
    os.dup2(end, descriptor)
os.execv(sys.argv[3], sys.argv[3:])
"""
_ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever a page asks for, nobody is asked
    "--remote-debugging-pipe",
)


class Box(NamedTuple):
    """A rectangle, in CSS pixels from the top left corner of what is seen."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """The point in its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


class Page:
    """A page that is open: what it shows, what it logged and what it asked for.

    Attributes:
        complaints: Errors and warnings of the console and uncaught exceptions, as text.
        requests: Addresses that were asked for, beside the page's own and those within it (data:).
    """

    def __init__(self, browser: Browser, session: str, address: str) -> None:
        """Take over a session of the protocol that is attached to an empty tab."""
        self._browser = browser
        self._session = session
        self._address = address
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.is_loaded = False

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        return self._browser.send(method, session=self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression of JavaScript; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true; Chromium looks at every picture it draws.

        Raises:
            RuntimeError: It never is.
        """
        wait = f"""new Promise((done, fail) => {{
            const look = () => {{
                if ({expression}) requestAnimationFrame(() => setTimeout(done));
                else requestAnimationFrame(look);
            }};
            setTimeout(() => fail(new Error("never true")), {1000 * PATIENCE / 2});
            look();
        }})"""
        self.evaluate(wait)

    def box(self, selector: str) -> Box:
        """Return where the first element of a CSS selector is seen; the page scrolls to it."""
        return Box(
            *self.evaluate(
                f"""(() => {{
                    const element = document.querySelector({json.dumps(selector)});
                    element.scrollIntoView({{block: "center", behavior: "instant"}});
                    const {{x, y, width, height}} = element.getBoundingClientRect();
                    return [x, y, width, height];
                }})()"""
            )
        )

    def click(self, selector: str) -> None:
        """Click into the middle of the first element of a CSS selector."""
        self.drag(self.box(selector).middle)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, move it over the others, and let it go."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """Press a key and let it go; its name is that of `KeyboardEvent.key`."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key)

    def picture(self, selector: str) -> NDArray[np.uint8]:
        """Return what is seen of the first element of a CSS selector, RGB, [H, W, 3]."""
        box = self.box(selector)
        clip = {**box._asdict(), "scale": 1}
        clip["y"] += self.evaluate("window.scrollY")
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        with Image.open(io.BytesIO(base64.b64decode(answer["data"]))) as image:
            return np.asarray(image.convert("RGB"))

    def screenshot(self) -> Image.Image:
        """Return the whole page as a picture."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return Image.open(io.BytesIO(base64.b64decode(answer["data"])))

    def computed_seconds(self) -> float:
        """Return how long the page's main thread has computed since it was opened."""
        metrics = self.send("Performance.getMetrics")["metrics"]
        return float(next(x["value"] for x in metrics if x["name"] == "TaskDuration"))

    def close(self) -> None:
        """Close the page."""
        self.send("Page.close")

    def take(self, event: dict[str, Any]) -> None:
        """Note an event of the protocol."""
        parameters = event["params"]
        match event["method"]:
            case "Page.loadEventFired":
                self.is_loaded = True
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                thrown = details.get("exception", {}).get("description", "")
                self.complaints.append(f"{details['text']} {thrown}")
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                words = [str(each.get("value", each)) for each in parameters["args"]]
                self.complaints.append(" ".join(words))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.complaints.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent":
                address = parameters["request"]["url"]
                if address != self._address and not address.startswith(("data:", "blob:")):
                    self.requests.append(address)


class Browser:
    """A Chromium that runs; `opened` makes one."""

    def __init__(self, reading: int, writing: int) -> None:
        """Take over the two ends of the pipes."""
        self._reading = reading
        self._writing = writing
        self._number = 0
        self._buffer = b""
        self._pages: dict[str, Page] = {}

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """Open a file in a new tab and wait until it is loaded and drawn.

        Args:
            path: The page.
            width: Of the window, in CSS pixels; below 500 it is a telephone's, with touch.
            height: Likewise.
            dark: Whether the reader prefers a dark page.
        """
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, path.resolve().as_uri())
        self._pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.send("Performance.enable", timeDomain="threadTicks")
        mobile = width < 500
        page.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        page.send("Emulation.setTouchEmulationEnabled", enabled=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Page.navigate", url=path.resolve().as_uri())
        while not page.is_loaded:
            self._receive()
        page.wait_until("!window.Bokeh || Bokeh.documents.every(each => each.is_idle)")
        return page

    def send(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writing, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        """Return the next message; an event is noted by its page."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], PATIENCE)
            data = os.read(self._reading, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("Chromium has ended" if ready else "Chromium does not answer")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("sessionId") in self._pages and "method" in message:
            self._pages[message["sessionId"]].take(message)
        return message


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Start Chromium, with a profile of its own, and end it with the block."""
    assert CHROMIUM is not None, "Chromium is not installed"
    reading, its_writing = os.pipe()
    its_reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _LAUNCHER,
                str(its_reading),
                str(its_writing),
                CHROMIUM,
                *_ARGUMENTS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(its_reading, its_writing),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(its_reading)
        os.close(its_writing)
        try:
            browser = Browser(reading, writing)
            yield browser
            browser.send("Browser.close")
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            os.close(reading)
            os.close(writing)
