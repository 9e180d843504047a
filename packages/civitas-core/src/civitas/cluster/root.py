"""The root node: runs the supervision tree, wherever its agents are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

from civitas.cluster.answers_for_former_roots import AnswersForFormerRoots
from civitas.cluster.calls import Calls
from civitas.cluster.child import RemoteChild
from civitas.cluster.children import RemoteChildren
from civitas.cluster.directory import Directory
from civitas.cluster.door import Door
from civitas.cluster.durable.at_root import RootMailboxes
from civitas.cluster.durable.broker import Broker
from civitas.cluster.facts import Facts
from civitas.cluster.frames import Kind
from civitas.cluster.glances import FarGlances
from civitas.cluster.guests import Guests
from civitas.cluster.inheritance import Inheritance
from civitas.cluster.lead_handover import LeadHandover
from civitas.cluster.lent.borrowing import offer
from civitas.cluster.letters.accepting import AcceptedByRoot
from civitas.cluster.letters.letters import Letters
from civitas.cluster.letters.relay import Relay
from civitas.cluster.members.joining import new_boot
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.members.membership import Membership
from civitas.cluster.members.roster import Roster
from civitas.cluster.next_root_client import NextRootClient
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.quiescing import QuiescingMembers
from civitas.cluster.recipe import check_recipe
from civitas.cluster.remote_pool import RemotePool
from civitas.cluster.root_desk import desk_for_members
from civitas.cluster.root_services import RootServices
from civitas.cluster.scaling import Scaling
from civitas.cluster.seal import Seal
from civitas.cluster.spans import Gathered
from civitas.errors import NodeDown
from civitas.launch import Hold, ProcessOptions
from civitas.message import Serializer
from civitas.node import Node
from civitas.node.spawning import dynamic_supervisor
from civitas.process import AgentProcess
from civitas.supervision import ConversationPoolProcess, Parent, Placed
from civitas.transport.contract import Transport
from civitas.transport.election import Electing
from civitas.transport.standing import Fencing

__all__ = ["RootNode"]

_LOOK = 0.02  # seconds between two looks whether the mailboxes at the broker are empty


class RootNode(Node):
    """The root node of a system of several OS processes.

    Args:
        processes: The others, by name.
        boot_data: What each is told when it is started, as plain data.
        holds: What each that is started holds together with this one.
        transport: Carries the frames.
        serializer: The format of messages.
        token: Of the system: who has it may join.
        broker: What keeps messages; None if nothing does.
        next_root: Asks the next root for the answers to what was asked here; None if there may be none.
        **parts: Of `Node`.
    """

    def __init__(
        self,
        *,
        processes: Mapping[str, ProcessOptions],
        boot_data: Mapping[str, Any],
        transport: Transport,
        serializer: Serializer,
        token: str,
        holds: Sequence[Hold] = (),
        broker: Broker | None = None,
        next_root: NextRootClient | None = None,
        **parts: Any,
    ) -> None:
        super().__init__("root", **parts)
        self.boot = new_boot()
        self.transport = transport
        self.peers = Peers()
        self.calls = Calls()
        self.roster = Roster(processes)
        self._gathered = Gathered(self.roster, self.tracing, self.events)
        self._topology = str(boot_data.get("digest", ""))
        former_answers, seal = AnswersForFormerRoots(self), Seal(token)
        self.next_program = self._lead_handover = LeadHandover(
            self, former_answers, next_root, seal
        )
        self._given = list(boot_data["root_has"])  # what the root was given in Python
        self._relay = Relay(self.registry)
        self._children = RemoteChildren(
            self.exited, self._monitors, self.events, self._relay.pool_of
        )
        self._letters = Letters(
            *(self, self.peers, self.calls, serializer, lambda: self.loop),
            route=self._relay.route,
            hands_on=True,
            answered=self._relay.answered,
        )
        self.asked = self._letters.asked
        self.mailboxes = RootMailboxes(
            self, self._letters, self._relay, broker, self.calls, self.roster.took_over
        )
        self._accepted = AcceptedByRoot(self, self._letters, self._relay.route, self.mailboxes)
        self._knowledge = Knowledge(self.peers)
        self._directory = Directory(
            self.name,
            self.boot,
            self._knowledge,
            self._relay,
            self._accepted.learn,
            self._letters.out.move,
            self.registry.closest,
            self.mailboxes.address,
            lambda: self._lead_handover.active,
        )
        self.mailboxes.announced_by(self._directory)
        self.guests = Guests(self.boot, seal, transport, self.peers, self.calls, former_answers)
        """Those that ask something of the system without joining it."""
        self.membership = Membership(
            self.roster,
            self.boot,
            boot_data,
            holds,
            seal,
            transport,
            peers=self.peers,
            knowledge=self._knowledge,
            letters=self._letters,
            children=self._children,
            events=self.events,
            welcome=self._welcome,
            calls=self.calls,
            history=self.history,
            inheritance=Inheritance(self, self._children, self.calls, self._monitors, self._tell),
            forget_records_of=self.forget_records_of,
            guests=self.guests,
            has_left=self.mailboxes.has_left,
        )
        self.membership.starting.noted_by = self._accepted.noted_by
        self.membership.inherit = former_answers.take_over
        self.membership.asked = lambda: former_answers.asked
        self._services = RootServices(
            self,
            self._children.conversations_are_down,
            *(self.roster, self.membership.starting, self.calls),
            self._directory.announce,
            self.membership.departures.end,
            self._relay.has,
            self.mailboxes.address,
            self.mailboxes.grant,
        )
        self.far = FarGlances(self.roster, self.calls, self.registry, transport, seal)
        self.others: QuiescingMembers = QuiescingMembers(
            *(self.roster, self._children, self.calls, self._letters, self.membership.starting)
        )
        self._for_members = desk_for_members(self)
        self.scaling = Scaling(
            *(self.roster, self._children, self._letters, self._relay, self.calls),
            *(self.membership.scaled, self.membership.note),
        )
        self._door = Door(
            self.name,
            self.peers,
            {
                **self._letters.takes,
                Kind.CALL: self._for_members.called,
                Kind.CAST: self._for_members.told,
                Kind.PARCEL: self.membership.pass_parcel,
            },
            {Kind.HELLO: self.membership.admitting.hello},
            self.membership.admitting.belongs,
            self._unreadable,
        )

    def _unreadable(self, peer: Peer, why: str) -> None:
        if peer in self.guests:
            self.guests.gone(peer.boot, why)
        else:
            self.membership.departures.unreadable(peer, why)

    # Life.

    async def elect(self, waiting: Callable[[str], None], lost: Callable[[str], None]) -> None:
        """Wait until this root leads, where several may be started."""
        self.lead = None
        self._lead_handover.reset()
        self.roster.stay()
        if isinstance(self.transport, Electing):
            self.lead = await self.transport.elect(
                lambda leader: waiting(f"{leader} leads the system"), lost
            )
        self.membership.lead = self.lead
        await self.mailboxes.open()

    async def assemble(self) -> None:
        """Start every process and wait until each is ready.

        Raises:
            StartFailed: One did not start.
        """
        self.roster.ending, self.roster.opening = False, True
        await self.membership.starting.open()
        if isinstance(self.transport, Fencing):
            self.transport.vouch(self.roster.belongs)
        await self._door.open(self.transport, self.membership.starting.outages.cut_off)
        await self.membership.take_over()
        self.roster.opening = False
        await self.membership.starting.start_all()

    async def has_started(self) -> None:
        """The tree has started."""
        self.membership.note()
        self.membership.starting.drop_prepared()
        await self.scaling.go_on(self.supervisors)
        await self.membership.succession.settle()

    async def dismiss(self) -> None:
        """End every process, and leave none behind."""
        leads = self.lead is None or self.lead.holds()
        run_on = [each.boot for each in self.roster.remaining_peers()]
        if self._lead_handover.active:
            await self.membership.hand_over(self._lead_handover.notes)
            await self.guests.pass_on(self.asks)
        else:
            await self.membership.close()
            if self.runs is not None and self.runs.ending.passes_on:
                await self.guests.send_on()
        await self.far.close()
        await self.guests.close()
        await self.mailboxes.close(well=leads, run_on=run_on)
        await self.calls.close()
        self.peers.leave()
        await self._door.close(self.transport)
        self._lead_handover.has_ended()
        if not run_on:
            self.membership.starting.close()

    def _welcome(self) -> dict[str, Any]:
        return {
            **offer(self, self._given),
            "topology": self._topology,
            "conversations": asdict(self.retention),
            **self._gathered.wanted,
            "former": self.peers.former,
        }

    # The tree.

    def node_of(self, name: str) -> str:
        """The name of the OS process that an agent runs in."""
        child = self._children.get(name)
        return child.node if child is not None else self.name

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Any:
        """Make room for a child, here or in another process."""
        if isinstance(agent, Placed):
            return self._place_elsewhere(agent, owner, name)
        self.mailboxes.choose(agent)
        cell = super().place(agent, owner, name)
        self.mailboxes.entered(cell, owner)
        if not isinstance(owner, ConversationPoolProcess):
            self._directory.announce_agent(name, agent)
        return cell

    def _place_elsewhere(self, agent: Placed, owner: Parent, name: str) -> RemoteChild:
        self._check_free(name)
        child = self._children.add(agent, self._services, owner)
        if isinstance(child, RemotePool):
            self.supervisors[name] = child
        self.owners[name] = owner
        if agent.family:
            self._relay.join(agent.family, child, agent.kind)
        self._directory.announce(self.mailboxes.completed(Facts.before_start(name, agent)))
        self.mailboxes.placed(agent.family)
        return child

    def join(self, supervisor: Parent) -> None:
        """Make a supervisor known by its name."""
        if isinstance(supervisor, ConversationPoolProcess):
            self.mailboxes.choose(supervisor.pool.child)
        super().join(supervisor)
        if isinstance(supervisor, ConversationPoolProcess):
            facts = self._directory.announce_pool(supervisor)
            self.mailboxes.joined(supervisor, facts, self._letters.out)

    def closed(self, name: str, why: str) -> None:
        """See `Node.closed`."""
        super().closed(name, why)
        self._directory.closed(name, why)

    def leave(self, supervisor: Parent) -> None:
        """Forget a supervisor whose spec is gone."""
        super().leave(supervisor)
        self._directory.forget(supervisor.name)

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""
        child = self._children.pop(name, None)
        if isinstance(child, RemotePool):
            self.supervisors.pop(name, None)
        if child is not None and child.spec.family:
            self._relay.leave(child.spec.family, name)
            self._directory.announce_group(child.spec.family)
        self._letters.names.unlearn(name)
        self.mailboxes.forget(name)
        super().forget(name)
        self._directory.forget(name)

    def clear(self) -> None:
        """Forget every name."""
        super().clear()
        self._relay.clear()
        self._children.clear()
        self._directory.clear()

    def unsent(self, name: str) -> int:
        """How many messages for an agent of another process wait here."""
        return len(self.registry[name].entry)

    async def is_alive(self, name: str) -> bool:
        """Whether an incarnation of the agent `name` runs, wherever that is."""
        if (child := self._children.get(name)) is not None:
            return child.alive
        if (group := self._relay.group(name)) is not None:
            return group.alive
        pool = self._children.pool_of(name)
        if pool is None or pool.peer is None:
            return await super().is_alive(name)
        try:
            return bool(await self.calls.call(pool.peer, "alive", name))
        except NodeDown:
            return False

    def owner_of(self, name: str) -> Parent | None:
        """The supervisor of an agent, wherever that runs; None for a name that is not there."""
        return self._children.pool_of(name) or super().owner_of(name)

    def close_door(self, *, replaces: bool = False) -> None:
        """Take no more work from outside; the members hear that the system stops, but for those that run on."""
        super().close_door()
        self._lead_handover.begin(asked=replaces)
        if self._lead_handover.active:
            self.roster.leave(replaces=replaces)
            self.mailboxes.pass_on()
        else:
            self.roster.stay()
            self.mailboxes.end()
        for each in self.roster.ending_peers():
            each.cast("stopping")

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        names = await super().matching(pattern) + await self._letters.awake(pattern)
        return names + [name for name in self.registry.groups if fnmatchcase(name, pattern)]

    async def drained(self) -> None:
        """Wait until no agent of any process handles a message or has one waiting."""
        while True:
            await super().drained()
            await self._letters.drained()
            if not await self.others.drained():
                if await self.mailboxes.is_empty():
                    return
                await asyncio.sleep(_LOOK)

    async def _spawn_for(
        self, peer: Peer, sender: str, supervisor: str | None, recipe: Mapping[str, Any]
    ) -> None:
        placed = Placed(check_recipe(recipe), peer.name, recipe=recipe)
        await dynamic_supervisor(self, sender, supervisor).start_child(placed)
