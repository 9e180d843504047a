"""A start that fails says why, and leaves no process; a stop in the middle of one does, too."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from civitas import Runtime, StartFailed
from tests.deep import DEEP, further
from tests.integration.processes.system import (
    Events,
    agent,
    asked_until_answered,
    kill,
    killed,
    look,
    topology,
    until,
)


def broken(name: str, path: str, process: str = "w") -> dict:
    return {"agent": {"name": name, "type": path, "process": process}}


MODULES = {
    "raises": "raise KeyError('a key of mine')\n",
    "exits": "import sys\nsys.exit('no licence')\n",
    "exits_hard": "import os\nprint('on its way out', flush=True)\nos._exit(7)\n",
    "no_syntax": "def f(:\n",
    "imports": "import no_such_module_anywhere\n",
    "unfit": (
        "from civitas import AgentProcess\n"
        "class A(AgentProcess):\n"
        "    def __init__(self, name, **keywords):\n"
        "        super().__init__(name, **keywords)\n"
        "        raise ValueError('not today')\n"
    ),
    "unready": (
        "from civitas import AgentProcess\n"
        "class A(AgentProcess):\n"
        "    async def on_start(self):\n"
        "        raise ConnectionError('no database')\n"
    ),
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    for name, code in MODULES.items():
        (tmp_path / f"broken_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.promise(id="SEM-910")
@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raises", "a key of mine"),
        ("exits", "no licence"),
        ("exits_hard", "exited with status 7"),
        ("no_syntax", "invalid syntax"),
        ("imports", "no_such_module_anywhere"),
        ("unfit", "not today"),
        ("unready", "no database"),
    ],
)
async def test_what_goes_wrong_in_a_worker_is_the_error_of_the_start(modules, module, said):
    config = topology(agent("a", "v"), broken("b", f"broken_{module}.A"))
    with pytest.raises(StartFailed, match="'b'") as caught:
        await Runtime.from_config(config).start()
    assert caught.value.child == "b"
    assert said in str(caught.value)
    assert f"broken_{module}" not in sys.modules


@pytest.mark.promise(id="SEM-910")
async def test_the_error_has_the_workers_traceback(modules):
    with pytest.raises(StartFailed) as caught:
        await Runtime.from_config(topology(broken("b", "broken_raises.A"))).start()
    error: BaseException | None = caught.value
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    assert any("broken_raises.py" in text and "Traceback" in text for text in texts), texts


def civitas(*arguments: str, folder) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "civitas.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_command_line_prints_the_last_line_and_with_verbose_all(modules):
    (modules / "t.yaml").write_text(
        "supervision:\n  name: root\n  children:\n"
        "    - agent: {name: b, type: broken_raises.A, process: w}\n"
    )
    short = civitas("run", "t.yaml", folder=modules)
    assert short.returncode == 1
    assert "a key of mine" in short.stderr.strip().splitlines()[-1]
    assert "Traceback" not in short.stderr
    full = civitas("run", "t.yaml", "--verbose", folder=modules)
    assert full.returncode == 1
    assert "broken_raises.py" in full.stderr


@pytest.mark.promise(id="SEM-911")
async def test_a_start_that_fails_half_way_leaves_no_process(modules):
    config = topology(
        agent("a", "v"),
        agent("c", "u"),
        broken("b", "broken_unready.A"),
        processes={"x": {"python": "/no/such/python"}},
    )
    with pytest.raises(Exception, match="/no/such/python"):
        await Runtime.from_config(config).start()
    del config["processes"]
    with pytest.raises(StartFailed):
        await Runtime.from_config(config).start()


@pytest.mark.promise(id="SEM-911")
@pytest.mark.parametrize("turns", [1, 30, *further(0, 3, 10, 100)])
async def test_a_stop_while_processes_start_leaves_none(turns):
    runtime = Runtime.from_config(topology(agent("a", "w"), agent("b", "v")))
    starting = asyncio.create_task(runtime.start())
    for _ in range(turns):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    is_up = starting.done()  # as it may be where this process was held up meanwhile
    await runtime.stop()
    if is_up:
        await starting
    else:
        with pytest.raises(StartFailed):
            await starting


@pytest.mark.promise(id="SEM-911")
@pytest.mark.parametrize("delay", [0.0, 0.2, *further(0.05, 0.1, 0.3, 0.4)])
async def test_a_stop_while_a_process_comes_back_leaves_none(delay):
    runtime = Runtime.from_config(topology(agent("a", "w"), agent("b", "v")))
    await runtime.start()
    await killed(runtime, "a")
    await asyncio.sleep(delay)
    await asyncio.wait_for(runtime.stop(), 10)


@pytest.mark.promise(id="SEM-911")
async def test_a_start_that_is_cancelled_leaves_no_process():
    runtime = Runtime.from_config(topology(agent("a", "w"), agent("b", "v")))
    starting = asyncio.create_task(runtime.start())
    await asyncio.sleep(0.05)  # no process imports what it needs in less
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()


@pytest.mark.promise(id="SEM-905")
async def test_a_process_that_cannot_come_back_counts_once_for_all_its_agents(tmp_path):
    """Each failed start of the process is one crash, however many agents wait for it."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ -e {tmp_path}/broken ] && exit 9\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o700)
    config = topology(
        *(agent(f"a{n}", "w") for n in range(4)),
        processes={"w": {"python": str(python)}},
        max_restarts=3,
        backoff="constant",
        backoff_base=0.2,
    )
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        (tmp_path / "broken").touch()
        kill(runtime, "a0")
        await until(lambda: len(events.of("crashed")) > 4)  # the first start has failed
        (tmp_path / "broken").unlink()
        for n in range(4):
            await asked_until_answered(runtime, f"a{n}")
        assert not events.of("gave_up")


async def test_a_process_that_dies_while_it_starts_is_started_again():
    async with Runtime.from_config(topology(agent("a", "w"), max_restarts=1000)) as runtime:
        for n in range(50 if DEEP else 2):
            await killed(runtime, "a")
            await until(lambda: look(runtime, "a")["pid"] is not None)
            await asyncio.sleep(0.002 * n)
            kill(runtime, "a")
            await asked_until_answered(runtime, "a")
