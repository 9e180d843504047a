"""An OS process, started, read and ended: with real children and real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from civitas.errors import ConfigurationError
from civitas.launch import OsProcess, ProcessOptions

Program = Callable[..., OsProcess]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def program(tmp_path: Path, lines: list[str]) -> Program:
    """A process that runs a text."""

    def make(text: str, name: str = "w", **options: Any) -> OsProcess:
        (tmp_path / f"program_{name}.py").write_text(dedent(text))
        env = {"PYTHONPATH": str(tmp_path), **options.pop("env", {})}
        given = ProcessOptions(env=env, **options)
        return OsProcess(name, given, module=f"program_{name}", on_line=lines.append)

    return make


async def the_line(lines: list[str], text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line for line in lines):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 3, 255])
async def test_an_exit_tells_the_status(program: Program, code: int) -> None:
    process = program(f"import os; os._exit({code})")
    await process.start({})
    end = await process.wait()
    assert (end.code, end.signal, end.hung) == (code, None, False)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
async def test_an_exit_tells_the_signal(program: Program, name: str) -> None:
    process = program(f"import os, signal; os.kill(os.getpid(), signal.{name})")
    await process.start({})
    end = await process.wait()
    assert (end.code, end.signal, end.text) == (None, name, f"was killed by {name}")


async def test_every_line_arrives_in_order_with_the_name_in_front(
    program: Program, lines: list[str]
) -> None:
    process = program("for n in range(20_000): print(n)")
    await process.start({})
    end = await process.wait()
    assert lines == [f"[w] {n}" for n in range(20_000)]
    assert end.last_lines == tuple(str(n) for n in range(19_980, 20_000))


async def test_a_line_of_5_mb_arrives_in_parts(program: Program, lines: list[str]) -> None:
    process = program("print('x' * 5_000_000)")
    await process.start({})
    await process.wait()
    assert sum(line.count("x") for line in lines) == 5_000_000
    assert max(map(len, lines)) < 200_000


async def test_bytes_that_are_no_text_and_a_last_line_without_its_end_arrive(
    program: Program, lines: list[str]
) -> None:
    process = program(r"import os; os.write(1, b'a\xff\nlast')")
    await process.start({})
    await process.wait()
    assert lines == ["[w] a\\xff", "[w] last"]


async def test_the_last_lines_hold_the_traceback(program: Program) -> None:
    process = program("raise LookupError('not there')")
    await process.start({})
    end = await process.wait()
    assert end.code == 1
    assert end.last_lines[-1] == "LookupError: not there"


async def test_a_grandchild_that_keeps_the_pipes_does_not_hide_the_end(
    program: Program, lines: list[str]
) -> None:
    process = program(
        """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
        """
    )
    await process.start({})
    async with asyncio.timeout(20):
        await process.wait()
    os.kill(int(lines[0].removeprefix("[w] ")), signal.SIGKILL)


async def test_a_process_that_ignores_everything_is_killed(
    program: Program, lines: list[str]
) -> None:
    process = program(
        """
        import signal, time
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(each, signal.SIG_IGN)
        print("here")
        while True: time.sleep(60)
        """
    )
    await process.start({})
    await the_line(lines, "here")
    assert (await process.end(0.1)).signal == "SIGKILL"


async def test_a_prepared_process_that_ends_while_the_loop_is_busy_is_heard_of(
    program: Program,
) -> None:
    process = program("import os; os._exit(3)")
    preparing = asyncio.create_task(process.prepare({}))
    async with asyncio.timeout(20):
        while process._waits is None and not preparing.done():  # it may have ended before that
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        while not process._is_let_go:
            time.sleep(0.001)  # noqa: ASYNC251  # its end comes while nothing can be read here
        await preparing
    assert (await process.wait()).code == 3


async def test_a_busy_loop_does_not_keep_a_process_from_writing(
    program: Program, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    process = program(
        f"print('x' * 1_000_000); import pathlib; pathlib.Path({str(done)!r}).touch()"
    )
    await process.start({})
    limit = time.monotonic() + 20
    while not done.exists() and time.monotonic() < limit:
        time.sleep(0.01)  # noqa: ASYNC251  # the loop is to be busy
    assert done.exists()
    await process.wait()


async def test_boot_data_larger_than_a_pipe_arrives(program: Program, lines: list[str]) -> None:
    process = program(
        """
        from civitas.launch import read_boot
        boot, pipe = read_boot()
        print(len(boot["text"]), "of text")
        """
    )
    await process.start({"text": "x" * 3_000_000})
    await process.wait()
    assert lines == ["[w] 3000000 of text"]


async def test_a_process_that_never_reads_its_boot_data_delays_nobody(program: Program) -> None:
    process = program("import time; time.sleep(60)")
    await process.start({"text": "x" * 3_000_000})
    assert (await process.end(0.0)).signal == "SIGKILL"


async def test_env_cwd_and_a_relative_interpreter_are_used(
    program: Program, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    process = program(
        "import os; print(os.environ['COLOUR'], os.getcwd(), os.getenv('PYTHONUNBUFFERED'))",
        python="venv",
        cwd="folder",
        env={"COLOUR": "red"},
    )
    await process.start({})
    await process.wait()
    assert lines == [f"[w] red {tmp_path / 'folder'} None"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"python": "no/such/python"}, "not an interpreter"),
        ({"python": __file__}, "not an interpreter"),
        ({"cwd": "no/such/folder"}, "there is no folder"),
    ],
)
async def test_what_cannot_be_started_is_an_error(
    program: Program, options: dict[str, str], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        await program("", **options).start({})


async def test_a_program_that_is_no_program_is_an_error(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_text("neither")
    file.chmod(0o700)
    with pytest.raises(ConfigurationError, match="cannot be started"):
        await program("", python=str(file)).start({})


def test_a_loop_that_closes_early_leaves_nothing_pending(program: Program) -> None:
    process = program("import sys; sys.stdin.read()")
    asyncio.run(process.start({}))
    process.let_go()
    asyncio.run(asyncio.to_thread(_gone, process.pid))


def _gone(pid: int | None) -> None:
    assert pid is not None
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("it is still there")


STUCK = {
    "Python": "while True: pass",
    "C with the lock": "ctypes.PyDLL(None).sleep(60)",
}


@pytest.mark.parametrize("where", STUCK)
async def test_a_stuck_loop_ends_its_process_with_its_stack(program: Program, where: str) -> None:
    process = program(
        f"""
        import asyncio, ctypes
        from civitas.launch import HangWatchdog
        async def main():
            HangWatchdog(0.3).resume()
            stuck()
        def stuck():
            {STUCK[where]}
        asyncio.run(main())
        """
    )
    await process.start({})
    end = await process.wait()
    assert end.hung
    assert "stuck for longer than hang_timeout" in end.text
    assert any("in stuck" in line for line in end.last_lines)


LIVES = {
    "in order": "loop.run_until_complete(asyncio.sleep(60))",
    "stuck in Python": "stuck()",
    "after its loop": "loop.close(); threading.Event().wait(60)",
}


@pytest.mark.parametrize("life", LIVES)
async def test_a_process_that_was_let_go_ends_within_the_grace(
    program: Program, lines: list[str], life: str
) -> None:
    process = program(
        f"""
        import asyncio, threading
        from civitas.launch import Lifeline, read_boot
        def stuck():
            while True: pass
        async def main():
            Lifeline(read_boot()[1], lambda: None, grace=0.2)
            print("here")
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        {LIVES[life]}
        """
    )
    await process.start({})
    await the_line(lines, "here")
    process.let_go()
    async with asyncio.timeout(20):
        assert (await process.wait()).code == 1


@pytest.mark.promise(id="SEM-912")
async def test_a_process_whose_agents_are_being_made_ends_with_its_starter(
    program: Program, lines: list[str]
) -> None:
    process = program(
        """
        import time
        from civitas.launch import ends_with_starter, read_boot
        with ends_with_starter(read_boot()[1]):
            print("here")
            time.sleep(60)
        """
    )
    await process.start({})
    await the_line(lines, "here")
    process.let_go()
    async with asyncio.timeout(20):
        assert (await process.wait()).code == 1


async def test_a_stuck_loop_is_told_also_where_it_had_written_half_a_line(program: Program) -> None:
    process = program(
        """
        import asyncio, time
        from civitas.launch import HangWatchdog, read_boot
        async def main():
            HangWatchdog(0.2).resume()
            print("half a line, ", end="")
            time.sleep(60)
        read_boot()
        asyncio.run(main())
        """
    )
    await process.start({})
    assert (await process.wait()).hung


async def test_a_console_that_takes_nothing_hides_no_end(program: Program) -> None:
    blocked = threading.Event()
    process = program("print('hello'); raise SystemExit(3)")

    def on_line(line: str) -> None:
        blocked.wait()

    process._on_line = on_line
    try:
        await process.start({})
        assert (await process.wait()).code == 3
    finally:
        blocked.set()
