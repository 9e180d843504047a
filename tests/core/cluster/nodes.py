"""A root and its members in one event loop, over any transport: no OS process is started.

    async with Nodes(make_transport, {"w": {"far": Echo}}) as nodes:
        await nodes.runtime.ask("far", 1)

To the root each member is a process with `start: false`. What a test wants to look at or to break is there:
`nodes.members["w"]`, the transports of both, and `nodes.lose("w")`, after which that member is as good as killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from civitas import AgentProcess, Runtime, Supervisor
from civitas.cluster import Processes
from civitas.cluster.durable.broker import Wanted
from civitas.cluster.member import MemberNode
from civitas.launch import ProcessOptions
from civitas.message import Serializer
from civitas.process import ChildKind
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool, Placed
from civitas.telemetry.tracing import Tracing
from civitas.transport.contract import Transport
from tests.core.cluster.memory_broker import MemoryBroker

__all__ = ["Nodes", "kind_of", "make"]

_TOKEN = "of the system"


class Nodes:
    """A running system.

    Args:
        transport: Makes a transport: for the root, and for each member.
        agents: What runs in each member, by its name: the classes of agents by theirs, or pools.
        here: The agents of the root.
        keywords: Of the constructor of each agent of a member.
        given: Keywords of `Runtime` that are given in Python, and so hold for the members, too.
        family: A name; whatever begins with that and a hyphen stands behind it, under a supervisor of that name.
        broker: Keeps the messages of those with `at_least_once`; None if nothing does.
        **supervisor: Of the one supervisor above all of them.
    """

    def __init__(
        self,
        transport: Callable[[], Transport],
        agents: Mapping[str, Mapping[str, type[AgentProcess] | ConversationPool]],
        *here: AgentProcess | Supervisor,
        keywords: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        family: str = "",
        broker: MemoryBroker | None = None,
        **supervisor: Any,
    ) -> None:
        self._make_transport = transport
        self._agents = dict(agents)
        self._keywords = dict(keywords or {})
        placed = [
            Placed(name, process, kind_of(what), family=family * name.startswith(f"{family}-"))
            for process, each in agents.items()
            for name, what in each.items()
        ]
        options = {"backoff": "none", "max_restarts": 1000, **supervisor}
        behind = [
            make(agents[each.process], family, **self._keywords) for each in placed if each.family
        ]
        if family:
            crew = [each for each in placed if each.family]
            placed = [*(each for each in placed if not each.family)]
            here = (*here, Supervisor(family, crew, **options))
        self._broker = broker
        self.transport = transport()
        self.runtime = Runtime(
            Supervisor("top", children=[*here, *placed], **options),
            processes=Processes(
                {name: ProcessOptions(start=False, start_timeout=10) for name in agents},
                self.transport,
                Serializer.MSGPACK,
                {"root_has": sorted(given or ())},
                _TOKEN,
                broker=None if broker is None else broker.at_root(_wanted([*here, *behind])),
            ),
            **(given or {}),
        )
        self.root: Any = self.runtime._node
        self.members: dict[str, MemberNode] = {}
        self._lives: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        starting = asyncio.create_task(self.runtime.start())
        while not self.transport.address and not starting.done():
            await asyncio.sleep(0)
        try:
            for name in self._agents:
                await self.join(name)
            await starting
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def join(
        self, name: str, agents: Mapping[str, type[AgentProcess] | ConversationPool] | None = None
    ) -> MemberNode:
        """Let a member come: the first time, or again after it was lost."""
        if agents is not None:
            self._agents[name] = agents
        member = MemberNode(
            name,
            root=self.transport.address,
            own_token="",
            make=lambda agent: make(self._agents[name], agent, **self._keywords),
            in_hand=None,
            remind=60.0,
            transport=self._make_transport(),
            serializer=Serializer.MSGPACK,
            token=_TOKEN,
            store=InMemoryStateStore(),
            tracing=Tracing(),
            broker=None if self._broker is None else self._broker.at_member()[0],
        )
        member.attach()
        self.members[name] = member
        await member.enter()
        self._lives.append(asyncio.create_task(_live(member)))
        return member

    async def lose(self, name: str, why: str = "the test ended it") -> None:
        """Have the root take a member for gone, and end that: its transport first, so that it can say nothing."""
        member = self.members.pop(name)
        await member.transport.close()
        self.root.membership.departures.end(self.root.peers.by_name[name], why)
        member.end(why)

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


def _wanted(here: Iterable[object]) -> dict[str, Wanted]:
    """The mailboxes that a topology with these agents asks for."""
    agents = [each for each in here if isinstance(each, AgentProcess)]
    wanted = {each.name: Wanted.of(each._civitas_options) for each in agents}
    return {name: each for name, each in wanted.items() if each is not None}


def make(
    here: Mapping[str, type[AgentProcess] | ConversationPool], name: str, **keywords: Any
) -> AgentProcess | ConversationPool:
    """What a member makes for a name; of several behind one, the one that it has."""
    what = next(here[each] for each in here if each == name or each.startswith(f"{name}-"))
    return what if isinstance(what, ConversationPool) else what(name, **keywords)


def kind_of(what: object) -> ChildKind:
    """What a member is to host."""
    pool = isinstance(what, ConversationPool)
    return ChildKind.CONVERSATION_POOL if pool else ChildKind.AGENT


async def _live(member: MemberNode) -> None:
    assert member.ended is not None
    await member.ended
    await member.leave_system()
    await member.detach()
