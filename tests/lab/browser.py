"""Drives a headless Chromium over its debugging pipe, with the standard library only."""
import base64, json, os, shutil, subprocess, tempfile, time


def find():
    """The path of a Chromium, or None."""
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


class Browser:
    """One page. `problems` holds the console's errors and warnings, exceptions and refused loads."""

    def __init__(self, width=1200, height=900, dark=False):
        self.profile = tempfile.mkdtemp(prefix="cartwright-browser-")
        to_read, self.to = os.pipe()
        self.source, from_write = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4; the shell puts the pipes there.
        command = ('exec "$0" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run '
                   '--user-data-dir="$1" --remote-debugging-pipe about:blank 3<&%d 4>&%d' % (to_read, from_write))
        self.process = subprocess.Popen(["bash", "-c", command, find(), self.profile],
                                        pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read), os.close(from_write)
        self.buffer, self.last, self.session, self.problems = b"", 0, None, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(domain + ".enable")
        self.resize(width, height)
        self.scheme(dark)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.source, 1 << 20)
            if not data:
                raise EOFError("the browser has gone")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(str([a.get("value") for a in parameters["args"]]))
        elif method == "Log.entryAdded":
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(("file:", "data:", "about:")):
            self.problems.append("request: " + parameters["request"]["url"])
        return message

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]

    def open(self, path, fragment=""):
        """Opens a file; returns the seconds until its scripts had run."""
        self.call("Page.navigate", url="about:blank")
        start = time.time()
        self.call("Page.navigate", url="file://" + os.path.abspath(path) + fragment)
        while not self.loaded():
            time.sleep(0.005)
        return time.time() - start

    def loaded(self):
        """Whether the file is there with its scripts run; events of the blank page before it do not count."""
        try:
            return self.run("location.protocol === 'file:' && document.readyState === 'complete'")
        except RuntimeError:
            return False  # between two pages

    def run(self, expression):
        """The value of an expression of the page's script."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def go(self, fragment):
        """Changes the address's fragment and waits for the page to follow."""
        return self.run("new Promise(done => { if (location.hash === %s) done(); else { "
                        "addEventListener('hashchange', () => setTimeout(done), {once: true}); location.hash = %s; } })"
                        % (json.dumps(fragment), json.dumps(fragment)))

    def press(self, key):
        text = key if len(key) == 1 else ""
        code = {"Escape": 27}.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        self.run("new Promise(done => setTimeout(done, 20))")

    def resize(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=width < 600)

    def scheme(self, dark):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
