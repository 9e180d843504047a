"""What agents of members watch goes on when another root leads, and nobody waits for word that never comes."""

from __future__ import annotations

from typing import Any

import pytest

from civitas import AgentProcess, DynamicSupervisor, Message
from civitas.testing.memory_transport import MemoryTransport
from tests.core.cluster.several_roots import SeveralRoots, ask_from, crash, until

TOLD: dict[str, list[dict[str, Any]]] = {}
"""What each agent was told of those that it watches."""


class Watcher(AgentProcess):
    """Watches whom it is told to, and crashes when it is told so."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "watch":
                return self.reply({"ref": await self.monitor(message.payload)})
            case "ignore":
                await self.demonitor(message.payload)
            case "civitas.down":
                TOLD.setdefault(self.name, []).append(message.payload)
                return None
            case "spawn":
                await self.spawn(Watcher, message.payload)
            case "crash":
                raise ValueError("as it was told")
            case "end":
                await self.stop()
        return self.reply({})


PLACED = {"w": {"far": Watcher}, "v": {"other": Watcher}}


@pytest.fixture(autouse=True)
def _clean() -> None:
    TOLD.clear()


async def watch(roots: SeveralRoots, target: str) -> str:
    """Let `far` watch an agent; returns the reference."""
    ref: str = (await roots.runtime.ask("far", target, "watch")).payload["ref"]
    return ref


async def told() -> list[tuple[str, str, str]]:
    """What `far` is told first, once it is told anything: the reference, whom, and the reason."""
    await until(lambda: TOLD.get("far"))
    return [(each["ref"], each["name"], each["reason"]) for each in TOLD["far"]]


@pytest.mark.promise(id="SEM-1499")
async def test_an_agent_that_runs_on_is_watched_on():
    async with SeveralRoots(PLACED) as roots:
        ref = await watch(roots, "other")
        await roots.kill_root()
        runtime = await roots.next_root()
        await runtime.ask("far", {})
        assert TOLD == {}
        await crash(runtime, "other")
        assert await told() == [(ref, "other", "crashed")]
        await crash(runtime, "other")  # the next incarnation is not watched
        await runtime.ask("far", {})
        assert len(TOLD["far"]) == 1


@pytest.mark.promise(id="SEM-1499")
async def test_of_an_agent_that_crashed_while_no_root_led_the_watcher_is_told():
    async with SeveralRoots(PLACED) as roots:
        ref = await watch(roots, "other")
        await roots.kill_root()
        await ask_from(roots, "v", "other", None, "crash")
        await until(lambda: not roots.members["v"].registry["other"].alive)
        await roots.next_root()
        assert await told() == [(ref, "other", "crashed")]


@pytest.mark.promise(id="SEM-1499")
async def test_of_an_agent_of_the_root_that_is_gone_the_watcher_is_told():
    async with SeveralRoots(PLACED, here=lambda: [Watcher("here")]) as roots:
        ref = await watch(roots, "here")
        await roots.kill_root()
        await roots.next_root()
        assert await told() == [(ref, "here", "node_down")]


@pytest.mark.promise(id="SEM-1470")
@pytest.mark.promise(id="SEM-1499")
async def test_of_what_was_spawned_in_a_process_that_ended_with_the_root_the_watcher_is_told():
    sessions = lambda: [DynamicSupervisor("sessions")]  # noqa: E731
    async with SeveralRoots(PLACED, children=sessions, node_timeout=0.5) as roots:
        await roots.runtime.ask("other", "one", "spawn")
        refs = {await watch(roots, "one"), await watch(roots, "other")}
        await roots.kill_root()
        gone = roots.members.pop("v")
        assert isinstance(gone.transport, MemoryTransport)
        roots.network.kill(gone.transport)
        gone.end("the test ended it")
        starting = await roots.start_root()
        await until(lambda: len(TOLD.get("far", ())) == 2)
        assert {ref for ref, *_ in await told()} == refs
        assert {reason for *_, reason in await told()} == {"node_down"}
        await roots.join("v")
        await starting


@pytest.mark.promise(id="SEM-1499")
async def test_what_was_spawned_and_runs_on_is_watched_on():
    async with SeveralRoots(PLACED, children=lambda: [DynamicSupervisor("sessions")]) as roots:
        await roots.runtime.ask("other", "one", "spawn")
        ref = await watch(roots, "one")
        await roots.kill_root()
        runtime = await roots.next_root()
        await runtime.ask("one", {})
        assert TOLD == {}
        await runtime.ask("one", None, "end")
        assert await told() == [(ref, "one", "normal")]


@pytest.mark.promise(id="SEM-1499")
async def test_what_was_told_or_is_not_wanted_any_more_is_not_told_again():
    async with SeveralRoots(PLACED) as roots:
        await watch(roots, "other")
        unwanted = await watch(roots, "other")
        await roots.runtime.ask("far", unwanted, "ignore")
        await crash(roots.runtime, "other")
        await told()
        nobody = await watch(roots, "nobody")
        await until(lambda: len(TOLD["far"]) == 2)
        assert TOLD["far"][1]["ref"] == nobody
        await roots.kill_root()
        runtime = await roots.next_root()
        await runtime.ask("far", {})
        await runtime.ask("other", {})
        assert len(TOLD["far"]) == 2


@pytest.mark.promise(id="SEM-1499")
async def test_one_that_was_begun_under_the_last_root_can_be_ended_under_the_next():
    async with SeveralRoots(PLACED) as roots:
        ref = await watch(roots, "other")
        await roots.kill_root()
        runtime = await roots.next_root()
        await runtime.ask("far", ref, "ignore")
        await crash(runtime, "other")
        await runtime.ask("far", {})
        assert TOLD == {}
