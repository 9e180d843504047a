"""How the OS processes of a system come to be: started here or elsewhere, and waited for."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from civitas.cluster.members.outages import Outages
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.peers import Peer
from civitas.errors import ConfigurationError, NodeDown, StartFailed
from civitas.launch import Exit, Hold, OsProcess, RunFolder
from civitas.process.failures import RemoteTraceback

__all__ = ["Starting"]

logger = logging.getLogger("civitas")

_A_MOMENT = 1.0
"""Seconds after which it is said that one is waited for."""


class Starting:
    """Starts the OS processes of a system, and waits for those that others start.

    Args:
        roster: They.
        boot_data: What each is told when it is started, as plain data.
        holds: What each that is started holds together with the root.
        address: Where the root is reached.
        ended: Called when one that was started here has ended, with how; it may never have joined.

    Attributes:
        outages: When the root could reach nobody.
        outlives: Seconds that a process which is started outlives the root, as another one may take it over.
        noted: Waits until a root that takes over would know of all processes that are there.
    """

    def __init__(
        self,
        roster: Roster,
        boot_data: Mapping[str, Any],
        holds: Sequence[Hold],
        address: Callable[[], str],
        ended: Callable[[Member, OsProcess, Exit], Awaitable[None]],
    ) -> None:
        self._roster = roster
        self._boot_data = boot_data
        self._holds = holds
        self._address = address
        self._ended = ended
        self.outages = Outages()
        self.outlives = 0.0
        self.noted: Callable[[], Awaitable[None]] | None = None
        """Waits until a root that takes over would know of all processes that are there, if one may."""
        self._watching: set[asyncio.Task[Any]] = set()
        self.noted_by: Callable[[str], Path | None] = lambda process: None
        """Where a process notes what it has in hand, if that is to outlive the root; otherwise None."""
        self._notes: dict[str, Path] = {}
        self._folder: RunFolder | None = None
        self._prepared: dict[str, OsProcess] = {}

    # Life.

    async def prepare_all(self) -> None:
        """Start those that are to be started here as far as they need no root: `start_all` lets them go on.

        Raises:
            StartFailed: One did not come so far; none is left behind then.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for member in self._roster:
                    if member.options.start:
                        group.create_task(self._prepare(member))
        except BaseExceptionGroup as several:
            self.drop_prepared()
            error = several.exceptions[0]
            raise error from error.__cause__

    async def _prepare(self, member: Member) -> None:
        process = self._prepared[member.name] = OsProcess(member.name, member.options)
        limit = member.options.start_timeout
        try:
            async with asyncio.timeout(limit):
                await process.prepare({**self._boot_data, **_alone(member)})
        except ConfigurationError as error:  # there is no such interpreter
            raise StartFailed(member.name, error) from error
        except TimeoutError:
            late = f"process {member.name!r} had not made its agents within its start_timeout of {limit:g} s"
            raise StartFailed(member.name, ConfigurationError(late)) from None
        if process.has_ended:
            raise _failed(member, await process.wait())

    def drop_prepared(self) -> None:
        """End those that were prepared and are not needed."""
        for process in self._prepared.values():
            process.let_go()
            process.kill()
        self._prepared.clear()

    async def open(self) -> None:
        """Make the folder that the root and its processes share."""
        self._folder = RunFolder()
        self._notes.clear()
        await self._folder.lock()

    def close(self) -> None:
        """Remove that folder, and what was started for nothing."""
        self.drop_prepared()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    async def start_all(self) -> None:
        """Start every process, and wait until each is there, but for those that have ended since the last root led.

        Raises:
            StartFailed: One did not come.
        """
        try:
            async with asyncio.TaskGroup() as starts:
                for member in self._roster:
                    if member.was_left:
                        continue  # its agents are down, and their supervisors serve the others meanwhile
                    starts.create_task(self.ready(member))
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from error.__cause__

    def give_up(self) -> None:
        """Wait for nobody any more."""
        for member in self._roster:
            if member.arriving is not None and not member.arriving.done():
                member.arriving.set_exception(_too_late(member.name))

    def let_go_all(self) -> None:
        """Look after none any more that was started here: they go on without this root."""
        for member in self._roster:
            if member.process is not None:
                member.process.let_go()
                member.process = None
        for task in self._watching:
            task.cancel()

    async def end_all(self, patience: float) -> None:
        """Wait until every process that was started here has ended; kill those that have not within `patience` seconds.

        They were told before.
        """
        # One that was starting has been killed when this is over.
        starting = [member.starting for member in self._roster if member.starting]
        if starting:
            await asyncio.wait(starting)
        # Each ends when it has read that; who does not is let go of, which ends it, too, and is then killed.
        if self._watching:
            await asyncio.wait(self._watching, timeout=patience)
        running = [
            member.process.end(patience) for member in self._roster if member.process is not None
        ]
        await asyncio.gather(*running)
        if self._watching:
            await asyncio.wait(self._watching)

    def in_hand_of(self, member: Member) -> Path | None:
        """Where a process notes what its agents are handling; None if there is no such folder any more."""
        name = member.name
        if self._folder is None:
            return None
        if name not in self._notes:  # the same as long as this root runs
            self._notes[name] = self.noted_by(name) or self._folder.path / f"{name}.in-hand"
        return self._notes[name]

    # One of them.

    def when_up(self, name: str, callback: Callable[[StartFailed | None], None]) -> None:
        """Call `callback` when a process is there, or with the error when it has failed to start."""

        async def wait() -> None:
            try:
                await self.ready(self._roster[name])
            except StartFailed as error:
                callback(error)
            except Exception as error:  # such as an interpreter that is no longer there
                callback(StartFailed(name, error))
            else:
                callback(None)

        self.look_after(wait())

    async def ready(self, member: Member) -> Peer:
        """Wait until a process is there, and may be used; it is started if it is down.

        Raises:
            StartFailed: It did not come.
        """
        peer = member.host or await self._there(member)
        if self.noted is not None:  # otherwise what starts there would run on beside the next root
            await self.noted()
        return peer

    async def _there(self, member: Member) -> Peer:
        if self._roster.ending:
            raise _too_late(member.name)
        if member.starting is None:
            member.starting = asyncio.get_running_loop().create_task(self._start(member))
            member.starting.add_done_callback(member.tried)
        # Nobody cancels it: who waits for it may leave, and `give_up` ends what it waits for.
        return await asyncio.shield(member.starting)

    async def _start(self, member: Member) -> Peer:
        if member.host is not None:
            return member.host  # it came in the moment between the call of this and now
        member.arriving = asyncio.get_running_loop().create_future()
        exited: asyncio.Task[Exit] | None = None
        try:
            if member.options.start:
                exited = await self._launch(member)
            return await self._arrival(member, member.arriving, exited)
        except BaseException as error:
            if member.process is not None and member.peer is None:
                member.process.kill()
            if isinstance(error, StartFailed):
                error.incident = uuid.uuid4().hex  # of all the agents that waited for it
            raise
        finally:
            if not member.arriving.done():
                member.arriving.cancel()
            member.arriving = None

    async def _launch(self, member: Member) -> asyncio.Task[Exit]:
        assert self._folder is not None  # `open` made it
        process = self._prepared.pop(member.name, None)
        holds = (*self._holds, self._folder.hold)
        held = [each.descriptor for each in holds if each.descriptor is not None]
        # Who outlives this root still has somewhere to write to.
        console = os.dup(2) if self.outlives else None
        told = {**self._told(member), "held": held, "console": console}
        given = held if console is None else [*held, console]
        try:
            if process is not None and not process.has_ended:
                process.go_on(told, given)
            else:
                process = OsProcess(member.name, member.options)
                await process.start({**self._boot_data, **_alone(member), **told}, given)
        except ConfigurationError as error:  # there is no such interpreter
            raise StartFailed(member.name, error) from error
        finally:
            if console is not None:
                os.close(console)
        member.process = process
        return self.look_after(self._exit_of(member, process))

    def _told(self, member: Member) -> dict[str, Any]:
        return {
            "root": self._address(),
            "token": member.token,
            "in_hand": str(self.in_hand_of(member)),
            "outlives": self.outlives,
        }

    async def _arrival(
        self,
        member: Member,
        arriving: asyncio.Future[Peer],
        exited: asyncio.Task[Exit] | None,
    ) -> Peer:
        # Started elsewhere: the first time somebody may have forgotten it; later its operator knows.
        patient = member.was_up and not member.options.start
        limit = None if patient else member.options.start_timeout
        waiting: set[asyncio.Future[Any]] = {arriving}
        if exited is not None:
            waiting.add(exited)
        # While the root itself can reach nobody, nobody can come.
        late = None if limit is None else asyncio.ensure_future(self.outages.patience(limit))
        if late is not None:
            waiting.add(late)
        say = None if member.options.start else _say_waiting(member, limit)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if late is not None:
                late.cancel()
            if say is not None:
                say.cancel()
        if arriving.done():
            return arriving.result()
        if exited is not None and exited.done():
            raise _failed(member, exited.result())
        raise StartFailed(member.name, ConfigurationError(_not_there(member)))

    async def _exit_of(self, member: Member, process: OsProcess) -> Exit:
        end = await process.wait()
        await self._ended(member, process, end)
        return end

    def look_after(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside what is going on; the end of the system waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return task


def _alone(member: Member) -> dict[str, Any]:
    """What a process is told that concerns it alone, whoever its root is."""
    # Another interpreter has an environment of its own; that of this one would come first there.
    own: dict[str, Any] = {} if member.options.python is None else {"path": []}
    return {**own, "name": member.name, "hang_timeout": member.options.hang_timeout}


def _too_late(name: str) -> StartFailed:
    return StartFailed(
        name, NodeDown(name, name, "the runtime stops", advice="Nothing is started any more")
    )


def _failed(member: Member, end: Exit) -> StartFailed:
    """What to say of a process that ended before it was ready; the console has its lines already."""
    last = end.last_lines[-1].removeprefix("error: ") if end.last_lines else "it wrote nothing"
    if "No module named 'civitas" in last:
        last = f"civitas-core is not installed there: {last}"
    failed = StartFailed(
        member.name,
        ConfigurationError(f"its process {end.text} before it was ready: {last}"),
    )
    failed.__cause__ = RemoteTraceback("\n".join(end.last_lines))
    return failed


def _say_waiting(member: Member, limit: float | None) -> asyncio.TimerHandle:
    how_long = "" if limit is None else f" for {limit:g} s"
    return asyncio.get_running_loop().call_later(
        _A_MOMENT,
        logger.warning,
        "waiting%s for process %r, which is started elsewhere: civitas run TOPOLOGY --process %s",
        how_long,
        member.name,
        member.name,
    )


def _not_there(member: Member) -> str:
    limit = f"within its start_timeout of {member.options.start_timeout:g} s"
    if member.options.start:
        return f"process {member.name!r} was not ready {limit}"
    return (
        f"process {member.name!r} has 'start: false' and did not join {limit}; "
        f"start it with `civitas run TOPOLOGY --process {member.name}`"
    )
