"""Each guard of `tests/guards.py` is met by a small module that breaks its rule; one pytest judges them all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.house.project import ROOT

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

MODULES = {
    "clean": """
        import asyncio, socket, subprocess, sys, threading

        async def test_clean():
            task = asyncio.create_task(asyncio.sleep(0))
            await task
            await asyncio.to_thread(lambda: None)
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
            subprocess.run([sys.executable, "-c", ""], check=True)
            server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()
    """,
    "task": """
        import asyncio

        async def linger():
            await asyncio.sleep(60)

        kept = []

        async def test_leaks():
            kept.append(asyncio.create_task(linger(), name="my-task"))

        async def test_innocent():
            pass
    """,
    "fixture": """
        import asyncio, contextlib, pytest

        @pytest.fixture
        async def helper():
            task = asyncio.create_task(asyncio.sleep(60))
            yield task
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        async def test_uses_it(helper):
            assert not helper.done()
    """,
    "thread": """
        import threading

        def test_leaks():
            threading.Thread(target=threading.Event().wait, daemon=True, name="my-thread").start()

        def test_innocent():
            pass
    """,
    "shared_thread": """
        import threading, pytest

        @pytest.fixture(scope="module")
        def server():
            stop = threading.Event()
            thread = threading.Thread(target=stop.wait)
            thread.start()
            yield
            stop.set()
            thread.join()

        def test_one(server): pass
        def test_two(server): pass
    """,
    "socket": """
        import socket

        kept = []

        def test_leaks():
            kept.append(socket.socket())

        def test_innocent():
            pass
    """,
    "dropped": """
        import socket

        def test_drops():
            socket.socket()
    """,
    "child": """
        import subprocess, sys

        kept = []

        def test_leaks():
            command = [sys.executable, "-c", "import time; time.sleep(60)"]
            kept.append(subprocess.Popen(command))

        def test_innocent():
            pass
    """,
    "outside": """
        import contextlib, pytest, socket

        def connect(udp):
            socket.create_connection(("192.0.2.1", 80), timeout=5)

        def connect_by_name(udp):
            socket.create_connection(("example.invalid", 80), timeout=5)

        def look_up(udp):
            socket.getaddrinfo("example.invalid", 80)

        def send(udp):
            udp.sendto(b"x", ("192.0.2.1", 53))

        @pytest.mark.parametrize("reach", [connect, connect_by_name, look_up, send])
        def test_reaches(reach):
            with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as udp:
                reach(udp)
    """,
    "unretrieved": """
        import asyncio

        async def fail():
            raise ValueError("lost")

        async def test_loses():
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
            del task
    """,
    "in_thread": """
        import threading

        def fail():
            raise ValueError("in a thread")

        def test_starts_it():
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
    """,
    "silent": """
        import os
        from pathlib import Path

        def test_environment():
            assert os.environ["CREWAI_DISABLE_TELEMETRY"] == "true"
            assert Path(os.environ["XDG_DATA_HOME"]).is_dir()
            assert Path.home() not in Path(os.environ["XDG_DATA_HOME"]).parents
            assert "OPENAI_API_KEY" not in os.environ
    """,
}


@dataclass
class Judged:
    """What became of the tests of one module."""

    passed: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    """The test, `failure` or `error`, and why."""

    def is_clean(self, passed: int) -> bool:
        return (self.passed, self.wrong) == (passed, [])


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judged]:
    """The modules above, judged by the guards in a pytest of its own."""
    folder = tmp_path_factory.mktemp("judged")
    for name, source in MODULES.items():
        (folder / f"test_{name}.py").write_text(textwrap.dedent(source))
    (folder / "pytest.ini").write_text(SETTINGS)
    began = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--junit-xml=told.xml"),
            *("-p", "pytest_asyncio.plugin", "-p", "tests.guards", "-p", "no:cacheprovider"),
        ],
        cwd=folder,
        # The plugins of other packages are not what is judged here, and cost a second.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert time.monotonic() - began < 20, "the child process was waited for"
    return read(folder / "told.xml")


def read(report: Path) -> dict[str, Judged]:
    found = {name: Judged() for name in MODULES}
    for case in ET.parse(report).iter("testcase"):
        judged = found[case.attrib["classname"].removeprefix("test_")]
        wrong = [each for each in case if each.tag in ("failure", "error")]
        judged.wrong += [(case.attrib["name"], each.tag, each.text or "") for each in wrong]
        judged.passed += not wrong
    return found


def test_a_clean_test_passes(judged):
    assert judged["clean"].is_clean(1)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("task", "tasks left behind: my-task (linger)"),
        ("thread", "a thread was left behind: my-thread"),
        ("socket", "a socket was left open: socket:"),
        ("child", " time.sleep(60)"),
    ],
)
def test_what_is_left_behind_fails_its_test_and_no_other_and_is_named(judged, module, named):
    [(test, kind, why)] = judged[module].wrong
    assert (test, kind) == ("test_leaks", "error")
    assert named in why
    assert judged[module].passed == 1


def test_a_child_process_that_is_left_behind_is_named_as_one(judged):
    [(_, _, why)] = judged["child"].wrong
    assert "a child process was left behind: " in why


def test_a_task_that_a_fixture_ends_in_its_teardown_is_no_leak(judged):
    assert judged["fixture"].is_clean(1)


def test_a_thread_of_a_module_fixture_belongs_to_no_test(judged):
    assert judged["shared_thread"].is_clean(2)


def test_a_socket_that_is_dropped_without_closing_fails_its_test(judged):
    [(_, kind, why)] = judged["dropped"].wrong
    assert kind == "failure"
    assert "ResourceWarning: unclosed <socket" in why


def test_reaching_outside_fails_the_test_even_where_the_error_is_swallowed(judged):
    ways = ["connect", "connect_by_name", "look_up", "send"]
    wrong = judged["outside"].wrong
    assert [(test, kind) for test, kind, _ in wrong] == [
        (f"test_reaches[{way}]", "error") for way in ways
    ]
    assert all("the test reached for " in why for _, _, why in wrong)


def test_an_exception_nobody_retrieved_fails_its_test(judged):
    [(_, kind, why)] = judged["unretrieved"].wrong
    assert kind == "error"
    assert "asyncio logged: Task exception was never retrieved" in why


def test_an_exception_in_a_thread_fails_its_test(judged):
    [(_, kind, why)] = judged["in_thread"].wrong
    assert kind == "failure"
    assert "PytestUnhandledThreadExceptionWarning" in why


def test_frameworks_are_told_to_stay_silent_and_to_write_into_a_scratch_folder(judged):
    assert judged["silent"].is_clean(1)
