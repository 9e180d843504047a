"""Code that needs a process of its own: what an import does to one can be seen only from its start."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

# Notes every address that is not this machine's, and refuses it.
_WATCH = """
import ipaddress, sys
outside = []
def _watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        host = address[0] if isinstance(address, tuple) else address
        if isinstance(host, bytes):
            host = host.decode()
        try:
            here = ipaddress.ip_address(host).is_loopback
        except ValueError:
            here = host in (None, "", "localhost") or str(host).startswith("/")
        if not here:
            outside.append(host)
            raise ConnectionRefusedError(host)
sys.addaudithook(_watch)
"""

# What decides about telemetry, also where the tests themselves run with it off.
_SWITCHES = ("CREWAI_", "OTEL_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")


def run_alone(code: str, tmp_path: Path, **environment: str) -> list[str]:
    """Run `code` in a fresh interpreter, in an empty folder, and return the lines it prints.

    It finds a list `outside` of the addresses that were reached for beside this machine.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_SWITCHES)}
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", _WATCH + textwrap.dedent(code)],
        cwd=tmp_path,
        env={**kept, **home, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
