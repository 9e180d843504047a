"""`civitas run --process`: a process that somebody else starts, with real processes and real signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Beside = Callable[..., Awaitable[Result]]

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

ECHO = """
import os

class Echo(AgentProcess):
    async def handle(self, message):
        if message.type == "slow":
            print("at work", flush=True)
            await asyncio.sleep(0.5)
            print("done", flush=True)
        if message.type == "die":
            os.kill(os.getpid(), 9)
        if message.type == "pass on":
            return self.reply((await self.ask(message.payload, {})).payload)
        return self.reply({"pid": os.getpid()})

    async def on_stop(self):
        print(f"{self.name} stops", flush=True)
"""
GPU = "processes: {gpu: {start: false}}"
TEAM = ("name: near, type: team.Echo", "name: far, type: team.Echo, process: gpu")


async def ask(beside: Beside, topology: Path, name: str) -> str:
    done = await beside("ask", topology, name, "{}")
    assert done.code == 0, done.err
    return done.out.strip()


def pid(running: Running) -> str:
    return f'{{"pid": {running.process.pid}}}'


async def stop(*running: Running) -> None:
    for each in running:
        each.signal(signal.SIGTERM)
        assert (await each.end()).code == 0


@pytest.mark.promise(id="SEM-819")
async def test_a_process_that_is_there_first_waits_for_the_root(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    worker = await start("run", topology, "--process", "gpu")
    await worker.until("waiting    gpu")
    root = await start("run", topology)
    await worker.until("joined     gpu")
    await root.until("ready")
    assert await ask(beside, topology, "far") == pid(worker)
    done = await beside("ask", topology, "near", '"far"', "--type", "pass on")
    assert done.out.strip() == pid(worker)
    await stop(root)
    await worker.until("left       gpu  the root stopped")
    await stop(worker)


@pytest.mark.promise(id="SEM-938")
async def test_the_processes_of_replicas_are_started_elsewhere_each_by_its_name(
    start: Start, project: Project, beside: Beside
) -> None:
    far = "name: far, type: team.Echo, process: gpu, replicas: 2"
    topology = project(ECHO, TEAM[0], far, top=GPU)
    root = await start("run", topology)
    workers = [await start("run", topology, "--process", f"gpu-{n}") for n in (1, 2)]
    await root.until("ready")
    answers = [await ask(beside, topology, "far") for _ in workers]
    assert sorted(answers) == sorted(map(pid, workers))
    await stop(workers[0])
    assert await ask(beside, topology, "far") == pid(workers[1])
    again = await start("run", topology, "--process", "gpu-1")
    await again.until("joined     gpu-1")
    await stop(root)
    await stop(workers[1], again)


@pytest.mark.promise(id="SEM-822")
async def test_a_root_that_is_there_first_waits_for_the_process_and_says_so(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    root = await start("run", topology)
    assert root.process.stderr is not None
    waiting = (await root.process.stderr.readline()).decode()
    assert "waiting for 30 s for process 'gpu'" in waiting
    assert "civitas run TOPOLOGY --process gpu" in waiting
    worker = await start("run", topology, "--process", "gpu")
    await root.until("ready")
    assert await ask(beside, topology, "far") == pid(worker)
    await stop(worker, root)


@pytest.mark.promise(id="SEM-822")
async def test_a_process_that_does_not_come_in_time_fails_the_start(
    start: Start, project: Project
) -> None:
    top = "processes: {gpu: {start: false, start_timeout: 0.2}}"
    done = await (await start("run", project(ECHO, *TEAM, top=top))).end()
    assert done.code == 1
    assert "did not join within its start_timeout of 0.2 s" in done.err
    assert "civitas run TOPOLOGY --process gpu" in done.err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.promise(id="SEM-819")
async def test_when_the_root_is_gone_it_stops_its_agents_and_joins_the_next(
    start: Start, project: Project, beside: Beside, how: signal.Signals
) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    root = await start("run", topology)
    worker = await start("run", topology, "--process", "gpu")
    await root.until("ready")
    root.signal(how)
    await worker.until("far stops")
    await worker.until("left       gpu")
    await root.end()
    root = await start("run", topology)
    await worker.until("joined     gpu")
    await root.until("ready")
    assert await ask(beside, topology, "far") == pid(worker)
    await stop(root, worker)


@pytest.mark.promise(id="SEM-820")
async def test_told_to_stop_it_finishes_what_it_has_and_its_agents_wait_for_its_return(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    worker = await start("run", topology, "--process", "gpu")
    root = await start("run", topology)
    await root.until("ready")
    asked = asyncio.ensure_future(beside("ask", topology, "far", "{}", "--type", "slow"))
    await worker.until("at work")
    worker.signal(signal.SIGTERM)
    done = await worker.end()
    assert (done.code, done.err) == (0, "")
    assert "done" in done.out
    assert "far stops" in done.out
    assert (await asked).out.strip() == pid(worker)
    await root.until("node down  gpu  gpu is down: it was stopped")
    assert await ask(beside, topology, "near") == pid(root)
    tree = (await beside("top", topology, "--once")).out
    assert "restarting" in next(line for line in tree.splitlines() if "far" in line)
    worker = await start("run", topology, "--process", "gpu")
    await root.until("restarted  far")
    assert await ask(beside, topology, "far") == pid(worker)
    await stop(root, worker)


@pytest.mark.promise(id="SEM-820")
async def test_killed_it_is_missed_at_once_and_taken_back(
    start: Start, project: Project, beside: Beside
) -> None:
    far = "name: far, type: team.Echo, process: gpu, delivery: at_least_once"
    topology = project(ECHO, TEAM[0], far, top=GPU)
    worker = await start("run", topology, "--process", "gpu")
    root = await start("run", topology)
    await root.until("ready")
    asked = asyncio.ensure_future(beside("ask", topology, "far", "{}", "--type", "slow"))
    await worker.until("at work")
    worker.signal(signal.SIGKILL)
    await root.until("node down  gpu  gpu is down: it ended")
    worker = await start("run", topology, "--process", "gpu")
    assert (await asked).out.strip() == pid(worker)
    await stop(root, worker)


@pytest.mark.promise(id="SEM-819")
async def test_a_process_that_was_away_for_longer_than_node_timeout_joins_anew(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(ECHO, *TEAM, top=f"{GPU}\nruntime: {{node_timeout: 0.5}}")
    worker = await start("run", topology, "--process", "gpu")
    root = await start("run", topology)
    await root.until("ready")
    worker.signal(signal.SIGSTOP)
    await root.until("node down  gpu  gpu is down: it could not be reached")
    worker.signal(signal.SIGCONT)
    await root.until("restarted  far")
    assert await ask(beside, topology, "far") == pid(worker)
    await stop(root, worker)


async def without_folder(temporary: Path) -> None:
    """Take away where a process of this machine notes what it has in hand, once the root has made that."""
    async with asyncio.timeout(20):
        while not any(name.startswith("civitas-") for name in os.listdir(temporary)):  # noqa: PTH208
            await asyncio.sleep(0.01)
    shutil.rmtree(temporary)


@pytest.mark.promise(id="SEM-903")
@pytest.mark.parametrize("machine", ["this", "another"])
async def test_a_message_that_kills_a_process_started_elsewhere_is_given_up_after_max_deliveries(
    start: Start,
    project: Project,
    beside: Beside,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    far = "name: far, type: team.Echo, process: gpu, delivery: at_least_once, max_deliveries: 2"
    topology = project(
        ECHO, TEAM[0], far, top=GPU, options="\n  max_restarts: 100\n  backoff: none"
    )
    root = await start("run", topology)
    if machine == "another":
        await without_folder(temporary)
    worker = await start("run", topology, "--process", "gpu")
    await root.until("ready")
    asking = asyncio.ensure_future(beside("ask", topology, "far", "{}", "--type", "die"))
    for _ in range(2):
        assert (await worker.end()).code == -signal.SIGKILL
        worker = await start("run", topology, "--process", "gpu")
    done = await asking
    assert done.code == 1
    assert "NodeDown" in done.err
    assert await ask(beside, topology, "far") == pid(worker)
    await stop(worker, root)


@pytest.mark.promise(id="SEM-821")
async def test_a_second_process_of_a_name_is_refused(start: Start, project: Project) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    worker = await start("run", topology, "--process", "gpu")
    root = await start("run", topology)
    await root.until("ready")
    done = await (await start("run", topology, "--process", "gpu")).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert f"there is already a process 'gpu' (pid {worker.process.pid})" in line
    await stop(root, worker)


@pytest.mark.promise(id="SEM-821")
async def test_a_process_that_speaks_another_wire_version_is_refused(
    start: Start, project: Project, tmp_path: Path
) -> None:
    topology = project(ECHO, *TEAM, top=GPU)
    root = await start("run", topology)
    newer = tmp_path / "newer.py"
    newer.write_text(
        "import sys, civitas.cluster.members.joining as joining\n"
        "from civitas.cli import main\n"
        "joining.CLUSTER_VERSION += 1\n"
        f"sys.exit(main(['run', {str(topology)!r}, '--process', 'gpu']))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, newer, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert "different wire versions. Upgrade civitas-core at the root" in err.decode()
    root.signal(signal.SIGTERM)
    await root.end()


@pytest.mark.promise(id="SEM-821")
def test_only_a_process_with_start_false_can_be_started_by_hand(
    civitas: Callable[..., Result], project: Project
) -> None:
    topology = project(ECHO, *TEAM, "name: third, type: team.Echo, process: worker", top=GPU)
    unknown = civitas("run", topology, "--process", "gpo")
    assert unknown.code == 1
    assert "has no process 'gpo'; did you mean 'gpu'? It has: gpu, worker" in unknown.err
    ours = civitas("run", topology, "--process", "worker")
    assert ours.code == 1
    assert "the root starts process 'worker' by itself" in ours.err


def connected_socket(root: int) -> tuple[int, Path] | None:
    """A process that the root started, and its socket, once the root is connected to that by both its links."""
    for child in Path(f"/proc/{root}/task/{root}/children").read_text().split():
        with contextlib.suppress(OSError):
            links = {str(each.readlink()) for each in Path(f"/proc/{child}/fd").iterdir()}
            lines = [
                each.split() for each in Path(f"/proc/{child}/net/unix").read_text().splitlines()
            ]
            paths = [each[7] for each in lines if len(each) == 8 and f"socket:[{each[6]}]" in links]
            for path in set(paths):
                if paths.count(path) >= 3:  # the one that listens, and one for each link
                    return int(child), Path(path)
    return None


@pytest.mark.promise(id="SEM-916")
async def test_two_processes_that_cannot_reach_each_other_are_connected_by_way_of_the_root(
    start: Start, project: Project, beside: Beside
) -> None:
    topology = project(
        ECHO,
        "name: far, type: team.Echo, process: gpu",
        "name: cut, type: team.Echo, process: other, delivery: at_least_once",
        top=f"{GPU}\nruntime: {{node_timeout: 1}}",
    )
    root = await start("run", topology)
    async with asyncio.timeout(20):
        while (found := connected_socket(root.process.pid)) is None:
            await asyncio.sleep(0.01)
    other, socket = found
    socket.unlink()  # nobody new finds it; who has a connection keeps that
    worker = await start("run", topology, "--process", "gpu")
    await root.until("ready")
    done = await beside("ask", topology, "far", '"cut"', "--type", "pass on", "--timeout", "30")
    assert done.code == 0, done.err
    assert f'"pid": {other}' in done.out
    await stop(root)
    await stop(worker)
