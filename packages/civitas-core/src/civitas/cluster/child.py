"""A child that runs in another OS process, as its supervisor sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.cluster.elsewhere import Facts
from civitas.errors import NodeDown, StartFailed
from civitas.process import SHUTDOWN, ExitReason, RestartType, Status
from civitas.supervision import Placed

if TYPE_CHECKING:
    from civitas.cluster.peers import Peer
    from civitas.cluster.root import RootNode

__all__ = ["RemoteChild"]


class RemoteChild:
    """An agent or a conversation pool of a member, from its supervisor's side.

    Start, stop and exit are messages; whatever the process does meanwhile, its end ends every wait.

    Args:
        spec: What the topology says.
        root: The root node.
    """

    def __init__(self, spec: Placed, root: RootNode) -> None:
        self.name = spec.name
        self.kind = spec.kind
        self.spec = spec
        self.status = Status.STARTING
        self.restarts = 0
        self.restart: RestartType = spec.restart
        self._root = root
        self._peer: Peer | None = None
        self._run = 0
        self._ended: ExitReason | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None
        self._options: dict[str, Any] = {}
        self._closed = ""
        self._failed: StartFailed | None = None

    @property
    def node(self) -> str:
        """The OS process that it runs in."""
        return self.spec.process

    @property
    def pid(self) -> int | None:
        """Of that process; None while it is down."""
        return self._root.pid_of(self.node)

    @property
    def children(self) -> list[Any]:
        """The conversations of a pool are known where it runs."""
        return []

    @property
    def available(self) -> bool:
        """Whether its process is there, so that a start need not wait for that."""
        return self._root.is_up(self.node)

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when its process is there, or has failed to start: then `start` says so."""

        def tried(failed: StartFailed | None) -> None:
            self._failed = failed
            callback()

        self._root.when_up(self.node, tried)

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start it and wait until it is ready; its process is started first, where it is down."""
        self.status = Status.STARTING
        self._run += 1
        self._ended = None
        self._on_exit = None
        self._closed = ""
        failed, self._failed = self._failed, None
        if failed is not None:
            raise StartFailed(self.name, failed.cause) from failed
        try:
            self._peer = await self._root.ready(self.node)
            self._options = await self._root.calls.call(
                self._peer, "start", self.name, self._run, self.spec.plain()
            )
        except StartFailed as error:
            raise StartFailed(self.name, error.cause) from error
        except NodeDown as error:
            self._peer = None
            raise StartFailed(self.name, error) from error
        except Exception as error:
            raise StartFailed(self.name, error) from error
        self.restart = RestartType(self._options.get("restart", self.restart))
        self._on_exit = on_exit
        self.status = Status.RUNNING
        self._announce()
        self._tell_end()

    def _tell_end(self) -> None:
        """Where it ended in the same breath in which it started."""
        if self._ended is not None:
            self.ended(self._run, self._ended)

    def ended(self, run: int, reason: ExitReason) -> None:
        """An incarnation ended by itself, or with its process."""
        if run != self._run or (self._on_exit is None and self.status is not Status.STARTING):
            return
        self._ended = reason
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            self._root.exited(self.name, reason)
            on_exit(reason)

    def node_is_down(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone; it may be the one that this ran in."""
        if self._peer is peer:
            self._peer = None
            self._announce()
            self.ended(self._run, reason)

    async def stop(self) -> None:
        """End it, within its shutdown timeout."""
        self._on_exit = None
        peer = self._peer
        if peer is None:
            return
        self.status = Status.STOPPING
        try:
            await self._root.calls.call(peer, "stop", self.name)
        except NodeDown:
            return
        self._root.exited(self.name, SHUTDOWN)

    def wait_for_restart(self) -> None:
        """It is down and will be started again: what is sent to it waits."""
        self.status = Status.RESTARTING
        self._closed = ""
        self._cast("hold")
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
        self._root.forget(self.name)

    def _cast(self, what: str, *arguments: Any) -> None:
        if self._peer is not None:
            self._peer.cast(what, self.name, *arguments)

    def _announce(self) -> None:
        options = self._options
        self._root.announce(
            Facts(
                self.name,
                self.node,
                self._peer.boot if self._peer is not None and options else None,
                self.kind,
                options.get("size", 1000),
                options.get("delivery", "at_most_once"),
                options.get("max_deliveries", 3),
                self._closed,
            )
        )
