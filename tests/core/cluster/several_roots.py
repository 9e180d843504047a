"""Several roots of one system and its members in one event loop: one root leads, and another takes over.

    async with SeveralRoots({"w": {"far": Echo}}) as roots:
        await roots.lead()
        await roots.kill()
        await roots.lead()

Who leads is decided in memory, and time may be virtual.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from civitas import AgentProcess, Runtime, Supervisor
from civitas.cluster import Processes
from civitas.cluster.member import MemberNode
from civitas.errors import StartFailed
from civitas.launch import ProcessOptions
from civitas.message import Serializer
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool, Placed
from civitas.telemetry.tracing import Tracing
from civitas.testing.memory_network import MemoryNetwork
from civitas.transport.election import Leader
from tests.core.cluster.nodes import kind_of, make

__all__ = ["SeveralRoots", "ask_from", "crash", "until"]

_TOKEN = "of the system"


class _Lead:
    """The lead of one root, which whoever leads next finds what the last one noted in."""

    remind = 5.0
    place = "memory:root"
    watched = False
    over = False

    def __init__(self, term: int, left: bytes, patience: float) -> None:
        self.patience = patience
        self.leader = Leader("id", term, "here", 0, "", 0.0)
        self.last = replace(self.leader, renewed=time.time()) if left else None
        self.left = self.found = self._to_note = left
        """What is there for the next root is `found`."""

    def holds(self) -> bool:
        return True

    def note(self, what: bytes) -> None:
        self._to_note = what

    async def noted(self) -> None:
        """Write what is to be noted; nothing else does, as a root may be killed before it is written."""
        await asyncio.sleep(0)
        if not self.over:
            self.found = self._to_note


class SeveralRoots:
    """A system with one root after another.

    Args:
        agents: What runs in each member, by its name: the classes of agents by theirs, or pools.
        here: Makes the agents of a root.
        children: Further children of the one supervisor.
        node_timeout: Of the network.
        patience: Of members that have lost their root.
        family: A name; whatever begins with that and a hyphen stands behind it, under a supervisor of that name.
        **supervisor: Of the one supervisor.
    """

    def __init__(
        self,
        agents: Mapping[str, Mapping[str, type[AgentProcess] | ConversationPool]],
        *,
        here: Callable[[], list[AgentProcess]] = list,
        children: Callable[[], list[Any]] = list,
        node_timeout: float = 10.0,
        patience: float = 8.0,
        family: str = "",
        **supervisor: Any,
    ) -> None:
        self.network = MemoryNetwork(node_timeout=node_timeout)
        self.members: dict[str, MemberNode] = {}
        self.runtime: Runtime
        self._agents = agents
        self._family = family
        self._here = here
        self.children = children
        self._options = {"backoff": "none", "max_restarts": 1000, **supervisor}
        self._lead = _Lead(0, b"", patience)
        self._lives: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        starting = await self.start_root()
        for name in self._agents:
            await self.join(name)
        await starting
        return self

    async def start_root(self) -> asyncio.Task[None]:
        """Start a root that leads; members that were there are taken over."""
        transport: Any = self.network.transport("root")
        self._lead = _Lead(self._lead.leader.term + 1, self._lead.found, self._lead.patience)
        lead = self._lead

        async def elect(waiting: Any, lost: Any) -> Any:
            return lead

        transport.elect = elect
        placed = [
            Placed(
                name,
                process,
                kind_of(what),
                family=self._family * name.startswith(f"{self._family}-"),
            )
            for process, each in self._agents.items()
            for name, what in each.items()
        ]
        crew = [each for each in placed if each.family]
        others = [each for each in placed if not each.family]
        group = [Supervisor(self._family, crew, **self._options)] if crew else []
        children = [*self._here(), *others, *group, *self.children()]
        self.runtime = Runtime(
            Supervisor("top", children=children, **self._options),
            processes=Processes(
                {name: ProcessOptions(start=False, start_timeout=10) for name in self._agents},
                transport,
                Serializer.MSGPACK,
                {"root_has": ()},
                _TOKEN,
            ),
        )
        starting = asyncio.create_task(self.runtime.start())
        while not transport.address and not starting.done():
            await asyncio.sleep(0)
        return starting

    async def next_root(self) -> Runtime:
        """Let another root take over, and wait until it leads."""
        await (await self.start_root())
        return self.runtime

    async def fail_root(self) -> StartFailed:
        """Let another root take over whose agents do not start; returns with what it failed."""
        starting = await self.start_root()
        await asyncio.wait({starting})
        await self._lead.noted()
        failed = starting.exception()
        assert isinstance(failed, StartFailed)
        return failed

    async def stop_root(self) -> None:
        """Stop the root while another one waits."""
        self._lead.watched = True
        await self.runtime.stop()
        await self._lead.noted()

    async def kill_root(self, *, at_once: bool = False, seen: bool = True) -> None:
        """End the root without a word: what it still does reaches nobody.

        Args:
            at_once: Whether it has no time to note what nobody waited for.
            seen: Whether the members find out before another root leads.
        """
        root: Any = self.runtime._node
        if not at_once:
            await self._lead.noted()
        self.network.kill(root.transport)
        self._lead.over = True
        for member in self.members.values():
            if seen:
                member.root_is_gone("the test killed it")
            else:  # where a lease says who leads, another root in its place is no loss
                member._joining._silent = lambda why: None
        root.roster.ending = True
        for peer in root.roster.peers():  # so that it waits for nobody
            root.membership.departures.end(peer, "the test killed the root")
        await root.registry.interrupt()
        await self.runtime.stop()

    async def join(
        self,
        name: str,
        agents: Mapping[str, type[AgentProcess] | ConversationPool] | None = None,
    ) -> MemberNode:
        """Let a member come, which may not be one of the topology."""
        hosts = self._agents[name] if agents is None else agents
        root: Any = self.runtime._node
        member = MemberNode(
            name,
            root=root.transport.address,
            own_token="",
            make=lambda agent: make(hosts, agent),
            in_hand=None,
            remind=60.0,
            transport=self.network.transport(),
            serializer=Serializer.MSGPACK,
            token=_TOKEN,
            store=InMemoryStateStore(),
            tracing=Tracing(),
        )
        member.attach()
        self.members[name] = member
        await member.enter()
        self._lives.append(asyncio.create_task(_live(member)))
        return member

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.runtime.stop()
        for member in self.members.values():
            member.end("the root is gone")
        await asyncio.gather(*self._lives)


async def _live(member: MemberNode) -> None:
    assert member.ended is not None
    await member.ended
    await member.leave_system()
    await member.detach()


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.001)


async def crash(runtime: Runtime, agent: str) -> None:
    """Let an agent crash, and wait until it has been restarted."""
    restarted = asyncio.Event()
    runtime.on("restarted", lambda event: restarted.set())
    await runtime.send(agent, 1, "crash")
    await restarted.wait()


async def ask_from(roots: SeveralRoots, member: str, *order: object) -> object:
    """Let an agent be asked by its own process, and not by a root."""
    node = roots.members[member]
    node.open = True
    to, payload, *type = order
    what = str(type[0]) if type else "ask"
    if what == "crash":
        node.send(None, str(to), payload, what, 5.0, None, None)
        return None
    return (await node.ask(None, str(to), payload, what, 20.0, None, None)).payload
