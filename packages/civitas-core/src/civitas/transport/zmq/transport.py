"""`ZmqTransport`: one ROUTER that receives, and one DEALER for each link."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import zmq

from civitas.errors import ConfigurationError
from civitas.launch import Fence
from civitas.message.large import Buffer
from civitas.transport.batches import link_ids, new_id, sender_of
from civitas.transport.contract import MAX_FRAME, CutOff, Detour, Link, Watch
from civitas.transport.looking import Shows
from civitas.transport.standing import Belongs
from civitas.transport.zmq.address import (
    SOCKET,
    bindable,
    free_socket,
    private_folder,
    split_run,
    with_run,
)
from civitas.transport.zmq.inbox import Inbox
from civitas.transport.zmq.keys import Keys
from civitas.transport.zmq.looking import ZmqLooking, look
from civitas.transport.zmq.neighbour import ZmqNeighbour
from civitas.transport.zmq.security import Doorkeeper, lock_client, lock_server
from civitas.transport.zmq.standing import ZmqStanding

__all__ = ["ZmqTransport"]

_BATCHES = 8
"""Batches that ZMQ holds for a link, on each side. What is urgent waits behind these at most."""

_HANDSHAKE = 2000
"""Milliseconds within which a connection must say who it is. A silent one takes a descriptor, and is closed then."""


@contextmanager
def _for_the_owner_alone() -> Iterator[None]:
    """What is made meanwhile is the owner's alone: a socket of ZMQ's has no mode that could be given."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _let_in_this_user_alone(socket: zmq.Socket[bytes]) -> None:
    """Have ZMQ look who connects; if it cannot, the mode of the socket and of its folder is what there is."""
    with suppress(zmq.ZMQError):
        socket.setsockopt(zmq.IPC_FILTER_UID, os.getuid())


class ZmqTransport:
    """Carries frames over ZMQ.

    Args:
        address: Where to be reached: ``tcp://HOST:PORT``, with a port of ``*`` for any that is free, or
            ``ipc:///PATH`` for a socket that this user alone may reach. None, the default, is one in a folder of its
            own, under a path that nobody can guess.
        keys: The keys of the system. All its nodes have the same, or none has any. An address that other machines can
            reach needs them.
        shared: Whether other machines have the keys, too; an address that they can reach needs that.
        node_timeout: Seconds without a connection after which a link is lost, above 0.
        folder: Where to make the socket for an address of None; the one for temporary files by default, and
            where this one's path is too long for a socket.

    Raises:
        ConfigurationError: On `open`: other nodes could not reach it, or everybody could.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        keys: Keys | None = None,
        shared: bool = True,
        node_timeout: float = 10.0,
        folder: Path | None = None,
    ) -> None:
        if not 0 < node_timeout < float("inf"):
            raise ConfigurationError(f"node_timeout must be seconds above 0; got {node_timeout!r}")
        self.address = ""
        self._wanted = address
        self._keys = keys
        self._secured = keys is not None and shared
        self._timeout = node_timeout
        self._above = folder
        self._folder: Path | None = None
        self._run = new_id()
        self._link_ids = link_ids(self._run)
        self._context: zmq.Context[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._doorkeeper: Doorkeeper | None = None
        self._inbox: Inbox | None = None
        self._others: dict[str, ZmqNeighbour] = {}
        self._belongs: Belongs = _unknown
        self._asking: ZmqStanding | None = None
        self._shows: Shows | None = None
        self._looking: ZmqLooking | None = None
        self._looks: set[asyncio.Task[bytes | None]] = set()

    async def open(self, receive: Callable[[Buffer], None], cut_off: CutOff | None = None) -> None:
        """Begin to receive; see `Transport.open`. There is no broker that could be away, so nobody is `cut_off`."""
        if self._wanted is None:
            self._folder = private_folder(self._above)
            endpoint, host = f"ipc://{self._folder / SOCKET}", None
        elif self._wanted.startswith("ipc:///"):
            endpoint, host = self._wanted, None
            free_socket(endpoint)
        else:
            endpoint, host = await bindable(self._wanted, secured=self._secured)
        # Made here and not earlier: a context does not survive a fork.
        self._context = zmq.Context()
        self._loop = asyncio.get_running_loop()
        try:
            if self._keys is not None:
                self._doorkeeper = Doorkeeper(self._context, self._keys)
            socket = self._socket(zmq.ROUTER)
            if self._keys is not None:
                lock_server(socket, self._keys)
            if endpoint.startswith("ipc:"):
                _let_in_this_user_alone(socket)
            try:
                with _for_the_owner_alone():
                    socket.bind(endpoint)
            except zmq.ZMQError as error:
                socket.close()
                raise ConfigurationError(
                    f"cannot be reached at {self._wanted or endpoint}: {os.strerror(error.errno or 0)}"
                    + ("; another program has the port" if error.errno == zmq.EADDRINUSE else "")
                ) from error
            bound = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
            if host is not None:
                bound = f"tcp://{host}:{bound.rpartition(':')[2]}"
            self.address = with_run(bound, self._run)
            self._inbox = Inbox(
                socket, self._run, receive, self._known, self._does_belong, self._looked
            )
            self._begin_to_show()
        except BaseException:
            await self.close()
            raise

    def connect(self, address: str) -> Link:
        """Make a link; see `Transport.connect`. An address without a run is that of whoever is there first."""
        return self._neighbour(address).connect()

    def watch(self, address: str, back: Callable[[], None], lost: Callable[[], None]) -> Watch:
        """Watch a node; see `Transport.watch`."""
        return self._neighbour(address).watch(back, lost)

    def detour(self, address: str, way: Detour) -> None:
        """Give another way to a node; see `Detouring`."""
        self._neighbour(address).detour = way

    def take_parcel(self, parcel: Sequence[bytes]) -> None:
        """Take what came by a detour; see `Detouring`."""
        if self._inbox is not None:
            self._inbox.take_parcel(parcel)

    def vouch(self, belongs: Belongs) -> None:
        """Answer those who ask whether they still belong to the system; see `Fencing.vouch`."""
        self._belongs = belongs

    def hold_by(self, fence: Fence, root: str) -> None:
        """Hold this node up whenever it may have been given up; see `Fencing.hold_by`."""

        def dealer() -> zmq.Socket[bytes]:
            socket = self._dealer()
            socket.immediate = True  # what cannot be sent now is not sent
            socket.connect(split_run(root)[0])
            return socket

        def is_connected() -> bool:
            neighbour = self._others.get(root)
            return neighbour is not None and neighbour.is_connected

        self._asking = ZmqStanding(fence, self._timeout, self.address, dealer, is_connected)

    def let_look(self, shows: Shows | None) -> None:
        """Answer those who look into this node from another machine; see `Looking`."""
        self._shows = shows
        if self._looking is not None:
            self._looking.shows = shows
        elif shows is not None:
            self._begin_to_show()

    def _begin_to_show(self) -> None:
        # Whoever reaches it by a socket of this machine has other ways to look.
        if self._shows is not None and self._inbox is not None and self.address.startswith("tcp:"):
            self._looking = ZmqLooking(self._inbox, self._shows)

    def _looked(self, sender: bytes, question: bytes) -> None:
        if self._looking is not None:
            self._looking.take(sender, question)

    async def look(self, address: str | None, question: bytes, within: float) -> bytes | None:
        """Ask a node; see `Looking`. All at once cannot be asked, as there is nobody who knows them all."""
        if address is None or self._context is None or not address.startswith("tcp:"):
            return None  # by a socket of this machine nobody shows anything
        asking = look(self._dealer(), split_run(address)[0], question, within)
        if asyncio.get_running_loop() is not self._loop:
            return await asking
        task = asyncio.ensure_future(asking)
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)
        try:
            await asyncio.wait({task})
            return None if task.cancelled() else task.result()
        finally:
            task.cancel()

    def _does_belong(self, address: str) -> bool | None:
        if (neighbour := self._others.get(address)) is not None:
            neighbour.lives()
        return self._belongs(address)

    async def pump(self) -> None:
        """Hand over everything that has arrived already."""
        if self._inbox is not None:
            self._inbox.pump()

    async def close(self) -> None:
        """End all links and stop receiving."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()
        for task in list(self._looks):
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        looking, self._looking = self._looking, None
        if looking is not None:
            await looking.close()
        for neighbour in list(self._others.values()):
            neighbour.close()
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
        doorkeeper, self._doorkeeper = self._doorkeeper, None
        if doorkeeper is not None:
            doorkeeper.close()
        context, self._context = self._context, None
        if context is not None:
            context.term()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _known(self) -> set[bytes]:
        """The senders that this node has links to, and so knows."""
        links = (link for each in self._others.values() for link in each.links)
        return {sender_of(link.run) for link in links}

    def _neighbour(self, address: str) -> ZmqNeighbour:
        """The node at an address."""
        neighbour = self._others.get(address)
        if neighbour is None:
            endpoint, run = split_run(address)
            neighbour = self._others[address] = ZmqNeighbour(
                endpoint,
                run,
                dealer=self._dealer,
                ids=self._link_ids,
                timeout=self._timeout,
                over=lambda neighbour: self._over(address, neighbour),
            )
        return neighbour

    def _over(self, address: str, neighbour: ZmqNeighbour) -> None:
        if self._others.get(address) is neighbour:
            del self._others[address]

    def _dealer(self) -> zmq.Socket[bytes]:
        socket = self._socket(zmq.DEALER)
        if self._keys is not None:
            lock_client(socket, self._keys)
        return socket

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        if self._context is None:
            raise ConfigurationError("the transport is not open; call open() first")
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        milliseconds = max(1, round(self._timeout * 1000))
        socket.linger = 0
        socket.ipv6 = True
        socket.sndhwm = _BATCHES
        socket.rcvhwm = _BATCHES
        socket.maxmsgsize = MAX_FRAME + 1024
        socket.handshake_ivl = min(milliseconds, _HANDSHAKE)
        socket.connect_timeout = milliseconds
        socket.reconnect_ivl = 20
        socket.reconnect_ivl_max = 500
        return socket


def _unknown(address: str) -> bool | None:
    return None
