"""The program, started as its users start it, and ended by its process."""

import hashlib
import hmac
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where cargo builds, which may be elsewhere.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = os.path.abspath(
    os.environ.get("AFTERRUN_PROGRAM", TARGET / "debug" / "afterrun")
)
PATIENCE = 120
SECRET = "a-secret-of-the-browser-tests"


class Running:
    """A process of the program in a folder of its own, which is removed with it."""

    def __init__(self, *arguments, files=(), env=None):
        self.folder = Path(tempfile.mkdtemp(prefix="afterrun-browser-"))
        # Postgres does not run as root, and has to get in.
        self.folder.chmod(0o755)
        for name, text in files:
            (self.folder / name).write_text(text)
        own = {name: value for name, value in os.environ.items() if "AFTERRUN" not in name}
        self.process = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**own, "AFTERRUN_LOG": "json", "NO_COLOR": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.said, self.lines = [], queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, pattern):
        """The match in the first line that has it."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"it never said {pattern!r}:\n" + "".join(self.said))
            self.said.append(line)
            if found := re.search(pattern, line):
                return found

    def logged(self):
        """All lines so far."""
        while not self.lines.empty():
            self.said.append(self.lines.get() or "")
        return self.said

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


def demo():
    """The demo after its tour, with one dashboard left stale; and the console's address."""
    running = Running("demo")
    address = running.wait_for(r"the console\s+(http://\S+)").group(1)
    running.wait_for("Ctrl-C ends it")
    return running, address


def up(config, **env):
    """`afterrun up` with this configuration; with the addresses of webhooks and of the console."""
    listening = {"AFTERRUN_LISTEN": "127.0.0.1:0", "AFTERRUN_ADMIN_LISTEN": "127.0.0.1:0"}
    running = Running("up", files=[("afterrun.yml", config)], env={**listening, **env})
    webhooks = running.wait_for(r"webhooks of prod: (http://[^\s\"]+)").group(1)
    address = running.wait_for(r"the console: (http://[^\s\"]+)").group(1)
    return running, webhooks, address


def event(event_id, run_id, **data):
    """The body of an event that dbt sends when a run has succeeded."""
    now = datetime.now(timezone.utc)
    stamp = lambda ago: (now - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {
        "jobId": "282191",
        "jobName": "Nightly build",
        "runId": str(run_id),
        "environmentId": "189767",
        "environmentName": "Production",
        "projectId": "242841",
        "projectName": "Analytics",
        "runStatus": "Success",
        "runStatusCode": 10,
        "runReason": "Kicked off from UI by analyst@acme.example",
        "runStartedAt": stamp(300),
        "runFinishedAt": stamp(2),
    }
    return {
        "accountId": 4711,
        "webhookId": "wsu_1",
        "eventId": event_id,
        "timestamp": stamp(0),
        "eventType": "job.run.completed",
        "webhookName": "afterrun",
        "data": {**told, **data},
    }


def post(webhooks, body):
    """Posts it as dbt does; gives what was answered."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"Authorization": signature, "Content-Type": "application/json"}
    request = urllib.request.Request(webhooks, raw, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
