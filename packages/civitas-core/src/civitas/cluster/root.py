"""The root node: runs the supervision tree, wherever its agents are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from civitas.cluster.child import RemoteChild, RemotePool
from civitas.cluster.facts import Facts
from civitas.cluster.failures import load_reason
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.relay import Relay
from civitas.cluster.letters.replicas import Replicas
from civitas.cluster.membership import Membership
from civitas.cluster.peers import Peer
from civitas.cluster.recipe import check_recipe
from civitas.cluster.remote_parts import call_tool, chat
from civitas.errors import NodeDown
from civitas.events import Event
from civitas.message import Message, decode, encode
from civitas.node import Recipient
from civitas.process import AgentProcess, Delivery, ExitReason
from civitas.supervision import ConversationPoolProcess, Parent, Placed
from civitas.telemetry import forwarding

__all__ = ["RootNode"]


class RootNode(Membership):
    """The root node of a system of several OS processes.

    Args:
        **parts: Of `Membership`.
    """

    def __init__(self, **parts: Any) -> None:
        self.relay: Relay
        super().__init__(
            letters={
                "route": self._route,
                "hands_on": True,
                "answered": self._answered,
            },
            **parts,
        )
        self.relay = Relay(self.registry)
        self._children: dict[str, RemoteChild] = {}

    def _route(self, to: str, message: Message) -> Recipient:
        return self.relay.route(to, message)

    def _answered(self, each: Elsewhere, reply: bytes) -> None:
        self.relay.answered(each, reply)

    # The tree.

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: show that of each agent in it."""
        for child in self._children.values():
            child.lost(peer, reason)

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: each agent in it has crashed."""
        for child in list(self._children.values()):
            child.node_is_down(peer, reason)

    def node_of(self, name: str) -> str:
        """The name of the OS process that an agent runs in."""
        child = self._children.get(name)
        return child.node if child is not None else self.name

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Any:
        """Make room for a child, here or in another process."""
        if isinstance(agent, Placed):
            self._check_free(name)
            child: RemoteChild
            if agent.kind == "conversation_pool":
                child = self.supervisors[name] = RemotePool(agent, self, owner)
            else:
                child = RemoteChild(agent, self)
            self._children[name] = child
            self.owners[name] = owner
            if agent.family:
                self.relay.join(agent.family, child)
            careful = Delivery.AT_LEAST_ONCE  # what it really wants is known when it has started
            self.announce(
                Facts(name, agent.process, kind=agent.kind, delivery=careful, behind=agent.family)
            )
            return child
        cell = super().place(agent, owner, name)
        options = agent._civitas_options
        if not isinstance(owner, ConversationPoolProcess):
            self.announce(
                Facts(
                    name,
                    self.name,
                    self.boot,
                    "agent",
                    options.mailbox_size,
                    options.delivery,
                    options.max_deliveries,
                )
            )
        return cell

    def join(self, supervisor: Parent) -> None:
        """Make a supervisor known by its name."""
        super().join(supervisor)
        if isinstance(supervisor, ConversationPoolProcess):
            options = supervisor.pool.child._civitas_options
            self.announce(
                Facts(
                    supervisor.name,
                    self.name,
                    self.boot,
                    supervisor.kind,
                    options.mailbox_size,
                    options.delivery,
                    options.max_deliveries,
                    max_live=supervisor.pool.max_live,
                )
            )

    def closed(self, name: str, why: str) -> None:
        """The mailbox of `name` is closed for `why`; open again where that is empty."""
        facts = self._facts.get(name)
        if facts is not None and facts.node == self.name:
            self.announce(replace(facts, closed=why))

    def leave(self, supervisor: Parent) -> None:
        """Forget a supervisor whose spec is gone."""
        super().leave(supervisor)
        self._unannounce(supervisor.name)

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""
        child = self._children.pop(name, None)
        if isinstance(child, RemotePool):
            self.supervisors.pop(name, None)
        if child is not None and (group := self.relay.group(child.spec.family)) is not None:
            group.remove(name)
            self._announce_group(group)
        self.letters.names.unlearn(name)
        super().forget(name)
        self._unannounce(name)

    def clear(self) -> None:
        """Forget every name."""
        super().clear()
        self.registry.groups.clear()
        self.registry.behind.clear()
        self._children.clear()
        self._facts.clear()

    def announce(self, facts: Facts) -> None:
        """Let every node know of an agent."""
        if self._facts.get(facts.name) == facts:
            return
        self._facts[facts.name] = facts
        self.letters.learn(facts)
        for peer in self._peers_of_members():
            peer.cast("facts", self.as_told(facts, peer.name).plain())
        if (group := self.relay.group(facts.behind)) is not None:
            self._announce_group(group)

    def as_told(self, facts: Facts, node: str) -> Facts:
        """What `node` is told of an agent: what must outlive its sender goes there by way of the root."""
        direct = facts.delivery == Delivery.AT_MOST_ONCE or facts.node in (self.name, node)
        return facts if direct else replace(facts, node=self.name, boot=self.boot)

    def _announce_group(self, group: Replicas) -> None:
        if len(group):
            self.announce(group.facts(self.name, self.boot))
        else:
            del self.registry.groups[group.name]
            self._unannounce(group.name)

    def _unannounce(self, name: str) -> None:
        if self._facts.pop(name, None) is not None:
            for peer in self._peers_of_members():
                peer.cast("forget", name)

    async def is_alive(self, name: str) -> bool:
        """Whether an incarnation of the agent `name` runs, wherever that is."""
        child = self._children.get(name)
        if child is not None:
            return child.alive
        if (group := self.relay.group(name)) is not None:
            return group.alive
        pool = self._pool_of(name)
        if pool is None or pool.peer is None:
            return await super().is_alive(name)
        try:
            alive: bool = await self.calls.call(pool.peer, "alive", name)
        except NodeDown:
            return False
        return alive

    def _pool_of(self, name: str) -> RemotePool | None:
        """The pool of another process whose conversation `name` is."""
        pool = self._children.get(name.partition("/")[0]) if "/" in name else None
        return pool if isinstance(pool, RemotePool) else None

    def owner_of(self, name: str) -> Parent | None:
        """The supervisor of an agent, wherever that runs; None for who is not there."""
        return self._pool_of(name) or super().owner_of(name)

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited; of a replica, whoever watches what it stands behind hears of it."""
        super().exited(name, reason)
        child = self._children.get(name)
        if child is not None and child.spec.family:
            super().exited(child.spec.family, reason)

    def conversations_are_down(self, pool: str, reason: ExitReason) -> None:
        """The process of a pool is gone, and every conversation with it."""
        for name in self._monitors.targets():
            if name.startswith(f"{pool}/"):
                self.exited(name, reason)

    def close_door(self) -> None:
        """Take no more work from outside, and let the members know that the system stops."""
        super().close_door()
        for peer in self._peers_of_members():
            peer.cast("stopping")

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        names = await super().matching(pattern)
        return names + [name for name in self.registry.groups if fnmatchcase(name, pattern)]

    async def drained(self) -> None:
        """Wait until no agent of any process handles a message or has one waiting."""
        while True:
            await super().drained()
            calls = (self.calls.call(peer, "drain") for peer in self._peers_of_members())
            worked = await asyncio.gather(*calls, return_exceptions=True)
            if not any(each is not False for each in worked) and not self.letters.is_sending():
                return

    # What members say.

    async def serve(self, peer: Peer, what: str, arguments: list[Any]) -> Any:
        """Do what a member calls for."""
        match what:
            case "leave":
                self.letters.names.hold_back(peer.boot)
                for other in self._peers_of_members():
                    other.cast("leaving", peer.boot)
                return None
            case "take_in_hand":
                if not peer.gone:
                    self.note_begun(peer, arguments[0])
                return None
            case "awake" if isinstance(
                pool := self.registry.pools.get(arguments[0]), ElsewherePool
            ):
                host = self.peers.get(pool.facts.boot or "")
                return await self.calls.call(host, what, pool.name) if host is not None else []
            case "whereis":
                name = arguments[0]
                facts = self._facts.get(name) or self._facts.get(name.partition("/")[0])
                return self.as_told(facts, peer.name).plain() if facts is not None else None
            case "spawn":
                sender, supervisor, spec = arguments
                check_recipe(spec)
                placed = Placed(spec["name"], peer.name, recipe=spec)
                await self._dynamic_supervisor(sender, supervisor).start_child(placed)
                return None
            case "chat":
                return await chat(self, arguments[0])
            case "tool":
                return await call_tool(self, arguments[0])
            case "store":
                method = getattr(self.store, str(arguments[0]))
                result = await method(*decode(arguments[1]))
                return encode(list(result) if arguments[0] == "keys" else result)
            case "terminate":
                return await self.terminate_for(arguments[0], arguments[1])
            case "monitor":
                return await self.monitor_for(arguments[0], arguments[1])
            case "demonitor":
                await self.demonitor(arguments[0])
                return None
        return await super().serve(peer, what, arguments)

    def told(self, peer: Peer, what: str, arguments: list[Any]) -> None:
        """Do what a member says."""
        match what:
            case "exited":
                name, run, reason = arguments
                child = self._children.get(name)
                if child is not None:
                    child.ended(run, load_reason(reason))
            case "left":
                member = self._members[peer.name]
                if member.peer is peer and not member.options.start:
                    self._gone(member, peer, "it was stopped")
            case "unreadable":
                self.could_not_read(peer, *arguments)
            case "drop":
                self.note_done(peer, arguments[0])
            case "event":
                event = Event(*arguments)
                if (pool := self._pool_of(event.name)) is not None:
                    pool.happened(event)
                self.events.pass_on(event)
            case "spans":
                forwarding.take(*arguments)
            case "down":
                self.exited(arguments[0], load_reason(arguments[1]))
            case "report":
                for name, facts in arguments[0].items():
                    if name in self._children:
                        self._children[name].reported(facts)
            case _:
                super().told(peer, what, arguments)
