"""The command line on another machine: it shares nothing with the system but the server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio

from civitas.cli import main
from civitas.launch import Hold
from civitas.state import NatsKVStateStore
from tests.integration.nats.conftest import ROOT, over_nats, traveller

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def config(server, system):
    """Of a system of its own on the shared server: `system` has started that."""
    config = over_nats(server, traveller("here"), traveller("there", "worker"), secret="s3cret")
    return config | {"name": "remote"}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, capsys):
    """Calls `civitas COMMAND TOPOLOGY ARGUMENTS...` where no state folder of the system is."""
    folder = tmp_path / "other"
    folder.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))

    async def call(config, command, *arguments):
        file = folder / "topology.yaml"
        file.write_text(json.dumps(config))
        capsys.readouterr()
        with ThreadPoolExecutor(1) as thread:
            words = [*command.split(), str(file), *arguments]
            code = await asyncio.get_running_loop().run_in_executor(thread, main, words)
        return code, *map(str.strip, capsys.readouterr())

    return call


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(config, tmp_path_factory):
    """It runs, and no state folder of it is where `elsewhere` calls the command line."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "topology.yaml").write_text(json.dumps(config))
    system = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "civitas.cli", "run", "topology.yaml"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert system.stdout is not None
        while b" ready " not in await system.stdout.readline():
            pass
        yield
    finally:
        system.terminate()
        _, err = await system.communicate()
    assert system.returncode == 0, err


@pytest.mark.promise(id="SEM-1516")
@pytest.mark.promise(id="SEM-1517")
@pytest.mark.usefixtures("running")
async def test_the_command_line_finds_the_system_from_another_machine(config, elsewhere):
    order = json.dumps({"to": "there", "type": "echo", "payload": [1, "ä"]})
    answer = await elsewhere(config, "ask", "here", order, "--type", "ask")
    assert answer == (0, '[1, "ä"]', "")
    _, tree, _ = await elsewhere(config, "top", "--once")
    assert "there" in tree
    assert "worker" in tree
    code, _, err = await elsewhere(config, "ask", "there", '"no"', "--type", "crash")
    assert (code, "ValueError: no" in err) == (1, True)
    code, _, err = await elsewhere(config, "send", "nobody", "1")
    assert (code, "no agent is named 'nobody'" in err) == (1, True)
    wrong = config | {"transport": {**config["transport"], "secret": "wr0ng"}}
    code, _, err = await elsewhere(wrong, "send", "here", "1")
    assert (code, "none answers over nats" in err) == (1, True), err


@pytest.mark.promise(id="SEM-1516")
@pytest.mark.usefixtures("running")
async def test_a_system_that_a_service_runs_on_this_machine_is_found_over_its_transport(
    config, elsewhere, tmp_path
):
    kept = config | {"state": {"type": "sqlite", "path": "state.db"}}
    hold = Hold(tmp_path / "other" / "state.db-remote.lock", "it", alone=True)
    await hold.take()  # what the service has, with a state folder of its own
    try:
        answer = await elsewhere(kept, "ask", "here", '"ä"', "--type", "echo")
    finally:
        hold.release()
    assert answer == (0, '"ä"', "")


@pytest.mark.promise(id="SEM-1722")
@pytest.mark.usefixtures("running")
async def test_a_root_that_is_blocked_is_seen_from_another_machine(config, elsewhere, tmp_path):
    thaw = tmp_path / "thaw"
    blocked = "the event loop of 'root' {} blocked by {}'here' for"
    try:
        await elsewhere(config, "send", "here", json.dumps(str(thaw)), "--type", "freeze")
        _, stack, _ = await elsewhere(config, "inspect", "here", "--stack")
        assert blocked.format("is", "") in stack
        assert "time.sleep(0.002)" in stack
        _, other, _ = await elsewhere(config, "inspect", "there", "--json")
        found = json.loads(other)
        assert (found["node"], found["blocked"]["by"]) == ("worker", "here")
        code, _, err = await elsewhere(config, "tree")
        assert (code, blocked.format("has been", "agent ") in err) == (1, True), err
    finally:
        thaw.touch()
    answer = await elsewhere(config, "ask", "here", '"still there"', "--type", "echo")
    assert answer == (0, '"still there"', "")


@pytest.mark.promise(id="SEM-1469")
@pytest.mark.usefixtures("running")
async def test_a_message_that_froze_the_root_before_the_answer_left_was_accepted(
    config, elsewhere, tmp_path
):
    for attempt in range(5):  # an answer that shares a write with a heartbeat leaves in time
        thaw = tmp_path / f"thaw{attempt}"
        try:
            async with asyncio.timeout(15):
                freezing = json.dumps(str(thaw))
                code, _, err = await elsewhere(
                    config, "send", "here", freezing, "--type", "freeze at once"
                )
        finally:
            thaw.touch()
        assert code == 0, err
        if err:
            break
    blocked = "the event loop of 'root' has been blocked by agent 'here' for"
    assert f"the message for 'here' was accepted; {blocked}" in err


@pytest.mark.promise(id="SEM-1516")
async def test_a_system_that_runs_nowhere_is_told_at_once(config, elsewhere):
    loop = asyncio.get_running_loop()
    began = loop.time()
    code, _, err = await elsewhere(config | {"name": "nowhere"}, "ask", "here", "1")
    assert code == 1
    assert "'nowhere' is not running here, and none answers over nats; start it with" in err
    assert loop.time() - began < 4  # an answer is waited for longer than that


@pytest.mark.promise(id="SEM-1893")
async def test_the_state_store_is_found_at_the_server_of_the_transport(config, elsewhere, server):
    store = NatsKVStateStore(server.url, bucket="looked-at", prefix="civitas")
    await store.set("here", {"n": 5})
    await store.close()
    config |= {"state": {"type": "nats_kv", "bucket": "looked-at"}}
    code, out, err = await elsewhere(config, "state show", "here")
    assert (code, json.loads(out)) == (0, {"n": 5}), err
