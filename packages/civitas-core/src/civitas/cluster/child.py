"""A child that runs in another OS process, as its supervisor sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from civitas.cluster.facts import Facts
from civitas.cluster.failures import load_reason, node_down
from civitas.cluster.root_services import RootServices
from civitas.errors import NodeDown, StartFailed
from civitas.process import ChildKind, Delivery, ExitReason, RestartType, Status
from civitas.process.schedule import Schedule
from civitas.state.in_memory import is_new
from civitas.supervision import Parent, Placed
from civitas.supervision.policy import status_after

if TYPE_CHECKING:
    from civitas.cluster.peers import Peer

__all__ = ["RemoteChild"]

_STUCK_AFTER = 5.0
"""Seconds for a process to answer, beyond those that an agent may take to stop."""


class RemoteChild:
    """An agent of a member, from its supervisor's side.

    Start, stop and exit are messages; whatever the process does meanwhile, its end ends every wait.

    Args:
        spec: What the topology says.
        root: The root.
        owner: Its supervisor.
    """

    def __init__(self, spec: Placed, root: RootServices, owner: Parent) -> None:
        self.name = spec.name
        self.kind = spec.kind
        self.spec = spec
        self.node = spec.process
        """The OS process that it runs in."""
        self.status = Status.STARTING
        self.restarts = 0
        self.restart: RestartType = spec.restart
        self._root = root
        self._member = root.roster[spec.process]
        self._plain = {**spec.plain(), "owner": owner.name}
        self._peer: Peer | None = None
        self._run = 0
        self._ended: ExitReason | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None
        self._options: dict[str, Any] = {}
        self._mailbox = ""
        self._closed = ""
        self._untold = True
        """Whether others do not know yet what is known here."""
        self._failed: StartFailed | None = None
        self.left_by: ExitReason | None = None
        """Why the incarnation ended that the last root had, if it did so while none led."""
        self._runs_on = False
        self._is_scheduled = False
        self.paused = False
        """Whether it takes no messages until it may go on."""
        self._reported: Any = 0
        """What its process said last of its mailbox."""

    @property
    def pid(self) -> int | None:
        """Of that process; None while it is down."""
        return self._member.pid

    @property
    def peer(self) -> Peer | None:
        """The process that it runs in; None while that is down."""
        return self._peer

    @property
    def alive(self) -> bool:
        """Whether an incarnation of it runs."""
        running = (Status.STARTING, Status.RUNNING, Status.STOPPING)
        return self._peer is not None and self.status in running and self._ended is None

    @property
    def runs_on(self) -> bool:
        """Whether the incarnation that another root started runs on, or nothing else is known yet."""
        return self._runs_on or self._member.is_in_doubt

    def is_awake(self, conversation: str) -> bool:
        """An agent has no conversations of its own."""
        return False

    @property
    def mailbox_depth(self) -> int:
        """How many messages wait for it, as its process said a moment ago; while that is down, those sent from here."""
        if self._peer is None:
            return self._root.tree.unsent(self.name) if not self._closed else 0
        return int(self._reported)

    @property
    def children(self) -> list[Any]:
        """What is below it."""
        return []

    def reported(self, facts: Any) -> None:
        """Its process says what waits there."""
        self._reported = facts

    async def pause(self, paused: bool) -> None:
        """Let it take no messages behind the one in hand, or go on; also when it, or its process, was started again."""
        self.paused = paused
        if self._peer is not None:
            await self._root.calls.call(self._peer, "pause", self.name, paused)

    @property
    def available(self) -> bool:
        """Whether its process is there, so that a start need not wait for that."""
        return self._member.host is not None

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when its process is there, or has failed to start: then `start` says so."""

        def tried(failed: StartFailed | None) -> None:
            self._failed = failed
            callback()

        self._root.starting.when_up(self.node, tried)

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start it and wait until it is ready; its process is started first, if it is down."""
        self.status = Status.STARTING
        self._run += 1
        self._on_exit = None
        if self._closed:
            self._closed, self._untold = "", True
        failed, self._failed = self._failed, None
        if failed is not None:
            raise self._not_started(failed.cause, failed.incident) from failed
        if self._member.taken_over and self._member.is_in_doubt:
            self._start_later(on_exit)
            return
        if self._member.was_left and self._run == 1:
            self._start_down(on_exit)
            return
        peer: Peer | None = None
        try:
            peer = await self._root.starting.ready(self._member)
            if peer is not self._peer:
                self._peer, self._untold = peer, True
            options = await self._start_there(peer)
            mailbox = ""
            if options["delivery"] != Delivery.AT_MOST_ONCE:
                family = self.spec.family
                mailbox = await self._root.grant(self.name, self.kind, options, peer, family)
        except StartFailed as error:
            raise self._not_started(error.cause, error.incident) from error
        except NodeDown as error:
            self._peer = None
            raise self._not_started(error, peer.incident if peer is not None else "") from error
        except Exception as error:
            raise StartFailed(self.name, error) from error
        if (options, mailbox) != (self._options, self._mailbox):
            self._options, self._mailbox, self._untold = options, mailbox, True
            self.restart = RestartType(options.get("restart", self.restart))
        self._on_exit = on_exit
        self.status = Status.RUNNING
        if self._untold:
            self._announce()
        if self._ended is not None:  # in the same breath in which it started
            self._on_exit = None
            on_exit(self._ended)

    def _start_later(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Let the siblings start: its process has not shown yet that it is there, and it may be running."""
        self._on_exit = on_exit
        self._peer = self._member.peer
        self.status = Status.RESTARTING
        self._root.starting.look_after(self._start_when_sure(self._run))

    def _start_down(self, on_exit: Callable[[ExitReason], None]) -> None:
        """It has crashed with its process, while no root led."""
        self._on_exit = on_exit
        self.status = Status.RESTARTING
        reason = node_down(self.node, f"{self.node} was left", "it ended while no root led")
        asyncio.get_running_loop().call_soon(self.has_exited, self._run, reason)

    async def _start_when_sure(self, run: int) -> None:
        hosts, peer = self._member.hosts, self._member.peer
        if hosts is None or peer is None:
            return
        with suppress(NodeDown):
            await asyncio.shield(hosts)
        if self._run != run or self._peer is not peer or peer.gone:
            return  # it was stopped meanwhile, or its process is down, and its supervisor knows
        try:
            self._options = await self._start_there(peer)
        except (StartFailed, NodeDown) as error:
            cause = error.cause if isinstance(error, StartFailed) else error
            self.has_exited(run, ExitReason.crashed(cause))
            return
        self.status = Status.RUNNING
        self._announce()

    async def _start_there(self, peer: Peer) -> dict[str, Any]:
        """Let its process start it, within the `start_timeout` of that; returns the options it has there.

        Raises:
            StartFailed: Its `on_start` did not return in time.
        """
        self._ended = None
        limit = self._member.options.start_timeout
        new = is_new(self._root.tree.store, self.name)
        if "budgets" not in self._plain:  # its supervisors are known now, and stay the same
            self._plain["budgets"] = self._root.tree.budgets.plain_above(self.name)
        spec = {**self._plain, "new": new, "paused": self.paused}
        try:
            async with asyncio.timeout(limit):
                options: dict[str, Any] = await self._root.calls.call(
                    peer, "start", self.name, self._run, spec
                )
        except TimeoutError:
            with suppress(NodeDown):
                await self._root.calls.call(peer, "stop", self.name, "")
            late = TimeoutError(
                f"its on_start did not return within the start_timeout of process {self.node!r}, {limit:g} s. Find out "
                "what it waits for, or raise that start_timeout"
            )
            raise StartFailed(self.name, late) from None
        conversations = options.pop("conversations", None)
        self._runs_on = conversations is not None  # it ran before this root led
        for conversation in conversations or ():
            self._root.has(self.spec.family, self.name, conversation)
        if (left_by := options.pop("left_by", None)) is not None:
            self.left_by = load_reason(left_by)
            self._root.tree.exited(self.name, self.left_by)
        plain = options.pop("schedule", None)
        if plain is not None or self._is_scheduled:
            schedule = None if plain is None else Schedule.of_plain(plain)
            self._root.tree.scheduler.plan(self.spec.family or self.name, schedule)
            self._is_scheduled = schedule is not None
        return options

    def _not_started(self, cause: BaseException, incident: str) -> StartFailed:
        """Its process kept it from starting, and others perhaps."""
        error = StartFailed(self.name, cause)
        error.incident = incident
        return error

    def has_exited(self, run: int, reason: ExitReason) -> None:
        """An incarnation has exited: whoever watches it, or what it stands behind, is told, and its supervisor."""
        self._runs_on = False
        self._root.tree.exited(self.name, reason)
        if self.spec.family:
            self._root.tree.exited(self.spec.family, reason)
        if run != self._run or (self._on_exit is None and self.status is not Status.STARTING):
            return
        self._ended = reason
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(reason)

    def rests(self) -> None:
        """Another version takes over: a durable agent ends for that, and is not to be started again here."""
        if self._options.get("delivery") == Delivery.DURABLE and not self._member.runs_on:
            self._on_exit = None

    def lost(self, peer: Peer, reason: ExitReason) -> None:
        """Show that a process is gone, which may be the one that this ran in; `node_is_down` follows."""
        if self._peer is peer:
            self._reported = 0
            if self.status is Status.RUNNING:
                self.status = status_after(self.restart, reason)

    def node_is_down(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone; it may be the one that this ran in."""
        if self._peer is peer:
            self._peer = None
            self._announce()
            self.has_exited(self._run, reason)

    async def stop(self, why: str = "") -> None:
        """End it, within its shutdown timeout."""
        self._on_exit = None
        peer = self._peer
        if peer is None or self._member.runs_on:
            return
        self.status = Status.STOPPING
        timeout = self._options.get("shutdown_timeout", 0.0)
        try:
            async with asyncio.timeout(None if timeout is None else timeout + _STUCK_AFTER):
                await self._root.calls.call(peer, "stop", self.name, why)
        except NodeDown:
            pass
        except TimeoutError:
            # Its process cancels it in time, if anything runs there at all.
            self._root.end(peer, f"it did not end {self.name!r} in time: its event loop is stuck")

    def refuse_asks(self, why: str) -> None:
        """It is about to be stopped for good: let its process refuse the asks that wait in its mailbox."""
        self._cast("refuse_asks", why)

    def wait_for_restart(self) -> None:
        """It is down and will be started again: what is sent to it waits."""
        self.status = Status.RESTARTING
        if self._closed or self._ended is None or self.kind is not ChildKind.AGENT:
            self._cast("hold")  # an agent that ended by itself waits already
        if self._closed:
            self._closed, self._untold = "", True
        if self._untold:
            self._announce()

    def close(self, status: Status, why: str) -> None:
        """It is down and stays down: what is sent to it is refused."""
        self.status = status
        self._closed = why
        self._cast("close", why)
        self._announce()

    def discard(self) -> None:
        """Its spec is gone: forget its name."""
        self._cast("discard")
        self._root.tree.forget(self.name)

    def _cast(self, what: str, *arguments: Any) -> None:
        if self._peer is not None and not self._member.runs_on:
            self._peer.cast(what, self.name, *arguments)

    def _announce(self) -> None:
        if self._member.runs_on:
            return
        self._untold = False
        options = self._options
        self._root.announce(
            Facts(
                self.name,
                self.node,
                self._peer.boot if self._peer is not None and options else None,
                self.kind,
                options.get("size", 1000),
                options.get("delivery", self.spec.delivery),
                options.get("max_deliveries", self.spec.max_deliveries),
                self._closed,
                options.get("max_live", 0),
                self.spec.family,
                self._mailbox or self._root.mailbox_of(self.name),
                options.get("gives_up", False),
            )
        )
