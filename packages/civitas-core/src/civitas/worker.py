"""A worker: the program of an OS process that hosts agents of a topology.

The root starts most of them (`main`). One with `start: false` is started by somebody else, and finds the root by what
the topology says (`work_elsewhere`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from civitas.cluster.looking import ViewServer
from civitas.cluster.member import MemberNode
from civitas.cluster.seal import Seal
from civitas.errors import CivitasError
from civitas.launch import (
    Fence,
    FencedLoop,
    HangWatchdog,
    Lifeline,
    SharedSignals,
    end_soon,
    ends_with_starter,
    fence_of,
    go_on_when_told,
    inherit,
    read_boot,
    short_pauses,
)
from civitas.node.view import View
from civitas.node.window import Window
from civitas.plugins import PluginManager
from civitas.process import AgentProcess
from civitas.process.built_late import BuiltLate
from civitas.supervision import ConversationPool
from civitas.telemetry.forwarding import Forwarder
from civitas.telemetry.readable import ReadableFormatter
from civitas.telemetry.setup import setup_from_environment
from civitas.telemetry.tracing import Tracing
from civitas.topology.building import retention_of
from civitas.topology.grammar import Topology
from civitas.topology.handover import digest_of, taken_over
from civitas.topology.links import Links, serializer_of
from civitas.topology.members import AgentMaker, make_parts
from civitas.topology.state_folder import window_of, windows_of
from civitas.transport import Access
from civitas.transport.presence import show
from civitas.transport.standing import Fencing

__all__ = ["main", "work", "work_elsewhere"]

logger = logging.getLogger("civitas")

_status = 0
_LAST_LINE = 0.5
"""Seconds for the last line of a process that may do nothing more."""
_PAUSE = 0.2
"""Seconds before a worker looks for the next root, which may not be gone altogether."""


def main() -> None:
    """Run as a process that the root started."""
    global _status
    boot, pipe = read_boot()
    boot["topology"] = taken_over(boot["topology"])
    if "waits" in boot:
        os.set_inheritable(boot["waits"], False)
    else:
        inherit(boot["held"], boot["console"])
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, but behind what this module imports
    sys.path[:0] = [each for each in boot["path"] if each not in sys.path]
    handler = logging.StreamHandler()
    handler.setFormatter(ReadableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=boot["log_level"], handlers=[handler])
    try:
        with short_pauses(), asyncio.Runner(loop_factory=FencedLoop) as runner:
            fence = fence_of(runner.get_loop())
            assert fence is not None  # it is our loop
            fence.on_lost = partial(_given_up, boot["name"])
            fence.check_when_continued()
            runner.run(work(boot, pipe))
    except CivitasError as error:
        _status = 1
        sys.exit(f"error: {error}")


async def work(boot: Mapping[str, Any], pipe: int) -> None:
    """Host agents until the root says that it is over, or is gone.

    Args:
        boot: What `RootNode` tells its processes.
        pipe: The lifeline to the root.

    Raises:
        ConfigurationError: The root refused this process, or is not there.
    """
    signals = SharedSignals()
    worker = _Worker(boot)
    if (waits := boot.get("waits")) is not None:
        with ends_with_starter(pipe):
            worker.maker.prepare(boot["name"])
        worker.boot = boot = {**boot, **go_on_when_told(waits, pipe)}
        inherit(boot["held"], boot["console"])
    try:
        async with worker.life() as life:
            life.node.on_system_stop = signals.system_stops
            lifeline = Lifeline(
                pipe,
                lambda: life.node.root_is_gone("the root is gone"),
                outlives=boot["outlives"],
                console=boot["console"],
            )
            life.node.on_taken_over = lifeline.cut
            go_on, signals_too = life.node.on_handed_over, signals.system_stops

            def handed_over() -> None:
                if signals.received:  # all processes of this service are to end
                    signals_too()
                    life.node.end("")
                else:
                    go_on()

            life.node.on_handed_over = handed_over
            await life.enter()
            await life.last()
            if life.why:
                logger.warning("process %r is ending: %s", life.node.name, life.why)
    finally:
        await worker.close()
        end_soon(boot["name"], lambda: _status)
    if life.why:
        _leave(1)  # blocking code in threads would keep it, and go on beside the next root's agents


async def work_elsewhere(
    topology: Topology,
    name: str,
    root: str,
    stop: asyncio.Future[Any],
    tell: Callable[[str, str], None],
    hang_timeout: float | None,
    make_room: Callable[[], Awaitable[None]],
    *,
    stands_by: bool = False,
) -> None:
    """Host the agents of a process with `start: false`, for one root after another, until told to stop.

    Args:
        topology: Of the system.
        name: Of the process.
        root: The address of the root.
        stop: Done when this process is to finish what it has, and leave.
        tell: Called with a word and a text: `waiting`, `standby`, `joined`, `left`.
        hang_timeout: Seconds that the event loop may be stuck; None for any time.
        make_room: Called before it joins a root; returns when that root knows the process.
        stands_by: Whether it waits, with its agents made, while there is another process of its name.

    Raises:
        ConfigurationError: The root refused this process, or there is no token by which it could know it.
    """
    boot = {
        "topology": topology,
        "name": name,
        "root": root,
        "token": "",
        "access": None,
        "in_hand": None,
        "hang_timeout": hang_timeout,
        "agent_classes": {},
        "plugins": (),
        "root_has": (),
        "stands_by": stands_by,
    }
    worker = _Worker(boot)
    if stands_by:
        worker.maker.prepare(name)
    try:
        while not stop.done():
            tell("waiting", f"for the root at {root}")
            async with worker.life() as life:
                life.node.waits_for_place(lambda who: tell("standby", who))
                entering = asyncio.create_task(_enter(life, make_room))
                try:
                    await asyncio.wait({entering, stop}, return_when=asyncio.FIRST_COMPLETED)
                    if not entering.done():
                        return
                    entering.result()
                finally:
                    entering.cancel()
                    await asyncio.wait({entering})
                tell("joined", f"the root at {root}")
                await life.last(stop)
                if stop.done():
                    await life.finish(topology.runtime.drain_timeout)
                    return
            tell("left", life.why or "the root stopped")
            await asyncio.wait({stop}, timeout=_PAUSE)
    finally:
        await worker.close()


async def _enter(life: _Life, make_room: Callable[[], Awaitable[None]]) -> None:
    await make_room()
    await life.enter()


class _Worker:
    """What outlives a root: the modules, the plugins, the telemetry."""

    def __init__(self, boot: Mapping[str, Any]) -> None:
        self.boot = boot
        self.watchdog = HangWatchdog(boot["hang_timeout"])
        self.fence = fence_of(asyncio.get_running_loop())
        if self.fence is not None:
            self._hold_up_by(self.fence)
        self.plugins = PluginManager([import_module(each) for each in boot["plugins"]])
        self.plugins.load()
        self.maker = AgentMaker(
            boot["topology"],
            boot["agent_classes"],
            self.plugins,
            self.watchdog,
            boot.get("transport"),
        )
        self.links = Links(self.maker.topology, self.plugins)
        told = boot["access"]
        self.windows = windows_of(self.maker.topology)
        self.access = self.links.access() if told is None else Access(told["token"], told["keys"])
        self.telemetry = setup_from_environment()
        self.forwarder = Forwarder()

    def life(self) -> _Life:
        return _Life(self)

    def _hold_up_by(self, fence: Fence) -> None:
        """A loop that is held up on purpose is not stuck."""
        others = fence.on_held_up

        def held_up() -> None:
            self.watchdog.put_off()
            others()

        fence.on_held_up = held_up

    async def close(self) -> None:
        await asyncio.to_thread(self.telemetry.flush)


class _Life:
    """One membership of a system, from joining to leaving."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        boot, topology = worker.boot, worker.maker.topology
        tracing = Tracing()
        tracing.redact = worker.plugins.redactor()
        parts, self._store = make_parts(topology, worker.plugins, tracing, boot["root_has"])
        llm = parts["llm"]
        made = (self._store, llm.provider if llm is not None else None)
        self._late = [each for each in made if isinstance(each, BuiltLate)]
        in_hand = Path(boot["in_hand"]) if boot["in_hand"] else None
        transport = worker.links.for_member(worker.access, boot["root"], in_hand and in_hand.parent)
        self.node = MemberNode(
            boot["name"],
            root=boot["root"],
            own_token=boot["token"],
            token=worker.access.token,
            make=self._make,
            in_hand=in_hand,
            remind=None if boot["token"] else topology.runtime.node_timeout / 2,
            topology=digest_of(topology),
            stands_by=boot.get("stands_by", False),
            transport=transport,
            broker=worker.links.broker(transport),
            serializer=serializer_of(topology),
            tracing=tracing,
            **parts,
        )
        self.node.retention = retention_of(topology)
        self.node.dead.most = topology.runtime.dead_letters
        show(self.node, self.node.transport)
        windows = worker.windows
        self._window = (
            nullcontext() if windows is None else Window(self.node, window_of(windows, os.getpid()))
        )
        seal = Seal(worker.access.token)
        self._view_server = ViewServer(View(self.node), seal, self.node.transport)
        self._watchdog = worker.watchdog
        self._fence = worker.fence
        self._root: str = boot["root"]
        self.why = ""

    def _make(self, name: str) -> AgentProcess | ConversationPool:
        made = self._worker.maker(name)
        self.node.tracing.look()  # its module may have set up telemetry
        return made

    async def __aenter__(self) -> Self:
        self.node.attach()
        self.node.records.begin(self._worker.forwarder, self.node.loop)
        self.node.tracing.refresh()
        for each in self._late:
            await each.open()
        self._window.__enter__()
        self._view_server.open()
        return self

    async def enter(self) -> None:
        """Join the system; from then on do nothing while the root may have given this process up."""
        await self.node.enter()
        if self._fence is not None and isinstance(self.node.transport, Fencing):
            self.node.transport.hold_by(self._fence, self._root)

    async def last(self, stop: asyncio.Future[Any] | None = None) -> None:
        """Host agents until the root lets go of this process, or it is to stop."""
        assert self.node.ended is not None
        self._watchdog.resume()
        ends: set[asyncio.Future[Any]] = {self.node.ended}
        if stop is not None:
            ends.add(stop)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self.node.ended.done():
            self.why = self.node.ended.result()

    async def finish(self, drain_timeout: float) -> None:
        """Finish what is there, unless the root goes meanwhile."""
        assert self.node.ended is not None
        draining = asyncio.create_task(self.node.drain(drain_timeout))
        either: set[asyncio.Future[Any]] = {draining, self.node.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._watchdog.pause()
        if self._fence is not None:
            self._fence.open()
        self._view_server.close()
        self._window.__exit__(None, None, None)
        if kind is asyncio.CancelledError:
            self._crash()
        await self.node.leave_system()
        await self.node.detach()
        close = getattr(self._store, "close", None)
        if close is not None:
            await close()
        for each in self._late:
            await each.close()

    def _crash(self) -> None:
        """End at once, as nobody asked for this end: somebody's code stopped the loop or cancelled every task.

        Ending in order would tell the root that all is well, and lose what waits here.
        """
        logger.error(
            "process %r is ending although nobody asked it to: its event loop was interrupted or stopped, "
            "or all of its tasks were cancelled; its agents crash with it",
            self.node.name,
        )
        _leave(1)


def _given_up(name: str, why: str) -> None:
    """End this process before it does anything more: others have its work."""
    # In a thread: what this interrupted may hold what is needed to write a line.
    text = "process %r is ending: %s"
    say = threading.Thread(target=logger.warning, args=[text, name, why], daemon=True)
    say.start()
    say.join(_LAST_LINE)
    os._exit(1)


def _leave(code: int) -> None:
    """End this process now, whatever runs in its threads."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
