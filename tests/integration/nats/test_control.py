"""The command line on another machine: it shares nothing with the system but the server."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from tests.integration.nats.conftest import ROOT, over_nats, traveller

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def machine(tmp_path, server, system):
    """Runs `civitas ARGUMENTS...` on a machine of that name."""
    config = over_nats(server, traveller("here"), traveller("there", "worker"), secret="s3cret")
    config["name"] = "remote"

    async def run(name, *arguments, topology=config):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "topology.yaml").write_text(json.dumps(topology))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "civitas.cli", *map(str, arguments)),
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "XDG_STATE_HOME": str(folder),
                "HOME": str(folder),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    run.config = config  # type: ignore[attr-defined]
    return run


async def told(process):
    out, err = await process.communicate()
    return process.returncode, out.decode().strip(), err.decode().strip()


@pytest.mark.promise(id="SEM-1516")
@pytest.mark.promise(id="SEM-1517")
async def test_the_command_line_finds_the_system_from_another_machine(machine):
    system = await machine("one", "run", "topology.yaml")
    try:
        while b" ready " not in await system.stdout.readline():
            pass
        order = json.dumps({"to": "there", "type": "echo", "payload": [1, "ä"]})
        asking = [
            ("ask", "topology.yaml", "here", order, "--type", "ask"),
            ("top", "topology.yaml", "--once"),
            ("ask", "topology.yaml", "there", '"no"', "--type", "crash"),
            ("ask", "topology.yaml", "nobody", "1"),
        ]
        commands = [await machine("other", *each) for each in asking]
        answer, top, crash, unknown = await asyncio.gather(*map(told, commands))
        assert answer == (0, '[1, "ä"]', "")
        assert "there" in top[1]
        assert "worker" in top[1]
        assert (crash[0], "ValueError: no" in crash[2]) == (1, True)
        assert (unknown[0], "no agent is named 'nobody'" in unknown[2]) == (1, True)
        wrong = machine.config | {"transport": {**machine.config["transport"], "secret": "wr0ng"}}
        stranger = await machine("bad", "send", "topology.yaml", "here", "1", topology=wrong)
        code, _, err = await told(stranger)
        assert (code, "none answers over nats" in err) == (1, True), err
    finally:
        system.terminate()
        _, err = await system.communicate()
    assert system.returncode == 0, err


@pytest.mark.promise(id="SEM-1516")
async def test_a_system_that_runs_nowhere_is_told_at_once(machine):
    code, _, err = await told(await machine("other", "ask", "topology.yaml", "here", "1"))
    assert code == 1
    assert "'remote' is not running here, and none answers over nats; start it with" in err
