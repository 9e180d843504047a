"""`civitas run --reload`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from civitas.cli import trying_out
from civitas.cli.watched_files import read_report
from tests.core.cli.support import Result, Running

pytestmark = pytest.mark.timeout(120)  # programs are started one after another

AGENT = """
class Teller(AgentProcess):
    async def handle(self, message):
        return self.reply({!r})
"""


@pytest.fixture
def told(project: Callable[..., Path], beside: Callable[..., Awaitable[Result]]):
    """Write what the agent of a topology tells; and ask it."""

    class Told:
        topology = project(AGENT.format("one"), "name: teller, type: team.Teller")

        def write(self, source: str) -> None:
            file = self.topology.with_name("team.py")
            fresh = file.with_suffix(".new")
            fresh.write_text(f"from civitas import AgentProcess\n{source}")
            os.utime(fresh, ns=(file.stat().st_mtime_ns + 10**9,) * 2)
            fresh.replace(file)

        async def answer(self) -> str:
            result = await beside("ask", self.topology, "teller", "1")
            assert result.code == 0, result.err
            return result.out.strip()

    return Told()


@pytest.mark.promise(id="SEM-1828")
async def test_new_code_is_started_and_broken_code_leaves_the_old_one_running(
    told, start: Callable[..., Awaitable[Running]]
) -> None:
    run = await start("run", told.topology, "--reload")
    await run.until("ready ")
    assert await told.answer() == '"one"'
    told.write("raise RuntimeError('half written')")
    assert "team.py has changed" in await run.until("reload ")
    await run.until("the old code runs on")
    assert await told.answer() == '"one"'
    told.write(AGENT.format("two"))
    await run.until("stopped ")  # in order
    await run.until("ready ")
    assert await told.answer() == '"two"'
    run.signal(signal.SIGTERM)
    result = await run.end()
    assert result.code == 0
    assert "half written" in result.err


async def test_a_program_that_ended_is_started_when_its_code_has_changed(
    told, start: Callable[..., Awaitable[Running]]
) -> None:
    told.write(
        AGENT.format("one") + "    async def on_start(self):\n        raise ValueError('no')\n"
    )
    run = await start("run", told.topology, "--reload")
    await run.until("it ended with exit code 1; waiting for a change")
    told.write(AGENT.format("two"))
    await run.until("ready ")
    run.signal(signal.SIGKILL)
    await run.until("stopped ")  # in order: no program is left behind
    await run.end()


@pytest.mark.promise(id="SEM-1844")
async def test_code_whose_import_never_ends_is_given_up_when_it_changes(
    told, start: Callable[..., Awaitable[Running]]
) -> None:
    told.write("import os, time\nos.write(2, b'importing\\n')\ntime.sleep(3600)\n")
    run = await start("run", told.topology, "--reload")
    assert run.process.stderr is not None
    assert await run.process.stderr.readline() == b"importing\n"
    told.write("import os, time\nos.write(2, b'again\\n')\ntime.sleep(3600)\n")
    assert await run.process.stderr.readline() == b"again\n"
    run.signal(signal.SIGTERM)
    assert (await run.end()).code == 0


@pytest.mark.promise(id="SEM-1844")
async def test_ctrl_c_while_the_old_code_is_drained_starts_nothing_and_a_second_one_ends_it_at_once(
    told, start: Callable[..., Awaitable[Running]], beside: Callable[..., Awaitable[Result]]
) -> None:
    told.write(
        "import asyncio\nclass Teller(AgentProcess):\n    async def handle(self, message):\n"
        "        print('at work', flush=True)\n        await asyncio.sleep(3600)\n"
    )
    run = await start("run", told.topology, "--reload", "--set=runtime.drain_timeout=3600")
    await run.until("ready ")
    await beside("send", told.topology, "teller", "1")
    await run.until("at work")
    told.write(AGENT.format("two"))
    await run.until("stopping ")
    run.signal(signal.SIGINT)
    run.signal(signal.SIGTERM)  # two of one kind may be merged
    result = await run.end()
    assert result.code == 143
    assert "ready" not in result.out.split("stopping")[1]


@pytest.mark.promise(id="SEM-1844")
def test_the_code_of_another_os_process_is_watched_wherever_it_is_also_while_it_is_broken(
    told, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "search.py").write_text("def half(")
    told.write("import search\n")
    topology = told.topology
    topology.write_text(
        "supervision: {children: [{agent: {name: a, type: team.A, process: side}}]}\n"
        f"processes: {{side: {{env: {{PYTHONPATH: {tools}}}}}}}\n"
    )
    report = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-m", "civitas.cli.trying_out", report, topology],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "search.py" in done.stderr
    assert tools / "search.py" in read_report(report)


def test_what_is_set_is_tried_out_too(
    told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", sys.path.copy())
    report = told.topology.with_name("report")
    arguments = [str(report), str(told.topology)]
    assert trying_out.main([*arguments, "--set=runtime.drain=1"]) == 1
    assert "--set runtime.drain: unknown key" in capsys.readouterr().err
    assert trying_out.main([*arguments, "--set=runtime.drain_timeout=1"]) == 0
    modules = read_report(report)
    assert told.topology.with_name("team.py") in modules
    assert not any({"site-packages", "civitas"} & set(each.parts) for each in modules)
    del sys.modules["team"]
