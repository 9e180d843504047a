"""No test leaves an OS process behind, however it was started and whoever is its parent now."""

from __future__ import annotations

import os
import signal
import time
import uuid
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deep import DEEP

# None of it differs in environment B, and it takes minutes.
collect_ignore_glob = ["test_*.py"] if find_spec("crewai") else []

# Real processes take their time, more so where others work beside them.
TIMEOUT = 600 if DEEP else 60
_MARK = "CIVITAS_TEST_MARK"
_GRACE = 8.0
"""Seconds for those whose root was killed to end by themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(autouse=True)
def _no_process_left_behind(monkeypatch, request):
    mark = uuid.uuid4().hex
    monkeypatch.setenv(_MARK, mark)
    yield
    deadline = time.monotonic() + _GRACE
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        pytest.fail(f"processes were left behind: {sorted(left.values())}", pytrace=False)


def marked(mark: str) -> dict[int, str]:
    """The processes that were started below a test, with their command lines."""
    entry = f"{_MARK}={mark}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is another user's, or has just ended
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(folder.name)] = f"{folder.name} {command}"
    found.pop(os.getpid(), None)
    return found
