"""Whether other nodes can be reached: each shows several times in a node timeout that it lives.

That happens in a thread and over a connection of its own, so that neither a handler that blocks the event loop nor a
flood of frames makes a node look dead.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.connection import Connection
from civitas.transport.batches import ANY_RUN
from civitas.transport.nats.address import Subjects
from civitas.transport.nats.looking import NatsLooking, look
from civitas.transport.nats.office import Office, signed
from civitas.transport.nats.standing import NatsStanding, Vouching

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["NatsPulse", "WatchedNode"]

log = logging.getLogger("civitas.transport")

_BEATS = 10
"""So often in a node timeout."""
_SELDOM = 1.0
"""Seconds between two beats at most."""
_MISSED = 3
"""After so many a node was away for a while."""
_PROGRESS_EVERY = 10.0
"""Seconds between two times that the server hears of what is still being handled."""
_PROGRESS = b"+WPI"


@dataclass(slots=True, eq=False)
class WatchedNode:
    """A node that is watched.

    Attributes:
        token: Where it shows that it lives.
        run: Which run of it; `ANY_RUN` until the first has been heard.
        back: Called in the event loop of the transport when it is heard after it was not for a while.
        lost: Called there once, with the reason, when it is lost.
        heard: When it was heard last, or the watch began, by the clock of the thread.
        term: Of a root, the one it showed last.
        over: Whether nobody wants to know any more.
    """

    token: str
    run: bytes
    back: Callable[[], None]
    lost: Callable[[str], None]
    heard: float = 0.0
    term: int = 0
    over: bool = False


class NatsPulse:
    """Shows that a node lives, and watches others.

    Args:
        options: How to reach the server.
        subjects: Of the system.
        token: Of this node.
        run: Of this node.
        timeout: Seconds without a sign after which a node is lost.
        office: Of the root; None for any other node.
        handles: The subjects at which the server wants to hear of what is still being handled; called in the thread.
        keeps: Whether a node that cannot reach the root goes on.

    Attributes:
        asking: Whether this node still belongs to the system, if it is not the root.
        vouching: Whether others do, if it is.
        looking: Those who look into this node.
    """

    def __init__(
        self,
        options: NatsOptions,
        subjects: Subjects,
        token: str,
        run: bytes,
        timeout: float,
        office: Office | None = None,
        handles: Callable[[], list[str]] = list,
        *,
        keeps: bool = False,
    ) -> None:
        self._subjects = subjects
        self._token = token
        self._run = run
        self._timeout = timeout
        self._interval = min(timeout / _BEATS, _SELDOM)
        self._watched: set[WatchedNode] = set()
        self._subscriptions: dict[WatchedNode, Any] = {}
        self._down_since: float | None = None
        self._looked_at = 0.0
        self._office = office
        self._shown = asyncio.Event()
        self._handles = handles
        self._told_progress = 0.0
        self._asks: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connection = Connection(
            options,
            name=f"civitas {token} pulse",
            inbox=subjects.inbox,
            subscribe=self._subscribe_all,
            up=self._up,
            down=self._down,
            heard=None if office is None else office.heard,
            silence=min(6.0, timeout),
        )
        self.asking = NatsStanding(subjects, token, run, timeout, keeps=keeps, client=self._client)
        self.looking = NatsLooking(
            subjects, token, may=lambda: office is None or office.acts(), client=self._client
        )
        self.vouching: Vouching | None = None
        if office is not None:
            self.vouching = Vouching(
                subjects,
                may=office.acts,
                asked=self._lives,
                client=self._client,
                outside=self._tell,
                inside=self._call,
            )
        self._outside = asyncio.get_running_loop()
        self._inside: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._opened: asyncio.Future[None] = self._outside.create_future()
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    # Called in the loop of the transport.

    async def open(self, patience: float | None) -> None:
        """Begin; a root waits until it has its office.

        Raises:
            ConfigurationError: The server cannot be reached, or there is a root already and this is another.
        """
        self._thread = threading.Thread(
            target=self._run_thread, args=(patience,), name="civitas-nats-pulse", daemon=True
        )
        self._thread.start()
        await self._opened

    def show(self) -> None:
        """Show from now on that this node lives, as it can receive what comes for it then."""
        self._call(self._shown.set)

    def watch(
        self, token: str, run: bytes, back: Callable[[], None], lost: Callable[[str], None]
    ) -> WatchedNode:
        """Watch a node."""
        watched = WatchedNode(token, run, back, lost)
        self._call(self._begin, watched)
        return watched

    def unwatch(self, watched: WatchedNode) -> None:
        """Watch it no more."""
        watched.over = True
        self._call(self._end, watched)

    async def look(self, token: str | None, question: bytes, within: float) -> bytes | None:
        """Look into another node, in whichever event loop this is called; see `Looking.look`."""
        inside = self._inside
        if inside is None or inside.is_closed():
            return None
        looking = look(self._client, self._subjects.looks(token), question, within)
        asking = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(looking, inside))
        try:
            await asyncio.wait({asking}, timeout=within)
            # The thread may end meanwhile, and that with it: nobody is cancelled here for that.
            return asking.result() if asking.done() and not asking.cancelled() else None
        finally:
            asking.cancel()

    async def close(self) -> None:
        """End the thread. May be called twice, and without `open`."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._call(self._stop.set)
        await self._ended.wait()
        thread.join()

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        if self._inside is not None:
            with suppress(RuntimeError):  # its loop has ended
                self._inside.call_soon_threadsafe(function, *arguments)

    # Called in the thread.

    def _run_thread(self, patience: float | None) -> None:
        try:
            with asyncio.Runner() as runner:
                self._inside = runner.get_loop()
                runner.run(self._live(patience))
        except BaseException as error:
            if self._opened.done():
                log.exception("this node does not show any more that it lives")
            self._tell(self._set_opened, error)
        finally:
            self._tell(self._ended.set)

    def _set_opened(self, error: BaseException | None) -> None:
        if not self._opened.done():
            if error is None:
                self._opened.set_result(None)
            else:
                self._opened.set_exception(error)

    def _tell(self, function: Callable[..., object], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop outside has been closed
            self._outside.call_soon_threadsafe(function, *arguments)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _live(self, patience: float | None) -> None:
        opening = asyncio.ensure_future(self._open(patience))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                return
            opening.result()
            self._tell(self._set_opened, None)
            shown = self._spawn(self._shown.wait())
            await asyncio.wait({shown, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._looked_at = self._now()
            while not self._stop.is_set():
                await self._beat()
                self._look()
                if self.asking.is_in_doubt and (self._asks is None or self._asks.done()):
                    self._asks = self._spawn(self.asking.ask(self._timeout / 2))
                await asyncio.wait({stopping}, timeout=self._interval)
        finally:
            for task in (opening, stopping, *self._tasks):
                task.cancel()
            await asyncio.gather(opening, stopping, *self._tasks, return_exceptions=True)
            await self.looking.close()
            if self._office is not None:
                await self._office.leave()
            await self._connection.close()

    async def _open(self, patience: float | None) -> None:
        await self._connection.open(patience)
        if self._office is not None:
            await self._office.take(self._connection, patience)

    async def _beat(self) -> None:
        client, office = self._connection.client, self._office
        # Nobody may take this one for the root before it is, or when it is not any more.
        if client is None or not self._shown.is_set() or not (office is None or office.holds()):
            return
        with suppress(Exception):  # the next one comes soon
            shows = self._run if office is None else office.sign
            left_at = time.monotonic()
            await client.publish(self._subjects.beats(self._token), shows)
            await self.asking.prove(client, left_at)
            if self._now() - self._told_progress >= _PROGRESS_EVERY:
                self._told_progress = self._now()
                for handle in self._handles():
                    await client.publish(handle, _PROGRESS)

    def _lives(self, token: str) -> None:
        for watched in self._watched:
            if watched.token == token:
                watched.heard = self._now()

    def _client(self) -> Client | None:
        return self._connection.client

    def _look(self) -> None:
        now = self._now()
        late = now - self._looked_at > _MISSED * self._interval
        self._looked_at = now
        for watched in list(self._watched):
            if late:  # this thread was held up itself, and has yet to read what arrived meanwhile
                watched.heard = max(watched.heard, now - self._timeout + _MISSED * self._interval)
            if self._silence_of(watched) >= self._timeout:
                self._lose(watched, f"it could not be reached for {self._timeout:g} s")

    def _silence_of(self, watched: WatchedNode) -> float:
        since = watched.heard
        if self._down_since is not None:
            since = max(since, self._down_since)  # nobody can be heard: that is nobody's death
        if watched.term:  # a root that another may follow has counted since its last word from here
            since = min(since, watched.heard + self._interval)
        return self._now() - since

    def _lose(self, watched: WatchedNode, why: str) -> None:
        self._end(watched)
        if not watched.over:
            watched.over = True
            self._tell(watched.lost, why)

    def _begin(self, watched: WatchedNode) -> None:
        watched.heard = self._now()
        self._watched.add(watched)
        if (client := self._connection.client) is not None:
            self._spawn(self._subscribe(client, watched))

    def _end(self, watched: WatchedNode) -> None:
        self._watched.discard(watched)
        subscription = self._subscriptions.pop(watched, None)
        if subscription is not None:
            self._spawn(_unsubscribe(subscription))

    def _up(self) -> None:
        now = self._now()
        if self._down_since is not None:
            self._down_since = None
            for watched in self._watched:  # the others, too, have to find back
                watched.heard = max(watched.heard, now - self._timeout / 2)
        self.asking.connected()
        self._spawn(self._beat())

    def _down(self) -> None:
        if self._down_since is None:
            self._down_since = self._now()

    async def _subscribe_all(self, client: Client) -> None:
        self._subscriptions.clear()
        if self._office is not None:
            await self._office.subscribe(client)
        if self.vouching is not None:
            await self.vouching.subscribe(client)
        await self.asking.subscribe(client)
        await self.looking.subscribe(client)
        for watched in list(self._watched):
            await self._subscribe(client, watched)

    async def _subscribe(self, client: Client, watched: WatchedNode) -> None:
        async def heard(message: Msg) -> None:
            self._heard(watched, *signed(bytes(message.data)))

        subscription = await client.subscribe(self._subjects.beats(watched.token), cb=heard)
        if watched in self._watched:
            self._subscriptions[watched] = subscription
        else:
            await _unsubscribe(subscription)

    def _heard(self, watched: WatchedNode, run: bytes, term: int) -> None:
        if watched not in self._watched or term < watched.term:
            return  # what a root says that does not lead any more counts for nothing
        if 0 < watched.term < term and watched.run != ANY_RUN:
            return  # another root leads now, which takes over whom this one knows
        watched.term = term
        if watched.run == ANY_RUN:
            watched.run = run
        elif watched.run != run:
            self._lose(watched, "another node has started in its place")
            return
        was_away = self._now() - watched.heard > _MISSED * self._interval
        watched.heard = self._now()
        if was_away:
            self._tell(watched.back)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _unsubscribe(subscription: Any) -> None:
    with suppress(Exception):  # the connection is gone, and it with that
        await subscription.unsubscribe()
