"""A root and members in one event loop whose deaths and whose network a test drives, and what must hold between them.

Each member is kept: one that is killed, or ends because it lost the root, comes back half a second later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from civitas import Runtime, Supervisor
from civitas.cluster import Processes
from civitas.cluster.durable.broker import Broker, Wanted
from civitas.cluster.member import MemberNode
from civitas.errors import ConfigurationError
from civitas.events import Event
from civitas.launch import ProcessOptions
from civitas.message import Message, Serializer
from civitas.state import InMemoryStateStore
from civitas.supervision import Placed
from civitas.telemetry.tracing import Tracing
from civitas.testing import MemoryNetwork
from tests.core.cluster.memory_broker import MemoryBroker, MemoryMailboxes
from tests.core.cluster.quick_loop import NODE, QuickLoop
from tests.core.properties.world import Given, Traits, Worker, World

__all__ = ["NODE_TIMEOUT", "FallibleSystem", "FallibleWorld"]

NODE_TIMEOUT = 2.0
_COMES_BACK_AFTER = 0.5
_TOKEN = "of the system"
_PLUGINS: Any = None


class Run:
    """One run of a node, from its start to its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.killed = False


class FallibleWorld(World):
    """A world in which nodes may die."""

    def __init__(self) -> None:
        super().__init__()
        self.deaths = 0
        """Of nodes: after one, what was under way may have been handled and be a dead letter, too."""
        self._told: dict[int, int] = {}
        self._heard_in: dict[tuple[str, str], Run] = {}

    def tell(self, *args: Any, **keywords: Any) -> Given:
        given = super().tell(*args, **keywords)
        self._told[id(given)] = self.deaths
        return given

    def is_disturbed(self, given: Given) -> bool:
        """Whether a node died since a message was sent."""
        return self._told[id(given)] != self.deaths

    def letter(self, message: Message, reason: str) -> None:
        given = self.of(message)
        if given is None:
            return
        sure = self.traits[given.pair[1]].delivery == "at_least_once"
        if sure and reason in ("crashed", "node_down"):
            self.fault(f"{given}: lost ({reason}) although its delivery is at_least_once")
        if given.finished and not self.is_disturbed(given):
            self.fault(f"{given}: a dead letter ({reason}) after it was finished")
        given.letters.append(reason)

    def begins(self, worker: Worker, message: Message) -> None:
        run = run_of(worker)
        if run.killed:
            self.fault(f"{worker.name} handles a message in a process that was killed")
        given = self.of(message)
        if given is not None and self._heard_in.get(given.pair) is not run:
            self._heard_in[given.pair] = run
            if given.starts:
                # What the run before was not known to have finished comes again, in its order.
                self.seen[given.pair] = 0
        if given is not None and self.is_disturbed(given):
            given.letters.clear()
            given.finished = given.finished and worker.traits.delivery == "at_most_once"
            message = Undisturbed(message, len(given.starts))  # type: ignore[assignment]
        super().begins(worker, message)

    def born(self, worker: Worker) -> None:
        before = self.last.get(worker.name)
        if before is not None and run_of(before).killed:
            del self.last[worker.name]
        super().born(worker)

    def check_nothing_lost(self) -> None:
        for given in self.given.values():
            sure = self.traits[given.pair[1]].delivery == "at_least_once"
            gone = self.is_disturbed(given) and not sure
            if given.accepted and not (given.starts or given.letters or gone):
                self.fault(f"{given}: lost in a mailbox")
            given_up = given.abandoned or gone or given.do in ("skip", "leave")
            if given.starts and not (given.finished or given.letters or given_up):
                self.fault(f"{given}: lost in a handler")


class Undisturbed:
    """A message with the `attempt` that the world expects: how often a process tried it that died is not known."""

    def __init__(self, message: Message, attempt: int) -> None:
        self.payload = message.payload
        self.attempt = attempt


class Resident(Worker):
    """A worker that knows in which run of a node it lives."""

    def __init__(self, name: str, world: World, traits: Traits, run: Run) -> None:
        super().__init__(name, world, traits)
        self.run_of_node = run

    async def obey(self, message: Message) -> Message | None:
        payload = message.payload
        if isinstance(payload, dict) and payload["do"] == "slow":
            await asyncio.sleep(payload["turns"] / 5)
            return self.reply("slow")
        return await super().obey(message)


def run_of(worker: Worker) -> Run:
    assert isinstance(worker, Resident)
    return worker.run_of_node


class FallibleSystem:
    """A running system.

    Args:
        loop: Its event loop.
        world: Of its agents.
        agents: Where each agent lives, and what it is like, by its name.
        broker: Keeps the messages of those with `at_least_once`; None if nothing does.
    """

    def __init__(
        self,
        loop: QuickLoop,
        world: FallibleWorld,
        agents: Mapping[str, tuple[str, Traits]],
        plugins: Any,
        broker: MemoryBroker | None = None,
    ) -> None:
        self.broker = broker
        self._mailboxes: dict[Run, list[MemoryMailboxes]] = {}
        self.loop = loop
        self.world = world
        self.network = MemoryNetwork(node_timeout=NODE_TIMEOUT, resend_after=0.05)
        self.names = sorted({node for node, _ in agents.values() if node != "root"})
        self.members: dict[str, MemberNode] = {}
        self.runs: dict[str, Run] = {}
        self._agents = agents
        self._keepers: list[asyncio.Task[None]] = []
        self._stops = False
        root = Run("root")
        children: list[Any] = [
            Resident(name, world, traits, root)
            if node == "root"
            else Placed(name, node, restart=traits.restart)  # type: ignore[arg-type]
            for name, (node, traits) in agents.items()
        ]
        self.runtime = Runtime(
            Supervisor("top", children=children, backoff="none", max_restarts=100_000),
            drain_timeout=0,
            plugins=plugins,
            processes=Processes(
                {name: ProcessOptions(start=False, start_timeout=None) for name in self.names},
                self.network.transport("root"),
                Serializer.MSGPACK,
                {"root_has": ()},
                _TOKEN,
                broker=None if broker is None else broker.at_root(_wanted(agents)),
            ),
        )
        self.root: Any = self.runtime._node
        self._bury(self.root, root)
        self.runtime.on("node_down", self._died)

    async def start(self) -> None:
        NODE.set("root")
        starting = self.loop.create_task(self.runtime.start())
        self._keepers = [self.loop.create_task(self._keep(name)) for name in self.names]
        await starting

    async def stop(self) -> None:
        self._stops = True
        await self.runtime.stop()
        for member in self.members.values():
            member.end("the root is gone")
        await asyncio.gather(*self._keepers)

    def kill(self, name: str) -> None:
        """End a member as a signal would that it cannot catch."""
        member = self.members.pop(name, None)
        if member is None:
            return
        run = self.runs[name]
        run.killed = True
        self.world.deaths += 1
        # What its tasks still do when they are cancelled, a process that is killed does not.
        notes: Any = member._notes._mapped
        if notes is not None:
            notes.begun = notes.finished = notes.forgotten = lambda *_, **__: None
        for each in self._mailboxes.pop(run, ()):
            each.kill()
        self.network.kill(member.transport)  # type: ignore[arg-type]
        self.loop.kill(run)

    def _died(self, event: Event) -> None:
        self.world.deaths += 1

    async def _keep(self, name: str) -> None:
        while not self._stops:
            run = self.runs[name] = Run(name)
            living = self.loop.create_task(self._live(run))
            self.loop.nodes[living] = run
            await asyncio.wait({living})
            error = None if living.cancelled() else living.exception()
            if error is not None and not isinstance(error, ConfigurationError):
                raise error
            self.members.pop(name, None)
            while self.loop.tasks_of(run):
                if run.killed:  # what was called a moment ago may have begun another
                    self.loop.kill(run)
                await asyncio.sleep(0)
            if not run.killed:
                self.world.deaths += 1
            await asyncio.sleep(_COMES_BACK_AFTER)

    async def _live(self, run: Run) -> None:
        NODE.set(run)
        broker: Broker | None = None
        if self.broker is not None:
            broker, self._mailboxes[run] = self.broker.at_member()
        member = MemberNode(
            run.name,
            root="memory:root",
            own_token="",
            make=partial(self._make, run),
            in_hand=None,
            remind=NODE_TIMEOUT / 2,
            transport=self.network.transport(run.name),
            serializer=Serializer.MSGPACK,
            token=_TOKEN,
            store=InMemoryStateStore(),
            tracing=Tracing(),
            broker=broker,
        )
        self._bury(member, run)
        member.attach()
        self.members[run.name] = member
        try:
            entering = self.loop.create_task(member.enter())
            assert member.ended is not None
            first_over: set[asyncio.Future[Any]] = {entering, member.ended}
            await asyncio.wait(first_over, return_when=asyncio.FIRST_COMPLETED)
            entering.cancel()
            with suppress(asyncio.CancelledError):
                await entering
            await member.ended
        finally:
            if not run.killed:
                await member.leave_system()
            await member.detach()

    def _make(self, run: Run, name: str) -> Resident:
        return Resident(name, self.world, self._agents[name][1], run)

    def _bury(self, node: Any, run: Run) -> None:
        bury = node.dead_letter

        def dead_letter(message: Message, reason: str) -> None:
            if not run.killed:
                self.world.letter(message, reason)
            bury(message, reason)

        node.dead_letter = dead_letter


def _wanted(agents: Mapping[str, tuple[str, Traits]]) -> dict[str, Wanted]:
    """The mailboxes that the topology asks for."""
    return {
        name: Wanted(traits.mailbox_size)
        for name, (_, traits) in agents.items()
        if traits.delivery == "at_least_once"
    }
