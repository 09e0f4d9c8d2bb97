"""Asks the API whatever its own OpenAPI document allows and forbids: python fuzz.py [SECONDS]."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import programs
from conftest import CONFIG

TOKEN = "a-token-of-the-fuzzing-run"
# What an answer must be, whatever was asked: what the document says, and never a failure of ours.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


def fuzz(address, seconds, checks):
    schemathesis = Path(sys.executable).with_name("schemathesis")
    asked = [
        *(schemathesis, "run", f"{address}api/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}"),
        *("--checks", ",".join(checks)),
        *("--max-time", str(seconds), "--request-timeout", "10", "--no-shrink"),
    ]
    return subprocess.run(asked, check=False).returncode


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    running, webhooks, address = programs.up(CONFIG, AFTERRUN_ADMIN_TOKEN=TOKEN)
    try:
        for number in range(20):
            programs.post(webhooks, programs.event(f"wev_fuzz{number}", 91_000 + number))
        programs.post(webhooks, b"no JSON")
        failed = fuzz(address, seconds, CHECKS)
        # Last, since it shows wrong tokens, after ten of which the right one is not compared either.
        failed |= fuzz(address, 5, ["not_a_server_error", "ignored_auth"])
        with urllib.request.urlopen(f"{address}healthz", timeout=10) as answer:
            assert answer.status == 200
        panicked = [line for line in running.logged() if "panicked" in line]
        assert not panicked, "".join(panicked)
        sys.exit(failed)
    finally:
        running.end()


if __name__ == "__main__":
    main()
