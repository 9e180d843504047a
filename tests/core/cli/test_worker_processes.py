"""What `civitas run` makes of the OS processes that it starts: their interpreter, environment, output and errors."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running
from tests.house.project import ROOT

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Beside = Callable[..., Awaitable[Result]]
Civitas = Callable[..., Result]

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

CREW = ROOT / ".venv-crew"

WHERE = """
import os, sys

class Where(AgentProcess):
    async def handle(self, message):
        return self.reply(
            {"prefix": sys.prefix, "pid": os.getpid(), "cwd": os.getcwd(), "port": os.environ.get("PORT")}
        )
"""


async def where(beside: Beside, topology: Path, name: str) -> dict[str, object]:
    done = await beside("ask", topology, name, "{}")
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)
    return found


async def stop(running: Running) -> Result:
    running.signal(signal.SIGTERM)
    return await running.end()


@pytest.mark.skipif(not CREW.is_dir(), reason="environment B is not there; `make install` makes it")
@pytest.mark.skipif(Path(sys.prefix) == CREW, reason="this is environment B")
@pytest.mark.promise(id="SEM-823")
async def test_frameworks_that_cannot_be_installed_together_run_together(
    start: Start, project: Project, beside: Beside, tmp_path: Path
) -> None:
    pytest.importorskip("agents")
    (tmp_path / ".venv-crew").symlink_to(CREW)
    (tmp_path / "versions.py").write_text(
        textwrap.dedent(
            """
            from importlib.metadata import PackageNotFoundError, version
            from civitas import AgentProcess

            class Versions(AgentProcess):
                async def handle(self, message):
                    found = {}
                    for name in ("openai-agents", "crewai"):
                        try:
                            found[name] = version(name)
                        except PackageNotFoundError:
                            pass
                    return self.reply(found)
            """
        )
    )
    topology = project(
        "",
        "name: near, type: versions.Versions",
        "name: far, type: versions.Versions, process: crew",
        top="processes: {crew: {python: .venv-crew}}",
    )
    root = await start("run", topology)
    await root.until("ready")
    near, far = await where(beside, topology, "near"), await where(beside, topology, "far")
    assert "crewai" not in near
    assert "crewai" in far
    assert near["openai-agents"] != far["openai-agents"]
    assert (await stop(root)).code == 0


@pytest.mark.promise(id="SEM-823")
async def test_environment_and_folder_of_a_process_are_those_of_the_topology(
    start: Start, project: Project, beside: Beside, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    topology = project(
        WHERE,
        "name: near, type: team.Where",
        "name: far, type: team.Where, process: worker",
        top="processes: {worker: {env: {PORT: 8080}, cwd: inside}}",
    )
    root = await start("run", topology)
    await root.until("ready")
    near, far = await where(beside, topology, "near"), await where(beside, topology, "far")
    assert near["port"] is None
    assert far["port"] == "8080"
    assert far["cwd"] == str(tmp_path / "inside")
    assert far["pid"] != near["pid"] == root.process.pid
    assert (await stop(root)).code == 0


@pytest.mark.promise(id="SEM-824")
async def test_an_interpreter_without_civitas_is_one_clear_line(
    start: Start, project: Project, tmp_path: Path
) -> None:
    venv.create(tmp_path / "empty", symlinks=True)
    topology = project(
        WHERE,
        "name: far, type: team.Where, process: worker",
        top="processes: {worker: {python: empty}}",
    )
    done = await (await start("run", topology)).end()
    assert done.code == 1
    (line,) = [each for each in done.err.splitlines() if each.startswith("civitas: ")]
    assert line.startswith("civitas: 'worker' did not start: its process exited with status 1")
    assert "civitas-core is not installed there" in line


@pytest.mark.promise(id="SEM-824")
async def test_an_interpreter_that_is_not_there_is_one_clear_line(
    start: Start, project: Project
) -> None:
    topology = project(
        WHERE,
        "name: far, type: team.Where, process: worker",
        top="processes: {worker: {python: nowhere/bin/python}}",
    )
    done = await (await start("run", topology)).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith(f"{topology}:1: process 'worker': python: ")
    assert "nowhere/bin/python' is not an interpreter or a virtual environment" in line


@pytest.mark.promise(id="SEM-824")
async def test_an_error_in_the_module_of_a_worker_is_one_line_and_verbose_shows_all_of_it(
    start: Start, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    topology = project("", "name: far, type: broken.Agent, process: worker")
    done = await (await start("run", topology)).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "'far' did not start: ModuleNotFoundError: No module named 'nothing_of_that_" in line
    assert line.endswith("(--verbose shows where)")
    done = await (await start("run", topology, "--verbose")).end()
    assert done.code == 1
    assert 'broken.py", line 1, in <module>' in done.err


@pytest.mark.promise(id="SEM-824")
async def test_a_name_that_a_worker_cannot_resolve_is_told_with_file_and_line(
    start: Start, project: Project
) -> None:
    topology = project(WHERE, "name: far, type: team.Were, process: worker")
    done = await (await start("run", topology)).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith(f"{topology}:5: 'team' has no 'Were'; did you mean 'Where'?")


@pytest.mark.promise(id="SEM-824")
async def test_what_a_process_writes_reaches_the_console_with_its_name(
    start: Start, project: Project
) -> None:
    source = """
    import logging

    class Talks(AgentProcess):
        async def on_start(self):
            print("hello from a worker")
            logging.getLogger("team").warning("and from its log")

        async def handle(self, message): ...
    """
    root = await start("run", project(source, "name: t, type: team.Talks, process: worker"))
    await root.until("ready")
    done = await stop(root)
    assert done.err.splitlines() == [
        "[worker] hello from a worker",
        "[worker] WARNING team: and from its log (agent t, process worker)",
    ]


@pytest.mark.promise(id="SEM-813")
async def test_the_tree_says_which_process_an_agent_runs_in(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(
        WHERE, "name: near, type: team.Where", "name: far, type: team.Where, process: worker"
    )
    root = await start("run", topology)
    await root.until("ready")
    assert "└── far  agent  running, process worker" in root.lines
    far = await where(beside, topology, "far")
    rows = (await beside("top", topology, "--once")).out.splitlines()
    assert rows[1].split()[-2:] == ["process", "pid"]
    assert rows[3].split()[-1] == str(root.process.pid)
    assert rows[4].split()[-2:] == ["worker", str(far["pid"])]
    assert (await stop(root)).code == 0


@pytest.mark.promise(id="SEM-826")
def test_validate_checks_the_agents_of_a_process_with_its_own_environment(
    civitas: Civitas, project: Project
) -> None:
    source = """
    import os

    PORT = int(os.environ["PORT_OF_THE_WORKER"])

    class Agent(AgentProcess):
        def __init__(self, name, *, colour, **keywords):
            super().__init__(name, **keywords)

        async def handle(self, message): ...
    """
    top = "processes: {worker: {env: {PORT_OF_THE_WORKER: 8080}}}"
    right = project(source, "name: a, type: team.Agent, process: worker, colour: red", top=top)
    valid = civitas("topology", "validate", right)
    assert (valid.code, valid.err) == (0, "")
    assert "valid, 1 agent, 1 process, 1 supervisor" in valid.out
    wrong = project(source, "name: a, type: team.Agent, process: worker, color: red", top=top)
    done = civitas("topology", "validate", wrong)
    assert done.code == 1
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{wrong}:5: ") for line in lines)
    assert "unknown key 'color' in Agent; did you mean 'colour'?" in done.err


@pytest.mark.promise(id="SEM-826")
def test_validate_leaves_a_process_with_start_false_to_where_it_runs(
    civitas: Civitas, project: Project
) -> None:
    topology = project(
        "",
        "name: a, type: only.elsewhere.Agent, process: gpu",
        top="processes: {gpu: {start: false}}",
    )
    done = civitas("topology", "validate", topology)
    assert (done.code, done.err) == (0, "")
    assert "process 'gpu' is started elsewhere; check its agents there" in done.out
    there = civitas("topology", "validate", topology, "--process", "gpu")
    assert there.code == 1
    assert "there is no module 'only'" in there.err


@pytest.mark.promise(id="SEM-812")
def test_validate_warns_of_a_process_without_agents(civitas: Civitas, project: Project) -> None:
    topology = project(
        WHERE,
        "name: a, type: team.Where, process: worker",
        top="processes: {wroker: {start_timeout: 5}}",
    )
    done = civitas("topology", "validate", topology)
    assert done.code == 0
    assert done.err == (
        f"{topology}:1: warning: no agent has 'process: wroker'; did you mean 'worker'?\n"
    )


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ("processes: {worker: {pyhton: x}}", "unknown key 'pyhton' in process 'worker'; did you"),
        ("processes: {worker: {start: 1}}", "'start' must be true or false; got 1"),
        ("processes: {w: {start: false, python: x}}", "'python' is for a process that the root"),
        ("transport: {type: zmq, adress: x}", "unknown key 'adress' in transport 'zmq'; did you"),
        ("transport: {type: zmq, address: 5555}", "'address' must be text; got 5555"),
        (
            "transport: {type: zmq, address: 'tcp://127.0.0.1:*'}\nprocesses: {w: {start: false}}",
            "finds the root by a port that is known",
        ),
    ],
)
@pytest.mark.promise(id="SEM-812")
def test_a_wrong_option_of_processes_and_transports_is_told_with_its_line(
    civitas: Civitas, project: Project, top: str, said: str
) -> None:
    topology = project(WHERE, "name: a, type: team.Where", top=top)
    done = civitas("topology", "validate", topology)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith(f"{topology}:1: ")
    assert said in line
