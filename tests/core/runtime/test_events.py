"""The events of a system, and the errors that a user meets."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from typing import Any, get_args

import pytest

import civitas
from civitas import errors
from civitas.events import Event, EventType
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import (
    Actor,
    Journal,
    SlowToStop,
    StartsBadly,
    crash,
    eventually,
    status,
)


@pytest.mark.promise(id="SEM-607")
def test_there_are_the_eight_event_types() -> None:
    runtime = Runtime(Supervisor("root"))
    for type in (
        *("started", "crashed", "restarted", "gave_up", "terminated"),
        *("dead_letter", "node_up", "node_down"),
    ):
        assert type in get_args(EventType)
        runtime.on(type, print)()  # and the function that ends it


@pytest.mark.promise(id="SEM-608")
async def test_an_event_is_frozen_and_says_what_happened_to_whom_and_why() -> None:
    seen: list[Event] = []
    runtime = Runtime(Supervisor("root", [Actor("a", Journal())], max_restarts=0))
    for type in ("started", "crashed", "gave_up"):
        runtime.on(type, seen.append)
    await runtime.start()
    await crash(runtime, "a")
    with pytest.raises(errors.SupervisorGaveUp):
        await runtime.wait()
    await runtime.stop()
    await eventually(lambda: len(seen) == 3)
    assert [(each.type, each.name, each.node, each.reason) for each in seen] == [
        ("started", "a", "root", ""),
        ("crashed", "a", "root", "crashed"),
        ("gave_up", "root", "root", "shutdown"),
    ]
    assert "a crashes" in seen[1].message
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen[0].name = "b"  # type: ignore[misc]


@pytest.mark.promise(id="SEM-1191")
@pytest.mark.parametrize("under", ["supervisor", "dynamic_supervisor", "pool"])
@pytest.mark.parametrize("restart", ["permanent", "temporary"])
async def test_the_tree_shows_who_crashed_as_down_when_that_is_told(
    under: str, restart: str
) -> None:
    journal = Journal()
    names = [f"pool/{n}" if under == "pool" else f"a{n}" for n in range(3)]
    pool = ConversationPool("pool", Actor("template", journal, restart=restart))
    dynamic = DynamicSupervisor("pool")
    actors = [Actor(name, journal, restart=restart) for name in names if under != "pool"]
    children: Any = {
        "supervisor": actors,
        "dynamic_supervisor": [dynamic],
        "pool": [pool],
    }[under]
    root = Supervisor("root", children, backoff="constant", backoff_base=60)
    seen: list[str] = []
    async with Runtime(root, drain_timeout=0) as runtime:
        if under == "dynamic_supervisor":
            for actor in actors:
                await runtime.start_child("pool", actor)
        for name in names:
            await runtime.ask(name, 1)
        runtime.on("crashed", lambda event: seen.append(status(runtime, event.name)))
        await asyncio.gather(*(crash(runtime, name) for name in names))
        await eventually(lambda: len(seen) == 3)
    dead = "restarting" if restart == "permanent" else "stopped"
    assert seen == [dead] * 3


@pytest.mark.promise(id="SEM-1191")
@pytest.mark.parametrize("under", [Supervisor, DynamicSupervisor])
async def test_the_tree_shows_who_gave_up_and_on_whom(
    under: type[Supervisor | DynamicSupervisor],
) -> None:
    seen: list[str] = []
    below = under("below", max_restarts=0, restart="temporary")
    async with Runtime(Supervisor("root", [below])) as runtime:
        await runtime.start_child("below", Actor("a", Journal()))
        runtime.on(
            "gave_up", lambda _: seen.extend(status(runtime, name) for name in ("below", "a"))
        )
        await crash(runtime, "a")
        await eventually(lambda: seen)
    assert seen == ["stopping", "terminated"]


@pytest.mark.promise(id="SEM-1191")
@pytest.mark.parametrize("under", [Supervisor, DynamicSupervisor])
async def test_who_could_not_be_restarted_is_told_as_restarting(
    under: type[Supervisor | DynamicSupervisor],
) -> None:
    seen: list[str] = []
    below = under("below", backoff="none")
    async with Runtime(Supervisor("root", [below])) as runtime:
        await runtime.start_child("below", StartsBadly("a", Journal(), 2))
        runtime.on("crashed", lambda _: seen.append(status(runtime, "a")))
        await crash(runtime, "a")
        await eventually(lambda: len(seen) == 2)
    assert seen == ["restarting"] * 2


ERRORS = (
    *("UnknownAgent", "AskTimeout", "HandlerFailed", "NoReply", "AgentTerminated", "NodeDown"),
    *("MailboxFull", "AskCycle", "PayloadError", "ConfigurationError", "TopologyError"),
    *("SupervisorGaveUp", "StartFailed", "SupervisionError", "UnknownInterrupt"),
)


@pytest.mark.promise(id="SEM-212")
@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_a_civitas_error_with_two_doors(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.CivitasError)
    assert getattr(civitas, name) is error
    assert inspect.getdoc(error)


@pytest.mark.promise(id="SEM-321")
@pytest.mark.promise(id="SEM-324")
@pytest.mark.parametrize(
    ("how", "reason"), [("crash", "crashed"), ("terminate", "terminated"), ("kill", "terminated")]
)
async def test_a_lost_message_says_why(how: str, reason: str) -> None:
    class Fused(Actor):
        async def handle(self, message: Message) -> Message | None:
            if message.type != "boom":
                return await super().handle(message)
            self.journal.write("hold a")
            await self.release.wait()
            raise ValueError("it crashes")

    journal = Journal()
    actor = Fused("a", journal, shutdown_timeout=0 if how == "kill" else 30)
    letters: list[Event] = []
    async with Runtime(Supervisor("root", [actor], backoff="none")) as runtime:
        runtime.on("dead_letter", letters.append)
        what = "boom" if how == "crash" else "hold"
        holding = asyncio.gather(runtime.ask("a", 1, what), return_exceptions=True)
        await journal.until("hold a")
        await runtime.send("a", 2)  # waits behind it
        if how == "crash":
            actor.release.set()
        else:
            ending = asyncio.create_task(runtime.terminate_child("root", "a"))
            await eventually(lambda: status(runtime, "a") != "running")
            actor.release.set()
            await ending
        await holding
        await eventually(lambda: letters)
    assert {(each.name, each.reason) for each in letters} == {("a", reason)}


@pytest.mark.promise(id="SEM-606")
async def test_the_tree_names_every_kind_and_every_status() -> None:
    journal, go, let_go = Journal(), asyncio.Event(), asyncio.Event()

    class SlowToStart(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await go.wait()

    children: list[ChildSpec] = [
        Supervisor("gone", [Actor("dead", journal)], max_restarts=0, restart="transient"),
        DynamicSupervisor("sessions"),
        ConversationPool("pool", Actor("template", journal)),
        Actor("idle", journal),
        SlowToStop("slow", journal, let_go, shutdown_timeout=5),
        Actor("crashed", journal),
        Actor("ended", journal),
    ]
    root = Supervisor("root", children, backoff="constant", backoff_base=60)
    async with Runtime(root, drain_timeout=0) as runtime:
        await crash(runtime, "dead")
        await crash(runtime, "crashed")
        await runtime.terminate_child("root", "ended")
        starting = asyncio.create_task(runtime.start_child("sessions", SlowToStart("s", journal)))
        await journal.until("starting")
        stopping = asyncio.create_task(runtime.terminate_child("root", "slow"))
        await journal.until("stop slow")
        await eventually(lambda: status(runtime, "crashed") == "restarting")
        statuses = {name: status(runtime, name) for name in ("idle", "s", "slow", "ended", "dead")}
        assert statuses == {
            "idle": "running",
            "s": "starting",
            "slow": "stopping",
            "ended": "stopped",
            "dead": "terminated",
        }
        kinds = {child["name"]: child["kind"] for child in runtime.which_children("root")}
        assert (kinds["gone"], kinds["sessions"]) == ("supervisor", "dynamic_supervisor")
        assert (kinds["pool"], kinds["idle"]) == ("conversation_pool", "agent")
        go.set()
        let_go.set()
        await asyncio.gather(starting, stopping)


@pytest.mark.promise(id="SEM-661")
async def test_without_a_configured_store_state_is_kept_in_memory() -> None:
    class Counts(AgentProcess):
        async def handle(self, message: Message) -> Message:
            self.state["n"] = self.state.get("n", 0) + 1
            await self.checkpoint()
            if message.type == "crash":
                raise ValueError("it crashes")
            return self.reply(self.state["n"])

    runtime = Runtime(Supervisor("root", [Counts("a")], backoff="none"))
    async with runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 2
