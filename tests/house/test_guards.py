"""Each guard of `tests/guards.py` is met by a small test that breaks its rule."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


@pytest.fixture
def judged(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs a test module under the guards, in a pytest of its own, and gives its result."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(source: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        pytester.makeini(SETTINGS)
        # The plugins of other packages are not what is judged here, and cost a second each.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return pytester.runpytest_subprocess(
            *("-p", "pytest_asyncio.plugin", "-p", "tests.guards", "-p", "no:cacheprovider"),
        )

    return run


def test_a_clean_test_passes(judged):
    result = judged("""
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
    """)
    result.assert_outcomes(passed=1)


def test_a_leaked_task_fails_its_test_and_is_named(judged):
    result = judged("""
        import asyncio

        async def linger():
            await asyncio.sleep(60)

        kept = []

        async def test_leaks():
            kept.append(asyncio.create_task(linger(), name="my-task"))

        async def test_innocent():
            pass
    """)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*tasks left behind: my-task (linger)*"])


def test_a_task_that_a_fixture_ends_in_its_teardown_is_no_leak(judged):
    result = judged("""
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
    """)
    result.assert_outcomes(passed=1)


def test_a_leaked_thread_fails_its_test_and_is_named(judged):
    result = judged("""
        import threading

        def test_leaks():
            threading.Thread(target=threading.Event().wait, daemon=True, name="my-thread").start()

        def test_innocent():
            pass
    """)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*a thread was left behind: my-thread*"])


def test_a_thread_of_a_module_fixture_belongs_to_no_test(judged):
    result = judged("""
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
    """)
    result.assert_outcomes(passed=2)


def test_a_leaked_socket_fails_its_test(judged):
    result = judged("""
        import socket

        kept = []

        def test_leaks():
            kept.append(socket.socket())

        def test_innocent():
            pass
    """)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*a socket was left open: socket:*"])


def test_a_socket_that_is_dropped_without_closing_fails_its_test(judged):
    result = judged("""
        import socket

        def test_drops():
            socket.socket()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ResourceWarning*unclosed*socket*"])


def test_a_leaked_child_process_fails_its_test_and_is_ended(judged):
    result = judged("""
        import subprocess, sys

        kept = []

        def test_leaks():
            command = [sys.executable, "-c", "import time; time.sleep(60)"]
            kept.append(subprocess.Popen(command))

        def test_innocent():
            pass
    """)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*a child process was left behind: * time.sleep(60)*"])
    assert result.duration < 20


@pytest.mark.parametrize(
    "reach",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "socket.create_connection(('example.invalid', 80), timeout=5)",
        "socket.getaddrinfo('example.invalid', 80)",
        "udp.sendto(b'x', ('192.0.2.1', 53))",
    ],
)
def test_reaching_outside_fails_the_test_even_where_the_error_is_swallowed(judged, reach):
    result = judged(f"""
        import contextlib, socket

        def test_reaches():
            with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as udp:
                {reach}
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the test reached for *"])


def test_an_exception_nobody_retrieved_fails_its_test(judged):
    result = judged("""
        import asyncio

        async def fail():
            raise ValueError("lost")

        async def test_loses():
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
            del task
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*asyncio logged: Task exception was never retrieved*"])


def test_an_exception_in_a_thread_fails_its_test(judged):
    result = judged("""
        import threading

        def fail():
            raise ValueError("in a thread")

        def test_starts_it():
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*PytestUnhandledThreadExceptionWarning*"])


def test_frameworks_are_told_to_stay_silent_and_to_write_into_a_scratch_folder(judged):
    result = judged("""
        import os
        from pathlib import Path

        def test_environment():
            assert os.environ["CREWAI_DISABLE_TELEMETRY"] == "true"
            assert Path(os.environ["XDG_DATA_HOME"]).is_dir()
            assert Path.home() not in Path(os.environ["XDG_DATA_HOME"]).parents
            assert "OPENAI_API_KEY" not in os.environ
    """)
    result.assert_outcomes(passed=1)
