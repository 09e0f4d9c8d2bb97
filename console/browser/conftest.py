"""A browser, and consoles to look at: the demo's, and one that was told hostile names."""

import os
import shutil
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import programs
import pytest
from playwright.sync_api import sync_playwright

# Where pictures of all pages are kept, to be looked at.
PICTURES = Path(os.environ.get("AFTERRUN_PICTURES", programs.ROOT / "target" / "browser"))

SCRIPT = "<script>window.pwned = true</script><img src=x onerror='window.pwned = true'>"
TURNED = "safe\u202egnp.exe\u202c"
LONG = "x" * 100_000

CONFIG = """
sources:
  prod: { kind: dbt, secrets: [%s] }
connections:
  mode: { kind: mode, workspace: acme, token: t, secret: s, base_url: "http://127.0.0.1:9" }
targets:
  sales-report: { connection: mode, report: 5d1b2c3d4e5f }
routes:
  - { name: nightly, on: success, jobs: [282191], refresh: [sales-report] }
  - { name: tell, on: error, notify: [chat] }
channels:
  chat: { kind: http, url: "http://127.0.0.1:9/hook" }
""" % programs.SECRET


def chromium_path():
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    assert path, "no Chromium was found in PATH"
    return path


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        # Whoever runs the tests may be root, as whom Chromium has no sandbox.
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo():
    running, address = programs.demo()
    yield address
    running.end()


@pytest.fixture(scope="session")
def hostile():
    running, webhooks, address = programs.up(CONFIG)
    for number, name in enumerate([SCRIPT, TURNED, LONG]):
        told = dict.fromkeys(["jobName", "projectName", "environmentName", "runReason"], name)
        body = programs.event(f"wev_hostile{number}", 90_000 + number, **told)
        assert programs.post(webhooks, body)["status"] == "stored"
        failed = {"jobId": str(91_000 + number), "runStatus": "Errored", "runStatusCode": 20}
        body = programs.event(f"wev_failed{number}", 95_000 + number, **told, **failed)
        assert programs.post(webhooks, body)["status"] == "stored"
    assert programs.post(webhooks, SCRIPT.encode())["status"] == "quarantined"
    running.wait_for("refresh 1 of sales-report")
    yield address
    running.end()


class Channel(BaseHTTPRequestHandler):
    """Where people would be told, and which takes nothing until it is mended."""

    takes = False

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204 if Channel.takes else 400)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def untold():
    """A console that was told of a failed run, of which the channel took no word; and the channel."""
    Channel.takes = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Channel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{server.server_port}/hook"
    running, webhooks, address = programs.up(CONFIG.replace("http://127.0.0.1:9/hook", hook))
    body = programs.event("wev_failed", 95_000, runStatus="Errored", runStatusCode=20)
    assert programs.post(webhooks, body)["status"] == "stored"
    running.wait_for("channel chat does not take what it is told")
    yield address, Channel
    running.end()
    server.shutdown()


class Visitor:
    """Somebody with a browser, who notes whatever goes wrong on the way."""

    def __init__(self, context, address):
        self.address, self.wrong = address, []
        host = urlsplit(address).netloc
        self.page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._note(f"a script failed: {error}"))
        self.page.on("dialog", lambda dialog: (self._note("a dialog"), dialog.dismiss()))
        self.page.on(
            "request",
            lambda request: urlsplit(request.url).netloc in (host, "")
            or self._note(f"asked another host: {request.url}"),
        )

    def _note(self, what):
        self.wrong.append(f"{self.page.url}: {what}")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text}")

    def open(self, path):
        answer = self.page.goto(urljoin(self.address, path))
        assert answer.ok, f"{path}: {answer.status}"

    def walk(self, of_a_kind=2, most=60):
        """Opens the pages that links lead to, a few of each kind; yields their addresses."""
        seen, ahead, kinds = {self.address}, deque([self.address]), {}
        while ahead and sum(kinds.values()) < most:
            address = ahead.popleft()
            parts = urlsplit(address)
            query = tuple(pair.split("=")[0] for pair in parts.query.split("&"))
            kind = (parts.path.split("/")[1], parts.path.count("/"), query)
            if kinds.get(kind, 0) == of_a_kind:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
            self.open(address)
            yield address
            for link in self.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
                link = urldefrag(link).url
                here = urlsplit(link).netloc == parts.netloc
                data = urlsplit(link).path.startswith(("/api/", "/metrics", "/assets/"))
                if here and not data and not link.endswith("/raw") and link not in seen:
                    seen.add(link)
                    ahead.append(link)


@pytest.fixture
def visit(chromium):
    """Gives visitors; at the end nothing may have gone wrong."""
    contexts, visitors = [], []

    def visitor(address, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        visitors.append(Visitor(context, address))
        return visitors[-1]

    yield visitor
    for context in contexts:
        context.close()
    assert not (wrong := [what for visitor in visitors for what in visitor.wrong]), wrong
