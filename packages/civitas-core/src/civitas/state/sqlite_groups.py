"""Writes that wait for a commit: those that are asked for while one runs go into the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Groups", "PendingWrite", "Row"]

# Rows of one statement: more gain nothing, and each size is a statement of its own in SQLite's cache.
_LARGEST_GROUP = 240
_LONE = 3
"""After so many writes behind each other that had no company, the next will have none either."""

Row: TypeAlias = "tuple[str, bytes | None, int | None, int | None]"
"""Key; encoded value, None to forget it; new revision, None to change nothing; the revision that must be there."""


@dataclass(eq=False, slots=True)
class PendingWrite:
    """What one caller writes, all or nothing.

    Attributes:
        rows: Its changes.
        saved: Done when they are committed.
        again: Whether they may have been committed already, unheard.
    """

    rows: Sequence[Row]
    saved: asyncio.Future[None]
    again: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is one change that expects nothing, or forgets several keys and does nothing else."""
        if len(self.rows) == 1:
            return self.rows[0][3] is None
        return all(raw is None and expected is None for _, raw, _, expected in self.rows)


class Groups:
    """Commits writes in groups.

    Args:
        commit: Commits some of them, and raises if it could not: nothing of them is written then.
        explain: Turns what it raised into the error that the caller of a write gets; None if it was committed before.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[PendingWrite]], Awaitable[None]],
        explain: Callable[[PendingWrite, Exception], Awaitable[Exception | None]],
    ) -> None:
        self._commit = commit
        self._explain = explain
        self._pending: list[PendingWrite] = []
        self._writing = False
        self._lone = 0  # how many groups there were behind each other with one write
        self._next: asyncio.Task[None] | None = None  # held, as the loop holds tasks weakly
        self._idle: asyncio.Future[None] | None = None

    @property
    def lone(self) -> bool:
        """Whether nobody writes, and each of the last who did was alone; whichever thread looks."""
        return not self._writing and self._lone >= _LONE

    def meets_others(self) -> None:
        """Somebody who was to be alone was not."""
        self._lone = 0

    def write(self, rows: Sequence[Row]) -> Awaitable[None]:
        """Commit `rows`, together with what others write; to be awaited at once, since others may wait for this one."""
        write = PendingWrite(rows, asyncio.get_running_loop().create_future())
        self._pending.append(write)
        if self._writing:
            return write.saved
        self._writing = True
        return self._write_for_all(write)

    async def _write_for_all(self, write: PendingWrite) -> None:
        try:
            await self._commit_group()
        except asyncio.CancelledError:
            write.saved.cancel()  # nobody waits for it any more
            raise
        await write.saved

    async def finish(self) -> None:
        """Wait until nothing is left to write."""
        while self._writing:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def _commit_group(self) -> None:
        """Commit what waits; one caller does it for all, which saves a single caller the switch to another task."""
        group: list[PendingWrite] = []
        try:
            # Everyone who is runnable now gets a turn first: those whose group was just committed write again in that
            # turn, and so share the next commit.
            await asyncio.sleep(0)
            group = self._take()
            await self._save(group)
        except asyncio.CancelledError:
            # Only this caller was cancelled. What the others write may be committed, but nobody heard of it.
            left = [write for write in group if not write.saved.done()]
            for write in left:
                write.again = True
            self._pending[:0] = left
            raise
        finally:
            if self._pending:
                self._next = asyncio.get_running_loop().create_task(self._commit_group())
            else:
                self._writing = False
                if self._idle is not None:
                    self._idle.set_result(None)
                    self._idle = None

    def _take(self) -> list[PendingWrite]:
        rows, count = 0, 0
        for write in self._pending:
            rows += len(write.rows)
            if count and rows > _LARGEST_GROUP:
                break
            count += 1
        group = self._pending[:count]
        self._lone = self._lone + 1 if count == 1 else 0
        del self._pending[:count]
        return group

    async def _save(self, group: Sequence[PendingWrite]) -> None:
        problem: Exception | None = None
        try:
            await self._commit(group)
        except Exception as error:
            if len(group) > 1:
                # One value too large for the disk, or one conflict, must not take the others along.
                for write in group:
                    await self._save([write])
                return
            problem = await self._explain(group[0], error)
        for write in group:
            if write.saved.done():
                continue
            if problem is None:
                write.saved.set_result(None)
            else:
                write.saved.set_exception(problem)
