"""What becomes of the messages that nobody will handle, in a running system on a server with JetStream."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from civitas import HandlerFailed, Runtime
from civitas.cli import main
from tests.integration.nats.conftest import over_nats
from tests.integration.processes.system import agent, lines, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def command(tmp_path, capsys):
    """Calls `civitas dead-letters` for a topology, beside the test's event loop."""

    async def call(config, what, *arguments):
        file = tmp_path / "topology.yaml"
        file.write_text(json.dumps(config))
        capsys.readouterr()
        words = ["dead-letters", what, str(file), *arguments]
        with ThreadPoolExecutor(1) as thread:
            code = await asyncio.get_running_loop().run_in_executor(thread, main, words)
        assert code == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


async def reasons(command, config):
    listed = json.loads(await command(config, "list", "--json"))
    return sorted((each["agent"], each["reason"], each["type"]) for each in listed)


@pytest.mark.promise(id="SEM-1511")
@pytest.mark.promise(id="SEM-1716")
async def test_dead_letters_of_every_reason_are_kept(command, server_of_its_own, tmp_path):
    config = over_nats(
        server_of_its_own,
        agent("here", delivery="at_least_once", max_deliveries=1),
        agent("there", "worker", delivery="at_least_once", max_deliveries=2),
        agent("plain", "worker"),
    ) | {"name": "letters"}
    async with Runtime.from_config(config) as system:
        for name in ("here", "there"):
            with pytest.raises(HandlerFailed):
                await system.ask(name, "no", "crash", timeout=20)
        with pytest.raises(HandlerFailed):
            await system.ask("plain", "no", "crash")
        busy = asyncio.create_task(system.ask("there", 0.6, "busy", timeout=20))
        await asyncio.sleep(0)  # it goes first
        with suppress(TimeoutError):
            await system.ask("there", 1, "too late", timeout=0.1)
        await busy
        expected = [("here", "max_deliveries", "crash"), ("there", "max_deliveries", "crash")]
        expected += [("there", "expired", "too late")]
        for _ in range(100):
            if (found := await reasons(command, config)) == sorted(expected):
                break
            await asyncio.sleep(0.05)
        assert found == sorted(expected)
        async with asyncio.timeout(5):
            while len(letters := await system.dead_letters()) < 4:
                await asyncio.sleep(0.01)
        *at_broker, at_root = letters
        assert sorted((each.agent, each.reason, each.type) for each in at_broker) == found
        assert (at_root.agent, at_root.reason, at_root.number) == (
            "plain",
            "crashed",
            1_000_000_001,
        )
        for letter in (at_broker[0], at_root):
            assert (await system.dead_letter(letter.id)).payload == "no"
            assert await system.drop(letter.number)
        assert await system.dead_letters() == at_broker[1:]


@pytest.mark.promise(id="SEM-1512")
async def test_a_dead_letter_is_replayed_under_its_own_id(command, server_of_its_own, tmp_path):
    file = tmp_path / "written"
    broken = agent("writer", "worker", "Fixable", file=str(file), delivery="at_least_once")
    broken["agent"]["type"] = "tests.integration.nats.cast:Fixable"
    config = over_nats(server_of_its_own, broken) | {"name": "replays"}
    async with Runtime.from_config(config) as system:
        await system.send("writer", {"n": 1})
        await until(lambda: len(lines(file)) == 3)
        while not (listed := json.loads(await command(config, "list", "--json", "--payload"))):
            await asyncio.sleep(0.05)
        [letter] = listed
        assert (letter["reason"], letter["payload"]) == ("max_deliveries", {"n": 1})
        assert lines(file) == [f"{letter['id']} {attempt} 0" for attempt in range(3)]
    # Nothing runs, and the message waits in the mailbox for the next start.
    (tmp_path / "fixed").touch()
    out = await command(config, "replay", "--all", "--agent", "writer")
    assert "1 message replayed" in out
    assert await command(config, "list", "--json") == "[]\n"
    async with Runtime.from_config(config) as system:
        await until(lambda: len(lines(file)) == 4)
    assert lines(file)[-1] == f"{letter['id']} 3 1"
